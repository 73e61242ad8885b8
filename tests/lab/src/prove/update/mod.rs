//! `prove update`: one of two slots starts, whatever becomes of the other.
//!
//! The image as it is released, in a virtual board that starts through U-Boot as every board does; two cases by the seed, `--count` of them, or
//! with `--full` all. No phone and no WhatsApp are in it: an [`operator`] has SSH.

mod cuts;
mod operator;
mod slots;
mod trial;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::ensure;
use async_trait::async_trait;
use rand::seq::SliceRandom as _;

use super::{Proof, Run};
use crate::rig;
use crate::vm::card::{Arch, Card};
use crate::vm::machine::{Extras, HOST, Machine};
use crate::vm::operator::Operator;
use crate::vm::scene;

/// Size of the card, MiB.
const CARD_MIB: u64 = 1024;

/// How often a card is looked at that a board writes to.
const LOOK: Duration = Duration::from_secs(1);

/// One case, with every boot that it takes.
const CASE: Duration = Duration::from_secs(2_400);

/// The proof.
pub struct Update;

#[async_trait(?Send)]
impl Proof for Update {
    fn name(&self) -> &'static str {
        "update"
    }

    fn claim(&self) -> &'static str {
        "a signed update is tried in the other slot, and a slot that does not start, at once or ever after, is left for the one that does"
    }

    fn minutes(&self) -> u64 {
        25
    }

    fn rooms(&self) -> &'static [&'static str] {
        &[
            "board",
            "systemd",
            "tests/lab/src/vm",
            "tests/lab/src/prove/update",
        ]
    }

    async fn try_on(&self, run: &mut Run) {
        let mut cases = Case::ALL;
        cases.shuffle(&mut run.dice(0));
        let all = cases.len();
        let count = usize::try_from(run.count(2, all as u64)).map_or(all, |count| count.min(all));
        for case in &cases[..count] {
            if let Some(missing) = case.missing() {
                run.not_run(1, missing);
                continue;
            }
            case.try_on(run).await;
        }
    }
}

/// What is done to a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    /// An update is installed and tried: it is called good, or left.
    Installed,
    /// Updates that are none of ours: another key, a byte, half of it.
    Foreign,
    /// A new slot that nobody calls good.
    Unconfirmed,
    /// A slot without its boot files.
    Empty,
    /// A good slot whose root is not what it was.
    Rotten,
    /// A good slot whose tree has no head.
    Headless,
    /// A good slot that panicked once.
    Panicked,
    /// U-Boot's environment is gone.
    Erased,
    /// No slot has a try left.
    Spent,
    /// The first partition table is damaged.
    Table,
    /// The power goes at every flush.
    Cut,
}

impl Case {
    const ALL: [Case; 11] = [
        Case::Installed,
        Case::Foreign,
        Case::Unconfirmed,
        Case::Empty,
        Case::Rotten,
        Case::Headless,
        Case::Panicked,
        Case::Erased,
        Case::Spent,
        Case::Table,
        Case::Cut,
    ];

    fn missing(self) -> Option<String> {
        let arch = Arch::Amd64;
        scene::no_tool(arch)
            .or_else(|| scene::no_image("qemu", arch))
            .or_else(|| match self {
                Case::Installed | Case::Foreign | Case::Cut => operator::missing(),
                _ => None,
            })
    }

    async fn try_on(self, run: &mut Run) {
        match self {
            Case::Installed => {
                let name = "an update is installed beside, and the board starts it";
                if let Some(installed) = run.case(name, CASE, operator::installs()).await {
                    trial::try_each(run, &installed).await;
                }
            }
            Case::Foreign => operator::refuses(run).await,
            Case::Unconfirmed => {
                let name = "a new slot that nobody calls good is left after three starts";
                run.case(name, CASE, slots::unconfirmed()).await;
                let name = "a good slot is left after three starts";
                let said = "does not say \"Holdfast: slot A";
                run.caught(name, said, CASE, slots::confirmed()).await;
            }
            Case::Empty => {
                let name = "a slot without boot files is left at once";
                run.case(name, CASE, slots::empty()).await;
            }
            Case::Rotten => {
                let name =
                    "a good slot whose root was changed later is left, and SSH works in the other";
                run.case(name, CASE, slots::rotten()).await;
            }
            Case::Headless => {
                let name = "a good slot whose tree has lost its head is left";
                run.case(name, CASE, slots::headless()).await;
            }
            Case::Panicked => {
                let name = "a good slot that panicked once is called good again";
                run.case(name, CASE, slots::panicked()).await;
                let name = "a slot is called good with nobody there to do it";
                run.caught(name, "the environment is", CASE, slots::nobody())
                    .await;
            }
            Case::Erased => {
                let name = "without an environment the first slot starts, and nothing is written";
                run.case(name, CASE, slots::erased()).await;
            }
            Case::Spent => {
                let name = "with no try left a slot is tried all the same";
                run.case(name, CASE, slots::spent()).await;
            }
            Case::Table => {
                let name = "with the first partition table damaged it starts from the second";
                run.case(name, CASE, slots::table()).await;
            }
            Case::Cut => cuts::everywhere(run).await,
        }
    }
}

