//! Messages that cannot be decrypted: a new session with the peer, and new session keys altogether once a day at most.

use crate::effect::Effect;
use crate::ground::CauseCode;
use crate::parts::Then;
use crate::timers::Timer;
use crate::turn::Turn;

impl Turn<'_> {
    /// A message from this peer cannot be decrypted.
    pub(crate) fn undecrypted(&mut self, peer: u64, worked: bool) {
        let session = &self.state.session;
        if !session.is_running() || session.has_left() {
            return;
        }
        let meaning = self.state.storm.undecrypted(peer, worked, self.now);
        if meaning.renegotiate {
            self.effects.push(Effect::Renegotiate { peer });
        }
        if !meaning.is_ours {
            return;
        }
        if self
            .state
            .allowances
            .rebuilds
            .blocked_until(self.now)
            .is_none()
        {
            if self.state.is_connected() {
                self.blame(CauseCode::KeysRenewed);
                self.close(Then::Rebuild);
            }
        } else if meaning.is_news {
            self.report(CauseCode::Undecryptable);
        }
    }

    /// The operator is told once a minute, not once a message.
    pub(crate) fn storm_due(&mut self) {
        if self.rings(Timer::Storm) {
            self.tell_undecrypted();
        }
    }

    /// Reports the undecrypted messages that were not reported yet: once a minute, and before keys are made anew or the daemon leaves.
    pub(crate) fn tell_undecrypted(&mut self) {
        if let Some((messages, peers)) = self.state.storm.take_line() {
            self.effects.push(Effect::Undecrypted { messages, peers });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ground::{DAY, HOUR, MINUTE};
    use crate::story::{ACCOUNT, Story};
    use crate::{Command, Ending, Event, GenerationId, Linked, Plan, Reply};
    use alloc::vec::Vec;

    const LINKED: Linked = Linked {
        generation: GenerationId(1),
        account: Some(ACCOUNT),
    };

    /// One from a peer with whom a session worked.
    fn undecrypted(peer: u64) -> Event {
        let worked = true;
        Event::Undecrypted { peer, worked }
    }

    /// So many from each of so many peers.
    fn strike(story: &mut Story, peers: u64, each: u32) -> Vec<Effect> {
        (0..peers)
            .flat_map(|peer| (0..each).map(move |_| peer))
            .flat_map(|peer| story.on(undecrypted(peer)))
            .collect()
    }

    fn rebuilt(story: &mut Story) {
        let told = Effect::Undecrypted {
            messages: 70,
            peers: 10,
        };
        assert_eq!(
            story.ended(Ending::Asked),
            [told, Effect::Repair(Plan::REBUILD)]
        );
        assert_eq!(
            (story.state.name(), story.cause()),
            ("Repairing", Some("storage.keys-renewed"))
        );
        assert_eq!(story.on(Event::Booted(LINKED)), [Effect::Connect]);
        assert_eq!(
            story.on(Event::LinkUp),
            [Effect::CatchUp(Plan::REBUILD.todo)]
        );
        story.on(Event::CaughtUp);
    }

    #[test]
    fn a_few_are_nothing_and_one_line_a_minute() {
        let mut story = Story::connected();
        assert_eq!(strike(&mut story, 3, 7), []);
        let (messages, peers) = (21, 3);
        assert_eq!(
            story.wait(MINUTE),
            [Effect::Undecrypted { messages, peers }]
        );
        assert_eq!(story.wait(10 * MINUTE), []);
        assert_eq!(story.reports, [""; 0]);
    }

    #[test]
    fn a_peer_of_which_nothing_comes_is_asked_anew_once_in_ten_minutes() {
        let mut story = Story::connected();
        assert_eq!(
            strike(&mut story, 1, 40),
            [Effect::Renegotiate { peer: 0 }],
            "one peer is not our fault"
        );
        story.wait(10 * MINUTE);
        assert_eq!(strike(&mut story, 1, 8), [Effect::Renegotiate { peer: 0 }]);
    }

    #[test]
    fn many_from_many_have_the_keys_made_anew_once_a_day() {
        let mut story = Story::connected();
        let effects = strike(&mut story, 10, 7);
        assert_eq!(effects, [Effect::Disconnect]);
        rebuilt(&mut story);
        assert_eq!(story.reports, ["storage.keys-renewed"]);

        story.wait(HOUR);
        let again = strike(&mut story, 10, 7);
        assert_eq!(again, []);
        assert_eq!(story.reports.last(), Some(&"storage.undecryptable"));
        assert_eq!((story.state.name(), story.cause()), ("Connected", None));

        story.wait(DAY);
        assert_eq!(strike(&mut story, 10, 7), [Effect::Disconnect]);
    }

    #[test]
    fn the_window_slides_so_that_no_contact_decides_when_it_begins() {
        let mut story = Story::connected();
        assert_eq!(strike(&mut story, 1, 1), []);
        story.wait(9 * MINUTE);
        assert_eq!(strike(&mut story, 1, 6), []);
        story.wait(2 * MINUTE);
        assert_eq!(
            strike(&mut story, 1, 7),
            [Effect::Renegotiate { peer: 0 }],
            "7 and 7, within two minutes"
        );

        let mut story = Story::connected();
        story.on(undecrypted(100));
        story.wait(9 * MINUTE);
        assert_eq!(strike(&mut story, 5, 7), []);
        story.wait(2 * MINUTE);
        let effects = strike(&mut story, 5, 7);
        assert!(effects.contains(&Effect::Disconnect), "{effects:?}");
    }

    #[test]
    fn no_number_of_strangers_has_any_keys_made_anew() {
        let mut story = Story::connected();
        for peer in 0..1_000 {
            for _ in 0..16 {
                let worked = false;
                assert_eq!(story.on(Event::Undecrypted { peer, worked }), []);
            }
        }
        let (messages, peers) = (16_000, 64);
        assert_eq!(
            story.wait(MINUTE),
            [Effect::Undecrypted { messages, peers }]
        );
        assert_eq!((story.state.name(), story.cause()), ("Connected", None));
    }

    #[test]
    fn a_few_who_send_much_are_not_our_fault() {
        let mut story = Story::connected();
        let renegotiated = [0, 1, 2].map(|peer| Effect::Renegotiate { peer });
        assert_eq!(strike(&mut story, 3, 1_000), renegotiated);
    }

    #[test]
    fn while_more_can_be_read_our_keys_are_sound() {
        let mut story = Story::connected();
        for peer in 100..110 {
            story.on(Event::Decrypted { peer });
        }
        let effects = strike(&mut story, 10, 7);
        assert_eq!(effects, [], "as many as fail");
        let effects = strike(&mut story, 11, 1);
        assert_eq!(effects.last(), Some(&Effect::Disconnect));

        let mut story = Story::connected();
        for peer in 0..10 {
            story.on(Event::Decrypted { peer });
        }
        let effects = strike(&mut story, 10, 7);
        assert_eq!(
            effects,
            [Effect::Disconnect],
            "of those nothing is read any more"
        );
    }

    #[test]
    fn after_a_repair_each_counts_twice() {
        let mut story = Story::connected();
        strike(&mut story, 10, 7);
        rebuilt(&mut story);
        assert_eq!(strike(&mut story, 1, 4), [Effect::Renegotiate { peer: 0 }]);
        story.wait(2 * HOUR);
        assert_eq!(strike(&mut story, 1, 7), []);
    }

    #[test]
    fn what_ends_the_run_otherwise_goes_first() {
        let mut story = Story::connected();
        strike(&mut story, 10, 7);
        assert_eq!(story.ended(Ending::Throttled), []);
        assert_eq!(story.cause(), Some("session.throttled"));
        assert!(story.wait(2 * MINUTE).contains(&Effect::Connect));
        story.on(Event::LinkUp);
        assert_eq!(
            story.on(undecrypted(70)),
            [Effect::Disconnect],
            "it is still due"
        );
    }

    #[test]
    fn a_stop_waits_for_the_repair() {
        let mut story = Story::connected();
        strike(&mut story, 10, 7);
        story.ended(Ending::Asked);
        assert_eq!(story.command(Command::Stop), (Reply::Accepted, [].into()));
        assert_eq!(story.on(Event::Booted(LINKED)), [Effect::Exit]);
    }
}
