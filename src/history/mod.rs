//! Keeps the past: retired generations, the audit of who had them retired, incidents, and WhatsApp's last
//! words.

mod archive;
mod audit;
mod incidents;
mod keys;
mod last_words;
mod room;
mod seal;
mod verdict;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use archive::MIN_PASSPHRASE;
pub use archive::{
    Archive, Archived, Arrived, Departing, GivenUp, LastExport, Lineage, Manifest, Origin,
    Passphrase, Prepared, Shown, Standing,
};
pub use audit::{Audit, AuditHead, AuditKind, Subject};
pub use incidents::{Incident, Incidents};
pub use keys::{Companion, Keys, KeysError, Reached, Restorable};
pub use last_words::{LastWord, LastWords};
pub use seal::AuditKey;
pub(crate) use seal::KEY_FILE;
pub use verdict::{Fault, Verdict};

use holdfast_core::{ArchiveId, GenerationId, Trigger};
use holdfast_medium::{Stamp, Stopped, remedy, space::is_full};

/// Why the history cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// A file or directory cannot be read or written.
    #[error("{} cannot be read or written: {source}; {}", .path.display(), remedy(.source))]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The archive holds a generation of this name, and it is never overwritten.
    #[error("{} exists, and so does the generation to be put there; move one of them away by hand", .path.display())]
    Exists {
        /// The place in the archive.
        path: PathBuf,
    },
    /// There is no archive of this name.
    #[error("there is no archive {id}; `holdfastctl archive list` shows what there is")]
    NoArchive {
        /// The archive asked for.
        id: ArchiveId,
    },
    /// Its manifest is damaged or lost.
    #[error(
        "the manifest of {id} cannot be read, so nobody knows whether it was revoked or exported; link anew instead"
    )]
    NoManifest {
        /// The archive.
        id: ArchiveId,
    },
    /// There is no link in it.
    #[error("{id} was never linked: there is nothing in it to go on with")]
    NeverLinked {
        /// The archive.
        id: ArchiveId,
    },
    /// WhatsApp revoked the device.
    #[error("{id} is revoked: WhatsApp ended this link when it was {by}; link anew instead")]
    Revoked {
        /// The archive.
        id: ArchiveId,
        /// The archive that was retired because of it.
        by: ArchiveId,
    },
    /// The copy in an exported file is the one that may run.
    #[error(
        "{id} was exported on {at}, and two copies must never run; import the exported file instead"
    )]
    Exported {
        /// The archive.
        id: ArchiveId,
        /// When.
        at: Stamp,
    },
    /// The same device is in use here.
    #[error(
        "{id} is the same device as {live}, which is in use; retire that first: `holdfastctl relink`"
    )]
    Live {
        /// The archive.
        id: ArchiveId,
        /// The generation in use.
        live: GenerationId,
    },
    /// Somebody else is at the archive, and takes long.
    #[error(
        "the archive is in use, by the log-out of an old link or by a look at one; try again in two minutes"
    )]
    Busy,
    /// The passphrase protects too little.
    #[error(
        "the passphrase is shorter than {MIN_PASSPHRASE} characters; the file is all it takes to be this device, so choose a longer one"
    )]
    ShortPassphrase,
    /// The passphrase does not open the file.
    #[error("the passphrase does not open this file; or the beginning of the file was altered")]
    Passphrase,
    /// The file is not as it was written.
    #[error("the file was altered or cut off; copy it again from where it was exported")]
    Altered,
    /// The file is something else.
    #[error("this is not an archive that Holdfast exported")]
    Foreign,
    /// The file's format is not known yet.
    #[error("the file has format {version}, of a newer Holdfast; update this one")]
    Newer {
        /// Its format.
        version: u32,
    },
    /// The exported file cannot be written.
    #[error(
        "the exported file cannot be written: {0}; the archive counts as exported, so export it again to a place with room"
    )]
    Output(#[source] io::Error),
    /// The file to be imported cannot be read.
    #[error("the file cannot be read: {0}")]
    Input(#[source] io::Error),
    /// It would take room that something else needs.
    #[error(
        "there is no room for it: it takes {} more, and {} are free above what the link and the archives need; nothing was removed for it; free some space, or use a larger card",
        Mebibytes(*.wanted),
        Mebibytes(*.spare)
    )]
    NoRoom {
        /// Bytes.
        wanted: u64,
        /// Bytes.
        spare: u64,
    },
    /// It is larger than an archive can be.
    #[error("this is larger than any archive can be, so it is none of a Holdfast's")]
    TooLarge,
    /// The keys in it cannot be read, or not be written.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The log of incidents cannot be read.
    #[error("the log of incidents cannot be read: {0}")]
    Incidents(#[source] io::Error),
    /// WhatsApp's last words cannot be read.
    #[error("what WhatsApp said cannot be read: {0}")]
    LastWords(#[source] io::Error),
    /// Holdfast ends meanwhile.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// There is no such generation, neither live nor in the archive.
    #[error("there is no generation in {} to be retired", .path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
}

impl HistoryError {
    /// Says which file or directory an I/O error is about.
    fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

impl From<HistoryError> for io::Error {
    /// The same error, as whoever makes room on a full partition understands it.
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Io { source, .. } if is_full(&source) => source,
            error => Self::other(error),
        }
    }
}

/// A size for people.
struct Mebibytes(u64);

impl fmt::Display for Mebibytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MiB", self.0.div_ceil(1 << 20))
    }
}

/// How a trigger is written down.
fn name(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Button => "button",
        Trigger::Bus => "bus",
        Trigger::Server => "server",
        Trigger::Recovery => "recovery",
    }
}
