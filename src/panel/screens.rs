//! One screen for each face: pure functions from what an owner meets to pixels.

use embedded_graphics::{
    mono_font::MonoFont,
    pixelcolor::BinaryColor,
    prelude::*,
    primitives::{PrimitiveStyle, Rectangle},
};
use holdfast_core::{CauseCode, Face, LastEnd, LastFour, PairingFace};
use holdfast_medium::Secret;

use super::{
    page::{Page, SMALL, small},
    qr::Qr,
};

/// The secret that links a phone; on the glass only while it is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The text of the QR.
    Qr(Secret<String>),
    /// The 8 letters of the pairing code.
    Code(Secret<String>),
}

impl Credential {
    /// Tells whether a face shows it: the face is about it, and it is still valid.
    pub fn is_shown_by(&self, face: &Face) -> bool {
        match (self, face) {
            (Self::Qr(_), Face::Pairing(PairingFace::Qr { left_ms }))
            | (Self::Code(_), Face::Pairing(PairingFace::Code { left_ms })) => *left_ms > 0,
            _ => false,
        }
    }
}

/// Draws the screen of a face over the whole target. A credential the face does not show is not drawn.
///
/// # Errors
/// The target's own.
pub fn draw<D: DrawTarget<Color = BinaryColor>>(
    face: &Face,
    credential: Option<&Credential>,
    target: &mut D,
) -> Result<(), D::Error> {
    target.clear(BinaryColor::Off)?;
    match credential.filter(|credential| credential.is_shown_by(face)) {
        Some(Credential::Qr(text)) => {
            match Qr::fit(text.expose(), target.bounding_box().size.height) {
                Some(qr) => scan(&qr, left_ms(face), target),
                None => too_big().draw(target),
            }
        }
        Some(Credential::Code(code)) => enter(code.expose(), left_ms(face), target),
        None => page(face).draw(target),
    }
}

/// Draws the screen of a fault with the file that it is about, and what the system said of it, below its title.
///
/// # Errors
/// The target's own.
pub fn name<D: DrawTarget<Color = BinaryColor>>(
    face: &Face,
    named: &str,
    target: &mut D,
) -> Result<(), D::Error> {
    target.clear(BinaryColor::Off)?;
    page(face).with_text(named, target)
}

/// The countdown of a face, milliseconds.
pub(super) fn countdown(face: &mut Face) -> Option<&mut u64> {
    match face {
        Face::Starting
        | Face::Repairing
        | Face::Connecting
        | Face::Connected { .. }
        | Face::Pairing(PairingFace::Preparing)
        | Face::PairingPaused
        | Face::PasskeyNeeded
        | Face::Stopped { .. } => None,
        Face::Stale { left_ms: next_ms }
        | Face::WaitingForNetwork { next_ms, .. }
        | Face::WaitingForClock { next_ms }
        | Face::Reconnecting { next_ms, .. }
        | Face::Degraded { next_ms, .. }
        | Face::Replaced { next_ms }
        | Face::LogoutSuspected { next_ms }
        | Face::ClientOutdated { next_ms } => Some(next_ms),
        Face::Pairing(PairingFace::Qr { left_ms } | PairingFace::Code { left_ms })
        | Face::LastEnd { left_ms, .. }
        | Face::SettingsIgnored { left_ms, .. }
        | Face::About { left_ms, .. }
        | Face::ConfirmRelink { left_ms, .. } => Some(left_ms),
        Face::StorageFault { next_ms, .. } => next_ms.as_mut(),
        Face::Banned { left_ms } => left_ms.as_mut(),
    }
}

fn left_ms(face: &Face) -> u64 {
    countdown(&mut face.clone()).map_or(0, |left_ms| *left_ms)
}

const VERSION: &str = concat!("version ", env!("CARGO_PKG_VERSION"));

