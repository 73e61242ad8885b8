//! The lab's part inside of a board: a virtual panel, brought on a disk of its own so that nothing on the card is touched.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use holdfast::panel::{HEIGHT, WIDTH};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

use super::machine::{Extras, Machine, PORT};
use crate::rig::tool;

/// The label of the disk that brings it.
const LABEL: &str = "lab";

/// Its unit. systemd takes it off the kernel command line: `systemd.extra-unit.*` in systemd-debug-generator(8).
const UNIT: &str = "lab-panel.service";

/// Puts `program` (`holdfast-lab`, of the board's processor) on a disk in `place`, and has the board run its virtual panel.
///
/// # Errors
/// `mkfs.ext4` fails.
pub fn panel(program: &Path, place: &Path) -> anyhow::Result<Extras> {
    let (tree, disk) = (place.join("inside"), place.join("inside.img"));
    fs::create_dir_all(&tree)?;
    fs::copy(program, tree.join("holdfast-lab"))?;
    let room = fs::metadata(program)?.len() * 5 / 4 + (8 << 20);
    fs::File::create(&disk)?.set_len(room)?;
    tool(
        Command::new("mkfs.ext4")
            .args(["-q", "-F", "-L", LABEL, "-d"])
            .arg(&tree)
            .arg(&disk),
    )?;
    let unit = format!(
        "[Unit]\nDefaultDependencies=no\nAfter=dev-disk-by\\x2dlabel-{LABEL}.device\nWants=dev-disk-by\\x2dlabel-{LABEL}.device\n\
         [Service]\nExecStartPre=mkdir -p /run/lab\nExecStartPre=mount -o ro /dev/disk/by-label/{LABEL} /run/lab\n\
         ExecStartPre=modprobe -a uhid hid-cp2112 virtio_console\n\
         ExecStart=/run/lab/holdfast-lab wires --control /dev/virtio-ports/{PORT}\n"
    );
    let unit = BASE64_STANDARD.encode(unit);
    Ok(Extras {
        lab: Some(disk),
        append: vec![
            format!("systemd.set_credential_binary=systemd.extra-unit.{UNIT}:{unit}"),
            format!("systemd.wants={UNIT}"),
        ],
        ..Extras::default()
    })
}

/// The virtual panel of a board, looked at and pressed from outside.
pub struct Panel {
    port: BufReader<UnixStream>,
}

impl Panel {
    /// Reaches into the board; the panel answers once it runs.
    ///
    /// # Errors
    /// The board is off.
    pub async fn of(machine: &Machine) -> anyhow::Result<Panel> {
        let port: PathBuf = machine.lab();
        let port = UnixStream::connect(&port)
            .await
            .with_context(|| format!("{} is not there", port.display()))?;
        Ok(Panel {
            port: BufReader::new(port),
        })
    }

    /// The pixels on the glass, a bit each, rows from the top.
    ///
    /// # Errors
    /// The panel does not answer.
    pub async fn picture(&mut self) -> anyhow::Result<Vec<u8>> {
        let digits = self.ask("frame").await?;
        let bits: Option<Vec<u8>> = (0..digits.len() / 2)
            .map(|at| u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok())
            .collect();
        let bits = bits.context("the panel's picture is not in hexadecimal digits")?;
        ensure!(
            bits.len() * 8 == (WIDTH * HEIGHT) as usize,
            "the picture has another size"
        );
        Ok(bits)
    }

    /// The text of the QR on the glass, as a phone's camera reads it.
    ///
    /// # Errors
    /// The panel does not answer.
    pub async fn qr(&mut self) -> anyhow::Result<Option<String>> {
        Ok(crate::camera::read(WIDTH, HEIGHT, &self.picture().await?))
    }

    /// Holds the button for so many milliseconds.
    ///
    /// # Errors
    /// The panel does not answer.
    pub async fn press(&mut self, line: u8, ms: u32) -> anyhow::Result<()> {
        self.ask(&format!("press {line} {ms}")).await.map(drop)
    }

    async fn ask(&mut self, command: &str) -> anyhow::Result<String> {
        self.port
            .write_all(format!("{command}\n").as_bytes())
            .await?;
        let mut answer = String::new();
        if self.port.read_line(&mut answer).await? == 0 {
            bail!("the board went off");
        }
        match answer.trim().split_once(' ') {
            Some(("ok", answer)) => Ok(answer.to_owned()),
            None if answer.trim() == "ok" => Ok(String::new()),
            _ => bail!("the panel does not {command}: {}", answer.trim()),
        }
    }
}
