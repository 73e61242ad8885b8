//! The driver: one state, one queue of events, and the hands that carry out what is decided.
//!
//! Daemon, simulation and model run the same course, each with hands of its own, so that what is proved is the order that
//! ships.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::effect::{Effect, Outcome};
use crate::event::Event;
use crate::ground::Now;
use crate::state::State;
use crate::step::step;

/// Carries out effects: the port between what is decided and what is done.
pub trait Hands {
    /// Hears of a step before its effects are carried out.
    fn decided(&mut self, _event: &Event, _outcome: &Outcome, _now: Now) {}

    /// Carries out one effect, and returns its answers as far as they are known at once; later ones are events of their own.
    /// Effects come in the order in which they were decided, and `state` is where the step led.
    fn carry_out(&mut self, state: &State, effect: Effect) -> Vec<Event>;

    /// Shows where the step led, once its effects are carried out.
    fn show(&mut self, state: &State, now: Now);
}

/// One run of the state machine, from the first second of the process to its last.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Course {
    state: State,
    latest: Now,
    queue: VecDeque<Event>,
}

impl Course {
    /// Begins before anything happened. The seed (any random number) is the jitter's.
    pub fn new(seed: u64) -> Self {
        Self::resume(State::new(seed), Now { mono_ms: 0 })
    }

    /// Goes on from this state, whose moments are of the clock that shows `now`.
    pub fn resume(state: State, now: Now) -> Self {
        Self {
            state,
            latest: now,
            queue: VecDeque::new(),
        }
    }

    /// The state as it is now.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The moment of the last step.
    pub fn now(&self) -> Now {
        self.latest
    }

    /// Takes one event that happened at `now`, then the answers to its effects, one step after the other. An event that is
    /// told late counts as if it happened at the last step: the clock never steps back.
    pub fn take(&mut self, now: Now, event: Event, hands: &mut impl Hands) {
        self.latest.mono_ms = self.latest.mono_ms.max(now.mono_ms);
        self.queue.push_back(event);
        while let Some(event) = self.queue.pop_front() {
            let told = event.clone();
            let outcome = step(&mut self.state, event, self.latest);
            hands.decided(&told, &outcome, self.latest);
            for effect in outcome.effects {
                let answers = hands.carry_out(&self.state, effect);
                self.queue.extend(answers);
            }
            hands.show(&self.state, self.latest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::ACCOUNT;
    use crate::{Findings, GenerationId, IdentityFound, Linked, StoreFound, Todo, Unusable};
    use alloc::boxed::Box;

    /// Hands that answer at once, and note what is asked of them.
    #[derive(Default)]
    struct Quick(Vec<&'static str>);

    impl Hands for Quick {
        fn carry_out(&mut self, _: &State, effect: Effect) -> Vec<Event> {
            match effect {
                Effect::Inspect => {
                    self.0.push("inspect");
                    Vec::from([Event::Found(Findings {
                        identity: IdentityFound::Sound,
                        store: StoreFound::Lost,
                        unusable: Unusable::default(),
                        todo: Todo::default(),
                    })])
                }
                Effect::Repair(_) => {
                    self.0.push("repair");
                    Vec::from([Event::Booted(Linked {
                        generation: GenerationId(1),
                        account: Some(ACCOUNT),
                    })])
                }
                Effect::Connect => {
                    self.0.push("connect");
                    Vec::new()
                }
                _ => Vec::new(),
            }
        }

        fn show(&mut self, state: &State, _: Now) {
            self.0.push(state.name());
        }
    }

    #[test]
    fn a_start_is_a_course_like_any_other() {
        let (mut course, mut hands) = (Course::new(1), Quick::default());
        course.take(Now { mono_ms: 5 }, Event::Woke(Box::default()), &mut hands);
        assert_eq!(
            hands.0,
            [
                "inspect",
                "Starting",
                "repair",
                "Repairing",
                "connect",
                "Connecting"
            ]
        );
    }

    #[test]
    fn the_clock_never_steps_back() {
        let (mut course, mut hands) = (Course::new(1), Quick::default());
        course.take(Now { mono_ms: 9 }, Event::Tick, &mut hands);
        course.take(Now { mono_ms: 3 }, Event::Tick, &mut hands);
        assert_eq!(course.latest, Now { mono_ms: 9 });
    }
}
