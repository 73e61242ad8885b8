//! The re-link: a human gives the link up, by the button, or over the bus in two steps.

use crate::ground::{CauseCode, Successor, Trigger};
use crate::parts::{Meaning, Phase, Then};
use crate::timers::Timer;
use crate::turn::Turn;

impl Turn<'_> {
    /// The button went down. One that is held through the start means nothing.
    pub(crate) fn pressed(&mut self) {
        if self.state.session.is_starting() {
            self.state.gesture.spend();
        } else {
            self.state.gesture.pressed(self.now);
        }
    }

    /// The button came up.
    pub(crate) fn released(&mut self) {
        let meaning = self.state.gesture.released();
        self.button(meaning);
    }

    /// A press has become a hold, or the question has stood long enough, when that is so.
    pub(crate) fn button_due(&mut self) {
        if self.rings(Timer::Button) {
            let meaning = self.state.gesture.due();
            self.button(meaning);
        }
    }

    fn button(&mut self, meaning: Option<Meaning>) {
        match meaning {
            Some(Meaning::Confirm) if self.state.can_relink() => {
                self.give_up(Successor::Fresh(Trigger::Button))
            }
            Some(Meaning::Hold) if self.state.can_relink() => self.state.gesture.ask(self.now),
            Some(Meaning::Hold) if matches!(self.state.session.phase(), Phase::Pairing(_)) => {
                self.pair_anew()
            }
            Some(Meaning::Short) if self.state.is_connected() => {
                self.state.notices.turn(self.now);
            }
            Some(Meaning::Short) => _ = self.hurry(),
            Some(Meaning::Hold) if !self.state.keys.are_linked() => _ = self.hurry(),
            Some(Meaning::Hold | Meaning::Confirm) | None => {}
        }
    }

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
    use super::*;
    use crate::story::{ACCOUNT, Story, retire};
    use crate::{AuditEnd, Effect, Ending, Event, Face, GenerationId, Linked};

    /// Held until the question stands.
    fn asked() -> Story {
        let mut story = Story::connected();
        assert_eq!(story.press(5_000), []);
        story
    }

    #[test]
    fn a_short_press_turns_the_page_of_a_link_that_is_up_and_back() {
        let mut story = Story::connected();
        let face = story.face();
        let about = |audit, left_ms| Face::About {
            generation: GenerationId(1),
            audit,
            left_ms,
        };
        assert_eq!(story.press(200), []);
        assert_eq!(story.face(), about(None, 60_000));
        let end = AuditEnd::of(14, "3f2a9c01");
        story.on(Event::Audited(end.unwrap()));
        assert_eq!(story.face(), about(end, 60_000));
        assert_eq!(story.state.name(), "Connected");
        story.wait(59_999);
        assert_eq!(story.face(), about(end, 1));
        story.wait(1);
        assert_eq!(story.face(), face);
        for shown in [about(end, 60_000), face.clone(), about(end, 60_000)] {
            assert_eq!(story.press(200), []);
            assert_eq!(story.face(), shown);
        }
        // What is wrong goes before it, and the button is for that.
        story.ended(Ending::Replaced);
        assert!(matches!(story.face(), Face::Replaced { .. }));
        assert_eq!(story.press(200), [Effect::Connect]);
    }

    #[test]
    fn a_hold_asks_and_a_short_press_confirms() {
        let mut story = Story::connected();
        story.on(Event::Pressed);
        story.wait(4_999);
        assert_eq!(
            story.face(),
            Face::Connected {
                account: Some(ACCOUNT),
                phone_away: false
            },
            "holding shows nothing yet"
        );
        story.wait(1);
        let question = |left_ms| Face::ConfirmRelink {
            left_ms,
            account: Some(ACCOUNT),
            generation: GenerationId(1),
        };
        assert_eq!(story.face(), question(30_000));
        assert_eq!(
            story.state.name(),
            "Connected",
            "the question is on the screen only"
        );
        story.wait(1_000);
        assert_eq!(story.on(Event::Released), []);
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
        story.on(Event::Pressed);
        story.now += 5_500;
        story.on(Event::Released);
        assert!(matches!(
            story.face(),
            Face::ConfirmRelink {
                left_ms: 30_000,
                ..
            }
        ));
        story.now += 31_000;
        story.on(Event::Pressed);
        story.now += 100;
        assert_eq!(story.on(Event::Released), [], "the question was over");
        let turned = matches!(story.face(), Face::About { .. });
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
                phone_away: false
            }
        );
        assert_eq!(story.press(200), []);

        let mut story = asked();
        assert_eq!(story.press(5_000), []);
        assert_eq!(
            story.face(),
            Face::Connected {
                account: Some(ACCOUNT),
                phone_away: false
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
        story.on(Event::Pressed);
        story.on(Event::Booted(Linked {
            generation: GenerationId(1),
            account: Some(ACCOUNT),
        }));
        story.on(Event::LinkUp);
        story.wait(60_000);
        assert_eq!(story.on(Event::Released), []);
        assert_eq!(story.state.name(), "Connected");
        assert_eq!(story.press(5_000), []);
        assert!(matches!(story.face(), Face::ConfirmRelink { .. }));
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
