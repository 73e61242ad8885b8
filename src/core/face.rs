//! What an owner meets: one face, one screen.

use crate::gesture::Gesture;
use crate::notice::Notice;
use crate::reconnect::DEGRADED_AFTER;
use crate::session::{Session, Successor, Then, Wait};
use crate::{CauseCode, GenerationId, Ignored, LastEnd, LastFour, Now, State, Way};

/// What the screen is about. Durations are what is left at the moment asked for, milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Face {
    /// The daemon is starting.
    Starting,
    /// What the last run left behind is being repaired.
    Repairing,
    /// There is no way to the outside; the next attempt is planned or under way.
    WaitingForNetwork {
        /// What is missing.
        code: CauseCode,
        /// Counts from 1.
        attempt: u32,
        /// Until the attempt; 0 while it is under way.
        next_ms: u64,
    },
    /// The network has to set the clock first.
    WaitingForClock {
        /// Until it is done without.
        next_ms: u64,
    },
    /// Logging in.
    Connecting,
    /// Logged in and usable.
    Connected {
        /// The account.
        account: Option<LastFour>,
        /// The phone was not seen for so long that the link is about to end.
        phone_away: bool,
    },
    /// Logged in, and WhatsApp does not answer.
    Stale {
        /// Until the connection is given up; 0 while it is.
        left_ms: u64,
    },
    /// The link is lost; the next attempt is planned or under way.
    Reconnecting {
        /// Counts from 1.
        attempt: u32,
        /// Until the attempt; 0 while it is under way.
        next_ms: u64,
    },
    /// As `Reconnecting`, after many failures: slow cadence, never given up.
    Degraded {
        /// Counts from 1.
        attempt: u32,
        /// Until the attempt; 0 while it is under way.
        next_ms: u64,
    },
    /// Another copy uses this session.
    Replaced {
        /// Until we try again.
        next_ms: u64,
    },
    /// WhatsApp said we are logged out; one more attempt will confirm it.
    LogoutSuspected {
        /// Until that attempt; 0 while it is under way.
        next_ms: u64,
    },
    /// A phone can link us now.
    Pairing(PairingFace),
    /// Nobody scanned; a press starts over.
    PairingPaused,
    /// WhatsApp asks for a passkey to link this device.
    PasskeyNeeded,
    /// The account is banned for a while, or locked.
    Banned {
        /// Until the ban ends, when WhatsApp said.
        left_ms: Option<u64>,
    },
    /// WhatsApp refuses this version.
    ClientOutdated {
        /// Until we try again.
        next_ms: u64,
    },
    /// The data partition has no room, or cannot be used.
    StorageFault {
        /// What is wrong.
        code: CauseCode,
        /// Until the daemon is started again; `None` when that would not help, or while it leaves.
        next_ms: Option<u64>,
    },
    /// The last run did not end in order.
    LastEnd {
        /// How it ended.
        end: LastEnd,
        /// Until this goes away.
        left_ms: u64,
    },
    /// Settings of the owner were ignored.
    SettingsIgnored {
        /// Which.
        ignored: Ignored,
        /// Until this goes away.
        left_ms: u64,
    },
    /// The button is held or was held: re-link?
    ConfirmRelink {
        /// Until the question goes away.
        left_ms: u64,
        /// The account that would be unlinked.
        account: Option<LastFour>,
        /// The generation that would be retired.
        generation: GenerationId,
    },
    /// Told to stop.
    Stopped {
        /// Everything is on the disk. Whoever closes it knows.
        saved: bool,
    },
}

/// What a phone can link us by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PairingFace {
    /// Asking WhatsApp for a code.
    Preparing,
    /// A QR is on the glass.
    Qr {
        /// Until it is no longer valid.
        left_ms: u64,
    },
    /// A pairing code is on the glass.
    Code {
        /// Until it is no longer valid.
        left_ms: u64,
    },
}

/// What the owner sees in this state at this moment.
pub fn face(state: &State, now: Now) -> Face {
    match (state.gesture, state.linked.account) {
        (Gesture::Asking { until, .. }, account @ Some(_)) => Face::ConfirmRelink {
            left_ms: now.until(until),
            account,
            generation: state.linked.generation,
        },
        _ => match (of_session(state, now), state.notices.raised()) {
            (
                face @ (Face::Pairing(PairingFace::Qr { .. } | PairingFace::Code { .. })
                | Face::StorageFault { .. }
                | Face::Stopped { .. }),
                _,
            )
            | (face, None) => face,
            (_, Some((Notice::LastEnd(end), until))) => Face::LastEnd {
                end,
                left_ms: now.until(until),
            },
            (_, Some((Notice::Settings(ignored), until))) => Face::SettingsIgnored {
                ignored,
                left_ms: now.until(until),
            },
        },
    }
}

