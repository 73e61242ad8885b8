//! The signals that do not outlive the check and the mount of the data partition, kept for the daemon.

use std::fs;
use std::io;
use std::path::Path;

use holdfast_medium::Machine;
use serde::{Deserialize, Serialize};

use super::card;
use super::filesystem::{self, Recovery};
use super::kernel::{self, Dump};
use super::reset::{self, Reset, Watchdog};
use super::{Said, superblock};

/// Where they are kept until the next boot.
const KEPT: &str = "run/holdfast/evidence.json";

/// The signals of one boot that do not outlive the mount of the data partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Early {
    /// The kernel's id of that boot.
    pub boot: Option<String>,
    /// Crashes the kernel kept.
    pub dumps: Said<Vec<Dump>>,
    /// Watchdogs with something to say.
    pub watchdogs: Said<Vec<Watchdog>>,
    /// The reset the firmware saw.
    pub reset: Said<Reset>,
    /// Whether the data partition's file system was cut off.
    pub recovery: Said<Recovery>,
    /// Errors it noted, ever.
    pub errors: Said<String>,
}

impl Early {
    /// Asks before the data partition is checked and mounted.
    pub(super) fn look(machine: &Machine) -> Self {
        let (recovery, errors) = superblock::read(&machine.file(card::DATA));
        Self::with(machine, recovery, errors)
    }

    /// Asks when it is mounted: the kernel's log may still tell of its recovery.
    pub(super) fn late(machine: &Machine, data: &Path) -> Self {
        Self::with(
            machine,
            filesystem::recovery(machine, data),
            filesystem::errors(machine, data),
        )
    }

    fn with(machine: &Machine, recovery: Said<Recovery>, errors: Said<String>) -> Self {
        Self {
            boot: boot(machine),
            dumps: kernel::dumps(machine),
            watchdogs: reset::watchdogs(machine),
            reset: reset::firmware(machine),
            recovery,
            errors,
        }
    }

    /// Reads what this boot's early step kept.
    pub(super) fn kept(machine: &Machine) -> Option<Self> {
        let kept = fs::read(machine.file(KEPT)).ok()?;
        let early: Self = serde_json::from_slice(&kept).ok()?;
        (early.boot.is_some() && early.boot == boot(machine)).then_some(early)
    }

    /// Keeps it for the rest of this boot.
    ///
    /// # Errors
    /// The daemon will have to look for itself, and may see less.
    pub(super) fn keep(&self, machine: &Machine) -> io::Result<()> {
        super::note(machine, KEPT, self)
    }
}

fn boot(machine: &Machine) -> Option<String> {
    kernel::clock(machine)
        .present()
        .map(|clock| clock.boot.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_counts_in_the_same_boot_alone() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::at(root.path());
        let id = machine.file("proc/sys/kernel/random/boot_id");
        fs::create_dir_all(id.parent().unwrap()).unwrap();
        fs::write(&id, "one\n").unwrap();
        assert_eq!(Early::kept(&machine), None);

        let early = Early::look(&machine);
        assert!(matches!(early.recovery, Said::Unreadable(_)));
        early.keep(&machine).unwrap();
        assert_eq!(Early::kept(&machine), Some(early));

        fs::write(&id, "two\n").unwrap();
        assert_eq!(Early::kept(&machine), None);
        fs::write(machine.file(KEPT), "{").unwrap();
        assert_eq!(Early::kept(&machine), None);
    }
}
