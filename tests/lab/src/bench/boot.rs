//! `bench boot`: from the kernel's start to a picture, a QR and a link, beside a plain Debian of the same packages in the same
//! emulator; and what the card takes of room, of memory, and of itself when nothing happens.
//!
//! All times are the guest's own, from the kernel's start: QEMU's and the bootloader's are nobody's merit. Those of `times` are compared; those
//! to a QR and a link are with the lab's part inside, and depend on the host.

mod teller;
mod times;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::sleep;

use super::start::spread;
use super::{Bench, Extent, Report, Terms};
use crate::rig::{self, replay};
use crate::vm::card::{Arch, Card, Start, image};
use crate::vm::inside;
use crate::vm::machine::{Extras, Machine};
use crate::vm::scene::{self, BOOT, Scene};

/// How often each boots; with `--full`.
const ROUNDS: (usize, usize) = (3, 5);
/// How long nothing happens while writes are counted; with `--full`.
const IDLE: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(3600));
/// How long a board is left alone before its memory is looked at.
const SETTLED: Duration = Duration::from_secs(60);

/// The benchmark.
pub struct Boot;

#[async_trait(?Send)]
impl Bench for Boot {
    fn name(&self) -> &'static str {
        "boot"
    }

    fn about(&self) -> &'static str {
        "the card from kernel start to picture, QR and link, its size, memory and idle writes, beside a plain Debian"
    }

    async fn measure(&self, terms: &Terms) -> anyhow::Result<Report> {
        let full = terms.extent == Extent::Full;
        let arch = Arch::Amd64;
        let pick = |of: (usize, usize)| if full { of.1 } else { of.0 };
        let idle = if full { IDLE.1 } else { IDLE.0 };
        let mut report = Report::new(&["least", "median", "most"]);

        let rounds = pick(ROUNDS);
        let mut card = scene::missing(arch).map_or(Ok(Taken::default()), Err);
        let mut debian = Debian::find(arch).map(|debian| (debian, Taken::default()));
        // What is compared comes first, one board after the other in the same emulator.
        if let Ok(taken) = &mut card {
            let scene = Scene::set(arch).await?;
            times::take(
                taken,
                &scene.card,
                &times::CARD,
                rounds,
                &scene.path("times"),
            )
            .await?;
        }
        if let Ok((debian, taken)) = &mut debian {
            debian.measure(taken, rounds, idle).await?;
        }
        if let Ok(taken) = &mut card {
            measure(taken, arch, rounds, idle).await?;
        }
        let debian = debian.map(|(_, taken)| taken);
        for (names, taken) in [
            (names(&times::CARD, &CARD), card),
            (names(&times::DEBIAN, &DEBIAN), debian),
        ] {
            for name in names {
                let figures = taken.as_ref().map(|taken| taken.spread(name));
                report.row(name, figures.map_err(Clone::clone));
            }
        }
        for (ratio, of, to) in [
            ("picture_vs_debian_up", "picture_s", "debian_up_s"),
            ("daemon_vs_debian_up", "daemon_s", "debian_up_s"),
            ("up_vs_debian_up", "up_s", "debian_up_s"),
            ("image_vs_debian", "image_mib", "debian_image_mib"),
            ("memory_vs_debian", "memory_mib", "debian_mem_mib"),
            ("idle_vs_debian", "idle_kib_h", "debian_idle_kib_h"),
            ("idle_vs_budget", "idle_kib_h", "budget_kib_h"),
        ] {
            report.ratio(ratio, "median", of, to);
        }
        Ok(report)
    }
}

fn names(times: &[(&'static str, times::What)], others: &[&'static str]) -> Vec<&'static str> {
    times
        .iter()
        .map(|(name, _)| *name)
        .chain(others.iter().copied())
        .collect()
}

