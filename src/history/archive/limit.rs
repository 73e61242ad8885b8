//! What a file from outside may take of the partition.

use std::collections::BTreeMap;

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

#[cfg(test)]
mod tests {
    use super::*;

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
