//! Handing an archive out as one encrypted file, and taking such a file in.
//!
//! An export fences its source: before the first byte leaves, every copy of that device here is marked as
//! exported, for good. What comes in is a new archive without the mark, so that at any time one place may run it.
//!
//! Each has a half that changes something here and is short, and one that reads or writes the operator's file, which may be a
//! pipe and take for ever. Only the first belongs among the deeds on the disk.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use holdfast_core::{ArchiveId, Trigger};
use holdfast_medium::{Secret, Stamp, blocking};
use parking_lot::Mutex;

use super::limit::{self, Limit};
use super::{
    Archive, Archived, HistoryError, Manifest, Standing, Workshop, manifest, names, parcel,
};
use crate::history::{Audit, AuditKind, Companion, Subject};

/// The fewest characters of a passphrase. The file is all it takes to be this device.
pub(in crate::history) const MIN_PASSPHRASE: usize = 8;

/// A passphrase that is long enough to protect an exported file.
pub struct Passphrase(Secret<String>);

impl Passphrase {
    /// Checks its length.
    ///
    /// # Errors
    /// [`HistoryError::ShortPassphrase`].
    pub fn new(text: Secret<String>) -> Result<Self, HistoryError> {
        Self::check(&text)?;
        Ok(Self(text))
    }

    /// Whether a text may be one, for a client that hands it on.
    ///
    /// # Errors
    /// [`HistoryError::ShortPassphrase`].
    pub fn check(text: &Secret<String>) -> Result<(), HistoryError> {
        if text.expose().chars().count() < MIN_PASSPHRASE {
            return Err(HistoryError::ShortPassphrase);
        }
        Ok(())
    }
}

/// An archive that counts as exported and is to be written out.
#[derive(Debug)]
pub struct GivenUp {
    archive: Archive,
    archived: Archived,
    _stays: Stays,
}

/// While this is there, its archive is not removed to make room.
#[derive(Debug)]
struct Stays {
    id: ArchiveId,
    leaving: Arc<Mutex<Vec<ArchiveId>>>,
}

impl Stays {
    fn new(archive: &Archive, id: ArchiveId) -> Self {
        archive.leaving.lock().push(id);
        Self {
            id,
            leaving: Arc::clone(&archive.leaving),
        }
    }
}

impl Drop for Stays {
    fn drop(&mut self) {
        let mut leaving = self.leaving.lock();
        // One of them: it may be on its way out twice.
        if let Some(at) = leaving.iter().position(|id| *id == self.id) {
            leaving.swap_remove(at);
        }
    }
}

/// An imported archive, whole and checked, that is not in the archive yet; forgotten when this is dropped.
#[derive(Debug)]
pub struct Arrived {
    path: PathBuf,
    manifest: Manifest,
    workshop: Workshop,
}

impl Archive {
    /// Checks that an archive may be exported, and changes nothing.
    ///
    /// # Errors
    /// [`HistoryError`] says why not.
    pub fn may_leave(&self, id: ArchiveId) -> Result<(), HistoryError> {
        self.leaving(id).map(drop)
    }

