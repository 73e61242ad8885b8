//! Handing an archive out as one encrypted file, and taking such a file in.
//!
//! An export fences its source: before the first byte leaves, every copy of that device here is marked as
//! exported, for good. What comes in is a new archive without the mark, so that at any time one place may run it.

use std::fs::File;

use holdfast_core::{ArchiveId, Trigger};
use holdfast_medium::{Secret, Stamp, blocking};

use super::{Archive, HistoryError, Manifest, Standing, Workshop, manifest, names, parcel};
use crate::history::{Audit, Kind, Subject};
use crate::vault::restore::companion;

/// The fewest characters of a passphrase. The file is all it takes to be this device.
pub const MIN_PASSPHRASE: usize = 8;

impl Archive {
    /// Writes an archive, encrypted with a passphrase, to a file that is open for writing; its owner makes it durable.
    /// From then on no copy of this device is restored here. It may be exported again: the file may have been lost on
    /// its way, and it is the same copy.
    ///
    /// # Errors
    /// [`HistoryError`]; after [`HistoryError::Output`] it counts as exported all the same.
    pub async fn export(
        &self,
        audit: &Audit,
        id: ArchiveId,
        passphrase: Secret<String>,
        output: File,
    ) -> Result<(), HistoryError> {
        let turn = self.turn().await;
        let (archive, audit) = (self.clone(), audit.clone());
        blocking(move || {
            let _turn = turn;
            if passphrase.expose().chars().count() < MIN_PASSPHRASE {
                return Err(HistoryError::ShortPassphrase);
            }
            match archive.standing(id)? {
                Standing::Exported(_) => {}
                standing => standing.check(id)?,
            }
            let archived = archive.find(id)?;
            let device = companion(&archived.path)?.ok_or(HistoryError::NeverLinked { id })?;
            if let Some(live) = archive.live_copy(&device)? {
                return Err(HistoryError::Live { id, live });
            }
            audit.append(Kind::Export, Subject::archive(Trigger::Bus, id))?;
            let now = Stamp::now();
            for mut copy in archive.copies(&device)? {
                if let Some(manifest) = &mut copy.manifest {
                    manifest.exported.get_or_insert_with(|| now.clone());
                    manifest
                        .write(&copy.path)
                        .map_err(HistoryError::io(&copy.path))?;
                }
            }
            parcel::pack(&archived.path, id, &passphrase, output)
        })
        .await
    }

    /// Takes an exported archive in under a name of its own.
    ///
    /// # Errors
    /// [`HistoryError`]; nothing is left behind.
    pub async fn import(
        &self,
        audit: &Audit,
        passphrase: Secret<String>,
        input: File,
    ) -> Result<ArchiveId, HistoryError> {
        let turn = self.turn().await;
        let (archive, audit) = (self.clone(), audit.clone());
        blocking(move || {
            let _turn = turn;
            let workshop = Workshop::set_up(&archive.dir)?;
            let path = workshop.place("import");
            parcel::unpack(input, &passphrase, &path)?;
            let mut manifest = Manifest::read(&path).ok_or(HistoryError::Foreign)?;
            let failed = HistoryError::io(&path);
            if manifest::settle(&path).map_err(&failed)? != manifest.files {
                return Err(HistoryError::Altered);
            }
            companion(&path)?.ok_or(HistoryError::Foreign)?;
            let id = archive.next_import()?;
            let there = std::mem::replace(&mut manifest.id, id.to_string());
            manifest.lineage.imported_from = Some(there);
            manifest.exported = None;
            manifest.write(&path).map_err(&failed)?;
            audit.append(Kind::Import, Subject::archive(Trigger::Bus, id))?;
            archive.bring(&path, &archive.archived(id).path)?;
            Ok(id)
        })
        .await
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
