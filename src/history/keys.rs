//! The archive's port to the keys in a generation's directory; the vault implements it.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

/// Reads and restores the keys of generations: the archive moves directories, and knows nothing of what is inside.
#[async_trait]
pub trait Keys: fmt::Debug + Send + Sync {
    /// Reads who a generation is at WhatsApp; `None` when it has no identity yet. Blocks.
    ///
    /// # Errors
    /// The identity cannot be read.
    fn companion(&self, generation: &Path) -> Result<Option<Companion>, KeysError>;

    /// Counts what a restore of a generation brings back, in a copy made in `scratch`, which does not exist yet.
    ///
    /// # Errors
    /// The generation cannot be copied, or its identity not be read.
    async fn count(&self, generation: &Path, scratch: &Path) -> Result<Restorable, KeysError>;

    /// Makes a new generation's directory, complete and durable, of what is harmless in an old one. Its pre-key ids are
    /// ahead of all that the same device used in any of the generations `others`, so that restoring twice repeats none.
    ///
    /// # Errors
    /// As [`Keys::count`], or the new directory cannot be written.
    async fn restore(
        &self,
        generation: &Path,
        others: &[PathBuf],
        scratch: &Path,
        into: &Path,
    ) -> Result<Restorable, KeysError>;
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
