//! Whether something outlives a restart.

/// Whether a row of a table outlives a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It is written down under this key. The keys are on people's disks: they stay.
    As(&'static str),
    /// A restart forgets it.
    Not,
}

impl Kept {
    /// The key it is written down under.
    pub(crate) fn key(self) -> Option<&'static str> {
        match self {
            Self::As(key) => Some(key),
            Self::Not => None,
        }
    }
}
