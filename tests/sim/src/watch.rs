//! The watch checks each step: the invariants of the design that concern the core, and the promises of its states.

mod farewells;
mod habits;
mod looks;
mod radio;
mod storms;
mod updates;

use std::collections::VecDeque;

use holdfast_core::{
    ArchiveId, CauseCode, Command, Deed, Effect, Ending, Event, Findings, Hand, Order, Plan, Reply,
    StoreFound, Treatment, Trigger, Unfinished, Unusable,
};

use crate::{DAY, HOUR, MINUTE, SECOND};
use farewells::Farewells;
use habits::Habits;
use radio::Radio;
use storms::Storms;
use updates::Updates;

/// How long a press that wants something of its own is held.
const HOLD: u64 = 5 * SECOND;
/// And one that wants everything forgotten.
const RESET_HOLD: u64 = 15 * SECOND;

/// A tick is late by no more.
const SLACK: u64 = 3 * SECOND;
/// A confirmation right after a logout proves nothing.
const CONFIRMATION: &str = "a confirmation means something";
/// So many logouts in a row are meant.
const PROOF: u32 = 2;
/// WhatsApp's own restarts come to a loop.
const PAUSE: &str = "a pause in a loop of restarts";
/// How much of the past is told when something is broken.
const TOLD: usize = 30;

/// One line of what happened.
#[derive(Clone, Debug)]
#[expect(dead_code, reason = "printed by its Debug")]
enum Note {
    Happens(Event),
    Does(Effect),
    Is(&'static str, Option<CauseCode>),
    Ends,
}

/// A question on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asks {
    Relink,
    Reset,
}

/// The watch, with its memory of the past.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    broken: Option<String>,
    last: VecDeque<(u64, Note)>,
    /// When there were attempts, within ten minutes.
    attempts: VecDeque<u64>,
    /// When a run that nobody had asked for showed its first code, within a day.
    codes: VecDeque<u64>,
    /// A human wanted the run under way.
    human: bool,
    /// The press under way was held so long that it wants something of its own.
    held: bool,
    showed: bool,
    /// No attempt before, and why.
    not_before: Option<(u64, &'static str)>,
    /// When that came up.
    not_before_since: u64,
    /// Since the last login.
    logouts: u32,
    /// When the last of them was said.
    logout_at: u64,
    /// The last logout was meant.
    revoked: bool,
    heard: u64,
    /// Since when nothing was done about the state.
    idle_since: u64,
    name: &'static str,
    code_until: u64,
    /// The press under way, and the last one.
    pressed_at: Option<(Hand, u64)>,
    last_press: Option<(Hand, u64)>,
    /// The question that stood when it began, and the one that stands.
    asked_at_press: Option<Asks>,
    asks: Option<Asks>,
    button: bool,
    /// A factory reset was confirmed at the device.
    reset: bool,
    /// It is written down.
    reset_noted: bool,
    /// The machine restarts for a new version.
    updates: bool,
    token: Option<(Deed, u64, u64)>,
    bus: bool,
    retiring: bool,
    stop_at: Option<u64>,
    storage_failed: bool,
    running: bool,
    /// A human had the session taken back.
    resumed: bool,
    /// When another copy took over, and no human had resumed.
    replaced: VecDeque<u64>,
    /// When WhatsApp asked for a restart.
    restarts: VecDeque<u64>,
    steps_at: (u64, u32),
    /// The findings of this process's start, until they are dealt with.
    found: Option<Findings>,
    storms: Storms,
    farewells: Farewells,
    /// Nothing can be kept in this start.
    set_aside: bool,
    /// The run was told to end and did not.
    stuck: bool,
    habits: Habits,
    radio: Radio,
    upkeep: Updates,
}

