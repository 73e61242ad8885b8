//! New versions of the device: a client of RAUC, which installs them into the slot that does not run, and of an index, which names them.
//!
//! - [`Rauc`]: installs a bundle, says what lies in the slots, and has one stay
//! - [`Index`]: what there is, signed; [`Key`]: whose word counts
//! - [`Depot`]: the bundle on its way, on the data partition; [`Web`]: where it comes from
//! - [`Device`]: the slot and the version that run; [`Record`]: what one boot leaves to the next
//!
//! Nothing is decided here: the core says when, and RAUC what is sound.

mod depot;
mod device;
mod index;
mod rauc;
mod record;
mod web;

use std::io;
use std::path::PathBuf;

use holdfast_core::CauseCode;
use holdfast_medium::Stopped;

pub use depot::{Depot, Wanted};
pub use device::Device;
pub use index::{Index, Key, Offer};
pub use rauc::{Rauc, Slot};
pub use record::{CUT_OFF, Outcome, Record, end_trial};
pub use web::Web;

/// There in the runtime directory while this process judges the trial of a new version, and restarts the machine itself where it has to:
/// `holdfast-trial.timer` then leaves it alone.
pub const JUDGED: &str = "trial-is-judged";

/// Why an update comes to nothing. What runs is untouched.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// There is no RAUC to talk to.
    #[error("RAUC, which installs new versions, does not answer: {0}")]
    NoInstaller(String),
    /// RAUC says no, in these words.
    #[error("{0}")]
    Refused(String),
    /// The index cannot be read.
    #[error("the list of new versions cannot be read: {0}")]
    Unreachable(String),
    /// The index is not what the key has signed, or cannot be understood.
    #[error("the list of new versions is not to be trusted: {0}")]
    Untrusted(&'static str),
    /// The index has nothing for this kind of device.
    #[error("the list of new versions has none for {compatible}")]
    NotForUs {
        /// What this device is.
        compatible: String,
    },
    /// The step from the version that runs is too large.
    #[error("{version} takes a device that runs {minimum} or newer; install that first")]
    TooLarge {
        /// The newest.
        version: String,
        /// The oldest that it can be installed on.
        minimum: String,
    },
    /// The data partition has no room for it.
    #[error("it needs {needs} MiB on the data partition, where {has} MiB may be used for it")]
    NoRoom {
        /// MiB, rounded up.
        needs: u64,
        /// MiB.
        has: u64,
    },
    /// It did not come whole.
    #[error("it was not fetched whole: {0}")]
    NotFetched(String),
    /// What came is not what the index names.
    #[error("what was fetched is not what the list names: its SHA-256 differs")]
    Altered,
    /// A file cannot be used.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Holdfast is stopping.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl UpdateError {
    /// The cause that the owner is told of.
    pub fn code(&self) -> CauseCode {
        match self {
            Self::NoInstaller(_) => CauseCode::UpdateNoInstaller,
            Self::Refused(_) | Self::TooLarge { .. } => CauseCode::UpdateRefused,
            Self::Unreachable(_) => CauseCode::UpdateUnreachable,
            Self::Untrusted(_) => CauseCode::UpdateUntrusted,
            Self::NotForUs { .. } => CauseCode::UpdateNotForUs,
            Self::NoRoom { .. } => CauseCode::UpdateNoRoom,
            Self::NotFetched(_) | Self::Altered | Self::Io { .. } | Self::Stopped(_) => {
                CauseCode::UpdateNotFetched
            }
        }
    }
}
