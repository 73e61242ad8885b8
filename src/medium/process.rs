//! The process: what the system lets it have, and what it leaves behind.

use std::io;
use std::num::NonZeroU64;
use std::thread;

use rustix::io::Errno;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};
use rustix::thread::set_current_timer_slack;

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

/// How late the threads of [`unhurried`] may wake up, nanoseconds: a minute.
const UNHURRIED: Option<NonZeroU64> = NonZeroU64::new(60_000_000_000);

/// Has the threads that this call starts wake up from waits with a time limit up to a minute late (`PR_SET_TIMERSLACK`, prctl(2):
/// a thread inherits it). It is for a library's idle threads that look about once a second; what wakes them before is not late.
pub fn unhurried<T>(call: impl FnOnce() -> T) -> T {
    let is_set = set_current_timer_slack(UNHURRIED);
    let done = call();
    if is_set.is_ok() {
        // 0 sets what the thread had at its start, and that was accepted once.
        let _ = set_current_timer_slack(None);
    }
    done
}

/// Gives the heap's pages that hold nothing back to the system (malloc_trim(3)): the allocator keeps them for itself, and on a small board
/// they are what others need. It reads the whole heap once.
pub fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "nobody else asks the allocator for it")]
    // SAFETY: it takes a number, is safe in threads, and what is in use stays where it is.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Fails where the system starts no thread for this process, for the sake of a library that would wait for one for ever.
///
/// # Errors
/// `EAGAIN`: the limit of processes of its user or service is reached.
pub fn can_start_a_thread() -> io::Result<()> {
    let thread = thread::Builder::new().spawn(|| ())?;
    thread.join().map_err(|_| io::Error::from(Errno::AGAIN))
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
    fn the_threads_of_a_call_are_unhurried_and_those_after_it_are_not() {
        let of_a_thread = || {
            let slack = || {
                let thread = rustix::thread::gettid().as_raw_pid();
                std::fs::read_to_string(format!("/proc/{thread}/timerslack_ns")).unwrap()
            };
            thread::spawn(slack).join().unwrap()
        };
        let ordinary = of_a_thread();
        assert_eq!(unhurried(of_a_thread), "60000000000\n");
        assert_eq!(of_a_thread(), ordinary);
    }

    #[test]
    #[cfg(target_env = "gnu")]
    fn memory_that_holds_nothing_is_given_back() {
        let resident = || {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("RssAnon:"));
            let kib = line.unwrap().trim().trim_end_matches(" kB");
            kib.parse::<usize>().unwrap() << 10
        };
        const SIZE: usize = 64 << 20;
        let mut pieces: Vec<_> = (0..SIZE >> 10).map(|_| vec![1_u8; 1 << 10]).collect();
        // The heap does not shrink by itself below what is still in use.
        let last = pieces.pop();
        drop(pieces);
        let kept = resident();
        give_memory_back();
        let given = kept.saturating_sub(resident());
        assert!(given > SIZE / 2, "{given} of {kept}");
        drop(last);
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
