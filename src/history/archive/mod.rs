//! Retired generations: moved here whole, with a manifest, never deleted in place.
//!
//! - `manifest`: what is written down beside each
//! - `standing`: whether it may ever run again
//! - `restore`: bringing one back; `farewell`: logging one out
//! - `transfer`, `parcel`: handing one out, and taking one in; `limit`: how much of it, and how long; `last_export`: when one left last

mod farewell;
mod last_export;
mod limit;
mod manifest;
mod parcel;
mod restore;
mod standing;
mod transfer;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use holdfast_core::{ArchiveId, GenerationId, LastFour, Limits};
use holdfast_medium::space::Reserve;
use holdfast_medium::{DataDir, Stamp, atomic};
use parking_lot::Mutex as SyncMutex;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::timeout;

use super::{Audit, AuditHead, Companion, HistoryError, Keys, Reached, name};

pub use farewell::Departing;
pub use last_export::LastExport;
pub use manifest::{Lineage, Manifest, Origin};
pub use restore::{Prepared, Shown};
pub use standing::Standing;
pub(super) use transfer::MIN_PASSPHRASE;
pub use transfer::{Arrived, GivenUp, Passphrase};

/// The timeout of a deed's turn at the archive: the deeds behind it wait, too, and the end of the daemon waits for five seconds.
const TURN: Duration = Duration::from_secs(3);

/// A generation in the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archived {
    /// Which one.
    pub id: ArchiveId,
    /// Where it is.
    pub path: PathBuf,
    /// Its manifest; `None` when it cannot be read.
    pub manifest: Option<Manifest>,
}

/// The archive of a data directory.
#[derive(Clone, Debug)]
pub struct Archive {
    pub(super) dir: DataDir,
    /// One restore, export, import or look inside at a time: each rests on what it found at its beginning.
    turn: Arc<Mutex<()>>,
    /// One file is read in at a time.
    importing: Arc<Mutex<()>>,
    /// Archives that are being written out: they stay.
    pub(super) leaving: Arc<SyncMutex<Vec<ArchiveId>>>,
    reserve: Reserve,
    limits: Limits,
    keys: Arc<dyn Keys>,
}

impl Archive {
    /// Opens the archive. What a power cut interrupted is finished or forgotten: a generation older than the live one
    /// and not archived is moved, and returned; a restored one that never became live goes, and so does half an
    /// import.
    ///
    /// # Errors
    /// [`HistoryError::Io`], [`HistoryError::Exists`].
    pub fn open(
        dir: &DataDir,
        live: GenerationId,
        keys: impl Keys + 'static,
    ) -> Result<(Self, Vec<GenerationId>), HistoryError> {
        let archive = Self {
            dir: dir.clone(),
            turn: Arc::default(),
            importing: Arc::default(),
            leaving: Arc::default(),
            reserve: Reserve::of(dir.root()),
            limits: Limits::default(),
            keys: Arc::new(keys),
        };
        archive.forget_unborn(live)?;
        let mut left: Vec<GenerationId> = names(dir.root())?;
        left.retain(|id| *id < live);
        for id in &left {
            if Manifest::read(&dir.generation(*id)).is_none() {
                let reason = "its retirement was interrupted, and finished at the next start";
                archive.describe(*id, None, None, reason, live)?;
            }
            archive.take(*id)?;
        }
        Ok((archive, left))
    }

