//! The lab's part inside of a board: a virtual panel, brought on a disk of its own so that nothing on the card is touched.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::card::Arch;
use super::machine::{Extras, Machine, PORT};
use super::scene;
use crate::rig::tool;
use crate::wires::control::{Place, Remote};

/// The label of the disk that brings it.
const LABEL: &str = "lab";

/// Its unit. systemd takes it off the kernel command line: `systemd.extra-unit.*` in systemd-debug-generator(8).
pub const UNIT: &str = "lab-panel.service";

/// The `holdfast-lab` that runs on a board: this one, where the processor is the same. Another one is beside the image, or
/// where `HOLDFAST_LAB_ARM64` (or `_AMD64`) says.
///
/// # Errors
/// What is missing, and what to do about it.
pub fn program(arch: Arch) -> Result<PathBuf, String> {
    if Arch::HOST == Some(arch) {
        return std::env::current_exe()
            .map_err(|error| format!("this program cannot find itself: {error}"));
    }
    let name = arch.name();
    let variable = format!("HOLDFAST_LAB_{}", name.to_uppercase());
    let beside = || scene::images().join(format!("holdfast-lab-{name}"));
    let program = std::env::var_os(&variable).map_or_else(beside, PathBuf::from);
    if program.exists() {
        return Ok(program);
    }
    Err(format!(
        "{} is missing: copy what `board/cross {name} build --release -p holdfast-lab` makes there, or name it in {variable}",
        program.display()
    ))
}

/// Puts `program` (`holdfast-lab`, of the board's processor) on a disk in `place`, and has the board run its virtual panel as
/// early as it can: a real board's bus does not wait for udev either.
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
        "[Unit]\nDefaultDependencies=no\nStartLimitIntervalSec=0\n\
         [Service]\nRestart=on-failure\nExecStartPre=mkdir -p /run/lab\nExecStartPre=mount -o ro -L {LABEL} /run/lab\n\
         ExecStartPre=modprobe -a uhid hid-cp2112 virtio_console\n\
         ExecStart=/run/lab/holdfast-lab wires --control /dev/virtio-ports/{PORT}\n"
    );
    let unit = BASE64_STANDARD.encode(unit);
    Ok(Extras {
        lab: Some(disk),
        append: vec![
            format!("systemd.set_credential_binary=systemd.extra-unit.{UNIT}:{unit}"),
            wanted(),
        ],
        ..Extras::default()
    })
}

/// The same board without its panel, until somebody starts [`UNIT`].
pub fn without_panel(extras: &Extras) -> Extras {
    let mut extras = extras.clone();
    extras.append.retain(|word| *word != wanted());
    extras
}

fn wanted() -> String {
    format!("systemd.wants={UNIT}")
}

/// A hand on the virtual panel of a board, which answers once it runs.
///
/// # Errors
/// The board is off.
pub async fn hand(machine: &Machine) -> anyhow::Result<Remote> {
    Remote::connect(&Place::Path(machine.lab())).await
}
