//! What a file from outside may take of the partition, and how long whoever is at its other end is waited for.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Archive, HistoryError};

const MIB: u64 = 1 << 20;

/// No archive is larger, bytes: four times the size at which an operator is warned of the key records.
const LARGEST: u64 = 1 << 30;

/// So much may come before the manifest says how much there is.
const UNTOLD: u64 = 16 * MIB;

/// A file takes this much at least.
const BLOCK: u64 = 4096;

/// The partition is asked again after so much.
const STRIDE: u64 = MIB;

/// How long nothing may move at the other end.
const SILENCE: Duration = Duration::from_secs(60);

/// How long all of it may take.
const WHOLE: Duration = Duration::from_secs(60 * 60);

/// Refuses an archive that is too large to be taken in again.
pub(super) fn check(files: &BTreeMap<String, u64>) -> Result<(), HistoryError> {
    match sum(files) {
        wanted if wanted > LARGEST => Err(HistoryError::TooLarge),
        _ => Ok(()),
    }
}

fn sum(files: &BTreeMap<String, u64>) -> u64 {
    let sizes = files.values().map(|size| size.saturating_add(BLOCK));
    sizes.fold(0, u64::saturating_add)
}

/// What one import has taken, and what it may take.
pub(super) struct Limit<'a> {
    archive: &'a Archive,
    /// By its manifest, once that was read.
    told: Option<u64>,
    taken: u64,
    /// What was taken when the partition was asked last.
    asked: u64,
}

impl<'a> Limit<'a> {
    pub fn of(archive: &'a Archive) -> Self {
        Self {
            archive,
            told: None,
            taken: 0,
            asked: 0,
        }
    }

    /// A file begins.
    pub fn file(&mut self) -> Result<(), HistoryError> {
        self.take(BLOCK)
    }

    /// The manifest was read: there has to be room for all that it names before more of it comes.
    pub fn told(&mut self, files: &BTreeMap<String, u64>) -> Result<(), HistoryError> {
        check(files)?;
        let wanted = sum(files);
        let spare = self.archive.spare()?;
        if wanted > spare {
            return Err(HistoryError::NoRoom { wanted, spare });
        }
        // What came before is the manifest, and what it names.
        self.told = Some(self.taken.saturating_add(wanted));
        Ok(())
    }

    /// Bytes that are about to be written.
    pub fn take(&mut self, bytes: u64) -> Result<(), HistoryError> {
        self.taken = self.taken.saturating_add(bytes);
        match self.told {
            Some(told) if self.taken > told => return Err(HistoryError::Altered),
            None if self.taken > UNTOLD => return Err(HistoryError::TooLarge),
            _ => {}
        }
        if self.taken - self.asked >= STRIDE {
            self.asked = self.taken;
            let (wanted, spare) = (STRIDE, self.archive.spare()?);
            if spare < wanted {
                return Err(HistoryError::NoRoom { wanted, spare });
            }
        }
        Ok(())
    }
}

impl Archive {
    /// How much a file from outside may take now: nothing is dropped for it, and the link stays up.
    fn spare(&self) -> Result<u64, HistoryError> {
        let room = self.reserve.room();
        let room = room.map_err(HistoryError::io(self.dir.root()))?;
        let bounds = self.limits.on(room.total_bytes);
        Ok(bounds.for_import(room.free_bytes))
    }
}

/// The operator's file, which may be a pipe: whoever is at its other end is waited for, and not for ever.
pub(super) struct Patient {
    file: File,
    silence: Duration,
    until: Instant,
}

impl Patient {
    pub fn new(file: File) -> Self {
        Self::waiting(file, SILENCE)
    }

    fn waiting(file: File, silence: Duration) -> Self {
        Self {
            file,
            silence,
            until: Instant::now() + WHOLE,
        }
    }

    /// Waits until the file can be read or written.
    fn wait(&self, what: PollFlags) -> io::Result<()> {
        let left = self.until.saturating_duration_since(Instant::now());
        let limit = Timespec::try_from(left.min(self.silence)).ok();
        let mut polled = [PollFd::from_borrowed_fd(self.file.as_fd(), what)];
        match poll(&mut polled, limit.as_ref())? {
            0 => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "nothing moved at its other end for a minute, or it took more than an hour",
            )),
            _ => Ok(()),
        }
    }
}

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wait(PollFlags::IN)?;
        self.file.read(buffer)
    }
}

impl Write for Patient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.wait(PollFlags::OUT)?;
        // A pipe that has room for something takes a page without waiting for more: pipe(7).
        let page = bytes.len().min(4096);
        self.file.write(&bytes[..page])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use super::*;

    #[test]
    fn a_pipe_is_waited_for_and_not_for_ever() {
        let (reader, mut writer) = io::pipe().unwrap();
        let silence = Duration::from_millis(20);
        let mut patient = Patient::waiting(OwnedFd::from(reader).into(), silence);
        let mut byte = [0];
        writer.write_all(b"a").unwrap();
        assert_eq!(patient.read(&mut byte).unwrap(), 1);
        let silent = patient.read(&mut byte).unwrap_err();
        assert_eq!(silent.kind(), io::ErrorKind::TimedOut);
        drop(writer);
        assert_eq!(patient.read(&mut byte).unwrap(), 0, "its end is no silence");

        let (_reader, writer) = io::pipe().unwrap();
        let mut patient = Patient::waiting(OwnedFd::from(writer).into(), silence);
        let full = patient.write_all(&[0; 1 << 20]).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn sizes_that_no_archive_has_are_refused_however_they_add_up() {
        let files = |sizes: &[u64]| {
            let named = sizes.iter().enumerate();
            named.map(|(at, size)| (at.to_string(), *size)).collect()
        };
        check(&files(&[LARGEST / 2, 100])).unwrap();
        for sizes in [&[LARGEST][..], &[u64::MAX, 1], &[LARGEST / 2; 2]] {
            assert!(matches!(check(&files(sizes)), Err(HistoryError::TooLarge)));
        }
    }
}
