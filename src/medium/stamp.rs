//! When something happened, by every clock there is: the wall clock of a board without a battery may be far off.

use std::fmt;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::DateTime;
use serde::{Deserialize, Serialize};

/// A moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The kernel's id of this boot; `None` where it gives none.
    pub boot: Option<String>,
    /// The wall clock, milliseconds since 1970.
    pub wall_ms: u64,
    /// Time since boot, suspension included, milliseconds; `None` where the kernel does not say.
    pub mono_ms: Option<u64>,
}

impl Stamp {
    /// Now.
    pub fn now() -> Self {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            boot: fs::read_to_string("/proc/sys/kernel/random/boot_id")
                .ok()
                .map(|id| id.trim().to_owned()),
            wall_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX),
            mono_ms: fs::read_to_string("/proc/uptime")
                .ok()
                .and_then(|uptime| mono_ms(&uptime)),
        }
    }
}

impl Stamp {
    /// Whether another moment was in the same boot.
    pub fn is_of_boot(&self, other: &Stamp) -> bool {
        self.boot.is_some() && self.boot == other.boot
    }

    /// How long ago another moment was, milliseconds. Within a boot by the clock that nobody sets; else by the wall clock, which
    /// may have gone back: then nothing has passed.
    pub fn since(&self, earlier: &Stamp) -> u64 {
        match (earlier.mono_ms, self.mono_ms) {
            (Some(then), Some(now)) if self.is_of_boot(earlier) => now.saturating_sub(then),
            _ => self.wall_ms.saturating_sub(earlier.wall_ms),
        }
    }
}

impl fmt::Display for Stamp {
    /// The wall clock, to the minute, in UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = i64::try_from(self.wall_ms).ok();
        match ms.and_then(DateTime::from_timestamp_millis) {
            Some(wall) => write!(f, "{}", wall.format("%Y-%m-%d %H:%M UTC")),
            None => f.write_str("beyond the calendar"),
        }
    }
}

/// `/proc/uptime` (proc_uptime(5)): seconds with two decimals, then the idle time.
fn mono_ms(uptime: &str) -> Option<u64> {
    let (seconds, hundredths) = uptime.split_whitespace().next()?.split_once('.')?;
    Some(seconds.parse::<u64>().ok()?.saturating_mul(1000) + hundredths.parse::<u64>().ok()? * 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_as_a_date() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399, "2000-02-28 23:59 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (951_868_800, "2000-03-01 00:00 UTC"),
            (1_798_761_599, "2026-12-31 23:59 UTC"),
            (u64::MAX / 1_000, "beyond the calendar"),
        ] {
            let at = Stamp {
                boot: None,
                wall_ms: seconds * 1_000,
                mono_ms: None,
            };
            assert_eq!(at.to_string(), text);
        }
    }

    fn stamp(boot: &str, wall_ms: u64, mono_ms: u64) -> Stamp {
        Stamp {
            boot: Some(boot.to_owned()),
            wall_ms,
            mono_ms: Some(mono_ms),
        }
    }

    #[test]
    fn time_passes_by_the_clock_that_can_be_trusted() {
        let written = stamp("a", 1_000_000, 5_000);
        for (now, elapsed) in [
            (stamp("a", 0, 7_000), 2_000),
            (stamp("b", 1_003_000, 10), 3_000),
            (stamp("b", 999_000, 9_000), 0),
        ] {
            assert_eq!(now.since(&written), elapsed);
        }
    }
}
