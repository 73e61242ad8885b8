//! The self-test: run after each repair, and when the operator wants to know.

use crate::effect::{Effect, Refusal, Reply};
use crate::ground::CauseCode;
use crate::parts::{Tested, Then};
use crate::turn::Turn;

impl Turn<'_> {
    /// The operator wants to know.
    pub(crate) fn test(&mut self) -> Reply {
        if !self.state.is_connected() {
            return Reply::Refused(Refusal::NothingToDo);
        }
        self.begin_test();
        Reply::Accepted
    }

    /// Tests what was repaired, once the link is up and has caught up.
    pub(crate) fn test_due(&mut self) {
        let is_due = self.state.self_test.is_due();
        if is_due && self.state.is_connected() && self.state.todo.is_empty() {
            self.begin_test();
        }
    }

    fn begin_test(&mut self) {
        if self.state.self_test.begin() {
            self.effects.push(Effect::SelfTest);
        }
    }

    /// The test is over.
    pub(crate) fn tested(&mut self, tested: Tested) {
        let was_running = self.state.self_test.finish();
        // Whoever waits for it is told that we leave.
        if !was_running || self.state.session.has_left() {
            return;
        }
        self.effects.push(Effect::Tested(tested));
        if !tested.answered && self.state.is_connected() {
            self.blame(CauseCode::SelfTestFailed);
            self.close(Then::Retry(CauseCode::SelfTestFailed));
        } else if tested.echoed == Some(false) {
            self.report(CauseCode::EchoMissing);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::{ACCOUNT, Story};
    use crate::{
        Command, Ending, Event, Findings, GenerationId, IdentityFound, Linked, StoreFound, Todo,
        Unusable,
    };

    const GOOD: Tested = Tested {
        answered: true,
        echoed: None,
    };

    fn tested(story: &mut Story, tested: Tested) -> alloc::vec::Vec<Effect> {
        story.on(Event::SelfTested(tested))
    }

    #[test]
    fn what_was_repaired_is_tested_once() {
        let mut story = Story::new();
        story.on(Event::Found(Findings {
            identity: IdentityFound::Sound,
            store: StoreFound::OneBehind,
            unusable: Unusable::default(),
            todo: Todo::default(),
        }));
        story.on(Event::Booted(Linked {
            generation: GenerationId(1),
            account: Some(ACCOUNT),
        }));
        let up = story.on(Event::LinkUp);
        assert!(matches!(up[..], [Effect::CatchUp(_)]), "{up:?}");
        assert_eq!(
            story.on(Event::CaughtUp),
            [Effect::NoteCaughtUp, Effect::SelfTest]
        );
        story.ended(Ending::Network(CauseCode::ConnectionLost.into()));
        story.wait_for(Effect::Connect);
        assert_eq!(story.on(Event::LinkUp), [Effect::SelfTest]);
        assert_eq!(tested(&mut story, GOOD), [Effect::Tested(GOOD)]);
        assert_eq!(tested(&mut story, GOOD), []);
        story.ended(Ending::Network(CauseCode::ConnectionLost.into()));
        story.wait_for(Effect::Connect);
        assert_eq!(story.on(Event::LinkUp), []);
    }

    #[test]
    fn a_test_that_ends_after_we_left_is_told_to_nobody() {
        let mut story = Story::connected();
        story.command(Command::SelfTest);
        story.command(Command::Stop);
        story.ended(Ending::Asked);
        assert_eq!(tested(&mut story, GOOD), []);
    }

    #[test]
    fn an_operator_asks_while_connected() {
        let mut story = Story::connected();
        let asked = (Reply::Accepted, [Effect::SelfTest].into());
        assert_eq!(story.command(Command::SelfTest), asked);
        let under_way = (Reply::Accepted, [].into());
        assert_eq!(story.command(Command::SelfTest), under_way);
        tested(&mut story, GOOD);
        assert_eq!(story.command(Command::SelfTest), asked);

        let mut story = Story::booted(Some(ACCOUNT));
        let refused = (Reply::Refused(Refusal::NothingToDo), [].into());
        assert_eq!(story.command(Command::SelfTest), refused);
    }

    #[test]
    fn a_link_that_does_not_answer_is_made_anew_and_a_missing_echo_is_told() {
        let mut story = Story::connected();
        let bad = Tested {
            answered: false,
            ..GOOD
        };
        story.command(Command::SelfTest);
        assert_eq!(
            tested(&mut story, bad),
            [Effect::Tested(bad), Effect::Disconnect]
        );
        story.ended(Ending::Asked);
        assert_eq!(story.cause(), Some("session.self-test-failed"));
        assert_eq!(story.reports, ["session.self-test-failed"]);
        story.wait_for(Effect::Connect);
        story.on(Event::LinkUp);

        let mute = Tested {
            echoed: Some(false),
            ..GOOD
        };
        story.command(Command::SelfTest);
        assert_eq!(tested(&mut story, mute), [Effect::Tested(mute)]);
        assert_eq!(story.reports.last(), Some(&"session.echo-missing"));
        assert_eq!((story.state.name(), story.cause()), ("Connected", None));
    }
}
