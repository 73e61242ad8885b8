//! The way to the outside: a wait ends as soon as it is open again.

use crate::ground::{CauseClass, Wait, Way};
use crate::parts::Phase;
use crate::timers::Timer;
use crate::turn::Turn;

impl Turn<'_> {
    /// Notes that the way to the outside came or went. It is idempotent: only a change counts.
    pub(crate) fn network(&mut self, way: Way) {
        if self.state.way.replace(way) == Some(way)
            || self.state.session.phase() != Phase::Waiting(Wait::Reconnect)
        {
            return;
        }
        let blamed = self.state.cause();
        match way.cause() {
            Some(code) if blamed.is_some_and(|cause| cause.class() == CauseClass::Network) => {
                self.blame(code);
            }
            Some(_) => {}
            None => {
                // What failed was the network: WhatsApp has not been bothered, and the first attempt often comes too
                // early.
                if blamed.is_some_and(|cause| Way::CAUSES.contains(&cause.code)) {
                    self.state.backoffs.reconnect.clear();
                }
                self.begin();
            }
        }
    }

    /// Tells what is missing of the way when it has been for long enough, and nothing where it is there meanwhile.
    pub(crate) fn grace_due(&mut self) {
        let cause = self.state.cause();
        let Some(cause) = cause.filter(|cause| Way::CAUSES.contains(&cause.code)) else {
            return self.state.grace.forget();
        };
        if self.state.way.and_then(Way::cause).is_none() {
            self.state.grace.end();
        } else if self.rings(Timer::Grace) {
            self.state.grace.tell(cause.code);
            self.report(cause);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::vec::Vec;

    use super::*;
    use crate::ground::CauseCode;
    use crate::story::{ACCOUNT, Story};
    use crate::{Effect, Ending, Event, Face, Facts, GenerationId, Linked};

    fn lost() -> Ending {
        Ending::Network(CauseCode::ConnectionLost.into())
    }

    #[test]
    fn a_route_that_comes_back_cuts_the_wait_and_starts_the_schedule_over() {
        let mut story = Story::connected();
        assert_eq!(story.on(Event::Network(Way::NoRoute)), []);
        assert_eq!(
            story.state.name(),
            "Connected",
            "only the link knows whether it is lost"
        );
        for _ in 0..8 {
            story.ended(lost());
            assert!(matches!(story.face(), Face::WaitingForNetwork { .. }));
            assert_eq!(story.cause(), Some("network.no-route"));
            story.wait_for(Effect::Connect);
            assert_eq!(story.state.name(), "WaitingForNetwork");
        }
        story.ended(lost());
        assert_eq!(story.on(Event::Network(Way::Open)), [Effect::Connect]);
        story.ended(Ending::Network(CauseCode::DnsFailed.into()));
        assert!(matches!(
            story.face(),
            Face::WaitingForNetwork { attempt: 1, .. }
        ));
        assert_eq!(
            story.on(Event::Network(Way::Open)),
            [],
            "no change, no attempt"
        );
    }

    /// Lets seconds pass; what was told in them.
    fn told_after(story: &mut Story, seconds: u64) -> Vec<&'static str> {
        let before = story.reports.len();
        story.wait(1000 * seconds);
        story.reports[before..].to_vec()
    }

    #[test]
    fn what_heals_within_three_seconds_of_a_start_is_never_told() {
        let facts = Facts {
            way: Some(Way::NoLink),
            ..Facts::default()
        };
        let mut story = Story::new();
        story.on(Event::Woke(Box::new(facts)));
        story.on(Event::Booted(Linked {
            generation: GenerationId(1),
            account: Some(ACCOUNT),
        }));
        assert_eq!(story.cause(), Some("network.no-link"), "and shown at once");
        assert!(story.state.is_in_grace());
        for way in [Way::NoAddress, Way::NoRoute] {
            assert_eq!(told_after(&mut story, 1), [""; 0]);
            story.on(Event::Network(way));
        }
        story.on(Event::Network(Way::Open));
        assert!(!story.state.is_in_grace());
        story.on(Event::LinkUp);
        assert_eq!(told_after(&mut story, 10), [""; 0]);
        assert_eq!(story.reports, [""; 0]);
    }

    #[test]
    fn what_stays_missing_is_told_once_and_each_part_by_itself() {
        let mut story = Story::connected();
        story.on(Event::Network(Way::NoLink));
        story.ended(lost());
        assert_eq!(told_after(&mut story, 2), [""; 0]);
        assert_eq!(told_after(&mut story, 2), ["network.no-link"]);
        for _ in 0..3 {
            story.ended(lost());
            story.wait_for(Effect::Connect);
        }
        story.ended(lost());
        assert_eq!(
            story.reports,
            ["network.no-link"],
            "attempts change nothing"
        );
        story.on(Event::Network(Way::NoAddress));
        story.on(Event::Network(Way::NoRoute));
        assert_eq!(told_after(&mut story, 4), ["network.no-route"]);
        story.on(Event::Network(Way::Open));
        story.on(Event::LinkUp);
        story.on(Event::Network(Way::NoLink));
        story.ended(lost());
        assert_eq!(
            told_after(&mut story, 4),
            ["network.no-link"],
            "another time"
        );
    }

    #[test]
    fn a_way_that_flutters_is_told_when_it_stays_away() {
        let mut story = Story::connected();
        story.on(Event::Network(Way::NoRoute));
        story.ended(lost());
        story.wait(1000);
        story.on(Event::Network(Way::Open));
        story.wait(1000);
        story.on(Event::Network(Way::NoRoute));
        story.ended(lost());
        assert_eq!(told_after(&mut story, 2), [""; 0], "from its own beginning");
        assert_eq!(told_after(&mut story, 2), ["network.no-route"]);
    }

    #[test]
    fn a_route_that_goes_while_waiting_is_the_better_cause() {
        let mut story = Story::connected();
        story.ended(lost());
        story.on(Event::Network(Way::NoRoute));
        assert_eq!(
            (story.state.name(), story.cause()),
            ("WaitingForNetwork", Some("network.no-route"))
        );
    }
}
