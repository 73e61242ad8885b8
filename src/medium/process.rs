//! The process: what the system lets it have, and what it leaves behind.

use std::io;

use rustix::io::Errno;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

/// So many descriptors are asked for, where the system allows them: ours, and those of the clients.
const DESCRIPTORS: u64 = 1024;

/// Has this process leave no core dump behind: the keys are in its memory. Nobody but root may trace it either.
///
/// # Errors
/// The kernel refuses; a dump is possible.
pub fn leave_no_core() -> io::Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)?;
    // The limit does not hold where dumps go to a program (core(5)).
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Asks for more descriptors where there are few, and returns how many this process may have.
pub fn descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(DESCRIPTORS).min(DESCRIPTORS);
    let now = limit.current.unwrap_or(DESCRIPTORS);
    let more = Rlimit {
        current: Some(most),
        maximum: limit.maximum,
    };
    match now < most && setrlimit(Resource::Nofile, more).is_ok() {
        true => most,
        false => now,
    }
}

/// A resource that the system has no more of. The medium has nothing to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exhausted {
    /// File descriptors: of this process, or of the whole system.
    Descriptors,
    /// Memory.
    Memory,
    /// Threads, or processes.
    Threads,
}

impl Exhausted {
    /// Tells whether a call failed for want of one (errno(3)). Of files nothing is ever asked that would be better asked again.
    pub fn of(error: &io::Error) -> Option<Self> {
        match Errno::from_io_error(error)? {
            Errno::MFILE | Errno::NFILE => Some(Self::Descriptors),
            Errno::NOMEM => Some(Self::Memory),
            Errno::AGAIN => Some(Self::Threads),
            _ => None,
        }
    }
}

/// Says what to do about a failed call on a file of the data partition.
pub fn remedy(error: &io::Error) -> &'static str {
    match Exhausted::of(error) {
        Some(_) => {
            "the system has no more of what this takes, the partition has nothing to do with it"
        }
        None => "check the data partition's space, permissions and health",
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::dumpable_behavior;

    use super::*;

    #[test]
    fn no_core_is_left_behind() {
        leave_no_core().unwrap();
        let behavior = dumpable_behavior().unwrap();
        assert!(matches!(behavior, DumpableBehavior::NotDumpable));
        assert_eq!(getrlimit(Resource::Core).current, Some(0));
    }

    #[test]
    fn what_the_system_lacks_is_not_the_medium_s_fault() {
        let of = |errno: Errno| Exhausted::of(&io::Error::from(errno));
        assert_eq!(of(Errno::MFILE), Some(Exhausted::Descriptors));
        assert_eq!(of(Errno::NFILE), Some(Exhausted::Descriptors));
        assert_eq!(of(Errno::NOMEM), Some(Exhausted::Memory));
        assert_eq!(of(Errno::AGAIN), Some(Exhausted::Threads));
        assert_eq!(of(Errno::IO), None);
        assert_eq!(Exhausted::of(&io::Error::other("no errno")), None);
    }
}
