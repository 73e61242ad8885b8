//! The one way on from where Holdfast stands.

use alloc::vec::Vec;

use crate::gesture::Gesture;
use crate::ground::{MINUTE, SECOND};
use crate::session::{Session, Successor, Then, Wait};
use crate::state::State;
use crate::storage::Room;
use crate::{
    Cause, CauseCode, Command, Effect, Event, Facts, GenerationId, Linked, Now, Outcome, Refusal,
    Reply, Trigger, Way,
};

/// How long logging in may take. The library's own watchdog for the first sync after linking ends at 180 s.
pub(crate) const LOGIN_MS: u64 = 4 * MINUTE;
/// How long the link may take to end, and the vault to retire, before a human is told.
pub(crate) const PATIENCE_MS: u64 = MINUTE;
/// How long an orderly stop may take.
const STOP_MS: u64 = 10 * SECOND;

/// Goes on by one event. Total: every event is legal in every state.
///
/// Ticks may be late: what the event says goes before a deadline that has passed, for a run that is started only now
/// has nothing to do with it. But a hold that has lasted long enough was one before the finger moved.
pub fn step(state: &mut State, event: Event, now: Now) -> Outcome {
    let before = state.clone();
    let mut turn = Turn {
        state,
        now: now.mono_ms,
        effects: Vec::new(),
    };
    if matches!(event, Event::Pressed | Event::Released) {
        turn.button_due();
    }
    turn.take(event);
    turn.button_due();
    turn.session_due();
    turn.storm_due();
    turn.phone_due();
    turn.pulse_due();
    turn.test_due();
    turn.farewell_due();
    turn.notify();
    turn.remember(&before);
    turn.state.notices.due(now.mono_ms);
    let effects = turn.effects;
    Outcome {
        ignored: effects.is_empty() && *state == before,
        effects,
    }
}

/// One step under way. Its methods are spread over the files of the concepts they decide.
pub(crate) struct Turn<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) now: u64,
    pub(crate) effects: Vec<Effect>,
}

