//! What was: retired generations, and the record of who had them retired.

mod archive;
mod audit;
mod room;
mod stamp;

use std::io;
use std::path::{Path, PathBuf};

pub use archive::{Archive, Archived, Lineage, Manifest};
pub use audit::{Audit, Fault, Kind, Verdict};
pub use stamp::Stamp;

use holdfast_core::Trigger;

/// Why the history cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// A file or directory cannot be read or written.
    #[error("{} cannot be read or written: {source}; check the data partition", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The archive holds a generation of this name, and it is never overwritten.
    #[error("{} exists, and so does the generation to be put there; move one of them away by hand", .path.display())]
    Exists {
        /// The place in the archive.
        path: PathBuf,
    },
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

/// How a trigger is written down.
fn name(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Button => "button",
        Trigger::Bus => "bus",
        Trigger::Server => "server",
        Trigger::Recovery => "recovery",
    }
}
