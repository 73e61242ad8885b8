//! The whole mission, from power on to a link that survives a reboot and is given up by a press.

use std::time::Duration;

use anyhow::{Context, ensure};
use holdfast_core::Face;

use super::Run;
use crate::ledger::{Act, Entry};
use crate::records::{self, Record};
use crate::vm::card::Arch;
use crate::vm::inside;
use crate::vm::machine::Machine;
use crate::vm::scene::{self, BOOT, SOON, Scene};

/// One step of the story; the board may be starting in it.
const STEP: Duration = Duration::from_secs(1200);

/// Holding the button so long asks for a new link, and so long confirms it.
const HOLD: Duration = Duration::from_millis(5_600);
const CONFIRM: Duration = Duration::from_millis(300);

/// The line that the button hangs on: `board/boards/qemu/board.toml`.
pub const BUTTON: u8 = 0;

/// So long a control looks for what cannot be on the glass.
const GLIMPSE: Duration = Duration::from_secs(3);

/// How many cases and controls the story has.
pub const STEPS: u64 = 14;

/// Tells it, and hands on a card that is linked.
///
/// # Errors
/// A step failed that the rest needs.
pub async fn tell(run: &mut Run, arch: Arch) -> anyhow::Result<Scene> {
    let stop = || anyhow::anyhow!("what follows needs this step");
    let scene = Scene::set(arch).await?;
    let mut machine = scene.power_on().await?;
    let name = "powered on, it shows a QR on a display on a real I2C bus";
    let shown = scene.shows_qr(&mut machine, None, BOOT);
    let qr = run.case(name, STEP, shown).await.ok_or_else(stop)?;

    let linked = link(&scene, &machine, &qr, "gen-0001");
    run.case("a phone links it from the pixels", STEP, linked)
        .await
        .ok_or_else(stop)?;
    let name = "messages go both ways";
    run.case(name, STEP, talk(&scene, &machine, "first"))
        .await
        .ok_or_else(stop)?;
    let name = "rebooted, it is Connected again and asks for no QR";
    run.case(name, STEP, reboot(&scene, &machine))
        .await
        .ok_or_else(stop)?;
    let name = "the first picture comes from the boot itself, before the daemon runs";
    run.case(name, STEP, first_picture(&scene, &machine)).await;
    let name = "a board that is linked shows a QR";
    let shown = scene.shows_qr(&mut machine, None, GLIMPSE);
    run.caught(name, "a QR is not on the glass", STEP, shown)
        .await;
    let name = "a message that nobody sent is read";
    let heard = hears_another(&scene, &machine);
    run.caught(name, "the bot does not read", STEP, heard).await;
    let name = "stopped, it says that it is safe to unplug";
    run.case(name, STEP, stop_and_start(&scene, &machine))
        .await
        .ok_or_else(stop)?;
    let name = "held and confirmed, a real button links it anew";
    run.case(name, STEP, relink(&scene, &mut machine, &qr))
        .await
        .ok_or_else(stop)?;
    let name = "the journal tells the story over SSH, and no secret";
    let secrets = [qr.as_str(), scene::OWNER, scene::FRIEND, "third to you"];
    run.case(name, STEP, journal(&scene, &machine, &secrets))
        .await;
    let name = "the journal tells a secret that was put there";
    let told = planted(&scene, &machine);
    run.caught(name, "a secret is in the journal", STEP, told)
        .await;
    let name = "no unit failed, none waits for itself, and SSH alone listens";
    run.case(name, STEP, healthy(&scene, &machine)).await;
    let name = "a unit that failed passes for well";
    run.caught(name, "failed: lab-broken", STEP, broken(&scene, &machine))
        .await;
    let name = "the root cannot be written, anywhere";
    run.case(name, STEP, read_only(&scene, &machine)).await;
    scene.power_off(machine).await?;
    Ok(scene)
}

