//! How long a state may last with nothing done about it, as owners are told in `docs/causes.md`. It is written down here by hand, and
//! not taken from the core: else a core that may take longer would be held to no more than that.

use crate::{DAY, HOUR, MINUTE, SECOND};

/// How long a state may last with nothing done about it, milliseconds; `None`: until a human acts. No time at all in a state that
/// nobody was told of.
pub(crate) fn longest(state: &str) -> Option<u64> {
    let at_most = match state {
        "PairingPaused" | "PasskeyNeeded" | "StorageFault" => return None,
        "Repairing" | "Resetting" => MINUTE,
        "Stopped" | "Updating" => 10 * SECOND,
        "Connected" | "Stale" => 90 * SECOND,
        "WaitingForClock" => 3 * MINUTE,
        "Pairing" => 4 * MINUTE,
        "Connecting" => 5 * MINUTE,
        "Starting" | "WaitingForNetwork" | "Reconnecting" | "LogoutSuspected" => 10 * MINUTE,
        "Degraded" | "ClientOutdated" => HOUR,
        "Replaced" => DAY,
        "Banned" => 30 * DAY,
        _ => 0,
    };
    Some(at_most)
}
