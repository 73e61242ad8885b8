//! Making room: the oldest generation of the archive goes for good.

use std::fs;
use std::io;

use holdfast_core::{ArchiveId, Trigger};
use holdfast_medium::{atomic, blocking};

use super::archive::names;
use super::{Archive, Archived, Audit, AuditKind, HistoryError, Manifest, Subject};

/// Ends the name of a generation whose removal was decided: it is no generation any more.
const DROPPED: &str = "dropped";

impl Archive {
    /// Writes the audit entry and removes the archive that came first, if one may go: never the newest that was retired here, which undoes
    /// the last re-link, and none that is being written out. A removal that is cut short is finished by [`Archive::finish_dropping`].
    ///
    /// # Errors
    /// [`HistoryError::Busy`] while a restore or a log-out goes on; [`HistoryError::Io`]: then it is still there, or named as dropped.
    pub async fn drop_oldest(&self, audit: &Audit) -> Result<Option<ArchiveId>, HistoryError> {
        let turn = self.turn_soon().await?;
        let (archive, audit) = (self.clone(), audit.clone());
        blocking(move || {
            let _turn = turn;
            let Some(oldest) = archive.first_to_go()? else {
                return Ok(None);
            };
            audit.append(
                AuditKind::Drop,
                Subject::archive(Trigger::Recovery, oldest.id),
            )?;
            // What it used must not come again.
            archive.mark(oldest.id, &oldest.path);
            let failed = HistoryError::io(&oldest.path);
            fs::rename(&oldest.path, oldest.path.with_added_extension(DROPPED)).map_err(&failed)?;
            atomic::sync_dir(&archive.dir.archive()).map_err(&failed)?;
            archive.finish_dropping()?;
            Ok(Some(oldest.id))
        })
        .await
    }

    fn first_to_go(&self) -> Result<Option<Archived>, HistoryError> {
        let mut archives = self.list()?;
        let retired = archives.iter().map(|archived| archived.id);
        let newest = retired
            .filter(|id| matches!(id, ArchiveId::Retired(_)))
            .max();
        let leaving = self.leaving.lock().clone();
        archives.retain(|archived| Some(archived.id) != newest && !leaving.contains(&archived.id));
        // One without a manifest is good for nothing any more.
        archives.sort_by_key(|archived| archived.manifest.as_ref().map(Manifest::came_ms));
        Ok(archives.into_iter().next())
    }

    /// How many generations the archive holds.
    ///
    /// # Errors
    /// [`HistoryError::Io`].
    pub fn count(&self) -> Result<u32, HistoryError> {
        let held: Vec<ArchiveId> = names(&self.dir.archive())?;
        Ok(u32::try_from(held.len()).unwrap_or(u32::MAX))
    }

    /// Removes what was named as dropped before the power went.
    ///
    /// # Errors
    /// [`HistoryError::Io`].
    pub fn finish_dropping(&self) -> Result<(), HistoryError> {
        let archive = self.dir.archive();
        let failed = HistoryError::io(&archive);
        let entries = match fs::read_dir(&archive) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(&failed)?,
        };
        for entry in entries {
            let path = entry.map_err(&failed)?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == DROPPED)
            {
                fs::remove_dir_all(&path).map_err(&failed)?;
            }
        }
        Ok(())
    }
}
