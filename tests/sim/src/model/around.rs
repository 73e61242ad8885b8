//! Everybody around the core: they carry out its effects at once, and answer when it pleases the adversaries.

use holdfast_core::{
    CauseCode, Command, Effect, Ending, Event, Face, GenerationId, Hand, Hands, LastFour, Linked,
    Now, Outcome, Past, Reply, State, Trigger, Unfinished, face,
};

use super::{ACCOUNT, NONCE};
use crate::stays;

/// A run of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Run {
    pub(super) up: bool,
    /// It was told to end.
    pub(super) told: bool,
    pub(super) codes: u8,
}

/// Everybody around the core, and what they know and owe.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Around {
    /// The generation on the flash.
    pub(super) linked: Linked,
    pub(super) run: Option<Run>,
    /// The effect that has not answered.
    pub(super) owed: Option<Owed>,
    /// The record for the next start, as far as it still counts.
    pub(super) past: Option<Past>,
    /// Logouts since the last login.
    pub(super) logouts: u8,
    /// The question that stands.
    pub(super) asks: Option<Asks>,
    /// Whose finger is down, and the question that stood when it went down.
    pub(super) finger: Option<(Hand, Option<Asks>)>,
    /// A human wanted the link given up.
    pub(super) consent: Option<Trigger>,
    /// A human at the device wanted everything forgotten.
    pub(super) reset: bool,
    /// That is written down.
    pub(super) marked: bool,
    pub(super) token: bool,
    /// Somebody told it to stop.
    pub(super) stopped: bool,
    /// The data partition failed.
    pub(super) failed: bool,
    pub(super) exited: bool,
    pub(super) broken: Option<String>,
}

/// A question on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Asks {
    Relink,
    Reset,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Owed {
    Inspection,
    Boot,
    Retirement(Linked),
    CatchUp,
    Answer,
    Space,
    Reset,
}

impl Around {
    /// Before the first start.
    pub(super) fn new(account: Option<LastFour>, past: Option<Past>) -> Self {
        Self {
            linked: Linked {
                generation: GenerationId(1),
                account,
            },
            run: None,
            owed: None,
            past,
            logouts: 0,
            asks: None,
            finger: None,
            consent: None,
            reset: false,
            marked: false,
            token: false,
            stopped: false,
            failed: false,
            exited: false,
            broken: None,
        }
    }

    /// The process begins.
    pub(super) fn starts(&mut self) {
        (self.run, self.owed) = (None, None);
        // A suspicion does not outlive a restart; a proof does.
        self.logouts = if self.logouts < 2 { 0 } else { 2 };
        (self.asks, self.finger, self.consent, self.token) = (None, None, None, false);
        self.reset = false;
        (self.stopped, self.failed, self.exited) = (false, false, false);
    }

    /// A boot forgets everything where that is written down. Whether it did.
    pub(super) fn boots(&mut self) -> bool {
        let forgets = std::mem::take(&mut self.marked);
        if forgets {
            let generation = GenerationId(1);
            let account = None;
            self.linked = Linked {
                generation,
                account,
            };
            (self.past, self.logouts) = (None, 0);
        }
        forgets
    }

    pub(super) fn check(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.broken.get_or_insert_with(what);
        }
    }

    /// Notes what an event means for its source.
    fn expect(&mut self, event: &Event) {
        match event {
            Event::LinkUp => {
                self.logouts = 0;
                self.run.iter_mut().for_each(|run| run.up = true);
            }
            Event::QrShown { .. } => self.run.iter_mut().for_each(|run| run.codes += 1),
            Event::Paired(_) => self.linked.account = Some(ACCOUNT),
            Event::LinkEnded(ending) => {
                self.run = None;
                self.owed = self
                    .owed
                    .filter(|owed| !matches!(owed, Owed::Answer | Owed::CatchUp));
                let counts = self.linked.account.is_some() && !self.stopped && !self.failed;
                if *ending == Ending::LoggedOut && counts {
                    self.logouts = (self.logouts + 1).min(2);
                }
            }
            Event::Pressed(hand) => self.finger = Some((*hand, self.asks)),
            Event::Released(_) => match self.finger.take() {
                Some((_, Some(Asks::Relink))) => self.consent = Some(Trigger::Button),
                Some((Hand::Device, Some(Asks::Reset))) => self.reset = true,
                _ => {}
            },
            Event::Command { command, .. } => match command {
                Command::Confirm { token, .. } => {
                    if std::mem::take(&mut self.token) && *token == NONCE {
                        self.consent = Some(Trigger::Bus);
                    }
                }
                Command::Ask { .. } => self.token = false,
                Command::Stop => self.stopped = true,
                Command::Link | Command::SelfTest | Command::Install | Command::LookForUpdate => {}
            },
            Event::Woke(facts) => {
                self.failed = facts.set_aside || facts.reset == Unfinished::Failed;
                self.marked = facts.reset != Unfinished::No;
            }
            Event::ResetNoted => (self.owed, self.marked) = (None, true),
            Event::ResetFailed => (self.owed, self.reset) = (None, false),
            Event::StorageFailed(code) => {
                self.failed = true;
                if *code == CauseCode::OpenFailed {
                    self.owed = None;
                }
            }
            Event::Found(_) => self.answered(Owed::Inspection),
            Event::Booted(_) => self.answered(Owed::Boot),
            Event::CaughtUp => self.answered(Owed::CatchUp),
            Event::Heard => self.answered(Owed::Answer),
            Event::Space(_) => self.answered(Owed::Space),
            Event::Retired(linked) => {
                (self.linked, self.owed, self.logouts) = (*linked, None, 0);
                self.consent = None;
            }
            Event::RetireFailed => (self.owed, self.consent) = (None, None),
            _ => {}
        }
    }

    fn answered(&mut self, owed: Owed) {
        self.owed = self.owed.filter(|other| *other != owed);
    }
}

