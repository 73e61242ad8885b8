//! Free space on the data partition, and the reserve: blocks set aside so that the identity can always be written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use crate::atomic;

const MIB: u64 = 1 << 20;
/// The reserve on a large partition, bytes; on a small one it is this share of it.
const RESERVE: u64 = 16 * MIB;
const RESERVE_SHARE: u64 = 16;
/// What is given up of the reserve at once, bytes: more than the identity, or a mark, ever takes.
const PIECE: u64 = MIB;
/// The unit of a file's allocation, whatever the file system: stat(2).
const BLOCK: u64 = 512;
/// The store cannot be opened with less than this free, bytes.
const TO_OPEN: u64 = 8 * MIB;

/// How large a partition is, and how much of it may still be written, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Free space, without the reserve.
    pub free_bytes: u64,
    /// All of it.
    pub total_bytes: u64,
}

/// Asks a partition for its room; statvfs(3) outside of tests.
pub type Ask = fn(&Path) -> io::Result<Capacity>;

/// The reserve: a file in the data directory whose blocks are really allocated, and given up when the identity, or the
/// opening of a full partition, needs them.
#[derive(Clone, Debug)]
pub struct Reserve {
    root: PathBuf,
    ask: Ask,
}

impl Reserve {
    /// The reserve of the data directory `root`; nothing is allocated yet.
    pub fn of(root: &Path) -> Self {
        Self::asking(root, statvfs)
    }

    /// The same, where somebody else says how much room there is.
    pub fn asking(root: &Path, ask: Ask) -> Self {
        Self {
            root: root.to_owned(),
            ask,
        }
    }

    /// How much room there is beyond the reserve, whether it is held or owed. What is owed is set aside again as soon as
    /// there is room for it twice.
    ///
    /// # Errors
    /// The partition cannot be asked. A reserve that cannot be set aside is none: it stays owed.
    pub fn room(&self) -> io::Result<Capacity> {
        let mut room = (self.ask)(&self.root)?;
        let owed = self.size(room).saturating_sub(self.held());
        if owed > 0 && room.free_bytes >= 2 * owed {
            match self.set_aside(self.size(room)) {
                Ok(()) => room = (self.ask)(&self.root)?,
                Err(error) => tracing::warn!("no reserve could be set aside: {error}"),
            }
        }
        let owed = self.size(room).saturating_sub(self.held());
        room.free_bytes = room.free_bytes.saturating_sub(owed);
        Ok(room)
    }

    /// How much may be written without the reserve being touched, held or owed, bytes; nothing is set aside for it.
    ///
    /// # Errors
    /// The partition cannot be asked.
    pub fn spare(&self) -> io::Result<u64> {
        let room = (self.ask)(&self.root)?;
        let owed = self.size(room).saturating_sub(self.held());
        Ok(room.free_bytes.saturating_sub(owed))
    }

    /// Gives up as much of the reserve as the store needs to be opened. Whether it did.
    ///
    /// # Errors
    /// The partition cannot be asked, or the reserve not be given up.
    pub fn make_room_to_open(&self) -> io::Result<bool> {
        let room = (self.ask)(&self.root)?;
        let missing = TO_OPEN.min(self.size(room)).saturating_sub(room.free_bytes);
        if missing == 0 {
            return Ok(false);
        }
        self.give_up(missing)
    }

    /// Does something that writes; while the partition is full, again with one piece of the reserve after the other given up.
    ///
    /// # Errors
    /// Its own.
    pub fn relieved<T>(&self, mut work: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        loop {
            match work() {
                Err(error) if is_full(&error) && self.give_up(PIECE)? => {
                    tracing::warn!(
                        "the data partition is full: a piece of the reserve is given up"
                    );
                }
                done => return done,
            }
        }
    }

    /// Bytes really allocated.
    fn held(&self) -> u64 {
        fs::metadata(self.path()).map_or(0, |metadata| allocated(&metadata))
    }

    fn size(&self, room: Capacity) -> u64 {
        (room.total_bytes / RESERVE_SHARE).min(RESERVE)
    }

    fn path(&self) -> PathBuf {
        self.root.join("reserve")
    }

    fn set_aside(&self, size: u64) -> io::Result<()> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.path())?;
        let held = file.metadata()?.len();
        if let Err(error) = allocate(&file, size) {
            // What there was of it stays.
            file.set_len(held)?;
            return Err(error);
        }
        file.sync_all()?;
        atomic::sync_dir(&self.root)
    }

    /// Gives up so much of it; whether there was something to give.
    fn give_up(&self, bytes: u64) -> io::Result<bool> {
        if self.held() == 0 {
            return Ok(false);
        }
        let file = OpenOptions::new().write(true).open(self.path())?;
        file.set_len(file.metadata()?.len().saturating_sub(bytes))?;
        // ext4 gives the blocks out again when the truncation is in its journal.
        file.sync_all()?;
        Ok(true)
    }
}

/// posix_fallocate(3): the blocks are the file's, written or not; where the file system cannot, zeros are written.
fn allocate(mut file: &File, size: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, size) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
        done => return Ok(done?),
    }
    let zeros = vec![0; MIB as usize];
    let mut left = size;
    while left > 0 {
        let part = left.min(MIB);
        file.write_all(&zeros[..part as usize])?;
        left -= part;
    }
    Ok(())
}

