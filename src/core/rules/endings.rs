//! The end of a run: what WhatsApp, the network, or nobody said is judged, and the next step planned.

use core::ops::RangeInclusive;

use crate::event::Ending;
use crate::ground::{Cause, CauseCode, DAY, HOUR, MINUTE, Wait};
use crate::parts::{Phase, Run, Then};
use crate::turn::Turn;

/// How long a temporary ban is taken to last, at least and at most: after a month it does no harm to ask.
const BAN_MS: RangeInclusive<u64> = MINUTE..=30 * DAY;

impl Turn<'_> {
    /// A run has ended.
    pub(crate) fn link_ended(&mut self, ending: Ending) {
        let Some(run) = self.state.session.end_run() else {
            return;
        };
        self.state.self_test.cut_short();
        if ending == Ending::RestartRequired {
            self.state.allowances.restarts.take(self.now);
        }
        self.state.backoffs.ran_well(run.useful_ms(self.now));
        match self.state.session.phase() {
            Phase::Stopping => self.finished(),
            Phase::Closing(then) => self.closed(then, ending, run),
            Phase::PasskeyNeeded
                if !matches!(ending, Ending::Throttled | Ending::Banned { .. }) =>
            {
                // Nobody can answer any more.
                self.blame(CauseCode::PasskeyUnanswered);
            }
            phase if phase.row().has_run => self.judge(ending, run),
            _ => {}
        }
    }

    /// A run that was told to end has ended; what was wanted follows, unless it said something that matters more.
    fn closed(&mut self, then: Then, ending: Ending, run: Run) {
        match then {
            Then::Retire(successor) => {
                if ending == Ending::LoggedOut {
                    self.hear_logout();
                }
                self.retire(successor);
            }
            Then::Reset => {
                if ending == Ending::LoggedOut {
                    self.hear_logout();
                }
                self.begin_reset();
            }
            Then::Pair if matches!(ending, Ending::Asked | Ending::QrExhausted) => {
                if self.state.keys.are_linked() {
                    self.attempt();
                } else {
                    self.pair_anew();
                }
            }
            Then::Retry(code) if ending == Ending::Asked => self.retry(code),
            Then::AwaitRoom if ending == Ending::Asked => self.attempt(),
            Then::Rebuild if matches!(ending, Ending::Asked | Ending::Network(_)) => {
                self.rebuild();
            }
            Then::Pair | Then::Retry(_) | Then::AwaitRoom | Then::Rebuild => {
                self.judge(ending, run);
            }
        }
    }

    fn judge(&mut self, ending: Ending, run: Run) {
        match ending {
            Ending::Asked => self.retry(CauseCode::ConnectionLost),
            Ending::Network(cause) => self.retry(cause),
            Ending::Storage => self.retry(CauseCode::VaultFailed),
            Ending::Refused { code: 0 } => self.retry(CauseCode::Refused),
            Ending::Refused { code } => self.retry(Cause::numbered(CauseCode::Refused, code)),
            Ending::RestartRequired => {
                if self
                    .state
                    .allowances
                    .restarts
                    .blocked_until(self.now)
                    .is_some()
                {
                    self.retry(Cause::numbered(CauseCode::RestartLoop, 515));
                } else {
                    self.blame(Cause::numbered(CauseCode::Restart, 515));
                    self.attempt();
                }
            }
            Ending::Throttled => self.throttled(),
            Ending::Replaced => self.replaced(run.cause(CauseCode::Replaced)),
            Ending::LoggedOut => self.logged_out(run),
            Ending::AccountLocked => {
                self.fail_sends();
                let cause = run.cause(CauseCode::AccountLocked);
                self.wait(Wait::Locked, HOUR, cause);
            }
            Ending::Banned { expires_ms } => {
                self.fail_sends();
                let told = expires_ms.is_some();
                let delay = expires_ms.unwrap_or(HOUR);
                let delay = delay.clamp(*BAN_MS.start(), *BAN_MS.end());
                self.be_patient(Wait::Banned { told }, delay);
            }
            Ending::ClientOutdated => self.outdated(),
            Ending::QrExhausted if !self.state.keys.are_linked() => {
                self.state.session.pause_pairing();
                self.blame(CauseCode::QrExhausted);
            }
            Ending::QrExhausted => self.retry(CauseCode::ConnectionLost),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::Story;
    use crate::{Effect, Event, Face};

    fn about(nominal: u64, actual: u64) {
        assert!(
            (nominal * 9 / 10..=nominal * 11 / 10).contains(&actual),
            "{actual} for {nominal}"
        );
    }

    #[test]
    fn a_number_is_shown_as_whatsapp_said_it_or_not_at_all() {
        for (ending, code, numbers) in [
            (
                Ending::Replaced,
                CauseCode::Replaced,
                [Some(440), Some(409), None],
            ),
            (
                Ending::AccountLocked,
                CauseCode::AccountLocked,
                [Some(403), Some(406), None],
            ),
            (
                Ending::LoggedOut,
                CauseCode::LogoutSuspected,
                [Some(401), Some(516), None],
            ),
        ] {
            for number in numbers {
                let mut story = Story::connected();
                if let Some(number) = number {
                    story.on(Event::Said { number });
                }
                story.ended(ending.clone());
                assert_eq!(story.state.cause(), Some(Cause { code, number }));
                // What the last run said is not this one's.
                story.wait_for(Effect::Connect);
                story.on(Event::LinkUp);
                story.ended(Ending::Replaced);
                assert_eq!(story.state.cause(), Some(CauseCode::Replaced.into()));
            }
        }
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
}
