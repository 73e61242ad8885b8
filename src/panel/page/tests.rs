//! Every word of every language has room on a glass of every size.

use embedded_graphics::prelude::*;
use holdfast_core::{
    Cause, CauseCode, Emptied, Face, GenerationId, Ignored, LastEnd, LastFour, PairingFace,
    Reception, Stage,
};

use super::Page;
use crate::panel::{
    Figures, Language,
    icon::Mood,
    screens::{page, said},
};

/// One of each class, the smallest of it: what has room there has room on a larger one.
const SIZES: [(u32, u32); 7] = [
    (128, 32),
    (128, 64),
    (128, 128),
    (240, 240),
    (250, 122),
    (296, 128),
    (400, 300),
];

/// The longest values that are not words.
fn figures(cause: CauseCode) -> Figures {
    Figures {
        cause: Some(Cause::from(cause)),
        since_ms: Some(59 * 60_000),
        address: Some("255.255.255.255".into()),
        host: Some("holdfast-in-the-cellar".into()),
        wifi: Some(Reception { dbm: -128 }),
        unread: Some(100_000),
        unsent: Some(100_000),
        message_ms: Some(59 * 60_000),
        last_end: Some(LastEnd::Unknown),
        has_key: Some(false),
        slot: Some("B".into()),
        generation: Some(GenerationId(9_999)),
        audit: None,
        export_ms: Some(Some(59 * 60_000)),
        has_number: false,
    }
}

/// Every face, with the longest values; of each kind of fault one.
fn faces() -> Vec<Face> {
    let (next_ms, left_ms, attempt) = (59 * 60_000, 59 * 60_000, 999);
    let account = Some(LastFour(*b"0000"));
    let generation = GenerationId(9_999);
    let mut faces = vec![
        Face::Starting,
        Face::Repairing,
        Face::WaitingForClock { next_ms },
        Face::Connecting,
        Face::Stale { left_ms },
        Face::Reconnecting { attempt, next_ms },
        Face::Reconnecting {
            attempt,
            next_ms: 0,
        },
        Face::Degraded { attempt, next_ms },
        Face::Replaced { next_ms },
        Face::LogoutSuspected { next_ms },
        Face::Pairing(PairingFace::Preparing),
        Face::PairingPaused,
        Face::PasskeyNeeded,
        Face::Banned {
            left_ms: Some(left_ms),
        },
        Face::Banned { left_ms: None },
        Face::ClientOutdated { next_ms },
        Face::Network { left_ms },
        Face::About {
            generation,
            audit: None,
            left_ms,
        },
        Face::Holding {
            left_ms,
            relinks: true,
        },
        Face::Holding {
            left_ms,
            relinks: false,
        },
        Face::ConfirmRelink {
            left_ms,
            account,
            generation,
        },
        Face::ConfirmRelink {
            left_ms,
            account: None,
            generation,
        },
        Face::ConfirmReset { left_ms },
        Face::Updating {
            stage: Stage::Looking,
        },
        Face::Updating {
            stage: Stage::Installing(100),
        },
        Face::Updating {
            stage: Stage::Restarting,
        },
        Face::FellBack { left_ms },
        Face::Resetting,
        Face::Stopped { saved: true },
        Face::Stopped { saved: false },
    ];
    let faults = [
        None,
        Some(CauseCode::PhoneAway),
        Some(CauseCode::UnderVoltage),
    ];
    for fault in faults {
        faces.extend([account, None].map(|account| Face::Connected { account, fault }));
    }
    for &code in CauseCode::ALL {
        faces.push(Face::WaitingForNetwork {
            code,
            attempt,
            next_ms,
        });
        faces.extend(
            [Some(0), Some(next_ms), None].map(|next_ms| Face::StorageFault { code, next_ms }),
        );
    }
    faces.extend(LastEnd::ALL.map(|end| Face::LastEnd { end, left_ms }));
    let done = [(0, true, 0), (99, true, 0), (0, false, 99), (99, false, 99)];
    faces.extend(done.map(|(listed, system, left)| Face::ResetDone {
        emptied: Emptied {
            links: 99,
            listed,
            system,
            left,
        },
    }));
    for (file, line) in [
        (Some("holdfast.toml"), Some(999)),
        (Some("network-config"), None),
        (None, None),
    ] {
        faces.extend([1, 99].map(|count| Face::SettingsIgnored {
            ignored: Ignored { count, file, line },
            left_ms,
        }));
    }
    faces
}

fn name(language: Language, (width, height): (u32, u32), page: &Page) -> String {
    let Page {
        title,
        next,
        about,
        hint,
        time,
        ..
    } = page;
    let code = language.code();
    format!("{code} {width}x{height}: {title} | {next} | {about} | {hint} | {time}")
}

#[test]
fn every_word_has_room_on_every_glass() {
    let mut cut = Vec::new();
    for language in Language::ALL {
        let words = language.words();
        let pages = faces().into_iter().flat_map(|face| {
            [true, false]
                .map(|reads| page(&face, &figures(CauseCode::ConnectionLost), words, reads))
        });
        let more = [
            said(Mood::Bad, &words.too_big),
            Page {
                title: "WWWW-WWWW".into(),
                ..said(Mood::Code, &words.enter)
            },
        ];
        for page in pages.chain(more) {
            for size in SIZES {
                if !page.lay(Size::new(size.0, size.1)).is_whole {
                    cut.push(name(language, size, &page));
                }
            }
        }
    }
    cut.dedup();
    assert!(cut.is_empty(), "no room for:\n{}", cut.join("\n"));
}

#[test]
fn every_cause_has_room_where_it_is_said() {
    let mut cut = Vec::new();
    for (language, size) in Language::ALL
        .into_iter()
        .flat_map(|language| SIZES.map(|size| (language, size)))
    {
        let area = Size::new(size.0, size.1);
        if size.0 < 200 {
            continue;
        }
        for &code in CauseCode::ALL {
            let face = Face::Degraded {
                attempt: 12,
                next_ms: 300_000,
            };
            let page = page(&face, &figures(code), language.words(), true);
            let first = page.sentences[0].clone();
            let said = page
                .lay(area)
                .texts
                .into_iter()
                .map(|text| text.text)
                .collect::<Vec<_>>()
                .join(" ");
            if !said.contains(&first) {
                cut.push(format!(
                    "{} {}x{}: {first}",
                    language.code(),
                    size.0,
                    size.1
                ));
            }
        }
    }
    assert!(
        cut.is_empty(),
        "{} have no room:\n{}",
        cut.len(),
        cut.join("\n")
    );
}
