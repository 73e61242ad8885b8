//! The way to the outside: a wait ends as soon as it is open again.

use crate::ground::{CauseClass, Wait, Way};
use crate::parts::Phase;
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ground::CauseCode;
    use crate::story::Story;
    use crate::{Effect, Ending, Event, Face};

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
