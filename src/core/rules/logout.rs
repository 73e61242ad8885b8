//! WhatsApp says we are logged out. It errs at times, so it is asked once more before a generation is retired.

use crate::effect::Effect;
use crate::ground::{Cause, CauseCode, Linked, Order, SECOND, Successor, Trigger, Wait};
use crate::parts::{Backoffs, Phase, Phone, Run};
use crate::turn::Turn;

/// How long before the question is put again, at least.
const CONFIRM_MS: u64 = 8 * SECOND;

impl Turn<'_> {
    /// WhatsApp says that the device is no longer linked.
    pub(crate) fn logged_out(&mut self, run: Run) {
        if !self.state.keys.are_linked() {
            self.retry(run.cause(CauseCode::Refused));
        } else {
            self.hear_logout();
            if self.state.keys.are_revoked() {
                self.retire(Successor::Fresh(Trigger::Server));
            } else {
                self.await_confirmation(run.cause(CauseCode::LogoutSuspected));
            }
        }
    }

    /// The first word is a suspicion, the second one proof.
    pub(crate) fn hear_logout(&mut self) {
        if self.state.session.suspect() {
            self.state.keys.revoke();
        }
    }

    pub(crate) fn await_confirmation(&mut self, cause: Cause) {
        let delay = self.fails().max(CONFIRM_MS);
        self.wait(Wait::Confirm, delay, cause);
    }

    /// Gives the live generation up. The proof is the caller's: two logouts, or a human who confirmed.
    pub(crate) fn retire(&mut self, successor: Successor) {
        let old = self.state.linked().generation;
        let order = Order {
            trigger: successor.trigger(),
            old,
            new: old.next(),
        };
        self.state.gesture.drop_question();
        self.state.token.void();
        self.state.keys.give_up(successor);
        self.state.session.retire(successor, self.now);
        self.effects.push(match successor {
            Successor::Fresh(_) => Effect::Retire(order),
            Successor::Archived(from) => Effect::Restore { order, from },
        });
    }

    /// The generation is retired, and its successor is live. A stop may have come meanwhile: the next start has to know as much
    /// all the same.
    pub(crate) fn retired(&mut self, linked: Linked) {
        let successor = match self.state.session.phase() {
            Phase::Retiring(successor) => Some(successor),
            _ => self.state.session.take_interrupted(),
        };
        let Some(successor) = successor else {
            return self.finished();
        };
        self.state.keys.switch(linked, successor);
        self.state.session.clear_suspicion();
        self.state.session.owe(None);
        self.state.phone = Phone::default();
        self.state.no_new_chats = None;
        self.state.backoffs = Backoffs::new();
        if self.state.session.is_leaving() {
            return self.finished();
        }
        self.state.session.clear_cause();
        self.attempt();
    }

    /// The old generation is still live. Revoked keys are good for nothing but another try at retiring them; what a human
    /// wanted to give up goes on working.
    pub(crate) fn retire_failed(&mut self) {
        let Phase::Retiring(successor) = self.state.session.phase() else {
            return self.finished();
        };
        self.state.keys.keep();
        if self.state.keys.are_revoked() {
            let delay = self.state.backoffs.retire.fail(&mut self.state.jitter);
            return self.wait(Wait::Retire, delay, CauseCode::RetireFailed);
        }
        self.blame(match successor {
            Successor::Fresh(_) => CauseCode::RetireFailed,
            Successor::Archived(_) => CauseCode::RestoreFailed,
        });
        match (self.pays_a_wait(), self.state.session.is_suspected()) {
            (true, _) => {}
            (false, true) => self.await_confirmation(CauseCode::LogoutSuspected.into()),
            (false, false) => self.attempt(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ground::HOUR;
    use crate::ground::limits::PATIENCE_MS;
    use crate::story::{Story, retire};
    use crate::{Command, Ending, Event, Face, GenerationId, Reply, Way};

    const SECOND_GENERATION: Linked = Linked {
        generation: GenerationId(2),
        account: None,
    };

    #[test]
    fn one_logout_is_not_proof() {
        let mut story = Story::connected();
        for _ in 0..5 {
            assert_eq!(story.ended(Ending::LoggedOut), []);
            assert!(matches!(story.face(), Face::LogoutSuspected { .. }));
            assert_eq!(
                story.press(100),
                [],
                "a confirmation that comes at once proves nothing"
            );
            assert!(story.wait_for(Effect::Connect) >= CONFIRM_MS - 100);
            assert_eq!(story.face(), Face::LogoutSuspected { next_ms: 0 });
            assert_eq!(story.on(Event::LinkUp), []);
            assert_eq!((story.state.name(), story.cause()), ("Connected", None));
        }
    }

    #[test]
    fn two_logouts_retire_the_generation_and_pair_anew() {
        let mut story = Story::connected();
        story.ended(Ending::LoggedOut);
        assert_eq!(story.wait_for(Effect::Connect), CONFIRM_MS);
        assert_eq!(story.ended(Ending::LoggedOut), [retire(Trigger::Server)]);
        assert_eq!(story.on(Event::Retired(SECOND_GENERATION)), [Effect::Pair]);
        assert_eq!(story.state.linked(), SECOND_GENERATION);
        assert_eq!(
            (story.state.name(), story.cause()),
            ("Pairing", Some("session.revoked"))
        );
    }

    #[test]
    fn other_endings_neither_confirm_nor_clear_the_suspicion() {
        let mut story = Story::connected();
        story.ended(Ending::LoggedOut);
        for (ending, effects) in [
            (Ending::Network(CauseCode::DnsFailed.into()), &[][..]),
            (Ending::Refused { code: 503 }, &[]),
            (Ending::AccountLocked, &[Effect::FailSends]),
            (Ending::Replaced, &[]),
            (Ending::Storage, &[]),
        ] {
            story.wait_for(Effect::Connect);
            assert_eq!(story.ended(ending), effects);
        }
        assert_eq!(story.state.name(), "LogoutSuspected");
        story.wait_for(Effect::Connect);
        assert_eq!(story.ended(Ending::LoggedOut), [retire(Trigger::Server)]);
    }

    #[test]
    fn revoked_keys_that_cannot_be_retired_are_never_used_again() {
        let mut story = Story::connected();
        story.ended(Ending::LoggedOut);
        story.wait_for(Effect::Connect);
        story.ended(Ending::LoggedOut);
        for _ in 0..10 {
            assert_eq!(story.on(Event::RetireFailed), []);
            assert_eq!(
                (story.state.name(), story.cause()),
                ("Degraded", Some("storage.retire-failed"))
            );
            assert_eq!(story.on(Event::Network(Way::Open)), []);
            let at = story.state.deadline().expect("a next try");
            assert!(at - story.now >= 54_000);
            story.now = at;
            assert_eq!(story.on(Event::Tick), [retire(Trigger::Server)]);
        }
        story.on(Event::RetireFailed);
        assert_eq!(
            story.command(Command::Link),
            (Reply::Accepted, [retire(Trigger::Server)].into())
        );
        assert_eq!(story.on(Event::Retired(SECOND_GENERATION)), [Effect::Pair]);
    }

    #[test]
    fn a_human_who_gives_the_link_up_in_vain_changes_no_wait() {
        let given_up = |story: &mut Story| {
            story.press(5_000);
            assert_eq!(story.press(100), [retire(Trigger::Button)]);
            assert_eq!(story.on(Event::RetireFailed), []);
        };
        let mut story = Story::connected();
        story.ended(Ending::Banned {
            expires_ms: Some(HOUR),
        });
        given_up(&mut story);
        assert_eq!(
            (story.state.name(), story.cause()),
            ("Banned", Some("account.banned"))
        );
        assert_eq!(story.wait_for(Effect::Connect), HOUR - 5_100);

        let mut story = Story::connected();
        story.ended(Ending::LoggedOut);
        story.wait_for(Effect::Connect);
        story.ended(Ending::LoggedOut);
        story.on(Event::RetireFailed);
        given_up(&mut story);
        assert_eq!(
            story.command(Command::Link),
            (Reply::Accepted, [retire(Trigger::Server)].into()),
            "revoked keys are never used again"
        );
    }

    #[test]
    fn a_logout_heard_while_the_link_is_given_up_counts_and_is_confirmed_in_its_time() {
        let mut story = Story::connected();
        story.press(5_000);
        story.press(100);
        assert_eq!(story.ended(Ending::LoggedOut), [retire(Trigger::Button)]);
        assert_eq!(story.on(Event::RetireFailed), []);
        assert_eq!(story.state.name(), "LogoutSuspected");
        assert!(story.wait_for(Effect::Connect) >= CONFIRM_MS);
        assert_eq!(story.ended(Ending::LoggedOut), [retire(Trigger::Server)]);
    }

    #[test]
    fn a_second_logout_heard_while_the_link_is_given_up_is_proof() {
        let mut story = Story::connected();
        story.ended(Ending::LoggedOut);
        story.wait_for(Effect::Connect);
        story.press(5_000);
        assert_eq!(story.press(100), [Effect::Disconnect]);
        assert_eq!(story.ended(Ending::LoggedOut), [retire(Trigger::Button)]);
        story.on(Event::RetireFailed);
        assert_eq!(
            story.command(Command::Link),
            (Reply::Accepted, [retire(Trigger::Server)].into())
        );
    }

    #[test]
    fn a_retirement_that_takes_long_is_told_about_and_waited_for() {
        let mut story = Story::connected();
        story.ended(Ending::LoggedOut);
        story.wait_for(Effect::Connect);
        story.ended(Ending::LoggedOut);
        assert_eq!(story.wait(3 * PATIENCE_MS), []);
        assert_eq!(story.cause(), Some("storage.retire-slow"));
        assert_eq!(story.on(Event::Retired(SECOND_GENERATION)), [Effect::Pair]);
    }

    #[test]
    fn a_logout_with_nothing_linked_is_just_a_refusal() {
        let mut story = Story::booted(None);
        for _ in 0..3 {
            assert_eq!(story.ended(Ending::LoggedOut), []);
            assert_eq!(story.cause(), Some("session.refused"));
            story.wait_for(Effect::Pair);
        }
    }

    #[test]
    fn nobody_asked_for_these() {
        let mut story = Story::connected();
        let before = story.state.clone();
        assert_eq!(story.on(Event::Retired(SECOND_GENERATION)), []);
        assert_eq!(story.on(Event::RetireFailed), []);
        assert_eq!(story.state, before);
    }
}
