//! Making room: the oldest generation of the archive goes for good.

use std::fs;
use std::io;

use holdfast_core::{ArchiveId, Trigger};
use holdfast_medium::atomic;

use super::archive::names;
use super::{Archive, Audit, AuditKind, HistoryError, Subject};

/// Ends the name of a generation whose removal was decided: it is no generation any more.
const DROPPED: &str = "dropped";

impl Archive {
    /// Writes the audit entry and removes the oldest generation of the archive. `None` when the archive is empty. A removal that is cut short is finished by [`Archive::finish_dropping`].
    ///
    /// # Errors
    /// [`HistoryError::Io`]; then the generation is still there, or named as dropped.
    pub fn drop_oldest(&self, audit: &Audit) -> Result<Option<ArchiveId>, HistoryError> {
        let Some(oldest) = self.list()?.into_iter().next() else {
            return Ok(None);
        };
        audit.append(
            AuditKind::Drop,
            Subject::archive(Trigger::Recovery, oldest.id),
        )?;
        // What it used must not come again.
        self.mark(oldest.id, &oldest.path);
        let failed = HistoryError::io(&oldest.path);
        fs::rename(&oldest.path, oldest.path.with_added_extension(DROPPED)).map_err(&failed)?;
        atomic::sync_dir(&self.dir.archive()).map_err(&failed)?;
        self.finish_dropping()?;
        Ok(Some(oldest.id))
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