/// Gives each face its words.
fn page(face: &Face) -> Page {
    let page = |title: &str, line: &str, strong: &str, foot: &str| Page {
        title: title.into(),
        line: line.into(),
        strong: strong.into(),
        foot: foot.into(),
    };
    match face {
        Face::Starting => page("Holdfast", "is starting", "One moment", VERSION),
        Face::Repairing => page(
            "Repairing",
            "the data partition",
            "One moment",
            "do not unplug",
        ),
        Face::WaitingForNetwork {
            code,
            attempt,
            next_ms,
        } => {
            let (title, line) = match code {
                CauseCode::NoAddress => ("No address", "the router gives none"),
                CauseCode::NoRoute => ("No internet", "check the router"),
                CauseCode::DnsFailed => ("No internet", "WhatsApp is not found"),
                _ => ("No network", "check cable and Wi-Fi"),
            };
            page(title, line, &again(*next_ms), &format!("attempt {attempt}"))
        }
        Face::WaitingForClock { next_ms } => page(
            "Clock",
            "the network has to set it",
            &again(*next_ms),
            "press: go on without",
        ),
        Face::Connecting => page("Connecting", "logging in to", "WhatsApp", ""),
        Face::Connected {
            account,
            phone_away,
        } => {
            let foot = if *phone_away { "turn the phone on" } else { "" };
            match account {
                Some(account) => page("Connected", "to WhatsApp as", &own(*account), foot),
                None => page("Connected", "to", "WhatsApp", foot),
            }
        }
        Face::Stale { .. } => page("Silence", "WhatsApp is not heard", "Asking again", ""),
        Face::Reconnecting { attempt, next_ms } => page(
            "Reconnecting",
            "not connected now",
            &again(*next_ms),
            &format!("attempt {attempt}"),
        ),
        Face::Degraded { attempt, next_ms } => page(
            "Still trying",
            "many attempts failed",
            &again(*next_ms),
            &format!("attempt {attempt}"),
        ),
        Face::Replaced { next_ms } => page(
            "In use",
            "by another copy",
            &again(*next_ms),
            "press: take it back",
        ),
        Face::LogoutSuspected { next_ms } => page(
            "Logged out?",
            "WhatsApp says so",
            &again(*next_ms),
            "nothing is lost yet",
        ),
        Face::Pairing(_) => page("Link me", "asking WhatsApp", "for a new code", ""),
        Face::PairingPaused => page("Paused", "no phone linked", "Press for code", ""),
        Face::PasskeyNeeded => page(
            "Passkey",
            "WhatsApp asks for one",
            "Press to retry",
            "none can be given here",
        ),
        Face::Banned {
            left_ms: Some(left_ms),
        } => page(
            "Banned",
            "by WhatsApp for",
            &duration(*left_ms),
            "the phone says why",
        ),
        Face::Banned { left_ms: None } => page(
            "Blocked",
            "by WhatsApp",
            "See the phone",
            "then press the button",
        ),
        Face::ClientOutdated { next_ms } => page(
            "Outdated",
            "for WhatsApp",
            "Update Holdfast",
            &again(*next_ms),
        ),
        Face::StorageFault { code, next_ms } => {
            let again = next_ms.map_or_else(|| "restarting".into(), again);
            match code {
                CauseCode::NoSpace => page(
                    "Disk full",
                    "WhatsApp keeps messages",
                    "Read the inbox",
                    "or use a larger card",
                ),
                CauseCode::OutboxFull => page(
                    "Disk full",
                    "of messages to send",
                    "Drop some, or use",
                    "a larger card",
                ),
                CauseCode::IdentityDamaged => page(
                    "Damaged",
                    "the keys, both copies",
                    "Ask the operator",
                    &again,
                ),
                CauseCode::NotPermitted => page(
                    "No access",
                    "to the data directory",
                    "Ask the operator",
                    &again,
                ),
                CauseCode::WrongFile => page(
                    "Wrong file",
                    "where the data belongs",
                    "Ask the operator",
                    &again,
                ),
                CauseCode::ReadOnly => page(
                    "Read-only",
                    "is the data partition",
                    &again,
                    "if it stays: new card",
                ),
                CauseCode::NoDescriptors => {
                    page("System", "no descriptors left", &again, "the card is sound")
                }
                CauseCode::NoMemory => {
                    page("System", "no memory left", &again, "the card is sound")
                }
                CauseCode::NoThreads => {
                    page("System", "starts no thread", &again, "the card is sound")
                }
                CauseCode::SetAside => page(
                    "Card broken",
                    "its data is set aside",
                    "Replace the card",
                    "nothing was changed",
                ),
                _ => page(
                    "Disk error",
                    "if it stays: new card",
                    &again,
                    "press: try now",
                ),
            }
        }
        Face::LastEnd { end, .. } => {
            let (title, line) = match end {
                LastEnd::Clean => ("Stopped", "in order, the last time"),
                LastEnd::FirstStart => ("Welcome", "this is the first start"),
                LastEnd::ProcessCrash => ("Crashed", "Holdfast, and restarted"),
                LastEnd::KernelCrash => ("Crashed", "the system, and restarted"),
                LastEnd::Watchdog => ("Hung", "and reset by the watchdog"),
                LastEnd::PowerLoss => ("Power cut", "ended the last run"),
                LastEnd::Unknown => ("Restarted", "the last run broke off"),
            };
            page(title, line, "Going on", "see: holdfastctl boot")
        }
        Face::SettingsIgnored { ignored, .. } => {
            let file = ignored.file.unwrap_or("on the boot partition");
            let line = match ignored.line {
                Some(line) if ignored.file.is_some() => format!("{file}, line {line}"),
                _ => file.to_owned(),
            };
            // More letters than that no font brings on the small glass; the file is the more important half.
            let line = if line.len() > 25 {
                file.to_owned()
            } else {
                line
            };
            let foot = match (ignored.file, ignored.count) {
                // Who may not come in yet has no other advice than this.
                (Some(file), _) if file != "holdfast.toml" => "use holdfast.toml".into(),
                (_, 1) => "the rest counts".into(),
                (_, count) => format!("{count} mistakes"),
            };
            page("Settings", &line, "Not taken", &foot)
        }
        Face::About {
            generation, audit, ..
        } => {
            let line = format!("{VERSION}, {generation}");
            match audit {
                Some(end) => page("About", &line, &end.to_string(), "ends the audit"),
                None => page("About", &line, "No entry", "is in the audit yet"),
            }
        }
        Face::ConfirmRelink {
            left_ms,
            account,
            generation,
        } => {
            let line = match account {
                Some(account) => format!("unlinks {}, {generation}", own(*account)),
                None => format!("retires {generation}"),
            };
            let foot = format!("no in {}", duration(*left_ms));
            page("Re-link?", &line, "Press for yes", &foot)
        }
        Face::Stopped { saved: true } => {
            page("Stopped", "everything is saved", "Safe to unplug", "")
        }
        Face::Stopped { saved: false } => page(
            "Stopping",
            "everything is being saved",
            "One moment",
            "do not unplug",
        ),
    }
}

