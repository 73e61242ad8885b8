//! What is wrong around the card: the network, the clock, the panel.

use std::time::Duration;

use anyhow::{Context, ensure};
use holdfast_core::{CauseCode, Face, LastFour};

use super::mission::BUTTON;
use super::trouble::{goes_on, is_as_ever};
use crate::vm::inside;
use crate::vm::machine::{HOST, Machine};
use crate::vm::scene::{self, BOOT, SOON, Scene};

/// A short press.
const TAP: Duration = Duration::from_millis(300);

fn without(code: CauseCode) -> Face {
    Face::WaitingForNetwork {
        code,
        attempt: 1,
        next_ms: 0,
    }
}

fn connected() -> Face {
    let digits = scene::OWNER.as_bytes();
    Face::Connected {
        account: digits.last_chunk().copied().map(LastFour),
        fault: None,
    }
}

pub async fn network(scene: &mut Scene) -> anyhow::Result<()> {
    let machine = scene.power_on().await?;
    machine.cable(false).await?;
    scene
        .shows(&machine, &without(CauseCode::NoLink), BOOT)
        .await?;
    machine.router(false).await?;
    machine.cable(true).await?;
    scene
        .shows(&machine, &without(CauseCode::NoAddress), SOON)
        .await?;
    machine.router(true).await?;
    scene.shows(&machine, &connected(), BOOT).await?;
    is_as_ever(scene, &machine, "no network").await?;
    journal_names(scene, &machine, CauseCode::NoLink).await?;
    journal_names(scene, &machine, CauseCode::NoAddress).await?;

    // A name that is never found (RFC 6761), and a port of the host where nobody listens.
    let here = scene.url();
    let reconnecting = Face::Reconnecting {
        attempt: 1,
        next_ms: 0,
    };
    for (url, code, face) in [
        (
            "ws://whatsapp.invalid/",
            CauseCode::DnsFailed,
            without(CauseCode::DnsFailed),
        ),
        (
            &format!("ws://{HOST}:1/"),
            CauseCode::DialFailed,
            reconnecting,
        ),
    ] {
        set_url(scene, &machine, url).await?;
        scene.shows(&machine, &face, SOON).await?;
        journal_names(scene, &machine, code).await?;
    }
    set_url(scene, &machine, &here).await?;
    is_as_ever(scene, &machine, "no WhatsApp").await?;
    scene.power_off(machine).await
}

/// Writes another server into the owner's settings of a running board.
async fn set_url(scene: &Scene, machine: &Machine, url: &str) -> anyhow::Result<()> {
    let command = format!(
        "set -e; cd /boot/firmware; mount -o remount,rw .; sed -i 's|^url = .*|url = \"{url}\"|' {settings}; \
         mount -o remount,ro .; systemctl restart holdfastd",
        settings = scene::SETTINGS
    );
    scene.operator.run(machine, &command).await.map(drop)
}

/// The journal of this boot names a cause.
async fn journal_names(scene: &Scene, machine: &Machine, code: CauseCode) -> anyhow::Result<u64> {
    let command = format!(
        "journalctl --no-pager -q -b -o cat HOLDFAST_CAUSE={} | wc -l",
        code.as_str()
    );
    let times = scene.operator.run(machine, &command).await?;
    let times = times.trim().parse()?;
    ensure!(times > 0, "the journal does not name {}", code.as_str());
    Ok(times)
}

async fn waits_for_clock(scene: &Scene, machine: &Machine) -> anyhow::Result<()> {
    let face = Face::WaitingForClock { next_ms: 0 };
    scene.shows(machine, &face, BOOT).await
}

pub async fn clock_behind(scene: &mut Scene) -> anyhow::Result<()> {
    scene.extras.clock = Some("1980-01-01".to_owned());
    let machine = scene.power_on().await?;
    scene.extras.clock = None;
    waits_for_clock(scene, &machine).await?;
    // Nobody gives the time here. Who does not want to wait for it three minutes presses.
    inside::hand(&machine).await?.press(BUTTON, TAP).await?;
    scene.shows(&machine, &connected(), SOON).await?;
    is_as_ever(scene, &machine, "1980").await?;
    journal_names(scene, &machine, CauseCode::ClockBehind).await?;
    journal_names(scene, &machine, CauseCode::ClockFloor).await?;
    let is_past = scene
        .operator
        .run(
            &machine,
            "test $(date +%s) -lt $(cat /data/holdfast/clock) && echo past || true",
        )
        .await?;
    ensure!(is_past.is_empty(), "the clock is behind the last run");
    scene.power_off(machine).await
}

pub async fn clock_ahead(scene: &mut Scene) -> anyhow::Result<()> {
    // The lab's WhatsApp takes any time; the real one has certificates.
    scene.extras.clock = Some("2037-01-01".to_owned());
    let struck = goes_on(scene, "2037").await;
    scene.extras.clock = None;
    struck?;
    // What was noted is WhatsApp's time: nobody has to set the clock, and nothing is waited for.
    let machine = scene.power_on().await?;
    is_as_ever(scene, &machine, "after 2037").await?;
    let noted = "timeout 60 sh -c 'until test $(cat /data/holdfast/clock) -le $(date +%s); do sleep 1; done'";
    let noted = scene.operator.run(&machine, noted).await;
    noted.context("the wrong time stays noted")?;
    scene.power_off(machine).await
}

pub async fn panel(scene: &mut Scene) -> anyhow::Result<()> {
    let with = scene.extras.clone();
    scene.extras = inside::without_panel(&with);
    let machine = scene.power_on().await?;
    scene.extras = with;
    is_as_ever(scene, &machine, "no panel").await?;
    let parts = [CauseCode::DisplayAbsent, CauseCode::ButtonAbsent];
    let status = scene.operator.run(&machine, "holdfastctl status").await?;
    for part in parts {
        let code = part.as_str();
        ensure!(status.contains(code), "{code} is not in: {status}");
        let told = journal_names(scene, &machine, part).await?;
        ensure!(told == 1, "{code} is told {told} times");
    }
    let failed = "systemctl --failed --plain --no-legend";
    let failed = scene.operator.run(&machine, failed).await?;
    ensure!(failed.trim().is_empty(), "failed: {}", failed.trim());

    let plug = format!("systemctl start {}", inside::UNIT);
    scene.operator.run(&machine, &plug).await?;
    scene.shows(&machine, &connected(), SOON).await?;
    let works = "timeout 60 sh -c 'while holdfastctl status | grep -q panel[.]; do sleep 1; done'";
    let works = scene.operator.run(&machine, works).await;
    works.context("the panel that came is still called absent")?;
    scene.power_off(machine).await
}
