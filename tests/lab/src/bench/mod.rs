//! Benchmarks: peers beside us, on one lab, in one run.
//!
//! A benchmark is a [`Bench`] in the list [`ALL`]; what it measured is a [`Report`]. Absolute figures are this machine's; the ratios
//! are what is aimed at. `record` keeps them, and `check` holds a short form of the benchmarks against what was kept last.

mod boot;
mod check;
mod memory;
mod outbox;
mod panel;
mod record;
pub mod recovery;
mod report;
mod start;
mod wear;

use std::path::PathBuf;
use std::process::ExitCode;

use async_trait::async_trait;

use record::Recorder;
pub use report::Report;

/// Something to measure.
#[async_trait(?Send)]
pub trait Bench {
    /// What it is called on the command line.
    fn name(&self) -> &'static str;
    /// What it measures, in a sentence.
    fn about(&self) -> &'static str;
    /// Whether it has a short form, which measures what a busy machine does not change.
    fn is_checked(&self) -> bool {
        false
    }
    /// Measures.
    async fn measure(&self, terms: &Terms) -> anyhow::Result<Report>;
}

/// What is measured.
pub struct Terms {
    /// How much of it.
    pub extent: Extent,
    /// A built `holdfastd` with the feature `lab` in place of the one in this program; a build for the card (`--profile dist`), say.
    pub daemon: Option<PathBuf>,
}

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// What a busy machine does not change, and no more of it than tells.
    Short,
    /// All of it.
    Usual,
    /// For longer, where more time tells more.
    Full,
}

/// Every benchmark there is.
pub const ALL: &[&dyn Bench] = &[
    &boot::Boot,
    &memory::Memory,
    &outbox::Outbox,
    &panel::Wiring,
    &recovery::Recovery,
    &start::Start,
    &wear::Wear,
];

/// Exit code of a benchmark of which something was not run, as for proofs.
const NOT_RUN: u8 = 77;

/// What is told on the command line.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Which measurement
    #[arg(required_unless_present_any = ["list", "check"])]
    name: Option<String>,
    /// Names every benchmark
    #[arg(long, exclusive = true)]
    list: bool,
    /// Measures briefly what a busy machine does not change, and holds it against what was recorded last; exit code 1 when one is worse
    #[arg(long, conflicts_with_all = ["name", "full", "json", "record"])]
    check: bool,
    /// Measures this `holdfastd`, built with the feature `lab`, in place of the one in this program; not in `boot`, `outbox`, `panel` and `recovery`
    #[arg(long, value_name = "FILE")]
    daemon: Option<PathBuf>,
    /// Measures longer, where that tells more
    #[arg(long)]
    full: bool,
    /// Prints one JSON object instead of a table
    #[arg(long)]
    json: bool,
    /// Writes the ratios into docs/costs.toml, under the commit that is checked out
    #[arg(long)]
    record: bool,
}

/// Does what was told: measures, checks or lists.
///
/// # Errors
/// [`Unknown`], or what kept it from being measured, checked or recorded.
pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let terms = |extent| Terms {
        extent,
        daemon: options.daemon.clone(),
    };
    if options.check {
        return check::run(&terms(Extent::Short)).await;
    }
    let Some(name) = &options.name else {
        print!("{}", list());
        return Ok(ExitCode::SUCCESS);
    };
    let bench = ALL
        .iter()
        .find(|bench| bench.name() == name)
        .ok_or_else(|| Unknown(name.to_owned()))?;
    let recorder = options.record.then(Recorder::new).transpose()?;
    let extent = if options.full {
        Extent::Full
    } else {
        Extent::Usual
    };
    let report = bench.measure(&terms(extent)).await?;
    if let Some(recorder) = recorder {
        recorder.write(bench.name(), &report)?;
    }
    if options.json {
        println!("{}", report.json(name));
    } else {
        println!("{}", report.table(name));
    }
    Ok(ExitCode::from(match report.is_complete() {
        true => 0,
        false => NOT_RUN,
    }))
}

fn list() -> String {
    ALL.iter()
        .map(|bench| format!("{:12} {}\n", bench.name(), bench.about()))
        .collect()
}

/// No benchmark has this name.
#[derive(Debug, thiserror::Error)]
#[error("no benchmark is called {0:?}; `holdfast-lab bench --list` names them all")]
pub struct Unknown(String);
