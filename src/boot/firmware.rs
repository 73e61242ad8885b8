//! The boot partition, which firmware and card readers read: mounted read-only but for the moments in which it is written.

use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use holdfast_medium::Machine;

use super::filesystem;

/// Where it is mounted.
pub(super) const FIRMWARE: &str = "boot/firmware";

/// Does something that writes to the boot partition, which is read-only otherwise.
pub(super) fn writable(
    machine: &Machine,
    write: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let is_mounted = filesystem::mounted(machine, "/boot/firmware").is_some();
    if is_mounted {
        remount(machine, "remount,rw")?;
    }
    let written = write();
    if is_mounted {
        remount(machine, "remount,ro")?;
    }
    written
}

fn remount(machine: &Machine, options: &str) -> anyhow::Result<()> {
    let status = Command::new("mount")
        .args(["-o", options])
        .arg(machine.file(FIRMWARE))
        .stdin(Stdio::null())
        .status()
        .context("mount cannot be run")?;
    ensure!(status.success(), "mount -o {options} failed: {status}");
    Ok(())
}
