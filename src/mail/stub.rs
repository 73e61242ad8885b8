//! Stubs: what the inbox holds in place of a message that it does not have, so that none is missing without a word.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};

use minicbor::{Decode, Encode};

/// What a stub stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Stub {
    /// A message that could not be decrypted. Its sender, and the phone, were asked for it again.
    #[n(0)]
    Undecryptable,
    /// A message that WhatsApp gives to the phone alone, such as one to be viewed once.
    #[n(1)]
    PhoneOnly,
    /// A call that was offered.
    #[n(2)]
    Call,
}

/// A stub in the inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StubLine {
    /// What it stands for.
    pub stub: Stub,
    /// When it was taken in, seconds since 1970 by our own clock.
    pub since_s: u64,
    /// The sequence number of the message, once it came.
    pub came: Option<u64>,
}

/// The stubs that are kept, by sequence number.
#[derive(Default)]
pub(super) struct Stubs {
    hasher: RandomState,
    lines: BTreeMap<u64, StubLine>,
    /// Those without their message, by a hash of chat and id.
    waiting: HashMap<u64, u64>,
}

impl Stubs {
    /// Notes a stub that was kept.
    pub(super) fn insert(&mut self, seq: u64, chat: &str, id: &str, stub: Stub, since_s: u64) {
        self.waiting.insert(self.hasher.hash_one((chat, id)), seq);
        let came = None;
        self.lines.insert(
            seq,
            StubLine {
                stub,
                since_s,
                came,
            },
        );
    }

    /// Notes a message that was kept; it may be what a stub stands for.
    pub(super) fn comes(&mut self, seq: u64, chat: &str, id: &str) {
        if self.waiting.is_empty() {
            return;
        }
        let stub = self.waiting.remove(&self.hasher.hash_one((chat, id)));
        if let Some(line) = stub.and_then(|stub| self.lines.get_mut(&stub)) {
            line.came = Some(seq);
        }
    }

    /// Forgets the stubs before this sequence number.
    pub(super) fn forget(&mut self, oldest: u64) {
        if self
            .lines
            .first_key_value()
            .is_some_and(|(seq, _)| *seq < oldest)
        {
            self.lines = self.lines.split_off(&oldest);
            self.waiting.retain(|_, seq| *seq >= oldest);
        }
    }

    /// Whether there is a stub at this sequence number whose message came.
    pub(super) fn is_over(&self, seq: u64) -> bool {
        self.lines.get(&seq).is_some_and(|line| line.came.is_some())
    }

    /// The stubs from a sequence number on, at most `max`.
    pub(super) fn from(&self, seq: u64, max: usize) -> Vec<(u64, StubLine)> {
        let lines = self.lines.range(seq..).take(max);
        lines.map(|(seq, line)| (*seq, *line)).collect()
    }
}
