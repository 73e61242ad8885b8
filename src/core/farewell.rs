//! The link that a human gave up: its phone goes on listing it, until it is logged out with its own keys.

use crate::reconnect::STABLE_MS;
use crate::session::{Session, Successor};
use crate::state::State;
use crate::step::Turn;
use crate::{ArchiveId, Effect, Linked, Trigger};

impl State {
    /// When the new link has proved itself, so that the old one need not come back.
    pub(crate) fn farewell_deadline(&self) -> Option<u64> {
        let proves = matches!(self.session, Session::Connected { .. }) && self.farewell.is_some();
        let since = self.usable_since.filter(|_| proves)?;
        Some(since.saturating_add(STABLE_MS))
    }
}

impl Turn<'_> {
    /// The live generation went for another.
    pub(crate) fn owes_a_farewell(&mut self, old: Linked, successor: Successor) {
        match successor {
            Successor::Fresh(Trigger::Button | Trigger::Bus) => {
                let known = old.account.map(|_| old.generation);
                self.state.farewell = known.or(self.state.farewell);
            }
            // It may be what came back.
            Successor::Archived(_) => self.state.farewell = None,
            // The link that was given up before is still listed.
            Successor::Fresh(Trigger::Server | Trigger::Recovery) => {}
        }
    }

    /// Once, whatever comes of it: nothing is owed any more before it is tried.
    pub(crate) fn farewell_due(&mut self) {
        if self
            .state
            .farewell_deadline()
            .is_none_or(|at| at > self.now)
        {
            return;
        }
        if let Some(old) = self.state.farewell.take() {
            self.state.attempts.take(self.now);
            self.effects.push(Effect::Farewell(ArchiveId::Retired(old)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::{ACCOUNT, Story};
    use crate::{CauseCode, Ending, Event, GenerationId};

    const FAREWELL: Effect = Effect::Farewell(ArchiveId::Retired(GenerationId(1)));

    fn fresh(generation: u32) -> Event {
        Event::Retired(Linked {
            generation: GenerationId(generation),
            account: None,
        })
    }

    /// Given up at the device, with the next generation waiting to be linked.
    fn given_up() -> Story {
        let mut story = Story::connected();
        story.press(5_000);
        story.press(200);
        story.ended(Ending::Asked);
        story.on(fresh(2));
        story
    }

    fn linked(story: &mut Story) {
        story.on(Event::Paired(ACCOUNT));
        story.on(Event::LinkUp);
    }

    #[test]
    fn the_old_link_is_logged_out_once_when_the_new_one_is_stable() {
        let mut story = given_up();
        linked(&mut story);
        assert_eq!(story.wait(STABLE_MS - 1), []);
        assert_eq!(story.wait(1), [FAREWELL]);
        let (past, _) = story.past.clone().expect("written down before");
        assert_eq!(past.farewell(), None);
        story.ended(Ending::Network(CauseCode::ConnectionLost.into()));
        story.wait_for(Effect::Connect);
        story.on(Event::LinkUp);
        assert_eq!(story.wait(STABLE_MS), []);
    }

    #[test]
    fn a_new_link_that_does_not_last_is_no_reason_to_give_the_old_one_away() {
        let mut story = given_up();
        linked(&mut story);
        story.wait(STABLE_MS / 2);
        story.ended(Ending::Network(CauseCode::ConnectionLost.into()));
        story.wait_for(Effect::Connect);
        story.on(Event::LinkUp);
        assert_eq!(story.wait(STABLE_MS - 1), []);
        assert_eq!(story.wait(1), [FAREWELL]);
    }

    #[test]
    fn what_is_owed_outlives_a_restart() {
        let story = given_up();
        let (past, _) = story.past.clone().expect("written down");
        assert_eq!(past.farewell(), Some(GenerationId(1)));
        let mut next = Story::remembering(past, 0);
        next.on(Event::Booted(Linked {
            generation: GenerationId(2),
            account: Some(ACCOUNT),
        }));
        next.on(Event::LinkUp);
        assert_eq!(next.wait(STABLE_MS), [FAREWELL]);
    }

    #[test]
    fn what_came_back_and_what_was_never_linked_are_left_alone() {
        let mut story = given_up();
        let turn = |story: &mut Story, account, successor| {
            let old = Linked {
                generation: GenerationId(2),
                account,
            };
            let mut turn = Turn {
                now: story.now,
                state: &mut story.state,
                effects: alloc::vec::Vec::new(),
            };
            turn.owes_a_farewell(old, successor);
            turn.state.farewell
        };
        let again = Successor::Fresh(Trigger::Button);
        let (first, second) = (Some(GenerationId(1)), Some(GenerationId(2)));
        assert_eq!(turn(&mut story, None, again), first);
        let revoked = Successor::Fresh(Trigger::Server);
        assert_eq!(turn(&mut story, Some(ACCOUNT), revoked), first);
        assert_eq!(turn(&mut story, Some(ACCOUNT), again), second);
        let back = Successor::Archived(ArchiveId::Imported(1));
        assert_eq!(turn(&mut story, Some(ACCOUNT), back), None);
    }
}
