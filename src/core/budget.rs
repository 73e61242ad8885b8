//! How often something may happen.

/// At most `N` times within any window of `window_ms`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Budget<const N: usize> {
    window_ms: u64,
    /// When the last `N` happened, the oldest at `next`.
    taken: [Option<u64>; N],
    next: usize,
}

impl<const N: usize> Budget<N> {
    pub(crate) fn new(window_ms: u64) -> Self {
        Self {
            window_ms,
            taken: [None; N],
            next: 0,
        }
    }

    /// When it may happen again, if not now.
    pub(crate) fn blocked_until(&self, now: u64) -> Option<u64> {
        let free = self.taken[self.next]?.saturating_add(self.window_ms);
        (free > now).then_some(free)
    }

    /// Notes that it happens now, whether it may or not.
    pub(crate) fn take(&mut self, now: u64) {
        self.taken[self.next] = Some(now);
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
}
