//! The archive's port to the keys in a generation's directory; the vault implements it.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use holdfast_medium::DataDir;
use serde::{Deserialize, Serialize};

/// Reads and restores the keys of generations: the archive moves directories, and knows nothing of what is inside.
#[async_trait]
pub trait Keys: fmt::Debug + Send + Sync {
    /// Reads who a generation is at WhatsApp; `None` when it has no identity yet. Blocks.
    ///
    /// # Errors
    /// The identity cannot be read.
    fn companion(&self, generation: &Path) -> Result<Option<Companion>, KeysError>;

    /// Marks how far the device in a generation got with the ids of its keys, for this copy may go; durable on return. Returns how
    /// far any copy of it got here; `None` when it has no identity yet. Blocks.
    ///
    /// # Errors
    /// The identity cannot be read, or the mark not be written.
    fn mark(&self, data: &DataDir, generation: &Path) -> Result<Option<Reached>, KeysError>;

    /// Marks the device in a generation that came from elsewhere, by what came with it and further by chance: another copy of it
    /// may run there. Blocks.
    ///
    /// # Errors
    /// As [`Keys::mark`].
    fn mark_import(
        &self,
        data: &DataDir,
        generation: &Path,
        told: Option<Reached>,
    ) -> Result<(), KeysError>;

    /// Has a copy of a generation that will run beside all others go on with ids of its own, and marks them.
    ///
    /// # Errors
    /// As [`Keys::mark`].
    async fn lend(&self, data: &DataDir, copy: &Path) -> Result<(), KeysError>;

    /// Counts what a restore of a generation brings back, in a copy made in `scratch`, which does not exist yet.
    ///
    /// # Errors
    /// The generation cannot be copied, or its identity not be read.
    async fn count(&self, generation: &Path, scratch: &Path) -> Result<Restorable, KeysError>;

    /// Makes a new generation's directory, complete and durable, of what is harmless in an old one. The ids of its keys are
    /// ahead of the device's mark, and of all that it used in any of the generations `others`, so that restoring twice repeats none.
    ///
    /// # Errors
    /// As [`Keys::count`], or the new directory cannot be written.
    async fn restore(
        &self,
        data: &DataDir,
        generation: &Path,
        others: &[PathBuf],
        scratch: &Path,
        into: &Path,
    ) -> Result<Restorable, KeysError>;
}

/// How far a device got with the ids of its keys. They are given out in order on a ring of 24 bits, and one that comes again with
/// another key costs a peer's first message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// No one-time pre-key was made under this id or a later one.
    pub next_pre_key: u32,
    /// No signed pre-key was made under this id or a later one.
    pub next_signed_pre_key: u32,
}

/// Who a generation is at WhatsApp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Companion {
    /// Its public identity key: two generations with the same one are the same device.
    pub identity: Vec<u8>,
    /// It was linked to an account.
    pub linked: bool,
}

/// The records that a restore brings back of a generation, and those it leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restorable {
    /// How many records come back, by the name of their tier.
    pub kept: BTreeMap<&'static str, u64>,
    /// How many sound records stay behind, by the name of their tier.
    pub dropped: BTreeMap<&'static str, u64>,
    /// How many records are damaged, and stay behind too.
    pub bad: u64,
    /// Collections of the app state whose records do not add up: they are synced from their beginning.
    pub resynced: u64,
}

/// The keys cannot be read, or not be written.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct KeysError(Box<dyn Error + Send + Sync>);

impl KeysError {
    /// Wraps the error of the one who understands keys.
    pub fn new(error: impl Error + Send + Sync + 'static) -> Self {
        Self(Box::new(error))
    }
}
