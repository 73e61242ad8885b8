//! The damage that opening the mail can find.

use std::fmt;
use std::ops::RangeInclusive;

/// A damage of the mail's files, or what looks like one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The last write was cut off, before it was promised to anybody. Harmless: it is written over.
    TornTail,
    /// The records with these sequence numbers cannot be read. They are damaged, or the last run's power was cut
    /// while they were being written.
    Lost(RangeInclusive<u64>),
    /// A record was written by a newer Holdfast and means nothing to this one.
    Foreign(u64),
    /// Neither copy of the cursors can be read: every consumer starts over at the oldest message kept.
    CursorsLost,
}

impl Finding {
    /// Whether something may be lost by it.
    pub fn is_loss(&self) -> bool {
        !matches!(self, Self::TornTail)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TornTail => write!(
                f,
                "the last write was cut off before it was promised; nothing is lost"
            ),
            Self::Lost(range) => {
                write!(
                    f,
                    "records {} to {} cannot be read",
                    range.start(),
                    range.end()
                )
            }
            Self::Foreign(seq) => write!(f, "record {seq} was written by a newer Holdfast"),
            Self::CursorsLost => {
                write!(
                    f,
                    "the consumers' cursors cannot be read; kept messages are delivered again"
                )
            }
        }
    }
}
