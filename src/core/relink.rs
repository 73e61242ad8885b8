//! A human gives the link up: by the button, or over the bus in two steps.

use crate::gesture::Meaning;
use crate::session::{Session, Successor, Then};
use crate::step::Turn;
use crate::{CauseCode, Trigger};

impl Turn<'_> {
    pub(crate) fn button(&mut self, meaning: Option<Meaning>) {
        match meaning {
            Some(Meaning::Confirm) if self.state.can_relink() => {
                self.give_up(Successor::Fresh(Trigger::Button))
            }
            Some(Meaning::Hold) if self.state.can_relink() => self.state.gesture.ask(self.now),
            Some(Meaning::Hold) if matches!(self.state.session, Session::Pairing(_)) => {
                self.pair_anew()
            }
            Some(Meaning::Short) => _ = self.hurry(),
            Some(Meaning::Hold) if self.state.linked.account.is_none() => _ = self.hurry(),
            Some(Meaning::Hold | Meaning::Confirm) | None => {}
        }
    }

    pub(crate) fn give_up(&mut self, successor: Successor) {
        self.state.gesture.drop_question();
        self.state.token = None;
        if let Session::Waiting { wait, until } = self.state.session {
            self.state.owed = Some((wait, until));
        }
        self.blame(match successor {
            Successor::Fresh(_) => CauseCode::Relinked,
            Successor::Archived(_) => CauseCode::Restoring,
        });
        if self.state.running {
            self.close(Then::Retire(successor));
        } else {
            self.retire(successor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::{ACCOUNT, Story};
    use crate::{
        Audit, Command, Deed, Effect, Ending, Event, Face, GenerationId, Linked, Refusal, Reply,
    };

    fn retire(trigger: Trigger) -> Effect {
        Effect::Retire(Audit {
            trigger,
            old: GenerationId(1),
            new: GenerationId(2),
        })
    }

    /// Held until the question stands.
    fn asked() -> Story {
        let mut story = Story::connected();
        assert_eq!(story.press(5_000), []);
        story
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
        assert_eq!(
            story.face(),
            Face::Connected {
                account: Some(ACCOUNT),
                phone_away: false
            }
        );
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
    fn the_bus_needs_two_steps() {
        let mut story = Story::connected();
        let token = Reply::Token {
            token: 99,
            valid_ms: 60_000,
        };
        assert_eq!(
            story.command(Command::Ask {
                deed: Deed::Relink,
                nonce: 99
            }),
            (token, [].into())
        );
        story.wait(59_999);
        let confirm = Command::Confirm {
            deed: Deed::Relink,
            token: 99,
        };
        assert_eq!(
            story.command(confirm),
            (Reply::Accepted, [Effect::Disconnect].into())
        );
        assert_eq!(story.ended(Ending::Asked), [retire(Trigger::Bus)]);
        assert_eq!(
            story.command(confirm).0,
            Reply::Refused(Refusal::BadToken),
            "used"
        );
        assert_eq!(
            story
                .command(Command::Ask {
                    deed: Deed::Relink,
                    nonce: 1
                })
                .0,
            Reply::Refused(Refusal::NothingToDo)
        );
    }

    #[test]
    fn a_wrong_an_old_or_a_guessed_token_is_refused() {
        let refused = (Reply::Refused(Refusal::BadToken), alloc::vec![]);
        let mut story = Story::connected();
        assert_eq!(
            story.command(Command::Confirm {
                deed: Deed::Relink,
                token: 0
            }),
            refused
        );
        story.command(Command::Ask {
            deed: Deed::Relink,
            nonce: 1,
        });
        assert_eq!(
            story.command(Command::Confirm {
                deed: Deed::Relink,
                token: 2
            }),
            refused
        );
        assert_eq!(
            story.command(Command::Confirm {
                deed: Deed::Relink,
                token: 1
            }),
            refused,
            "one try"
        );
        story.command(Command::Ask {
            deed: Deed::Relink,
            nonce: 3,
        });
        story.wait(60_000);
        assert_eq!(
            story.command(Command::Confirm {
                deed: Deed::Relink,
                token: 3
            }),
            refused
        );
        assert_eq!(story.state.name(), "Connected");
    }

    #[test]
    fn a_token_is_for_the_generation_it_was_asked_for() {
        let mut story = Story::connected();
        story.ended(Ending::LoggedOut);
        story.wait_for(Effect::Connect);
        story.command(Command::Ask {
            deed: Deed::Relink,
            nonce: 1,
        });
        story.ended(Ending::LoggedOut);
        story.on(Event::Retired(Linked {
            generation: GenerationId(2),
            account: None,
        }));
        story.on(Event::QrShown { valid_ms: 60_000 });
        story.on(Event::Paired(ACCOUNT));
        let refused = Reply::Refused(Refusal::BadToken);
        assert_eq!(
            story
                .command(Command::Confirm {
                    deed: Deed::Relink,
                    token: 1
                })
                .0,
            refused
        );
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
