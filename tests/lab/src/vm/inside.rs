//! The lab's part inside of a board: a virtual panel, brought on a disk of its own so that nothing on the card is touched.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::machine::{Extras, Machine, PORT};
use crate::rig::tool;
use crate::wires::control::{Place, Remote};

/// The label of the disk that brings it.
const LABEL: &str = "lab";

/// Its unit. systemd takes it off the kernel command line: `systemd.extra-unit.*` in systemd-debug-generator(8).
pub const UNIT: &str = "lab-panel.service";

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
         [Service]\nTimeoutStartSec=infinity\nExecStartPre=mkdir -p /run/lab\nExecStartPre=mount -o ro /dev/disk/by-label/{LABEL} /run/lab\n\
         ExecStartPre=modprobe -a uhid hid-cp2112 virtio_console\n\
         ExecStartPre=udevadm wait --timeout=600 /dev/virtio-ports/{PORT}\n\
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
