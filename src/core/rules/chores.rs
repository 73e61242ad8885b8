//! The chores that go on beside the session: the sign of life, the watch for the phone, the health of the panel.

use crate::effect::Effect;
use crate::ground::CauseCode;
use crate::parts::{Absence, Part};
use crate::timers::Timer;
use crate::turn::Turn;

impl Turn<'_> {
    /// Shows a sign of life once a day; while nobody would see it, it stays due.
    pub(crate) fn pulse_due(&mut self) {
        if self.rings(Timer::Pulse) && self.state.pulse.beat(self.now) {
            self.effects.push(Effect::Pulse);
        }
    }

    /// Something came from the phone.
    pub(crate) fn phone_seen(&mut self) {
        self.state.phone.seen(self.now);
    }

    /// Only a link that is up can tell that the phone is away; what came due before is done then, once.
    pub(crate) fn phone_due(&mut self) {
        if !self.rings(Timer::Phone) {
            return;
        }
        if let Some(absence) = self.state.phone.missed(self.now) {
            self.effects.push(Effect::AskPhone);
            if absence == Absence::TooLong {
                self.report(CauseCode::PhoneAway);
            }
        }
    }

    /// A part of the panel works, or fails for this reason. A daemon that leaves has said all there is to say.
    pub(crate) fn panel(&mut self, part: Part, fault: Option<CauseCode>) {
        let tells = !self.state.session.is_leaving();
        if self.state.panel.set(part, fault, self.now, tells)
            && let Some(code) = fault
        {
            self.report(code);
        }
    }
}

#[cfg(test)]
mod pulse_tests {
    use super::*;
    use crate::ground::DAY;
    use crate::story::Story;
    use crate::{CauseCode, Ending, Event};

    #[test]
    fn a_sign_of_life_a_day_while_connected() {
        let mut story = Story::connected();
        let mut pulses = |days: u64| {
            (0..days)
                .map(|_| story.wait(DAY))
                .filter(|effects| effects.contains(&Effect::Pulse))
                .count()
        };
        assert_eq!(pulses(5), 5);
        story.ended(Ending::Network(CauseCode::ConnectionLost.into()));
        assert!(
            !story.wait(DAY).contains(&Effect::Pulse),
            "nobody would see it"
        );
        story.ended(Ending::Asked);
        story.wait_for(Effect::Connect);
        assert_eq!(story.on(Event::LinkUp), [Effect::Pulse], "made up for");
    }
}

#[cfg(test)]
mod phone_tests {
    use super::*;
    use crate::ground::DAY;
    use crate::story::Story;
    use crate::{Event, Face};

    /// Days after the phone was seen at which it is asked, and at which the owner is warned.
    fn quiet_days(story: &mut Story) -> (alloc::vec::Vec<u64>, alloc::vec::Vec<u64>) {
        let (mut asked, mut warned) = Default::default();
        let asks: &mut alloc::vec::Vec<u64> = &mut asked;
        let warns: &mut alloc::vec::Vec<u64> = &mut warned;
        for day in 1..20 {
            let told = story.reports.len();
            if story.wait(DAY).contains(&Effect::AskPhone) {
                asks.push(day);
            }
            if story.reports[told..].contains(&"account.phone-away") {
                warns.push(day);
            }
        }
        (asked, warned)
    }

    #[test]
    fn a_phone_that_is_away_is_asked_from_the_tenth_day_and_warned_of_on_the_twelfth() {
        let mut story = Story::connected();
        let days = ([10, 11, 12, 13].into(), [12].into());
        assert_eq!(quiet_days(&mut story), days, "since the link came up");
        story.on(Event::PhoneSeen);
        assert_eq!(quiet_days(&mut story), days, "it was back");
    }

    #[test]
    fn the_screen_says_so_until_it_is_back_and_a_start_in_the_last_hours_warns_as_well() {
        let is_away = |story: &Story| {
            matches!(
                story.face(),
                Face::Connected {
                    fault: Some(CauseCode::PhoneAway),
                    ..
                }
            )
        };
        let mut story = Story::connected();
        story.wait(12 * DAY - 1);
        assert!(!is_away(&story));
        story.wait(1);
        assert!(is_away(&story));
        story.wait(2 * DAY - 1);
        let (past, _) = story.past.clone().expect("written down");
        story.on(Event::PhoneSeen);
        assert!(!is_away(&story));

        let mut next = Story::remembering(past, DAY / 2);
        next.on(Event::Booted(story.state.linked()));
        next.on(Event::LinkUp);
        assert_eq!(next.reports, ["account.phone-away"]);
        assert!(is_away(&next));
    }

    #[test]
    fn a_phone_that_writes_all_day_is_noted_once() {
        let mut story = Story::connected();
        story.on(Event::PhoneSeen);
        let first = story.state.phone;
        story.wait(DAY - 1);
        story.on(Event::PhoneSeen);
        assert_eq!(story.state.phone, first);
        story.wait(1);
        story.on(Event::PhoneSeen);
        assert!(story.state.phone != first);
    }
}

#[cfg(test)]
mod panel_tests {
    use super::*;
    use crate::ground::MINUTE;
    use crate::story::Story;
    use crate::{Command, Event};

    const STEADY_MS: u64 = 10 * MINUTE;

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
