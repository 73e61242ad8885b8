//! One screen for each face: its words and figures, in the owner's language.

use holdfast_core::{CauseCode, Emptied, Face, Ignored, PairingFace, Stage};

use super::{
    Figures,
    figures::ending,
    icon::Mood,
    page::Page,
    words::{Screen, Words},
};

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
        | Face::Resetting
        | Face::ResetDone { .. }
        | Face::Updating { .. }
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
        | Face::FellBack { left_ms }
        | Face::LastEnd { left_ms, .. }
        | Face::SettingsIgnored { left_ms, .. }
        | Face::Network { left_ms }
        | Face::About { left_ms, .. }
        | Face::Holding { left_ms, .. }
        | Face::ConfirmRelink { left_ms, .. }
        | Face::ConfirmReset { left_ms } => Some(left_ms),
        Face::StorageFault { next_ms, .. } => next_ms.as_mut(),
        Face::Banned { left_ms } => left_ms.as_mut(),
    }
}

/// Gives a face its page. Where the QR is too small for phones, it says how a number is configured; unless one is.
pub(super) fn page(face: &Face, figures: &Figures, words: &Words, qr_reads: bool) -> Page {
    let page = in_words(face, figures, words, qr_reads);
    let time = time(face, words);
    let is_state = !matches!(
        face,
        Face::Updating { .. }
            | Face::FellBack { .. }
            | Face::LastEnd { .. }
            | Face::SettingsIgnored { .. }
            | Face::Network { .. }
            | Face::About { .. }
            | Face::Holding { .. }
            | Face::ConfirmRelink { .. }
            | Face::ConfirmReset { .. }
            | Face::Resetting
            | Face::ResetDone { .. }
            | Face::Stopped { .. }
    );
    let mut page = Page { time, ..page };
    if is_state {
        let cause = match face {
            Face::Connected { fault, .. } => *fault,
            _ => figures.cause.map(|cause| cause.code),
        };
        let [sentence, action] = cause.map_or(["", ""], words.cause);
        let spoken = [sentence, action]
            .into_iter()
            .filter(|text| !text.is_empty());
        page.sentences = spoken.map(str::to_owned).collect();
        page.rows = figures.of_state(words);
    }
    page
}

