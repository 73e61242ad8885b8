//! How long each state may last with nothing done about it.

use crate::ground::{DAY, HOUR, MINUTE, SECOND};

/// A state, and how long it may last with nothing done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stay {
    /// Its machine name, [`crate::State::name`].
    pub state: &'static str,
    /// Milliseconds. `None`: until a human does what the cause says.
    pub longest_ms: Option<u64>,
    /// The reaction when that time is over.
    pub then: &'static str,
}

/// One row a state, in the order an owner meets them.
pub const STAYS: [Stay; 20] = [
    row(
        "Starting",
        Some(10 * MINUTE),
        "The service manager starts Holdfast again.",
    ),
    row(
        "Repairing",
        Some(MINUTE),
        "The owner is told; a repair is never cut short.",
    ),
    row(
        "WaitingForClock",
        Some(3 * MINUTE),
        "Holdfast goes on with the time of the last run.",
    ),
    row(
        "WaitingForNetwork",
        Some(10 * MINUTE),
        "Another attempt; at once when the network is back.",
    ),
    row(
        "Connecting",
        Some(5 * MINUTE),
        "The attempt is given up, and the next one planned.",
    ),
    row(
        "Connected",
        Some(90 * SECOND),
        "It is called Stale, unless WhatsApp was heard or answered.",
    ),
    row(
        "Stale",
        Some(90 * SECOND),
        "The connection is closed and made anew.",
    ),
    row("Reconnecting", Some(10 * MINUTE), "Another attempt."),
    row("Degraded", Some(HOUR), "Another attempt: they never end."),
    row(
        "Replaced",
        Some(DAY),
        "Another attempt: at first after minutes, then hours, then a day.",
    ),
    row(
        "LogoutSuspected",
        Some(10 * MINUTE),
        "The attempt that confirms the logout, or does not.",
    ),
    row(
        "Pairing",
        Some(4 * MINUTE),
        "The next code, or the next attempt to get one.",
    ),
    row("PairingPaused", None, "A new code."),
    row("PasskeyNeeded", None, "A new code."),
    row(
        "Banned",
        Some(30 * DAY),
        "One attempt when the ban is over; hourly where WhatsApp did not say when that is.",
    ),
    row(
        "ClientOutdated",
        Some(HOUR),
        "Another attempt, with the newest version that is known.",
    ),
    row(
        "StorageFault",
        None,
        "The link comes back when there is room; a partition that failed is tried again after a minute.",
    ),
    row(
        "Resetting",
        Some(MINUTE),
        "The machine restarts; nothing that is left is opened before all of it is forgotten.",
    ),
    row(
        "Updating",
        Some(10 * SECOND),
        "The machine restarts into the new version.",
    ),
    row(
        "Stopped",
        Some(10 * SECOND),
        "The process ends, whatever still hangs.",
    ),
];

const fn row(state: &'static str, longest_ms: Option<u64>, then: &'static str) -> Stay {
    Stay {
        state,
        longest_ms,
        then,
    }
}
