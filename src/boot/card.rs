//! The data partition of the card that the board was started from: made at first boot, grown on a larger card, checked, mounted. Udev has
//! looked at nothing yet: our init, which read the partition table, links each partition by its label in [`PARTITIONS`].

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use holdfast_medium::Machine;

use super::{program, superblock};

/// Where the partitions are linked (`board/init`).
const PARTITIONS: &str = "dev/holdfast";
/// The data partition there; on a first boot it is not.
pub(super) const DATA: &str = "dev/holdfast/data";
/// Less than this behind a partition or a file system is what was left over when it was made, bytes.
const SPARE: u64 = 16 << 20;
/// Bytes of the kernel's sectors, whatever the disk's own.
const SECTOR: u64 = 512;
/// That the checker left something as it was (fsck(8)).
const UNCORRECTED: i32 = 4;
/// As little as possible may be done with what lies there.
const OPTIONS: &str = "noatime,nodev,nosuid,noexec,errors=remount-ro";

/// Makes the data partition at first boot, and grows it where the card is larger than the one it was copied from: systemd-repart(8) does,
/// and writes the partition table last. One that is there is never formatted.
///
/// # Errors
/// The card is as it was, and what there is of it can be used.
pub(super) fn grow(machine: &Machine) -> anyhow::Result<Vec<String>> {
    let disk = disk(machine)?;
    let data = machine.file(DATA);
    if fs::symlink_metadata(&data).is_ok() && disk.room()? < SPARE {
        return Ok(Vec::new());
    }
    let before = disk.partitions()?;
    // It formats a loop device; and erasing a whole card before takes minutes on some, and on the virtual one.
    program::run("modprobe", ["loop"])?;
    program::run("systemd-repart", ["--dry-run=no", "--discard=no"])?;
    if fs::symlink_metadata(&data).is_ok() {
        return Ok(vec!["the data partition fills the card".to_owned()]);
    }
    let after = disk.partitions()?;
    let mut new = after.difference(&before);
    match (new.next(), new.next()) {
        (Some(name), None) => symlink(Path::new("/dev").join(name), &data)?,
        _ => bail!("systemd-repart made no data partition"),
    }
    Ok(vec!["this card has a data partition now".to_owned()])
}

/// Checks the data partition's file system, repairs it where it can be, mounts it, and has it fill its partition.
///
/// # Errors
/// It is not mounted, or smaller than it could be.
pub(super) fn mount(machine: &Machine) -> anyhow::Result<Vec<String>> {
    let (device, place) = (machine.file(DATA), machine.file("data"));
    let checked = program::output("fsck.ext4", [OsStr::new("-y"), device.as_os_str()])?;
    let said = String::from_utf8_lossy(&checked.stdout);
    let told: Vec<_> = match checked.status.code() {
        Some(0) => Vec::new(),
        Some(code) if code & UNCORRECTED == 0 => said.lines().map(str::to_owned).collect(),
        _ => bail!("its file system cannot be repaired: {}", said.trim()),
    };
    let mut mount = vec![OsStr::new("-t"), "ext4".as_ref(), "-o".as_ref()];
    mount.extend([OPTIONS.as_ref(), device.as_os_str(), place.as_os_str()]);
    program::run("mount", mount)?;
    let partition = File::open(&device)?.seek(SeekFrom::End(0))?;
    if superblock::length(&device).is_some_and(|length| length + SPARE < partition) {
        program::run("/usr/lib/systemd/systemd-growfs", [&place])?;
    }
    Ok(told)
}

/// A disk as sysfs has it.
struct Disk(PathBuf);

/// The disk that the board was started from: each of the links leads there.
fn disk(machine: &Machine) -> anyhow::Result<Disk> {
    let links = machine.file(PARTITIONS);
    let links = fs::read_dir(&links).with_context(|| links.display().to_string())?;
    let mut devices = links
        .flatten()
        .filter_map(|link| fs::read_link(link.path()).ok());
    let device = devices.next().context("the card has no partitions")?;
    let name = device.file_name().context("a link leads nowhere")?;
    let partition = machine
        .file("sys/class/block")
        .join(name)
        .canonicalize()
        .with_context(|| format!("{} is not in sysfs", device.display()))?;
    let disk = partition.parent().context("it has no disk")?;
    Ok(Disk(disk.to_owned()))
}

impl Disk {
    /// The names of its partitions.
    fn partitions(&self) -> anyhow::Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            if entry.path().join("partition").exists() {
                names.insert(entry.file_name().to_string_lossy().into_owned());
            }
        }
        Ok(names)
    }

    /// Bytes behind its last partition.
    fn room(&self) -> anyhow::Result<u64> {
        let mut end = 0;
        for name in self.partitions()? {
            let partition = self.0.join(name);
            end = end.max(number(&partition.join("start"))? + number(&partition.join("size"))?);
        }
        Ok(number(&self.0.join("size"))?.saturating_sub(end) * SECTOR)
    }
}

fn number(path: &Path) -> anyhow::Result<u64> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    text.trim()
        .parse()
        .with_context(|| path.display().to_string())
}