    /// First half of an export, a deed: from now on no copy of this device is restored here; audited before. It may be exported
    /// again: the file may have been lost on its way, and it is the same copy.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub async fn give_up(&self, audit: &Audit, id: ArchiveId) -> Result<GivenUp, HistoryError> {
        let turn = self.turn_soon().await?;
        let (archive, audit) = (self.clone(), audit.clone());
        blocking(move || {
            let _turn = turn;
            let (archived, device) = archive.leaving(id)?;
            audit.append(AuditKind::Export, Subject::archive(Trigger::Bus, id))?;
            let now = Stamp::now();
            let reached = archive.mark(id, &archived.path);
            for mut copy in archive.copies(&device)? {
                // One that says so already may be on its way out now: it is not touched.
                let unmarked = copy.manifest.as_mut().filter(|it| it.exported.is_none());
                if let Some(manifest) = unmarked {
                    manifest.reached = reached;
                    manifest.exported = Some(now.clone());
                    manifest
                        .write(&copy.path)
                        .map_err(HistoryError::io(&copy.path))?;
                }
            }
            Ok(GivenUp {
                _stays: Stays::new(&archive, id),
                archive,
                archived,
            })
        })
        .await
    }

    /// First half of an import, which takes as long as its file: reads the file and checks that all of it is there. One at a
    /// time; nobody else at the archive waits for it.
    ///
    /// # Errors
    /// [`HistoryError`]; nothing is left behind.
    pub async fn receive(
        &self,
        passphrase: Secret<String>,
        input: File,
    ) -> Result<Arrived, HistoryError> {
        let turn = Arc::clone(&self.importing).lock_owned().await;
        let archive = self.clone();
        blocking(move || {
            let workshop = Workshop::for_import(&archive.dir, turn)?;
            let path = workshop.place("import");
            parcel::unpack(input, &passphrase, &path, &mut Limit::of(&archive))?;
            let manifest = Manifest::read(&path).ok_or(HistoryError::Foreign)?;
            if manifest::settle(&path).map_err(HistoryError::io(&path))? != manifest.files {
                return Err(HistoryError::Altered);
            }
            let companion = archive.keys.companion(&path)?;
            companion.ok_or(HistoryError::Foreign)?;
            Ok(Arrived {
                path,
                manifest,
                workshop,
            })
        })
        .await
    }

    /// Second half of an import, a deed: takes it in under a name of its own; audited before.
    ///
    /// # Errors
    /// [`HistoryError`]; nothing is left behind.
    pub async fn take_in(
        &self,
        audit: &Audit,
        arrived: Arrived,
    ) -> Result<ArchiveId, HistoryError> {
        let turn = self.turn_soon().await?;
        let (archive, audit) = (self.clone(), audit.clone());
        blocking(move || {
            let _turn = turn;
            let Arrived {
                path,
                mut manifest,
                workshop: _workshop,
            } = arrived;
            let id = archive.next_import()?;
            let there = std::mem::replace(&mut manifest.id, id.to_string());
            manifest.lineage.imported_from = Some(there);
            manifest.exported = None;
            manifest.imported = Some(Stamp::now());
            audit.append(AuditKind::Import, Subject::archive(Trigger::Bus, id))?;
            manifest.audit = Audit::named(&archive.dir);
            manifest.write(&path).map_err(HistoryError::io(&path))?;
            let keys = &archive.keys;
            keys.mark_import(&archive.dir, &path, manifest.reached)?;
            archive.bring(&path, &archive.archived(id).path)?;
            Ok(id)
        })
        .await
    }

    /// An archive that may be exported, and its device.
    fn leaving(&self, id: ArchiveId) -> Result<(Archived, Companion), HistoryError> {
        match self.standing(id)? {
            Standing::Exported(_) => {}
            standing => standing.check(id)?,
        }
        let archived = self.find(id)?;
        if let Some(manifest) = &archived.manifest {
            limit::check(&manifest.files)?;
        }
        let device = self.companion(&archived)?;
        match self.live_copy(&device)? {
            Some(live) => Err(HistoryError::Live { id, live }),
            None => Ok((archived, device)),
        }
    }

    fn next_import(&self) -> Result<ArchiveId, HistoryError> {
        let taken = names(&self.dir.archive())?
            .into_iter()
            .filter_map(|id| match id {
                ArchiveId::Imported(number) => Some(number),
                ArchiveId::Retired(_) => None,
            });
        Ok(ArchiveId::Imported(
            taken.max().unwrap_or(0).saturating_add(1),
        ))
    }
}

impl GivenUp {
    /// Second half of an export, which takes as long as its file: writes the archive, encrypted with a passphrase, to a file that
    /// is open for writing; its owner makes it durable.
    ///
    /// # Errors
    /// [`HistoryError`]; it counts as exported all the same.
    pub async fn write_out(self, passphrase: Passphrase, output: File) -> Result<(), HistoryError> {
        blocking(move || {
            // Whoever asked may be gone: it stays until all of it is out.
            let Self {
                archive,
                archived,
                _stays,
            } = self;
            parcel::pack(&archived.path, archived.id, &passphrase.0, output)?;
            // The file is whole, whatever becomes of the note.
            if let Err(error) = archive.has_left(archived.id) {
                tracing::warn!("this export is not noted as the last one: {error}");
            }
            Ok(())
        })
        .await
    }
}
