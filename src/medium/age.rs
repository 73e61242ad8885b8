//! How far a data directory has come, written down in it and outside of it: an older copy that was put back contradicts what is outside.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::atomic;

/// The size of the file on a file system without a journal, bytes: one sector, written in place.
const SECTOR: usize = 512;

/// How far a data directory has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Age {
    /// Which directory: a random name that it keeps.
    pub life: String,
    /// How often it was opened.
    pub run: u64,
    /// The number of the live generation.
    pub generation: u32,
    /// How many steps its store had taken, at least.
    pub step: u64,
}

impl Age {
    /// Reads it; `None` when there is none that can be read.
    pub fn read(path: &Path) -> Option<Self> {
        let text = fs::read_to_string(path).ok()?;
        serde_json::from_str(text.trim_end()).ok()
    }

    /// Writes it down, durable on return.
    ///
    /// # Errors
    /// The file is as it was.
    pub fn keep(&self, path: &Path) -> io::Result<()> {
        atomic::replace(path, &self.padded()?)
    }

    /// The same on a FAT: once it is there it is written in place, so that neither its name nor its clusters are ever at stake.
    ///
    /// # Errors
    /// The file is as it was, or cannot be read.
    pub fn keep_in_place(&self, path: &Path) -> io::Result<()> {
        atomic::overwrite(path, &self.padded()?)
    }

    /// Whether a directory was further once than it is now. Another directory's age says nothing.
    pub fn outdates(&self, now: &Self) -> bool {
        let place = |age: &Self| (age.run, age.generation, age.step);
        self.life == now.life && place(self) > place(now)
    }

    fn padded(&self) -> io::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec(self)?;
        bytes.resize(SECTOR.max(bytes.len() + 1) - 1, b' ');
        bytes.push(b'\n');
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn age(life: &str, run: u64, generation: u32, step: u64) -> Age {
        Age {
            life: life.to_owned(),
            run,
            generation,
            step,
        }
    }

    #[test]
    fn what_was_further_outdates_what_is_behind_it() {
        let now = age("a", 5, 2, 100);
        for further in [age("a", 6, 1, 0), age("a", 5, 3, 0), age("a", 5, 2, 101)] {
            assert!(
                further.outdates(&now) && !now.outdates(&further),
                "{further:?}"
            );
        }
        assert!(!now.outdates(&now));
        assert!(!age("b", 9, 9, 9).outdates(&now), "another directory");
    }

    #[test]
    fn it_is_kept_whole_and_in_place_where_names_are_at_stake() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("age");
        assert_eq!(Age::read(&path), None);
        age("a", 1, 1, 1).keep_in_place(&path).unwrap();
        let inode = || fs::metadata(&path).unwrap().ino();
        let first = inode();
        let large = age("a", u64::MAX, u32::MAX, u64::MAX);
        large.keep_in_place(&path).unwrap();
        assert_eq!((Age::read(&path), inode()), (Some(large), first));
        assert_eq!(fs::metadata(&path).unwrap().len(), 512);
        fs::write(&path, "{\"life\":\"a\",\"ru").unwrap();
        assert_eq!(Age::read(&path), None);
    }
}
