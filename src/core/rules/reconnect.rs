//! The schedule of attempts: back-off after a failure, patience where WhatsApp asks for it.

use crate::effect::Effect;
use crate::ground::limits::DEGRADED_AFTER;
use crate::ground::{Cause, CauseClass, CauseCode, HOUR, MINUTE, Wait, Way};
use crate::parts::{Phase, Then};
use crate::turn::Turn;

/// How long WhatsApp is left alone, at least, after it asked us to slow down.
const THROTTLED_MS: u64 = MINUTE;

impl Turn<'_> {
    /// The run is logged in.
    pub(crate) fn link_up(&mut self) {
        if !self.state.session.is_running() {
            return;
        }
        self.reset_seen();
        self.state.session.clear_suspicion();
        self.state.update.link_up(self.now);
        if self.state.session.phase() == Phase::Connecting {
            self.state.session.come_up(self.now);
            self.state.session.clear_cause();
            self.state.phone.linked(self.now);
            self.state.pulse.begin(self.now);
            self.catch_up();
        }
    }

    /// The run was told to end and does not. No file is touched beside it: what was wanted of them is refused.
    pub(crate) fn link_stuck(&mut self, then: Then) {
        self.blame(CauseCode::LinkStuck);
        self.effects.push(Effect::Disconnect);
        self.state.session.refuse_reset();
        let then = match then {
            Then::Retire(_) | Then::Rebuild | Then::Reset => Then::Retry(CauseCode::LinkStuck),
            Then::Retry(_) | Then::Pair | Then::AwaitRoom => then,
        };
        self.state.session.close(then, self.now);
    }

    /// Plans the next attempt by the schedule.
    pub(crate) fn retry(&mut self, cause: impl Into<Cause>) {
        let mut cause = cause.into();
        if let Some(code) = self.state.way.and_then(Way::cause)
            && cause.class() == CauseClass::Network
        {
            cause = code.into();
        }
        let delay = self.fails();
        self.wait(Wait::Reconnect, delay, cause);
    }

    /// WhatsApp's rate limit (429).
    pub(crate) fn throttled(&mut self) {
        let delay = self.fails().max(THROTTLED_MS);
        self.be_patient(Wait::Throttled, delay);
    }

    /// Another copy took over: it is given way to, for longer each time, and no more than a few times a day.
    pub(crate) fn replaced(&mut self, cause: Cause) {
        let delay = self.state.backoffs.replaced.fail(&mut self.state.jitter);
        let spent = self.state.allowances.takeovers.blocked_until(self.now);
        let rest = spent.map_or(0, |until| until.saturating_sub(self.now));
        self.state.allowances.takeovers.take(self.now);
        self.wait(Wait::Replaced, delay.max(rest), cause);
    }

    /// This version is refused. The next attempt comes with the newest version there is: only when that is refused, too, is it
    /// outdated.
    pub(crate) fn outdated(&mut self) {
        if self
            .state
            .allowances
            .outdated
            .blocked_until(self.now)
            .is_some()
        {
            self.be_patient(Wait::Outdated, HOUR);
            return self.look_for_newer();
        }
        self.state.allowances.outdated.take(self.now);
        self.blame(Cause::numbered(CauseCode::ClientOutdated, 405));
        self.attempt();
    }

    /// One more failure; how long to wait by the schedule, milliseconds.
    pub(crate) fn fails(&mut self) -> u64 {
        let delay = self.state.backoffs.reconnect.fail(&mut self.state.jitter);
        if self.state.attempt() == DEGRADED_AFTER {
            // The operator hears of it once more.
            self.state.session.clear_cause();
        }
        delay
    }

    /// Waits for what outlives a restart.
    pub(crate) fn be_patient(&mut self, wait: Wait, delay_ms: u64) {
        if let Some((_, cause)) = wait.lasting() {
            self.wait(wait, delay_ms, cause);
        }
    }

    /// Plans the next attempt.
    pub(crate) fn wait(&mut self, wait: Wait, delay_ms: u64, cause: impl Into<Cause>) {
        self.state.session.wait(wait, self.after(delay_ms));
        self.blame(cause);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::story::{ACCOUNT, Story};
    use crate::{Command, Effect, Ending, Event, Face, Refusal, Reply};

    fn lost() -> Ending {
        Ending::Network(CauseCode::ConnectionLost.into())
    }

    fn about(nominal: u64, actual: u64) {
        assert!(
            (nominal * 9 / 10..=nominal * 11 / 10).contains(&actual),
            "{actual} for {nominal}"
        );
    }

    #[test]
    fn retries_by_the_schedule_and_never_gives_up() {
        let mut story = Story::booted(Some(ACCOUNT));
        for (attempt, nominal) in (1..).zip([3, 6, 12, 24, 48, 96, 192, 300, 300]) {
            assert_eq!(story.ended(lost()), []);
            assert!(matches!(story.face(), Face::Reconnecting { attempt: a, .. } if a == attempt));
            about(nominal * 1_000, story.wait_for(Effect::Connect));
            assert_eq!(
                story.face(),
                Face::Reconnecting {
                    attempt,
                    next_ms: 0
                }
            );
        }
        assert_eq!(story.reports, ["network.connection-lost"]);
        for attempt in 10..1_000 {
            assert_eq!(story.ended(lost()), []);
            assert!(matches!(story.face(), Face::Degraded { attempt: a, .. } if a == attempt));
            about(300_000, story.wait_for(Effect::Connect));
        }
        assert_eq!(
            story.reports, ["network.connection-lost"; 2],
            "told again once, when Degraded"
        );
    }

    #[test]
    fn only_a_stable_connection_clears_the_counter() {
        let mut story = Story::booted(Some(ACCOUNT));
        for (up_ms, attempt) in [(29_999, 1), (29_999, 2), (30_000, 1), (10_000, 2)] {
            story.on(Event::LinkUp);
            assert_eq!(story.wait(up_ms), []);
            story.ended(lost());
            assert_eq!(story.state.attempt(), attempt);
            story.wait_for(Effect::Connect);
        }
    }

    #[test]
    fn a_press_or_the_bus_cuts_the_wait() {
        let mut story = Story::connected();
        story.ended(lost());
        assert_eq!(story.press(100), [Effect::Connect]);
        story.ended(lost());
        assert_eq!(
            story.command(Command::Link),
            (Reply::Accepted, [Effect::Connect].into())
        );
        assert_eq!(
            story.command(Command::Link),
            (Reply::Accepted, [].into()),
            "it is being done"
        );
        story.on(Event::LinkUp);
        assert_eq!(
            story.command(Command::Link).0,
            Reply::Refused(Refusal::NothingToDo)
        );
    }

    #[test]
    fn impatience_ends_at_the_budget() {
        let mut story = Story::booted(Some(ACCOUNT));
        let mut attempts = 1;
        let refusal = loop {
            story.ended(lost());
            match story.command(Command::Link).0 {
                Reply::Accepted => attempts += 1,
                Reply::Refused(refusal) => break refusal,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(
            (attempts, refusal),
            (20, Refusal::TooSoon { retry_ms: 600_000 })
        );
        assert_eq!(story.press(100), []);
        story.on(Event::Network(Way::Open));
        story.wait_for(Effect::Connect);
    }

    #[test]
    fn throttling_waits_a_minute_at_least_and_yields_to_nobody() {
        let mut story = Story::connected();
        story.ended(Ending::Throttled);
        assert_eq!(story.state.name(), "Reconnecting");
        assert_eq!(story.press(100), []);
        assert_eq!(story.on(Event::Network(Way::Open)), []);
        let refused = Reply::Refused(Refusal::TooSoon { retry_ms: 59_900 });
        assert_eq!(story.command(Command::Link).0, refused);
        assert_eq!(story.wait_for(Effect::Connect), 59_900);
    }

    #[test]
    fn another_copy_is_given_way_to_for_longer_each_time() {
        let mut story = Story::connected();
        for minutes in [5, 10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440] {
            story.ended(Ending::Replaced);
            assert!(matches!(story.face(), Face::Replaced { .. }));
            about(minutes * MINUTE, story.wait_for(Effect::Connect));
            story.on(Event::LinkUp);
            story.wait(MINUTE);
        }
        story.ended(Ending::Replaced);
        assert_eq!(
            story.on(Event::Network(Way::Open)),
            [],
            "the network has nothing to do with it"
        );
        assert_eq!(story.press(100), [Effect::Connect]);
        story.on(Event::LinkUp);
        story.wait(HOUR);
        story.ended(Ending::Replaced);
        about(5 * MINUTE, story.wait_for(Effect::Connect));
    }

    #[test]
    fn whatever_the_tenth_failure_is_the_operator_hears_of_it() {
        for ending in [Ending::Throttled, Ending::Refused { code: 503 }] {
            let mut story = Story::booted(Some(ACCOUNT));
            for _ in 0..DEGRADED_AFTER {
                story.ended(ending.clone());
                story.wait_for(Effect::Connect);
            }
            assert_eq!(
                (story.reports.len(), story.news.len()),
                (2, 1),
                "{ending:?}"
            );
        }
    }

    #[test]
    fn a_login_that_does_not_end_is_ended() {
        let mut story = Story::booted(Some(ACCOUNT));
        assert_eq!(story.wait(4 * MINUTE - 1), []);
        assert_eq!(story.wait(1), [Effect::Disconnect]);
        assert_eq!(story.state.name(), "Connecting");
        assert_eq!(story.ended(Ending::Asked), []);
        assert_eq!(
            (story.state.name(), story.cause()),
            ("Reconnecting", Some("network.login-timeout"))
        );
    }

    #[test]
    fn nothing_is_retired_or_repaired_beside_a_run_that_does_not_end() {
        let given_up = |story: &mut Story| {
            story.press(5_000);
            assert_eq!(story.press(100), [Effect::Disconnect]);
        };
        let garbled = |story: &mut Story| {
            let strike = |nth: u64| Event::Undecrypted {
                peer: nth % 10,
                worked: true,
            };
            let effects = (0..70_u64).flat_map(|nth| story.on(strike(nth)));
            assert!(effects.collect::<Vec<_>>().contains(&Effect::Disconnect));
        };
        for wanted in [&given_up as &dyn Fn(&mut Story), &garbled] {
            let mut story = Story::connected();
            wanted(&mut story);
            story.wait(MINUTE);
            assert_eq!(story.cause(), Some("session.link-stuck"));
            let after = story.ended(Ending::Asked);
            let touches = |effect: &Effect| matches!(effect, Effect::Retire(_) | Effect::Repair(_));
            assert!(!after.iter().any(touches), "{after:?}");
            assert_eq!(story.wait_for(Effect::Connect) / 1_000, 3);
        }
    }

    #[test]
    fn a_link_that_does_not_end_is_told_about_and_told_again() {
        let mut story = Story::booted(Some(ACCOUNT));
        assert_eq!(story.wait(4 * MINUTE), [Effect::Disconnect]);
        assert_eq!(
            story.wait(3 * MINUTE),
            [Effect::Disconnect, Effect::Disconnect, Effect::Disconnect]
        );
        assert_eq!(story.reports, ["session.link-stuck"]);
        story.ended(Ending::Asked);
        story.wait_for(Effect::Connect);
    }
}