    /// The same, with what the operator set of the partition's limits.
    pub fn within(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same, on a partition that this reserve knows.
    pub fn on(self, reserve: Reserve) -> Self {
        Self { reserve, ..self }
    }

    /// Moves a generation into the archive, whole; durable on return. Nobody may have its files open for writing.
    /// Doing it again does nothing more.
    ///
    /// # Errors
    /// [`HistoryError`]; the generation is then where it was, or in the archive.
    pub fn retire(
        &self,
        what: &holdfast_core::Order,
        account: Option<LastFour>,
        reason: &str,
    ) -> Result<Archived, HistoryError> {
        if self.dir.generation(what.old).is_dir() {
            self.describe(
                what.old,
                Some(name(what.trigger)),
                account,
                reason,
                what.new,
            )?;
        }
        self.take(what.old)
    }

    /// Lists the archives: those retired here, oldest first, then imported ones.
    ///
    /// # Errors
    /// [`HistoryError::Io`].
    pub fn list(&self) -> Result<Vec<Archived>, HistoryError> {
        let ids = names(&self.dir.archive())?;
        Ok(ids.into_iter().map(|id| self.archived(id)).collect())
    }

    /// One archive.
    ///
    /// # Errors
    /// [`HistoryError::NoArchive`].
    pub fn find(&self, id: ArchiveId) -> Result<Archived, HistoryError> {
        let archived = self.archived(id);
        if archived.path.is_dir() {
            Ok(archived)
        } else {
            Err(HistoryError::NoArchive { id })
        }
    }

    fn archived(&self, id: ArchiveId) -> Archived {
        let path = self.dir.archive().join(id.to_string());
        Archived {
            id,
            manifest: Manifest::read(&path),
            path,
        }
    }

    /// Puts the manifest into a generation that is still in its old place.
    fn describe(
        &self,
        id: GenerationId,
        trigger: Option<&str>,
        account: Option<LastFour>,
        reason: &str,
        next: GenerationId,
    ) -> Result<(), HistoryError> {
        let path = self.dir.generation(id);
        let failed = HistoryError::io(&path);
        let files = manifest::settle(&path).map_err(&failed)?;
        let earlier = names::<GenerationId>(&self.dir.archive())?
            .into_iter()
            .filter(|other| *other < id);
        let manifest = Manifest {
            id: id.to_string(),
            at: Stamp::now(),
            trigger: trigger.map(str::to_owned),
            reason: reason.to_owned(),
            account: account.map(|account| account.to_string()),
            lineage: Lineage {
                previous: earlier.max().map(|id| id.to_string()),
                next: next.to_string(),
                origin: Origin::read(&path),
                imported_from: None,
            },
            files,
            reached: self.mark(id, &path),
            audit: Audit::named(&self.dir),
            exported: None,
            imported: None,
            logged_out: None,
        };
        manifest.write(&path).map_err(&failed)
    }

    /// Moves a generation from its old place into the archive, unless it is there already.
    fn take(&self, id: GenerationId) -> Result<Archived, HistoryError> {
        let from = self.dir.generation(id);
        let archived = self.archived(ArchiveId::Retired(id));
        match (from.is_dir(), archived.path.exists()) {
            (true, true) => {
                return Err(HistoryError::Exists {
                    path: archived.path,
                });
            }
            (false, false) => return Err(HistoryError::Missing { path: from }),
            (true, false) => self.bring(&from, &archived.path)?,
            (false, true) => {
                // The crash may have come before the names were durable.
                atomic::sync_dir(&self.dir.archive()).map_err(HistoryError::io(&archived.path))?;
            }
        }
        atomic::sync_dir(self.dir.root()).map_err(HistoryError::io(&archived.path))?;
        Ok(self.archived(ArchiveId::Retired(id)))
    }

    /// Moves a directory into the archive, durably there. Its old name may be left over: a name too many is better
    /// than none.
    fn bring(&self, from: &Path, to: &Path) -> Result<(), HistoryError> {
        let archive = self.dir.archive();
        atomic::make_dir(&archive)
            .and_then(|()| fs::rename(from, to))
            .and_then(|()| atomic::sync_dir(&archive))
            .map_err(HistoryError::io(to))
    }

    /// Reads who an archive is; one without an identity was never linked. Blocks.
    fn companion(&self, archived: &Archived) -> Result<Companion, HistoryError> {
        let companion = self.keys.companion(&archived.path)?;
        companion.ok_or(HistoryError::NeverLinked { id: archived.id })
    }

    /// Marks how far a copy of a device got, and says how far any did. One that cannot be read was marked as it ran.
    pub(super) fn mark(&self, id: impl std::fmt::Display, path: &Path) -> Option<Reached> {
        self.keys.mark(&self.dir, path).unwrap_or_else(|error| {
            tracing::warn!("how far {id} got cannot be marked: {error}");
            None
        })
    }

    /// Waits until nobody else is at the archive.
    async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.turn).lock_owned().await
    }

    /// As [`Archive::turn`], for a deed that others wait behind: it is refused while somebody else takes long.
    ///
    /// # Errors
    /// [`HistoryError::Busy`].
    pub(super) async fn turn_soon(&self) -> Result<OwnedMutexGuard<()>, HistoryError> {
        let turn = timeout(TURN, self.turn()).await;
        turn.map_err(|_| HistoryError::Busy)
    }
}

