//! One change at a time: who is at it holds a file's lock, which goes with the process, whatever ends that.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, fchown};

use holdfast_medium::Machine;

use crate::boot::user::user;

/// The file: in a directory of root's, and the daemon's to read, so that nobody else can hold it.
const FILE: &str = "run/holdfast-settings/turn";

/// Takes the turn, once whoever is at it is done; until the file is dropped it is held.
pub(super) fn take(machine: &Machine) -> io::Result<File> {
    let path = machine.file(FILE);
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    if let Some((own, group)) = user(machine, "holdfast") {
        fchown(&file, Some(own), Some(group))?;
    }
    file.lock()?;
    Ok(file)
}

/// Whether somebody is at it.
pub(super) fn is_taken(machine: &Machine) -> bool {
    let held = File::open(machine.file(FILE)).map(|file| file.try_lock_shared());
    matches!(held, Ok(Err(TryLockError::WouldBlock)))
}
