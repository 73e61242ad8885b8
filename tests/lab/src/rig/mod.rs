//! Power cuts for real: a disk whose every write and flush is recorded under a real ext4, and what each cut leaves.
//!
//! From the disk up: a [`disk`] writes its [`log`]; a [`cut`] says what of the log the card still has; [`replay`] builds
//! that card's image, [`mounted`] mounts it, [`boot`] runs Holdfast's own boot on it in a process with a time limit, and
//! [`promise`] judges what it found by what had been promised; [`states`] does so for many cuts.
//!
//! A card that is slow is made without a disk: [`flushes`].
//!
//! Three put it to use: [`recording`], a daemon's [`life`] cut afterwards; [`live`], a life that goes on after each cut; and
//! [`writer`], the careful and the naive ways beside ours.

pub mod boot;
pub mod cut;
pub mod disk;
pub mod flushes;
pub mod life;
pub mod live;
pub mod log;
pub mod mounted;
pub mod promise;
pub mod recording;
pub mod replay;
pub mod states;
pub mod writer;

use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, ensure};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Has whoever is in the middle of many states stop after the one at hand, so that nothing stays mounted.
pub fn interrupt() {
    INTERRUPTED.store(true, Ordering::Relaxed);
}

/// What keeps the rig from running here, and what to do about it.
pub fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("needs root, to mount the recorded disk".to_owned());
    }
    for device in ["/dev/fuse", "/dev/loop-control"] {
        if !Path::new(device).exists() {
            return Some(format!("{device} is missing: load its kernel module"));
        }
    }
    let there = |tool: &str| {
        Command::new(tool)
            .arg("--version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok()
    };
    if !there("qemu-storage-daemon") {
        return Some(
            "qemu-storage-daemon 8.2 or newer is missing: apt-get install qemu-utils".to_owned(),
        );
    }
    ["mkfs.ext4", "e2fsck"]
        .iter()
        .find(|tool| !there(tool))
        .map(|tool| format!("{tool} is missing: apt-get install e2fsprogs"))
}

/// A directory for images and logs that goes with its handle: in memory where there is room, a disk's worth of it.
///
/// # Errors
/// No directory can be made.
pub fn scratch() -> io::Result<tempfile::TempDir> {
    const ROOM: u64 = 2 << 30;
    let memory = Path::new("/dev/shm");
    let room = rustix::fs::statvfs(memory).map_or(0, |fs| fs.f_bavail * fs.f_frsize);
    let mut builder = tempfile::Builder::new();
    builder.prefix("holdfast-rig-");
    if room >= ROOM {
        builder.tempdir_in(memory)
    } else {
        builder.tempdir()
    }
}

/// Size of a disk whose power is cut, MiB: more than one block group of ext4 (128 MiB), so that there is a second superblock,
/// as on any card.
pub const DISK_MIB: u64 = 192;

/// An empty ext4 of this many MiB, as an image in `place`.
///
/// # Errors
/// What `mkfs.ext4` says.
pub fn blank(place: &Path, mib: u64) -> anyhow::Result<PathBuf> {
    let image = place.join("blank");
    std::fs::File::create(&image)?.set_len(mib << 20)?;
    tool(
        Command::new("mkfs.ext4")
            .args(["-q", "-F", "-b", "4096", "-m", "0", "-J", "size=4", "-E"])
            .arg("lazy_itable_init=0,lazy_journal_init=0,nodiscard")
            .arg(&image),
    )?;
    Ok(image)
}

/// Runs a system tool to its end, out of reach of an interrupt that is meant for us: a half-done mount would stay.
pub(crate) fn tool(command: &mut Command) -> anyhow::Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .process_group(0)
        .output()
        .with_context(|| format!("{name} cannot be run"))?;
    ensure!(
        output.status.success(),
        "{name} failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
