//! The Raspberry Pi's own image in QEMU's Raspberry Pi 3 B, as far as that goes: card, bus, lines, watchdog, network on USB.
//!
//! What it cannot show is in docs/hardware.md: the display it has acknowledges and draws nothing, and nobody can press its
//! button.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;

use super::Run;
use crate::vm::card::{Arch, Card, RASPBERRY_PI};
use crate::vm::machine::{Extras, Machine};
use crate::vm::operator::Operator;
use crate::vm::scene;

/// From power to SSH: one emulated processor, on a busy host.
const BOOT: Duration = Duration::from_secs(1200);

/// How long anything may take on a board that is up.
const SOON: Duration = Duration::from_secs(300);

/// Size of the card, MiB: QEMU takes powers of two.
const CARD_MIB: u64 = 1024;

/// One processor is enough for a look around, and fair to a busy host.
const ALONE: &str = "maxcpus=1";

/// The image's kernel prints errors alone; here it is listened to.
const TALKATIVE: &str = "loglevel=7";

/// What keeps QEMU's chip from taking an armed watchdog for a restart (hw/misc/bcm2835_powermgt.c).
const UNARMED: &str = "systemd.watchdog_sec=0";

/// Lets root map registers that a driver has, which stands in for a vendor kernel's `/dev/gpiomem`.
const MAPPED: &str = "iomem=relaxed";

/// How many cases there are.
const CASES: u64 = 7;

/// A Raspberry Pi without power.
struct Pi {
    card: Card,
    operator: Operator,
    place: tempfile::TempDir,
}

/// Boots it, looks around, and turns it off.
pub(super) async fn tell(run: &mut Run) {
    println!("  on a Raspberry Pi 3 B");
    if let Some(missing) = missing() {
        return run.not_run(CASES, missing);
    }
    let name = "its watchdog is armed as soon as there is a system";
    let set = async {
        let pi = Pi::set().await?;
        pi.arms_its_watchdog().await?;
        anyhow::Ok(pi)
    };
    let Some(pi) = run.case(name, BOOT, set).await else {
        return run.not_run(CASES - 1, "the board does not start");
    };
    let name = "it starts from its card, and SSH lets its owner in";
    let Some(mut machine) = run.case(name, BOOT, pi.starts()).await else {
        return run.not_run(CASES - 2, "the board does not start");
    };
    let name = "it has its data partition, the header's bus and lines, the watchdog, a place for last words";
    run.case(name, SOON, pi.has_its_parts(&machine)).await;
    let name = "the daemon knows the board, draws on the display and holds the button's line";
    run.case(name, SOON, pi.drives_its_panel(&machine)).await;
    let name = "a display that is not there and a kernel without /dev/gpiomem are told of, and stop nothing";
    run.case(name, SOON, pi.misses_its_panel(&machine)).await;
    let name = "where the registers can be mapped, rppal holds the button's line";
    run.case(name, SOON, pi.maps_its_registers(&machine)).await;
    let name = "told to, it goes off";
    run.case(name, SOON, pi.goes_off(&mut machine)).await;
}

/// What keeps it from running here, and what to do about it.
fn missing() -> Option<String> {
    scene::no_tool(Arch::Arm64).or_else(|| scene::no_image(RASPBERRY_PI, Arch::Arm64))
}

impl Pi {
    async fn set() -> anyhow::Result<Pi> {
        let place = crate::rig::scratch()?;
        let operator = Operator::new(place.path()).await?;
        let card = Card::flash_pi(&scene::images(), CARD_MIB, &place.path().join("card"))?;
        let settings = format!("[ssh]\nauthorized_keys = [\"{}\"]\n", operator.public()?);
        card.give("holdfast.toml", settings.as_bytes())?;
        Ok(Pi {
            card,
            operator,
            place,
        })
    }

    fn dir(&self) -> PathBuf {
        self.place.path().join("board")
    }

    async fn power_on(&self, append: &[&str]) -> anyhow::Result<Machine> {
        let extras = Extras {
            append: [&[ALONE, TALKATIVE], append]
                .concat()
                .into_iter()
                .map(String::from)
                .collect(),
            ..Extras::default()
        };
        Machine::start(&self.card, &extras, &self.dir()).await
    }

    /// The image as it is. That the board goes on with [`UNARMED`] is the control.
    async fn arms_its_watchdog(&self) -> anyhow::Result<()> {
        let mut machine = self.power_on(&[]).await?;
        machine.goes_off(BOOT).await?;
        let console = machine.console();
        for told in [
            "Broadcom BCM2835 watchdog timer",
            "systemd[1]: Hostname set",
        ] {
            ensure!(console.contains(told), "it went off before {told:?}");
        }
        ensure!(!console.contains("Kernel panic"), "its kernel panicked");
        Ok(())
    }

    async fn starts(&self) -> anyhow::Result<Machine> {
        let machine = self.power_on(&[UNARMED, MAPPED]).await?;
        self.operator.is_let_in(&machine, BOOT).await?;
        Ok(machine)
    }

