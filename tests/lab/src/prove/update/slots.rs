//! What U-Boot and the init make of a card: which slot starts, and what that writes.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use anyhow::ensure;

use super::Stage;
use crate::vm::machine::Machine;
use crate::vm::scene::BOOT;

/// From power to U-Boot's word of a slot.
const CHOICE: Duration = Duration::from_secs(120);

/// How long a board that leaps over its waits is given for five minutes.
const WAITS: Duration = Duration::from_secs(300);

/// The second slot is new, the first is good.
const TRIAL: &str = "BOOT_A_LEFT=9\nBOOT_B_LEFT=3\nBOOT_ORDER=B A";
/// Both are good, the second is newer.
const GOOD: &str = "BOOT_A_LEFT=9\nBOOT_B_LEFT=9\nBOOT_ORDER=B A";

/// Turns the board on until U-Boot has chosen this, and pulls the plug.
async fn chooses(stage: &Stage, slot: &str, left: u8) -> anyhow::Result<()> {
    let machine = stage.power_on().await?;
    says(&machine, slot, left).await?;
    machine.unplug().await
}

pub(super) async fn says(machine: &Machine, slot: &str, left: u8) -> anyhow::Result<()> {
    let said = format!("Holdfast: slot {slot}, {left} left");
    machine.says(&said, 1, CHOICE).await
}

pub(super) async fn unconfirmed() -> anyhow::Result<()> {
    let stage = Stage::with_both(TRIAL).await?;
    for left in [3, 2, 1] {
        chooses(&stage, "B", left).await?;
        stage.has(&TRIAL.replace("B_LEFT=3", &format!("B_LEFT={}", left - 1)))?;
    }
    for _ in 0..2 {
        chooses(&stage, "A", 9).await?;
        stage.has(&TRIAL.replace("B_LEFT=3", "B_LEFT=0"))?;
    }
    Ok(())
}

/// The control: as often, a slot that is good.
pub(super) async fn confirmed() -> anyhow::Result<()> {
    let stage = Stage::with_both(GOOD).await?;
    for _ in 0..3 {
        chooses(&stage, "B", 9).await?;
        stage.has(GOOD)?;
    }
    chooses(&stage, "A", 9).await
}

pub(super) async fn empty() -> anyhow::Result<()> {
    let stage = Stage::with_both(TRIAL).await?;
    // Its FAT's first sectors.
    stage.card.wound("boot-b", 0, usize::MAX, 4096)?;
    chooses(&stage, "A", 9).await?;
    stage.has(&TRIAL.replace("B_LEFT=3", "B_LEFT=2"))
}

pub(super) async fn rotten() -> anyhow::Result<()> {
    let stage = Stage::with_both(GOOD).await?;
    let machine = stage.power_on().await?;
    let slot = stage.runs(&machine).await?;
    ensure!(slot == "B", "slot {slot} runs before anything is wrong");
    stage.has(GOOD)?;
    machine.unplug().await?;

    // A byte in every eighth block: whatever is read first, it is not what it was.
    stage.card.wound("root-b", 4096, 8 * 4096, 1)?;
    let machine = stage.power_on().await?;
    // Once as the good slot that it was, then three counted tries after it was put on trial.
    machine
        .says("dm-verity device corrupted", 5, 3 * BOOT)
        .await?;
    let slot = stage.runs(&machine).await?;
    ensure!(slot == "A", "slot {slot} runs");
    stage.has(&GOOD.replace("B_LEFT=9", "B_LEFT=0"))
}

pub(super) async fn headless() -> anyhow::Result<()> {
    let stage = Stage::with_both(GOOD).await?;
    // The tree's superblock, and its topmost block.
    stage.card.wound("root-b-verity", 0, usize::MAX, 8192)?;
    let machine = stage.power_on().await?;
    // Once as the good slot that it was, then three counted tries.
    let why = "no disk has the slot's two partitions";
    machine.says(why, 4, 2 * BOOT).await?;
    let slot = stage.runs(&machine).await?;
    ensure!(slot == "A", "slot {slot} runs");
    stage.has(&GOOD.replace("B_LEFT=9", "B_LEFT=0"))
}

/// A good slot panics once, for no reason of its own.
pub(super) async fn panicked() -> anyhow::Result<()> {
    let stage = Stage::with_both(GOOD).await?;
    let machine = stage.power_on().await?;
    let slot = stage.runs(&machine).await?;
    ensure!(slot == "B", "slot {slot} runs before anything is wrong");
    // The connection goes with the kernel.
    let panic = "echo c >/proc/sysrq-trigger";
    let _ = stage.operator.run(&machine, panic).await;
    machine.says("Holdfast: slot B, 9 left", 2, BOOT).await?;
    let counted = GOOD.replace("B_LEFT=9", "B_LEFT=3");
    stage.gets(&counted, BOOT).await?;
    stage.gets(GOOD, 2 * BOOT).await?;
    let slot = stage.runs(&machine).await?;
    ensure!(slot == "B", "slot {slot} runs");
    Ok(())
}

/// The control: nobody is there to call it good.
pub(super) async fn nobody() -> anyhow::Result<()> {
    let stage = Stage::with_both(TRIAL).await?;
    let append = vec!["systemd.mask=holdfastd.service".to_owned()];
    let machine = stage.power_on_leaping(append).await?;
    says(&machine, "B", 3).await?;
    stage.gets(GOOD, WAITS).await
}

pub(super) async fn erased() -> anyhow::Result<()> {
    let stage = Stage::with_both(TRIAL).await?;
    stage.card.wound("env", 0, usize::MAX, 512)?;
    let machine = stage.power_on().await?;
    says(&machine, "A", 9).await?;
    let slot = stage.runs(&machine).await?;
    ensure!(slot == "A", "slot {slot} runs");
    machine.unplug().await?;
    stage.has("")
}

pub(super) async fn spent() -> anyhow::Result<()> {
    let none = "BOOT_A_LEFT=0\nBOOT_B_LEFT=0\nBOOT_ORDER=A B";
    let stage = Stage::set().await?;
    stage.card.set_environment(none)?;
    chooses(&stage, "A", 9).await?;
    stage.has(none)
}

pub(super) async fn table() -> anyhow::Result<()> {
    let stage = Stage::set().await?;
    // The image's second table is where the image ends; a first boot moves it to the end of the card.
    let machine = stage.power_on().await?;
    stage.runs(&machine).await?;
    machine.unplug().await?;

    // An entry changed, as by a cut between entries and header.
    let card = fs::File::options().write(true).open(&stage.card.disk)?;
    card.write_all_at(&[0xa5; 8], 1024 + 60)?;
    let machine = stage.power_on().await?;
    let slot = stage.runs(&machine).await?;
    ensure!(slot == "A", "slot {slot} runs");
    let console = machine.console();
    ensure!(
        console.contains("using alternate GPT"),
        "the kernel took the first table all the same"
    );
    Ok(())
}
