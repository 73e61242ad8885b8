//! What each fault leads to.

use std::time::Duration;

use holdfast_core::limits::{ANSWER_MS, SILENCE_MS};

use crate::server::Fault;

/// What an owner meets when a fault strikes, and what ends it.
pub(super) struct Meets {
    /// The fault.
    pub fault: Fault,
    /// How often it strikes, one time right after the other.
    pub times: u32,
    /// The state it leads to.
    pub state: &'static str,
    /// The cause named then; empty where nothing is wrong.
    pub cause: &'static str,
    /// How it ends.
    pub end: End,
}

/// How a fault ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// By itself.
    Alone,
    /// When a human says so.
    Resumed,
    /// With the next code, which a human scans.
    Rescanned,
    /// When WhatsApp says so; nobody may try before.
    Sat,
    /// With a new link: WhatsApp ended the old one.
    Relinked,
    /// Nothing ends: the link stays, and the messages come.
    Unseen,
}

/// How long it may take until the owner can see what is said aloud; an attempt, or the check of a logout, may be in between.
const TOLD: Duration = Duration::from_secs(20);
/// The same of a silence: no longer than Connected may last unheard, and what it takes until the bus has said so.
const SILENT: Duration = Duration::from_millis(SILENCE_MS + ANSWER_MS + 2_000);
/// How long it may take until messages go both ways again.
const SOON: Duration = Duration::from_secs(30);
/// The same where WhatsApp's patience, or a code's minute, is waited for.
const PATIENT: Duration = Duration::from_secs(90);

impl Meets {
    /// What the row is called.
    pub fn name(&self) -> String {
        match self.times {
            1 => format!("`{}`", self.fault),
            times => format!("`{}`, {times} times", self.fault),
        }
    }

    /// How long it may take until it is noticed; `None` where nothing is to be seen.
    pub fn notice(&self) -> Option<Duration> {
        match self.fault {
            _ if self.end == End::Unseen => None,
            // Told by a question that is not answered in ten seconds.
            Fault::GarbledFrame => Some(Duration::from_secs(15)),
            Fault::Stream503Open => Some(Duration::from_secs(10)),
            Fault::BlackHole | Fault::BlackHoleLogin | Fault::HalfOpen | Fault::TornLength => {
                Some(SILENT)
            }
            _ => Some(TOLD),
        }
    }

    /// How long the recovery may take; `None` where WhatsApp says when it is.
    pub fn recovery(&self) -> Option<Duration> {
        match self.fault {
            _ if self.end == End::Sat => None,
            Fault::Stream429 | Fault::Failure429 | Fault::PairError | Fault::TornLength => {
                Some(PATIENT)
            }
            _ => Some(SOON),
        }
    }

    /// A row of the table in `docs/proofs`, with the limits in place of what is measured.
    pub fn row(&self) -> [String; 6] {
        let cause = match self.cause {
            "" => "-".to_owned(),
            cause => format!("`{cause}`"),
        };
        let human = self.human().unwrap_or("no").to_owned();
        let limit = |limit: Option<Duration>| match limit {
            None => String::new(),
            Some(limit) => format!("{} s", limit.as_secs()),
        };
        [
            self.name(),
            self.state.to_owned(),
            cause,
            limit(self.notice()),
            human,
            limit(self.recovery()),
        ]
    }

    /// What a human has to do.
    pub fn human(&self) -> Option<&'static str> {
        match self.end {
            End::Alone | End::Unseen => None,
            End::Resumed => Some("says when to go on"),
            End::Rescanned => Some("scans the next code"),
            End::Sat => Some("reads the phone"),
            End::Relinked => Some("scans a QR"),
        }
    }
}

const fn row(fault: Fault, state: &'static str, cause: &'static str, end: End) -> Meets {
    Meets {
        fault,
        times: 1,
        state,
        cause,
        end,
    }
}

const fn times(times: u32, row: Meets) -> Meets {
    Meets { times, ..row }
}

