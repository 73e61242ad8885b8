//! The data partition: what has to be there before the daemon starts, made once; and what becomes of one that cannot be used.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use anyhow::Context;
use holdfast_medium::{DataDir, Machine, atomic, space::is_full};
use rustix::fs::{StatVfsMountFlags, statvfs};

use super::{clock, filesystem, forget, program, set_aside, user::user};

/// Where the partition is mounted.
const DATA: &str = "data";
/// The daemon's part of it; its alone.
const HOLDFAST: &str = "data/holdfast";
/// The system's part, and its rooms.
const SYSTEM: [&str; 4] = [
    "data/system",
    "data/system/journal",
    "data/system/ssh",
    "data/system/wifi",
];
/// Room for a boot without a card: what Holdfast writes before it says why it does not go on.
const MEMORY: &str = "size=32m,mode=0755,nosuid,nodev,noexec";

/// Makes what is missing. A partition that is not mounted, or cannot be written, is left as it is, and memory stands in for
/// it: nothing is ever formatted here.
///
/// # Errors
/// Not even that was possible.
pub(super) fn prepare(machine: &Machine) -> anyhow::Result<Vec<String>> {
    let owner = user(machine, "holdfast")
        .context("there is no user holdfast: the image lacks its sysusers.d")?;
    let why = match filesystem::mounted(machine, "/data").as_deref() {
        None => "it is not mounted".to_owned(),
        Some(_) if is_read_only(&machine.file(DATA)) => "it can only be read".to_owned(),
        Some(_) => match forget_and_furnish(machine, owner) {
            // Full is not broken: the daemon has a reserve, and says so.
            Err(error)
                if !error
                    .chain()
                    .filter_map(|error| error.downcast_ref())
                    .any(is_full) =>
            {
                format!("{error:#}")
            }
            done => return done,
        },
    };
    tracing::error!("the data partition cannot be used and is set aside, unchanged: {why}");
    stand_in(machine)?;
    set_aside::note(machine, &why)?;
    furnish(machine, owner)
}

fn is_read_only(place: &Path) -> bool {
    statvfs(place).is_ok_and(|about| about.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// Mounts memory over it.
fn stand_in(machine: &Machine) -> anyhow::Result<()> {
    let place = machine.file(DATA);
    let mut mount: Vec<&OsStr> = Vec::new();
    mount.extend(["-t", "tmpfs", "-o", MEMORY, "set-aside"].map(OsStr::new));
    mount.push(place.as_os_str());
    program::run("mount", mount)
}

/// Empties the partition first where its owner wants that. What cannot be emptied is furnished all the same: the daemon says so, and uses
/// nothing of it.
fn forget_and_furnish(machine: &Machine, owner: (u32, u32)) -> anyhow::Result<Vec<String>> {
    if let Err(error) = forget::empty_partition(machine) {
        tracing::error!("the factory reset could not empty the data partition: {error:#}");
    }
    furnish(machine, owner)
}

/// Makes the directories that have to be there; returns what was made now.
fn furnish(machine: &Machine, owner: (u32, u32)) -> anyhow::Result<Vec<String>> {
    let mut told = Vec::new();
    for room in SYSTEM {
        let room = machine.file(room);
        make_dir(&room, 0o755).with_context(|| room.display().to_string())?;
    }
    let holdfast = machine.file(HOLDFAST);
    if make_dir(&holdfast, 0o700).with_context(|| holdfast.display().to_string())? {
        told.push("made the data directory".to_owned());
    }
    if fs::metadata(&holdfast)?.uid() != owner.0 {
        chown(&holdfast, Some(owner.0), Some(owner.1))
            .with_context(|| holdfast.display().to_string())?;
    }
    told.extend(machine_id(machine).context("the machine's id")?);
    // A clock that cannot be set is still a clock.
    match clock::start_from(machine, &DataDir::new(holdfast)) {
        Ok(set) => told.extend(set),
        Err(error) => tracing::warn!("the clock is behind and cannot be set: {error}"),
    }
    Ok(told)
}

/// Makes a directory with this mode, durably; whether it was missing. One that exists gets its mode back.
fn make_dir(path: &Path, mode: u32) -> io::Result<bool> {
    let missing = !path.is_dir();
    if missing {
        atomic::make_dir(path)?;
    }
    if fs::metadata(path)?.mode() & 0o7777 != mode {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    Ok(missing)
}

/// Keeps the id systemd gave this machine (machine-id(5)), so that it stays the same from now on.
fn machine_id(machine: &Machine) -> anyhow::Result<Option<String>> {
    let kept = machine.file("data/system/machine-id");
    if is_id(&fs::read_to_string(&kept).unwrap_or_default()) {
        return Ok(None);
    }
    let id = match fs::read_to_string(machine.file("etc/machine-id")) {
        Ok(id) if is_id(&id) => id.trim().to_owned(),
        _ => {
            // A random UUID (RFC 9562, version 4), as systemd makes them.
            let mut bytes = [0_u8; 16];
            getrandom::fill(&mut bytes).context("the system's random numbers")?;
            bytes[6] = bytes[6] & 0x0f | 0x40;
            bytes[8] = bytes[8] & 0x3f | 0x80;
            hex::encode(bytes)
        }
    };
    atomic::replace(&kept, format!("{id}\n").as_bytes())?;
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o444))?;
    Ok(Some("this card has a machine id now".into()))
}

fn is_id(text: &str) -> bool {
    let id = text.trim();
    id.len() == 32
        && id
            .bytes()
            .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
        && id.bytes().any(|digit| digit != b'0')
}
