//! What an owner meets: one face, one screen.

use crate::{GenerationId, LastFour, Now, State};

/// What the screen is about. Durations are what is left at the moment asked for, milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Face {
    /// The daemon is starting.
    Starting,
    /// There is no route to the outside.
    WaitingForNetwork,
    /// Logging in.
    Connecting,
    /// Logged in and usable.
    Connected {
        /// The account.
        account: Option<LastFour>,
    },
    /// The link is lost; the next attempt is planned or under way.
    Reconnecting {
        /// Counts from 1.
        attempt: u32,
        /// Until the attempt.
        next_ms: u64,
    },
    /// As `Reconnecting`, after many failures: slow cadence, never given up.
    Degraded {
        /// Counts from 1.
        attempt: u32,
        /// Until the attempt.
        next_ms: u64,
    },
    /// Another copy uses this session.
    Replaced {
        /// Until we try again.
        next_ms: u64,
    },
    /// WhatsApp said we are logged out; one more attempt will confirm it.
    LogoutSuspected {
        /// Until that attempt.
        next_ms: u64,
    },
    /// A phone can link us now.
    Pairing(PairingFace),
    /// Nobody scanned; a press starts over.
    PairingPaused,
    /// WhatsApp asks for a passkey to link this device.
    PasskeyNeeded,
    /// The account is banned for a while, or locked (`None`).
    Banned {
        /// Until the ban ends.
        left_ms: Option<u64>,
    },
    /// WhatsApp refuses this version.
    ClientOutdated {
        /// Until we try again.
        next_ms: u64,
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
    /// Stopped in order.
    Stopped,
}

/// What a phone can link us by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    let _ = (state, now);
    todo!()
}
