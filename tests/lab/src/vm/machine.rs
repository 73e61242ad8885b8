//! A board under power: QEMU with a card in it, until somebody pulls the plug.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use super::acpi;
use super::card::{Arch, Card, Start};
use crate::rig::cut::{Cut, Kind};
use crate::rig::log::Log;
use crate::rig::replay::{self, Replay};

/// How often the console is looked at: a file has no other way to say that it grew.
const LOOK: Duration = Duration::from_millis(100);

/// The address at which a guest finds the host's loopback: QEMU's user network, "Network emulation" in its manual.
pub const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);

/// The virtual serial port over which the lab's parts inside talk to the lab.
pub const PORT: &str = "org.holdfast.lab";

/// The words for a processor that counts; a later `-cpu` replaces the board's.
const COUNTED: &[&str] = &["-icount", "shift=1,sleep=off", "-cpu", "max,-sha-ni"];

/// What leads out of the board, as QEMU calls it.
const CABLE: &str = "cable";
/// What is at the other end.
const ROUTER: &str = "router";

/// What hangs on a board besides the card.
#[derive(Clone, Debug, Default)]
pub struct Extras {
    /// A file system with the lab's parts for the inside, read-only.
    pub lab: Option<PathBuf>,
    /// More words for the kernel command line.
    pub append: Vec<String>,
    /// Every write and flush of the card is logged, so that pulling the plug can lose what was not flushed.
    pub recorded: bool,
    /// It has one processor whose clock is the instructions it takes, two nanoseconds each, whatever the host does; amd64 alone. It has no
    /// instructions for SHA-256, as no Raspberry Pi before the 5 has.
    pub counted: bool,
    /// Its USB has a port for the bridge of an e-paper, and its firmware tells of what is behind it; amd64 alone.
    pub paper: bool,
    /// What the board's own clock says when the power comes, such as `1980-01-01`; `None` is the right time.
    pub clock: Option<String>,
    /// Its time is that of its instructions and leaps over what is only waited for: half an hour of nothing takes seconds. Nobody outside can keep
    /// up with it over SSH. A virtual board of one processor alone.
    pub leaps: bool,
}

/// A running board. Dropping it pulls the plug.
pub struct Machine {
    qemu: Child,
    dir: PathBuf,
    ssh: u16,
}

