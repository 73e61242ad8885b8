//! What becomes of a version that was just installed, on a copy each of one card: it stays, or is left for the one before.

use anyhow::ensure;

use super::slots::says;
use super::{CASE, Run, Stage};
use crate::vm::scene::BOOT;

/// What is wrong with the new version.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Its kernel finds no init, and panics.
    Kernel,
    /// One byte of its root is not what it was.
    Byte,
    /// Its daemon never runs.
    Daemon,
    /// It cannot mount the data partition.
    Data,
}

impl Fault {
    const ALL: [(Self, &str); 4] = [
        (Self::Kernel, "a new version whose kernel panics is left"),
        (Self::Byte, "a new version with one changed byte is left"),
        (
            Self::Daemon,
            "a new version whose daemon never runs is left",
        ),
        (
            Self::Data,
            "a new version that cannot mount its data is left",
        ),
    ];

    /// Brings it about; what the kernel's command line says more.
    fn happens_to(self, stage: &Stage) -> anyhow::Result<Vec<String>> {
        let card = &stage.card;
        match self {
            Self::Kernel => card.edit("boot-b", "slot.txt", |text| {
                text.replace("bootargs=", "bootargs=rdinit=/nothing ")
            })?,
            // Of the file system's superblock.
            Self::Byte => card.wound("root-b", 32, usize::MAX, 1)?,
            Self::Daemon => return Ok(vec!["systemd.mask=holdfastd.service".to_owned()]),
            Self::Data => return Ok(vec!["systemd.mask=holdfast-card.service".to_owned()]),
        }
        Ok(Vec::new())
    }
}

/// Tries the card of a board that was just given an update, in each way.
pub(super) async fn try_each(run: &mut Run, installed: &Stage) {
    let name = "a new version that waits for what is not its fault stays";
    run.case(name, CASE, stays(installed)).await;
    for (fault, name) in Fault::ALL {
        run.case(name, CASE, is_left(installed, fault)).await;
    }
}

async fn stays(installed: &Stage) -> anyhow::Result<()> {
    let stage = installed.copy()?;
    let good = stage.card.environment()?.replace("B_LEFT=2", "B_LEFT=9");
    let machine = stage.power_on_leaping(Vec::new()).await?;
    says(&machine, "B", 2).await?;
    stage.gets(&good, BOOT).await?;
    machine.unplug().await?;
    let machine = stage.power_on().await?;
    let slot = stage.runs(&machine).await?;
    ensure!(slot == "B", "slot {slot} runs");
    let status = "holdfastctl update status";
    let told = stage.operator.run(&machine, status).await?;
    ensure!(told.contains(", good") && told.contains("Last: "), "{told}");
    stage.has(&good)
}

async fn is_left(installed: &Stage, fault: Fault) -> anyhow::Result<()> {
    let stage = installed.copy()?;
    let left = stage.card.environment()?.replace("B_LEFT=2", "B_LEFT=0");
    let append = fault.happens_to(&stage)?;
    let machine = stage.power_on_leaping(append).await?;
    says(&machine, "B", 2).await?;
    machine
        .says("Holdfast: slot B, 1 left", 1, 2 * BOOT)
        .await?;
    machine
        .says("Holdfast: slot A, 9 left", 1, 2 * BOOT)
        .await?;
    machine.unplug().await?;
    stage.has(&left)
}
