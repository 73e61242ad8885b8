//! The probe: whether the link is alive. A quiet chat is no sign of death; a question that is not answered is.

use crate::effect::Effect;
use crate::ground::CauseCode;
use crate::parts::Phase;
use crate::turn::Turn;

impl Turn<'_> {
    /// WhatsApp answered.
    pub(crate) fn heard(&mut self) {
        match self.state.session.phase() {
            Phase::Connected { .. } => self.state.session.hear(self.now),
            Phase::Stale => {
                self.state.session.clear_cause();
                self.state.session.hear(self.now);
            }
            _ => {}
        }
    }

    /// Nothing was heard for long: first the link is asked; then it is no longer called Connected, and asked once more.
    pub(crate) fn probe(&mut self, asked: bool) {
        self.state.session.fall_silent(asked, self.now);
        if asked {
            self.blame(CauseCode::Stale);
        }
        self.effects.push(Effect::Probe);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ground::limits::{ANSWER_MS, SILENCE_MS};
    use crate::story::Story;
    use crate::{Command, Ending, Event, Face, Reply};

    fn deaf() -> Story {
        let mut story = Story::connected();
        story.deaf = true;
        story
    }

    #[test]
    fn a_quiet_link_that_answers_is_connected_for_ever() {
        let mut story = Story::connected();
        for _ in 0..10_000 {
            let effects = story.wait(SILENCE_MS);
            assert!(matches!(effects[..], [] | [Effect::Pulse]), "{effects:?}");
            assert_eq!(story.state.name(), "Connected");
        }
        assert_eq!(story.reports, [""; 0]);
    }

    #[test]
    fn a_link_that_does_not_answer_is_stale_and_made_anew() {
        let mut story = deaf();
        assert_eq!(story.wait(SILENCE_MS + ANSWER_MS - 1), [Effect::Probe]);
        assert_eq!(story.state.name(), "Connected");
        assert_eq!(story.wait(1), [Effect::Probe]);
        let left_ms = ANSWER_MS;
        assert_eq!(story.face(), Face::Stale { left_ms });
        assert_eq!(story.cause(), Some("network.stale"));
        assert_eq!(story.wait(ANSWER_MS), [Effect::Disconnect]);
        assert_eq!(story.face(), Face::Stale { left_ms: 0 });
        assert_eq!(story.ended(Ending::Asked), []);
        assert_eq!(
            (story.state.name(), story.cause()),
            ("Reconnecting", Some("network.stale"))
        );
        story.wait_for(Effect::Connect);
        story.on(Event::LinkUp);
        assert_eq!((story.state.name(), story.cause()), ("Connected", None));
    }

    #[test]
    fn an_answer_that_comes_late_is_good_enough() {
        let mut story = deaf();
        story.wait(SILENCE_MS + ANSWER_MS + 1);
        assert_eq!(story.state.name(), "Stale");
        assert_eq!(story.on(Event::Heard), []);
        assert_eq!((story.state.name(), story.cause()), ("Connected", None));
        assert_eq!(story.wait(SILENCE_MS - 1), []);
    }

    #[test]
    fn a_human_need_not_wait_and_whatsapp_s_own_word_counts() {
        let mut story = deaf();
        story.wait(SILENCE_MS + ANSWER_MS);
        assert_eq!(
            story.command(Command::Link),
            (Reply::Accepted, [Effect::Disconnect].into())
        );
        let mut story = deaf();
        story.wait(SILENCE_MS + ANSWER_MS);
        story.ended(Ending::LoggedOut);
        assert_eq!(story.state.name(), "LogoutSuspected");
    }
}