impl Machine {
    /// Puts the card into a board and turns it on. The console, the sockets and QEMU's own words go to `dir`.
    ///
    /// # Errors
    /// QEMU does not start.
    pub async fn start(card: &Card, extras: &Extras, dir: &Path) -> anyhow::Result<Machine> {
        fs::create_dir_all(dir)?;
        for old in ["console", "qmp", "lab", "usb", "log"] {
            let _ = fs::remove_file(dir.join(old));
        }
        // Taken and let go: QEMU cannot say which port it took.
        let ssh = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let mut command = Command::new(card.arch.qemu());
        command
            .args(["-display", "none", "-nodefaults"])
            .args(["-qmp", &socket(dir, "qmp")]);
        let console = format!("file:{}", path(dir, "console"));
        match &card.start {
            Start::Bios(u_boot) => {
                card.append(&extras.append)?;
                command.arg("-bios").arg(u_boot);
            }
            Start::RaspberryPi { u_boot, tree } => {
                card.append(&extras.append)?;
                command.arg("-kernel").arg(u_boot).arg("-dtb").arg(tree);
            }
            Start::Kernel {
                kernel,
                initrd,
                append,
            } => {
                let append = format!("{append} {}", extras.append.join(" "));
                command
                    .arg("-kernel")
                    .arg(kernel)
                    .arg("-initrd")
                    .arg(initrd);
                command.args(["-append", &append]);
            }
        }
        let sockets: &[&str] = if let Start::RaspberryPi { .. } = card.start {
            raspberry_pi(&mut command, card, &console, ssh);
            &["qmp"]
        } else {
            virtual_board(&mut command, card, extras, dir, &console, ssh)?;
            if extras.paper {
                port_for_paper(&mut command, dir)?;
                &["qmp", "lab", "usb"]
            } else {
                &["qmp", "lab"]
            }
        };
        let qemu = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(dir.join("qemu.log"))?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} cannot be run", card.arch.qemu()))?;
        let mut machine = Machine {
            qemu,
            dir: dir.to_owned(),
            ssh,
        };
        while !sockets.iter().all(|name| dir.join(name).exists()) {
            machine.is_on("it had its sockets")?;
            tokio::time::sleep(LOOK).await;
        }
        Ok(machine)
    }

    /// The port of the host's loopback that leads to the guest's SSH.
    pub fn ssh(&self) -> u16 {
        self.ssh
    }

    /// Where the lab's parts inside are met.
    pub fn lab(&self) -> PathBuf {
        self.dir.join("lab")
    }

    /// Where a bridge is plugged into its USB.
    pub(super) fn usb(&self) -> PathBuf {
        self.dir.join("usb")
    }

    /// What the console showed so far.
    pub fn console(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.dir.join("console")).unwrap_or_default()).into()
    }

    /// Fails where the board went off by itself before something.
    fn is_on(&mut self, before: &str) -> anyhow::Result<()> {
        let Some(status) = self.qemu.try_wait()? else {
            return Ok(());
        };
        let said = fs::read_to_string(self.dir.join("qemu.log")).unwrap_or_default();
        bail!(
            "the board went off ({status}) before {before}: {}\n{}",
            said.trim(),
            self.last_lines()
        )
    }

    /// Pulls the plug; what was written is on the card, flushed or not.
    ///
    /// # Errors
    /// QEMU cannot be killed.
    pub async fn unplug(mut self) -> anyhow::Result<()> {
        self.qemu.kill().await.context("QEMU cannot be killed")
    }

    /// Pulls the plug of a recorded board, and leaves on its card what a power cut of this kind leaves.
    ///
    /// # Errors
    /// QEMU cannot be killed, or what was logged cannot be read.
    pub async fn cut(self, card: &Card, kind: Kind, dice: u64) -> anyhow::Result<()> {
        let dir = self.dir.clone();
        let (log, start) = self.unplug_recorded().await?;
        let after = log.entries().len();
        let cut = Cut { kind, after, dice };
        Replay::new(&log, &start, &dir)?.build(&cut, &card.disk)?;
        Ok(())
    }

    /// Pulls the plug of a recorded board. What its card was told since the power came, and the image that it was told upon.
    ///
    /// # Errors
    /// QEMU cannot be killed, or what was logged cannot be read.
    pub async fn unplug_recorded(mut self) -> anyhow::Result<(Log, PathBuf)> {
        self.qemu.kill().await.context("QEMU cannot be killed")?;
        Ok((Log::open(&self.dir.join("log"))?, self.dir.join("start")))
    }

    /// How large the log of a recorded board is by now, bytes: a moment in it.
    ///
    /// # Errors
    /// Nothing is recorded.
    pub fn recorded_bytes(&self) -> anyhow::Result<u64> {
        let log = fs::metadata(self.dir.join("log"));
        Ok(log.context("nothing is recorded")?.len())
    }

    /// Waits until the board goes off by itself.
    ///
    /// # Errors
    /// It does not in time.
    pub async fn goes_off(&mut self, within: Duration) -> anyhow::Result<()> {
        match tokio::time::timeout(within, self.qemu.wait()).await {
            Ok(status) => status.map(drop).context("QEMU is lost"),
            Err(_) => bail!(
                "the board is not off within {within:?}:\n{}",
                self.last_lines()
            ),
        }
    }

    /// Plugs the network cable in, or out.
    ///
    /// # Errors
    /// QEMU does not do it.
    pub async fn cable(&self, is_in: bool) -> anyhow::Result<()> {
        let link = json!({ "name": CABLE, "up": is_in });
        self.monitor("set_link", link).await
    }

    /// Turns the router on, or off: the cable's other end is in a switch of its own.
    ///
    /// # Errors
    /// QEMU does not do it.
    pub async fn router(&self, is_on: bool) -> anyhow::Result<()> {
        let link = json!({ "name": ROUTER, "up": is_on });
        self.monitor("set_link", link).await
    }

    /// Waits until the console shows a text so many times.
    ///
    /// # Errors
    /// It does not in time; with what it shows instead.
    pub async fn says(&self, text: &str, times: usize, within: Duration) -> anyhow::Result<()> {
        let said = async {
            while self.console().matches(text).count() < times {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(within, said).await.with_context(|| {
            format!(
                "the console does not say {text:?} {times} times within {within:?}:\n{}",
                self.last_lines()
            )
        })
    }

    /// One command for QEMU's monitor (QMP).
    async fn monitor(&self, command: &str, arguments: Value) -> anyhow::Result<()> {
        let mut monitor = BufReader::new(UnixStream::connect(self.dir.join("qmp")).await?);
        for (command, arguments) in [("qmp_capabilities", json!({})), (command, arguments)] {
            let line = json!({ "execute": command, "arguments": arguments });
            let line = format!("{line}\n");
            monitor.write_all(line.as_bytes()).await?;
            let mut answer = String::new();
            // Its greeting and its events come in between.
            while !answer.contains("\"return\"") {
                answer.clear();
                if monitor.read_line(&mut answer).await? == 0 || answer.contains("\"error\"") {
                    bail!("QEMU does not take {command}: {}", answer.trim());
                }
            }
        }
        Ok(())
    }

    /// The end of what the console showed.
    pub fn last_lines(&self) -> String {
        let console = self.console();
        let lines: Vec<_> = console.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Arch {
    pub(super) fn qemu(self) -> &'static str {
        match self {
            Arch::Amd64 => "qemu-system-x86_64",
            Arch::Arm64 => "qemu-system-aarch64",
        }
    }

    /// Debian's U-Boot for a PC brings up one.
    fn processors(self) -> &'static str {
        match self {
            Arch::Amd64 => "1",
            Arch::Arm64 => "2",
        }
    }

    /// U-Boot does not turn on the power management of a `q35`, without which Linux takes no ACPI there.
    fn board(self) -> [&'static str; 4] {
        match self {
            Arch::Amd64 => ["-machine", "pc", "-cpu", "max"],
            Arch::Arm64 => ["-machine", "virt", "-cpu", "cortex-a53"],
        }
    }
}

/// The words for a machine of virtual parts.
fn virtual_board(
    command: &mut Command,
    card: &Card,
    extras: &Extras,
    dir: &Path,
    console: &str,
    ssh: u16,
) -> anyhow::Result<()> {
    command
        .args(card.arch.board())
        .args(["-accel", "tcg", "-smp", card.arch.processors(), "-m", "512"])
        .args(["-serial", console])
        .args(if extras.counted { COUNTED } else { &[] })
        .args(["-device", "virtio-serial-pci"])
        .args([
            "-chardev",
            &format!("socket,id=lab,path={},server=on,wait=off", path(dir, "lab")),
        ])
        .args([
            "-device",
            &format!("virtserialport,chardev=lab,name={PORT}"),
        ])
        .args(["-device", "virtio-rng-pci"])
        .args(["-device", "i6300esb", "-action", "watchdog=reset"])
        .args(["-blockdev", &file("card", &card.disk)]);
    if extras.recorded {
        replay::copy(&card.disk, &dir.join("start"))?;
        File::create(dir.join("log"))?;
        command
            .args(["-blockdev", &file("log", &dir.join("log"))])
            .args([
                "-blockdev",
                "driver=blklogwrites,node-name=logged,file=card,log=log,log-sector-size=512",
            ])
            .args(["-device", "virtio-blk-pci,drive=logged"]);
    } else {
        command.args(["-device", "virtio-blk-pci,drive=card"]);
    }
    command
        .args(["-netdev", &router(ssh)])
        // A switch between them, so that a router may be off behind a cable that is in.
        .args([
            "-netdev",
            &format!("hubport,id=uplink,hubid=0,netdev={ROUTER}"),
        ])
        .args(["-netdev", &format!("hubport,id={CABLE},hubid=0")])
        .args(["-device", &format!("virtio-net-pci,netdev={CABLE}")]);
    if extras.leaps {
        command.args(["-icount", "shift=1,sleep=off"]);
    }
    if let Some(clock) = &extras.clock {
        command.args(["-rtc", &format!("base={clock}")]);
    }
    if let Some(lab) = &extras.lab {
        command
            .args(["-blockdev", &format!("{},read-only=on", file("parts", lab))])
            .args(["-device", "virtio-blk-pci,drive=parts,serial=lab"]);
    }
    Ok(())
}

/// The words for a USB port with nothing in it yet, and for the firmware's table of what will be behind it.
fn port_for_paper(command: &mut Command, dir: &Path) -> anyhow::Result<()> {
    fs::write(dir.join("ssdt"), acpi::table())?;
    let table = path(dir, "ssdt");
    command
        .args(["-acpitable", &format!("sig=SSDT,rev=2,data={table}")])
        .args([
            "-device",
            &format!("qemu-xhci,id=usb,addr={}", acpi::USB_SLOT),
        ])
        .args([
            "-chardev",
            &format!(
                "socket,id=bridge,path={},server=on,wait=off",
                path(dir, "usb")
            ),
        ])
        .args(["-device", "usb-redir,chardev=bridge,bus=usb.0"]);
    Ok(())
}

/// The words for a Raspberry Pi 3 B. On its header's I2C bus is a display that acknowledges and draws nothing; its network
/// is on USB and leads to the host's SSH client alone. A restart ends it.
fn raspberry_pi(command: &mut Command, card: &Card, console: &str, ssh: u16) {
    command
        .args(["-machine", "raspi3b", "-accel", "tcg,thread=single"])
        .arg("-no-reboot")
        .args(["-serial", "null", "-serial", console])
        .args([
            "-drive",
            &format!("if=sd,format=raw,file={}", card.disk.display()),
        ])
        .args(["-device", "ssd0303,bus=i2c-bus.1,address=0x3c"])
        .args(["-netdev", &format!("{},restrict=on", router(ssh))])
        .args(["-device", &format!("usb-net,netdev={ROUTER}")]);
}

fn router(ssh: u16) -> String {
    format!("user,id={ROUTER},hostfwd=tcp:127.0.0.1:{ssh}-:22")
}

fn path(dir: &Path, name: &str) -> String {
    dir.join(name).display().to_string()
}

fn socket(dir: &Path, name: &str) -> String {
    format!("unix:{},server=on,wait=off", path(dir, name))
}

fn file(node: &str, path: &Path) -> String {
    format!("driver=file,node-name={node},filename={}", path.display())
}