fn in_words(face: &Face, figures: &Figures, words: &Words, qr_reads: bool) -> Page {
    let (bad, ask, work, good) = (Mood::Bad, Mood::Ask, Mood::Work, Mood::Good);
    let counted = |number: &u32| [number.to_string()];
    match face {
        Face::Starting => said(work, &words.starting),
        Face::Repairing => said(work, &words.repairing),
        Face::WaitingForNetwork { code, .. } => match code {
            CauseCode::NoRadio => said(bad, &words.no_radio),
            CauseCode::NoAddress => said(bad, &words.no_address),
            CauseCode::NoRoute => said(bad, &words.no_route),
            CauseCode::DnsFailed => said(bad, &words.no_name),
            _ => said(bad, &words.no_link),
        },
        Face::WaitingForClock { .. } => said(work, &words.clock),
        Face::Connecting => said(work, &words.connecting),
        Face::Connected {
            fault: Some(CauseCode::UnderVoltage),
            ..
        } => said(ask, &words.weak_supply),
        Face::Connected { fault: Some(_), .. } => said(ask, &words.phone_away),
        Face::Connected { account: None, .. } => said(good, &words.connected),
        Face::Connected {
            account: Some(account),
            ..
        } => Page {
            about: filled(words.connected_as, [account.to_string()]),
            ..said(good, &words.connected)
        },
        Face::Stale { .. } => said(work, &words.stale),
        Face::Reconnecting { attempt, .. } => with(work, &words.reconnecting, counted(attempt)),
        Face::Degraded { attempt, .. } => with(bad, &words.degraded, counted(attempt)),
        Face::Replaced { .. } => said(ask, &words.replaced),
        Face::LogoutSuspected { .. } => said(work, &words.logged_out),
        Face::Pairing(_) => linking(work, &words.preparing, figures, words, qr_reads),
        Face::PairingPaused => linking(ask, &words.paused, figures, words, qr_reads),
        Face::PasskeyNeeded => said(ask, &words.passkey),
        Face::Banned { left_ms: Some(_) } => said(bad, &words.banned),
        Face::Banned { left_ms: None } => said(bad, &words.blocked),
        Face::ClientOutdated { .. } => said(ask, &words.outdated),
        Face::StorageFault { code, .. } => said(bad, fault(*code, words)),
        Face::Updating { stage } => updating(*stage, words),
        Face::FellBack { .. } => said(ask, &words.fell_back),
        Face::LastEnd { end, .. } => said(work, ending(*end, words)),
        Face::SettingsIgnored { ignored, .. } => settings(ignored, words),
        Face::Network { .. } => network(figures, words),
        Face::About {
            generation, audit, ..
        } => {
            let figures = Figures {
                generation: Some(*generation),
                audit: *audit,
                ..figures.clone()
            };
            Page {
                rows: figures.of_device(words),
                ..said(Mood::Page, &words.about)
            }
        }
        Face::Holding { relinks: true, .. } => said(ask, &words.holding),
        Face::Holding { relinks: false, .. } => said(ask, &words.holding_unlinked),
        Face::ConfirmRelink {
            account,
            generation,
            ..
        } => {
            let generation = generation.to_string();
            let about = match account {
                Some(account) => filled(words.relink.about, [account.to_string(), generation]),
                None => filled(words.retires, [generation]),
            };
            Page {
                about,
                ..said(ask, &words.relink)
            }
        }
        Face::ConfirmReset { .. } => said(bad, &words.reset),
        Face::Resetting => said(work, &words.resetting),
        Face::ResetDone { emptied } => reset_done(emptied, words),
        Face::Stopped { saved: true } => said(good, &words.stopped),
        Face::Stopped { saved: false } => said(work, &words.stopping),
    }
}

/// How far a new version is.
fn updating(stage: Stage, words: &Words) -> Page {
    match stage {
        Stage::Installing(percent) => with(Mood::Work, &words.updating, [percent.to_string()]),
        Stage::Installed | Stage::Restarting => said(Mood::Work, &words.update_starts),
        Stage::Idle | Stage::Looking | Stage::Found | Stage::Trial => {
            said(Mood::Work, &words.update_sought)
        }
    }
}

/// What a factory reset did, and what it could not do: links that WhatsApp still lists go from the phone alone.
fn reset_done(emptied: &Emptied, words: &Words) -> Page {
    let counted = |text: &str, number: u32| filled(text, [number.to_string()]);
    let page = said(Mood::Good, &words.reset_done);
    let about = match emptied.system {
        true => words.reset_done.about,
        false => words.links_gone,
    };
    let page = Page {
        about: counted(about, emptied.links),
        ..page
    };
    let page = match emptied.left {
        0 => page,
        left => Page {
            hint: counted(words.things_left, left),
            ..page
        },
    };
    match emptied.listed {
        0 => page,
        listed => Page {
            mood: Mood::Ask,
            next: counted(words.still_listed, listed),
            ..page
        },
    }
}

/// The words about a fault of the data partition or of the system.
fn fault(code: CauseCode, words: &Words) -> &Screen {
    match code {
        CauseCode::NoSpace => &words.full,
        CauseCode::OutboxFull => &words.outbox_full,
        CauseCode::IdentityDamaged => &words.damaged,
        CauseCode::NotPermitted => &words.not_permitted,
        CauseCode::WrongFile => &words.wrong_file,
        CauseCode::ReadOnly => &words.read_only,
        CauseCode::InUse => &words.in_use,
        CauseCode::SetAside => &words.set_aside,
        CauseCode::NoDescriptors => &words.no_descriptors,
        CauseCode::NoMemory => &words.no_memory,
        CauseCode::NoThreads => &words.no_threads,
        _ => &words.failed,
    }
}

