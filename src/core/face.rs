//! The face: what an owner meets, one face to a screen.

use crate::ground::limits::DEGRADED_AFTER;
use crate::ground::{
    AuditEnd, CauseCode, Emptied, GenerationId, LastEnd, LastFour, Now, Successor, Wait, Way,
};
use crate::parts::{Glow, Ignored, Notice, PairingFace, Phase, Question, Stage, Then};
use crate::state::State;

/// A face of the device, which fills the screen. Durations are what is left at the moment asked for, milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Face {
    /// The daemon is starting.
    Starting,
    /// Damage that the last run left is being repaired.
    Repairing,
    /// There is no way to the outside; the next attempt is planned or under way.
    WaitingForNetwork {
        /// The part that is missing.
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
        /// Something that a human has to see to all the same: the phone that is away, or the supply that is too weak.
        fault: Option<CauseCode>,
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
        /// The fault.
        code: CauseCode,
        /// Until the daemon is started again; `None` when that would not help, or while it leaves.
        next_ms: Option<u64>,
    },
    /// A new version is on its way, or the device restarts into one.
    Updating {
        /// How far it is.
        stage: Stage,
    },
    /// A new version did not prove itself, and the one before runs again.
    FellBack {
        /// Until this goes away.
        left_ms: u64,
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
    /// Where this device is found on the network: somebody turned the page.
    Network {
        /// Until this goes away.
        left_ms: u64,
    },
    /// What this device is: somebody turned the page once more.
    About {
        /// The live generation.
        generation: GenerationId,
        /// Where the audit ends; `None` while it has no entry.
        audit: Option<AuditEnd>,
        /// Until this goes away.
        left_ms: u64,
    },
    /// The button is held on, and was for so long that letting go asks for something already.
    Holding {
        /// Until the next question, whether to forget everything.
        left_ms: u64,
        /// Letting go asks for a new link.
        relinks: bool,
    },
    /// The button was held: re-link?
    ConfirmRelink {
        /// Until the question goes away.
        left_ms: u64,
        /// The account that would be unlinked.
        account: Option<LastFour>,
        /// The generation that would be retired.
        generation: GenerationId,
    },
    /// The button was held on: forget everything?
    ConfirmReset {
        /// Until the question goes away.
        left_ms: u64,
    },
    /// Everything is being forgotten; the device restarts.
    Resetting,
    /// Everything was forgotten: what was done, until somebody has seen it.
    ResetDone {
        /// What was done.
        emptied: Emptied,
    },
    /// Told to stop.
    Stopped {
        /// Everything is on the disk. The daemon says so once the barrier is closed.
        saved: bool,
    },
}

/// The face that the owner sees in this state at this moment.
pub fn face(state: &State, now: Now) -> Face {
    of_the_button(state, now).unwrap_or_else(|| match of_session(state, now) {
        face @ (Face::Pairing(PairingFace::Qr { .. } | PairingFace::Code { .. })
        | Face::StorageFault { .. }
        | Face::Resetting
        | Face::Updating { .. }
        | Face::Stopped { .. }) => face,
        face => noticed(state, now)
            .or_else(|| updating(state, &face))
            .unwrap_or(face),
    })
}

/// What is told of an update: that it is installed, and, where WhatsApp refuses this version, that a newer one is looked for.
fn updating(state: &State, over: &Face) -> Option<Face> {
    let stage = state.update.stage();
    let is_refused = matches!(over, Face::ClientOutdated { .. });
    let tells = match stage {
        Stage::Idle | Stage::Trial => false,
        Stage::Looking | Stage::Found => is_refused,
        Stage::Installing(_) | Stage::Installed | Stage::Restarting => true,
    };
    tells.then_some(Face::Updating { stage })
}

/// The lamp of that face: how bright it is and where it lies, at every moment until something happens.
pub fn glow(state: &State, now: Now) -> Glow {
    match face(state, now) {
        Face::Pairing(PairingFace::Qr { .. }) => state.lamp.scans(),
        Face::Pairing(PairingFace::Code { .. })
        | Face::Holding { .. }
        | Face::ConfirmRelink { .. }
        | Face::ConfirmReset { .. } => state.lamp.asks(),
        _ => state.lamp.rests(),
    }
}

/// What the finger on the button asks, or is asked.
fn of_the_button(state: &State, now: Now) -> Option<Face> {
    if let Some(at) = state.gesture.resets_at().filter(|_| state.can_reset()) {
        return Some(Face::Holding {
            left_ms: now.until(at),
            relinks: state.can_relink(),
        });
    }
    match state.gesture.asks()? {
        (Question::Relink, until) => Some(Face::ConfirmRelink {
            left_ms: now.until(until),
            account: Some(state.keys.account()?),
            generation: state.linked().generation,
        }),
        (Question::Reset, until) => state.can_reset().then(|| Face::ConfirmReset {
            left_ms: now.until(until),
        }),
    }
}