impl Turn<'_> {
    fn button_due(&mut self) {
        if self
            .state
            .gesture
            .deadline()
            .is_some_and(|at| at <= self.now)
        {
            let meaning = self.state.gesture.due();
            self.button(meaning);
        }
    }

    fn session_due(&mut self) {
        if self.state.session_deadline().is_none_or(|at| at > self.now) {
            return;
        }
        match self.state.session.clone() {
            Session::Pairing(codes) => self.codes_due(codes),
            Session::Repairing { .. } => self.repair_slow(),
            Session::Connecting { .. } => self.close(Then::Retry(CauseCode::LoginTimeout)),
            Session::Stale { .. } => self.close(Then::Retry(CauseCode::Stale)),
            Session::Closing { then, .. } => {
                self.link_stuck(then);
            }
            Session::Waiting { wait, .. } => self.go_on(wait),
            Session::AwaitingClock { .. } => self.go_on_without_clock(),
            Session::Retiring { successor, .. } => {
                self.blame(CauseCode::RetireSlow);
                self.state.session = Session::Retiring {
                    successor,
                    until: self.after(PATIENCE_MS),
                };
            }
            Session::Stopping { .. } => self.exit(),
            Session::Failed { .. } => _ = self.leave_failed(),
            Session::Connected { asked, .. } => self.is_silent(asked),
            Session::Starting
            | Session::PairingPaused
            | Session::PasskeyNeeded
            | Session::AwaitingRoom
            | Session::Stopped => {}
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Woke(facts) => self.woke(*facts),
            Event::Found(findings) => self.found(&findings),
            Event::Booted(linked) => self.booted(linked),
            Event::Tick => {}
            Event::Network(way) => self.network(way),
            Event::Clock { behind } => self.clock(behind),
            Event::QrShown { valid_ms } => {
                self.code_shown(|codes, until| codes.qr_until = until, valid_ms)
            }
            Event::CodeShown { valid_ms } => {
                self.code_shown(|codes, until| codes.code_until = until, valid_ms)
            }
            Event::PasskeyAsked => self.passkey_asked(),
            Event::Paired(account) => self.paired(account),
            Event::PairFailed => self.pair_failed(),
            Event::LinkUp => self.link_up(),
            Event::CaughtUp => self.caught_up(),
            Event::PhoneSeen => self.phone_seen(),
            Event::Undecrypted { peer } => self.undecrypted(peer),
            Event::Heard => self.heard(),
            Event::SelfTested(tested) => self.tested(tested),
            Event::LinkEnded(ending) => self.link_ended(ending),
            Event::Pressed
                if matches!(
                    self.state.session,
                    Session::Starting | Session::Repairing { .. }
                ) =>
            {
                self.state.gesture = Gesture::Spent
            }
            Event::Pressed => self.state.gesture.pressed(self.now),
            Event::Released => {
                let meaning = self.state.gesture.released();
                self.button(meaning);
            }
            Event::Command { request, command } => {
                // The answer goes before what it sets in motion: `Exit` ends the loop.
                let at = self.effects.len();
                let reply = self.command(command);
                self.effects.insert(at, Effect::Reply { request, reply });
            }
            Event::Retired(linked) => self.retired(linked),
            Event::RetireFailed => self.retire_failed(),
            Event::Space(space) => self.space(space),
            Event::DropFailed => self.drop_failed(),
            Event::StorageFailed(code) => self.storage_failed(code),
            Event::Panel { part, fault } => self.panel(part, fault),
        }
    }

    /// The process started: the vault is looked through, unless it is known that nothing can be kept.
    fn woke(&mut self, facts: Facts) {
        if self.state.session != Session::Starting {
            return;
        }
        self.state.notices.last_end(facts.last_end, self.now);
        if let Some(ignored) = facts.ignored {
            self.state.notices.settings(ignored, self.now);
        }
        (self.state.way, self.state.clock_behind) = (facts.way, facts.clock_behind);
        if let Some((past, elapsed_ms)) = facts.past {
            self.remembered(past, elapsed_ms);
        }
        if facts.set_aside {
            self.storage_failed(CauseCode::SetAside);
        } else {
            self.effects.push(Effect::Inspect);
        }
    }

    fn booted(&mut self, linked: Linked) {
        match self.state.session {
            Session::Starting | Session::Repairing { .. } => {
                self.state.linked = linked;
                if self.state.revoked.map(GenerationId::next) == Some(linked.generation) {
                    self.state.unlinked = CauseCode::Revoked;
                }
                self.begin();
            }
            Session::Stopping { .. } if !self.state.running => self.exit(),
            _ => {}
        }
    }

    fn command(&mut self, command: Command) -> Reply {
        match (&self.state.session, command) {
            (Session::Failed { .. }, Command::Stop | Command::Link) => self.leave_failed(),
            (_, Command::Stop) => self.stop(),
            (Session::Stopping { .. } | Session::Stopped, _) => Reply::Refused(Refusal::Stopping),
            (_, Command::Link) => self.hurry(),
            (_, Command::SelfTest) => self.test(),
            (_, Command::Ask { deed, nonce }) => self.asked(deed, nonce),
            (_, Command::Confirm { deed, token }) => self.confirmed(deed, token),
        }
    }

    /// A human wants things to go on now.
    pub(crate) fn hurry(&mut self) -> Reply {
        let too_soon = |at: u64| {
            Reply::Refused(Refusal::TooSoon {
                retry_ms: at.saturating_sub(self.now),
            })
        };
        match self.state.session {
            Session::Starting
            | Session::Repairing { .. }
            | Session::Pairing(_)
            | Session::Connecting { .. }
            | Session::Closing { .. }
            | Session::Retiring { .. } => Reply::Accepted,
            Session::Connected { .. } => Reply::Refused(Refusal::NothingToDo),
            Session::Stale { .. } => {
                self.close(Then::Retry(CauseCode::Stale));
                Reply::Accepted
            }
            Session::AwaitingClock { .. } => {
                self.go_on_without_clock();
                Reply::Accepted
            }
            Session::AwaitingRoom => Reply::Refused(Refusal::NoRoom),
            Session::Failed { .. } => self.leave_failed(),
            Session::Stopping { .. } | Session::Stopped => Reply::Refused(Refusal::Stopping),
            Session::Waiting { wait, until } if !wait.yields_to_human() => too_soon(until),
            Session::Waiting { wait, .. } => match self.state.attempts.blocked_until(self.now) {
                Some(at) if wait != Wait::Retire => too_soon(at),
                _ => {
                    self.go_on(wait);
                    Reply::Accepted
                }
            },
            Session::PairingPaused | Session::PasskeyNeeded => {
                match self.state.attempts.blocked_until(self.now) {
                    Some(at) => too_soon(at),
                    None => {
                        self.pair_anew();
                        Reply::Accepted
                    }
                }
            }
        }
    }

    /// The first attempt, unless something that must come before it is known to be missing.
    pub(crate) fn begin(&mut self) {
        if self.owes_a_wait() {
            return;
        }
        match self.state.way.and_then(Way::cause) {
            Some(code) => self.retry(code),
            None if self.state.clock_behind => self.await_clock(),
            None => self.attempt(),
        }
    }

    /// The wait is over.
    pub(crate) fn go_on(&mut self, wait: Wait) {
        match wait {
            Wait::Retire => self.retire(Successor::Fresh(Trigger::Server)),
            _ => self.attempt(),
        }
    }

    /// Starts a run of the link, within the budget.
    pub(crate) fn attempt(&mut self) {
        if self.state.linked.account.is_none() {
            return self.pair_by_itself();
        }
        if self.is_revoked() {
            self.blame(CauseCode::Revoked);
            return self.retire(Successor::Fresh(Trigger::Server));
        }
        if self.within_budget() {
            self.start(
                Effect::Connect,
                Session::Connecting {
                    until: self.after(LOGIN_MS),
                },
            );
        }
    }

    /// Whether an attempt may be made now; if not, it is planned.
    pub(crate) fn within_budget(&mut self) -> bool {
        match self.state.attempts.blocked_until(self.now) {
            Some(until) => {
                self.state.session = Session::Waiting {
                    wait: Wait::Reconnect,
                    until,
                };
                if self.state.cause.is_none() {
                    self.blame(CauseCode::Restrained);
                }
                false
            }
            None => true,
        }
    }

    /// Starts a run of the link, if there is room for what it brings.
    pub(crate) fn start(&mut self, run: Effect, session: Session) {
        if self.state.storage.room == Room::None {
            return self.await_room();
        }
        self.state.attempts.take(self.now);
        self.state.running = true;
        self.state.session = session;
        self.effects.push(run);
    }

    fn link_up(&mut self) {
        if !self.state.running {
            return;
        }
        self.state.suspected = false;
        if matches!(self.state.session, Session::Connecting { .. }) {
            self.is_heard();
            self.state.usable_since = Some(self.now);
            self.state.cause = None;
            self.watch_phone();
            self.catch_up();
        }
    }

    /// Tells the run to end, once.
    pub(crate) fn close(&mut self, then: Then) {
        if !matches!(self.state.session, Session::Closing { .. }) {
            self.effects.push(Effect::Disconnect);
        }
        self.state.session = Session::Closing {
            then,
            until: self.after(PATIENCE_MS),
        };
    }

    /// The run was told to end and does not. No file is touched beside it: what was wanted of them is refused.
    fn link_stuck(&mut self, then: Then) {
        self.blame(CauseCode::LinkStuck);
        self.effects.push(Effect::Disconnect);
        self.state.session = Session::Closing {
            then: match then {
                Then::Retire(_) | Then::Rebuild => Then::Retry(CauseCode::LinkStuck),
                Then::Retry(_) | Then::Pair | Then::AwaitRoom => then,
            },
            until: self.after(PATIENCE_MS),
        };
    }

    fn stop(&mut self) -> Reply {
        if matches!(
            self.state.session,
            Session::Stopping { .. } | Session::Stopped
        ) {
            return Reply::Accepted;
        }
        self.state.gesture = Gesture::Spent;
        self.state.token = None;
        self.state.cause = Some(CauseCode::Stopped.into());
        let busy = matches!(
            self.state.session,
            Session::Retiring { .. } | Session::Repairing { .. }
        );
        if self.state.running && !matches!(self.state.session, Session::Closing { .. }) {
            self.effects.push(Effect::Disconnect);
        }
        if self.state.running || busy {
            self.state.session = Session::Stopping {
                until: self.after(STOP_MS),
            };
        } else {
            self.exit();
        }
        Reply::Accepted
    }

    pub(crate) fn exit(&mut self) {
        self.state.session = Session::Stopped;
        self.tell_undecrypted();
        self.effects.push(Effect::Exit);
    }

    /// Sets the cause, and tells the operator when it is a new one.
    pub(crate) fn blame(&mut self, cause: impl Into<Cause>) {
        let cause = cause.into();
        if self.state.cause != Some(cause) {
            self.state.cause = Some(cause);
            self.effects.push(Effect::Report(cause));
        }
    }

    /// The moment that is so many milliseconds away.
    pub(crate) fn after(&self, ms: u64) -> u64 {
        self.now.saturating_add(ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::{ACCOUNT, Story};
    use crate::{Ending, Face, GenerationId};

    #[test]
    fn booted_once() {
        let mut story = Story::booted(Some(ACCOUNT));
        assert_eq!(story.face(), Face::Connecting);
        assert_eq!(
            story.on(Event::Booted(Linked {
                generation: GenerationId(9),
                account: None
            })),
            []
        );
        assert_eq!(story.state.linked().generation, GenerationId(1));
    }

    #[test]
    fn ignored_says_so() {
        let mut story = Story::connected();
        let now = Now { mono_ms: story.now };
        for event in [
            Event::Tick,
            Event::LinkUp,
            Event::Released,
            Event::PairFailed,
            Event::QrShown { valid_ms: 1 },
        ] {
            assert!(
                step(&mut story.state, event.clone(), now).ignored,
                "{event:?}"
            );
        }
        assert!(!step(&mut story.state, Event::Pressed, now).ignored);
    }

    #[test]
    fn what_a_finished_run_still_says_is_ignored() {
        let mut story = Story::connected();
        story.ended(Ending::RestartRequired);
        story.ended(Ending::Replaced);
        let before = story.state.clone();
        story.on(Event::LinkUp);
        story.on(Event::Paired(ACCOUNT));
        story.ended(Ending::LoggedOut);
        assert_eq!(story.state, before);
    }

    #[test]
    fn stops_in_order() {
        let mut story = Story::connected();
        assert_eq!(
            story.command(Command::Stop),
            (Reply::Accepted, [Effect::Disconnect].into())
        );
        assert_eq!(story.face(), Face::Stopped { saved: false });
        assert_eq!(
            story.command(Command::Link).0,
            Reply::Refused(Refusal::Stopping)
        );
        assert_eq!(story.command(Command::Stop), (Reply::Accepted, [].into()));
        assert_eq!(story.ended(Ending::Asked), [Effect::Exit]);
        assert_eq!(story.press(6_000), []);
        assert_eq!(story.wait(HOUR_MS), []);
    }

    const HOUR_MS: u64 = 60 * MINUTE;

    #[test]
    fn a_stop_does_not_wait_for_a_link_that_hangs() {
        let mut story = Story::connected();
        story.command(Command::Stop);
        assert_eq!(story.wait(STOP_MS - 1), []);
        assert_eq!(story.wait(1), [Effect::Exit]);
    }

    #[test]
    fn a_stop_lets_a_retirement_finish() {
        let mut story = Story::connected();
        story.press(5_000);
        story.press(100);
        story.ended(Ending::Asked);
        assert_eq!(story.command(Command::Stop), (Reply::Accepted, [].into()));
        let fresh = Linked {
            generation: GenerationId(2),
            account: None,
        };
        assert_eq!(story.on(Event::Retired(fresh)), [Effect::Exit]);
    }

    #[test]
    fn a_stop_with_nothing_running_is_immediate_and_answered_first() {
        let reply = Effect::Reply {
            request: 1,
            reply: Reply::Accepted,
        };
        let stop = Event::Command {
            request: 1,
            command: Command::Stop,
        };
        let mut story = Story::connected();
        story.ended(Ending::Replaced);
        assert_eq!(story.on(stop.clone()), [reply.clone(), Effect::Exit]);

        let mut starting = State::new(1);
        assert_eq!(
            step(&mut starting, stop, Now { mono_ms: 0 }).effects,
            [reply, Effect::Exit]
        );
        let late = Event::Booted(Linked {
            generation: GenerationId(1),
            account: Some(ACCOUNT),
        });
        assert!(step(&mut starting, late, Now { mono_ms: 1 }).ignored);
    }
}
