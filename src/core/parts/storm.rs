//! A rate limit for messages that cannot be decrypted. A few are nothing: the library asks for them again, and they come. Many
//! from one peer want a new session with it, and many from many peers new session keys altogether, unless more peers than that
//! can be read: then our keys are sound.
//!
//! A peer is a person, with whom a session worked before: what a stranger sends is counted for the operator, and nothing else.

use alloc::vec::Vec;

use crate::ground::{HOUR, MINUTE, Moments};

/// The window of a storm, which slides: failures further apart are none.
const WINDOW_MS: u64 = 10 * MINUTE;
/// So many from one peer are too many.
const PEER: usize = 8;
/// No peer counts for more than this, however much it sends.
const EACH: usize = 16;
/// So much is too much altogether: no fewer than four peers can send it.
const ALL: usize = 4 * EACH;
/// Peers beyond these are not counted: there are enough.
const TOLD_APART: usize = 64;
/// How long it takes until the operator is told of more.
const LINE_MS: u64 = MINUTE;
/// So long after a repair each counts twice.
const PROBATION_MS: u64 = HOUR;

/// The meaning of one message more that cannot be decrypted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Undecrypted {
    /// The session with its peer should be made anew.
    pub(crate) renegotiate: bool,
    /// So many peers fail that the fault may be ours.
    pub(crate) is_ours: bool,
    /// That was not said lately.
    pub(crate) is_news: bool,
}

/// The errors of decrypting, by peer, and who can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Storm {
    failing: Vec<Failing>,
    /// Peers of which something was read, each with the moment until which that counts.
    read: Vec<(u64, u64)>,
    line: Option<Line>,
    /// Until when it is known that the fault may be ours.
    told: Option<u64>,
    /// Until when each error counts twice.
    probation: Option<u64>,
}

/// A peer of which something could not be decrypted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Failing {
    peer: u64,
    /// Until when each error counts, the oldest first.
    until: Vec<u64>,
    /// Until when its session is a new one.
    renegotiated: Option<u64>,
}

/// The report due to the operator.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Line {
    at: u64,
    messages: u32,
    peers: Vec<u64>,
}

impl Storm {
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.line.as_ref().map(|line| line.at)
    }

    pub(crate) fn rebase(&mut self, moments: Moments) {
        self.forget_before(moments.now());
        for failing in &mut self.failing {
            failing.until.iter_mut().for_each(|at| moments.due(at));
            moments.counts(&mut failing.renegotiated);
        }
        self.read.iter_mut().for_each(|(_, at)| moments.due(at));
        if let Some(line) = &mut self.line {
            moments.due(&mut line.at);
        }
        moments.counts(&mut self.told);
        moments.counts(&mut self.probation);
    }

    /// From now on errors count more, for a while.
    pub(crate) fn on_probation(&mut self, now: u64) {
        self.probation = Some(now.saturating_add(PROBATION_MS));
    }

    /// Something of this peer was decrypted.
    pub(crate) fn decrypted(&mut self, peer: u64, now: u64) {
        self.forget_before(now);
        let until = now.saturating_add(WINDOW_MS);
        self.read.retain(|(known, _)| *known != peer);
        if self.read.len() < TOLD_APART {
            self.read.push((peer, until));
        }
    }

    /// One more from this peer cannot be decrypted; `worked` whether a session with it did before.
    pub(crate) fn undecrypted(&mut self, peer: u64, worked: bool, now: u64) -> Undecrypted {
        self.report(peer, now);
        self.forget_before(now);
        let twice = self.probation.is_some_and(|until| until > now);
        let Some(failing) = self.failing(peer).filter(|_| worked) else {
            return Undecrypted::default();
        };
        let until = now.saturating_add(WINDOW_MS);
        for _ in 0..if twice { 2 } else { 1 } {
            if failing.until.len() == EACH {
                failing.until.remove(0);
            }
            failing.until.push(until);
        }
        let renegotiate = failing.until.len() >= PEER && failing.renegotiated.is_none();
        if renegotiate {
            failing.renegotiated = Some(until);
        }
        let is_ours = self.is_ours();
        let is_news = is_ours && self.told.is_none_or(|until| until <= now);
        if is_news {
            self.told = Some(until);
        }
        Undecrypted {
            renegotiate,
            is_ours,
            is_news,
        }
    }

    /// Takes what the operator was not told yet: how many messages, from how many peers.
    pub(crate) fn take_line(&mut self) -> Option<(u32, u32)> {
        let line = self.line.take()?;
        Some((line.messages, line.peers.len() as u32))
    }

    /// The keys are made anew: what failed before does not count.
    pub(crate) fn forget(&mut self) {
        self.failing.clear();
        self.told = None;
    }

    fn report(&mut self, peer: u64, now: u64) {
        let line = self.line.get_or_insert_with(|| Line {
            at: now.saturating_add(LINE_MS),
            messages: 0,
            peers: Vec::new(),
        });
        line.messages = line.messages.saturating_add(1);
        if line.peers.len() < TOLD_APART && !line.peers.contains(&peer) {
            line.peers.push(peer);
        }
    }

    /// Finds what is counted of this peer; `None` when there are enough others.
    fn failing(&mut self, peer: u64) -> Option<&mut Failing> {
        let known = self.failing.iter().position(|it| it.peer == peer);
        if known.is_none() && self.failing.len() < TOLD_APART {
            self.failing.push(Failing {
                peer,
                until: Vec::new(),
                renegotiated: None,
            });
        }
        let at = known.unwrap_or(self.failing.len() - 1);
        self.failing.get_mut(at).filter(|it| it.peer == peer)
    }

    /// Whether so much fails, of more peers than can be read, that our own keys may be at fault.
    fn is_ours(&self) -> bool {
        let fails = |peer: u64| self.failing.iter().any(|it| it.peer == peer);
        let read = self.read.iter().filter(|(peer, _)| !fails(*peer)).count();
        let errors: usize = self.failing.iter().map(|it| it.until.len()).sum();
        errors >= ALL && self.failing.len() > read
    }

    /// Forgets what does not count any more.
    fn forget_before(&mut self, now: u64) {
        for failing in &mut self.failing {
            failing.until.retain(|until| *until > now);
            failing.renegotiated = failing.renegotiated.filter(|until| *until > now);
        }
        self.failing.retain(|it| !it.until.is_empty());
        self.read.retain(|(_, until)| *until > now);
    }
}