    async fn has_its_parts(&self, machine: &Machine) -> anyhow::Result<()> {
        const LOOK: &str = r#"
            udevadm settle --timeout=200
            mount -t debugfs none /sys/kernel/debug
            echo "board: $(tr -d '\0' </proc/device-tree/model)"
            echo card: $(ls /dev/disk/by-partlabel)
            echo "data: $(grep -c '^/dev/mmcblk.p9 /data ext4 rw' /proc/mounts)"
            for bus in /sys/bus/i2c/devices/i2c-*; do
                case $(readlink $bus/of_node) in
                */i2c@7e804000) test -c /dev/${bus##*/} && echo "bus: there" ;;
                esac
            done
            echo "lines: $(sed -n 's/^gpiochip[0-9]*: GPIOs \([0-9-]*\), .*pinctrl-bcm2835.*/\1/p' /sys/kernel/debug/gpio)"
            echo "watchdog: $(cat /sys/class/watchdog/watchdog0/identity)"
            echo "last words: $(cat /sys/module/pstore/parameters/backend)"
        "#;
        let told = self.operator.run(machine, LOOK).await?;
        for there in [
            "board: Raspberry Pi 3 Model B",
            "card: boot-a boot-b data env firmware root-a root-a-verity root-b root-b-verity",
            "data: 1",
            "bus: there",
            // 54 of them.
            "lines: 512-565",
            "watchdog: Broadcom BCM2835 Watchdog timer",
            "last words: ramoops",
        ] {
            ensure!(
                told.lines().any(|line| line == there),
                "{there:?} is not in:\n{told}"
            );
        }
        Ok(())
    }

    async fn drives_its_panel(&self, machine: &Machine) -> anyhow::Result<()> {
        let ask = |command| self.operator.run(machine, command);
        let status = ask("holdfastctl status || test $? -eq 3").await?;
        ensure!(
            status.contains("SSD1306 at 0x3c (raspberrypi)"),
            "another panel: {status}"
        );
        ensure!(
            !status.contains("(panel."),
            "the panel has a fault: {status}"
        );
        let journal = ask("journalctl --no-pager -o cat -u holdfastd").await?;
        for works in ["the panel's display works", "the panel's button works"] {
            ensure!(
                journal.contains(works),
                "the journal does not say {works:?}:\n{journal}"
            );
        }
        let line = ask("grep -w GPIO17 /sys/kernel/debug/gpio").await?;
        ensure!(
            line.contains("|holdfast") && line.contains("ACTIVE LOW"),
            "the daemon does not hold the button's line: {line}"
        );
        let failed = ask("systemctl --failed --plain --no-legend").await?;
        ensure!(failed.trim().is_empty(), "failed: {}", failed.trim());
        Ok(())
    }

    /// A board description that asks for what this board has not.
    async fn misses_its_panel(&self, machine: &Machine) -> anyhow::Result<()> {
        self.operator
            .run(machine, "systemctl stop holdfastd")
            .await?;
        let line = "grep -w GPIO17 /sys/kernel/debug/gpio || true";
        let line = self.operator.run(machine, line).await?;
        ensure!(
            !line.contains('|'),
            "the line is not free after a stop: {line}"
        );
        let told = [
            "the panel's display does not work and is tried again",
            "the panel's button does not work and is tried again: this kernel has no /dev/gpiomem",
        ];
        self.operator
            .run(machine, &try_board("0x3d", &told))
            .await
            .map(drop)
    }

    /// `/dev/gpiomem` is there and cannot be mapped, so that rppal takes `/dev/mem`.
    async fn maps_its_registers(&self, machine: &Machine) -> anyhow::Result<()> {
        self.operator
            .run(machine, "mknod /dev/gpiomem c 1 3")
            .await?;
        let told = ["the panel's display works", "the panel's button works"];
        let line = self
            .operator
            .run(machine, &try_board("0x3c", &told))
            .await?;
        ensure!(
            line.contains("(GPIO17") && !line.contains("|holdfast"),
            "rppal does not hold the button's line: {line}"
        );
        Ok(())
    }

    async fn goes_off(&self, machine: &mut Machine) -> anyhow::Result<()> {
        // The connection goes with the board.
        let _ = self.operator.run(machine, "systemctl poweroff").await;
        machine.goes_off(SOON).await
    }
}

/// Runs a daemon as a unit of its own, on a board with its display at `address` and its button with rppal alone, until it has
/// told this; prints who holds the button's line, and stops it, which fails where it does not run any more.
fn try_board(address: &str, told: &[&str]) -> String {
    let wait = |told: &&str| {
        format!("until journalctl -o cat -u try | grep -qF \"{told}\"; do sleep 1; done\n")
    };
    let waits: String = told.iter().map(wait).collect();
    format!(
        r#"set -e
        mkdir -p /run/share/holdfast/boards /data/try
        cat >/run/share/holdfast/boards/try.toml <<'BOARD'
[display]
driver = "ssd1306"
bus = ["i2c@7e804000"]
address = {address}
[button]
backends = ["rppal"]
lines = ["pinctrl-bcm2835:17"]
BOARD
        systemd-run --quiet --unit=try --property=BindPaths=/run/share:/usr/share \
            holdfastd --board try --data /data/try --runtime /run/try
        {waits}
        grep -w GPIO17 /sys/kernel/debug/gpio || true
        systemctl is-active --quiet try
        systemctl stop try
        rm -r /data/try"#
    )
}
