//! The quarantine: a repair deletes nothing it takes out of the vault but moves it here, one directory a repair.
//!
//! It holds old keys, so it is as private as the vault, and only the newest few are kept: an old ratchet is evidence,
//! never a backup. What goes is written down before by whoever removes it ([`Remains`]).

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use holdfast_core::GenerationId;
use holdfast_medium::{DataDir, atomic};

/// How many repairs' remains are kept.
const KEPT: usize = 3;

/// One repair's directory.
pub(super) struct Quarantine {
    dir: PathBuf,
}

impl Quarantine {
    /// Begins a directory, named by generation and a number that grows.
    pub fn begin(data: &DataDir, generation: GenerationId) -> io::Result<Quarantine> {
        let root = data.quarantine();
        atomic::make_dir(&root)?;
        let next = there(data)?
            .last()
            .map_or(1, |(number, _)| number.saturating_add(1));
        let dir = root.join(format!("{next:04}-{generation}"));
        atomic::make_dir(&dir)?;
        Ok(Quarantine { dir })
    }

    /// Moves a file or directory here, durably.
    pub fn take(&self, path: &Path) -> io::Result<()> {
        if let (Some(name), Some(parent)) = (path.file_name(), path.parent()) {
            fs::rename(path, self.dir.join(name))?;
            // The new name first: between the two one too many is better than none.
            atomic::sync_dir(&self.dir)?;
            atomic::sync_dir(parent)?;
        }
        Ok(())
    }

    /// Writes a file here, durably.
    pub fn keep(&self, name: &str, contents: &[u8]) -> io::Result<()> {
        atomic::replace(&self.dir.join(name), contents)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.dir
    }
}

/// The remains of one old repair that are to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remains {
    /// The generation that was repaired.
    pub generation: GenerationId,
    path: PathBuf,
}

impl Remains {
    /// What there is beyond the newest `KEPT`, the oldest first. Nothing of it goes before its owner wrote that down.
    ///
    /// # Errors
    /// The quarantine cannot be read.
    pub fn old(data: &DataDir) -> io::Result<Vec<Self>> {
        let mut there = there(data)?;
        there.truncate(there.len().saturating_sub(KEPT));
        let old = there.into_iter().filter_map(|(_, path)| {
            let (_, generation) = path.file_name()?.to_str()?.split_once('-')?;
            let generation = generation.parse().ok()?;
            Some(Self { generation, path })
        });
        Ok(old.collect())
    }

    /// Removes them for good.
    ///
    /// # Errors
    /// They are still there, or a part of them.
    pub fn forget(self) -> io::Result<()> {
        fs::remove_dir_all(self.path)
    }
}

impl fmt::Display for Remains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

/// The directories, by their numbers; none without a quarantine.
fn there(data: &DataDir) -> io::Result<Vec<(u64, PathBuf)>> {
    let entries = match fs::read_dir(data.quarantine()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut there = Vec::new();
    for entry in entries {
        let path = entry?.path();
        there.extend(number(&path).map(|number| (number, path)));
    }
    there.sort();
    Ok(there)
}

fn number(path: &Path) -> Option<u64> {
    let (number, _) = path.file_name()?.to_str()?.split_once('-')?;
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_stay_until_the_old_are_forgotten_and_no_number_comes_twice() {
        let root = tempfile::tempdir().unwrap();
        let data = DataDir::new(root.path());
        let begin = || Quarantine::begin(&data, GenerationId(7)).unwrap();
        let first = begin();
        first.keep("it", b"evidence").unwrap();
        for _ in 0..4 {
            begin();
        }
        let names = || {
            let entries = fs::read_dir(data.quarantine()).unwrap();
            let mut names: Vec<_> = entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        assert_eq!(names().len(), 5);
        for remains in Remains::old(&data).unwrap() {
            assert_eq!(remains.generation, GenerationId(7));
            remains.forget().unwrap();
        }
        assert_eq!(names(), ["0003-gen-0007", "0004-gen-0007", "0005-gen-0007"]);
        assert_eq!(Remains::old(&data).unwrap(), []);
        assert_eq!(begin().path().file_name().unwrap(), "0006-gen-0007");
    }

    #[test]
    fn what_is_taken_is_here_and_nowhere_else() {
        let root = tempfile::tempdir().unwrap();
        let data = DataDir::new(root.path());
        let store = root.path().join("store");
        fs::create_dir(&store).unwrap();
        fs::write(store.join("db"), b"keys").unwrap();
        let quarantine = Quarantine::begin(&data, GenerationId(1)).unwrap();
        quarantine.take(&store).unwrap();
        assert!(!store.exists());
        let here = quarantine.path().join("store/db");
        assert_eq!(fs::read(here).unwrap(), b"keys");
    }
}
