//! An edge's time stamp, and how long one is waited for.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Timeout of a wait that nothing limits.
pub(super) const LONG: Duration = Duration::from_secs(3600);

/// Tells the moment of a time stamp, which the kernel takes on `CLOCK_MONOTONIC`
/// (Documentation/userspace-api/gpio/chardev.rst).
pub(super) fn moment(stamp: Duration) -> Instant {
    let now = clock_gettime(ClockId::Monotonic);
    let now = Duration::new(
        now.tv_sec.try_into().unwrap_or_default(),
        now.tv_nsec.try_into().unwrap_or_default(),
    );
    let at = Instant::now();
    at.checked_sub(now.saturating_sub(stamp)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_a_moment_of_the_same_clock() {
        let now = clock_gettime(ClockId::Monotonic);
        let stamp = Duration::new(now.tv_sec as u64, now.tv_nsec as u32);
        let before = Instant::now();
        let age = before.saturating_duration_since(moment(stamp - Duration::from_secs(1)));
        assert!(
            (Duration::from_millis(900)..Duration::from_secs(30)).contains(&age),
            "{age:?}"
        );
        assert!(
            moment(Duration::MAX) <= Instant::now(),
            "never in the future"
        );
    }
}
