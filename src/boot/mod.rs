//! Concludes how the last run ended, and runs the boot steps before the daemon.
//!
//! The end of the last run is concluded from signals that do not depend on each other:
//!
//! - [`Evidence`]: what each signal said (`mark`, `kernel`, `reset`, `filesystem`), and the [`Verdict`] over them
//! - [`RunMark`]: our own note of a run, closed by an orderly stop
//! - [`BootReport`]: all of it for people, kept in the data directory
//!
//! `holdfast-boot STEP...`, run as root by the units ([`Step`]):
//!
//! - [`accompany`]: the first picture on the panel
//! - `early`: the signals that do not outlive the check and the mount of the data partition (`superblock`)
//! - `card`: makes, checks and mounts it
//! - `partition`: what it holds, and what becomes of one that cannot be used (`set_aside`)
//! - [`settings`]: the owner's settings on the boot partition; `audit_key` and `age`: what seals the audit, and how far the data had come, beside them
//! - `firmware`: the boot partition, read-only but for a moment
//! - [`forget`]: the factory reset; `blank`: what becomes of a file with keys before
//! - [`wifi`]: what the daemon is told of the Wi-Fi, and may ask about it
//! - [`LastKnownGood`]: a clock that does not start in the past

mod age;
mod audit_key;
mod blank;
mod card;
mod clock;
mod early;
mod evidence;
mod filesystem;
mod firmware;
pub mod forget;
mod host_key;
mod kernel;
mod mark;
mod panel;
mod partition;
mod program;
mod report;
mod reset;
mod set_aside;
pub mod settings;
mod step;
mod superblock;
mod user;
pub mod wifi;

use std::fs;
use std::io;
use std::path::Path;

use holdfast_medium::Machine;
use serde::{Deserialize, Serialize};

pub use clock::{LastKnownGood, is_behind};
pub use early::Early;
pub use evidence::{Evidence, Verdict};
pub use filesystem::Recovery;
pub use kernel::{Clock, Dump};
pub use mark::{Mark, Run, RunMark};
pub use panel::accompany;
pub use report::{BootReport, Finding, Signal, Stage, Stages};
pub use reset::{Reset, Watchdog};
pub use set_aside::set_aside;
pub use step::{Boot, Step};

/// Where evidence and reports are kept, inside the data directory.
const DIR: &str = "boot";
/// Where the steps leave their notes to each other and to the daemon.
const NOTES: &str = "run/holdfast";

/// Leaves a note to the daemon in `/run`, which everybody may read and nobody keeps; whoever reads it finds it whole.
fn note(machine: &Machine, path: &str, value: &impl Serialize) -> io::Result<()> {
    let path = machine.file(path);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let new = path.with_added_extension("new");
    fs::write(&new, serde_json::to_vec(value)?)?;
    fs::rename(new, path)
}

/// A signal's value. Absent and unreadable are not the same: silence tells something, an error nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Said<T> {
    /// It was asked, and has nothing to tell.
    Absent,
    /// This.
    Present(T),
    /// It could not be asked, and why.
    Unreadable(String),
}

impl<T> Said<T> {
    /// Returns the value, when there is one.
    pub fn present(&self) -> Option<&T> {
        match self {
            Self::Present(value) => Some(value),
            Self::Absent | Self::Unreadable(_) => None,
        }
    }

    fn and_then<U>(self, next: impl FnOnce(T) -> Said<U>) -> Said<U> {
        match self {
            Self::Absent => Said::Absent,
            Self::Present(value) => next(value),
            Self::Unreadable(why) => Said::Unreadable(why),
        }
    }
}

impl Said<String> {
    /// The text of a file, trimmed.
    fn of_file(path: &Path) -> Self {
        match fs::read_to_string(path) {
            Ok(text) => Self::Present(text.trim().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::Absent,
            Err(error) => Self::Unreadable(format!("{}: {error}", path.display())),
        }
    }
}
