//! Every face, with ordinary values, for the tests that draw them.

use holdfast::panel::{Credential, Frame, PLAIN, draw};
use holdfast_core::{
    AuditEnd, CauseCode, Emptied, Face, GenerationId, Ignored, LastEnd, LastFour, PairingFace,
    Stage,
};
use holdfast_medium::Secret;

pub const ACCOUNT: LastFour = LastFour(*b"4567");
pub const QR_FACE: Face = Face::Pairing(PairingFace::Qr { left_ms: 42_000 });
pub const CODE_FACE: Face = Face::Pairing(PairingFace::Code { left_ms: 170_000 });

/// A QR string of WhatsApp's shape: ref, three keys, client type.
pub fn payload(length: usize) -> String {
    let letters = |count: usize, from: usize| -> String {
        let base64 = b"kRw7bXq9/+ZfLmTa";
        (from..from + count)
            .map(|at| char::from(base64[at * 7 % 16]))
            .collect()
    };
    let keys = [1, 2, 3].map(|from| letters(43, from) + "=").join(",");
    format!("2@{},{keys},1", letters(length - keys.len() - 5, 0))
}

pub fn qr(text: &str) -> Credential {
    Credential::Qr(Secret::new(text.to_owned()))
}

pub fn code() -> Credential {
    Credential::Code(Secret::new("ABCD2345".into()))
}

pub fn frame(face: &Face, credential: Option<&Credential>) -> Frame {
    let mut frame = Frame::new(PLAIN);
    let Ok(()) = draw(face, credential, &mut frame);
    frame
}

fn done(listed: u32) -> Face {
    Face::ResetDone {
        emptied: Emptied {
            links: 3,
            listed,
            system: true,
            left: 0,
        },
    }
}

fn fault(code: CauseCode, next_ms: Option<u64>) -> Face {
    Face::StorageFault { code, next_ms }
}

fn ended(end: LastEnd) -> Face {
    Face::LastEnd {
        end,
        left_ms: 9_000,
    }
}

fn about(audit: Option<AuditEnd>) -> Face {
    Face::About {
        generation: GenerationId(7),
        audit,
        left_ms: 60_000,
    }
}

fn reset(listed: u32, left: u32) -> Face {
    Face::ResetDone {
        emptied: Emptied {
            links: 3,
            listed,
            system: true,
            left,
        },
    }
}

fn updating(stage: Stage) -> Face {
    Face::Updating { stage }
}

fn without(code: CauseCode) -> Face {
    Face::WaitingForNetwork {
        code,
        attempt: 3,
        next_ms: 11_500,
    }
}

fn ignored(count: u32, file: &'static str, line: Option<u32>) -> Face {
    Face::SettingsIgnored {
        ignored: Ignored {
            count,
            file: Some(file),
            line,
        },
        left_ms: 50_000,
    }
}

