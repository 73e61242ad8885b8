//! Proofs: claims tried over many cases from a seed, with controls that must fail.
//!
//! A proof is a [`Proof`] in the list [`ALL`]; [`run`] carries it out and says how it ended. What cannot be tried here is
//! *not run*, which is neither passed nor failed and never silent. A [`round`] is what a change is tried by, and the [`record`]
//! has what was run at length, and when.

mod bit_rot;
mod boot;
mod choice;
mod crash_points;
mod disk_full;
mod downgrade;
mod faults;
mod interoperation;
mod model;
mod mutations;
mod panel;
mod paper;
mod plug_pull;
mod qr;
pub mod record;
mod restore;
pub mod round;
mod simulation;
pub(crate) mod source;
mod story;
mod update;

use std::fmt;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rand::SeedableRng;
use rand::rngs::StdRng;

use self::record::Recorder;
use crate::peers::Foreign;

/// A claim and how to try it.
#[async_trait(?Send)]
pub trait Proof {
    /// What it is called on the command line.
    fn name(&self) -> &'static str;
    /// The claim, in a sentence.
    fn claim(&self) -> &'static str;
    /// What its sample takes, minutes: on two processors, beside another proof, as CI runs it.
    fn minutes(&self) -> u64;
    /// The files and folders, below the top of the source, whose behaviour it proves.
    fn rooms(&self) -> &'static [&'static str];
    /// Tries the claim, case by case.
    async fn try_on(&self, run: &mut Run);
}

/// Every proof there is.
pub const ALL: &[&dyn Proof] = &[
    &interoperation::Interoperation(Foreign::Baileys),
    &bit_rot::BitRot,
    &boot::Boot,
    &crash_points::CrashPoints,
    &faults::AllFaults,
    &disk_full::FullDisk,
    &downgrade::Downgrade,
    &model::Everything,
    &mutations::Mutants,
    &panel::Displays,
    &paper::OnPaper,
    &plug_pull::PlugPull,
    &qr::Reading,
    &restore::Comeback,
    &simulation::Lives,
    &story::MainJob,
    &update::Update,
    &interoperation::Interoperation(Foreign::Whatsmeow),
];

/// Exit code of a proof of which something was not run; Automake's for a skipped test.
const NOT_RUN: u8 = 77;

/// How much to try, and from which seed.
#[derive(Clone, Debug, clap::Args)]
pub struct Extent {
    /// Replays the run that printed this seed
    #[arg(long)]
    pub seed: Option<u64>,
    /// How many cases, where they are drawn from the seed [default: a sample that suits CI]
    #[arg(long)]
    pub count: Option<u64>,
    /// As many cases as the claim deserves, however long that takes
    #[arg(long, conflicts_with = "count")]
    pub full: bool,
    /// Writes down in docs/proofs/runs.toml how it ended, under the commit that is checked out
    #[arg(long)]
    pub record: bool,
}

/// One run of a proof.
pub struct Run {
    seed: u64,
    extent: Extent,
    tally: Tally,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Cases and controls tried.
    pub cases: u64,
    /// Of these, cases that failed and controls that did not.
    pub failed: u64,
    /// Cases that could not be tried.
    pub not_run: u64,
}

impl Tally {
    /// 0 when everything was tried and held, 1 when something failed, 77 when nothing failed but not all was tried.
    pub fn code(&self) -> u8 {
        if self.failed > 0 {
            1
        } else if self.not_run > 0 || self.cases == 0 {
            NOT_RUN
        } else {
            0
        }
    }
}

