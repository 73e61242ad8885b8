//! Who has to do with a card: its owner, who edits its settings; the owner of another one; and who else is on the board.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use holdfast_core::{Face, Ignored};

use super::trouble::{goes_on, is_as_ever};
use crate::vm::machine::Machine;
use crate::vm::operator::Operator;
use crate::vm::scene::{self, BOOT, SOON, Scene};

/// What a card must not share with any other.
#[derive(Debug, PartialEq, Eq)]
struct Own {
    machine_id: String,
    host_key: String,
    file_system: String,
}

impl Own {
    async fn of(scene: &Scene, machine: &Machine) -> anyhow::Result<Own> {
        let ask = async |command| {
            let told = scene.operator.run(machine, command).await?;
            let told = told.trim().to_owned();
            ensure!(!told.is_empty(), "{command:?} says nothing");
            Ok(told)
        };
        Ok(Own {
            machine_id: ask("cat /etc/machine-id").await?,
            host_key: ask("cut -d' ' -f2 /data/system/ssh/ssh_host_ed25519_key.pub").await?,
            file_system: ask("findmnt -no UUID /data").await?,
        })
    }
}

pub async fn twins(scene: &mut Scene) -> anyhow::Result<()> {
    let machine = scene.power_on().await?;
    is_as_ever(scene, &machine, "a lonely life").await?;
    let first = Own::of(scene, &machine).await?;
    scene.power_off(machine).await?;

    let another = scene.another_card()?;
    let card = std::mem::replace(&mut scene.card, another);
    let mut machine = scene.power_on().await?;
    let qr = scene.shows_qr(&mut machine, None, BOOT).await?;
    // A link that was given up is among them.
    let known = scene.lab.devices(&scene.owner).await?.len();
    let device = scene.lab.scan_qr(&scene.owner, &qr).await?;
    scene.operator.is_let_in(&machine, BOOT).await?;
    scene.connected(&machine, SOON).await?;
    let second = Own::of(scene, &machine).await?;
    for (what, one, other) in [
        ("machine id", &first.machine_id, &second.machine_id),
        ("host key", &first.host_key, &second.host_key),
        ("file system", &first.file_system, &second.file_system),
    ] {
        ensure!(one != other, "both cards have the same {what}");
    }
    let devices = scene.lab.devices(&scene.owner).await?;
    let keys: BTreeSet<_> = devices.iter().map(|device| &device.keys).collect();
    ensure!(
        devices.len() == known + 1 && keys.len() == devices.len(),
        "WhatsApp knows the cards by the keys {keys:?}"
    );
    scene.power_off(machine).await?;

    let machine = scene.power_on().await?;
    scene.operator.is_let_in(&machine, BOOT).await?;
    scene.connected(&machine, BOOT).await?;
    let again = Own::of(scene, &machine).await?;
    ensure!(again == second, "it had {second:?} and has {again:?}");
    scene.power_off(machine).await?;
    scene.lab.unlink(&device).await?;
    scene.card = card;
    Ok(())
}

/// What must not stay on the boot partition.
const PASSWORD: &str = "drift wood 42";
/// The same in Imager's file, of a network that is not the one asked for.
const OTHER_PASSWORD: &str = "tide table 9";

/// What Windows' editor saves: a mark in front, CRLF; quotes as a word processor has them, and mistakes.
fn mess(url: &str, key: &str) -> String {
    let lines = [
        "\u{feff}# by hand",
        "hostname = \u{201c}Kelp-7\u{201d}",
        "colour = \"blue\"",
        "[server]",
        &format!("url = \"{url}\""),
        "[wifi]",
        "ssid = \"Anna\u{2019}s shore\"",
        &format!("password = \u{201c}{PASSWORD}\u{201d}"),
        "country = \"Germany\"",
        "[ssh]",
        &format!("authorized_keys = [\"{key}\"]"),
        "just words",
    ];
    lines.join("\r\n")
}

/// Its mistakes, as the journal says them.
const MISTAKES: [&str; 3] = [
    "/boot/firmware/holdfast.toml:3: colour: ",
    "/boot/firmware/holdfast.toml:9: wifi.country: ",
    "/boot/firmware/holdfast.toml:12: ",
];