/// What was taken, by its name. It takes long, so that each figure is told as it comes.
#[derive(Default)]
struct Taken(BTreeMap<&'static str, Vec<f64>>);

impl Taken {
    fn note(&mut self, name: &'static str, figure: f64) {
        eprintln!("  {name:18}{figure:9.1}");
        self.0.entry(name).or_default().push(figure);
    }

    fn spread(&self, name: &str) -> Vec<f64> {
        spread(self.0.get(name).cloned().unwrap_or_default())
    }
}

/// What else is taken of the card.
const CARD: [&str; 7] = [
    "qr_s",
    "connected_s",
    "after_cut_s",
    "image_mib",
    "memory_mib",
    "idle_kib_h",
    "budget_kib_h",
];

/// What else is taken of the plain Debian.
const DEBIAN: [&str; 3] = ["debian_image_mib", "debian_mem_mib", "debian_idle_kib_h"];

async fn measure(
    taken: &mut Taken,
    arch: Arch,
    rounds: usize,
    idle: Duration,
) -> anyhow::Result<()> {
    let image = image(&scene::images(), "qemu", arch);
    taken.note("image_mib", mib(fs::metadata(image)?.len()));
    for round in 0..rounds {
        let scene = Scene::set(arch).await?;
        // The first boot makes the data partition and the keys, and asks to be linked.
        let mut machine = scene.power_on().await?;
        let code = scene.shows_qr(&mut machine, None, BOOT).await?;
        let times = inside::hand(&machine).await?.times().await?;
        taken.note("qr_s", times.now.as_secs_f64());
        scene.lab.scan_qr(&scene.owner, &code).await?;
        is_up(&scene, &machine).await?;
        scene.power_off(machine).await?;

        let machine = scene.power_on().await?;
        taken.note("connected_s", is_up(&scene, &machine).await?);
        if round + 1 == rounds {
            sleep(SETTLED).await;
            let own = ask(&scene, &machine, "cat /proc/meminfo").await?;
            // The lab's part inside is on no card.
            let lab = "cat /proc/$(systemctl show -P MainPID lab-panel.service)/status";
            let lab = kib(&ask(&scene, &machine, lab).await?, "RssAnon")?;
            taken.note("memory_mib", (in_use(&own)? - lab) / 1024.0);
            let before = sectors(&ask(&scene, &machine, "cat /sys/block/vda/stat").await?)?;
            sleep(idle).await;
            let after = sectors(&ask(&scene, &machine, "cat /sys/block/vda/stat").await?)?;
            taken.note("idle_kib_h", kib_an_hour(after - before, idle));
            let vault = ask(&scene, &machine, "holdfastctl --json vault").await?;
            let vault: Value = serde_json::from_str(&vault)?;
            let a_day = vault["card"]["budget_per_day"].as_f64();
            taken.note(
                "budget_kib_h",
                a_day.context("the vault names no budget")? / 1024.0 / 24.0,
            );
        }
        // The plug is pulled.
        drop(machine);
        let machine = scene.power_on().await?;
        taken.note("after_cut_s", is_up(&scene, &machine).await?);
        scene.power_off(machine).await?;
    }
    Ok(())
}

/// Waits until the board is Connected and says when it was first, seconds.
async fn is_up(scene: &Scene, machine: &Machine) -> anyhow::Result<f64> {
    #[derive(Deserialize)]
    struct Line {
        #[serde(rename = "__MONOTONIC_TIMESTAMP")]
        micros: String,
    }
    scene.operator.is_let_in(machine, BOOT).await?;
    scene.connected(machine, BOOT).await?;
    let story = "journalctl -b -q -o json -u holdfastd HOLDFAST_STATE=Connected | head -n 1";
    let line: Line = serde_json::from_str(&ask(scene, machine, story).await?)
        .context("the journal does not say when it was Connected")?;
    Ok(line.micros.parse::<f64>()? / 1e6)
}

async fn ask(scene: &Scene, machine: &Machine, command: &str) -> anyhow::Result<String> {
    let said = scene.operator.run(machine, command).await?;
    Ok(said.trim().to_owned())
}

/// The peer: what `tests/lab/plain-debian` made.
struct Debian {
    arch: Arch,
    built: PathBuf,
}

impl Debian {
    /// The one beside the card's image.
    fn find(arch: Arch) -> Result<Debian, String> {
        let built = scene::images().join(format!("plain-debian-{}", arch.name()));
        if built.with_extension("img").exists() {
            return Ok(Debian { arch, built });
        }
        Err(format!(
            "{}.img is missing: tests/lab/plain-debian {} {}",
            built.display(),
            arch.name(),
            scene::images().display()
        ))
    }

    async fn measure(
        &self,
        taken: &mut Taken,
        rounds: usize,
        idle: Duration,
    ) -> anyhow::Result<()> {
        let place = rig::scratch()?;
        let card = self.card(place.path()).await?;
        let image = fs::metadata(self.built.with_extension("img.zst"))?.len();
        taken.note("debian_image_mib", mib(image));
        times::take(taken, &card, &times::DEBIAN, rounds, place.path()).await?;

        let extras = Extras {
            append: teller::words(&idle_stretch(idle)),
            ..Extras::default()
        };
        let mut machine = Machine::start(&card, &extras, &place.path().join("idle")).await?;
        let within = BOOT + SETTLED + idle;
        let said = teller::told(&machine, "memory", within).await?;
        taken.note("debian_mem_mib", in_use(&said.replace(',', "\n"))? / 1024.0);
        let before = sectors(&teller::told(&machine, "before", within).await?)?;
        let after = sectors(&teller::told(&machine, "after", within).await?)?;
        taken.note("debian_idle_kib_h", kib_an_hour(after - before, idle));
        machine.goes_off(BOOT).await
    }

    /// In the same board as the card, with its own kernel and initrd.
    async fn card(&self, place: &Path) -> anyhow::Result<Card> {
        let scene = Scene::set(self.arch).await?;
        let mut card = scene.card.clone();
        card.disk = place.join("debian");
        replay::copy(&self.built.with_extension("img"), &card.disk)?;
        // The words that are the machine's, not the card's.
        let own = match self.arch {
            Arch::Amd64 => "console=ttyS0 no_timer_check",
            Arch::Arm64 => "console=ttyAMA0",
        };
        card.start = Start::Kernel {
            kernel: self.built.with_extension("vmlinuz"),
            initrd: self.built.with_extension("initrd.img"),
            append: format!("{own} panic=10 net.ifnames=0 root=/dev/vda rw"),
        };
        Ok(card)
    }
}

/// Has the teller look at memory and writes, and leave the board alone meanwhile.
fn idle_stretch(idle: Duration) -> String {
    format!(
        "sleep {}; say memory `tr '\\n' , < /proc/meminfo`; say before `cat /sys/block/vda/stat`; \
         sleep {}; say after `cat /sys/block/vda/stat`",
        SETTLED.as_secs(),
        idle.as_secs()
    )
}

/// Memory in use, KiB: what is not available (proc_meminfo(5)).
fn in_use(meminfo: &str) -> anyhow::Result<f64> {
    Ok(kib(meminfo, "MemTotal")? - kib(meminfo, "MemAvailable")?)
}

fn kib(text: &str, field: &str) -> anyhow::Result<f64> {
    super::memory::kib(text, field).with_context(|| format!("the kernel does not say {field}"))
}

/// Sectors of 512 bytes written: the seventh field (Linux, Documentation/block/stat.rst).
fn sectors(stat: &str) -> anyhow::Result<u64> {
    let field = stat.split_whitespace().nth(6);
    Ok(field.context("the kernel does not count writes")?.parse()?)
}

fn kib_an_hour(sectors: u64, within: Duration) -> f64 {
    sectors as f64 / 2.0 * 3600.0 / within.as_secs_f64()
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_figures_are_read() {
        let meminfo = "MemTotal: 1000 kB\nMemFree: 10 kB\nMemAvailable: 400 kB\n";
        assert_eq!(in_use(meminfo).unwrap(), 600.0);
        assert!(in_use("MemTotal: 1000 kB\n").is_err());
        assert_eq!(sectors("1 2 3 4 5 6 70 8 9 10 11").unwrap(), 70);
        assert_eq!(kib_an_hour(70, Duration::from_secs(360)), 350.0);
    }
}
