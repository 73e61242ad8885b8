//! The factory reset: a human at the device has everything forgotten. It is written down here, and done by the next start, before anything
//! is opened: nothing that runs can be forgotten whole.

use crate::effect::Effect;
use crate::ground::{CauseCode, Order, Successor, Trigger};
use crate::parts::{Phase, Then};
use crate::turn::Turn;

impl Turn<'_> {
    /// A human confirmed it.
    pub(crate) fn reset(&mut self) {
        self.state.gesture.drop_question();
        self.state.token.void();
        self.state.session.owe_wait();
        self.state.session.want_reset();
        self.blame(CauseCode::ResetAsked);
        if self.state.session.is_running() {
            self.close(Then::Reset);
        } else {
            self.begin_reset();
        }
    }

    /// No run is left: it is written down.
    pub(crate) fn begin_reset(&mut self) {
        let old = self.state.linked().generation;
        self.state.session.reset(self.now);
        self.effects.push(Effect::Reset(Order {
            trigger: Trigger::Button,
            old,
            new: old.next(),
        }));
    }

    /// It is written down, or may be: the restart does the rest.
    pub(crate) fn reset_noted(&mut self) {
        if matches!(self.state.session.phase(), Phase::Resetting { .. }) {
            self.exit();
        }
    }

    /// It could not be, and nothing was done.
    pub(crate) fn reset_failed(&mut self) {
        let Phase::Resetting { stops } = self.state.session.phase() else {
            return;
        };
        self.state.session.refuse_reset();
        if stops {
            return self.exit();
        }
        self.blame(CauseCode::ResetFailed);
        match self.pays_a_wait() {
            true => {}
            // The link may have been logged out meanwhile.
            false if self.state.keys.are_revoked() => {
                self.retire(Successor::Fresh(Trigger::Server));
            }
            false if self.state.session.is_suspected() => {
                self.await_confirmation(CauseCode::ResetFailed.into());
            }
            false => self.attempt(),
        }
    }

    /// The owner has seen what the last one did, or uses the device again.
    pub(crate) fn reset_seen(&mut self) {
        if self.state.emptied.take().is_some() {
            self.effects.push(Effect::ResetSeen);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::vec::Vec;

    use super::*;
    use crate::ground::limits::{PATIENCE_MS, STOP_MS};
    use crate::story::{ACCOUNT, Story};
    use crate::{
        Command, Emptied, Ending, Event, Face, Facts, GenerationId, Hand, Linked, PairingFace,
        Reply, Unfinished,
    };

    const RESET: Effect = Effect::Reset(Order {
        trigger: Trigger::Button,
        old: GenerationId(1),
        new: GenerationId(2),
    });

    /// Held until the question stands, and let go.
    fn asked(mut story: Story) -> Story {
        story.press(15_000);
        assert_eq!(story.face(), Face::ConfirmReset { left_ms: 30_000 });
        story.wait(1);
        story
    }

    #[test]
    fn a_reset_that_failed_beside_a_logout_asks_once_more_before_it_believes_that() {
        let mut story = closing();
        assert_eq!(story.ended(Ending::LoggedOut), [RESET]);
        assert_eq!(story.on(Event::ResetFailed), []);
        let asked_again = story.wait_for(Effect::Connect);
        assert!(asked_again >= 8_000, "{asked_again} ms");
    }

    #[test]
    fn a_reset_that_failed_goes_on_with_the_wait_it_came_into() {
        let mut story = Story::connected();
        story.ended(Ending::Throttled);
        let until = story.state.next_attempt();
        story = asked(story);
        assert_eq!(story.press(200), [RESET]);
        assert_eq!(story.on(Event::ResetFailed), []);
        assert_eq!(story.state.next_attempt(), until);
    }

    /// Confirmed, with a run that is told to end.
    fn closing() -> Story {
        let mut story = asked(Story::connected());
        assert_eq!(story.press(200), [Effect::Disconnect]);
        assert_eq!(story.face(), Face::Resetting);
        story
    }

    fn resetting() -> Story {
        let mut story = closing();
        assert_eq!(story.ended(Ending::Asked), [RESET]);
        story
    }

    fn starts(facts: Facts) -> (Story, Vec<Effect>) {
        let mut story = Story::new();
        let effects = story.on(Event::Woke(Box::new(facts)));
        (story, effects)
    }

    #[test]
    fn a_long_hold_and_a_second_press_have_everything_forgotten() {
        let mut story = Story::connected();
        story.on(Event::Pressed(Hand::Device));
        story.wait(5_000);
        let holding = |left_ms| Face::Holding {
            left_ms,
            relinks: true,
        };
        assert_eq!(story.face(), holding(10_000));
        story.wait(9_999);
        assert_eq!(story.face(), holding(1));
        story.wait(1);
        assert_eq!(story.face(), Face::ConfirmReset { left_ms: 30_000 });
        story.wait(10_000);
        assert_eq!(story.on(Event::Released(Hand::Device)), []);
        assert_eq!(story.face(), Face::ConfirmReset { left_ms: 20_000 });
        assert_eq!(story.press(200), [Effect::Disconnect]);
        assert_eq!(
            (story.state.name(), story.cause()),
            ("Resetting", Some("session.reset-asked"))
        );
        assert_eq!(story.ended(Ending::Asked), [RESET]);
        assert_eq!(story.on(Event::ResetNoted), [Effect::Restart]);
        assert_eq!(story.face(), Face::Resetting, "never called saved");
        assert_eq!(story.wait(1_000_000), [], "once");
    }

    #[test]
    fn silence_or_a_long_press_is_no() {
        let mut story = asked(Story::connected());
        assert_eq!(story.wait(30_000), []);
        assert!(matches!(story.face(), Face::Connected { .. }));
        assert_eq!(story.press(200), []);
        let mut story = asked(Story::connected());
        assert_eq!(story.press(5_000), []);
        assert!(matches!(story.face(), Face::Connected { .. }));
    }

    #[test]
    fn a_program_can_neither_ask_for_it_nor_confirm_it() {
        let mut story = Story::connected();
        story.press_by(Hand::Bus, 16_000);
        assert!(!matches!(story.face(), Face::ConfirmReset { .. }));
        let mut story = asked(Story::connected());
        let left_ms = 30_000 - 1 - 200 - 6_000;
        assert_eq!(story.press_by(Hand::Bus, 200), []);
        assert_eq!(story.press_by(Hand::Bus, 6_000), []);
        assert_eq!(
            story.face(),
            Face::ConfirmReset { left_ms },
            "nor refuse it"
        );
        // A finger that is down when the bus lets go is still down.
        story.on(Event::Pressed(Hand::Device));
        assert_eq!(story.on(Event::Released(Hand::Bus)), []);
        assert_eq!(story.face(), Face::ConfirmReset { left_ms });
        assert_eq!(
            story.on(Event::Released(Hand::Device)),
            [Effect::Disconnect]
        );
        // A hold that the bus began is nobody's but the bus'.
        let mut story = Story::connected();
        story.on(Event::Pressed(Hand::Bus));
        story.wait(14_000);
        story.on(Event::Pressed(Hand::Device));
        story.wait(4_000);
        assert!(!matches!(story.face(), Face::ConfirmReset { .. }));
    }

    #[test]
    fn a_device_without_a_link_is_reset_as_well() {
        let mut story = Story::booted(None);
        story.on(Event::QrShown { valid_ms: 60_000 });
        story.ended(Ending::QrExhausted);
        let mut story = asked(story);
        story.ended(Ending::QrExhausted);
        assert_eq!(story.press(200), [RESET], "no run to end");
        assert_eq!(story.on(Event::ResetNoted), [Effect::Restart]);
    }

    #[test]
    fn a_hold_that_was_too_long_for_a_late_tick_is_one() {
        let mut story = Story::connected();
        story.on(Event::Pressed(Hand::Device));
        story.now += 16_000;
        assert_eq!(story.on(Event::Released(Hand::Device)), []);
        assert_eq!(story.face(), Face::ConfirmReset { left_ms: 30_000 });
    }

    #[test]
    fn what_could_not_be_written_down_leaves_all_as_it_was() {
        let mut story = resetting();
        assert_eq!(story.on(Event::ResetFailed), [Effect::Connect]);
        assert_eq!(story.cause(), Some("storage.reset-failed"));
        story.on(Event::LinkUp);
        assert_eq!((story.state.name(), story.cause()), ("Connected", None));
        assert_eq!(story.command(Command::Stop).1, [Effect::Disconnect]);
        assert_eq!(story.ended(Ending::Asked), [Effect::Exit], "no restart");
    }

    #[test]
    fn a_stop_does_not_keep_it_from_its_restart() {
        let accepted = (Reply::Accepted, Vec::new());
        let mut story = closing();
        assert_eq!(story.command(Command::Stop), accepted);
        assert_eq!(story.ended(Ending::Asked), [RESET]);
        assert_eq!(story.on(Event::ResetNoted), [Effect::Restart]);

        let mut story = closing();
        story.command(Command::Stop);
        story.wait(STOP_MS - 1);
        assert_eq!(story.ended(Ending::Asked), [RESET]);
        assert_eq!(story.wait(1), [Effect::Restart], "a stop takes no longer");

        let mut story = resetting();
        assert_eq!(story.command(Command::Stop), accepted);
        assert_eq!(story.wait(STOP_MS - 1), []);
        assert_eq!(story.wait(1), [Effect::Restart]);

        let mut story = resetting();
        story.command(Command::Stop);
        assert_eq!(
            story.on(Event::ResetFailed),
            [Effect::Exit],
            "nothing was done"
        );
    }

    #[test]
    fn a_vault_that_hangs_over_it_does_not_keep_it_from_its_restart() {
        let mut story = resetting();
        assert_eq!(story.wait(PATIENCE_MS - 1), []);
        assert_eq!(story.wait(1), [Effect::Restart]);
    }

    #[test]
    fn a_link_that_does_not_end_is_not_reset_under() {
        let mut story = closing();
        assert_eq!(story.wait(PATIENCE_MS), [Effect::Disconnect]);
        assert_eq!(story.cause(), Some("session.link-stuck"));
        assert_eq!(story.ended(Ending::Asked), []);
        assert_eq!(story.command(Command::Stop).1, [Effect::Exit]);
    }

    #[test]
    fn a_start_that_finds_it_undone_opens_nothing() {
        let undone = |reset| {
            starts(Facts {
                reset,
                ..Facts::default()
            })
        };
        let (mut story, effects) = undone(Unfinished::Waits);
        assert_eq!(effects, [Effect::Restart]);
        assert_eq!(story.face(), Face::Resetting);
        assert_eq!(story.wait(1_000_000), []);
        let (mut story, effects) = undone(Unfinished::Failed);
        assert_eq!(effects, []);
        assert_eq!(story.cause(), Some("storage.reset-unfinished"));
        assert_eq!(story.wait(60_000), [Effect::ExitFailed], "no restart again");
    }

    #[test]
    fn what_was_done_is_shown_until_it_is_seen_or_the_device_is_used_again() {
        let emptied = Emptied {
            links: 2,
            listed: 1,
            system: true,
            left: 0,
        };
        let done = Face::ResetDone { emptied };
        let start = || {
            let (mut story, _) = starts(Facts {
                emptied: Some(emptied),
                ..Facts::default()
            });
            story.on(Event::Booted(Linked {
                generation: GenerationId(1),
                account: None,
            }));
            story
        };
        let mut story = start();
        assert_eq!(story.face(), done);
        story.on(Event::QrShown { valid_ms: 60_000 });
        let qr = |face| matches!(face, Face::Pairing(PairingFace::Qr { .. }));
        assert!(qr(story.face()), "what can be scanned goes first");
        assert_eq!(story.press(200), [], "and a press is for that");
        story.ended(Ending::QrExhausted);
        assert_eq!(story.face(), done);
        assert_eq!(story.press(200), [Effect::ResetSeen], "and nothing else");
        assert_eq!(story.face(), Face::PairingPaused);
        assert_eq!(story.press(200), [Effect::Pair]);

        let mut story = start();
        story.on(Event::Paired(ACCOUNT));
        assert_eq!(story.face(), done);
        assert_eq!(story.on(Event::LinkUp), [Effect::ResetSeen]);
        assert!(matches!(story.face(), Face::Connected { .. }));
    }
}