/// Settings that Raspberry Pi Imager writes, of its dialogue's fields.
fn imager() -> [(&'static str, String); 2] {
    let user = "#cloud-config\nhostname: from-imager\nuser:\n  name: pi\n  passwd: \"$5$salt$digest0123456789\"\n";
    let network = format!(
        "network:\n  version: 2\n  wifis:\n    wlan0:\n      dhcp4: true\n      regulatory-domain: \"DE\"\n      \
         access-points:\n        \"elsewhere\":\n          password: \"{OTHER_PASSWORD}\"\n"
    );
    [("user-data", user.to_owned()), ("network-config", network)]
}

pub async fn settings(scene: &mut Scene) -> anyhow::Result<()> {
    let before = scene.operator.clone();
    let home = scene.path("new");
    std::fs::create_dir(&home)?;
    let new = Operator::new(&home).await?;
    let mess = mess(&scene.url(), &new.public()?);
    scene.card.give(scene::SETTINGS, mess.as_bytes())?;
    for (name, text) in imager() {
        scene.card.give(name, text.as_bytes())?;
    }
    let secrets = [PASSWORD, OTHER_PASSWORD, "$5$salt$digest0123456789"];
    for secret in secrets {
        ensure!(scene.card.holds(secret)?, "the search finds nothing");
    }

    let machine = scene.power_on().await?;
    let ignored = Ignored {
        count: 3,
        file: Some("holdfast.toml"),
        line: Some(3),
    };
    let face = Face::SettingsIgnored {
        ignored,
        left_ms: 0,
    };
    scene.shows(&machine, &face, BOOT).await?;
    new.is_let_in(&machine, BOOT).await?;
    ensure!(
        before.run(&machine, "true").await.is_err(),
        "who is no longer named still comes in"
    );
    scene.operator = new;
    is_as_ever(scene, &machine, "a mess").await?;
    let name = scene.operator.run(&machine, "uname -n").await?;
    ensure!(name.trim() == "kelp-7", "it is called {}", name.trim());
    let wifi = "cat /data/system/wifi/wpa_supplicant.conf";
    let wifi = scene.operator.run(&machine, wifi).await?;
    // The name in hexadecimal digits, as wpa_supplicant.conf(5) has names of any bytes.
    for asked in ["ssid=416e6e61e280997320", "country=DE"] {
        ensure!(wifi.contains(asked), "{asked} is not in the Wi-Fi's file");
    }
    let journal = scene
        .operator
        .run(&machine, "journalctl --no-pager -b -o cat")
        .await?;
    for mistake in MISTAKES {
        ensure!(
            journal.contains(mistake),
            "the journal does not name {mistake}"
        );
    }
    for secret in secrets {
        ensure!(!journal.contains(secret), "a secret is in the journal");
    }
    scene.power_off(machine).await?;

    let left = scene.card.take(scene::SETTINGS)?;
    ensure!(
        left.contains("password = \"\"") && left.contains("Kelp-7"),
        "the owner's file is not what it was but for the password: {left}"
    );
    for secret in secrets {
        ensure!(!scene.card.holds(secret)?, "a secret is still on the card");
    }

    let machine = scene.power_on().await?;
    scene.operator.is_let_in(&machine, BOOT).await?;
    let journal = "journalctl --no-pager -q -b -o cat -u holdfast-card";
    let journal = scene.operator.run(&machine, journal).await?;
    for twice in ["taken over", "the secrets are gone"] {
        ensure!(
            !journal.contains(twice),
            "the second boot does it again: {journal}"
        );
    }
    let kept = "cat /data/system/wifi/wpa_supplicant.conf";
    let kept = scene.operator.run(&machine, kept).await?;
    ensure!(kept == wifi, "the Wi-Fi was not kept");
    scene.power_off(machine).await?;
    scene.settle(&scene.card)?;
    goes_on(scene, "the mess was cleaned up").await
}

/// Whoever runs it is `nobody`, in this group alone.
fn as_nobody(group: &str, command: &str) -> String {
    format!("setpriv --reuid=nobody --regid={group} --clear-groups {command} 2>&1")
}

pub async fn others(scene: &mut Scene) -> anyhow::Result<()> {
    const OBJECT: &str = "org.holdfast.Holdfast1 /org/holdfast/Holdfast1";
    const DENIED: &str = "Access denied";
    let read = format!("busctl get-property {OBJECT} org.holdfast.Session1 State");
    // First of two steps: nothing is retired by it, or handed out.
    let change = format!("busctl call {OBJECT} org.holdfast.Session1 Relink");
    let export = format!("busctl call {OBJECT} org.holdfast.Vault1 Export s gen-0001");
    let code = format!("busctl call {OBJECT} org.holdfast.Panel1 FrameWithCredential");
    let messages = format!("busctl call {OBJECT} org.holdfast.Messages1");
    let inbox = format!("{messages} Read stu nobody 0 1");
    // A consumer counts from its first acknowledgement, and nothing is lost by this one.
    let own = format!("{messages} Acknowledge st nobody 0");
    let other = format!("{messages} Acknowledge st holdfastctl 0");
    let machine = scene.power_on().await?;
    is_as_ever(scene, &machine, "nobody else").await?;
    let run = async |group, command: &str| {
        let command = as_nobody(group, command);
        scene.operator.run(&machine, &command).await
    };
    for (group, command, denied) in [
        ("nogroup", &read, Some(DENIED)),
        ("nogroup", &change, Some(DENIED)),
        ("nogroup", &own, Some(DENIED)),
        ("holdfast", &read, None),
        ("holdfast", &change, Some(DENIED)),
        ("holdfast", &inbox, Some(DENIED)),
        ("holdfast-bot", &read, None),
        ("holdfast-bot", &inbox, None),
        ("holdfast-bot", &own, None),
        ("holdfast-bot", &other, Some("are called nobody")),
        ("holdfast-bot", &change, Some(DENIED)),
        ("holdfast-bot", &export, Some(DENIED)),
        ("holdfast-bot", &code, Some(DENIED)),
        ("holdfast-admin", &other, None),
        ("holdfast-admin", &change, None),
    ] {
        match (run(group, command).await, denied) {
            (Ok(_), None) => {}
            (Ok(said), Some(_)) => anyhow::bail!("{group} may {command}: {said}"),
            (Err(error), None) => return Err(error).context("it should be allowed"),
            (Err(error), Some(reason)) => ensure!(
                format!("{error:#}").contains(reason),
                "denied for another reason: {error:#}"
            ),
        }
    }
    for command in [
        "holdfastctl --runtime /run/holdfast status",
        "ls /data/holdfast",
        "cat /data/system/ssh/ssh_host_ed25519_key",
        "cat /boot/firmware/holdfast.toml",
        "touch /data/here",
        "journalctl -q -n 1 -u holdfastd | grep .",
    ] {
        ensure!(
            run("nogroup", command).await.is_err(),
            "anybody may {command}"
        );
    }
    scene.power_off(machine).await
}
