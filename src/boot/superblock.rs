//! The ext4 superblock of a partition that is not mounted, as the kernel's Documentation/filesystems/ext4/super.rst lays it
//! out; all numbers are little-endian.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::Said;
use super::filesystem::Recovery;

/// Where it lies on the partition, and how long it is, bytes.
const AT: u64 = 1024;
const SIZE: usize = 1024;

const BLOCKS: usize = 0x4;
const BLOCK_SIZE: usize = 0x18;
const MAGIC: usize = 0x38;
const COMPAT: usize = 0x5c;
const INCOMPAT: usize = 0x60;
const RO_COMPAT: usize = 0x64;
const BLOCKS_HIGH: usize = 0x150;
const ERROR_COUNT: usize = 0x194;
const FIRST_ERROR_TIME: usize = 0x198;
const CHECKSUM: usize = 0x3fc;

const EXT4: u32 = 0xef53;
/// COMPAT: there is a journal.
const HAS_JOURNAL: u32 = 0x4;
/// INCOMPAT: the journal holds what nobody has written back, for nobody has unmounted it.
const RECOVER: u32 = 0x4;
/// INCOMPAT: block numbers have 64 bits.
const WIDE: u32 = 0x80;
/// RO_COMPAT: the superblock ends in a checksum.
const METADATA_CSUM: u32 = 0x400;

/// Whether the file system was cut off, and the errors it noted. Read it before anything checks or mounts the partition.
pub(super) fn read(device: &Path) -> (Said<Recovery>, Said<String>) {
    let mut bytes = [0; SIZE];
    let read = File::open(device).and_then(|file| file.read_exact_at(&mut bytes, AT));
    let block = match read.map(|()| Superblock(&bytes)) {
        Ok(block) => block,
        Err(error) => return unreadable(&device_error(device, &error)),
    };
    if let Err(why) = block.check() {
        return unreadable(&format!("{}: {why}", device.display()));
    }
    let name = device.canonicalize().unwrap_or_else(|_| device.to_owned());
    let name = name.file_name().unwrap_or_default().to_string_lossy();
    let recovery = match (
        block.number(INCOMPAT) & RECOVER,
        block.number(COMPAT) & HAS_JOURNAL,
    ) {
        (0, 0) => Said::Unreadable(format!("{name} has no journal to recover")),
        (0, _) => Said::Absent,
        _ => Said::Present(Recovery {
            device: name.clone().into_owned(),
            lines: vec!["not unmounted: the journal needs recovery".into()],
        }),
    };
    let errors = match block.number(ERROR_COUNT) {
        0 => Said::Absent,
        count => Said::Present(format!(
            "{count} errors on {name}, the first at {} s since 1970",
            block.number(FIRST_ERROR_TIME)
        )),
    };
    (recovery, errors)
}

/// How much of its partition the file system takes, bytes.
pub(super) fn length(device: &Path) -> Option<u64> {
    let mut bytes = [0; SIZE];
    let file = File::open(device).ok()?;
    file.read_exact_at(&mut bytes, AT).ok()?;
    let block = Superblock(&bytes);
    block.check().ok()?;
    let high = match block.number(INCOMPAT) & WIDE {
        0 => 0,
        _ => block.number(BLOCKS_HIGH),
    };
    let blocks = u64::from(high) << 32 | u64::from(block.number(BLOCKS));
    // As a power of two, from 1 KiB on.
    blocks.checked_mul(1024_u64.checked_shl(block.number(BLOCK_SIZE))?)
}

fn unreadable(why: &str) -> (Said<Recovery>, Said<String>) {
    (Said::Unreadable(why.into()), Said::Unreadable(why.into()))
}

fn device_error(device: &Path, error: &io::Error) -> String {
    format!("{}: {error}", device.display())
}

struct Superblock<'a>(&'a [u8; SIZE]);

impl Superblock<'_> {
    fn number(&self, at: usize) -> u32 {
        self.0[at..]
            .first_chunk()
            .map_or(0, |bytes| u32::from_le_bytes(*bytes))
    }

    /// Whether it is one, and whole.
    fn check(&self) -> Result<(), &'static str> {
        if self.number(MAGIC) & 0xffff != EXT4 {
            return Err("there is no ext4 here");
        }
        // The kernel's crc32c is not inverted at its end.
        let sum = !crc32c::crc32c(&self.0[..CHECKSUM]);
        if self.number(RO_COMPAT) & METADATA_CSUM != 0 && self.number(CHECKSUM) != sum {
            return Err("the superblock is damaged");
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "../../tests/tool.rs"]
mod tool;

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::tool::tool;
    use super::*;

    /// A real file system, made and changed by its own tools.
    fn file_system() -> tempfile::NamedTempFile {
        let image = tempfile::NamedTempFile::new().unwrap();
        image.as_file().set_len(4 << 20).unwrap();
        run("mke2fs", &["-q", "-F", "-t", "ext4"], image.path());
        image
    }

    fn run(name: &str, args: &[&str], image: &Path) {
        let status = Command::new(tool(name))
            .args(args)
            .arg(image)
            .status()
            .unwrap();
        assert!(status.success(), "{name}");
    }

    /// debugfs(8) sets a field and seals the superblock anew.
    fn set(image: &Path, field: &str, value: &str) {
        let request = format!("set_super_value {field} {value}");
        run("debugfs", &["-w", "-R", &request], image);
    }

    #[test]
    fn a_file_system_at_rest_has_nothing_to_tell() {
        let image = file_system();
        assert_eq!(read(image.path()), (Said::Absent, Said::Absent));
    }

    #[test]
    fn a_journal_that_needs_recovery_and_errors_are_seen() {
        let image = file_system();
        run(
            "debugfs",
            &["-w", "-R", "feature needs_recovery"],
            image.path(),
        );
        set(image.path(), "error_count", "2");
        set(image.path(), "first_error_time", "1700000000");
        let (recovery, errors) = read(image.path());
        let name = image.path().file_name().unwrap().to_string_lossy();
        assert_eq!(recovery.present().unwrap().device, name);
        let told = errors.present().unwrap();
        assert!(told.starts_with("2 errors on "), "{told}");
    }

    #[test]
    fn a_damaged_superblock_is_not_believed() {
        let image = file_system();
        image.as_file().write_at(&[0x44], AT + 0x60).unwrap();
        let (recovery, _) = read(image.path());
        assert!(
            matches!(&recovery, Said::Unreadable(why) if why.ends_with("damaged")),
            "{recovery:?}"
        );
        image.as_file().set_len(100).unwrap();
        assert!(matches!(read(image.path()).0, Said::Unreadable(_)));
    }
}
