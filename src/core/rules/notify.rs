//! Notifications: the owner is told beyond journal and screen, in the chat with oneself and by a program of the operator's.

use crate::effect::Effect;
use crate::ground::limits::DEGRADED_AFTER;
use crate::ground::{Cause, CauseClass, CauseCode};
use crate::turn::Turn;

/// Whether there is something to do for a human, or something was done that a human should know of.
fn is_news(cause: Cause) -> bool {
    match cause.code {
        CauseCode::KeysRepaired | CauseCode::KeysRebuilt | CauseCode::KeysRenewed => true,
        // The human who asked for it knows.
        CauseCode::Stopped | CauseCode::NotLinked | CauseCode::Relinked | CauseCode::ResetAsked => {
            false
        }
        // It is tried again, and nothing is worse than before.
        CauseCode::UpdateUnreachable => false,
        _ => cause.class() != CauseClass::Network && cause.advice().is_some(),
    }
}

impl Turn<'_> {
    /// Notifies the owner of reported causes, within a rate limit of a few a day. A start's own notice waits until it is over: before, nobody
    /// can carry it, and how often the owner was told is not known. A process that stops tells nothing: it writes nothing down.
    pub(crate) fn notify(&mut self) {
        let is_degraded = self.state.attempt() == DEGRADED_AFTER;
        let news = self.effects.iter().filter_map(|effect| {
            let Effect::Report(cause) = effect else {
                return None;
            };
            (is_news(*cause) || is_degraded).then_some(*cause)
        });
        self.state.untold.extend(news);
        if self.state.session.is_starting() || self.state.session.is_stopping() {
            return;
        }
        for cause in core::mem::take(&mut self.state.untold) {
            if self
                .state
                .allowances
                .notified
                .blocked_until(self.now)
                .is_none()
            {
                self.state.allowances.notified.take(self.now);
                self.effects.push(Effect::Notify(cause));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::boxed::Box;

    use crate::ground::{DAY, MINUTE};
    use crate::story::{ACCOUNT, Story};
    use crate::{
        Command, Ending, Event, Facts, Findings, GenerationId, IdentityFound, Linked, StoreFound,
        Todo, Unusable,
    };

    #[test]
    fn the_owner_hears_of_what_matters_and_of_attempts_that_go_on_and_on() {
        let mut story = Story::booted(Some(ACCOUNT));
        for _ in 0..DEGRADED_AFTER - 1 {
            story.ended(Ending::Network(CauseCode::ConnectionLost.into()));
            story.wait_for(Effect::Connect);
        }
        assert_eq!(story.news, [""; 0]);
        story.ended(Ending::Network(CauseCode::ConnectionLost.into()));
        assert_eq!(story.news, ["network.connection-lost"]);
        story.wait_for(Effect::Connect);
        story.ended(Ending::Replaced);
        assert_eq!(story.news.last(), Some(&"session.replaced"));
    }

    #[test]
    fn what_a_start_repaired_is_told_when_it_is_over() {
        let mut story = Story::new();
        let found = Findings {
            identity: IdentityFound::Sound,
            store: StoreFound::Lost,
            unusable: Unusable::default(),
            todo: Todo::default(),
        };
        story.on(Event::Found(found));
        assert_eq!((story.reports.len(), story.news.len()), (1, 0));
        story.on(Event::Booted(Linked {
            generation: GenerationId(1),
            account: Some(ACCOUNT),
        }));
        assert_eq!(story.news, ["storage.keys-rebuilt"]);
    }

    #[test]
    fn a_start_that_is_stopped_tells_nothing() {
        let mut story = Story::new();
        story.on(Event::Found(Findings {
            identity: IdentityFound::OneSlot,
            store: StoreFound::Sound,
            unusable: Unusable::default(),
            todo: Todo::default(),
        }));
        story.command(Command::Stop);
        assert_eq!((story.reports.len(), story.news.len()), (1, 0));
    }

    #[test]
    fn a_fault_that_meets_each_start_is_told_a_dozen_times_a_day_at_most() {
        let (mut told, mut noted) = (0, None);
        for _ in 0..20 {
            let mut story = Story::new();
            story.on(Event::Woke(Box::new(Facts {
                set_aside: true,
                past: noted.clone(),
                ..Facts::default()
            })));
            told += story.news.len();
            noted = story.past.map(|(past, _)| (past, MINUTE)).or(noted);
        }
        assert_eq!(told, 12);
    }

    #[test]
    fn a_partition_that_fails_in_each_run_is_told_a_dozen_times_a_day_at_most() {
        let (mut told, mut noted) = (0, None);
        for _ in 0..20 {
            let mut story = Story::woken(Facts {
                past: noted.clone(),
                ..Facts::default()
            });
            story.on(Event::Booted(Linked {
                generation: GenerationId(1),
                account: Some(ACCOUNT),
            }));
            story.past = None;
            story.on(Event::StorageFailed(CauseCode::MediumFailed));
            told += story.news.len();
            noted = story.past.map(|(past, _)| (past, MINUTE)).or(noted);
        }
        assert_eq!(told, 12);
    }

    #[test]
    fn an_owner_is_told_a_dozen_times_a_day_at_most() {
        let mut story = Story::connected();
        for _ in 0..20 {
            story.ended(Ending::Replaced);
            story.press(100);
            story.on(Event::LinkUp);
            story.wait(60_000);
        }
        assert_eq!(story.news.len(), 12);
        story.wait(DAY);
        story.ended(Ending::Replaced);
        assert_eq!(story.news.len(), 13);
    }
}