impl Run {
    /// A run that has tried nothing yet.
    pub fn new(extent: Extent) -> Run {
        Run {
            seed: extent.seed.unwrap_or_else(rand::random),
            extent,
            tally: Tally::default(),
        }
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// As many cases as the claim deserves are wanted.
    pub fn is_full(&self) -> bool {
        self.extent.full
    }

    /// How many cases to draw: what the command line says, else `sample`, or `full` when all are wanted.
    pub fn count(&self, sample: u64, full: u64) -> u64 {
        match self.extent.count {
            Some(count) => count,
            None if self.extent.full => full,
            None => sample,
        }
    }

    /// The dice of one case, the same whatever other cases are run.
    pub fn dice(&self, case: u64) -> StdRng {
        StdRng::seed_from_u64(self.seed ^ case.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// Tries one case and says how it went; what it found is there for the next.
    pub async fn case<T, E: fmt::Display>(
        &mut self,
        name: impl fmt::Display,
        within: Duration,
        work: impl Future<Output = Result<T, E>>,
    ) -> Option<T> {
        self.tally.cases += 1;
        let begun = Instant::now();
        let failure = match tokio::time::timeout(within, work).await {
            Ok(Ok(found)) => {
                println!("  ok      {name} ({:.1} s)", begun.elapsed().as_secs_f64());
                return Some(found);
            }
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => format!("not done within {within:?}"),
        };
        self.tally.failed += 1;
        println!("  FAILED  {name}: {failure}");
        None
    }

    /// Counts one of many drawn cases; only a failure is printed.
    pub fn drawn(&mut self, name: impl fmt::Display, held: Result<(), String>) {
        self.tally.cases += 1;
        if let Err(error) = held {
            self.tally.failed += 1;
            println!("  FAILED  {name}: {error}");
        }
    }

    /// Tries what must not work: a check that passes here could not fail anywhere.
    pub async fn control<T, E: fmt::Display>(
        &mut self,
        name: impl fmt::Display,
        within: Duration,
        work: impl Future<Output = Result<T, E>>,
    ) {
        self.tally.cases += 1;
        match tokio::time::timeout(within, work).await {
            Ok(Err(error)) => println!("  ok      control: {name} ({error:#})"),
            Ok(Ok(_)) => {
                self.tally.failed += 1;
                println!("  FAILED  control: {name}: it passed, so the check proves nothing");
            }
            Err(_) => {
                self.tally.failed += 1;
                println!("  FAILED  control: {name}: not done within {within:?}");
            }
        }
    }

    /// As [`Run::control`], where the failure has to say this: one for another reason would hide that the check is blind.
    pub async fn caught<T, E: fmt::Display>(
        &mut self,
        name: impl fmt::Display,
        said: &str,
        within: Duration,
        work: impl Future<Output = Result<T, E>>,
    ) {
        let work = async {
            match work.await {
                Err(error) if format!("{error:#}").contains(said) => Err(said),
                Err(error) => {
                    println!("          it failed for another reason: {error:#}");
                    Ok(())
                }
                Ok(_) => Ok(()),
            }
        };
        self.control(name, within, work).await;
    }

    /// A run of the same seed that has tried nothing yet, for cases beside these; [`Run::take`] counts them.
    pub fn beside(&self) -> Run {
        Run {
            seed: self.seed,
            extent: self.extent.clone(),
            tally: Tally::default(),
        }
    }

    /// Counts the cases of a run beside this one.
    pub fn take(&mut self, beside: Run) {
        self.tally.cases += beside.tally.cases;
        self.tally.failed += beside.tally.failed;
        self.tally.not_run += beside.tally.not_run;
    }

    /// Counts cases that cannot be tried here.
    pub fn not_run(&mut self, cases: u64, why: impl fmt::Display) {
        self.tally.not_run += cases;
        println!("  not run {cases}: {why}");
    }

    /// How it went so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }
}

/// What is printed for `--list`: names, what a sample takes, and the claims.
pub fn list() -> String {
    ALL.iter()
        .map(|proof| {
            let (name, minutes, claim) = (proof.name(), proof.minutes(), proof.claim());
            format!("{name:12} {minutes:2} min  {claim}\n")
        })
        .collect()
}

/// Carries out the proof called `name`; the last line printed and the exit code say how it ended.
///
/// # Errors
/// [`Unknown`], or a run cannot be recorded that is to be.
pub async fn run(name: &str, extent: Extent) -> anyhow::Result<ExitCode> {
    let proof = ALL
        .iter()
        .find(|proof| proof.name() == name)
        .ok_or_else(|| Unknown(name.to_owned()))?;
    let recorder = extent.record.then(Recorder::new).transpose()?;
    let mut run = Run::new(extent.clone());
    let begun = Instant::now();
    println!("{}: {} (seed {})", name, proof.claim(), run.seed());
    proof.try_on(&mut run).await;
    if let Some(recorder) = recorder {
        recorder.write(name, &extent, &run, begun.elapsed())?;
    }
    println!("{}", last_line(name, run.tally(), run.seed()));
    Ok(ExitCode::from(run.tally().code()))
}

fn last_line(name: &str, tally: Tally, seed: u64) -> String {
    let Tally {
        cases,
        failed,
        not_run,
    } = tally;
    format!("prove {name}: {cases} cases, {failed} failed, {not_run} not run, seed {seed}")
}

/// No proof has this name.
#[derive(Debug, thiserror::Error)]
#[error("no proof is called {0:?}; `holdfast-lab prove --list` names them all")]
pub struct Unknown(String);

#[cfg(test)]
mod tests {
    use std::future::ready;

    use rand::Rng;

    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    fn run(extent: Extent) -> Run {
        Run::new(extent)
    }

    fn extent() -> Extent {
        Extent {
            seed: Some(7),
            count: None,
            full: false,
            record: false,
        }
    }

    #[tokio::test]
    async fn what_fails_is_counted_and_so_is_a_control_that_passes() {
        let mut run = run(extent());
        assert_eq!(run.tally().code(), NOT_RUN, "nothing tried proves nothing");

        let found = run.case("holds", SOON, ready(Ok::<_, String>(3))).await;
        assert_eq!(found, Some(3));
        run.control("breaks", SOON, ready(Err::<(), _>("as it should")))
            .await;
        assert_eq!(run.tally().code(), 0);

        run.not_run(2, "no Node here");
        assert_eq!(run.tally().code(), NOT_RUN);

        run.caught(
            "breaks",
            "should",
            SOON,
            ready(Err::<(), _>("as it should")),
        )
        .await;
        assert_eq!(run.tally().failed, 0);
        run.caught("breaks", "should", SOON, ready(Err::<(), _>("otherwise")))
            .await;
        run.control("holds", SOON, ready(Ok::<_, String>(()))).await;
        run.case("breaks", SOON, ready(Err::<(), _>("bad"))).await;
        run.case(
            "hangs",
            Duration::ZERO,
            std::future::pending::<Result<(), String>>(),
        )
        .await;
        run.control(
            "hangs",
            Duration::ZERO,
            std::future::pending::<Result<(), String>>(),
        )
        .await;
        let mut beside = run.beside();
        beside.drawn("drawn", Err("bad".to_owned()));
        run.take(beside);
        let tally = run.tally();
        assert_eq!((tally.cases, tally.failed, tally.not_run), (9, 6, 2));
        assert_eq!(tally.code(), 1);
        assert_eq!(
            last_line("it", tally, run.seed()),
            "prove it: 9 cases, 6 failed, 2 not run, seed 7"
        );
    }

    #[test]
    fn a_seed_replays_each_case_alone_and_the_extent_is_obeyed() {
        let draw = |case| run(extent()).dice(case).next_u64();
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));

        let count = |count, full| {
            let seed = None;
            let record = false;
            let extent = Extent {
                seed,
                count,
                full,
                record,
            };
            run(extent).count(10, 1000)
        };
        assert_eq!(
            [count(None, false), count(None, true), count(Some(3), false)],
            [10, 1000, 3]
        );
    }

    #[tokio::test]
    async fn names_are_unique_and_an_unknown_one_is_an_error() {
        let mut names: Vec<_> = ALL.iter().map(|proof| proof.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
        assert!(names.iter().all(|name| list().contains(name)));
        assert!(super::run("no-such", extent()).await.is_err());
    }
}
