//! Which linking of the device is meant.

use core::fmt;

/// One linking of the device; a re-link starts the next. Counts from 1, shown as `gen-0007`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GenerationId(pub u32);

impl GenerationId {
    /// The generation a re-link starts.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for GenerationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gen-{:04}", self.0)
    }
}

/// The last four digits of the own account: all of a phone number that may be shown after pairing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastFour(pub [u8; 4]);

impl fmt::Display for LastFour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|digit| write!(f, "{}", char::from(*digit)))
    }
}
