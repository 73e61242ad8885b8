//! How often something may happen.

use alloc::vec::Vec;

use super::Moments;

/// At most `N` times within any window of `window_ms`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Budget<const N: usize> {
    window_ms: u64,
    /// Until when the last `N` count, the oldest at `next`.
    counts_until: [Option<u64>; N],
    next: usize,
}

impl<const N: usize> Budget<N> {
    pub(crate) fn new(window_ms: u64) -> Self {
        Self {
            window_ms,
            counts_until: [None; N],
            next: 0,
        }
    }

    /// When it may happen again, if not now.
    pub(crate) fn blocked_until(&self, now: u64) -> Option<u64> {
        self.counts_until[self.next].filter(|until| *until > now)
    }

    /// Notes that it happens now, whether it may or not.
    pub(crate) fn take(&mut self, now: u64) {
        self.note(now.saturating_add(self.window_ms));
    }

    /// For how long each that happened still counts, milliseconds, the oldest first.
    pub(crate) fn left(&self, now: u64) -> Vec<u64> {
        let (new, old) = self.counts_until.split_at(self.next);
        old.iter()
            .chain(new)
            .flatten()
            .map(|until| until.saturating_sub(now))
            .filter(|left| *left > 0)
            .collect()
    }

    /// Goes on from what [`Budget::left`] said.
    pub(crate) fn resume(&mut self, left: &[u64], now: u64) {
        for left in left {
            self.note(now.saturating_add(*left.min(&self.window_ms)));
        }
    }

    pub(crate) fn rebase(&mut self, moments: Moments) {
        // In the order of time, from the slot that is taken next.
        self.counts_until.rotate_left(self.next);
        self.next = 0;
        for until in &mut self.counts_until {
            moments.counts(until);
        }
    }

    fn note(&mut self, until: u64) {
        self.counts_until[self.next] = Some(until);
        self.next = (self.next + 1) % N;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides() {
        let mut budget = Budget::<2>::new(60);
        assert_eq!(budget.blocked_until(0), None);
        budget.take(0);
        budget.take(50);
        assert_eq!(budget.blocked_until(59), Some(60));
        assert_eq!(budget.blocked_until(60), None);
        budget.take(60);
        assert_eq!(
            budget.blocked_until(61),
            Some(110),
            "the one at 50 still counts"
        );
    }

    #[test]
    fn a_restart_changes_nothing_but_the_clock() {
        let mut before = Budget::<3>::new(60);
        (0..5).for_each(|at| before.take(10 * at));
        assert_eq!(before.left(45), [35, 45, 55]);

        let mut after = Budget::<3>::new(60);
        after.resume(&[20, 30, 40], 1_000);
        assert_eq!(after.blocked_until(1_000), Some(1_020));
        assert_eq!(after.left(1_020), [10, 20]);

        let mut absurd = Budget::<1>::new(60);
        absurd.resume(&[u64::MAX], 1_000);
        assert_eq!(absurd.blocked_until(1_000), Some(1_060));
    }
}
