//! What each fault leads to.

use crate::server::Fault;

/// What an owner meets when a fault strikes, and what ends it.
pub(super) struct Meets {
    /// The fault.
    pub fault: Fault,
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

impl Meets {
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
        state,
        cause,
        end,
    }
}

/// One row a fault, in their order.
pub(super) const TABLE: &[Meets] = &[
    row(
        Fault::Stream515,
        "Connecting",
        "session.restart",
        End::Alone,
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
    row(
        Fault::Failure405,
        "ClientOutdated",
        "session.client-outdated",
        End::Resumed,
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
];
