//! The index of the outbox in memory: how far each message is, and whose turn it is to be sent. Texts stay on the disk.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tokio::time::Instant;

use super::letter::{Opened, OutState, Stored};

/// What memory keeps of every message that the log still holds, and of those that are not final.
#[derive(Default)]
pub(super) struct Queue {
    seqs: HashMap<Arc<str>, u64>,
    states: BTreeMap<u64, (Arc<str>, OutState)>,
    open: BTreeMap<u64, Open>,
    /// Those that may be sent now.
    ready: BTreeSet<u64>,
    /// Those that may be sent from a moment on.
    due: BTreeSet<(Instant, u64)>,
    /// Each account once.
    accounts: BTreeSet<Arc<str>>,
}

/// A message that is not final.
pub(super) struct Open {
    /// The JID of the account it was accepted for; `None`: whichever is linked.
    pub account: Option<Arc<str>>,
    /// When it was accepted by the wall clock, seconds since 1970.
    pub since_s: u64,
    /// How often it was tried.
    pub tries: u32,
    /// Why it was not sent the last time.
    pub why: Option<Arc<str>>,
    turn: Turn,
}

/// When a message may be sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Now.
    Ready,
    /// It is being sent.
    Taken,
    /// From this moment on, should WhatsApp have given no answer by then; on the next connection at once.
    Sent(Instant),
    /// From this moment on.
    PutOff(Instant),
}

impl Queue {
    /// Replays the record at a place of the log: an acceptance, or changes of state.
    pub fn replay(&mut self, at: u64, stored: &Stored<'_>, opened: Opened) {
        match stored {
            Stored::Accepted {
                id,
                since_s,
                account,
                ..
            } => {
                let since_s = since_s.unwrap_or(opened.at_s);
                self.accept(at, id, *account, since_s);
            }
            Stored::Sent { seq } => drop(self.step(*seq, OutState::Sent)),
            Stored::Acked { seq } => drop(self.step(*seq, OutState::Acked)),
            Stored::Failed { seq, code } => {
                let code = (*code).to_owned();
                self.step(*seq, OutState::Failed { code });
            }
            Stored::Together { changes } => {
                changes
                    .iter()
                    .for_each(|change| self.replay(at, change, opened));
            }
            Stored::PutOff { seq, tries, why } => {
                self.put_off(*seq, *tries, why, opened.again(*tries));
            }
        }
    }

    /// Takes a message in, after all that were accepted before.
    pub fn accept(&mut self, seq: u64, id: &str, account: Option<&str>, since_s: u64) {
        let id: Arc<str> = id.into();
        let account = account.map(|account| self.account(account));
        self.seqs.insert(Arc::clone(&id), seq);
        self.states.insert(seq, (id, OutState::Accepted));
        let open = Open {
            account,
            since_s,
            tries: 0,
            why: None,
            turn: Turn::Ready,
        };
        self.open.insert(seq, open);
        self.ready.insert(seq);
    }

    fn account(&mut self, account: &str) -> Arc<str> {
        match self.accounts.get(account) {
            Some(known) => Arc::clone(known),
            None => {
                let account: Arc<str> = account.into();
                self.accounts.insert(Arc::clone(&account));
                account
            }
        }
    }

    /// Moves a message's state on; returns whether it moved.
    pub fn step(&mut self, seq: u64, to: OutState) -> bool {
        match self.states.get_mut(&seq) {
            Some((_, state)) if to.follows(state) => {
                let ends = to.is_final();
                *state = to;
                if ends {
                    self.turn(seq, Turn::Taken);
                    self.open.remove(&seq);
                }
                true
            }
            _ => false,
        }
    }

    /// The place and state of a message.
    pub fn state(&self, id: &str) -> Option<(u64, &OutState)> {
        let seq = self.seqs.get(id)?;
        self.states.get(seq).map(|(_, state)| (*seq, state))
    }

    /// The id and state of the message at a place.
    pub fn at(&self, seq: u64) -> Option<(&Arc<str>, &OutState)> {
        self.states.get(&seq).map(|(id, state)| (id, state))
    }

    /// A message that is not final.
    pub fn open(&self, seq: u64) -> Option<&Open> {
        self.open.get(&seq)
    }

    /// How many messages are not final.
    pub fn count_open(&self) -> usize {
        self.open.len()
    }

    /// Every message that is not final, in the order of acceptance.
    pub fn all_open(&self) -> impl DoubleEndedIterator<Item = (u64, &Open)> {
        self.open.iter().map(|(seq, open)| (*seq, open))
    }

    /// The first message that may be sent now.
    pub fn first(&mut self, now: Instant) -> Option<u64> {
        while let Some((_, seq)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.turn(seq, Turn::Ready);
        }
        self.ready.first().copied()
    }

    /// When the next message may be sent that may not now.
    pub fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes a message to be sent, and counts the attempt; `None` when it is not its turn any more.
    pub fn take(&mut self, seq: u64) -> Option<&Open> {
        if !self.ready.contains(&seq) {
            return None;
        }
        self.turn(seq, Turn::Taken);
        let open = self.open.get_mut(&seq)?;
        open.tries = open.tries.saturating_add(1);
        Some(open)
    }

    /// Puts back what was taken and could not even be tried.
    pub fn put_back(&mut self, seq: u64) {
        if let Some(open) = self.open.get_mut(&seq) {
            open.tries = open.tries.saturating_sub(1);
            self.turn(seq, Turn::Ready);
        }
    }

    /// A message was handed over; it is tried again from this moment on.
    pub fn sent(&mut self, seq: u64, again: Instant) {
        self.turn(seq, Turn::Sent(again));
    }

    /// A message was tried so often in all, and is not again before this moment.
    pub fn put_off(&mut self, seq: u64, tries: u32, why: &str, again: Instant) {
        if let Some(open) = self.open.get_mut(&seq) {
            open.tries = tries;
            open.why = Some(why.into());
            self.turn(seq, Turn::PutOff(again));
        }
    }

    /// A new connection: nobody knows of what was handed over to an earlier one whether it arrived.
    pub fn begin(&mut self) {
        let again = |(seq, open): (&u64, &Open)| match open.turn {
            Turn::Taken | Turn::Sent(_) => Some(*seq),
            Turn::Ready | Turn::PutOff(_) => None,
        };
        let again: Vec<u64> = self.open.iter().filter_map(again).collect();
        again
            .into_iter()
            .for_each(|seq| self.turn(seq, Turn::Ready));
    }

    fn turn(&mut self, seq: u64, to: Turn) {
        let Some(open) = self.open.get_mut(&seq) else {
            return;
        };
        match std::mem::replace(&mut open.turn, to) {
            Turn::Ready => drop(self.ready.remove(&seq)),
            Turn::Sent(at) | Turn::PutOff(at) => drop(self.due.remove(&(at, seq))),
            Turn::Taken => {}
        }
        match to {
            Turn::Ready => drop(self.ready.insert(seq)),
            Turn::Sent(at) | Turn::PutOff(at) => drop(self.due.insert((at, seq))),
            Turn::Taken => {}
        }
    }

    /// Drops what the log no longer holds; all of it is final.
    pub fn forget_before(&mut self, oldest: u64) {
        while let Some(first) = self
            .states
            .first_entry()
            .filter(|first| *first.key() < oldest)
        {
            let seq = *first.key();
            let (id, _) = first.remove();
            // The id may have been accepted again since.
            if self.seqs.get(&id) == Some(&seq) {
                self.seqs.remove(&id);
            }
        }
    }
}