/// What passes over the face of the session. What is wrong is more than a page that somebody turned.
fn noticed(state: &State, now: Now) -> Option<Face> {
    if let Some(emptied) = state.emptied {
        return Some(Face::ResetDone { emptied });
    }
    let (notice, until) = state.notices.raised()?;
    let left_ms = now.until(until);
    Some(match notice {
        Notice::LastEnd(end) => Face::LastEnd { end, left_ms },
        Notice::Settings(ignored) => Face::SettingsIgnored { ignored, left_ms },
        Notice::FellBack => Face::FellBack { left_ms },
        Notice::Network | Notice::About if !state.turns_pages() => return None,
        Notice::Network => Face::Network { left_ms },
        Notice::About => Face::About {
            generation: state.linked().generation,
            audit: state.audit,
            left_ms,
        },
    })
}

impl State {
    /// The stable machine name of the state: its face's, but for a question that only passes over the screen.
    pub fn name(&self) -> &'static str {
        // The name does not depend on the moment.
        of_session(self, Now { mono_ms: 0 }).name()
    }
}

/// The face without the question or the notice that may stand over it.
fn of_session(state: &State, now: Now) -> Face {
    let session = &state.session;
    let left = session.deadline().map(|until| now.until(until));
    let left_ms = left.unwrap_or(0);
    if session.resets() {
        return Face::Resetting;
    }
    if state.update.restarts() {
        let stage = Stage::Restarting;
        return Face::Updating { stage };
    }
    match session.phase() {
        Phase::Starting => Face::Starting,
        Phase::Repairing | Phase::Closing(Then::Rebuild) => Face::Repairing,
        Phase::Pairing(_) if session.usable_since().is_none() && state.attempt() > 0 => {
            trying(state, 0)
        }
        Phase::Pairing(codes) => Face::Pairing(codes.face(now)),
        Phase::Stale => Face::Stale { left_ms },
        Phase::Closing(Then::Retry(CauseCode::Stale)) => Face::Stale { left_ms: 0 },
        Phase::Connecting | Phase::Closing(Then::Retry(_)) if session.is_suspected() => {
            Face::LogoutSuspected { next_ms: 0 }
        }
        Phase::Connecting | Phase::Closing(Then::Retry(_)) if state.attempt() > 0 => {
            trying(state, 0)
        }
        Phase::Connecting | Phase::Closing(Then::Retry(_)) => Face::Connecting,
        Phase::Connected { .. } => Face::Connected {
            account: state.keys.account(),
            fault: beside(state),
        },
        Phase::Closing(Then::Retire(Successor::Archived(_)))
        | Phase::Retiring(Successor::Archived(_)) => Face::Connecting,
        Phase::Closing(Then::Pair | Then::Retire(_)) | Phase::Retiring(_) => {
            Face::Pairing(PairingFace::Preparing)
        }
        Phase::Closing(Then::AwaitRoom) | Phase::AwaitingRoom => Face::StorageFault {
            code: state.storage.full(),
            next_ms: None,
        },
        Phase::Failed(code) => Face::StorageFault {
            code,
            next_ms: left,
        },
        Phase::Waiting(wait) => waiting(state, wait, left_ms),
        Phase::AwaitingClock => Face::WaitingForClock { next_ms: left_ms },
        Phase::PairingPaused => Face::PairingPaused,
        Phase::PasskeyNeeded => Face::PasskeyNeeded,
        Phase::Closing(Then::Reset) | Phase::Resetting { .. } => Face::Resetting,
        Phase::Stopping | Phase::Stopped => Face::Stopped { saved: false },
    }
}

/// What a human has to see to though the link is up; that the link will end goes first.
fn beside(state: &State) -> Option<CauseCode> {
    let is_away = state.phone.is_warned_of();
    let away = is_away.then_some(CauseCode::PhoneAway);
    away.or_else(|| Some(state.supply_fault()?.0))
}

fn waiting(state: &State, wait: Wait, next_ms: u64) -> Face {
    match wait {
        Wait::Reconnect | Wait::Throttled if !state.session.is_suspected() => {
            trying(state, next_ms)
        }
        Wait::Reconnect | Wait::Throttled | Wait::Confirm => Face::LogoutSuspected { next_ms },
        Wait::Replaced => Face::Replaced { next_ms },
        Wait::Banned { told } => Face::Banned {
            left_ms: told.then_some(next_ms),
        },
        Wait::Locked => Face::Banned { left_ms: None },
        Wait::Outdated => Face::ClientOutdated { next_ms },
        Wait::Retire => Face::Degraded {
            attempt: state.backoffs.retire.failures(),
            next_ms,
        },
    }
}

/// The face of a link that is lost, while an attempt is planned or, with 0 to go, under way.
fn trying(state: &State, next_ms: u64) -> Face {
    let attempt = state.attempt().max(1);
    match state.cause().map(|cause| cause.code) {
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
            Self::Updating { .. } => "Updating",
            Self::FellBack { .. } => "FellBack",
            Self::LastEnd { .. } => "LastEnd",
            Self::SettingsIgnored { .. } => "SettingsIgnored",
            Self::Network { .. } => "Network",
            Self::About { .. } => "About",
            Self::Holding { .. } => "Holding",
            Self::ConfirmRelink { .. } => "ConfirmRelink",
            Self::ConfirmReset { .. } => "ConfirmReset",
            Self::Resetting => "Resetting",
            Self::ResetDone { .. } => "ResetDone",
            Self::Stopped { .. } => "Stopped",
        }
    }
}
