//! The wall clock as the library may see it, and WhatsApp's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use wacore::time::TimeProvider;

/// A wall clock that follows steps forward and never steps back.
///
/// The library's keepalive compares wall-clock milliseconds, so a backward step (a Pi without an RTC, corrected by
/// NTP) would silence its watchdog until the clock has caught up.
struct ForwardClock {
    started: Instant,
    /// Unix milliseconds at `started`; only ever raised.
    base_ms: AtomicI64,
}

impl ForwardClock {
    fn new(floor: Option<SystemTime>) -> Self {
        let floor_ms = floor.map_or(0, unix_ms);
        Self {
            started: Instant::now(),
            base_ms: AtomicI64::new(unix_ms(SystemTime::now()).max(floor_ms)),
        }
    }

    fn at(&self, elapsed_ms: i64, wall_ms: i64) -> i64 {
        let base = wall_ms - elapsed_ms;
        self.base_ms.fetch_max(base, Ordering::Relaxed).max(base) + elapsed_ms
    }
}

impl TimeProvider for ForwardClock {
    fn now_millis(&self) -> i64 {
        let elapsed = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.at(elapsed, unix_ms(SystemTime::now()))
    }
}

fn unix_ms(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

/// WhatsApp's clock, as it told it at the last login. Cheap to clone: every clone is the same clock.
#[derive(Clone, Debug, Default)]
pub(super) struct ServerClock(Arc<Mutex<Option<(SystemTime, Instant)>>>);

impl ServerClock {
    /// Takes the time of a login: seconds since 1970, the attribute `t` of `<success>`.
    pub(super) fn set(&self, seconds: u64) {
        if let Some(told) = UNIX_EPOCH.checked_add(Duration::from_secs(seconds)) {
            *self.0.lock() = Some((told, Instant::now()));
        }
    }

    /// The time now; `None` before the first login.
    pub(super) fn now(&self) -> Option<SystemTime> {
        let (told, at) = (*self.0.lock())?;
        told.checked_add(at.elapsed())
    }
}

/// Gives the library this clock, which is never before `floor`. The cell is one per process: the first call wins, later
/// ones change nothing.
pub fn install(floor: Option<SystemTime>) {
    let _ = wacore::time::set_time_provider(ForwardClock::new(floor));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_s_clock_runs_on_from_what_was_told() {
        let clock = ServerClock::default();
        assert_eq!(clock.now(), None);
        clock.set(1_800_000_000);
        let told = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let passed = clock.now().unwrap().duration_since(told).unwrap();
        assert!(passed < Duration::from_secs(60));
        clock.set(u64::MAX);
        assert!(clock.now().unwrap() >= told, "no time is no news");
    }

    #[test]
    fn a_step_back_is_not_followed_and_a_step_forward_is() {
        let clock = ForwardClock {
            started: Instant::now(),
            base_ms: AtomicI64::new(1_000_000),
        };
        assert_eq!(clock.at(0, 1_000_000), 1_000_000);
        assert_eq!(
            clock.at(500, 400_000),
            1_000_500,
            "back: time goes on from where it was"
        );
        assert_eq!(
            clock.at(600, 5_000_000),
            5_000_000,
            "forward: followed at once"
        );
        assert_eq!(
            clock.at(700, 1_000_700),
            5_000_100,
            "back again: still forward only"
        );
    }
}
