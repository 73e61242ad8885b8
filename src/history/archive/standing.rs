//! Whether an archive may ever run again.
//!
//! The same device may be in the archive several times, for what was restored is retired again. What happened to one
//! of them at WhatsApp, or left this place with one of them, concerns all.

use std::path::PathBuf;

use holdfast_core::{ArchiveId, GenerationId, Trigger};
use holdfast_medium::Stamp;

use super::{Archive, Archived, HistoryError, names};
use crate::history::{Companion, name};

/// Whether an archive may be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may.
    Restorable,
    /// It was never linked.
    NeverLinked,
    /// The device is linked no more: WhatsApp revoked it when it had this name, or it was logged out there.
    Revoked(ArchiveId),
    /// The copy in an exported file is the one that may run.
    Exported(Stamp),
    /// Its manifest cannot be read, so nobody knows.
    Unknown,
}

impl Standing {
    /// The stable name for machines.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Restorable => "restorable",
            Self::NeverLinked => "never-linked",
            Self::Revoked(_) => "revoked",
            Self::Exported(_) => "exported",
            Self::Unknown => "unknown",
        }
    }

    /// Refuses what only a device that may still run is good for.
    pub(crate) fn check(self, id: ArchiveId) -> Result<(), HistoryError> {
        match self {
            Self::Restorable => Ok(()),
            Self::NeverLinked => Err(HistoryError::NeverLinked { id }),
            Self::Revoked(by) => Err(HistoryError::Revoked { id, by }),
            Self::Exported(at) => Err(HistoryError::Exported { id, at }),
            Self::Unknown => Err(HistoryError::NoManifest { id }),
        }
    }
}

impl Archive {
    /// Whether an archive may be restored.
    ///
    /// # Errors
    /// [`HistoryError::NoArchive`], [`HistoryError::Keys`] when its identity cannot be read.
    pub fn standing(&self, id: ArchiveId) -> Result<Standing, HistoryError> {
        let archived = self.find(id)?;
        let Some(manifest) = archived.manifest else {
            return Ok(Standing::Unknown);
        };
        let device = self.keys.companion(&archived.path)?;
        let Some(device) = device.filter(|device| device.linked) else {
            return Ok(Standing::NeverLinked);
        };
        let revoked = |archived: &Archived| {
            let manifest = archived.manifest.as_ref();
            manifest.is_some_and(|it| {
                it.trigger.as_deref() == Some(name(Trigger::Server)) || it.logged_out.is_some()
            })
        };
        let by = self.copies(&device)?.into_iter().find(revoked);
        Ok(match (by, manifest.exported) {
            (Some(by), _) => Standing::Revoked(by.id),
            (None, Some(at)) => Standing::Exported(at),
            (None, None) => Standing::Restorable,
        })
    }

    /// Every archive of this device.
    pub(super) fn copies(&self, device: &Companion) -> Result<Vec<Archived>, HistoryError> {
        let mut archives = self.list()?;
        archives.retain(|archived| {
            self.keys
                .companion(&archived.path)
                .is_ok_and(|other| other.is_some_and(|other| other.identity == device.identity))
        });
        Ok(archives)
    }

    /// The generation outside the archive that is this device, if there is one: the live one, or one about to be.
    pub(super) fn live_copy(
        &self,
        device: &Companion,
    ) -> Result<Option<GenerationId>, HistoryError> {
        for id in names(self.dir.root())? {
            let live = self.keys.companion(&self.dir.generation(id))?;
            if live.is_some_and(|live| live.identity == device.identity) {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// Where this device may have used pre-key ids: every generation outside the archive, and every one in it.
    pub(super) fn generations(&self) -> Result<Vec<PathBuf>, HistoryError> {
        let outside = names::<GenerationId>(self.dir.root())?.into_iter();
        let archived = self.list()?.into_iter().map(|archived| archived.path);
        Ok(outside
            .map(|id| self.dir.generation(id))
            .chain(archived)
            .collect())
    }
}
