//! Moments on the monotonic clock, and how they are rebased.

use super::units::DAY;

/// The moment a step happens in. Deadlines are kept on the monotonic clock only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Now {
    /// Milliseconds since an arbitrary start, never stepping back.
    pub mono_ms: u64,
}

impl Now {
    /// The moment that every rebased state is in. No moment that still counts is further back.
    pub(crate) const REBASED: Self = Self { mono_ms: DAY };

    /// The milliseconds until a moment to come; 0 once it has passed.
    pub(crate) fn until(self, at: u64) -> u64 {
        at.saturating_sub(self.mono_ms)
    }
}

/// Rebases moments: each is moved as if the present one had been [`Now::REBASED`].
#[derive(Clone, Copy)]
pub(crate) struct Moments {
    now: Now,
}

impl Moments {
    pub(crate) fn at(now: Now) -> Self {
        Self { now }
    }

    /// The moment that becomes [`Now::REBASED`], milliseconds.
    pub(crate) fn now(self) -> u64 {
        self.now.mono_ms
    }

    /// Rebases a deadline; one that has passed is as good as now.
    pub(crate) fn due(self, at: &mut u64) {
        *at = Now::REBASED.mono_ms.saturating_add(self.now.until(*at));
    }

    /// Rebases a moment in the past; what is longer ago than `counts_ms` makes no difference.
    pub(crate) fn since(self, at: &mut u64, counts_ms: u64) {
        *at = Now::REBASED.mono_ms - self.now.mono_ms.saturating_sub(*at).min(counts_ms);
    }

    /// Rebases the moment until which something counts; `None` when that is over.
    pub(crate) fn counts(self, at: &mut Option<u64>) {
        *at = at.filter(|at| *at > self.now.mono_ms);
        at.iter_mut().for_each(|at| self.due(at));
    }
}
