//! A power cut at every flush of an installation, and of the first start of what it installed: what is left on the card is looked at for each,
//! and some of them go back into the board.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, ensure};
use rand::RngExt as _;
use rand::seq::IndexedRandom as _;

use super::{CASE, Run, Stage, operator};
use crate::rig::cut::{Cut, Kind};
use crate::rig::log::{Entry, Log, flushes};
use crate::rig::replay::Replay;
use crate::vm::card::{Arch, Card};
use crate::vm::machine::Extras;
use crate::vm::scene::{self, BOOT};

/// The parts of a slot, before its letter and after.
const PARTS: [(&str, &str); 3] = [("boot-", ""), ("root-", ""), ("root-", "-verity")];

/// What the card was told, from the beginning of the installation to a trial that was let in.
struct Recorded {
    log: Log,
    /// The image that the log goes on from.
    start: PathBuf,
    /// How many entries were there before the installation, and when it was done.
    began: usize,
    installed: usize,
    /// The same card with both slots as they are to be.
    whole: Card,
    stage: Stage,
}

/// What U-Boot makes of a state: `board/image/boot.cmd`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Chosen {
    slot: char,
    left: u8,
}

/// Records once, and cuts everywhere.
pub(super) async fn everywhere(run: &mut Run) {
    let name = "an installation, and the first start of what it installed";
    let Some(recorded) = run.case(name, CASE, record()).await else {
        return;
    };
    let recorded = Arc::new(recorded);
    let all = recorded.log.entries().len();
    let spans = [
        ("the installation", recorded.began..recorded.installed),
        ("the first start", recorded.installed..all),
    ];
    for (number, (name, span)) in (1..).zip(spans) {
        let mut dice = run.dice(number);
        let cuts = recorded.cuts(span, &mut dice);
        let name = format!("{} cuts of {name} leave a whole slot first", cuts.len());
        let (looks, looked) = (Arc::clone(&recorded), cuts.clone());
        let looks = async move { tokio::task::spawn_blocking(move || looks.look(&looked)).await? };
        run.case(name, CASE, looks).await;
        let Some(cut) = cuts.choose(&mut dice) else {
            return run.not_run(1, "there is nothing to cut");
        };
        let name = format!("cut {cut}, it starts from the slot that was expected");
        run.case(name, CASE, recorded.starts(cut)).await;
    }
    let name = "a slot that is half written comes first";
    run.caught(name, "slot B is not whole", CASE, recorded.half())
        .await;
}

async fn record() -> anyhow::Result<Recorded> {
    let stage = Stage::set().await?;
    let whole = stage.card.copy(&stage.path("whole"))?;
    for (before, after) in PARTS {
        whole.fill(&format!("{before}b{after}"), &format!("{before}a{after}"))?;
    }
    let recorded = Extras {
        recorded: true,
        ..Extras::default()
    };
    let machine = stage.power_on_with(&recorded).await?;
    stage.runs(&machine).await?;
    let began = machine.recorded_bytes()?;
    operator::install(&stage, &machine, &scene::bundle(Arch::Amd64)).await?;
    let installed = machine.recorded_bytes()?;
    // The connection goes with the board.
    let _ = stage.operator.run(&machine, "systemctl reboot").await;
    machine.says("Holdfast: slot B, 3 left", 1, BOOT).await?;
    let slot = stage.runs(&machine).await?;
    ensure!(slot == "B", "slot {slot} runs after the update");
    let (log, start) = machine.unplug_recorded().await?;
    let until = |bytes: u64| {
        log.entries()
            .partition_point(|entry: &Entry| entry.end <= bytes)
    };
    Ok(Recorded {
        began: until(began),
        installed: until(installed),
        whole,
        log,
        start,
        stage,
    })
}

impl Recorded {
    /// A cut before every flush of a span, of a kind that is drawn, and one behind the last.
    fn cuts(&self, span: std::ops::Range<usize>, dice: &mut impl rand::Rng) -> Vec<Cut> {
        let flushes = flushes(self.log.entries());
        let inside = flushes.into_iter().filter(|flush| span.contains(flush));
        inside
            .chain([span.end])
            .map(|after| Cut {
                kind: *Kind::ALL.choose(dice).expect("there are kinds"),
                after,
                dice: dice.random(),
            })
            .collect()
    }

