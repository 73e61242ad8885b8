//! Messages that cannot be decrypted: a new session with the peer, and new session keys altogether once a day at most.

use crate::effect::Effect;
use crate::ground::CauseCode;
use crate::parts::Then;
use crate::timers::Timer;
use crate::turn::Turn;

impl Turn<'_> {
    /// A message from this peer cannot be decrypted.
    pub(crate) fn undecrypted(&mut self, peer: u64) {
        let session = &self.state.session;
        if !session.is_running() || session.has_left() {
            return;
        }
        let meaning = self.state.storm.undecrypted(peer, self.now);
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
                self.blame(CauseCode::KeysRebuilt);
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

    /// So many from each of so many peers.
    fn strike(story: &mut Story, peers: u64, each: u32) -> Vec<Effect> {
        (0..peers)
            .flat_map(|peer| (0..each).map(move |_| peer))
            .flat_map(|peer| story.on(Event::Undecrypted { peer }))
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
            ("Repairing", Some("storage.keys-rebuilt"))
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
        assert_eq!(story.reports, ["storage.keys-rebuilt"]);

        story.wait(HOUR);
        let again = strike(&mut story, 10, 7);
        assert_eq!(again, []);
        assert_eq!(story.reports.last(), Some(&"storage.undecryptable"));
        assert_eq!((story.state.name(), story.cause()), ("Connected", None));

        story.wait(DAY);
        assert_eq!(strike(&mut story, 10, 7), [Effect::Disconnect]);
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
            story.on(Event::Undecrypted { peer: 70 }),
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
