//! The farewell: the phone of a link that a human gave up goes on listing it, until it is logged out with its own keys.

use crate::effect::Effect;
use crate::ground::ArchiveId;
use crate::timers::Timer;
use crate::turn::Turn;

impl Turn<'_> {
    /// Logs the oldest link that was given up out. Once, whatever comes of it: nothing is owed any more before it is tried.
    pub(crate) fn farewell_due(&mut self) {
        if self.rings(Timer::Farewell)
            && let Some(old) = self.state.keys.begin_farewell()
        {
            self.state.allowances.attempts.take(self.now);
            self.effects.push(Effect::Farewell(ArchiveId::Retired(old)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ground::HOUR;
    use crate::ground::limits::STABLE_MS;
    use crate::story::{ACCOUNT, Story};
    use alloc::string::ToString;

    use crate::{CauseCode, Command, Deed, Ending, Event, GenerationId, Linked, Past};

    const FAREWELL: Effect = farewell(1);

    const fn farewell(generation: u32) -> Effect {
        Effect::Farewell(ArchiveId::Retired(GenerationId(generation)))
    }

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
        assert_eq!(past.farewells, []);
        story.ended(Ending::Network(CauseCode::ConnectionLost.into()));
        story.wait_for(Effect::Connect);
        story.on(Event::LinkUp);
        assert_eq!(story.wait(STABLE_MS), []);
    }

    #[test]
    fn two_links_given_up_within_half_a_minute_are_both_logged_out_one_after_the_other() {
        let mut story = given_up();
        linked(&mut story);
        story.wait(STABLE_MS / 2);
        story.press(5_000);
        story.press(200);
        story.ended(Ending::Asked);
        story.on(fresh(3));
        linked(&mut story);
        assert_eq!(story.wait(STABLE_MS), [farewell(1)]);
        assert_eq!(
            story.wait(STABLE_MS),
            [],
            "the first is still being logged out"
        );
        let (past, _) = story.past.clone().expect("written down before");
        assert_eq!(past.farewells, [GenerationId(2)]);
        assert_eq!(story.on(Event::FarewellSaid), [farewell(2)]);
        assert_eq!(story.on(Event::FarewellSaid), []);
        assert_eq!(story.wait(HOUR), []);
    }

    #[test]
    fn a_power_cut_while_a_link_is_given_up_does_not_forget_whom_to_log_out() {
        let mut story = Story::connected();
        story.press(5_000);
        story.press(200);
        story.ended(Ending::Asked);
        let (past, _) = story.past.take().expect("written down before");
        for (live, owed) in [(2, &[FAREWELL][..]), (1, &[])] {
            let mut next = Story::remembering(past.clone(), 0);
            next.on(Event::Booted(Linked {
                generation: GenerationId(live),
                account: Some(ACCOUNT),
            }));
            next.on(Event::LinkUp);
            assert_eq!(next.wait(STABLE_MS), owed);
        }
    }

    #[test]
    fn a_power_cut_while_a_link_comes_back_does_not_have_it_logged_out() {
        let mut story = given_up();
        linked(&mut story);
        let deed = Deed::Restore(ArchiveId::Retired(GenerationId(1)));
        story.command(Command::Ask { deed, nonce: 7 });
        story.command(Command::Confirm { deed, token: 7 });
        story.ended(Ending::Asked);
        let (past, _) = story.past.take().expect("written down before");
        let past: Past = past.to_string().parse().expect("what was written");
        for (live, owed) in [(3, &[][..]), (2, &[FAREWELL])] {
            let mut next = Story::remembering(past.clone(), 0);
            next.on(Event::Booted(Linked {
                generation: GenerationId(live),
                account: Some(ACCOUNT),
            }));
            next.on(Event::LinkUp);
            assert_eq!(next.wait(STABLE_MS), owed);
        }
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
    fn a_stop_while_a_link_is_given_up_does_not_forget_whom_to_log_out() {
        let mut story = Story::connected();
        story.press(5_000);
        story.press(200);
        story.ended(Ending::Asked);
        story.command(Command::Stop);
        assert_eq!(story.on(fresh(2)), [Effect::Exit]);
        let (past, _) = story.past.clone().expect("written down");
        assert_eq!(past.farewells, [GenerationId(1)]);
    }

    #[test]
    fn a_stop_while_a_link_is_given_up_leaves_no_wait_of_it_behind() {
        let mut story = Story::connected();
        let expires_ms = Some(5 * HOUR);
        story.ended(Ending::Banned { expires_ms });
        story.press(5_000);
        story.press(200);
        story.command(Command::Stop);
        assert_eq!(story.on(fresh(2)), [Effect::Exit]);
        let (past, _) = story.past.take().expect("written down");
        let mut next = Story::remembering(past, 0);
        let linked = Linked {
            generation: GenerationId(2),
            account: None,
        };
        assert_eq!(next.on(Event::Booted(linked)), [Effect::Pair]);
    }

    #[test]
    fn what_is_owed_outlives_a_restart() {
        let story = given_up();
        let (past, _) = story.past.clone().expect("written down");
        assert_eq!(past.farewells, [GenerationId(1)]);
        let mut next = Story::remembering(past, 0);
        next.on(Event::Booted(Linked {
            generation: GenerationId(2),
            account: Some(ACCOUNT),
        }));
        next.on(Event::LinkUp);
        assert_eq!(next.wait(STABLE_MS), [FAREWELL]);
    }
}
