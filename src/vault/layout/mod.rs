//! Where the store of a generation lies, and how one of an older format becomes one of this.
//!
//! The format is in the directory's name: `store.v2` holds sled and its witness. Whatever is made is made whole and
//! durable beside it first and then renamed, so that a store is there whole or not at all, whatever happens:
//!
//! - `store.v2.making` is being written, and worth nothing after a crash;
//! - `store.v2.next` is whole and takes the place of `store.v2` as soon as that is out of the way.

mod v1;

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use holdfast_medium::atomic;

use super::VaultError;

/// The format this version writes.
const FORMAT: u32 = 2;

/// sled, in the store's directory.
pub(super) const SLED: &str = "sled";

/// The witness, in the store's directory.
pub(super) const WITNESS: &str = "witness";

/// The places of one generation's store.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    generation: PathBuf,
}

impl Layout {
    /// Of the generation in this directory.
    pub fn of(generation: &Path) -> Layout {
        Layout {
            generation: generation.into(),
        }
    }

    /// The generation's directory.
    pub fn generation(&self) -> &Path {
        &self.generation
    }

    /// The store.
    pub fn store(&self) -> PathBuf {
        self.generation.join(name(FORMAT))
    }

    fn making(&self) -> PathBuf {
        self.generation.join(format!("{}.making", name(FORMAT)))
    }

    fn next(&self) -> PathBuf {
        self.generation.join(format!("{}.next", name(FORMAT)))
    }

    /// Finishes or forgets what a crash interrupted, and brings a store of an older format forward.
    ///
    /// # Errors
    /// [`VaultError::NewerFormat`], [`VaultError::Io`].
    pub fn settle(&self) -> Result<(), VaultError> {
        let at = VaultError::at(&self.generation);
        if let Some(format) = self.newer().map_err(&at)? {
            return Err(VaultError::NewerFormat {
                path: self.generation.join(name(format)),
                known: FORMAT,
            });
        }
        remove(&self.making()).map_err(&at)?;
        if self.store().exists() {
            remove(&self.next()).map_err(&at)?;
        } else if self.next().exists() {
            self.promote().map_err(&at)?;
        }
        let old = self.generation.join(name(1));
        if old.exists() {
            if !self.store().exists() {
                self.migrate(&old).map_err(&at)?;
            }
            remove(&old).map_err(&at)?;
        }
        Ok(())
    }

    fn migrate(&self, old: &Path) -> io::Result<()> {
        let migrated = catch_unwind(AssertUnwindSafe(|| {
            self.make(|making| v1::migrate(old, making))
        }));
        match migrated {
            Ok(migrated) => {
                migrated?;
                self.promote()
            }
            // A store that sled cannot read is set aside; the repair goes on as without one.
            Err(_) => {
                fs::rename(old, self.generation.join("store.damaged"))?;
                atomic::sync_dir(&self.generation)
            }
        }
    }

    /// Makes the next store, whole and durable; it becomes the store with [`Layout::promote`].
    pub fn make(&self, write: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
        let making = self.making();
        remove(&making)?;
        atomic::make_dir(&making)?;
        write(&making)?;
        fs::rename(&making, self.next())?;
        atomic::sync_dir(&self.generation)
    }

    /// Puts the next store in its place, which is free.
    pub fn promote(&self) -> io::Result<()> {
        fs::rename(self.next(), self.store())?;
        atomic::sync_dir(&self.generation)
    }

    /// The format of a store that only a newer version can read.
    fn newer(&self) -> io::Result<Option<u32>> {
        let mut newest = None;
        for entry in fs::read_dir(&self.generation)? {
            let entry = entry?.file_name();
            let format = entry
                .to_str()
                .and_then(|name| name.strip_prefix("store.v")?.parse().ok());
            newest = newest.max(format);
        }
        Ok(newest.filter(|format| *format > FORMAT))
    }
}

fn name(format: u32) -> String {
    match format {
        1 => "store".into(),
        format => format!("store.v{format}"),
    }
}

fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