impl Watch {
    pub(crate) fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    pub(crate) fn last(&self) -> VecDeque<String> {
        let lines = self.last.iter().map(|(at, note)| {
            let (day, hour, minute) = (at / DAY, at / HOUR % 24, at / MINUTE % 60);
            let second = (at % MINUTE) as f64 / 1e3;
            format!("{day}d {hour:02}:{minute:02}:{second:06.3}  {note:?}")
        });
        lines.collect()
    }

    pub(crate) fn fails(&mut self, what: impl Into<String>) {
        self.broken.get_or_insert(what.into());
    }

    fn check(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.fails(what());
        }
    }

    fn holds(&mut self, held: Result<(), String>) {
        if let Err(what) = held {
            self.fails(what);
        }
    }

    fn tell(&mut self, now: u64, note: Note) {
        if self.last.len() == TOLD {
            self.last.pop_front();
        }
        self.last.push_back((now, note));
    }

    /// A process begins.
    pub(crate) fn starts(&mut self, now: u64) {
        (self.name, self.idle_since) = ("Starting", now);
        (self.running, self.retiring) = (false, false);
        (self.pressed_at, self.button, self.token, self.bus) = (None, false, None, false);
        (self.asks, self.reset, self.reset_noted) = (None, false, false);
        self.updates = false;
        (self.stop_at, self.storage_failed, self.human) = (None, false, false);
        self.restarts.clear();
        self.storms.starts();
        (self.found, self.stuck) = (None, false);
        self.habits.starts();
        self.radio.starts(now);
        self.upkeep.starts(now);
        self.farewells.starts();
        // A suspicion does not outlive a restart: it is asked twice anew. A proof does.
        self.logouts = if self.logouts < PROOF { 0 } else { PROOF };
        self.not_before = self.not_before.filter(|(_, why)| *why != CONFIRMATION);
    }

    /// A process ends, in order or not.
    pub(crate) fn stops(&mut self, now: u64) {
        self.running = false;
        self.tell(now, Note::Ends);
    }

    pub(crate) fn slept(&mut self, now: u64) {
        (self.heard, self.idle_since) = (now, now);
    }

    pub(crate) fn heard(&mut self, now: u64) {
        (self.heard, self.idle_since) = (now, now);
    }

    pub(crate) fn up(&mut self, now: u64) {
        self.heard = now;
        self.habits.up(now);
        self.logouts = 0;
    }

    /// Whether a logout was said, and no login followed.
    pub(crate) fn is_suspected(&self) -> bool {
        self.logouts > 0
    }

    pub(crate) fn shows(&mut self, now: u64, until: u64) {
        self.habits.shows(now);
        self.code_until = self.code_until.max(until);
    }

    pub(crate) fn storage_fails(&mut self) {
        self.storage_failed = true;
    }

    /// A run ended; whether the account has not ended the link.
    pub(crate) fn ended(&mut self, now: u64, ending: &Ending, linked: bool, valid: bool) {
        self.running = false;
        self.habits.ended(now, ending);
        (self.code_until, self.showed) = (0, false);
        // Who leaves notes nothing any more, for whatever reason.
        let leaves = self.stop_at.is_some() || self.storage_failed || self.updates;
        let wait = match ending {
            Ending::LoggedOut if linked && !leaves => {
                self.logouts += 1;
                (self.revoked, self.logout_at) = (!valid, now);
                Some((8 * SECOND, CONFIRMATION))
            }
            Ending::RestartRequired => {
                let before = recent(&mut self.restarts, now, MINUTE);
                self.restarts.push_back(now);
                (before >= 2).then_some((2 * SECOND, PAUSE))
            }
            Ending::Replaced => {
                if std::mem::take(&mut self.resumed) {
                    self.replaced.clear();
                }
                self.replaced.push_back(now);
                let times = recent(&mut self.replaced, now, DAY);
                self.check(times <= 9, || {
                    format!("took the session back {times} times within a day")
                });
                None
            }
            Ending::Throttled => Some((self.habits.patience(), "WhatsApp's patience")),
            Ending::Banned {
                expires_ms: Some(ms),
            } => Some(((*ms).min(30 * DAY), "the end of the ban")),
            _ => None,
        };
        if let Some((ms, why)) = wait.filter(|_| !leaves) {
            self.not_before = Some((now + ms, why));
            self.not_before_since = now;
        }
    }

    /// A generation is given up.
    pub(crate) fn retires(&mut self, now: u64, order: Order) {
        self.farewells.retires(now);
        let (running, retiring) = (self.running, self.retiring);
        self.check(!running && !retiring, || "one thing at a time".to_owned());
        let proved = match order.trigger {
            Trigger::Server => self.logouts >= PROOF && self.revoked,
            Trigger::Button => self.button,
            Trigger::Bus => self.bus,
            Trigger::Recovery => false,
        };
        let (logouts, revoked) = (self.logouts, self.revoked);
        self.check(proved, || {
            format!(
                "retired by {:?} without proof: {logouts} logouts, revoked {revoked}",
                order.trigger
            )
        });
        (self.retiring, self.button, self.bus) = (true, false, false);
    }

    /// Everything is to be forgotten.
    pub(crate) fn resets(&mut self, order: Order) {
        let (running, retiring) = (self.running, self.retiring);
        self.check(!running && !retiring, || "reset under a run".to_owned());
        let proved = self.reset && order.trigger == Trigger::Button;
        self.check(proved, || {
            "reset, and no finger at the device confirmed it".to_owned()
        });
    }

    /// Everything is forgotten, what was written down for the next start as well.
    pub(crate) fn forgets_all(&mut self) {
        self.clock_lies();
        self.farewells = Farewells::default();
        (self.logouts, self.revoked) = (0, false);
    }

    /// It could not be given up.
    pub(crate) fn keeps(&mut self) {
        self.retiring = false;
    }

    /// A generation went for an empty one, or for an archived link: the daemon may have heard of it, or ended over it.
    pub(crate) fn retired(&mut self, order: Order, was_linked: bool, back: Option<ArchiveId>) {
        self.retiring = false;
        self.farewells.retired(order, was_linked, back);
        (self.logouts, self.revoked, self.not_before) = (0, false, None);
    }

    /// The process ended before what came up since then was written down: what a start has to know is as it was before.
    pub(crate) fn forgets(&mut self, since: u64) {
        for times in [&mut self.attempts, &mut self.codes, &mut self.replaced] {
            forget(times, since);
        }
        self.storms.forgets_since(since);
        self.habits.forgets_since(since);
        self.radio.forgets_since(since);
        self.farewells.forgets(since);
        if self.not_before_since >= since {
            self.not_before = None;
        }
        if self.logout_at >= since {
            self.logouts = 0;
        }
    }

    /// The clock said that more time has passed than has: what was written down does not count any more.
    pub(crate) fn clock_lies(&mut self) {
        self.not_before = None;
        for times in [&mut self.attempts, &mut self.codes, &mut self.replaced] {
            times.clear();
        }
        self.storms.forgets();
        self.habits.forgets();
        self.radio.forgets();
    }

    /// There is to be a run.
    pub(crate) fn begins(&mut self, now: u64, pairs: bool) {
        let (running, retiring) = (self.running, self.retiring);
        self.check(!running && !retiring, || "two runs at a time".to_owned());
        (self.running, self.showed) = (true, false);
        self.not_before = self.not_before.filter(|(until, _)| *until > now);
        if let Some((_, why)) = self.not_before {
            self.fails(format!("an attempt before {why}"));
        }
        let logouts = self.logouts;
        self.check(pairs || logouts < PROOF, || {
            "revoked keys are used again".to_owned()
        });
    }

    /// There is a run, which was decided then.
    pub(crate) fn dials(&mut self, decided: u64) {
        self.attempts.push_back(decided);
        let times = recent(&mut self.attempts, decided, 10 * MINUTE);
        self.check(times <= 20, || {
            format!("{times} attempts within ten minutes")
        });
    }

    /// Notes an event.
    pub(crate) fn happens(&mut self, now: u64, event: &Event) {
        if !matches!(
            event,
            Event::Tick
                | Event::Heard
                | Event::Undecrypted { .. }
                | Event::Decrypted { .. }
                | Event::Space(_)
        ) {
            self.tell(now, Note::Happens(event.clone()));
        }
        if self.steps_at.0 != now {
            self.steps_at = (now, 0);
        }
        self.steps_at.1 += 1;
        let steps = self.steps_at.1;
        self.check(steps < 1_000, || "a deadline that does not move".to_owned());
        // A wait of the schedule is cut short by these, and only such a wait.
        if matches!(
            event,
            Event::Pressed(_) | Event::Released(_) | Event::Command { .. } | Event::Network(_)
        ) {
            self.not_before = self.not_before.filter(|(_, why)| *why != PAUSE);
        }
        self.habits.happens(now, event);
        self.radio.happens(now, event);
        self.upkeep.happens(now, event);
        self.storms.happens(now, event);
        self.farewells.happens(event);
        match *event {
            Event::Woke(ref facts) => {
                self.set_aside = facts.set_aside || facts.reset != Unfinished::No;
                self.reset_noted = facts.reset == Unfinished::Waits;
            }
            Event::ResetNoted => self.reset_noted = self.reset,
            Event::Found(findings) => self.found = Some(findings),
            Event::Pressed(hand) => {
                (self.human, self.resumed) = (true, true);
                // The finger at the device goes before a program's.
                if matches!(
                    (self.pressed_at, hand),
                    (None, _) | (Some((Hand::Bus, _)), Hand::Device)
                ) {
                    self.pressed_at = Some((hand, now));
                    self.last_press = self.pressed_at;
                }
                self.held = false;
            }
            Event::Released(hand) => {
                let press = self.pressed_at.take_if(|(by, _)| *by == hand);
                if press.is_some_and(|(_, at)| now - at < HOLD) {
                    self.button |= self.asked_at_press == Some(Asks::Relink);
                    self.reset |= (self.asked_at_press, hand) == (Some(Asks::Reset), Hand::Device);
                }
                (self.human, self.resumed) = (true, true);
            }
            Event::Command { command, .. } => {
                (self.human, self.resumed) = (true, true);
                match command {
                    Command::Confirm { deed, token } => {
                        let known = self.token.take();
                        let right = known.is_some_and(|(of, known, until)| {
                            (of, known) == (deed, token) && now < until
                        });
                        self.bus |= right && !matches!(deed, Deed::Export(_));
                    }
                    Command::Stop => self.stop_at = self.stop_at.or(Some(now)),
                    Command::Link
                    | Command::SelfTest
                    | Command::Install
                    | Command::LookForUpdate
                    | Command::Ask { .. } => {}
                }
            }
            _ => {}
        }
    }

    /// Checks the plan for the findings of a start: no ratchet is used again that may not be the newest.
    fn heals(&mut self, found: &Findings, plan: &Plan) {
        let is_old = !matches!(found.store, StoreFound::Sound | StoreFound::OneBehind);
        let renewed = plan.store == Treatment::Rebuild && plan.leap;
        self.check(renewed || !is_old, || {
            format!("old session keys are kept: {found:?}")
        });
        let is_whole = found.store == StoreFound::Sound && found.unusable == Unusable::default();
        self.check(is_whole || plan.store != Treatment::Keep, || {
            format!("what is of no use is kept: {found:?}")
        });
    }

    /// A run that would not end has ended: what a human, or a repair, wanted of it was refused.
    fn refuses(&mut self, effect: &Effect) {
        let refused = match effect {
            Effect::Retire(order) => order.trigger == Trigger::Server,
            effect => !matches!(
                effect,
                Effect::Restore { .. } | Effect::Repair(_) | Effect::Reset(_)
            ),
        };
        self.check(refused, || {
            format!("it was refused, and done later: {effect:?}")
        });
    }

    /// The session keys are made anew though this is no start.
    fn rebuilds(&mut self, now: u64) {
        let running = self.running;
        self.check(!running, || "repaired under a run".to_owned());
        let held = self.storms.rebuilds(now);
        self.holds(held);
    }

    /// Checks the effects of an event.
    pub(crate) fn effects(&mut self, now: u64, event: &Event, effects: &[Effect]) {
        let mut written = false;
        let mut replies = 0;
        for effect in effects {
            if !matches!(effect, Effect::Probe) {
                self.tell(now, Note::Does(effect.clone()));
            }
            let held = self.habits.does(now, effect);
            self.holds(held);
            let held = self.upkeep.does(now, effect);
            self.holds(held);
            if self.stuck && matches!(event, Event::LinkEnded(_)) {
                self.refuses(effect);
            }
            match effect {
                Effect::Remember(_) => written = true,
                Effect::Connect | Effect::Pair => {
                    self.check(written, || {
                        "an attempt that is not written down first".to_owned()
                    });
                    self.begins(now, *effect == Effect::Pair);
                }
                Effect::Reply { reply, .. } => {
                    replies += 1;
                    if let (
                        Reply::Token { token, valid_ms },
                        Event::Command {
                            command: Command::Ask { deed, .. },
                            ..
                        },
                    ) = (reply, event)
                    {
                        self.token = Some((*deed, *token, now + valid_ms));
                    }
                }
                Effect::Farewell(old) => {
                    let held = self.farewells.says(now, *old, written);
                    self.holds(held);
                }
                Effect::Inspect => {
                    let set_aside = self.set_aside;
                    self.check(!set_aside, || {
                        "what was set aside is opened all the same".to_owned()
                    });
                }
                Effect::Repair(plan) => match self.found.take() {
                    Some(found) => self.heals(&found, plan),
                    None => self.rebuilds(now),
                },
                Effect::Report(cause)
                    if matches!(
                        cause.code,
                        CauseCode::UpdateInstalled | CauseCode::UpdateUnproved
                    ) =>
                {
                    let retiring = self.retiring;
                    self.check(!retiring, || "an update interrupts a switch".to_owned());
                    self.updates = true;
                    // As every stop and start cuts such a wait short.
                    self.not_before = self.not_before.filter(|(_, why)| *why != PAUSE);
                }
                Effect::Exit => {
                    let asked = self.stop_at.is_some();
                    self.check(asked, || "it left, and nobody asked".to_owned());
                    let noted = self.reset_noted;
                    self.check(!noted, || {
                        "it left without the restart in which all is forgotten".to_owned()
                    });
                }
                Effect::Restart if self.reset || self.reset_noted || self.updates => {}
                Effect::Rejoin | Effect::Restart => {
                    let held = self.radio.does(now, effect, self.running);
                    self.holds(held);
                }
                Effect::ExitFailed => {
                    let failed = self.storage_failed;
                    self.check(failed, || "it left as failed, and nothing had".to_owned());
                }
                _ => {}
            }
            if !matches!(
                effect,
                Effect::Reply { .. }
                    | Effect::Report(_)
                    | Effect::Notify(_)
                    | Effect::Remember(_)
                    | Effect::Pulse
                    | Effect::Probe
            ) {
                self.idle_since = now;
            }
        }
        let asked = matches!(event, Event::Command { .. });
        self.check(replies == usize::from(asked), || {
            format!("{replies} answers to {event:?}")
        });
    }
}

/// Drops the times since then.
fn forget(times: &mut VecDeque<u64>, since: u64) {
    while times.back().is_some_and(|at| *at >= since) {
        times.pop_back();
    }
}

/// How many of these happened within so long.
fn recent(times: &mut VecDeque<u64>, now: u64, within: u64) -> usize {
    while times.front().is_some_and(|at| at + within <= now) {
        times.pop_front();
    }
    times.len()
}
