//! The deeds that the bus asks for in two steps: a token first, then the deed itself.

use crate::effect::{Refusal, Reply};
use crate::ground::{Successor, Trigger, Wait};
use crate::parts::{Deed, Phase, TOKEN_MS};
use crate::turn::Turn;

impl Turn<'_> {
    /// The first step: a token.
    pub(crate) fn asked(&mut self, deed: Deed, nonce: u64) -> Reply {
        if !self.allows(deed) {
            return Reply::Refused(Refusal::NothingToDo);
        }
        self.state.token.issue(nonce, deed, self.now);
        Reply::Token {
            token: nonce,
            valid_ms: TOKEN_MS,
        }
    }

    /// The second step: the deed, for its token.
    pub(crate) fn confirmed(&mut self, deed: Deed, token: u64) -> Reply {
        if !self.state.token.spend(token, deed, self.now) || !self.allows(deed) {
            return Reply::Refused(Refusal::BadToken);
        }
        match deed {
            Deed::Relink => self.give_up(Successor::Fresh(Trigger::Bus)),
            Deed::Restore(from) => self.give_up(Successor::Archived(from)),
            // Nothing of ours changes: the client reads the archive.
            Deed::Export(_) => {}
        }
        Reply::Accepted
    }

    fn allows(&self, deed: Deed) -> bool {
        let session = &self.state.session;
        match deed {
            Deed::Relink => self.state.can_relink(),
            // Revoked keys go first, and as what they are.
            Deed::Restore(_) => {
                session.is_settled() && session.phase() != Phase::Waiting(Wait::Retire)
            }
            Deed::Export(_) => session.is_settled(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::{ACCOUNT, Story, retire};
    use crate::{ArchiveId, Command, Effect, Ending, Event, Face, GenerationId, Linked, Order};

    const FIRST: ArchiveId = ArchiveId::Retired(GenerationId(1));
    const RESTORE: Deed = Deed::Restore(FIRST);

    fn restore() -> Effect {
        Effect::Restore {
            order: Order {
                trigger: Trigger::Bus,
                old: GenerationId(1),
                new: GenerationId(2),
            },
            from: FIRST,
        }
    }

    fn linked(account: Option<crate::LastFour>) -> Linked {
        Linked {
            generation: GenerationId(2),
            account,
        }
    }

    fn confirmed(story: &mut Story, deed: Deed) -> (Reply, alloc::vec::Vec<Effect>) {
        let asked = story.command(Command::Ask { deed, nonce: 7 });
        assert!(matches!(asked.0, Reply::Token { token: 7, .. }));
        assert_eq!(asked.1, []);
        story.command(Command::Confirm { deed, token: 7 })
    }

    #[test]
    fn a_restore_ends_the_run_and_connects_with_what_came_back() {
        let mut story = Story::connected();
        let done = confirmed(&mut story, RESTORE);
        assert_eq!(done, (Reply::Accepted, [Effect::Disconnect].into()));
        assert_eq!(
            (story.face(), story.cause()),
            (Face::Connecting, Some("session.restoring"))
        );
        assert_eq!(story.ended(Ending::Asked), [restore()]);
        assert_eq!(story.face(), Face::Connecting);
        let back = Event::Retired(linked(Some(ACCOUNT)));
        assert_eq!(story.on(back), [Effect::Connect]);
        assert_eq!((story.state.name(), story.cause()), ("Connecting", None));
    }

    #[test]
    fn a_link_given_up_too_early_comes_back_without_a_phone() {
        let mut story = Story::booted(None);
        story.on(Event::QrShown { valid_ms: 60_000 });
        assert_eq!(confirmed(&mut story, RESTORE).1, [Effect::Disconnect]);
        assert_eq!(story.ended(Ending::Asked), [restore()]);
        let back = Event::Retired(linked(Some(ACCOUNT)));
        assert_eq!(story.on(back), [Effect::Connect]);

        let mut story = Story::booted(None);
        story.on(Event::QrShown { valid_ms: 60_000 });
        story.ended(Ending::QrExhausted);
        assert_eq!(
            confirmed(&mut story, RESTORE).1,
            [restore()],
            "no run to end"
        );
    }

    #[test]
    fn a_restore_that_fails_leaves_the_link_as_it_was() {
        let mut story = Story::connected();
        confirmed(&mut story, RESTORE);
        story.ended(Ending::Asked);
        assert_eq!(story.on(Event::RetireFailed), [Effect::Connect]);
        assert_eq!(story.cause(), Some("storage.restore-failed"));
        story.on(Event::LinkUp);
        assert_eq!((story.state.name(), story.cause()), ("Connected", None));
    }

    #[test]
    fn revoked_keys_are_retired_as_such_before_anything_is_restored() {
        let mut story = Story::connected();
        story.ended(Ending::LoggedOut);
        story.wait_for(Effect::Connect);
        story.ended(Ending::LoggedOut);
        let ask = Command::Ask {
            deed: RESTORE,
            nonce: 1,
        };
        let refused = Reply::Refused(Refusal::NothingToDo);
        assert_eq!(story.command(ask).0, refused);
        story.on(Event::RetireFailed);
        assert_eq!(story.command(ask).0, refused);
        story.command(Command::Link);
        story.on(Event::Retired(linked(None)));
        assert!(matches!(story.command(ask).0, Reply::Token { .. }));
    }

    #[test]
    fn an_export_disturbs_nothing() {
        let mut story = Story::connected();
        let done = confirmed(&mut story, Deed::Export(FIRST));
        assert_eq!(done, (Reply::Accepted, [].into()));
        assert_eq!(story.state.name(), "Connected");
    }

    #[test]
    fn a_token_is_for_one_deed_only() {
        let other = Deed::Restore(ArchiveId::Imported(1));
        for wrong in [Deed::Relink, Deed::Export(FIRST), other] {
            let mut story = Story::connected();
            story.command(Command::Ask {
                deed: RESTORE,
                nonce: 7,
            });
            for deed in [wrong, RESTORE] {
                let answer = story.command(Command::Confirm { deed, token: 7 });
                assert_eq!(answer, (Reply::Refused(Refusal::BadToken), [].into()));
            }
        }
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
}
