//! What follows when a run of the link has ended.

use core::ops::RangeInclusive;

use crate::ground::{DAY, HOUR, MINUTE, SECOND};
use crate::session::{Session, Then, Wait};
use crate::step::Turn;
use crate::{Cause, CauseClass, CauseCode, Ending, Way};

/// Failures in a row after which the state is called Degraded. The attempts go on.
pub(crate) const DEGRADED_AFTER: u32 = 10;
/// A run that was of use for so long was no failure.
pub(crate) const STABLE_MS: u64 = 30 * SECOND;
/// How long WhatsApp is left alone, at least, after it asked us to slow down.
const THROTTLED_MS: u64 = MINUTE;
/// How long a temporary ban is taken to last, at least and at most: after a month it does no harm to ask.
const BAN_MS: RangeInclusive<u64> = MINUTE..=30 * DAY;

impl Turn<'_> {
    pub(crate) fn link_ended(&mut self, ending: Ending) {
        if !self.state.running {
            return;
        }
        self.state.running = false;
        self.test_cut_short();
        if ending == Ending::RestartRequired {
            self.state.restarts.take(self.now);
        }
        let useful_ms = self
            .state
            .usable_since
            .take()
            .map_or(0, |since| self.now.saturating_sub(since));
        if useful_ms >= STABLE_MS {
            self.state.reconnect.clear();
        }
        if useful_ms >= HOUR {
            self.state.replaced.clear();
        }
        match self.state.session {
            Session::Stopping { .. } => self.exit(),
            Session::Closing {
                then: Then::Retire(successor),
                ..
            } => {
                if ending == Ending::LoggedOut {
                    self.hear_logout();
                }
                self.retire(successor);
            }
            Session::Closing {
                then: Then::Pair, ..
            } if matches!(ending, Ending::Asked | Ending::QrExhausted) => {
                if self.state.linked.account.is_some() {
                    self.attempt()
                } else {
                    self.pair_anew()
                }
            }
            Session::Closing {
                then: Then::Retry(code),
                ..
            } if ending == Ending::Asked => self.retry(code),
            Session::Closing {
                then: Then::AwaitRoom,
                ..
            } if ending == Ending::Asked => self.attempt(),
            Session::Closing {
                then: Then::Rebuild,
                ..
            } if matches!(ending, Ending::Asked | Ending::Network(_)) => self.rebuild(),
            Session::Pairing(_)
            | Session::Connecting { .. }
            | Session::Connected { .. }
            | Session::Stale { .. }
            | Session::Closing { .. } => self.judge(ending),
            Session::PasskeyNeeded
                if matches!(ending, Ending::Throttled | Ending::Banned { .. }) =>
            {
                self.judge(ending);
            }
            // Nobody can answer any more.
            Session::PasskeyNeeded => self.blame(CauseCode::PasskeyUnanswered),
            // These have no run.
            Session::Starting
            | Session::Repairing { .. }
            | Session::Waiting { .. }
            | Session::AwaitingClock { .. }
            | Session::PairingPaused
            | Session::AwaitingRoom
            | Session::Failed { .. }
            | Session::Retiring { .. }
            | Session::Stopped => {}
        }
    }

    fn judge(&mut self, ending: Ending) {
        match ending {
            Ending::Asked => self.retry(CauseCode::ConnectionLost),
            Ending::Network(cause) => self.retry(cause),
            Ending::Storage => self.retry(CauseCode::VaultFailed),
            Ending::Refused { code: 0 } => self.retry(CauseCode::Refused),
            Ending::Refused { code } => self.retry(Cause::numbered(CauseCode::Refused, code)),
            Ending::RestartRequired => {
                if self.state.restarts.blocked_until(self.now).is_some() {
                    self.retry(Cause::numbered(CauseCode::RestartLoop, 515));
                } else {
                    self.blame(Cause::numbered(CauseCode::Restart, 515));
                    self.attempt();
                }
            }
            Ending::Throttled => {
                let delay = self.fails().max(THROTTLED_MS);
                self.be_patient(Wait::Throttled, delay);
            }
            Ending::Replaced => {
                let delay = self.state.replaced.fail(&mut self.state.jitter);
                let spent = self.state.takeovers.blocked_until(self.now);
                let rest = spent.map_or(0, |until| until.saturating_sub(self.now));
                self.state.takeovers.take(self.now);
                self.be_patient(Wait::Replaced, delay.max(rest));
            }
            Ending::LoggedOut => self.logged_out(),
            Ending::AccountLocked => self.be_patient(Wait::Locked, HOUR),
            Ending::Banned { expires_ms } => {
                let wait = Wait::Banned {
                    told: expires_ms.is_some(),
                };
                let delay = expires_ms
                    .unwrap_or(HOUR)
                    .clamp(*BAN_MS.start(), *BAN_MS.end());
                self.be_patient(wait, delay);
            }
            // The next attempt comes with the newest version there is: only when that is refused, too, is it outdated.
            Ending::ClientOutdated if self.state.outdated.blocked_until(self.now).is_none() => {
                self.state.outdated.take(self.now);
                self.blame(Cause::numbered(CauseCode::ClientOutdated, 405));
                self.attempt();
            }
            Ending::ClientOutdated => self.be_patient(Wait::Outdated, HOUR),
            Ending::QrExhausted if self.state.linked.account.is_none() => {
                self.state.session = Session::PairingPaused;
                self.blame(CauseCode::QrExhausted);
            }
            Ending::QrExhausted => self.retry(CauseCode::ConnectionLost),
        }
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

    /// One more failure; how long to wait by the schedule, milliseconds.
    pub(crate) fn fails(&mut self) -> u64 {
        let delay = self.state.reconnect.fail(&mut self.state.jitter);
        if self.state.attempt() == DEGRADED_AFTER {
            // The operator hears of it once more.
            self.state.cause = None;
        }
        delay
    }

    /// Waits for what outlives a restart.
    pub(crate) fn be_patient(&mut self, wait: Wait, delay_ms: u64) {
        if let Some((_, cause)) = wait.lasting() {
            self.wait(wait, delay_ms, cause);
        }
    }

    pub(crate) fn wait(&mut self, wait: Wait, delay_ms: u64, cause: impl Into<Cause>) {
        self.state.session = Session::Waiting {
            wait,
            until: self.after(delay_ms),
        };
        self.blame(cause);
    }

    /// The way to the outside came or went. Only a change counts; whoever told us may repeat itself.
    pub(crate) fn network(&mut self, way: Way) {
        if self.state.way.replace(way) == Some(way) {
            return;
        }
        if let Session::Waiting {
            wait: Wait::Reconnect,
            ..
        } = self.state.session
        {
            let blamed = self.state.cause;
            match way.cause() {
                Some(code) if blamed.is_some_and(|cause| cause.class() == CauseClass::Network) => {
                    self.blame(code);
                }
                Some(_) => {}
                None => {
                    // What failed was the network: WhatsApp has not been bothered, and the first attempt often comes too
                    // early.
                    if blamed.is_some_and(|cause| Way::CAUSES.contains(&cause.code)) {
                        self.state.reconnect.clear();
                    }
                    self.begin();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::story::{ACCOUNT, Story};
    use crate::{Command, Effect, Event, Face, Refusal, Reply};

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
    fn a_route_that_comes_back_cuts_the_wait_and_starts_the_schedule_over() {
        let mut story = Story::connected();
        assert_eq!(story.on(Event::Network(Way::NoRoute)), []);
        assert_eq!(
            story.state.name(),
            "Connected",
            "only the link knows whether it is lost"
        );
        for _ in 0..8 {
            story.ended(lost());
            assert!(matches!(story.face(), Face::WaitingForNetwork { .. }));
            assert_eq!(story.cause(), Some("network.no-route"));
            story.wait_for(Effect::Connect);
            assert_eq!(story.state.name(), "WaitingForNetwork");
        }
        story.ended(lost());
        assert_eq!(story.on(Event::Network(Way::Open)), [Effect::Connect]);
        story.ended(Ending::Network(CauseCode::DnsFailed.into()));
        assert!(matches!(
            story.face(),
            Face::WaitingForNetwork { attempt: 1, .. }
        ));
        assert_eq!(
            story.on(Event::Network(Way::Open)),
            [],
            "no change, no attempt"
        );
    }

    #[test]
    fn a_route_that_goes_while_waiting_is_the_better_cause() {
        let mut story = Story::connected();
        story.ended(lost());
        story.on(Event::Network(Way::NoRoute));
        assert_eq!(
            (story.state.name(), story.cause()),
            ("WaitingForNetwork", Some("network.no-route"))
        );
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
    fn a_restart_that_is_heard_while_the_link_is_given_up_counts() {
        let mut story = Story::connected();
        story.press(5_000);
        story.press(100);
        let retires = story.ended(Ending::RestartRequired);
        assert!(matches!(retires[..], [Effect::Retire(_)]), "{retires:?}");
        assert_eq!(story.on(Event::RetireFailed), [Effect::Connect]);
        assert_eq!(story.ended(Ending::RestartRequired), [Effect::Connect]);
        assert_eq!(story.ended(Ending::RestartRequired), []);
        assert_eq!(story.cause(), Some("session.restart-loop"));
    }

    #[test]
    fn a_restart_is_immediate_until_the_third_within_a_minute() {
        let mut story = Story::connected();
        assert_eq!(story.ended(Ending::RestartRequired), [Effect::Connect]);
        assert_eq!(story.state.name(), "Connecting");
        story.on(Event::LinkUp);
        assert_eq!(story.ended(Ending::RestartRequired), [Effect::Connect]);
        assert_eq!(story.ended(Ending::RestartRequired), []);
        assert_eq!(
            story.state.cause(),
            Some(Cause::numbered(CauseCode::RestartLoop, 515))
        );
        about(3_000, story.wait_for(Effect::Connect));
        story.on(Event::LinkUp);
        story.wait(60_000);
        assert_eq!(story.ended(Ending::RestartRequired), [Effect::Connect]);
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
    fn a_ban_is_sat_out() {
        let mut story = Story::connected();
        story.ended(Ending::Banned {
            expires_ms: Some(5 * HOUR),
        });
        assert_eq!(
            story.face(),
            Face::Banned {
                left_ms: Some(5 * HOUR)
            }
        );
        assert_eq!(story.press(1_000), []);
        assert_eq!(story.wait_for(Effect::Connect), 5 * HOUR - 1_000);
        story.ended(Ending::Banned { expires_ms: None });
        assert_eq!(story.face(), Face::Banned { left_ms: None });
        assert_eq!(story.wait_for(Effect::Connect), HOUR);
        story.ended(Ending::Banned {
            expires_ms: Some(0),
        });
        assert_eq!(story.wait_for(Effect::Connect), MINUTE);
        story.ended(Ending::Banned {
            expires_ms: Some(u64::MAX),
        });
        assert_eq!(story.wait_for(Effect::Connect), 30 * DAY);
    }

    #[test]
    fn a_locked_account_and_an_old_version_are_tried_hourly_and_keep_the_link() {
        for (ending, name, cause) in [
            (Ending::AccountLocked, "Banned", "account.locked"),
            (
                Ending::ClientOutdated,
                "ClientOutdated",
                "session.client-outdated",
            ),
        ] {
            let mut story = Story::connected();
            if ending == Ending::ClientOutdated {
                assert_eq!(
                    story.ended(ending.clone()),
                    [Effect::Connect],
                    "with the newest version there is"
                );
                assert_eq!(
                    (story.state.name(), story.cause()),
                    ("Connecting", Some(cause))
                );
            }
            for _ in 0..5 {
                story.ended(ending.clone());
                assert_eq!((story.state.name(), story.cause()), (name, Some(cause)));
                assert_eq!(story.wait_for(Effect::Connect), HOUR);
            }
            story.ended(ending.clone());
            assert_eq!(
                story.press(100),
                [Effect::Connect],
                "the owner has seen to it"
            );
        }
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
    fn any_other_refusal_is_a_failure_with_its_number() {
        let mut story = Story::connected();
        story.ended(Ending::Refused { code: 503 });
        assert_eq!(
            story.state.cause(),
            Some(Cause::numbered(CauseCode::Refused, 503))
        );
        story.wait_for(Effect::Connect);
        story.ended(Ending::Refused { code: 0 });
        assert_eq!(story.state.cause(), Some(CauseCode::Refused.into()));
        story.wait_for(Effect::Connect);
        story.ended(Ending::Storage);
        assert_eq!(
            (story.state.name(), story.cause()),
            ("Reconnecting", Some("storage.vault-failed"))
        );
        story.wait_for(Effect::Connect);
        story.ended(Ending::Asked);
        assert_eq!(
            story.cause(),
            Some("network.connection-lost"),
            "nobody here asked"
        );
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
            let strike = |nth: u64| Event::Undecrypted { peer: nth % 10 };
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
