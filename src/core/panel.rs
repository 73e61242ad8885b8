//! How the panel itself does: told once to the operator, never a reason for anything else.

use crate::ground::MINUTE;
use crate::ground::Moments;
use crate::session::Session;
use crate::step::Turn;
use crate::{CauseCode, Effect};

/// A part that has worked for so long is told of again when it fails; until then it is the same loose wire.
const STEADY_MS: u64 = 10 * MINUTE;

/// A part of the panel that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The screen.
    Display,
    /// The button.
    Button,
}

/// What is known of the panel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Panel {
    display: Health,
    button: Health,
}

/// What is known of a part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Health {
    fault: Option<CauseCode>,
    /// Since when it works, once it does.
    works_since: Option<u64>,
    /// The operator knows that it fails.
    told: bool,
}

impl Panel {
    /// What is wrong with a part, when something is.
    pub(crate) fn fault(&self, part: Part) -> Option<CauseCode> {
        match part {
            Part::Display => self.display.fault,
            Part::Button => self.button.fault,
        }
    }

    pub(crate) fn rebase(&mut self, moments: Moments) {
        for health in [&mut self.display, &mut self.button] {
            if let Some(since) = &mut health.works_since {
                moments.since(since, STEADY_MS);
            }
        }
    }

    fn health(&mut self, part: Part) -> &mut Health {
        match part {
            Part::Display => &mut self.display,
            Part::Button => &mut self.button,
        }
    }
}

impl Turn<'_> {
    /// A part of the panel works, or fails for this reason.
    pub(crate) fn panel(&mut self, part: Part, fault: Option<CauseCode>) {
        let now = self.now;
        // Who leaves has said all there is to say.
        let leaving = matches!(
            self.state.session,
            Session::Failed { .. } | Session::Stopping { .. } | Session::Stopped
        );
        let health = self.state.panel.health(part);
        health.fault = fault;
        let Some(code) = fault else {
            health.works_since.get_or_insert(now);
            return;
        };
        let worked_since = health.works_since.take();
        let steady = worked_since.is_some_and(|since| now.saturating_sub(since) >= STEADY_MS);
        if !leaving && (steady || !health.told) {
            health.told = true;
            self.effects.push(Effect::Report(code.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::Story;
    use crate::{Command, Event};

    fn fails(story: &mut Story, part: Part, code: CauseCode) {
        let fault = Some(code);
        assert_eq!(story.on(Event::Panel { part, fault }), []);
        assert_eq!(story.state.panel_fault(part), fault);
    }

    fn works(story: &mut Story, part: Part) {
        assert_eq!(story.on(Event::Panel { part, fault: None }), []);
        assert_eq!(story.state.panel_fault(part), None);
    }

    #[test]
    fn a_part_that_fails_is_told_of_once_and_changes_nothing_else() {
        let mut story = Story::connected();
        let before = (story.face(), story.cause(), story.state.deadline());
        fails(&mut story, Part::Display, CauseCode::DisplayAbsent);
        fails(&mut story, Part::Display, CauseCode::DisplayAbsent);
        assert_eq!(story.reports, ["panel.display-absent"]);
        fails(&mut story, Part::Button, CauseCode::ButtonAbsent);
        assert_eq!(story.reports[1..], ["panel.button-absent"]);
        assert_eq!(
            (story.face(), story.cause(), story.state.deadline()),
            before
        );
    }

    #[test]
    fn who_leaves_says_nothing_of_it() {
        let mut story = Story::connected();
        story.command(Command::Stop);
        fails(&mut story, Part::Display, CauseCode::DisplayAbsent);
        assert_eq!(story.reports, [""; 0]);
    }

    #[test]
    fn a_loose_wire_is_told_of_again_only_after_it_held_for_a_while() {
        let mut story = Story::connected();
        for _ in 0..100 {
            fails(&mut story, Part::Display, CauseCode::DisplayAbsent);
            works(&mut story, Part::Display);
            story.wait(STEADY_MS - 1);
        }
        assert_eq!(story.reports, ["panel.display-absent"]);
        works(&mut story, Part::Display);
        story.wait(1);
        fails(&mut story, Part::Display, CauseCode::DisplayAbsent);
        assert_eq!(story.reports, ["panel.display-absent"; 2]);
    }
}
