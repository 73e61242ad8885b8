//! What the bus asks for in two steps: a token first, then the deed itself.

use crate::ground::MINUTE;
use crate::ground::Moments;
use crate::session::{Session, Successor, Then, Wait};
use crate::state::State;
use crate::step::Turn;
use crate::{ArchiveId, Refusal, Reply, Trigger};

/// How long a token is good for.
const TOKEN_MS: u64 = MINUTE;

/// What takes two steps, because it cannot be taken back or costs the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deed {
    /// Give the live generation up and link anew.
    Relink,
    /// Give the live generation up and bring an archived one back.
    Restore(ArchiveId),
    /// Hand an archive out: it is not restored here any more.
    Export(ArchiveId),
}

/// What the first step answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Token {
    token: u64,
    deed: Deed,
    until: u64,
}

impl Token {
    pub(crate) fn rebase(&mut self, moments: Moments) {
        moments.due(&mut self.until);
    }
}

impl Turn<'_> {
    pub(crate) fn asked(&mut self, deed: Deed, nonce: u64) -> Reply {
        if !self.state.allows(deed) {
            return Reply::Refused(Refusal::NothingToDo);
        }
        self.state.token = Some(Token {
            token: nonce,
            deed,
            until: self.after(TOKEN_MS),
        });
        Reply::Token {
            token: nonce,
            valid_ms: TOKEN_MS,
        }
    }

    /// A token is good for one try, right or wrong, and for the deed it was asked for.
    pub(crate) fn confirmed(&mut self, deed: Deed, token: u64) -> Reply {
        let known = self.state.token.take().is_some_and(|known| {
            known.token == token && known.deed == deed && known.until > self.now
        });
        if !known || !self.state.allows(deed) {
            return Reply::Refused(Refusal::BadToken);
        }
        match deed {
            Deed::Relink => self.give_up(Successor::Fresh(Trigger::Bus)),
            Deed::Restore(from) => self.give_up(Successor::Archived(from)),
            // Nothing of ours changes: whoever asked reads the archive.
            Deed::Export(_) => {}
        }
        Reply::Accepted
    }
}

impl State {
    fn allows(&self, deed: Deed) -> bool {
        match deed {
            Deed::Relink => self.can_relink(),
            // Revoked keys go first, and as what they are.
            Deed::Restore(_) => self.is_settled() && !self.awaits(Wait::Retire),
            Deed::Export(_) => self.is_settled(),
        }
    }

    /// Whether no generation is being given up, and none is about to.
    pub(crate) fn is_settled(&self) -> bool {
        !matches!(
            self.session,
            Session::Starting
                | Session::Repairing { .. }
                | Session::Failed { .. }
                | Session::Closing {
                    then: Then::Retire(_),
                    ..
                }
                | Session::Retiring { .. }
                | Session::Stopping { .. }
                | Session::Stopped
        )
    }

    fn awaits(&self, what: Wait) -> bool {
        matches!(self.session, Session::Waiting { wait, .. } if wait == what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::{ACCOUNT, Story};
    use crate::{Audit, Command, Effect, Ending, Event, Face, GenerationId, Linked};

    const FIRST: ArchiveId = ArchiveId::Retired(GenerationId(1));
    const RESTORE: Deed = Deed::Restore(FIRST);

    fn restore() -> Effect {
        Effect::Restore {
            order: Audit {
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
}
