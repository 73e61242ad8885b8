//! How long to wait before the next attempt.

/// Doubling waits: `base_ms`, twice that, … up to `cap_ms`, each give or take a tenth and never over the cap.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Backoff {
    base_ms: u64,
    cap_ms: u64,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(base_ms: u64, cap_ms: u64) -> Self {
        Self {
            base_ms,
            cap_ms,
            failures: 0,
        }
    }

    /// As after so many failures.
    pub(crate) fn resume(&mut self, failures: u32) {
        self.failures = failures;
    }

    /// Failures since the last clear.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// Counts a failure; how long to wait now, milliseconds.
    pub(crate) fn fail(&mut self, jitter: &mut Jitter) -> u64 {
        let doublings = self.failures.min(32);
        self.failures = self.failures.saturating_add(1);
        let wait = self.base_ms.saturating_mul(1 << doublings).min(self.cap_ms);
        jitter.around(wait).min(self.cap_ms)
    }

    /// Takes failures beyond so many for no more than that.
    pub(crate) fn forget_beyond(&mut self, failures: u32) {
        self.failures = self.failures.min(failures);
    }

    pub(crate) fn clear(&mut self) {
        self.failures = 0;
    }
}

/// Keeps many devices from knocking at the same moment: splitmix64, seeded once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Jitter(pub(crate) u64);

impl Jitter {
    /// `wait`, give or take a tenth.
    pub(crate) fn around(&mut self, wait: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        let tenth = wait / 10;
        wait - tenth + z % (2 * tenth + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn doubles_to_the_cap_give_or_take_a_tenth() {
        for seed in 0..50 {
            let (mut backoff, mut jitter) = (Backoff::new(3_000, 300_000), Jitter(seed));
            for nominal in [
                3_000, 6_000, 12_000, 24_000, 48_000, 96_000, 192_000, 300_000, 300_000,
            ] {
                let wait = backoff.fail(&mut jitter);
                assert!(
                    (nominal * 9 / 10..=nominal * 11 / 10).contains(&wait) && wait <= 300_000,
                    "{wait} for {nominal}"
                );
            }
            backoff.clear();
            assert!(backoff.fail(&mut jitter) <= 3_300);
        }
    }

    #[test]
    fn seeds_differ_and_repeat() {
        let waits = |seed| {
            let (mut backoff, mut jitter) = (Backoff::new(3_000, 300_000), Jitter(seed));
            (0..8)
                .map(|_| backoff.fail(&mut jitter))
                .collect::<Vec<_>>()
        };
        assert_eq!(waits(1), waits(1));
        assert_ne!(waits(1), waits(2));
    }

    #[test]
    fn never_overflows() {
        let (mut backoff, mut jitter) = (Backoff::new(u64::MAX / 2, u64::MAX / 2), Jitter(1));
        backoff.failures = u32::MAX;
        assert!(backoff.fail(&mut jitter) <= u64::MAX / 2);
        assert_eq!(backoff.failures(), u32::MAX);
    }
}
