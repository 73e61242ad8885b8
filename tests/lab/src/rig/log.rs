//! The block-write log: every write and flush of a disk, in the order the disk took them.
//!
//! The format is dm-log-writes' (Linux, `Documentation/admin-guide/device-mapper/log-writes.rst`), as QEMU's blklogwrites
//! writes it with 512-byte sectors: a super sector, then per entry a header sector (sector, sectors, flags, length of data; all
//! 64 bits, little endian) and the data.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What the card writes whole or not at all, bytes.
pub const SECTOR: usize = 512;

const MAGIC: u64 = 0x006a_7366_7773_6872;
const FLUSH: u64 = 1;
const FUA: u64 = 2;
const DISCARD: u64 = 4;

/// One thing the disk was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Size of the log once this was in it, bytes: the moment it happened.
    pub end: u64,
    /// What it was.
    pub act: Act,
}

/// What a disk is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Every write before is on the medium now.
    Flush,
    /// A write.
    Write {
        /// Where on the disk, bytes.
        to: u64,
        /// Where in the log its data is, bytes.
        from: u64,
        /// How much, bytes.
        len: usize,
        /// On the medium at once, without a flush (force unit access).
        forced: bool,
    },
}

/// A log that is complete.
pub struct Log {
    file: File,
    entries: Vec<Entry>,
}

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The system says no.
    #[error("the block log cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The file is something else.
    #[error("this is no block log with {SECTOR}-byte sectors")]
    Foreign,
}

impl Log {
    /// Reads a log. An entry that is not there whole was never answered, and is left out.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn open(path: &Path) -> Result<Log, LogError> {
        let file = File::open(path)?;
        let entries = parse(&file)?;
        Ok(Log { file, entries })
    }

    /// Everything, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Reads data out of the log.
    ///
    /// # Errors
    /// What the system says.
    pub fn read(&self, from: u64, data: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(data, from)
    }

    /// Bytes written and flushes, between two sizes of the log.
    pub fn cost(&self, from: u64, to: u64) -> (u64, u64) {
        let during = |entry: &&Entry| from < entry.end && entry.end <= to;
        let (mut bytes, mut flushes) = (0, 0);
        for entry in self.entries.iter().filter(during) {
            match entry.act {
                Act::Flush => flushes += 1,
                Act::Write { len, .. } => bytes += len as u64,
            }
        }
        (bytes, flushes)
    }
}

/// The positions of the flushes among entries.
pub fn flushes(entries: &[Entry]) -> Vec<usize> {
    let flush = |(at, entry): (usize, &Entry)| (entry.act == Act::Flush).then_some(at);
    entries.iter().enumerate().filter_map(flush).collect()
}