/// Where the audit ended when each archive of a data directory came in, and what says so.
pub(super) fn heads(data: &DataDir) -> Result<Vec<(String, AuditHead)>, HistoryError> {
    let archive = data.archive();
    let ids = names::<ArchiveId>(&archive)?.into_iter();
    Ok(ids
        .filter_map(|id| {
            let manifest = Manifest::read(&archive.join(id.to_string()))?;
            Some((format!("the manifest of {id}"), manifest.audit?))
        })
        .collect())
}

/// The generations or archives that have their directories here, in order; none when this directory does not exist.
pub(super) fn names<Id: std::str::FromStr + Ord>(dir: &Path) -> Result<Vec<Id>, HistoryError> {
    let failed = HistoryError::io(dir);
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(&failed)?,
    };
    let mut ids = Vec::new();
    for entry in entries {
        let entry = entry.map_err(&failed)?;
        ids.extend(
            entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok()),
        );
    }
    ids.sort();
    Ok(ids)
}

const WORKSHOP: &str = "workshop";
const WORKSHOP_OF_IMPORTS: &str = "workshop-of-imports";

/// A directory for what is not whole yet; gone with all it holds when this is dropped, and at the next start. It keeps the
/// turn of its user until then, so that nobody sets up another in the one that is being removed.
#[derive(Debug)]
struct Workshop {
    path: PathBuf,
    /// `None` at the start, when nobody else is there.
    turn: Option<OwnedMutexGuard<()>>,
}

impl Workshop {
    /// An empty one.
    fn set_up(dir: &DataDir, turn: OwnedMutexGuard<()>) -> Result<Self, HistoryError> {
        Self::at(dir.root().join(WORKSHOP), Some(turn))
    }

    /// An empty one for an import, which is there beside the other.
    fn for_import(dir: &DataDir, turn: OwnedMutexGuard<()>) -> Result<Self, HistoryError> {
        Self::at(dir.root().join(WORKSHOP_OF_IMPORTS), Some(turn))
    }

    /// Removes what a power cut left of both.
    fn clear(dir: &DataDir) -> Result<(), HistoryError> {
        [WORKSHOP, WORKSHOP_OF_IMPORTS]
            .into_iter()
            .try_for_each(|name| Self::remove(&dir.root().join(name)))
    }

    fn at(path: PathBuf, turn: Option<OwnedMutexGuard<()>>) -> Result<Self, HistoryError> {
        Self::remove(&path)?;
        atomic::make_dir(&path).map_err(HistoryError::io(&path))?;
        Ok(Self { path, turn })
    }

    fn remove(path: &Path) -> Result<(), HistoryError> {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(HistoryError::io(path)(error))
            }
            _ => Ok(()),
        }
    }

    /// A place in it; nothing is there yet.
    fn place(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        let (path, turn) = (std::mem::take(&mut self.path), self.turn.take());
        let held = turn.is_some();
        let remove = move || {
            // A remainder is removed at the next start.
            let _ = fs::remove_dir_all(path);
            drop(turn);
        };
        match Handle::try_current() {
            // It may hold a whole store: the runtime's own threads do not wait for the card.
            Ok(runtime) if held => drop(runtime.spawn_blocking(remove)),
            _ => remove(),
        }
    }
}