async fn link(scene: &Scene, machine: &Machine, qr: &str, generation: &str) -> anyhow::Result<()> {
    scene.lab.scan_qr(&scene.owner, qr).await?;
    scene.operator.is_let_in(machine, BOOT).await?;
    scene.connected(machine, SOON).await?;
    let status = scene.operator.run(machine, "holdfastctl status").await?;
    ensure!(
        status.contains(generation),
        "another generation is live: {status}"
    );
    Ok(())
}

async fn talk(scene: &Scene, machine: &Machine, what: &str) -> anyhow::Result<()> {
    scene.hears(machine, &format!("{what} to you")).await?;
    scene.says(machine, &format!("{what} from me")).await
}

async fn reboot(scene: &Scene, machine: &Machine) -> anyhow::Result<()> {
    let from = scene.lab.ledger().entries(0).len() as u64;
    // The connection goes with the board.
    let _ = scene.operator.run(machine, "systemctl reboot").await;
    let waiting = scene
        .lab
        .send_text(&scene.friend, scene::OWNER, "while you were away")
        .await?;
    let logged_in = |entry: &Entry| entry.act == Act::LoggedIn;
    let again = scene.lab.ledger().wait_for(from, BOOT, logged_in).await;
    again.context("it did not log in again")?;
    scene.operator.is_let_in(machine, BOOT).await?;
    scene.connected(machine, SOON).await?;
    scene.has(machine, &waiting, "while you were away").await?;
    let status = scene.operator.run(machine, "holdfastctl status").await?;
    ensure!(
        status.contains("gen-0001"),
        "another generation is live: {status}"
    );
    ensure!(
        status.contains("clean"),
        "the stop was not in order: {status}"
    );
    talk(scene, machine, "second").await
}

/// The glass keeps what was drawn last.
async fn stop_and_start(scene: &Scene, machine: &Machine) -> anyhow::Result<()> {
    let stop = "systemctl stop holdfastd";
    scene.operator.run(machine, stop).await?;
    let saved = Face::Stopped { saved: true };
    scene.shows(machine, &saved, SOON).await?;
    let start = "systemctl start holdfastd";
    scene.operator.run(machine, start).await?;
    scene.connected(machine, SOON).await
}

/// The journal names who drew it; the glass says when.
async fn first_picture(scene: &Scene, machine: &Machine) -> anyhow::Result<()> {
    let step = "journalctl --no-pager -b -o cat -u holdfast-panel";
    let step = scene.operator.run(machine, step).await?;
    ensure!(
        step.contains("the panel shows that the board starts"),
        "the boot step did not draw it: {}",
        step.trim()
    );
    let ready = "systemctl show -P ActiveEnterTimestampMonotonic holdfastd";
    let ready = scene.operator.run(machine, ready).await?;
    let ready = Duration::from_micros(ready.trim().parse()?);
    let drawn = inside::hand(machine).await?.times().await?.drawn;
    let drawn = drawn.context("nothing was drawn")?;
    ensure!(
        drawn < ready,
        "it was whole after {drawn:?}, and the daemon ran after {ready:?}"
    );
    Ok(())
}

async fn relink(scene: &Scene, machine: &mut Machine, old: &str) -> anyhow::Result<()> {
    let mut hand = inside::hand(machine).await?;
    hand.press(BUTTON, HOLD).await?;
    hand.press(BUTTON, CONFIRM).await?;
    drop(hand);
    let qr = scene.shows_qr(machine, Some(old), SOON).await?;
    link(scene, machine, &qr, "gen-0002").await?;
    talk(scene, machine, "third").await?;
    let crimes = scene.lab.ledger().crimes();
    ensure!(crimes.is_empty(), "the ledger saw crimes: {crimes:?}");
    Ok(())
}

/// Another message is sent than the bot is to read.
async fn hears_another(scene: &Scene, machine: &Machine) -> anyhow::Result<()> {
    let sent = scene.lab.send_text(&scene.friend, scene::OWNER, "sent");
    scene.has(machine, &sent.await?, "never sent").await
}