fn parse(file: &File) -> Result<Vec<Entry>, LogError> {
    let size = file.metadata()?.len();
    let sector = SECTOR as u64;
    let field = |sector: &[u8; SECTOR], at: usize| {
        let (fields, _) = sector.as_chunks::<8>();
        u64::from_le_bytes(fields[at])
    };
    let mut head = [0; SECTOR];
    if size == 0 {
        return Ok(Vec::new());
    }
    if size < sector {
        return Err(LogError::Foreign);
    }
    file.read_exact_at(&mut head, 0)?;
    // QEMU writes the super sector with the first flush. Its fourth field is the sector size, 32 bits, with nothing behind it.
    let flushed = head != [0; SECTOR];
    if flushed && (field(&head, 0) != MAGIC || field(&head, 3) & 0xffff_ffff != sector) {
        return Err(LogError::Foreign);
    }
    let mut entries = Vec::new();
    let mut at = sector;
    while at + sector <= size {
        file.read_exact_at(&mut head, at)?;
        let [to, sectors, flags] = [0, 1, 2].map(|index| field(&head, index));
        let from = at + sector;
        let discard = flags & DISCARD != 0;
        let len = if discard { 0 } else { sectors * sector };
        if from + len > size {
            break;
        }
        at = from + len;
        if flags & FLUSH != 0 {
            entries.push(Entry {
                end: at,
                act: Act::Flush,
            });
        }
        if len > 0 {
            entries.push(Entry {
                end: at,
                act: Act::Write {
                    to: to * sector,
                    from,
                    len: usize::try_from(len).map_err(|_| LogError::Foreign)?,
                    forced: flags & FUA != 0,
                },
            });
        }
    }
    Ok(entries)
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use super::*;

    /// A log of these (sector, flags, data); the data are whole sectors.
    pub fn log(acts: &[(u64, u64, Vec<u8>)]) -> Log {
        let mut bytes = super_sector();
        for (sector, flags, data) in acts {
            bytes.extend(header(*sector, (data.len() / SECTOR) as u64, *flags));
            bytes.extend(data);
        }
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let entries = parse(&file).unwrap();
        Log { file, entries }
    }

    fn super_sector() -> Vec<u8> {
        let mut sector = [MAGIC, 1, 0, SECTOR as u64].map(u64::to_le_bytes).concat();
        sector.resize(SECTOR, 0);
        sector
    }

    fn header(to: u64, sectors: u64, flags: u64) -> Vec<u8> {
        let mut sector = [to, sectors, flags, 0].map(u64::to_le_bytes).concat();
        sector.resize(SECTOR, 0);
        sector
    }

    fn parsed(bytes: &[u8]) -> Result<Vec<Entry>, LogError> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        parse(&file)
    }

    #[test]
    fn writes_and_flushes_are_told_apart_and_discards_keep_what_was_there() {
        let log = log(&[
            (8, 0, vec![1; 1024]),
            (0, FLUSH, vec![]),
            (3, FUA, vec![2; 512]),
            (8, DISCARD, vec![]),
            (9, FLUSH | FUA, vec![3; 512]),
        ]);
        let acts: Vec<Act> = log.entries().iter().map(|entry| entry.act).collect();
        let write = |to: u64, from: u64, len, forced| Act::Write {
            to: to * 512,
            from: from * 512,
            len,
            forced,
        };
        assert_eq!(
            acts,
            [
                write(8, 2, 1024, false),
                Act::Flush,
                write(3, 6, 512, true),
                Act::Flush,
                write(9, 9, 512, true),
            ]
        );
        assert_eq!(flushes(log.entries()), [1, 3]);
        assert_eq!(log.cost(0, u64::MAX), (1024 + 512 + 512, 2));
        assert_eq!(log.cost(5 * 512, 7 * 512), (512, 0));
        assert_eq!(log.entries()[1].end, 5 * 512);
        let mut data = [0; 4];
        log.read(6 * 512, &mut data).unwrap();
        assert_eq!(data, [2; 4]);
    }

    #[test]
    fn an_entry_that_is_not_whole_never_happened() {
        let mut bytes = super_sector();
        bytes.extend(header(1, 1, 0));
        bytes.extend([7; SECTOR]);
        bytes.extend(header(2, 2, 0));
        bytes.extend([7; SECTOR]);
        assert_eq!(parsed(&bytes).unwrap().len(), 1);
        assert_eq!(parsed(&bytes[..2 * SECTOR]).unwrap().len(), 0);
    }

    #[test]
    fn a_disk_that_was_never_flushed_has_a_log_without_a_head() {
        let mut bytes = vec![0; SECTOR];
        bytes.extend(header(1, 1, 0));
        bytes.extend([7; SECTOR]);
        assert_eq!(parsed(&bytes).unwrap().len(), 1);
        assert_eq!(parsed(&[]).unwrap().len(), 0);
    }

    #[test]
    fn what_is_no_log_is_refused() {
        assert!(matches!(parsed(b"short"), Err(LogError::Foreign)));
        assert!(matches!(parsed(&[7; 4096]), Err(LogError::Foreign)));
    }
}
