//! The boot partition, which firmware and card readers read: mounted read-only but for the moments in which it is written.

use std::ffi::OsStr;

use holdfast_medium::Machine;

use super::{filesystem, program};

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
    let place = machine.file(FIRMWARE);
    program::run(
        "mount",
        [OsStr::new("-o"), options.as_ref(), place.as_os_str()],
    )
}