impl Hands for Around {
    fn decided(&mut self, event: &Event, _: &Outcome, _: Now) {
        self.expect(event);
    }

    fn carry_out(&mut self, _: &State, effect: Effect) -> Vec<Event> {
        let busy = self.run.is_some() || matches!(self.owed, Some(Owed::Retirement(_)));
        match effect {
            Effect::Inspect => {
                let failed = self.failed || self.marked;
                self.check(!failed, || {
                    "what was set aside, or is half forgotten, is opened all the same".to_owned()
                });
                self.owed = Some(Owed::Inspection);
            }
            Effect::Repair(_) => self.owed = Some(Owed::Boot),
            Effect::Connect | Effect::Pair => {
                let pairs = effect == Effect::Pair;
                let linked = self.linked.account.is_some();
                self.check(!busy, || "two things at a time".to_owned());
                self.check(linked != pairs, || "the wrong kind of attempt".to_owned());
                let revoked = self.logouts == 2;
                self.check(!revoked, || "revoked keys are used again".to_owned());
                self.run = Some(Run {
                    up: false,
                    told: false,
                    codes: 0,
                });
            }
            Effect::Disconnect => self.run.iter_mut().for_each(|run| run.told = true),
            Effect::CatchUp(_) => self.owed = Some(Owed::CatchUp),
            Effect::Probe => self.owed = Some(Owed::Answer),
            Effect::Retire(order) | Effect::Restore { order, .. } => {
                self.check(!busy, || "given up under a run".to_owned());
                let logouts = self.logouts;
                let proved = match order.trigger {
                    Trigger::Server => logouts == 2,
                    human => self.consent == Some(human),
                };
                self.check(proved, || {
                    format!("given up by {:?} after {logouts} logouts", order.trigger)
                });
                self.owed = Some(Owed::Retirement(Linked {
                    // Two take turns, so that the states stay few: keys that were revoked are told from those that came after.
                    generation: GenerationId(3 - order.old.0),
                    account: None,
                }));
            }
            Effect::TrimMail | Effect::DropOldestArchive => self.owed = Some(Owed::Space),
            Effect::Farewell(_) => return vec![Event::FarewellSaid],
            Effect::Remember(past) => self.past = Some(Past::clone(&past).without_chores()),
            Effect::Reply { reply, .. } => {
                self.token = matches!(reply, Reply::Token { .. });
            }
            Effect::Reset(order) => {
                let wanted = self.reset && order.trigger == Trigger::Button;
                self.check(!busy && wanted, || {
                    "everything is forgotten, and no human at the device wanted it".to_owned()
                });
                self.owed = Some(Owed::Reset);
            }
            Effect::ResetSeen => {}
            Effect::LookForUpdate | Effect::Install | Effect::MarkGood => {
                self.check(false, || "an update, and nobody asked".to_owned());
            }
            Effect::Exit | Effect::ExitFailed | Effect::Restart => {
                let told = match effect {
                    Effect::ExitFailed => self.failed,
                    Effect::Restart => self.reset || self.marked,
                    _ => self.stopped && !self.marked,
                };
                self.check(told, || "it left, and nobody asked".to_owned());
                self.exited = true;
            }
            Effect::DialAhead
            | Effect::NoteCaughtUp
            | Effect::SelfTest
            | Effect::Rejoin
            | Effect::Tested(_)
            | Effect::Report(_)
            | Effect::Notify(_)
            | Effect::AskPhone
            | Effect::Pulse
            | Effect::Renegotiate { .. }
            | Effect::StopWaiting { .. }
            | Effect::FailSends
            | Effect::Undecrypted { .. } => {}
        }
        Vec::new()
    }

    /// Checks that the face an owner sees is bounded and explained.
    fn show(&mut self, state: &State, now: Now) {
        let asks = match face(state, now) {
            Face::ConfirmRelink { .. } => Some(Asks::Relink),
            Face::ConfirmReset { .. } => Some(Asks::Reset),
            _ => None,
        };
        let by_the_bus = matches!(self.finger, Some((Hand::Bus, _)));
        let is_new = std::mem::replace(&mut self.asks, asks) != asks;
        self.check(!(is_new && by_the_bus && asks == Some(Asks::Reset)), || {
            "a program asks whether to forget everything".to_owned()
        });
        let name = state.name();
        let told = state
            .cause()
            .is_some_and(|cause| !cause.action().starts_with("none"));
        let left = state.deadline().map(|at| at.saturating_sub(now.mono_ms));
        match stays::longest(name) {
            _ if name == "Starting" || self.exited => {}
            Some(longest) => self.check(left.is_some_and(|left| left <= longest), || {
                format!("{name} for {left:?}, its limit is {longest}")
            }),
            None => self.check(told, || format!("{name}, and nobody is told what to do")),
        }
        let up = self.run.is_some_and(|run| run.up);
        self.check(name != "Connected" || up, || {
            "called connected, and is not".to_owned()
        });
        let cause = state.cause().is_some();
        let explained = matches!(name, "Starting" | "Connecting" | "Connected" | "Repairing");
        self.check(cause || explained, || format!("{name} without a cause"));
    }
}