/// A board without power, its card, and who has SSH.
struct Stage {
    card: Card,
    operator: Operator,
    place: tempfile::TempDir,
}

impl Stage {
    async fn set() -> anyhow::Result<Stage> {
        let place = rig::scratch()?;
        let operator = Operator::new(place.path()).await?;
        let disk = place.path().join("card");
        let card = Card::flash(&scene::images(), Arch::Amd64, CARD_MIB, &disk)?;
        // Nobody answers there: the device waits for its network, which is no fault of any version's.
        let settings = format!(
            "[server]\nurl = \"ws://{HOST}:9\"\n[ssh]\nauthorized_keys = [\"{}\"]\n",
            operator.public()?
        );
        card.give(scene::SETTINGS, settings.as_bytes())?;
        Ok(Stage {
            card,
            operator,
            place,
        })
    }

    /// The same with the second slot filled as the first is, and U-Boot's environment.
    async fn with_both(environment: &str) -> anyhow::Result<Stage> {
        let stage = Stage::set().await?;
        for (to, from) in [
            ("boot-b", "boot-a"),
            ("root-b", "root-a"),
            ("root-b-verity", "root-a-verity"),
        ] {
            stage.card.fill(to, from)?;
        }
        stage.card.set_environment(environment)?;
        Ok(stage)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// The same card once more, in a place of its own.
    fn copy(&self) -> anyhow::Result<Stage> {
        let place = rig::scratch()?;
        Ok(Stage {
            card: self.card.copy(&place.path().join("card"))?,
            operator: self.operator.clone(),
            place,
        })
    }

    async fn power_on(&self) -> anyhow::Result<Machine> {
        self.power_on_with(&Extras::default()).await
    }

    async fn power_on_with(&self, extras: &Extras) -> anyhow::Result<Machine> {
        Machine::start(&self.card, extras, &self.path("board")).await
    }

    /// The same with more words for the kernel, and a time that leaps.
    async fn power_on_leaping(&self, append: Vec<String>) -> anyhow::Result<Machine> {
        let extras = Extras {
            append,
            leaps: true,
            ..Extras::default()
        };
        self.power_on_with(&extras).await
    }

    /// A board of its own with another card in it.
    async fn power_on_other(&self, card: &Card) -> anyhow::Result<Machine> {
        Machine::start(card, &Extras::default(), &self.path("other")).await
    }

    /// U-Boot's environment is this.
    fn has(&self, environment: &str) -> anyhow::Result<()> {
        let found = self.card.environment()?;
        ensure!(
            found == environment,
            "the environment is {found:?} and not {environment:?}"
        );
        Ok(())
    }

    /// It gets to be this, within so long, while the board runs.
    async fn gets(&self, environment: &str, within: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + within;
        while Instant::now() < deadline && self.has(environment).is_err() {
            tokio::time::sleep(LOOK).await;
        }
        self.has(environment)
    }

    /// The slot that runs, as the kernel's command line names it.
    async fn runs(&self, machine: &Machine) -> anyhow::Result<String> {
        self.operator.is_let_in(machine, scene::BOOT).await?;
        let slot = "sed 's/.*rauc\\.slot=\\([AB]\\).*/\\1/' /proc/cmdline";
        let slot = self.operator.run(machine, slot).await?;
        Ok(slot.trim().to_owned())
    }
}
