//! What an operator does with a bundle over SSH.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use super::{CASE, Run, Stage};
use crate::rig::tool;
use crate::vm::card::Arch;
use crate::vm::machine::Machine;
use crate::vm::scene::{self, BOOT};

/// Where a bundle is put on the board.
const BUNDLE: &str = "/data/update.raucb";

/// What keeps an operator from having bundles, sound and others, and what to do about it.
pub(super) fn missing() -> Option<String> {
    if let Some(missing) = scene::no_bundle(Arch::Amd64) {
        return Some(missing);
    }
    let no_rauc = Command::new("rauc").arg("--version").output().is_err();
    no_rauc.then(|| "rauc is missing: apt-get install rauc".to_owned())
}

pub(super) async fn install(
    stage: &Stage,
    machine: &Machine,
    file: &Path,
) -> anyhow::Result<String> {
    stage.operator.send(machine, file, BUNDLE).await?;
    let install = format!("rauc install {BUNDLE} 2>&1; code=$?; rm {BUNDLE}; exit $code");
    stage.operator.run(machine, &install).await
}

pub(super) async fn installs() -> anyhow::Result<()> {
    let stage = Stage::set().await?;
    let machine = stage.power_on().await?;
    let slot = stage.runs(&machine).await?;
    ensure!(slot == "A", "slot {slot} runs first");
    let before = stage.card.environment()?;
    install(&stage, &machine, &scene::bundle(Arch::Amd64)).await?;
    is_on_trial(&stage, &machine, "3").await?;
    asks_rauc(&stage, &machine, "holdfast").await?;
    let stranger = asks_rauc(&stage, &machine, "nobody").await;
    ensure!(
        stranger.is_err_and(|error| format!("{error:#}").contains("denied")),
        "anybody may talk to RAUC"
    );

    // The connection goes with the board.
    let _ = stage.operator.run(&machine, "systemctl reboot").await;
    machine.says("Holdfast: slot B, 3 left", 1, BOOT).await?;
    let slot = stage.runs(&machine).await?;
    ensure!(slot == "B", "slot {slot} runs after the update");
    is_on_trial(&stage, &machine, "2").await?;
    stage
        .operator
        .run(&machine, "rauc status mark-good")
        .await?;
    is_on_trial(&stage, &machine, "9").await?;
    let _ = stage.operator.run(&machine, "systemctl poweroff").await;
    let mut machine = machine;
    machine.goes_off(BOOT).await?;
    let after = stage.card.environment()?;
    let wanted = before
        .replace("BOOT_ORDER=A B", "BOOT_ORDER=B A")
        .replace("BOOT_B_LEFT=0", "BOOT_B_LEFT=9");
    ensure!(
        after == wanted,
        "the environment is {after:?} and not {wanted:?}"
    );
    Ok(())
}

/// Asks RAUC on the bus what it is doing, as this user.
async fn asks_rauc(stage: &Stage, machine: &Machine, user: &str) -> anyhow::Result<()> {
    let ask = format!(
        "systemd-run --quiet --pipe --wait --uid={user} \
         busctl get-property de.pengutronix.rauc / de.pengutronix.rauc.Installer Operation 2>&1"
    );
    stage.operator.run(machine, &ask).await.map(drop)
}

/// The second slot is the first to start, with so many tries.
async fn is_on_trial(stage: &Stage, machine: &Machine, tries: &str) -> anyhow::Result<()> {
    let told = stage.operator.run(machine, "fw_printenv").await?;
    let has = |line: &str| told.lines().any(|told| told == line);
    ensure!(
        has("BOOT_ORDER=B A") && has(&format!("BOOT_B_LEFT={tries}")),
        "the second slot is not first with {tries} tries: {told}"
    );
    Ok(())
}

/// Bundles that are none of ours, on one board.
pub(super) async fn refuses(run: &mut Run) {
    let set = async {
        let stage = Stage::set().await?;
        let machine = stage.power_on().await?;
        stage.runs(&machine).await?;
        anyhow::Ok((stage, machine))
    };
    let name = "a board waits for updates";
    let Some((stage, machine)) = run.case(name, CASE, set).await else {
        return;
    };
    let resigned = async { install(&stage, &machine, &signed_by_another(&stage)?).await };
    let name = "an update that another key signed is taken";
    run.caught(name, "signature verification failed", CASE, resigned)
        .await;
    let damaged = async { install(&stage, &machine, &damaged(&stage)?).await };
    let name = "an update with a changed byte is taken";
    run.caught(name, "failed", CASE, damaged).await;
    let half = async { install(&stage, &machine, &half(&stage)?).await };
    let name = "half an update is taken";
    run.caught(name, "signature", CASE, half).await;
    let name = "what was refused left the first slot first";
    let as_before = async {
        let slot = "fw_printenv -n BOOT_ORDER";
        let order = stage.operator.run(&machine, slot).await?;
        ensure!(order.trim() == "A B", "the order is {order}");
        anyhow::Ok(())
    };
    run.case(name, CASE, as_before).await;
}

fn signed_by_another(stage: &Stage) -> anyhow::Result<PathBuf> {
    let [key, cert, made] = ["key.pem", "cert.pem", "another.raucb"].map(|name| stage.path(name));
    let mut keys = Command::new("openssl");
    keys.args([
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "7300",
    ]);
    keys.args(["-subj", "/CN=another", "-keyout"]).arg(&key);
    tool(keys.arg("-out").arg(&cert))?;
    let mut sign = Command::new("rauc");
    sign.arg("--key").arg(&key).arg("--cert").arg(&cert);
    // It looks at the old signature only where it is told to.
    sign.args(["resign", "--no-verify"])
        .arg(scene::bundle(Arch::Amd64))
        .arg(&made);
    tool(&mut sign).context("the bundle cannot be signed anew")?;
    Ok(made)
}

fn damaged(stage: &Stage) -> anyhow::Result<PathBuf> {
    let made = stage.path("damaged.raucb");
    fs::copy(scene::bundle(Arch::Amd64), &made)?;
    let file = fs::File::options().read(true).write(true).open(&made)?;
    let middle = file.metadata()?.len() / 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, middle)?;
    file.write_all_at(&[byte[0] ^ 1], middle)?;
    Ok(made)
}

fn half(stage: &Stage) -> anyhow::Result<PathBuf> {
    let made = stage.path("half.raucb");
    fs::copy(scene::bundle(Arch::Amd64), &made)?;
    let file = fs::File::options().write(true).open(&made)?;
    file.set_len(file.metadata()?.len() / 2)?;
    Ok(made)
}
