//! What an operator does with a bundle over SSH.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use super::{CASE, Run, Stage};
use crate::rig::tool;
use crate::vm::card::Arch;
use crate::vm::machine::{Extras, Machine};
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

/// Has RAUC install a bundle, and nobody restart the board.
pub(super) async fn install(
    stage: &Stage,
    machine: &Machine,
    file: &Path,
) -> anyhow::Result<String> {
    stage.operator.send(machine, file, BUNDLE).await?;
    let install = format!("rauc install {BUNDLE} 2>&1; code=$?; rm {BUNDLE}; exit $code");
    stage.operator.run(machine, &install).await
}

/// What `holdfastctl` says while the device is just at something else.
const NOT_NOW: &str = "Try again";

/// Has `holdfastctl` install a bundle that comes through a pipe, as soon as that may be; the daemon restarts the board.
async fn hand_in(stage: &Stage, machine: &Machine, file: &Path) -> anyhow::Result<String> {
    loop {
        let install = "holdfastctl update - 2>&1";
        match stage.operator.feed(machine, file, install).await {
            Err(error) if format!("{error:#}").contains(NOT_NOW) => {}
            done => return done,
        }
    }
}

/// The same with a bundle that lies on the board.
async fn hand_in_file(stage: &Stage, machine: &Machine, file: &Path) -> anyhow::Result<String> {
    stage.operator.send(machine, file, BUNDLE).await?;
    let install = format!("holdfastctl update {BUNDLE} 2>&1; code=$?; rm {BUNDLE}; exit $code");
    stage.operator.run(machine, &install).await
}

/// A board that was given an update, whose second slot has been started once; its plug is out.
pub(super) async fn installs() -> anyhow::Result<Stage> {
    let stage = Stage::set().await?;
    let machine = stage.power_on().await?;
    let slot = stage.runs(&machine).await?;
    ensure!(slot == "A", "slot {slot} runs first");
    let before = stage.card.environment()?;
    asks_rauc(&stage, &machine, "holdfast").await?;
    let stranger = asks_rauc(&stage, &machine, "nobody").await;
    ensure!(
        stranger.is_err_and(|error| format!("{error:#}").contains("denied")),
        "anybody may talk to RAUC"
    );
    let said = hand_in(&stage, &machine, &scene::bundle(Arch::Amd64)).await?;
    ensure!(said.contains("is installed"), "holdfastctl says {said:?}");
    // The daemon has it restart.
    machine.says("Holdfast: slot B, 3 left", 1, BOOT).await?;
    machine.unplug().await?;
    let after = before
        .replace("BOOT_ORDER=A B", "BOOT_ORDER=B A")
        .replace("BOOT_B_LEFT=0", "BOOT_B_LEFT=2");
    stage.has(&after)?;
    Ok(stage)
}

/// Asks RAUC on the bus what it is doing, as this user.
async fn asks_rauc(stage: &Stage, machine: &Machine, user: &str) -> anyhow::Result<()> {
    let ask = format!(
        "systemd-run --quiet --pipe --wait --uid={user} \
         busctl get-property de.pengutronix.rauc / de.pengutronix.rauc.Installer Operation 2>&1"
    );
    stage.operator.run(machine, &ask).await.map(drop)
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
    let resigned = async { hand_in(&stage, &machine, &signed_by_another(&stage)?).await };
    let name = "an update that another key signed is taken";
    run.caught(name, "signature verification failed", CASE, resigned)
        .await;
    let damaged = async { hand_in_file(&stage, &machine, &damaged(&stage)?).await };
    let name = "an update with a changed byte is taken";
    run.caught(
        name,
        "Error reading from file: Input/output error",
        CASE,
        damaged,
    )
    .await;
    let half = async { hand_in(&stage, &machine, &half(&stage)?).await };
    let name = "half an update is taken";
    run.caught(name, "exceeds bundle size", CASE, half).await;
    let no_room = async {
        let fill = "fallocate -l $(($(stat -f -c '%a*%S' /data) - (32 << 20))) /data/ballast";
        stage.operator.run(&machine, fill).await?;
        let installed = hand_in(&stage, &machine, &scene::bundle(Arch::Amd64)).await;
        stage.operator.run(&machine, "rm /data/ballast").await?;
        installed
    };
    let name = "an update that has no room is taken";
    run.caught(name, "MiB on the data partition", CASE, no_room)
        .await;
    let name = "what was refused left the first slot first, and nothing on the way";
    let as_before = async {
        let slot = "fw_printenv -n BOOT_ORDER; ls /data/holdfast/update";
        let told = stage.operator.run(&machine, slot).await?;
        // RAUC takes a slot that it began to write out of the order.
        ensure!(told.trim() == "A\nrecord", "there is {told}");
        anyhow::Ok(())
    };
    run.case(name, CASE, as_before).await;
    let another_board = async {
        machine.unplug().await?;
        // The last word counts.
        let extras = Extras {
            append: vec!["holdfast.compatible=holdfast-another-amd64".to_owned()],
            ..Extras::default()
        };
        let machine = stage.power_on_with(&extras).await?;
        stage.runs(&machine).await?;
        hand_in(&stage, &machine, &scene::bundle(Arch::Amd64)).await
    };
    let name = "an update for another board is taken";
    run.caught(name, "Compatible mismatch", CASE, another_board)
        .await;
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
    // It looks at the old signature only where it is told to, and at its own in any case.
    sign.arg("--keyring").arg(&cert);
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