/// The face without the question or the notice that may stand over it.
pub(crate) fn of_session(state: &State, now: Now) -> Face {
    match &state.session {
        Session::Starting => Face::Starting,
        Session::Repairing { .. }
        | Session::Closing {
            then: Then::Rebuild,
            ..
        } => Face::Repairing,
        Session::Pairing(_) if state.usable_since.is_none() && state.attempt() > 0 => {
            trying(state, 0)
        }
        Session::Pairing(codes) => Face::Pairing(codes.face(now)),
        Session::Stale { until } => Face::Stale {
            left_ms: now.until(*until),
        },
        Session::Closing {
            then: Then::Retry(CauseCode::Stale),
            ..
        } => Face::Stale { left_ms: 0 },
        Session::Connecting { .. }
        | Session::Closing {
            then: Then::Retry(_),
            ..
        } if state.suspected => Face::LogoutSuspected { next_ms: 0 },
        Session::Connecting { .. }
        | Session::Closing {
            then: Then::Retry(_),
            ..
        } if state.attempt() > 0 => trying(state, 0),
        Session::Connecting { .. }
        | Session::Closing {
            then: Then::Retry(_),
            ..
        } => Face::Connecting,
        Session::Connected { .. } => Face::Connected {
            account: state.linked.account,
            phone_away: state.phone.is_warned_of(),
        },
        Session::Closing {
            then: Then::Retire(Successor::Archived(_)),
            ..
        }
        | Session::Retiring {
            successor: Successor::Archived(_),
            ..
        } => Face::Connecting,
        Session::Closing {
            then: Then::Pair | Then::Retire(_),
            ..
        }
        | Session::Retiring { .. } => Face::Pairing(PairingFace::Preparing),
        Session::Closing {
            then: Then::AwaitRoom,
            ..
        }
        | Session::AwaitingRoom => Face::StorageFault {
            code: CauseCode::NoSpace,
            next_ms: None,
        },
        Session::Failed { code, until } => Face::StorageFault {
            code: *code,
            next_ms: until.map(|until| now.until(until)),
        },
        Session::Waiting { wait, until } => waiting(state, *wait, now.until(*until)),
        Session::AwaitingClock { until } => Face::WaitingForClock {
            next_ms: now.until(*until),
        },
        Session::PairingPaused => Face::PairingPaused,
        Session::PasskeyNeeded => Face::PasskeyNeeded,
        Session::Stopping { .. } | Session::Stopped => Face::Stopped { saved: false },
    }
}

fn waiting(state: &State, wait: Wait, next_ms: u64) -> Face {
    match wait {
        Wait::Reconnect | Wait::Throttled if !state.suspected => trying(state, next_ms),
        Wait::Reconnect | Wait::Throttled | Wait::Confirm => Face::LogoutSuspected { next_ms },
        Wait::Replaced => Face::Replaced { next_ms },
        Wait::Banned { told } => Face::Banned {
            left_ms: told.then_some(next_ms),
        },
        Wait::Locked => Face::Banned { left_ms: None },
        Wait::Outdated => Face::ClientOutdated { next_ms },
        Wait::Retire => Face::Degraded {
            attempt: state.retire.failures(),
            next_ms,
        },
    }
}

/// The face of a link that is lost, while an attempt is planned or, with 0 to go, under way.
fn trying(state: &State, next_ms: u64) -> Face {
    let attempt = state.attempt().max(1);
    match state.cause.map(|cause| cause.code) {
        Some(code) if Way::CAUSES.contains(&code) || code == CauseCode::DnsFailed => {
            Face::WaitingForNetwork {
                code,
                attempt,
                next_ms,
            }
        }
        _ if attempt >= DEGRADED_AFTER => Face::Degraded { attempt, next_ms },
        _ => Face::Reconnecting { attempt, next_ms },
    }
}

impl Face {
    /// The stable machine name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Starting => "Starting",
            Self::Repairing => "Repairing",
            Self::WaitingForNetwork { .. } => "WaitingForNetwork",
            Self::WaitingForClock { .. } => "WaitingForClock",
            Self::Connecting => "Connecting",
            Self::Connected { .. } => "Connected",
            Self::Stale { .. } => "Stale",
            Self::Reconnecting { .. } => "Reconnecting",
            Self::Degraded { .. } => "Degraded",
            Self::Replaced { .. } => "Replaced",
            Self::LogoutSuspected { .. } => "LogoutSuspected",
            Self::Pairing(_) => "Pairing",
            Self::PairingPaused => "PairingPaused",
            Self::PasskeyNeeded => "PasskeyNeeded",
            Self::Banned { .. } => "Banned",
            Self::ClientOutdated { .. } => "ClientOutdated",
            Self::StorageFault { .. } => "StorageFault",
            Self::LastEnd { .. } => "LastEnd",
            Self::SettingsIgnored { .. } => "SettingsIgnored",
            Self::ConfirmRelink { .. } => "ConfirmRelink",
            Self::Stopped { .. } => "Stopped",
        }
    }
}