/// One row a fault, in their order; another where more of the same is something else.
pub(super) const TABLE: &[Meets] = &[
    row(
        Fault::Stream515,
        "Connecting",
        "session.restart",
        End::Alone,
    ),
    times(
        3,
        row(
            Fault::Stream515,
            "Reconnecting",
            "session.restart-loop",
            End::Alone,
        ),
    ),
    row(
        Fault::Replaced,
        "Replaced",
        "session.replaced",
        End::Resumed,
    ),
    row(
        Fault::Stream440,
        "Reconnecting",
        "session.refused",
        End::Alone,
    ),
    row(
        Fault::DeviceRemoved,
        "Pairing",
        "session.revoked",
        End::Relinked,
    ),
    row(
        Fault::Spurious401,
        "LogoutSuspected",
        "session.logout-suspected",
        End::Alone,
    ),
    row(
        Fault::Stream409,
        "Replaced",
        "session.replaced",
        End::Resumed,
    ),
    row(
        Fault::Stream429,
        "Reconnecting",
        "session.throttled",
        End::Alone,
    ),
    row(
        Fault::Stream500,
        "Reconnecting",
        "session.refused",
        End::Alone,
    ),
    row(
        Fault::Stream503,
        "Reconnecting",
        "session.refused",
        End::Alone,
    ),
    row(
        Fault::Stream503Open,
        "Reconnecting",
        "session.refused",
        End::Alone,
    ),
    row(
        Fault::Stream516,
        "LogoutSuspected",
        "session.logout-suspected",
        End::Alone,
    ),
    row(
        Fault::MalformedXml,
        "Reconnecting",
        "session.refused",
        End::Alone,
    ),
    row(
        Fault::UnknownCode,
        "Reconnecting",
        "session.refused",
        End::Alone,
    ),
    row(
        Fault::Failure401,
        "LogoutSuspected",
        "session.logout-suspected",
        End::Alone,
    ),
    row(Fault::Ban, "Banned", "account.banned", End::Sat),
    row(
        Fault::BanWithoutExpiry,
        "Banned",
        "account.banned",
        End::Sat,
    ),
    row(Fault::Failure403, "Banned", "account.locked", End::Resumed),
    // The first is answered by another attempt, with the newest version there is.
    times(
        2,
        row(
            Fault::Failure405,
            "ClientOutdated",
            "session.client-outdated",
            End::Resumed,
        ),
    ),
    row(Fault::Failure406, "Banned", "account.locked", End::Resumed),
    row(
        Fault::Failure409,
        "Reconnecting",
        "session.refused",
        End::Alone,
    ),
    row(
        Fault::Failure429,
        "Reconnecting",
        "session.throttled",
        End::Alone,
    ),
    row(
        Fault::Failure500,
        "Reconnecting",
        "session.refused",
        End::Alone,
    ),
    row(
        Fault::Failure503,
        "Reconnecting",
        "session.refused",
        End::Alone,
    ),
    row(
        Fault::FailureUnknown,
        "Reconnecting",
        "session.refused",
        End::Alone,
    ),
    row(Fault::BadMac, "Connected", "", End::Unseen),
    row(Fault::LostPreKey, "Connected", "", End::Unseen),
    row(Fault::RefusedUpload, "Connected", "", End::Unseen),
    row(
        Fault::SocketDrop,
        "Reconnecting",
        "network.connection-lost",
        End::Alone,
    ),
    // The library's own keepalive notices before the core does.
    row(
        Fault::BlackHole,
        "Reconnecting",
        "network.connection-lost",
        End::Alone,
    ),
    row(
        Fault::BlackHoleLogin,
        "Reconnecting",
        "network.handshake-failed",
        End::Alone,
    ),
    row(
        Fault::SilentLogin,
        "Reconnecting",
        "network.login-timeout",
        End::Alone,
    ),
    row(
        Fault::GarbledFrame,
        "Reconnecting",
        "network.garbled",
        End::Alone,
    ),
    row(Fault::TornLength, "Stale", "network.stale", End::Alone),
    row(
        Fault::HalfOpen,
        "Reconnecting",
        "network.connection-lost",
        End::Alone,
    ),
    row(Fault::SlowLink, "Connected", "", End::Unseen),
    row(
        Fault::RefsExhausted,
        "PairingPaused",
        "session.qr-exhausted",
        End::Resumed,
    ),
    row(
        Fault::PairError,
        "Pairing",
        "session.pair-failed",
        End::Rescanned,
    ),
    row(
        Fault::PasskeyGate,
        "PasskeyNeeded",
        "session.passkey-needed",
        End::Resumed,
    ),
    row(Fault::DuplicateDelivery, "Connected", "", End::Unseen),
    row(Fault::OutOfOrderDelivery, "Connected", "", End::Unseen),
    row(Fault::NackSend, "Connected", "", End::Unseen),
    row(Fault::Nack503, "Connected", "", End::Unseen),
    row(Fault::Nack463, "Connected", "", End::Unseen),
    row(Fault::NoBundle, "Connected", "", End::Unseen),
    row(Fault::GroupError, "Connected", "", End::Unseen),
];
