//! The power supply: one that is too weak is told of, and changes nothing else. Nobody but a human can give the board more.

use crate::ground::CauseCode;
use crate::turn::Turn;

impl Turn<'_> {
    /// Judges the supply. A daemon that leaves has said all there is to say.
    pub(crate) fn supply_due(&mut self) {
        if self.state.session.is_leaving() {
            return;
        }
        if self.state.supply.judge(self.now) {
            self.report(CauseCode::UnderVoltage);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::ground::{HOUR, MINUTE};
    use crate::story::Story;
    use crate::{CauseCode, Command, Event, Face};

    const TOLD: &str = "power.under-voltage";

    fn dips(story: &mut Story, ms: u64) {
        story.on(Event::Voltage { low: true });
        story.wait(ms);
        story.on(Event::Voltage { low: false });
    }

    fn dipped(story: &Story) -> Option<u32> {
        let (code, dips) = story.state.supply_fault()?;
        assert_eq!(code.as_str(), TOLD);
        Some(dips)
    }

    #[test]
    fn a_voltage_that_stays_low_is_told_of_once_and_changes_nothing_else() {
        let mut story = Story::connected();
        let before = (story.state.name(), story.cause());
        story.on(Event::Voltage { low: true });
        story.wait(4_999);
        assert_eq!((dipped(&story), story.reports.len()), (None, 0));
        story.wait(1);
        assert_eq!((dipped(&story), &story.reports[..]), (Some(1), &[TOLD][..]));
        assert_eq!(story.news, [TOLD]);
        story.on(Event::Voltage { low: true });
        story.wait(10 * HOUR);
        assert_eq!(story.reports, [TOLD]);
        assert_eq!((story.state.name(), story.cause()), before);
        assert!(!story.state.is_well());
    }

    #[test]
    fn one_dip_is_nothing_and_three_are_something() {
        let mut story = Story::connected();
        for _ in 0..2 {
            dips(&mut story, 2_000);
            story.wait(20 * MINUTE);
        }
        assert_eq!((dipped(&story), story.reports.len()), (None, 0));
        dips(&mut story, 1);
        assert_eq!((dipped(&story), &story.reports[..]), (Some(3), &[TOLD][..]));
    }

    #[test]
    fn dips_that_lie_far_apart_are_nothing() {
        let mut story = Story::connected();
        for _ in 0..10 {
            dips(&mut story, 2_000);
            story.wait(HOUR);
        }
        assert_eq!((dipped(&story), story.reports.len()), (None, 0));
    }

    #[test]
    fn a_supply_that_comes_and_goes_is_told_of_anew_only_after_an_hour_without_a_dip() {
        let mut story = Story::connected();
        dips(&mut story, 5_000);
        for _ in 0..100 {
            story.wait(HOUR - 1);
            dips(&mut story, 5_000);
        }
        assert_eq!(
            (dipped(&story), &story.reports[..]),
            (Some(101), &[TOLD][..])
        );
        story.wait(HOUR);
        assert_eq!(dipped(&story), None);
        assert!(story.state.is_well());
        dips(&mut story, 5_000);
        assert_eq!(story.reports, [TOLD; 2]);
    }

    #[test]
    fn the_screen_says_so_while_it_lasts() {
        let mut story = Story::connected();
        let fault = |story: &Story| match story.face() {
            Face::Connected { fault, .. } => fault,
            face => panic!("{face:?}"),
        };
        assert_eq!(fault(&story), None);
        dips(&mut story, 5_000);
        assert_eq!(fault(&story), Some(CauseCode::UnderVoltage));
        story.wait(HOUR);
        assert_eq!(fault(&story), None);
    }

    #[test]
    fn who_leaves_says_nothing_of_it() {
        let mut story = Story::connected();
        story.command(Command::Stop);
        dips(&mut story, 5_000);
        assert_eq!(story.reports, [""; 0]);
    }
}
