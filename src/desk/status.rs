//! The session as clients see it.

use std::time::Duration;

use holdfast_core::{Cause, CauseCode, Linked, Part, Stage, State};
use tokio::time::Instant;

use super::Refusal;

/// A snapshot of the session.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// The state's stable name ([`holdfast_core::State::name`]).
    pub state: &'static str,
    /// The reason for the state, where there is one.
    pub cause: Option<Cause>,
    /// The live generation and the account it is linked to.
    pub linked: Linked,
    /// The number of the attempt that is planned or under way; 0 when none is counted.
    pub attempt: u32,
    /// The moment of the next attempt, when one is planned.
    pub next_attempt: Option<Instant>,
    /// What is wrong with the account though the link is up, and until when.
    pub account: Option<(CauseCode, Instant)>,
    /// The fault of the power supply, when it has one, and how often its voltage fell too low.
    pub supply: Option<(CauseCode, u32)>,
    /// How far an update is.
    pub update: Stage,
    /// When the trial of the version that runs is over, if it does not prove itself before.
    pub trial_ends: Option<Instant>,
    /// The fault of the display, when it has one.
    pub display: Option<CauseCode>,
    /// The fault of the button, when it has one.
    pub button: Option<CauseCode>,
}

impl Status {
    /// Reads a state of the core, whose clock began at `started`.
    pub fn of(state: &State, started: Instant) -> Self {
        Self {
            state: state.name(),
            cause: state.cause(),
            linked: state.linked(),
            attempt: state.attempt(),
            next_attempt: state
                .next_attempt()
                .map(|due_ms| started + Duration::from_millis(due_ms)),
            account: state
                .account_fault()
                .map(|(code, until_ms)| (code, started + Duration::from_millis(until_ms))),
            supply: state.supply_fault(),
            update: state.update(),
            trial_ends: state
                .trial_ends()
                .map(|at_ms| started + Duration::from_millis(at_ms)),
            display: state.panel_fault(Part::Display),
            button: state.panel_fault(Part::Button),
        }
    }

    /// The refusal of what needs a room, while none is open.
    pub(super) fn not_open(&self) -> Refusal {
        match (self.state, self.cause) {
            ("StorageFault", Some(cause)) => Refusal::NotOpen { cause },
            ("Stopped", _) => Refusal::Stopping,
            _ => Refusal::Starting,
        }
    }
}
