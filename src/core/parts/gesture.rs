//! The button: a state machine that turns presses into meanings.
//!
//! Short: on with it, or to the next page when connected. Held for [`HOLD_MS`]: "re-link?", or a new pairing when nothing
//! is linked. While the question stands a short press is yes; a long one, or [`ASK_MS`] of silence, is no.

use crate::ground::Moments;

/// How long a hold lasts, milliseconds.
const HOLD_MS: u64 = 5_000;
/// How long the question stands, milliseconds.
const ASK_MS: u64 = 30_000;

/// Where the finger is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Gesture {
    #[default]
    Up,
    Down {
        since: u64,
    },
    /// Down, but it has done its part, or was down through boot.
    Spent,
    /// The question stands.
    Asking {
        until: u64,
        press: Press,
    },
}

/// The finger while the question stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Press {
    /// Still the hold that raised it.
    Opening,
    Up,
    Down {
        since: u64,
    },
}

/// The meaning of a press.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Meaning {
    Short,
    Hold,
    Confirm,
}

impl Gesture {
    pub(crate) fn pressed(&mut self, now: u64) {
        match self {
            Self::Up => *self = Self::Down { since: now },
            Self::Asking { press, .. } if *press == Press::Up => {
                *press = Press::Down { since: now }
            }
            Self::Down { .. } | Self::Spent | Self::Asking { .. } => {}
        }
    }

    pub(crate) fn released(&mut self) -> Option<Meaning> {
        match self {
            Self::Up => None,
            Self::Spent => {
                *self = Self::Up;
                None
            }
            Self::Down { .. } => {
                *self = Self::Up;
                Some(Meaning::Short)
            }
            Self::Asking {
                press: Press::Down { .. },
                ..
            } => {
                *self = Self::Up;
                Some(Meaning::Confirm)
            }
            Self::Asking { press, .. } => {
                *press = Press::Up;
                None
            }
        }
    }

    /// The moment something changes without the finger moving.
    pub(crate) fn deadline(&self) -> Option<u64> {
        match *self {
            Self::Up | Self::Spent => None,
            Self::Down { since } => Some(since.saturating_add(HOLD_MS)),
            Self::Asking {
                until,
                press: Press::Down { since },
            } => Some(until.min(since.saturating_add(HOLD_MS))),
            Self::Asking { until, .. } => Some(until),
        }
    }

    pub(crate) fn rebase(&mut self, moments: Moments) {
        match self {
            Self::Up | Self::Spent => {}
            Self::Down { since } => moments.since(since, HOLD_MS),
            Self::Asking { until, press } => {
                moments.due(until);
                if let Press::Down { since } = press {
                    moments.since(since, HOLD_MS);
                }
            }
        }
    }

    /// A press that is under way means nothing, nor does a question that stands.
    pub(crate) fn spend(&mut self) {
        *self = Self::Spent;
    }

    /// Until when the question stands, when it does.
    pub(crate) fn asks_until(&self) -> Option<u64> {
        match *self {
            Self::Asking { until, .. } => Some(until),
            Self::Up | Self::Down { .. } | Self::Spent => None,
        }
    }

    /// To be called when the deadline has come.
    pub(crate) fn due(&mut self) -> Option<Meaning> {
        let held = matches!(self, Self::Down { .. });
        self.drop_question();
        if held {
            *self = Self::Spent;
        }
        held.then_some(Meaning::Hold)
    }

    /// Raises the question; the finger is still down.
    pub(crate) fn ask(&mut self, now: u64) {
        *self = Self::Asking {
            until: now.saturating_add(ASK_MS),
            press: Press::Opening,
        };
    }

    /// The question makes no sense any more.
    pub(crate) fn drop_question(&mut self) {
        match self {
            Self::Asking {
                press: Press::Up, ..
            } => *self = Self::Up,
            Self::Asking { .. } => *self = Self::Spent,
            Self::Up | Self::Down { .. } | Self::Spent => {}
        }
    }
}
