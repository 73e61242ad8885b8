//! Messages that cannot be decrypted. A few are nothing: the library asks for them again, and they come. Many from one peer
//! want a new session with it, and many from many peers new session keys altogether, which is done once a day at most.

use alloc::vec::Vec;

use crate::ground::Moments;
use crate::ground::{HOUR, MINUTE};
use crate::session::{Session, Then};
use crate::step::Turn;
use crate::{CauseCode, Effect, Plan};

/// What is further apart is no storm.
const WINDOW_MS: u64 = 10 * MINUTE;
/// So many from one peer are too many.
const PEER: u32 = 8;
/// So many from at least [`PEERS`] are our own fault.
const ALL: u32 = 64;
const PEERS: usize = 4;
/// Peers beyond these are counted as one.
const TOLD_APART: usize = 64;
/// How long it takes until the operator is told of more.
const LINE_MS: u64 = MINUTE;
/// So long after a repair each counts twice.
const PROBATION_MS: u64 = HOUR;

/// What could not be decrypted lately.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Storm {
    /// Until when it is counted together.
    until: Option<u64>,
    /// How much from whom, in that time.
    peers: Vec<(u64, u32)>,
    /// What the operator will be told, and when.
    line: Option<(u64, u32)>,
    /// Until when each counts twice.
    probation: Option<u64>,
}

impl Storm {
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.line.map(|(at, _)| at)
    }

    pub(crate) fn rebase(&mut self, moments: Moments) {
        moments.counts(&mut self.until);
        moments.counts(&mut self.probation);
        if self.until.is_none() {
            self.peers.clear();
        }
        if let Some((at, _)) = &mut self.line {
            moments.due(at);
        }
    }

    /// From now on errors count more, for a while.
    pub(crate) fn on_probation(&mut self, now: u64) {
        self.probation = Some(now.saturating_add(PROBATION_MS));
    }

    fn total(&self) -> u32 {
        self.peers.iter().map(|(_, count)| count).sum()
    }

    /// How much was from this peer before, and is now.
    fn count(&mut self, peer: u64, now: u64) -> (u32, u32) {
        if self.until.is_none_or(|until| until <= now) {
            self.until = Some(now.saturating_add(WINDOW_MS));
            self.peers.clear();
        }
        let twice = self.probation.is_some_and(|until| until > now);
        let known = self.peers.iter().position(|(known, _)| *known == peer);
        let at = known.unwrap_or_else(|| {
            if self.peers.len() < TOLD_APART {
                self.peers.push((peer, 0));
            }
            self.peers.len() - 1
        });
        let count = &mut self.peers[at].1;
        let before = *count;
        *count = before.saturating_add(if twice { 2 } else { 1 });
        (before, *count)
    }
}

impl Turn<'_> {
    /// A message from this peer cannot be decrypted.
    pub(crate) fn undecrypted(&mut self, peer: u64) {
        let has_left = matches!(
            self.state.session,
            Session::Stopped | Session::Failed { until: None, .. }
        );
        if !self.state.running || has_left {
            return;
        }
        let line_at = self.after(LINE_MS);
        let (storm, now) = (&mut self.state.storm, self.now);
        storm.line.get_or_insert((line_at, 0)).1 += 1;
        let before = storm.total();
        let of_peer = storm.count(peer, now);
        let (total, peers) = (storm.total(), storm.peers.len());
        let crosses = |(before, now): (u32, u32), limit| before < limit && now >= limit;
        if crosses(of_peer, PEER) {
            self.effects.push(Effect::Renegotiate { peer });
        }
        if total < ALL || peers < PEERS {
            return;
        }
        if self.state.rebuilds.blocked_until(self.now).is_none() {
            if matches!(self.state.session, Session::Connected { .. }) {
                self.blame(CauseCode::KeysRebuilt);
                self.close(Then::Rebuild);
            }
        } else if crosses((before, total), ALL) {
            let cause = CauseCode::Undecryptable.into();
            self.effects.push(Effect::Report(cause));
        }
    }

    /// The operator is told once a minute, not once a message.
    pub(crate) fn storm_due(&mut self) {
        if self.state.storm.deadline().is_some_and(|at| at <= self.now) {
            self.tell_undecrypted();
        }
    }

    /// What was not told yet is told before the daemon leaves.
    pub(crate) fn tell_undecrypted(&mut self) {
        if let Some((_, messages)) = self.state.storm.line.take() {
            let peers = self.state.storm.peers.len() as u32;
            self.effects.push(Effect::Undecrypted { messages, peers });
        }
    }

    /// No run is left: the session keys are made anew, as a boot does that does not trust them.
    pub(crate) fn rebuild(&mut self) {
        self.tell_undecrypted();
        self.state.rebuilds.take(self.now);
        self.state.storm.peers.clear();
        self.repair(Plan::REBUILD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ground::DAY;
    use crate::story::{ACCOUNT, Story};
    use crate::{Command, Ending, Event, GenerationId, Linked, Reply};

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
            story.wait(LINE_MS),
            [Effect::Undecrypted { messages, peers }]
        );
        assert_eq!(story.wait(10 * LINE_MS), []);
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
        story.wait(WINDOW_MS);
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
