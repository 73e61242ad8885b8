//! The presence pulse: a companion that is available mutes the phone's notifications, so that this one never is; one that never
//! shows itself is taken for dead. So it shows itself once a day.

use crate::ground::{DAY, Moments};

/// The moment of the next sign of life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Pulse {
    at: Option<u64>,
}

impl Pulse {
    /// Begins to beat: a day after we were first seen.
    pub(crate) fn begin(&mut self, now: u64) {
        self.at.get_or_insert(now.saturating_add(DAY));
    }

    pub(crate) fn deadline(&self) -> Option<u64> {
        self.at
    }

    /// Takes the sign of life that is due, if one is.
    pub(crate) fn beat(&mut self, now: u64) -> bool {
        let due = self.at.is_some_and(|at| at <= now);
        if due {
            self.at = Some(now.saturating_add(DAY));
        }
        due
    }

    /// How long until then, milliseconds.
    pub(crate) fn left(&self, now: u64) -> Option<u64> {
        self.at.map(|at| at.saturating_sub(now))
    }

    /// Goes on from what [`Pulse::left`] said: one that is restarted daily shows itself as well.
    pub(crate) fn resume(&mut self, left: u64, now: u64) {
        self.at = Some(now.saturating_add(left.min(DAY)));
    }

    pub(crate) fn rebase(&mut self, moments: Moments) {
        if let Some(at) = &mut self.at {
            moments.due(at);
        }
    }
}