/// The QR on lit ground at the left, what to do with it at the right.
fn scan<D: DrawTarget<Color = BinaryColor>>(
    qr: &Qr,
    left_ms: u64,
    target: &mut D,
) -> Result<(), D::Error> {
    /// The validity of a pairing's first code; the bar is full then.
    const LONGEST_MS: u64 = 60_000;
    /// The longest text in the smallest letters: a square glass has the QR alone.
    const LEAST_ROOM: u32 = 55;
    let area = target.bounding_box();
    let left = area.top_left + Size::new(qr.right() + 3, 0);
    let room = Size::new(
        area.size.width.saturating_sub(qr.right() + 3),
        area.size.height,
    );
    let middle = Rectangle::new(left, room).center().x;
    qr.draw(target)?;
    if room.width < LEAST_ROOM {
        return Ok(());
    }
    let mut say = |text: &str, fonts: &[&MonoFont<'_>], y: i32| {
        small(
            text,
            fonts,
            room.width,
            Point::new(middle, left.y + y),
            target,
        )
    };
    say("Scan me", &SMALL, 6)?;
    say("WhatsApp:", &SMALL[2..], 20)?;
    say("Linked", &SMALL[2..], 29)?;
    say("devices", &SMALL[2..], 38)?;
    say(&duration(left_ms), &SMALL, 50)?;
    let filled = u64::from(room.width) * left_ms.min(LONGEST_MS) / LONGEST_MS;
    Rectangle::new(
        left + Size::new(0, 60),
        Size::new(u32::try_from(filled).unwrap_or(room.width), 4),
    )
    .into_styled(PrimitiveStyle::with_fill(BinaryColor::On))
    .draw(target)
}

/// The pairing code as `XXXX-XXXX`, and where to enter it.
fn enter<D: DrawTarget<Color = BinaryColor>>(
    code: &str,
    left_ms: u64,
    target: &mut D,
) -> Result<(), D::Error> {
    let mut code: String = code.chars().filter(|letter| *letter != '-').collect();
    if let Some((middle, _)) = code.char_indices().nth(4) {
        code.insert(middle, '-');
    }
    Page {
        title: code,
        line: "WhatsApp: Link device".into(),
        strong: format!("{} left", duration(left_ms)),
        foot: "with phone number instead".into(),
    }
    .draw(target)
}

fn too_big() -> Page {
    Page {
        title: "No room".into(),
        line: "QR too big to show".into(),
        strong: "Use a code".into(),
        foot: "set pairing.phone".into(),
    }
}

/// The last four digits, marked as an end.
fn own(account: LastFour) -> String {
    format!("...{account}")
}

fn again(next_ms: u64) -> String {
    match next_ms {
        0 => "trying now".into(),
        _ => format!("again in {}", duration(next_ms)),
    }
}

/// Formats the time left, rounded up: `42 s`, `4:59`, `23 h 59 min`, `12 d 3 h`.
fn duration(ms: u64) -> String {
    let seconds = ms.div_ceil(1000);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (1000.., _, _) => "over 999 d".into(),
        (1.., _, _) => format!("{days} d {} h", hours % 24),
        (_, 1.., _) => format!("{hours} h {} min", minutes % 60),
        (_, _, 1..) => format!("{minutes}:{:02}", seconds % 60),
        _ => format!("{seconds} s"),
    }
}
