//! The grace of a network that is only coming up: what is missing of it is told when it has been missing for a while.

use crate::ground::{CauseCode, Moments, SECOND};

/// How long something may be missing. A start meets a cable, an address and a route one after another within two seconds.
const GRACE_MS: u64 = 3 * SECOND;

/// Until when nothing is told, and what was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Grace {
    until: Option<u64>,
    told: Option<CauseCode>,
}

impl Grace {
    /// Something is missing. Where another part was before, the time is that one's.
    pub(crate) fn begin(&mut self, missing: CauseCode, now: u64) {
        if self.told != Some(missing) {
            let until = now.saturating_add(GRACE_MS);
            self.until.get_or_insert(until);
        }
    }

    /// When what is missing is to be told.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.until
    }

    /// It is told.
    pub(crate) fn tell(&mut self, missing: CauseCode) {
        self.until = None;
        self.told = Some(missing);
    }

    /// Nothing is missing any more.
    pub(crate) fn end(&mut self) {
        self.until = None;
    }

    /// Nothing that was missing is the matter any more: the next time is told again.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn rebase(&mut self, moments: Moments) {
        if let Some(at) = &mut self.until {
            moments.due(at);
        }
    }
}
