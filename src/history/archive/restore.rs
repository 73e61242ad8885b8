//! Bringing an archive back: a new generation with its identity and kept tiers, and no ratchet of it.
//!
//! It is made aside, whole and durable, before anything is given up for it; the vault then moves it into its place.

use std::fs;
use std::path::{Path, PathBuf};

use holdfast_core::{ArchiveId, GenerationId};
use holdfast_medium::{atomic, blocking};

use super::{Archive, Archived, HistoryError, Origin, Standing, WORKSHOP, Workshop, names};
use crate::history::Restorable;

/// An archive, looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The archive.
    pub archived: Archived,
    /// Whether it may be restored.
    pub standing: Standing,
    /// The records that a restore brings back.
    pub records: Restorable,
}

/// A restored generation that waits to be made live; forgotten when this is dropped. Nobody else is at the archive
/// until then.
#[derive(Debug)]
pub struct Prepared {
    path: PathBuf,
    _workshop: Workshop,
}

impl Prepared {
    /// The new generation's directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Archive {
    /// Says what an archive holds and what a restore would bring back. Reads all of it.
    ///
    /// # Errors
    /// [`HistoryError`]; nothing is changed.
    pub async fn show(&self, id: ArchiveId) -> Result<Shown, HistoryError> {
        let turn = self.turn().await;
        let archive = self.clone();
        let (archived, standing, workshop) = blocking(move || {
            let standing = archive.standing(id)?;
            let archived = archive.find(id)?;
            let workshop = Workshop::set_up(&archive.dir, turn)?;
            Ok::<_, HistoryError>((archived, standing, workshop))
        })
        .await?;
        let scratch = workshop.place("copy");
        Ok(Shown {
            records: self.keys.count(&archived.path, &scratch).await?,
            archived,
            standing,
        })
    }

    /// Makes a generation of an archive, which stays as it is. Its pre-key ids are ahead of all that this device ever
    /// used here, so that restoring twice repeats none.
    ///
    /// # Errors
    /// [`HistoryError`]; nothing is changed.
    pub async fn prepare(&self, id: ArchiveId) -> Result<Prepared, HistoryError> {
        let turn = self.turn_soon().await?;
        let archive = self.clone();
        let (archived, others, workshop) = blocking(move || {
            archive.standing(id)?.check(id)?;
            let archived = archive.find(id)?;
            archive.companion(&archived)?;
            let others = archive.generations()?;
            let workshop = Workshop::set_up(&archive.dir, turn)?;
            Ok::<_, HistoryError>((archived, others, workshop))
        })
        .await?;
        let (scratch, path) = (workshop.place("copy"), workshop.place("generation"));
        let restored = self
            .keys
            .restore(&self.dir, &archived.path, &others, &scratch, &path)
            .await?;
        if restored.bad + restored.resynced > 0 {
            let (bad, resynced) = (restored.bad, restored.resynced);
            tracing::warn!(bad, resynced, "{id} has damaged records; they stay behind");
        }
        let origin = Origin {
            restored_from: Some(id.to_string()),
        };
        let marked = path.clone();
        blocking(move || origin.write(&marked).map_err(HistoryError::io(&marked))).await?;
        Ok(Prepared {
            path,
            _workshop: workshop,
        })
    }

    /// Forgets what was being made when the power went: none of it ever ran, and the archive still has it.
    pub(super) fn forget_unborn(&self, live: GenerationId) -> Result<(), HistoryError> {
        let unborn = |id: &GenerationId| {
            *id > live && Origin::read(&self.dir.generation(*id)) != Origin::default()
        };
        let unborn: Vec<_> = names(self.dir.root())?.into_iter().filter(unborn).collect();
        for id in unborn {
            let workshop = Workshop::at(self.dir.root().join(WORKSHOP), None)?;
            let path = self.dir.generation(id);
            // First out of its place, for it cannot be removed in one step.
            fs::rename(&path, workshop.place("unborn"))
                .and_then(|()| atomic::sync_dir(self.dir.root()))
                .map_err(HistoryError::io(&path))?;
            tracing::warn!(
                "a restore as {id} was interrupted; ask for it again, the archive still has it"
            );
        }
        Workshop::clear(&self.dir)
    }
}
