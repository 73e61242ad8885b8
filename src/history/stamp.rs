//! When something happened, by every clock there is: the wall clock of a board without a battery may be far off.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

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

/// `/proc/uptime` (proc_uptime(5)): seconds with two decimals, then the idle time.
fn mono_ms(uptime: &str) -> Option<u64> {
    let (seconds, hundredths) = uptime.split_whitespace().next()?.split_once('.')?;
    Some(seconds.parse::<u64>().ok()?.saturating_mul(1000) + hundredths.parse::<u64>().ok()? * 10)
}
