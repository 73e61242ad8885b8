//! The wall clock: a board without a battery starts with one that is behind. Certificates are not valid yet then, and WhatsApp
//! refuses a client from the past: the network has to set the clock first, but is not waited for for ever.

use crate::ground::CauseCode;
use crate::parts::Phase;
use crate::turn::Turn;

impl Turn<'_> {
    /// The network has to set the clock first.
    pub(crate) fn await_clock(&mut self) {
        self.state.session.await_clock(self.now);
        self.blame(CauseCode::ClockBehind);
    }

    /// The clock was looked at.
    pub(crate) fn clock(&mut self, behind: bool) {
        self.state.clock_behind = behind;
        if !behind {
            // By the clock that was behind nobody can tell how long ago anything was written.
            self.state.noted_at = None;
        }
        if behind || self.state.session.phase() != Phase::AwaitingClock {
            return;
        }
        // The earlier failure still explains why there is another attempt.
        if self.state.attempt() == 0 {
            self.state.session.clear_cause();
        }
        self.begin();
    }

    /// Nobody set it, or somebody will not wait for that.
    pub(crate) fn go_on_without_clock(&mut self) {
        self.state.clock_behind = false;
        self.blame(CauseCode::ClockFloor);
        self.attempt();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ground::limits::CLOCK_MS;
    use crate::story::{ACCOUNT, Story};
    use crate::{Command, Effect, Ending, Event, Face, GenerationId, Linked, Reply, Way};

    /// A boot whose clock is behind.
    fn behind() -> Story {
        let mut story = Story::new();
        assert_eq!(story.on(Event::Clock { behind: true }), []);
        let linked = Linked {
            generation: GenerationId(1),
            account: Some(ACCOUNT),
        };
        assert_eq!(story.on(Event::Booted(linked)), []);
        let next_ms = CLOCK_MS;
        assert_eq!(story.face(), Face::WaitingForClock { next_ms });
        assert_eq!(story.cause(), Some("clock.behind"));
        story
    }

    #[test]
    fn the_link_waits_for_a_clock_that_is_behind() {
        let mut story = behind();
        assert_eq!(story.wait(CLOCK_MS - 1), []);
        assert_eq!(story.on(Event::Clock { behind: false }), [Effect::Connect]);
        assert_eq!(story.cause(), None);
        assert_eq!(story.reports, ["clock.behind"]);
    }

    #[test]
    fn a_clock_that_nobody_sets_is_gone_on_with_and_blamed() {
        let mut story = behind();
        assert_eq!(story.wait(CLOCK_MS), [Effect::Connect]);
        assert_eq!(story.state.name(), "Connecting");
        assert_eq!(story.cause(), Some("clock.floor"));
        story.on(Event::LinkUp);
        assert_eq!(story.cause(), None);
    }

    #[test]
    fn a_human_need_not_wait() {
        assert_eq!(behind().press(100), [Effect::Connect]);
        let accepted = (Reply::Accepted, [Effect::Connect].into());
        assert_eq!(behind().command(Command::Link), accepted);
        assert_eq!(
            behind().command(Command::Stop),
            (Reply::Accepted, [Effect::Exit].into())
        );
    }

    #[test]
    fn a_set_clock_without_a_network_goes_on_waiting_for_that() {
        let mut story = behind();
        assert_eq!(story.on(Event::Network(Way::NoAddress)), []);
        assert_eq!(story.on(Event::Clock { behind: false }), []);
        assert_eq!(story.state.name(), "WaitingForNetwork");
        assert_eq!(story.cause(), Some("network.no-address"));
        assert_eq!(story.on(Event::Network(Way::Open)), [Effect::Connect]);
    }

    #[test]
    fn the_network_comes_first() {
        let mut story = Story::new();
        story.on(Event::Network(Way::NoLink));
        story.on(Event::Clock { behind: true });
        let linked = Linked {
            generation: GenerationId(1),
            account: Some(ACCOUNT),
        };
        assert_eq!(story.on(Event::Booted(linked)), []);
        assert_eq!(story.cause(), Some("network.no-link"));
        assert_eq!(story.on(Event::Network(Way::Open)), []);
        assert_eq!(story.state.name(), "WaitingForClock");
        assert_eq!(story.on(Event::Clock { behind: false }), [Effect::Connect]);
    }

    #[test]
    fn a_boot_without_a_network_makes_no_attempt_before_there_is_one() {
        for (way, cause) in [
            (Way::NoLink, "network.no-link"),
            (Way::NoRadio, "network.no-radio"),
            (Way::NoAddress, "network.no-address"),
            (Way::NoRoute, "network.no-route"),
        ] {
            let mut story = Story::new();
            story.on(Event::Network(way));
            let linked = Linked {
                generation: GenerationId(1),
                account: None,
            };
            assert_eq!(story.on(Event::Booted(linked)), []);
            assert!(matches!(story.face(), Face::WaitingForNetwork { .. }));
            assert_eq!(story.cause(), Some(cause));
            assert_eq!(story.on(Event::Network(Way::Open)), [Effect::Pair]);
        }
    }

    #[test]
    fn once_begun_the_clock_changes_nothing() {
        let mut story = Story::connected();
        assert_eq!(story.on(Event::Clock { behind: true }), []);
        assert_eq!(story.state.name(), "Connected");
        story.ended(Ending::Network(CauseCode::ConnectionLost.into()));
        assert_eq!(story.state.name(), "Reconnecting");
    }
}
