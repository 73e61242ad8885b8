//! What a look at the audit finds.

/// The result of [`Audit::verify`](super::Audit::verify).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Entries that are whole.
    pub entries: u64,
    /// Bytes at the end that never became an entry: a power cut while one was written. Harmless.
    pub torn_tail: Option<usize>,
    /// The faults found; empty when the log is sound.
    pub faults: Vec<Fault>,
}

/// One thing wrong with the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A line is not what was written.
    #[error("line {line} was altered")]
    Altered {
        /// Counts from 1.
        line: usize,
    },
    /// Entries are not where they belong.
    #[error("entries {first} to {last} are missing where they belong")]
    Missing {
        /// The first one.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// An entry stands behind a later one, or twice.
    #[error("entry {seq} in line {line} is out of order")]
    OutOfOrder {
        /// Counts from 1.
        line: usize,
        /// The entry.
        seq: u64,
    },
    /// An entry is whole, but does not continue the one before it.
    #[error("entry {seq} in line {line} does not continue the entry before it")]
    Unchained {
        /// Counts from 1.
        line: usize,
        /// The entry.
        seq: u64,
    },
    /// An entry is not sealed, though one before it is.
    #[error(
        "entry {seq} in line {line} is not sealed, and those before it are: it was written without the key"
    )]
    Unsealed {
        /// Counts from 1.
        line: usize,
        /// The entry.
        seq: u64,
    },
    /// Entries are sealed with a key that is not here.
    #[error(
        "entries {first} to {last} are sealed with a key that this machine does not have, so they cannot be checked"
    )]
    NoKey {
        /// The first one.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// The machine has a key, and the log does not end in an entry under it.
    #[error(
        "the log does not end in an entry that is sealed with this machine's key: it was written anew, or removed"
    )]
    NotSealed,
    /// Something else names an entry that is not there.
    #[error(
        "{place} names entry {seq}, and the log does not have it: it was cut back, altered, or begun anew"
    )]
    Contradicted {
        /// What names it.
        place: String,
        /// The entry.
        seq: u64,
    },
    /// The file that names the last entry is missing or unreadable, so entries may be missing at the end.
    #[error("the head file is missing or unreadable; entries may be missing at the end")]
    NoHead,
}