/// The journal's own records: each change of state under its MESSAGE_ID, with its fields; and none of these secrets, in any field.
async fn journal(scene: &Scene, machine: &Machine, secrets: &[&str]) -> anyhow::Result<()> {
    let read = "journalctl --no-pager --all -o json -u holdfastd";
    let records = Record::read(&scene.operator.run(machine, read).await?)?;
    for state in ["Pairing", "Connected"] {
        records::tell_state(&records, state, None)?;
    }
    records::tell_state(&records, "Pairing", Some("session.relinked"))?;
    records::are_explained(&records)?;
    let text: String = records.iter().map(Record::text).collect();
    ensure!(
        text.contains("gen-0002"),
        "the journal names no second link"
    );
    let told = secrets.iter().find(|secret| text.contains(**secret));
    ensure!(told.is_none(), "a secret is in the journal");
    Ok(())
}

/// A record of the daemon's unit that has a secret in it, in a field of its own.
async fn planted(scene: &Scene, machine: &Machine) -> anyhow::Result<()> {
    let plant = "printf 'MESSAGE=a line\\nOBJECT_SYSTEMD_UNIT=holdfastd.service\\nPLANTED=marmalade\\n' | logger --journald && journalctl --sync";
    scene.operator.run(machine, plant).await?;
    journal(scene, machine, &["marmalade"]).await
}

/// A board on which a unit failed; afterwards it has not.
async fn broken(scene: &Scene, machine: &Machine) -> anyhow::Result<()> {
    let fail = "systemd-run --quiet --wait --unit=lab-broken false || true";
    scene.operator.run(machine, fail).await?;
    let held = healthy(scene, machine).await;
    let forget = "systemctl reset-failed lab-broken";
    scene.operator.run(machine, forget).await?;
    held
}

async fn healthy(scene: &Scene, machine: &Machine) -> anyhow::Result<()> {
    let ask = |command| scene.operator.run(machine, command);
    let failed = ask("systemctl --failed --plain --no-legend").await?;
    ensure!(failed.trim().is_empty(), "failed: {}", failed.trim());
    let cycles = ask("journalctl --no-pager -b -o cat | grep -i 'ordering cycle' || true").await?;
    ensure!(cycles.trim().is_empty(), "{}", cycles.trim());
    // Columns: number, local address:port in hexadecimal, remote, state (0A is LISTEN). The resolver listens to the board itself:
    // 127.0.0.0/8, least byte first.
    let sockets = "cat /proc/net/tcp /proc/net/tcp6 | while read -r _ local _ state _; do case \"$state $local\" in \"0A \"??????7F:*) ;; \"0A \"*) echo \"${local##*:}\" ;; esac; done | sort -u";
    let listening = ask(sockets).await?;
    ensure!(
        listening.trim() == "0016",
        "ports that listen, in hexadecimal: {}",
        listening.trim()
    );
    Ok(())
}

/// Every directory of the root's own file system is tried; the same attempt on the data partition must succeed.
async fn read_only(scene: &Scene, machine: &Machine) -> anyhow::Result<()> {
    let attempt = "tried=0; for place in $(find / -xdev -type d ! -exec mountpoint -q {} \\; -print) /; do tried=$((tried+1)); if touch \"$place/.written\" 2>/dev/null; then echo \"$place\"; fi; done; echo \"tried $tried\"";
    let told = scene.operator.run(machine, attempt).await?;
    let (written, tried) = told
        .trim()
        .rsplit_once("tried ")
        .context("the attempt broke off")?;
    ensure!(written.trim().is_empty(), "written: {}", written.trim());
    ensure!(
        tried.parse::<u32>()? > 100,
        "only {tried} directories were tried"
    );
    let remount = scene.operator.run(machine, "mount -o remount,rw /").await;
    ensure!(remount.is_err(), "the root can be made writable");
    scene
        .operator
        .run(machine, "touch /data/.written && rm /data/.written")
        .await?;
    Ok(())
}
