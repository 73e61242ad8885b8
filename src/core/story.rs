//! Stories for the tests: a state and a virtual clock.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::{
    Command, Effect, Ending, Event, Face, Facts, GenerationId, Hand, LastFour, Linked, Now, Order,
    Past, Reply, State, Trigger, face, step,
};

pub(crate) const ACCOUNT: LastFour = LastFour(*b"1234");

/// The order to give the first generation up.
pub(crate) fn retire(trigger: Trigger) -> Effect {
    Effect::Retire(Order {
        trigger,
        old: GenerationId(1),
        new: GenerationId(2),
    })
}

pub(crate) struct Story {
    pub(crate) state: State,
    pub(crate) now: u64,
    /// The codes reported so far.
    pub(crate) reports: Vec<&'static str>,
    /// The codes the owner was told of.
    pub(crate) news: Vec<&'static str>,
    /// The last note for the next start, and when it was written.
    pub(crate) past: Option<(Past, u64)>,
    /// Probes are not answered, and returned.
    pub(crate) deaf: bool,
}

impl Story {
    /// Nothing has happened yet.
    pub(crate) fn new() -> Self {
        Self {
            state: State::new(7),
            now: 1_000_000,
            reports: Vec::new(),
            news: Vec::new(),
            past: None,
            deaf: false,
        }
    }

    /// The process started, and these are its facts.
    pub(crate) fn woken(facts: Facts) -> Self {
        let mut story = Self::new();
        let effects = story.on(Event::Woke(Box::new(facts)));
        assert_eq!(effects.first(), Some(&Effect::Inspect));
        story
    }

    /// The process started, and this was written down so long ago.
    pub(crate) fn remembering(past: Past, elapsed_ms: u64) -> Self {
        Self::woken(Facts {
            past: Some((past, elapsed_ms)),
            ..Facts::default()
        })
    }

    /// Booted with this account, or with none.
    pub(crate) fn booted(account: Option<LastFour>) -> Self {
        let mut story = Self::new();
        let run = if account.is_some() {
            Effect::Connect
        } else {
            Effect::Pair
        };
        let linked = Linked {
            generation: GenerationId(1),
            account,
        };
        assert_eq!(story.on(Event::Booted(linked)), [run]);
        story
    }

    pub(crate) fn connected() -> Self {
        let mut story = Self::booted(Some(ACCOUNT));
        assert_eq!(story.on(Event::LinkUp), []);
        story
    }

    /// One event; what it leads to, but for reports and what is written down. Probes are answered.
    pub(crate) fn on(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = step(&mut self.state, event, Now { mono_ms: self.now }).effects;
        let mut probed = false;
        effects.retain(|effect| match effect {
            Effect::Report(cause) => {
                self.reports.push(cause.code.as_str());
                false
            }
            Effect::Notify(cause) => {
                self.news.push(cause.code.as_str());
                false
            }
            Effect::Remember(past) => {
                self.past = Some((Past::clone(past), self.now));
                false
            }
            Effect::Probe if !self.deaf => {
                probed = true;
                false
            }
            _ => true,
        });
        if probed {
            effects.extend(self.on(Event::Heard));
        }
        effects
    }

    pub(crate) fn ended(&mut self, ending: Ending) -> Vec<Effect> {
        self.on(Event::LinkEnded(ending))
    }

    /// Time passes, with a tick at each deadline.
    pub(crate) fn wait(&mut self, ms: u64) -> Vec<Effect> {
        let (end, mut effects) = (self.now + ms, Vec::new());
        while let Some(at) = self.state.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            effects.extend(self.on(Event::Tick));
        }
        self.now = end;
        effects
    }

    /// Waits for the planned attempt; how long that took.
    pub(crate) fn wait_for(&mut self, effect: Effect) -> u64 {
        let since = self.now;
        let at = self.state.next_attempt().expect("an attempt is planned");
        self.now = at;
        assert_eq!(self.on(Event::Tick), [effect]);
        at - since
    }

    pub(crate) fn press(&mut self, ms: u64) -> Vec<Effect> {
        self.press_by(Hand::Device, ms)
    }

    pub(crate) fn press_by(&mut self, hand: Hand, ms: u64) -> Vec<Effect> {
        let mut effects = self.on(Event::Pressed(hand));
        effects.extend(self.wait(ms));
        effects.extend(self.on(Event::Released(hand)));
        effects
    }

    /// One command; what it leads to, and its answer.
    pub(crate) fn command(&mut self, command: Command) -> (Reply, Vec<Effect>) {
        let mut effects = self.on(Event::Command {
            request: 5,
            command,
        });
        match effects.remove(0) {
            Effect::Reply { request: 5, reply } => (reply, effects),
            other => panic!("{other:?} instead of an answer"),
        }
    }

    pub(crate) fn face(&self) -> Face {
        face(&self.state, Now { mono_ms: self.now })
    }

    pub(crate) fn cause(&self) -> Option<&'static str> {
        self.state.cause().map(|cause| cause.code.as_str())
    }
}
