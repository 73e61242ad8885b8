//! The re-link: a human gives the link up, by the button, or over the bus in two steps.

use crate::ground::{CauseCode, Successor};
use crate::parts::Then;
use crate::turn::Turn;

impl Turn<'_> {
    /// A human who confirmed it gives the link up.
    pub(crate) fn give_up(&mut self, successor: Successor) {
        self.state.gesture.drop_question();
        self.state.token.void();
        self.state.session.owe_wait();
        self.blame(match successor {
            Successor::Fresh(_) => CauseCode::Relinked,
            Successor::Archived(_) => CauseCode::Restoring,
        });
        if self.state.session.is_running() {
            self.close(Then::Retire(successor));
        } else {
            self.retire(successor);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::ground::Trigger;
    use crate::story::{ACCOUNT, Story, retire};
    use crate::{Effect, Ending, Event, Face, GenerationId, Hand, Linked};

    /// Held until the question stands.
    fn asked() -> Story {
        let mut story = Story::connected();
        assert_eq!(story.press(5_000), []);
        story
    }

    #[test]
    fn a_hold_asks_and_a_short_press_confirms() {
        let mut story = Story::connected();
        story.on(Event::Pressed(Hand::Device));
        story.wait(4_999);
        assert_eq!(
            story.face(),
            Face::Connected {
                account: Some(ACCOUNT),
                fault: None
            },
            "holding shows nothing yet"
        );
        story.wait(1);
        let question = |left_ms| Face::ConfirmRelink {
            left_ms,
            account: Some(ACCOUNT),
            generation: GenerationId(1),
        };
        let holding = Face::Holding {
            left_ms: 10_000,
            relinks: true,
        };
        assert_eq!(story.face(), holding, "who holds on is told what for");
        assert_eq!(
            story.state.name(),
            "Connected",
            "the question is on the screen only"
        );
        story.wait(1_000);
        assert_eq!(story.on(Event::Released(Hand::Device)), []);
        assert_eq!(story.face(), question(29_000));
        assert_eq!(story.press(200), [Effect::Disconnect]);
        assert_eq!(story.state.name(), "Pairing");
        assert_eq!(story.ended(Ending::Asked), [retire(Trigger::Button)]);
        let fresh = Linked {
            generation: GenerationId(2),
            account: None,
        };
        assert_eq!(story.on(Event::Retired(fresh)), [Effect::Pair]);
        assert_eq!(story.cause(), Some("session.relinked"));
    }

    #[test]
    fn a_late_tick_is_made_up_for() {
        let mut story = Story::connected();
        story.on(Event::Pressed(Hand::Device));
        story.now += 5_500;
        story.on(Event::Released(Hand::Device));
        assert!(matches!(
            story.face(),
            Face::ConfirmRelink {
                left_ms: 30_000,
                ..
            }
        ));
        story.now += 31_000;
        story.on(Event::Pressed(Hand::Device));
        story.now += 100;
        assert_eq!(
            story.on(Event::Released(Hand::Device)),
            [],
            "the question was over"
        );
        let turned = matches!(story.face(), Face::Network { .. });
        assert!(turned, "and this is a press of its own");
    }

    #[test]
    fn silence_or_a_long_press_is_no() {
        let mut story = asked();
        story.wait(30_000);
        assert_eq!(
            story.face(),
            Face::Connected {
                account: Some(ACCOUNT),
                fault: None
            }
        );
        assert_eq!(story.press(200), []);

        let mut story = asked();
        assert_eq!(story.press(5_000), []);
        assert_eq!(
            story.face(),
            Face::Connected {
                account: Some(ACCOUNT),
                fault: None
            }
        );
        assert_eq!(story.press(200), [], "the answer was no");

        let mut story = asked();
        story.wait(29_000);
        assert_eq!(story.press(2_000), [], "too late");
    }

    #[test]
    fn a_press_held_through_boot_means_nothing_until_released() {
        let mut story = Story::new();
        story.on(Event::Pressed(Hand::Device));
        story.on(Event::Booted(Linked {
            generation: GenerationId(1),
            account: Some(ACCOUNT),
        }));
        story.on(Event::LinkUp);
        story.wait(60_000);
        assert_eq!(story.on(Event::Released(Hand::Device)), []);
        assert_eq!(story.state.name(), "Connected");
        assert_eq!(story.press(5_000), []);
        assert!(matches!(story.face(), Face::ConfirmRelink { .. }));
    }

    #[test]
    fn a_press_over_the_bus_asks_and_confirms_as_a_finger_does() {
        let mut story = Story::connected();
        assert_eq!(story.press_by(Hand::Bus, 5_000), []);
        assert_eq!(story.press_by(Hand::Bus, 200), [Effect::Disconnect]);
        assert_eq!(story.ended(Ending::Asked), [retire(Trigger::Button)]);
    }

    #[test]
    fn a_press_ends_with_the_hand_that_began_it_and_the_finger_goes_first() {
        let mut story = Story::connected();
        story.on(Event::Pressed(Hand::Device));
        assert_eq!(story.press_by(Hand::Bus, 200), []);
        story.wait(4_800);
        assert!(matches!(story.face(), Face::Holding { .. }), "still down");
        let mut story = Story::connected();
        story.on(Event::Pressed(Hand::Bus));
        story.wait(4_000);
        story.on(Event::Pressed(Hand::Device));
        story.on(Event::Released(Hand::Bus));
        story.wait(4_999);
        assert!(matches!(story.face(), Face::Connected { .. }));
        story.wait(1);
        assert!(matches!(story.face(), Face::Holding { .. }));
    }

    #[test]
    fn the_session_goes_on_under_the_question() {
        let mut story = asked();
        story.ended(Ending::Replaced);
        assert!(matches!(story.face(), Face::ConfirmRelink { .. }));
        assert_eq!(
            story.press(200),
            [retire(Trigger::Button)],
            "no run to end first"
        );
    }

    #[test]
    fn a_revocation_takes_the_question_away() {
        let mut story = Story::connected();
        story.ended(Ending::LoggedOut);
        story.wait_for(Effect::Connect);
        story.press(5_000);
        assert_eq!(story.ended(Ending::LoggedOut), [retire(Trigger::Server)]);
        assert!(!matches!(story.face(), Face::ConfirmRelink { .. }));
        assert_eq!(story.press(200), []);
    }

    #[test]
    fn a_link_that_could_not_be_given_up_goes_on_working() {
        let mut story = asked();
        story.press(200);
        story.ended(Ending::Asked);
        assert_eq!(story.on(Event::RetireFailed), [Effect::Connect]);
        assert_eq!(story.cause(), Some("storage.retire-failed"));
        story.on(Event::LinkUp);
        assert_eq!((story.state.name(), story.cause()), ("Connected", None));
    }
}