/// Every face, with ordinary values.
pub fn faces() -> Vec<(&'static str, Face, Option<Credential>)> {
    let (attempt, next_ms) = (12, 154_200);
    vec![
        ("starting", Face::Starting, None),
        ("repairing", Face::Repairing, None),
        (
            "waiting-for-network",
            Face::WaitingForNetwork {
                code: CauseCode::NoLink,
                attempt: 3,
                next_ms: 11_500,
            },
            None,
        ),
        (
            "weak-supply",
            Face::Connected {
                account: Some(ACCOUNT),
                fault: Some(CauseCode::UnderVoltage),
            },
            None,
        ),
        ("no-radio", without(CauseCode::NoRadio), None),
        ("no-address", without(CauseCode::NoAddress), None),
        ("no-route", without(CauseCode::NoRoute), None),
        ("no-name", without(CauseCode::DnsFailed), None),
        (
            "waiting-for-clock",
            Face::WaitingForClock { next_ms: 171_000 },
            None,
        ),
        (
            "settings-ignored",
            ignored(1, "network-config", Some(12)),
            None,
        ),
        (
            "settings-ignored-many",
            ignored(3, "holdfast.toml", Some(7)),
            None,
        ),
        ("connecting", Face::Connecting, None),
        (
            "connected",
            Face::Connected {
                account: Some(ACCOUNT),
                fault: None,
            },
            None,
        ),
        (
            "connected-unnamed",
            Face::Connected {
                account: None,
                fault: None,
            },
            None,
        ),
        (
            "connected-phone-away",
            Face::Connected {
                account: Some(ACCOUNT),
                fault: Some(CauseCode::PhoneAway),
            },
            None,
        ),
        (
            "reconnecting",
            Face::Reconnecting {
                attempt: 3,
                next_ms: 11_500,
            },
            None,
        ),
        (
            "reconnecting-now",
            Face::Reconnecting {
                attempt: 3,
                next_ms: 0,
            },
            None,
        ),
        ("degraded", Face::Degraded { attempt, next_ms }, None),
        ("stale", Face::Stale { left_ms: 29_000 }, None),
        ("replaced", Face::Replaced { next_ms: 3_599_000 }, None),
        (
            "logout-suspected",
            Face::LogoutSuspected { next_ms: 9_000 },
            None,
        ),
        (
            "pairing-preparing",
            Face::Pairing(PairingFace::Preparing),
            None,
        ),
        ("pairing-qr", QR_FACE, Some(qr(&payload(239)))),
        ("pairing-qr-longest", QR_FACE, Some(qr(&payload(321)))),
        ("pairing-qr-too-big", QR_FACE, Some(qr(&payload(322)))),
        ("pairing-code", CODE_FACE, Some(code())),
        ("pairing-paused", Face::PairingPaused, None),
        ("passkey-needed", Face::PasskeyNeeded, None),
        (
            "banned",
            Face::Banned {
                left_ms: Some(86_399_000),
            },
            None,
        ),
        ("blocked", Face::Banned { left_ms: None }, None),
        (
            "client-outdated",
            Face::ClientOutdated { next_ms: 3_000_000 },
            None,
        ),
        ("update-sought", updating(Stage::Looking), None),
        ("updating", updating(Stage::Installing(100)), None),
        ("update-starts", updating(Stage::Restarting), None),
        ("fell-back", Face::FellBack { left_ms: 60_000 }, None),
        ("network", Face::Network { left_ms: 60_000 }, None),
        ("about", about(AuditEnd::of(14, "3f2a9c01")), None),
        (
            "about-longest",
            about(AuditEnd::of(4_294_967_295, "3f2a9c01")),
            None,
        ),
        ("about-unaudited", about(None), None),
        ("network", Face::Network { left_ms: 60_000 }, None),
        (
            "holding",
            Face::Holding {
                left_ms: 9_100,
                relinks: true,
            },
            None,
        ),
        (
            "holding-unlinked",
            Face::Holding {
                left_ms: 9_100,
                relinks: false,
            },
            None,
        ),
        (
            "confirm-reset",
            Face::ConfirmReset { left_ms: 29_100 },
            None,
        ),
        ("resetting", Face::Resetting, None),
        ("reset-done", reset(0, 0), None),
        ("reset-done-listed", reset(1, 0), None),
        ("reset-done-left", reset(0, 2), None),
        (
            "confirm-relink",
            Face::ConfirmRelink {
                left_ms: 29_100,
                account: Some(ACCOUNT),
                generation: GenerationId(7),
            },
            None,
        ),
        (
            "confirm-relink-unnamed",
            Face::ConfirmRelink {
                left_ms: 29_100,
                account: None,
                generation: GenerationId(7),
            },
            None,
        ),
        (
            "holding",
            Face::Holding {
                left_ms: 7_000,
                relinks: true,
            },
            None,
        ),
        (
            "holding-unlinked",
            Face::Holding {
                left_ms: 7_000,
                relinks: false,
            },
            None,
        ),
        (
            "confirm-reset",
            Face::ConfirmReset { left_ms: 29_100 },
            None,
        ),
        ("resetting", Face::Resetting, None),
        ("reset-done", done(0), None),
        ("reset-done-listed", done(2), None),
        ("storage-full", fault(CauseCode::NoSpace, None), None),
        (
            "storage-outbox-full",
            fault(CauseCode::OutboxFull, None),
            None,
        ),
        (
            "storage-error",
            fault(CauseCode::MediumFailed, Some(42_000)),
            None,
        ),
        ("storage-set-aside", fault(CauseCode::SetAside, None), None),
        (
            "storage-damaged",
            fault(CauseCode::IdentityDamaged, Some(42_000)),
            None,
        ),
        (
            "storage-in-use",
            fault(CauseCode::InUse, Some(42_000)),
            None,
        ),
        (
            "storage-read-only",
            fault(CauseCode::ReadOnly, Some(42_000)),
            None,
        ),
        (
            "storage-not-permitted",
            fault(CauseCode::NotPermitted, Some(42_000)),
            None,
        ),
        (
            "storage-wrong-file",
            fault(CauseCode::WrongFile, Some(42_000)),
            None,
        ),
        (
            "storage-no-descriptors",
            fault(CauseCode::NoDescriptors, Some(42_000)),
            None,
        ),
        (
            "storage-no-memory",
            fault(CauseCode::NoMemory, Some(42_000)),
            None,
        ),
        (
            "storage-no-threads",
            fault(CauseCode::NoThreads, Some(42_000)),
            None,
        ),
        ("last-end-process-crash", ended(LastEnd::ProcessCrash), None),
        ("last-end-kernel-crash", ended(LastEnd::KernelCrash), None),
        ("last-end-watchdog", ended(LastEnd::Watchdog), None),
        ("last-end-power-loss", ended(LastEnd::PowerLoss), None),
        ("last-end-clean", ended(LastEnd::Clean), None),
        ("last-end-first-start", ended(LastEnd::FirstStart), None),
        ("last-end-unknown", ended(LastEnd::Unknown), None),
        ("stopping", Face::Stopped { saved: false }, None),
        ("stopped", Face::Stopped { saved: true }, None),
    ]
}