/// Whether a write failed for want of space.
pub fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Bytes of a file that really have blocks, be they written or not.
pub fn allocated(file: &fs::Metadata) -> u64 {
    file.blocks() * BLOCK
}

/// Has a file's blocks be there up to `end`, and leaves its size alone: what is written there later always finds room. Where
/// the file system knows of no such thing, nothing is promised.
///
/// # Errors
/// There is no room for all of it.
pub fn allocate_ahead(file: &File, end: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, end) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        done => Ok(done?),
    }
}

/// Sums what a directory's files take of the partition, bytes; one that vanishes meanwhile takes nothing.
pub fn taken(dir: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        bytes += match fs::symlink_metadata(&path) {
            Ok(file) if file.is_dir() => taken(&path)?,
            Ok(file) => allocated(&file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
    }
    Ok(bytes)
}

/// statvfs(3), without the blocks that are root's alone. A directory that does not exist yet is asked through its parent.
fn statvfs(path: &Path) -> io::Result<Capacity> {
    let absolute = std::path::absolute(path)?;
    let existing = absolute.ancestors().find(|ancestor| ancestor.exists());
    let stat = rustix::fs::statvfs(existing.unwrap_or(&absolute))?;
    Ok(Capacity {
        free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
        total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn large(_: &Path) -> io::Result<Capacity> {
        Ok(Capacity {
            free_bytes: 4096 * MIB,
            total_bytes: 8192 * MIB,
        })
    }

    /// 32 MiB, of which nothing is left.
    fn full(_: &Path) -> io::Result<Capacity> {
        Ok(Capacity {
            free_bytes: 0,
            total_bytes: 32 * MIB,
        })
    }

    /// As `full`, with 3 MiB left: enough for the reserve, but not twice.
    fn tight(_: &Path) -> io::Result<Capacity> {
        Ok(Capacity {
            free_bytes: 3 * MIB,
            total_bytes: 32 * MIB,
        })
    }

    fn small(_: &Path) -> io::Result<Capacity> {
        Ok(Capacity {
            free_bytes: 20 * MIB,
            total_bytes: 32 * MIB,
        })
    }

    fn no_space() -> io::Error {
        io::ErrorKind::StorageFull.into()
    }

    #[test]
    fn it_is_really_allocated_and_smaller_on_a_small_partition() {
        for (ask, size) in [(large as Ask, 16 * MIB), (small, 2 * MIB)] {
            let dir = tempfile::tempdir().unwrap();
            let reserve = Reserve::asking(dir.path(), ask);
            assert_eq!(reserve.held(), 0);
            assert_eq!(reserve.room().unwrap(), ask(dir.path()).unwrap());
            assert!(reserve.held() >= size, "{} held", reserve.held());
        }
    }

    #[test]
    fn what_does_not_fit_takes_one_piece_after_the_other_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let reserve = Reserve::asking(dir.path(), small);
        reserve.room().unwrap();
        let mut tries = 0;
        let done = reserve.relieved(|| {
            tries += 1;
            if tries == 1 {
                Err(no_space())
            } else {
                Ok(tries)
            }
        });
        assert_eq!((done.unwrap(), reserve.held() / MIB), (2, 1), "one of two");

        let mut tries = 0;
        let failed: io::Result<()> = reserve.relieved(|| {
            tries += 1;
            Err(no_space())
        });
        assert!(is_full(&failed.unwrap_err()));
        assert_eq!(
            (tries, reserve.held()),
            (2, 0),
            "there is nothing left to give"
        );

        reserve.room().unwrap();
        let other: io::Result<()> = reserve.relieved(|| Err(io::ErrorKind::NotFound.into()));
        assert_eq!(other.unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(reserve.held() > 0, "given up for want of space alone");
    }

    #[test]
    fn what_is_owed_is_no_room_and_is_taken_back_when_there_is_some() {
        let dir = tempfile::tempdir().unwrap();
        let owing = Reserve::asking(dir.path(), tight);
        assert_eq!(owing.room().unwrap().free_bytes, MIB);
        assert_eq!(owing.spare().unwrap(), MIB);
        assert_eq!(owing.held(), 0);
        let again = Reserve::asking(dir.path(), small);
        assert_eq!(again.spare().unwrap(), 18 * MIB, "owed");
        assert_eq!(again.room().unwrap().free_bytes, 20 * MIB);
        assert_eq!(again.spare().unwrap(), 20 * MIB, "held");
        assert!(again.held() >= 2 * MIB);
    }

    #[test]
    fn a_full_partition_is_opened_without_it() {
        let dir = tempfile::tempdir().unwrap();
        Reserve::asking(dir.path(), small).room().unwrap();
        assert!(
            !Reserve::asking(dir.path(), small)
                .make_room_to_open()
                .unwrap()
        );
        let full = Reserve::asking(dir.path(), full);
        assert!(full.make_room_to_open().unwrap());
        assert!(!full.make_room_to_open().unwrap(), "it is gone already");
        assert_eq!(full.room().unwrap().free_bytes, 0);
    }
}