    fn look(&self, cuts: &[Cut]) -> anyhow::Result<()> {
        let place = self.stage.path("looks");
        std::fs::create_dir_all(&place)?;
        let mut replay = Replay::new(&self.log, &self.start, &place)?;
        let card = self.stage.card.copy(&place.join("card"))?;
        for cut in cuts {
            replay.build(cut, &card.disk)?;
            self.is_sound(&card).with_context(|| format!("cut {cut}"))?;
        }
        // Whatever comes first, the one that ran is not written to.
        self.is_whole(&card, 'A')
    }

    /// The slot that comes first is whole.
    fn is_sound(&self, card: &Card) -> anyhow::Result<Chosen> {
        let chosen = chosen(&card.environment()?);
        self.is_whole(card, chosen.slot)?;
        Ok(chosen)
    }

    fn is_whole(&self, card: &Card, slot: char) -> anyhow::Result<()> {
        for (before, after) in PARTS {
            let part = format!("{before}{}{after}", slot.to_ascii_lowercase());
            ensure!(
                card.has_the_same(&part, &self.whole)?,
                "slot {slot} is not whole: {part}"
            );
        }
        Ok(())
    }

    /// Back in the board it starts as was foretold, with its data.
    async fn starts(&self, cut: &Cut) -> anyhow::Result<()> {
        let place = self.stage.path("boots");
        std::fs::create_dir_all(&place)?;
        let card = self.stage.card.copy(&place.join("card"))?;
        Replay::new(&self.log, &self.start, &place)?.build(cut, &card.disk)?;
        let chosen = self.is_sound(&card)?;
        let machine = self.stage.power_on_other(&card).await?;
        let said = format!("Holdfast: slot {}, {} left", chosen.slot, chosen.left);
        machine.says(&said, 1, BOOT).await?;
        let slot = self.stage.runs(&machine).await?;
        ensure!(
            slot == chosen.slot.to_string(),
            "slot {slot} runs, and not {chosen:?}"
        );
        // Not Connected, which has an exit code of its own.
        let goes_on = "mountpoint -q /data && systemctl is-active --quiet holdfastd && { holdfastctl status || true; }";
        let told = self.stage.operator.run(&machine, goes_on).await?;
        ensure!(told.contains("gen-0001"), "it says {told}");
        machine.unplug().await
    }

    /// The control: the environment names the new slot before it is there.
    async fn half(&self) -> anyhow::Result<()> {
        let place = self.stage.path("half");
        std::fs::create_dir_all(&place)?;
        let card = self.stage.card.copy(&place.join("card"))?;
        let cut = Cut {
            kind: Kind::Prefix,
            after: usize::midpoint(self.began, self.installed),
            dice: 0,
        };
        Replay::new(&self.log, &self.start, &place)?.build(&cut, &card.disk)?;
        card.set_environment("BOOT_A_LEFT=9\nBOOT_B_LEFT=3\nBOOT_ORDER=B A")?;
        self.is_sound(&card).map(drop)
    }
}

/// The slot that comes first, and its tries before the start.
fn chosen(environment: &str) -> Chosen {
    let value = |name: &str| {
        let mut lines = environment.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
    };
    let left = |slot: char| {
        let left = value(&format!("BOOT_{slot}_LEFT"));
        left.map_or(Some(9), |left| left.parse().ok())
    };
    let order = value("BOOT_ORDER").filter(|order| !order.is_empty());
    let order = order.unwrap_or("A B").split(' ');
    let slots = order.filter_map(|word| word.chars().next());
    let mut tries = slots.filter_map(|slot| Some((slot, left(slot)?)));
    let (slot, left) = tries.find(|(_, left)| *left > 0).unwrap_or(('A', 9));
    Chosen { slot, left }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_slot_with_a_try_left_comes_first() {
        for (environment, slot, left) in [
            ("", 'A', 9),
            ("BOOT_ORDER=B A\nBOOT_B_LEFT=3", 'B', 3),
            ("BOOT_ORDER=B A\nBOOT_B_LEFT=0", 'A', 9),
            ("BOOT_A_LEFT=0\nBOOT_B_LEFT=0\nBOOT_ORDER=B A", 'A', 9),
            ("BOOT_A_LEFT=2", 'A', 2),
        ] {
            assert_eq!(chosen(environment), Chosen { slot, left }, "{environment}");
        }
    }
}
