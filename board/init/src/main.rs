//! The initrd's init: from the kernel to a root file system that cannot have been altered.
//!
//! It loads the modules beside it, waits for the card, puts the slot on trial where the last run ended in a panic, puts dm-verity
//! over the slot that the kernel command line names and proves, mounts the partition `firmware`, lends the data partition's machine id to
//! `/etc`, and hands over to systemd. What it cannot do it says on the console, and puts the slot on trial; it then ends, which is a kernel
//! panic, and `panic=10` starts the board anew.

mod command_line;
mod environment;
mod gpt;
mod ioctl;
mod machine_id;
mod modules;
mod place;
mod slot;
mod trial;
mod verity;

use std::{
    convert::Infallible,
    fs,
    io::{self, Write},
    os::unix::{fs::chroot, process::CommandExt},
    path::Path,
    process::{Command, ExitCode},
    time::Duration,
};

use rustix::mount::{MountFlags, mount, mount_move};
use thiserror::Error;

use crate::{command_line::CommandLine, gpt::Partition};

/// Where the partitions of the card are found by their labels; `/dev` stays when the root is switched.
const LINKS: &str = "/dev/holdfast";
/// There where the slot was put on trial in this boot, so that whoever runs knows to call it good: the kernel command line is older.
const ON_TRIAL: &str = "/dev/holdfast/on-trial";
/// Where the root is put together.
const NEW_ROOT: &str = "/sysroot";

/// Why the board cannot start from this slot.
#[derive(Debug, Error)]
enum Error {
    #[error("cannot {what}: {why}")]
    System { what: String, why: io::Error },
    #[error(
        "the kernel command line does not name the root's hash: it needs holdfast.roothash= and 64 hexadecimal digits"
    )]
    NoRootHash,
    #[error("the kernel command line does not name the slot: it needs rauc.slot=A or rauc.slot=B")]
    NoSlot,
    #[error(
        "no disk has the slot's two partitions with root hash {hash} after {waited:?}: is this the card that the boot files belong to? Disks here: {disks}"
    )]
    NoCard {
        hash: String,
        waited: Duration,
        disks: String,
    },
    #[error("the card has no partition with the bootloader's environment, or no room in it")]
    NoEnvironment,
    #[error("partition {device} holds no dm-verity tree that this init can read: {why}")]
    BadTree { device: String, why: &'static str },
}

/// Names what failed.
trait Doing<T> {
    fn doing(self, what: impl Into<String>) -> Result<T, Error>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: impl Into<String>) -> Result<T, Error> {
        self.map_err(|why| Error::System {
            what: what.into(),
            why: why.into(),
        })
    }
}

fn main() -> ExitCode {
    let Err(error) = start();
    say(Severity::Error, &error.to_string());
    ExitCode::FAILURE
}

/// Up to the hand-over, from which nothing returns.
fn start() -> Result<Infallible, Error> {
    mount_kernel("devtmpfs", "/dev")?;
    mount_kernel("proc", "/proc")?;
    mount_kernel("sysfs", "/sys")?;
    let command_line = fs::read_to_string("/proc/cmdline").doing("read the kernel command line")?;
    let wanted = CommandLine::parse(&command_line)?;

    for problem in modules::load(Path::new("/modules"), &command_line)? {
        say(Severity::Warning, &problem);
    }
    let Err(error) = enter(&wanted);
    // A failure of its own is a failed try, as a panic is.
    let counted = place::environment(&wanted)
        .ok_or(Error::NoEnvironment)
        .and_then(|at| trial::put_on_trial(wanted.slot, Path::new(&at.device)));
    is_counted_anew(counted);
    Err(error)
}

/// Says where the slot was put on trial, or could not be.
fn is_counted_anew(counted: Result<bool, Error>) -> bool {
    match counted {
        Ok(true) => say(Severity::Warning, "this slot is on trial again"),
        Ok(false) => {}
        Err(ref error) => say(Severity::Warning, &error.to_string()),
    }
    matches!(counted, Ok(true))
}

/// Opens the slot and hands over to the system in it.
fn enter(wanted: &CommandLine) -> Result<Infallible, Error> {
    let slot = place::find(wanted)?;
    let partitions = gpt::partitions(&slot.data.disk);
    if let Err(why) = place::link(&partitions, Path::new(LINKS)) {
        say(
            Severity::Warning,
            &format!("cannot link the partitions in {LINKS}: {why}"),
        );
    }
    if is_counted_anew(trial::after_panic(wanted.slot, &partitions))
        && let Err(why) = fs::write(ON_TRIAL, "")
    {
        say(Severity::Warning, &format!("cannot make {ON_TRIAL}: {why}"));
    }
    let device = verity::activate(&slot.data, &slot.tree, &wanted.root_hash)?;
    mount(
        &device,
        NEW_ROOT,
        "squashfs",
        MountFlags::RDONLY | MountFlags::NODEV,
        None,
    )
    .doing(format!(
        "mount the root file system of {}",
        slot.data.device
    ))?;

    if let Err(error) = mount_firmware(&partitions) {
        say(Severity::Warning, &error.to_string());
    }
    if let Err(error) = machine_id::lend(&slot.data.disk, Path::new(NEW_ROOT)) {
        say(Severity::Warning, &error.to_string());
    }
    switch_root()
}

/// Mounts one of the kernel's own file systems.
fn mount_kernel(kind: &str, at: &str) -> Result<(), Error> {
    mount(kind, at, kind, MountFlags::NOSUID, None).doing(format!("mount {at}"))
}

/// Mounts the owner's settings, and what else card readers see: the first picture may depend on them. The daemon's group of its own reads
/// them, for they may name a proxy with its login; nobody writes but root's steps.
fn mount_firmware(partitions: &[Partition]) -> Result<(), Error> {
    let Some(firmware) = gpt::labelled(partitions, "firmware") else {
        return Ok(());
    };
    mount(
        &firmware.device,
        format!("{NEW_ROOT}/boot/firmware"),
        "vfat",
        MountFlags::RDONLY
            | MountFlags::NOATIME
            | MountFlags::NODEV
            | MountFlags::NOSUID
            | MountFlags::NOEXEC,
        c"gid=883,fmask=0137,dmask=0027",
    )
    .doing(format!("mount {}", firmware.device))
}

/// Gives the initrd's memory back and lets systemd take over.
fn switch_root() -> Result<Infallible, Error> {
    // What stays behind can no longer be seen, but holds memory.
    let _ = fs::remove_dir_all("/modules");
    let _ = fs::remove_file("/init");
    for kernel in ["/dev", "/proc", "/sys"] {
        mount_move(kernel, format!("{NEW_ROOT}{kernel}"))
            .doing(format!("move {kernel} to the new root"))?;
    }
    std::env::set_current_dir(NEW_ROOT).doing("enter the new root")?;
    mount_move(".", "/").doing("move the new root to /")?;
    chroot(".").doing("make the new root the root")?;
    std::env::set_current_dir("/").doing("enter /")?;
    Err(Command::new("/usr/lib/systemd/systemd").exec()).doing("start systemd")
}

#[derive(Clone, Copy)]
enum Severity {
    Error = 3,
    Warning = 4,
}

/// Into the kernel's log, and so on the console and later in the journal.
fn say(severity: Severity, text: &str) {
    let line = format!("<{}>holdfast-init: {text}\n", severity as u8);
    let logged = fs::OpenOptions::new()
        .write(true)
        .open("/dev/kmsg")
        .and_then(|mut log| log.write_all(line.as_bytes()));
    if logged.is_err() {
        eprintln!("holdfast-init: {text}");
    }
}
