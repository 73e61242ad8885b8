//! The last export that came to its end: how old the newest copy elsewhere is. An archive's own mark is set before, and stays where the
//! file was lost on its way.

use std::fs;
use std::io;

use holdfast_core::ArchiveId;
use holdfast_medium::{Stamp, atomic};
use serde::{Deserialize, Serialize};

use super::{Archive, HistoryError};

/// An archive that left whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastExport {
    /// Its name.
    pub id: String,
    /// When its last byte was written.
    pub at: Stamp,
}

impl Archive {
    /// The last export that came to its end; `None` where none ever did.
    ///
    /// # Errors
    /// [`HistoryError::Io`]: it cannot be read, and nobody knows.
    pub fn last_export(&self) -> Result<Option<LastExport>, HistoryError> {
        let path = self.dir.exported();
        let json = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(HistoryError::io(&path))?,
        };
        let last = serde_json::from_slice(&json).map_err(io::Error::from);
        last.map(Some).map_err(HistoryError::io(&path))
    }

    /// Writes down, durably, that this archive has left whole just now.
    pub(super) fn has_left(&self, id: ArchiveId) -> Result<(), HistoryError> {
        let path = self.dir.exported();
        let last = LastExport {
            id: id.to_string(),
            at: Stamp::now(),
        };
        let json = serde_json::to_vec(&last).map_err(io::Error::from);
        json.and_then(|json| self.reserve.relieved(|| atomic::replace(&path, &json)))
            .map_err(HistoryError::io(&path))
    }
}
