//! `bench boot`: from the kernel's start to a picture, a QR and a link, beside a plain Debian of the same packages in the same
//! emulator; and what the card takes of room, of memory, and of itself when nothing happens.
//!
//! All times are the guest's own, from the kernel's start: QEMU's and the bootloader's are nobody's merit.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{sleep, timeout};

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
/// How often the console is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// The unit that the plain Debian has on top: it says on the console what is asked of the card over SSH.
const TELLER: &str = "bench-teller.service";
/// What a line of it begins with.
const TOLD: &str = "bench-boot:";

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

        // Side by side: what else the machine does slows both. A board takes one processor.
        let card = async {
            match scene::missing(arch) {
                Some(missing) => Ok(Err(missing)),
                None => card(arch, pick(ROUNDS), idle).await.map(Ok),
            }
        };
        let debian = async {
            match Debian::find(arch) {
                Err(missing) => Ok(Err(missing)),
                Ok(debian) => debian.measure(pick(ROUNDS), idle).await.map(Ok),
            }
        };
        let (card, debian) = tokio::try_join!(card, debian)?;
        for (names, taken) in [(&CARD[..], card), (&DEBIAN[..], debian)] {
            for name in names {
                let figures = taken.as_ref().map(|taken| taken.spread(name));
                report.row(*name, figures.map_err(Clone::clone));
            }
        }
        for (ratio, of, to) in [
            ("first_frame_vs_debian_up", "first_frame_s", "debian_up_s"),
            ("qr_vs_debian_up", "qr_s", "debian_up_s"),
            ("connected_vs_debian_up", "connected_s", "debian_up_s"),
            ("after_cut_vs_debian_up", "after_cut_s", "debian_up_s"),
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

/// What is taken of the card: the bus is the lab's, plugged in by a program that has to be loaded first.
const CARD: [&str; 10] = [
    "bus_s",
    "first_frame_s",
    "qr_s",
    "connected_s",
    "after_cut_s",
    "up_s",
    "image_mib",
    "memory_mib",
    "idle_kib_h",
    "budget_kib_h",
];

/// What is taken of the plain Debian.
const DEBIAN: [&str; 4] = [
    "debian_up_s",
    "debian_image_mib",
    "debian_mem_mib",
    "debian_idle_kib_h",
];

async fn card(arch: Arch, rounds: usize, idle: Duration) -> anyhow::Result<Taken> {
    let mut taken = Taken::default();
    let image = image(&scene::images(), "qemu", arch);
    taken.note("image_mib", mib(fs::metadata(image)?.len()));
    for round in 0..rounds {
        let scene = Scene::set(arch).await?;
        // The first boot makes the data partition and the keys, and asks to be linked.
        let mut machine = scene.power_on().await?;
        let code = scene.shows_qr(&mut machine, None, BOOT).await?;
        let times = inside::hand(&machine).await?.times().await?;
        taken.note("qr_s", times.now.as_secs_f64());
        taken.note("first_frame_s", drawn(times.drawn)?);
        scene.lab.scan_qr(&scene.owner, &code).await?;
        is_up(&scene, &machine).await?;
        scene.power_off(machine).await?;

        let machine = scene.power_on().await?;
        taken.note("connected_s", is_up(&scene, &machine).await?);
        let times = inside::hand(&machine).await?.times().await?;
        taken.note("bus_s", times.plugged.as_secs_f64());
        taken.note("first_frame_s", drawn(times.drawn)?);
        // The link may be there before everything else is.
        let target = "until systemctl -q is-active multi-user.target; do sleep 1; done; \
                      systemctl show -P ActiveEnterTimestampMonotonic multi-user.target";
        let micros: f64 = ask(&scene, &machine, target).await?.parse()?;
        taken.note("up_s", micros / 1e6);
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
    Ok(taken)
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

fn drawn(at: Option<Duration>) -> anyhow::Result<f64> {
    Ok(at.context("nothing was drawn")?.as_secs_f64())
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

    async fn measure(&self, rounds: usize, idle: Duration) -> anyhow::Result<Taken> {
        let place = rig::scratch()?;
        let card = self.card(place.path()).await?;
        let mut taken = Taken::default();
        let image = fs::metadata(self.built.with_extension("img.zst"))?.len();
        taken.note("debian_image_mib", mib(image));
        // Its first boot makes what is made once, and is not counted.
        for round in 0..=rounds {
            let is_last = round == rounds;
            let extras = Extras {
                append: teller(is_last.then_some(idle)),
                ..Extras::default()
            };
            let place = place.path().join(format!("board-{round}"));
            let mut machine = Machine::start(&card, &extras, &place).await?;
            let micros: f64 = told(&machine, "up", BOOT).await?.parse()?;
            if round > 0 {
                taken.note("debian_up_s", micros / 1e6);
            }
            if is_last {
                let within = SETTLED + idle + BOOT;
                let said = told(&machine, "memory", within).await?;
                taken.note("debian_mem_mib", in_use(&said.replace(',', "\n"))? / 1024.0);
                let before = sectors(&told(&machine, "before", within).await?)?;
                let after = sectors(&told(&machine, "after", within).await?)?;
                taken.note("debian_idle_kib_h", kib_an_hour(after - before, idle));
            }
            machine.goes_off(BOOT).await?;
        }
        Ok(taken)
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

/// The words for the kernel command line that bring the unit (systemd-debug-generator(8)). Told so, it looks at an idle stretch;
/// then it has the machine go off, for nobody waits for its power key so early.
fn teller(idle: Option<Duration>) -> Vec<String> {
    let idle = idle.map_or_else(String::new, |idle| {
        format!(
            "sleep {}; say memory `tr '\\n' , < /proc/meminfo`; say before `cat /sys/block/vda/stat`; \
             sleep {}; say after `cat /sys/block/vda/stat`; ",
            SETTLED.as_secs(),
            idle.as_secs()
        )
    });
    let script = format!(
        "say() {{ echo {TOLD} $*; }}; \
         say up `systemctl show -P ActiveEnterTimestampMonotonic multi-user.target`; {idle}systemctl poweroff"
    );
    let unit = format!(
        "[Unit]\nDefaultDependencies=no\nAfter=multi-user.target\n\
         [Service]\nStandardOutput=tty\nTTYPath=/dev/console\nExecStart=/bin/sh -c \"{}\"\n",
        script.replace('\\', "\\\\").replace('$', "$$")
    );
    let unit = BASE64_STANDARD.encode(unit);
    vec![
        format!("systemd.set_credential_binary=systemd.extra-unit.{TELLER}:{unit}"),
        format!("systemd.wants={TELLER}"),
    ]
}

/// Waits for a line of the teller.
async fn told(machine: &Machine, what: &str, within: Duration) -> anyhow::Result<String> {
    let begin = format!("{TOLD} {what} ");
    let told = async {
        loop {
            let console = machine.console();
            let lines = console.split_inclusive('\n');
            let mut whole = lines.filter(|line| line.ends_with('\n'));
            if let Some(line) = whole.find_map(|line| Some(line.split_once(&begin)?.1.to_owned())) {
                return line.trim().to_owned();
            }
            sleep(LOOK).await;
        }
    };
    timeout(within, told).await.with_context(|| {
        format!(
            "the plain Debian does not say {what:?}:\n{}",
            machine.last_lines()
        )
    })
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
