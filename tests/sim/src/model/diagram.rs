//! Which state follows which, as the check found it.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_core::{Command, Ending, Event};

use super::Action;

/// From a state's name to another's, by what.
pub type Diagram = BTreeMap<(&'static str, &'static str), BTreeSet<&'static str>>;

/// The label of an action in the diagram.
pub(super) fn label(action: &Action) -> &'static str {
    match action {
        Action::Wait | Action::Rest => "time",
        Action::Cut | Action::Start => "start",
        Action::Happen(event) => match &**event {
            Event::Found(_) => "vault looked through",
            Event::Booted(_) => "vault open",
            Event::Network(_) => "network",
            Event::Clock { .. } => "clock set",
            Event::QrShown { .. } | Event::PairFailed | Event::CodeUnusable => "code",
            Event::PasskeyAsked => "passkey",
            Event::Paired(_) => "linked",
            Event::LinkUp => "login",
            Event::Heard => "heard",
            Event::LinkEnded(ending) => match ending {
                Ending::Replaced => "440",
                Ending::LoggedOut => "401",
                Ending::AccountLocked => "403",
                Ending::Banned { .. } => "402",
                Ending::ClientOutdated => "405",
                Ending::RestartRequired => "515",
                Ending::Throttled => "429",
                Ending::QrExhausted => "no scan",
                _ => "link lost",
            },
            Event::Pressed(_) | Event::Released(_) => "button",
            Event::Command {
                command: Command::Stop,
                ..
            } => "stop",
            Event::Command { .. } => "command",
            Event::Retired(_) | Event::RetireFailed => "retired or not",
            Event::ResetNoted | Event::ResetFailed => "reset or not",
            Event::Space(_) | Event::InboxFull => "space",
            Event::StorageFailed(_) => "storage failed",
            _ => "else",
        },
    }
}
