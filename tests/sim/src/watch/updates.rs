//! Updates: nothing comes out of its hour or right after a linking, nothing stays unproved, and only what is new is left.

use holdfast_core::{Booted, CauseCode, Command, Effect, Ending, Event, UpdateStep};

use crate::MINUTE;

/// How long a version has to do well before it stays.
const PROOF: u64 = 5 * MINUTE;
/// How long a phone that has just linked is left in peace.
const PEACE: u64 = 3 * MINUTE;

/// What is known of updates in this process.
#[derive(Clone, Debug, Default)]
pub(super) struct Updates {
    started: u64,
    is_hour: bool,
    /// Somebody does not wait for the hour, or WhatsApp does not.
    at_once: bool,
    /// The version that runs is new.
    is_new: bool,
    /// Its slot's starts are counted.
    counted: bool,
    linked: Option<u64>,
}

impl Updates {
    /// A process begins.
    pub(super) fn starts(&mut self, now: u64) {
        *self = Self {
            started: now,
            ..Self::default()
        };
    }

    pub(super) fn happens(&mut self, now: u64, event: &Event) {
        match event {
            Event::Woke(facts) => {
                let booted = facts.updates.booted;
                self.at_once = matches!(booted, Booted::Installing | Booted::Installed);
                self.is_new = matches!(booted, Booted::Trial { .. });
                self.counted = facts.updates.counted;
            }
            Event::UpdateHour(is_hour) => self.is_hour = *is_hour,
            Event::LinkEnded(Ending::ClientOutdated)
            | Event::Command {
                command: Command::Install | Command::LookForUpdate,
                ..
            } => self.at_once = true,
            Event::Update(
                UpdateStep::Nothing | UpdateStep::Failed(_) | UpdateStep::Found { fell_back: true },
            ) => self.at_once = false,
            Event::Paired(_) => self.linked = Some(now),
            // What follows a linking begins with the first login.
            Event::LinkUp if self.is_just_linked(now) => self.linked = Some(now),
            _ => {}
        }
    }

    pub(super) fn does(&self, now: u64, effect: &Effect) -> Result<(), String> {
        let may_go_on = self.is_hour || self.at_once;
        let wrong = match effect {
            Effect::Install if !may_go_on => "an update comes out of its hour",
            Effect::MarkGood if !self.is_new && !self.counted => "what is good is called so",
            Effect::MarkGood if now < self.started + PROOF => "a version stays unproved",
            Effect::Report(cause) => match cause.code {
                CauseCode::UpdateInstalled if !may_go_on => "a restart comes out of its hour",
                CauseCode::UpdateUnproved if !self.is_new => "what is not new is left",
                CauseCode::UpdateInstalled | CauseCode::UpdateUnproved
                    if self.is_just_linked(now) =>
                {
                    "a phone that has just linked is not left in peace"
                }
                _ => return Ok(()),
            },
            _ => return Ok(()),
        };
        Err(wrong.to_owned())
    }

    fn is_just_linked(&self, now: u64) -> bool {
        self.linked.is_some_and(|at| now < at + PEACE)
    }
}
