//! `prove plug-pull`: the plug of a virtual board is pulled at any moment, what was not flushed is lost, and it goes on.

mod life;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use rand::RngExt as _;
use rand::seq::IndexedRandom as _;

use self::life::Life;
use super::{Proof, Run};
use crate::rig::cut::Kind;
use crate::vm::card::Arch;
use crate::vm::scene;

/// How many controls the first life has.
const CONTROLS: u64 = Broken::ALL.len() as u64;

/// One cut and what follows.
const STEP: Duration = Duration::from_secs(900);

/// What a board is doing when its power goes, in the order in which a life comes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// It starts for the first time.
    FirstBoot,
    /// It is being linked.
    Link,
    /// It starts.
    Boot,
    /// Messages go both ways.
    Traffic,
    /// It starts with a store that must be repaired.
    Repair,
    /// It was told to stop.
    Shutdown,
    /// A new version is installed, or starts for the first time.
    Update,
}

impl Moment {
    const ALL: [Moment; 7] = [
        Moment::FirstBoot,
        Moment::Link,
        Moment::Boot,
        Moment::Traffic,
        Moment::Repair,
        Moment::Shutdown,
        Moment::Update,
    ];
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Moment::FirstBoot => "first boot",
            Moment::Link => "link",
            Moment::Boot => "boot",
            Moment::Traffic => "traffic",
            Moment::Repair => "repair",
            Moment::Shutdown => "shutdown",
            Moment::Update => "update",
        })
    }
}

/// What a life may have promised and not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    /// WhatsApp took a message for the board, and something else came under its id.
    Lost,
    /// The friend has what the board sent twice.
    Twice,
    /// The last end was none of those that it can have been.
    End,
}

impl Broken {
    const ALL: [Broken; 3] = [Broken::Lost, Broken::Twice, Broken::End];

    /// The claim that must not pass.
    fn claim(self) -> &'static str {
        match self {
            Broken::Lost => "a message that was taken is not there",
            Broken::Twice => "a message arrived twice",
            Broken::End => "the boot report names another end",
        }
    }

    /// What is said where it is noticed.
    fn noticed(self) -> &'static str {
        match self {
            Broken::Lost => "the bot does not read \"what was taken\"",
            Broken::Twice => "the friend has \"twofold\" twice",
            Broken::End => "the boot report does not say watchdog",
        }
    }
}

/// A power cut that was drawn.
#[derive(Clone, Copy, Debug)]
struct Pull {
    /// What becomes of what was not flushed.
    kind: Kind,
    /// How far into the moment, of its length.
    share: f64,
    /// What the dice of the cut, and of the damage before a repair, are thrown from.
    dice: u64,
}

/// The proof.
pub struct PlugPull;

#[async_trait(?Send)]
impl Proof for PlugPull {
    fn name(&self) -> &'static str {
        "plug-pull"
    }

    fn claim(&self) -> &'static str {
        "whenever the plug of a board is pulled, it boots, connects without a QR, and nothing is lost"
    }

    fn minutes(&self) -> u64 {
        15
    }

    fn rooms(&self) -> &'static [&'static str] {
        &[
            "board",
            "systemd",
            "src/boot",
            "src/medium",
            "src/vault",
            "src/mail",
            "src/history",
            "src/link",
            "src/daemon.rs",
            "src/daemon",
            "src/update",
            "tests/lab/src/vm",
            "tests/lab/src/prove/plug_pull",
        ]
    }

    async fn try_on(&self, run: &mut Run) {
        let count = run.count(Moment::ALL.len() as u64, 100);
        if let Some(missing) = scene::missing(Arch::Amd64).or_else(|| scene::no_bundle(Arch::Amd64))
        {
            return run.not_run(count + CONTROLS, missing);
        }
        let cases: Vec<_> = (0..count).zip(Moment::ALL.into_iter().cycle()).collect();
        // Each life has a card of its own, from the first boot on; an emulated board takes one processor.
        let lives = cases.chunks(Moment::ALL.len()).enumerate();
        let lives = lives.map(|(number, cuts)| live(run.beside(), number, cuts));
        let side_by_side = std::thread::available_parallelism().map_or(1, usize::from);
        let lived: Vec<Run> = stream::iter(lives)
            .buffer_unordered(side_by_side)
            .collect()
            .await;
        for life in lived {
            run.take(life);
        }
    }
}

/// Lives the life of one card, cut by cut.
async fn live(mut run: Run, number: usize, cuts: &[(u64, Moment)]) -> Run {
    let mut life = match Life::new().await {
        Ok(life) => life,
        Err(error) => {
            run.not_run(cuts.len() as u64, format!("{error:#}"));
            return run;
        }
    };
    for (at, &(case, moment)) in cuts.iter().enumerate() {
        let mut dice = run.dice(case);
        let pull = Pull {
            kind: *Kind::ALL.choose(&mut dice).expect("there are kinds"),
            share: dice.random(),
            dice: dice.random(),
        };
        let share = pull.share * 100.0;
        let name = format!("card {number}: {moment}, at {share:.0} %, {}", pull.kind);
        let lived = run.case(name, STEP, life.through(moment, pull)).await;
        if lived.is_none() {
            let rest = (cuts.len() - at - 1) as u64;
            run.not_run(rest, "what follows in this life needs this moment");
            return run;
        }
    }
    for broken in Broken::ALL.into_iter().filter(|_| number == 0) {
        let (name, caught) = (broken.claim(), life.is_caught(broken));
        run.caught(name, broken.noticed(), STEP, caught).await;
    }
    run
}
