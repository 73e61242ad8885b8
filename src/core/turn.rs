//! One step under way: the whole state, the moment, and the effects so far. The rules meet here.

use alloc::vec::Vec;

use crate::effect::{Effect, Refusal, Reply};
use crate::ground::{Cause, CauseCode, Now, Successor, Trigger, Wait, Way};
use crate::parts::{Aim, Due, Hurry, Then};
use crate::state::State;
use crate::timers::Timer;

/// One step under way. The rules add the methods that decide.
pub(crate) struct Turn<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) now: u64,
    pub(crate) effects: Vec<Effect>,
}

impl<'a> Turn<'a> {
    pub(crate) fn new(state: &'a mut State, now: Now) -> Self {
        Self {
            state,
            now: now.mono_ms,
            effects: Vec::new(),
        }
    }
}

impl Turn<'_> {
    /// The moment that is so many milliseconds away.
    pub(crate) fn after(&self, ms: u64) -> u64 {
        self.now.saturating_add(ms)
    }

    /// The moment of the step.
    pub(crate) fn moment(&self) -> Now {
        Now { mono_ms: self.now }
    }

    /// Whether the timer has rung.
    pub(crate) fn rings(&self, timer: Timer) -> bool {
        self.state.is_due(timer, self.now)
    }

    /// Tells the operator of a cause.
    pub(crate) fn report(&mut self, cause: impl Into<Cause>) {
        self.effects.push(Effect::Report(cause.into()));
    }

    /// Sets the cause, and tells the operator when it is a new one: of a network that may be only coming up, not yet.
    pub(crate) fn blame(&mut self, cause: impl Into<Cause>) {
        let cause = cause.into();
        let is_new = self.state.session.blame(cause);
        if Way::CAUSES.contains(&cause.code) {
            self.state.grace.begin(cause.code, self.now);
        } else if is_new {
            self.report(cause);
        }
    }

    /// The first attempt, unless something that must come before it is known to be missing.
    pub(crate) fn begin(&mut self) {
        if self.pays_a_wait() {
            return;
        }
        match self.state.way.and_then(Way::cause) {
            Some(code) => self.retry(code),
            None if self.state.clock_behind => self.await_clock(),
            None => self.attempt(),
        }
    }

    /// The wait is over.
    fn go_on(&mut self, wait: Wait) {
        match wait {
            Wait::Retire => self.retire(Successor::Fresh(Trigger::Server)),
            _ => self.attempt(),
        }
    }

    /// Attempts to be linked, within the allowance.
    pub(crate) fn attempt(&mut self) {
        if !self.state.keys.are_linked() {
            return self.pair_by_itself();
        }
        if self.state.keys.are_revoked() {
            self.blame(CauseCode::Revoked);
            return self.retire(Successor::Fresh(Trigger::Server));
        }
        if self.within_allowance() {
            self.start(Aim::Login);
        }
    }

    /// Whether an attempt may be made now; if not, it is planned.
    pub(crate) fn within_allowance(&mut self) -> bool {
        let blocked = self.state.allowances.attempts.blocked_until(self.now);
        if let Some(until) = blocked {
            self.state.session.wait(Wait::Reconnect, until);
            if self.state.cause().is_none() {
                self.blame(CauseCode::Restrained);
            }
        }
        blocked.is_none()
    }

    /// Starts a run of the link, if there is room for what it brings, or it makes some.
    pub(crate) fn start(&mut self, aim: Aim) {
        if !self.state.storage.admits_a_run() {
            return self.await_room();
        }
        self.state.allowances.attempts.take(self.now);
        self.state.session.start(aim, self.now);
        self.effects.push(match aim {
            Aim::Link => Effect::Pair,
            Aim::Login => Effect::Connect,
        });
    }

    /// Tells the run to end, once.
    pub(crate) fn close(&mut self, then: Then) {
        if self.state.session.close(then, self.now) {
            self.effects.push(Effect::Disconnect);
        }
    }

    /// A human wants things to go on now.
    pub(crate) fn hurry(&mut self) -> Reply {
        let row = self.state.session.phase().row();
        match row.hurry {
            Hurry::UnderWay => {}
            Hurry::Now => self.over(row.due),
            Hurry::CutShort(wait) => {
                let attempts = self.state.allowances.attempts.blocked_until(self.now);
                let blocked = if wait.yields_to_human() {
                    attempts.filter(|_| wait != Wait::Retire)
                } else {
                    self.state.session.deadline()
                };
                match blocked {
                    Some(at) => return self.too_soon(at),
                    None => self.go_on(wait),
                }
            }
            Hurry::PairAnew => match self.state.allowances.attempts.blocked_until(self.now) {
                Some(at) => return self.too_soon(at),
                None => self.pair_anew(),
            },
            Hurry::NothingToDo => return Reply::Refused(Refusal::NothingToDo),
            Hurry::NoRoom => return Reply::Refused(Refusal::NoRoom),
            Hurry::Leaving => return Reply::Refused(Refusal::Stopping),
        }
        Reply::Accepted
    }

    fn too_soon(&self, at: u64) -> Reply {
        let retry_ms = at.saturating_sub(self.now);
        Reply::Refused(Refusal::TooSoon { retry_ms })
    }

    /// The phase of the session is over, when it is.
    pub(crate) fn session_due(&mut self) {
        if self.rings(Timer::Session) {
            self.over(self.state.session.phase().row().due);
        }
    }

    fn over(&mut self, due: Due) {
        match due {
            Due::Codes => self.codes_due(),
            Due::Probe { asked } => self.probe(asked),
            Due::GiveUp(code) => self.close(Then::Retry(code)),
            Due::LinkStuck(then) => self.link_stuck(then),
            Due::GoOn(wait) => self.go_on(wait),
            Due::GoOnWithoutClock => self.go_on_without_clock(),
            Due::Slow(code) => {
                self.blame(code);
                self.state.session.extend(self.now);
            }
            Due::Leave { failed: true } => self.leave_failed(),
            Due::Leave { failed: false } => self.exit(),
            Due::Nothing => {}
        }
    }
}
