//! A rate limit for messages that cannot be decrypted. A few are nothing: the library asks for them again, and they come. Many
//! from one peer want a new session with it, and many from many peers new session keys altogether.

use alloc::vec::Vec;

use crate::ground::{HOUR, MINUTE, Moments};

/// The window of a storm: failures further apart are none.
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

/// The meaning of one message more that cannot be decrypted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Undecrypted {
    /// The session with its peer should be made anew.
    pub(crate) renegotiate: bool,
    /// So many peers fail that the fault is ours.
    pub(crate) is_ours: bool,
    /// That is so since this message.
    pub(crate) is_news: bool,
}

/// The errors of decrypting, counted by peer within a window of time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Storm {
    /// Until when it is counted together.
    until: Option<u64>,
    /// How much from whom, in that time.
    peers: Vec<(u64, u32)>,
    /// The report due to the operator, and when.
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

    /// One more from this peer cannot be decrypted.
    pub(crate) fn undecrypted(&mut self, peer: u64, now: u64) -> Undecrypted {
        let line_at = now.saturating_add(LINE_MS);
        self.line.get_or_insert((line_at, 0)).1 += 1;
        let before = self.total();
        let of_peer = self.count(peer, now);
        let total = self.total();
        let crosses = |(before, now): (u32, u32), limit| before < limit && now >= limit;
        Undecrypted {
            renegotiate: crosses(of_peer, PEER),
            is_ours: total >= ALL && self.peers.len() >= PEERS,
            is_news: crosses((before, total), ALL),
        }
    }

    /// Takes what the operator was not told yet: how many messages, from how many peers.
    pub(crate) fn take_line(&mut self) -> Option<(u32, u32)> {
        let (_, messages) = self.line.take()?;
        Some((messages, self.peers.len() as u32))
    }

    /// The keys are made anew: what failed before does not count.
    pub(crate) fn forget(&mut self) {
        self.peers.clear();
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