/// While a code is fetched, or none is: on a glass whose QR no phone reads, and with no number, it says how to set one.
fn linking(mood: Mood, screen: &Screen, figures: &Figures, words: &Words, qr_reads: bool) -> Page {
    let page = said(mood, screen);
    if qr_reads || figures.has_number {
        return page;
    }
    Page {
        about: words.set_number_why.to_owned(),
        hint: words.set_number.to_owned(),
        ..page
    }
}

fn settings(ignored: &Ignored, words: &Words) -> Page {
    /// More letters than that no font brings on a small glass; the file is the more important half.
    const LONGEST: usize = 24;
    let file = ignored.file.unwrap_or(words.boot_partition);
    let line = ignored.line.filter(|_| ignored.file.is_some());
    let line = line.map(|line| filled(words.line, [file.to_owned(), line.to_string()]));
    let about = line.filter(|line| line.chars().count() <= LONGEST);
    let page = said(Mood::Ask, &words.settings);
    let (next, hint) = match (ignored.file, ignored.count) {
        // Who may not come in yet has no other advice than this.
        (Some(file), _) if file != "holdfast.toml" => (words.use_our_file.to_owned(), page.hint),
        (_, 1) => (page.next, page.hint),
        (_, count) => (page.next, filled(words.mistakes, [count.to_string()])),
    };
    Page {
        next,
        about: about.unwrap_or_else(|| file.to_owned()),
        hint,
        ..said(Mood::Ask, &words.settings)
    }
}

fn network(figures: &Figures, words: &Words) -> Page {
    let page = Page {
        rows: figures.of_network(words),
        ..said(Mood::Page, &words.network)
    };
    if figures.has_key != Some(false) {
        return page;
    }
    Page {
        next: words.no_key_next.to_owned(),
        about: words.no_key_about.to_owned(),
        sentences: vec![words.no_key.to_owned()],
        ..page
    }
}

/// What is counted down, and what it leads to.
fn time(face: &Face, words: &Words) -> String {
    let is_fault = matches!(face, Face::StorageFault { .. });
    let Some(left_ms) = countdown(&mut face.clone()).map(|left_ms| *left_ms) else {
        return String::new();
    };
    let words = match face {
        Face::WaitingForClock { .. } => words.goes_on,
        Face::Banned { .. } => words.ends_in,
        Face::ConfirmRelink { .. } | Face::ConfirmReset { .. } => words.no_in,
        Face::Holding { .. } => words.erases_in,
        Face::FellBack { .. }
        | Face::LastEnd { .. }
        | Face::SettingsIgnored { .. }
        | Face::Network { .. }
        | Face::About { .. }
        | Face::Pairing(_) => return String::new(),
        _ if left_ms == 0 && is_fault => words.restarting,
        _ if left_ms == 0 => words.trying,
        _ => words.next_try,
    };
    filled(words, [duration(left_ms)])
}

/// Formats the time left, rounded up: `0:42`, `4:59`, `23 h 59 min`, `12 d 3 h`.
pub(super) fn duration(ms: u64) -> String {
    let seconds = ms.div_ceil(1000);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours) {
        (1000.., _) => "> 999 d".into(),
        (1.., _) => format!("{days} d {} h", hours % 24),
        (_, 1..) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{minutes}:{:02}", seconds % 60),
    }
}

/// A page of the words of a screen.
pub(super) fn said(mood: Mood, screen: &Screen) -> Page {
    Page {
        mood,
        title: screen.title.to_owned(),
        next: screen.next.to_owned(),
        about: screen.about.to_owned(),
        sentences: Vec::new(),
        named: String::new(),
        hint: screen.hint.to_owned(),
        time: String::new(),
        rows: Vec::new(),
    }
}

fn with<const N: usize>(mood: Mood, screen: &Screen, values: [String; N]) -> Page {
    Page {
        about: filled(screen.about, values),
        ..said(mood, screen)
    }
}

/// Fills in the values of a text, in their order.
pub(super) fn filled<const N: usize>(text: &str, values: [String; N]) -> String {
    values.into_iter().fold(text.to_owned(), |text, value| {
        text.replacen("{}", &value, 1)
    })
}
