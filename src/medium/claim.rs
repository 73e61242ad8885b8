//! Who may use a data directory: one lock, taken before anything in it is read, that decides for everybody.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{DataDir, atomic, remedy};

/// The right to use a data directory. Clones are the same right; the last one that is dropped gives it back.
///
/// The lock (flock(2)) belongs to the open file, so it also goes when the process is killed, and never before the process is gone
/// when a clone is kept for ever.
#[derive(Clone, Debug)]
pub struct Claim {
    dir: DataDir,
    _file: Arc<File>,
}

/// Why a data directory is not ours.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Another process uses it, or this one does already.
    #[error("{path} is in use by {}; stop it first, or give each its own --data directory", process(*.pid), path = .path.display())]
    InUse {
        /// The data directory.
        path: PathBuf,
        /// The other process, where it could be read.
        pid: Option<u32>,
    },
    /// The directory cannot be made, or its lock not be opened.
    #[error("{}: {error}; {}", .path.display(), remedy(.error))]
    Io {
        /// Which.
        path: PathBuf,
        /// The system's error.
        #[source]
        error: io::Error,
    },
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".into(), |pid| format!("process {pid}"))
}

impl Claim {
    /// Takes a data directory, which is made where there is none. Blocks.
    ///
    /// # Errors
    /// [`ClaimError::InUse`] says which process has it.
    pub fn take(dir: &DataDir) -> Result<Claim, ClaimError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |error| ClaimError::Io { path, error }
        };
        atomic::make_dir(dir.root()).map_err(at(dir.root()))?;
        let path = dir.lock();
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(at(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // Without the number the message is only less helpful.
                let _ = file.read_to_string(&mut pid);
                return Err(ClaimError::InUse {
                    path: dir.root().into(),
                    pid: pid.trim().parse().ok(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(at(&path)(error)),
        }
        // On a full partition the number does not fit, and the lock holds all the same.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Claim {
            dir: dir.clone(),
            _file: Arc::new(file),
        })
    }

    /// Keeps it until the process is gone, whoever hangs by then with files of it open.
    pub fn keep(&self) {
        std::mem::forget(self.clone());
    }

    /// The data directory that is ours.
    pub fn dir(&self) -> &DataDir {
        &self.dir
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_the_other_learns_which() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::new(root.path().join("data"));
        let claim = Claim::take(&dir).unwrap();
        let again = claim.clone();
        drop(claim);
        match Claim::take(&dir) {
            Err(ClaimError::InUse { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
            other => panic!("{other:?}"),
        }
        drop(again);
        Claim::take(&dir).unwrap();
    }
}
