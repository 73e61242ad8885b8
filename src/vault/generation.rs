//! Which generation is live, and whose data directory this is.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use holdfast_core::GenerationId;
use holdfast_medium::{DataDir, atomic};

use super::VaultError;

const FIRST: GenerationId = GenerationId(1);

/// The live generation; the first one where there never was any.
///
/// `CURRENT` names it. Should that file be lost, or name one that is not there, the one generation that holds an
/// identity is the live one.
pub(super) fn live(dir: &DataDir) -> Result<GenerationId, VaultError> {
    let named = match fs::read(dir.current()) {
        Ok(contents) => str::from_utf8(&contents)
            .ok()
            .and_then(|name| name.trim_end().parse().ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(VaultError::at(&dir.current())(error)),
    };
    let on_disk = generations(dir.root()).map_err(VaultError::at(dir.root()))?;
    let has_identity = |id: &GenerationId| super::identity::is_present(&dir.generation(*id));
    if let Some(named) = named.filter(|named| on_disk.contains(named)) {
        return Ok(named);
    }
    let with_identity: Vec<_> = on_disk.iter().filter(|id| has_identity(id)).collect();
    match with_identity.as_slice() {
        [] => Ok(on_disk.iter().max().copied().unwrap_or(FIRST)),
        [only] => Ok(**only),
        _ => Err(VaultError::NoCurrent {
            path: dir.current(),
        }),
    }
}

/// Names the live generation, durably.
pub(super) fn make_live(dir: &DataDir, id: GenerationId) -> Result<(), VaultError> {
    atomic::replace(&dir.current(), format!("{id}\n").as_bytes())
        .map_err(VaultError::at(&dir.current()))
}

fn generations(root: &Path) -> io::Result<Vec<GenerationId>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(
                entry
                    .file_name()
                    .to_str()
                    .and_then(|name| name.parse::<GenerationId>().ok()),
            );
        }
    }
    Ok(found)
}

/// Keeps every other process away from a data directory for as long as it lives.
#[derive(Debug)]
pub(super) struct Lock {
    /// The lock goes when the file is closed, also when we are killed.
    _file: File,
}

impl Lock {
    /// Takes the data directory, or says which process has it.
    pub fn take(dir: &DataDir) -> Result<Lock, VaultError> {
        let path = dir.lock();
        let at = VaultError::at(&path);
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(&at)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // Without the number the message is only less helpful.
                let _ = file.read_to_string(&mut pid);
                return Err(VaultError::InUse {
                    path: dir.root().into(),
                    pid: pid.trim().parse().ok(),
                });
            }
            Err(fs::TryLockError::Error(error)) => return Err(at(error)),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(&at)?;
        writeln!(file, "{}", std::process::id()).map_err(&at)?;
        Ok(Lock { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data_dir() -> (tempfile::TempDir, DataDir) {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::new(root.path());
        (root, dir)
    }

    fn identity_in(dir: &DataDir, id: u32) {
        let generation = dir.generation(GenerationId(id));
        fs::create_dir(&generation).unwrap();
        fs::write(generation.join("identity.a"), b"anything").unwrap();
    }

    #[test]
    fn the_first_generation_is_live_in_a_new_directory_and_after_a_crash_while_it_was_made() {
        let (_root, dir) = data_dir();
        assert_eq!(live(&dir).unwrap(), GenerationId(1));
        fs::create_dir(dir.generation(GenerationId(1))).unwrap();
        assert_eq!(live(&dir).unwrap(), GenerationId(1));
    }

    #[test]
    fn current_decides_and_leftovers_of_its_replacement_do_not() {
        let (_root, dir) = data_dir();
        identity_in(&dir, 1);
        identity_in(&dir, 2);
        make_live(&dir, GenerationId(1)).unwrap();
        fs::write(dir.root().join("CURRENT.new"), b"gen-00").unwrap();
        assert_eq!(live(&dir).unwrap(), GenerationId(1));
        make_live(&dir, GenerationId(2)).unwrap();
        assert_eq!(live(&dir).unwrap(), GenerationId(2));
    }

    #[test]
    fn a_lost_current_never_hides_an_identity() {
        for damage in [None, Some("gen-1\n"), Some(""), Some("gen-0003\n")] {
            let (_root, dir) = data_dir();
            if let Some(contents) = damage {
                fs::write(dir.current(), contents).unwrap();
            }
            fs::create_dir(dir.generation(GenerationId(9))).unwrap();
            identity_in(&dir, 7);
            assert_eq!(live(&dir).unwrap(), GenerationId(7));
            identity_in(&dir, 8);
            assert!(matches!(live(&dir), Err(VaultError::NoCurrent { .. })));
        }
    }

    #[test]
    fn one_process_at_a_time_and_the_other_learns_which() {
        let (_root, dir) = data_dir();
        let lock = Lock::take(&dir).unwrap();
        match Lock::take(&dir) {
            Err(VaultError::InUse { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
            other => panic!("{other:?}"),
        }
        drop(lock);
        Lock::take(&dir).unwrap();
    }
}
