//! A link that a human gave up runs once more, to be logged out at WhatsApp with its own keys.

use holdfast_core::{ArchiveId, GenerationId, Trigger};
use holdfast_medium::{DataDir, Stamp, atomic, blocking};

use super::{Archive, HistoryError, Workshop};
use crate::history::{Audit, AuditKind, Subject};

/// A copy of an archived link with all its keys, in a data directory of its own; removed when this is dropped. Nobody else is
/// at the archive until then.
pub struct Departing {
    id: ArchiveId,
    archive: Archive,
    dir: DataDir,
    _workshop: Workshop,
}

impl Archive {
    /// Copies an archived link that nobody runs, here or elsewhere; audited before.
    ///
    /// # Errors
    /// [`HistoryError`]; the archive is as it was.
    pub async fn depart(&self, audit: &Audit, id: ArchiveId) -> Result<Departing, HistoryError> {
        let turn = self.turn().await;
        let (archive, audit) = (self.clone(), audit.clone());
        let (workshop, dir) = blocking(move || {
            archive.standing(id)?.check(id)?;
            let archived = archive.find(id)?;
            let device = archive.companion(&archived)?;
            if let Some(live) = archive.live_copy(&device)? {
                return Err(HistoryError::Live { id, live });
            }
            audit.append(AuditKind::Farewell, Subject::archive(Trigger::Recovery, id))?;
            let workshop = Workshop::set_up(&archive.dir, turn)?;
            let dir = DataDir::new(workshop.place("departing"));
            let path = dir.generation(GenerationId(1));
            std::fs::create_dir(dir.root())
                .and_then(|()| atomic::copy_dir(&archived.path, &path))
                .map_err(HistoryError::io(&path))?;
            Ok((workshop, dir))
        })
        .await?;
        let copy = dir.generation(GenerationId(1));
        self.keys.lend(&self.dir, &copy).await?;
        Ok(Departing {
            id,
            archive: self.clone(),
            dir,
            _workshop: workshop,
        })
    }
}

impl Departing {
    /// The copy, as the one generation of a data directory.
    pub fn dir(&self) -> &DataDir {
        &self.dir
    }

    /// Removes the copy, which nobody has open any more. Of a link that was logged out every archive says so, and none is restored any more.
    ///
    /// # Errors
    /// [`HistoryError`]; a restore finds out from WhatsApp then.
    pub async fn end(self, logged_out: bool) -> Result<(), HistoryError> {
        if !logged_out {
            return Ok(());
        }
        let (archive, id) = (self.archive.clone(), self.id);
        blocking(move || {
            let device = archive.companion(&archive.find(id)?)?;
            let now = Stamp::now();
            for mut copy in archive.copies(&device)? {
                if let Some(manifest) = &mut copy.manifest {
                    manifest.logged_out.get_or_insert_with(|| now.clone());
                    manifest
                        .write(&copy.path)
                        .map_err(HistoryError::io(&copy.path))?;
                }
            }
            Ok(())
        })
        .await
    }
}
