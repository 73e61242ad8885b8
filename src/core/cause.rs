//! Why things are as they are, for people.

/// The typed reason of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    /// What it is about.
    pub class: CauseClass,
    /// Its stable name.
    pub code: CauseCode,
    /// The server's number, where there is one.
    pub number: Option<u16>,
}
