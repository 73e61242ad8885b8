//! Keeps received messages: durable before WhatsApp gets its ack, and until every consumer has acknowledged them.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use holdfast_medium::{
    DataDir, Secret, Stamp,
    barrier::{Barrier, Durability, LogId},
    blocking,
    wear::Purpose,
};
use minicbor::bytes::ByteSlice;
use minicbor::{Decode, Encode};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::cursor::{self, Consumer, Cursors};
use super::frame::{self, Header, MAX_BODY};
use super::log::{self, Reader};
use super::stub::{Stub, StubLine, Stubs};
use super::{Finding, MailError, Room, to_cbor, whole};

/// The deduplication window: how many of the newest messages a message is compared with.
const WINDOW: usize = 4096;

/// A message as it came in.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// The id its sender gave it; unique within chat and sender only.
    pub id: String,
    /// The JID of the chat.
    pub chat: Secret<String>,
    /// The JID of the sender.
    pub sender: Secret<String>,
    /// When it was sent by the sender's clock, seconds since 1970.
    pub timestamp_s: i64,
    /// The name the sender goes by.
    pub push_name: Option<Secret<String>>,
    /// Its text, when it has one.
    pub text: Option<Secret<String>>,
    /// The whole message: protobuf of `wa::Message`, as secret as the text.
    pub raw: Vec<u8>,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The backlog of the slowest consumer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// Messages.
    pub messages: u64,
    /// Their size on the disk, bytes.
    pub bytes: u64,
}

/// A message's encoding on the disk.
#[derive(Clone, Copy, Encode, Decode)]
struct Stored<'a> {
    #[b(0)]
    id: &'a str,
    #[b(1)]
    chat: &'a str,
    #[b(2)]
    sender: &'a str,
    #[n(3)]
    timestamp_s: i64,
    #[b(4)]
    push_name: Option<&'a str>,
    #[b(5)]
    text: Option<&'a str>,
    #[b(6)]
    raw: &'a ByteSlice,
    #[n(7)]
    stub: Option<Stub>,
    /// Of a stub: when it was taken in, seconds since 1970.
    #[n(8)]
    since_s: Option<u64>,
}

impl<'a> Stored<'a> {
    fn of(message: &'a Message) -> Self {
        let text =
            |secret: &'a Option<Secret<String>>| secret.as_ref().map(|text| text.expose().as_str());
        Self {
            id: &message.id,
            chat: message.chat.expose(),
            sender: message.sender.expose(),
            timestamp_s: message.timestamp_s,
            push_name: text(&message.push_name),
            text: text(&message.text),
            raw: message.raw.as_slice().into(),
            stub: None,
            since_s: None,
        }
    }

    /// In place of a message that is not there.
    fn stub(message: &'a Message, stub: Stub, since_s: u64) -> Self {
        Self {
            stub: Some(stub),
            since_s: Some(since_s),
            ..Self::of(message)
        }
    }

    /// The bytes of its fields.
    fn bytes(&self) -> usize {
        let texts = [Some(self.id), Some(self.chat), Some(self.sender)];
        let texts = texts.into_iter().chain([self.push_name, self.text]);
        texts.flatten().map(str::len).sum::<usize>() + self.raw.len()
    }

    /// What it is known again by: a stub is no copy of its message.
    fn key(&self) -> (&str, &str, &str, bool) {
        (self.chat, self.sender, self.id, self.stub.is_some())
    }

    /// Notes it among the stubs, if it is one or resolves one.
    fn note(&self, seq: u64, stubs: &mut Stubs) {
        match self.stub {
            Some(stub) => {
                let since_s = self.since_s.unwrap_or_default();
                stubs.insert(seq, self.chat, self.id, stub, since_s);
            }
            None => stubs.comes(seq, self.chat, self.id),
        }
    }

    fn to_message(self) -> Message {
        let secret = |text: &str| Secret::new(text.to_owned());
        Message {
            id: self.id.to_owned(),
            chat: secret(self.chat),
            sender: secret(self.sender),
            timestamp_s: self.timestamp_s,
            push_name: self.push_name.map(secret),
            text: self.text.map(secret),
            raw: self.raw.to_vec(),
        }
    }
}

/// The inbox. Handles are cheap to clone and mean the same inbox.
#[derive(Clone)]
pub struct Inbox(Arc<Inner>);

struct Inner {
    barrier: Barrier,
    log: LogId,
    reader: Reader,
    room: Room,
    cursors: Arc<Cursors>,
    stubs: Mutex<Stubs>,
    newest: watch::Sender<u64>,
    turn: tokio::sync::Mutex<Turn>,
    findings: Vec<Finding>,
}

/// The right to append; its holder is the only writer.
struct Turn {
    next: u64,
    seen: Seen,
}

impl Inbox {
    /// Opens the inbox of a data directory, or begins one, which takes no more than its room.
    ///
    /// # Errors
    /// [`MailError::Io`] when its files cannot be read. Damage is no error: see [`Inbox::findings`].
    pub async fn open(dir: &DataDir, barrier: &Barrier, room: Room) -> Result<Self, MailError> {
        let dir = dir.mail();
        let barrier = barrier.clone();
        blocking(move || {
            let mut seen = Seen::default();
            let mut stubs = Stubs::default();
            let mut foreign = Vec::new();
            let log = log::open(
                &dir.join("inbox"),
                Duration::ZERO,
                |header, body| match decode(header, body) {
                    Some(batch) => batch.iter().for_each(|(seq, stored)| {
                        seen.insert(stored, *seq);
                        stored.note(*seq, &mut stubs);
                    }),
                    None => foreign.push(Finding::Foreign(header.first)),
                },
            )?;
            let cursors = cursor::open(&dir.join("cursors"))?;

            let mut findings = log.findings;
            findings.extend(foreign);
            if cursors.lost {
                findings.push(Finding::CursorsLost);
            }
            // A consumer can have acknowledged what then went bad at the very end: its number is not given again.
            let next = log.next.max(cursors.furthest().saturating_add(1));
            if next > log.next {
                findings.push(Finding::Lost(log.next..=next - 1));
            }

            let cursors = Arc::new(cursors.under(&barrier));
            let reader = log.reader.clone();
            room.can_give(move || reader.trim());
            if log.reader.release(&room, || cursors.slowest()) {
                log.reader.give_back(&room)?;
            }
            Ok(Self(Arc::new(Inner {
                log: barrier.add_log(Purpose::Inbox, Box::new(log.writer)),
                barrier,
                reader: log.reader,
                room,
                cursors,
                stubs: Mutex::new(stubs),
                newest: watch::Sender::new(next - 1),
                turn: tokio::sync::Mutex::new(Turn { next, seen }),
                findings,
            })))
        })
        .await
    }

    /// Lists the damage that opening the inbox found.
    pub fn findings(&self) -> &[Finding] {
        &self.0.findings
    }

    /// Commits messages atomically, durable on return. It is idempotent: one whose chat, sender and id were committed before is
    /// passed over.
    ///
    /// # Errors
    /// [`MailError::NoRoom`], before a byte was written. Nothing was promised; the same batch may be given again.
    pub async fn commit(&self, batch: Vec<Message>) -> Result<(), MailError> {
        let inner = Arc::clone(&self.0);
        whole(async move {
            let batch = batch.iter().map(Stored::of);
            inner.commit(batch.collect(), true).await
        })
        .await
    }

    /// As [`Inbox::commit`] for messages that nobody else has any more: they are refused for no want of room.
    ///
    /// # Errors
    /// Nothing was promised.
    pub async fn commit_last_copy(&self, batch: Vec<Message>) -> Result<(), MailError> {
        let inner = Arc::clone(&self.0);
        whole(async move {
            let batch = batch.iter().map(Stored::of);
            inner.commit(batch.collect(), false).await
        })
        .await
    }

    /// Commits a stub in place of a message that is not there: the message has no text and no `raw`. Idempotent, and passed over where
    /// the message itself is there. Once that comes, [`Inbox::read`] leaves the stub out. Nobody else has it: it is refused for no want
    /// of room.
    ///
    /// # Errors
    /// Nothing was promised.
    pub async fn commit_stub(&self, stub: Stub, message: Message) -> Result<(), MailError> {
        let inner = Arc::clone(&self.0);
        whole(async move {
            let since_s = Stamp::now().wall_ms / 1_000;
            let stub = Stored::stub(&message, stub, since_s);
            inner.commit([stub].into(), false).await
        })
        .await
    }

    /// The stubs from sequence number `from` on, at most `max`, also those whose message came.
    pub fn stubs(&self, from: u64, max: usize) -> Vec<(u64, StubLine)> {
        // Asked first: a read has the log's lock when it takes this one.
        let oldest = self.0.reader.oldest();
        let mut stubs = self.0.stubs.lock();
        stubs.forget(oldest);
        stubs.from(from, max)
    }

    /// At most `max` messages, oldest first, from sequence number `from` on, and behind the first none that would make them more
    /// than `max_bytes`. What a consumer reads next starts at its [`Inbox::cursor`] plus one.
    ///
    /// # Errors
    /// [`MailError::Io`]. A message that went bad on the disk is no error: its number is missing.
    pub fn read(
        &self,
        from: u64,
        max: usize,
        max_bytes: usize,
    ) -> Result<Vec<(u64, Message)>, MailError> {
        let newest = *self.0.newest.borrow();
        let mut messages = Vec::new();
        if max == 0 || from > newest {
            return Ok(messages);
        }
        let mut left = max_bytes;
        self.0.reader.read(from, |header, body| {
            for (seq, stored) in decode(header, body).unwrap_or_default() {
                let is_over = stored.stub.is_some() && self.0.stubs.lock().is_over(seq);
                if !(from..=newest).contains(&seq) || is_over {
                    continue;
                }
                let is_too_much = stored.bytes() > left && !messages.is_empty();
                if is_too_much || messages.len() == max {
                    return false;
                }
                left = left.saturating_sub(stored.bytes());
                messages.push((seq, stored.to_message()));
            }
            messages.len() < max && header.next() <= newest
        })?;
        Ok(messages)
    }

    /// The last message a consumer acknowledged. A new consumer starts before the oldest message kept.
    pub fn cursor(&self, consumer: &str) -> u64 {
        let unread = || self.0.reader.oldest().saturating_sub(1);
        self.0.cursors.of(consumer).unwrap_or_else(unread)
    }

    /// Lists every consumer.
    pub fn consumers(&self) -> Vec<Consumer> {
        self.0.cursors.list()
    }

    /// How many messages are kept that a consumer at this place has not acknowledged.
    pub fn unread_after(&self, cursor: u64) -> u64 {
        let from = self.0.reader.oldest().max(cursor.saturating_add(1));
        let next = self.0.newest.borrow().saturating_add(1);
        next.saturating_sub(from)
    }

    /// A consumer shows itself: it is not away.
    pub fn seen(&self, consumer: &str) {
        self.0.cursors.seen(consumer);
    }

    /// Counts the time until now for the consumers that messages wait for. Returns how long the one is away for whose sake alone
    /// messages are kept; zero where there is none.
    ///
    /// # Errors
    /// [`MailError::Barrier`].
    pub async fn pass(&self) -> Result<Duration, MailError> {
        let newest = *self.0.newest.borrow();
        self.0.cursors.pass(newest).await
    }

    /// Waits no longer for the consumers that are away for so long while others come, durably; how many they are. What no consumer at
    /// all has acknowledged stays.
    ///
    /// # Errors
    /// [`MailError::Barrier`].
    pub async fn stop_waiting(&self, away: Duration) -> Result<usize, MailError> {
        let gone = self.0.cursors.stop_waiting(away).await?;
        self.0.release().await?;
        Ok(gone)
    }

    /// Forgets a consumer, durably: nothing is kept for it any more, and its name starts over. Without any consumer all that is there
    /// is kept.
    ///
    /// # Errors
    /// [`MailError::UnknownConsumer`].
    pub async fn forget(&self, consumer: &str) -> Result<(), MailError> {
        self.0.cursors.forget(consumer).await?;
        self.0.release().await
    }

    /// Acknowledges every message up to this one for a consumer. Going back is ignored. It is on the medium within seconds; what a power
    /// cut takes back of it is read again.
    /// A consumer counts from its first acknowledgement, be it of 0: from then on its messages are kept for it.
    ///
    /// # Errors
    /// [`MailError::NotYet`], [`MailError::ConsumerName`], [`MailError::TooManyConsumers`].
    pub async fn acknowledge(&self, consumer: &str, seq: u64) -> Result<(), MailError> {
        let newest = *self.0.newest.borrow();
        if seq > newest {
            return Err(MailError::NotYet { seq, newest });
        }
        self.0.cursors.advance(consumer, seq).await?;
        self.0.release().await
    }

    /// The size of what is kept only to recognise duplicates, bytes.
    pub fn spare_bytes(&self) -> u64 {
        self.0.reader.spare_bytes()
    }

    /// Gives back what is kept only to recognise duplicates.
    ///
    /// # Errors
    /// [`MailError::Io`].
    pub async fn trim(&self) -> Result<(), MailError> {
        let reader = self.0.reader.clone();
        blocking(move || reader.trim()).await
    }

    /// Measures the backlog of the slowest consumer; everything, while there is no consumer.
    pub fn unread(&self) -> Unread {
        let oldest = self.0.reader.oldest();
        let from = oldest.max(self.0.cursors.slowest().saturating_add(1));
        let next = self.0.newest.borrow().saturating_add(1);
        Unread {
            messages: next.saturating_sub(from),
            bytes: self.0.reader.bytes_from(from),
        }
    }

    /// The sequence number of the newest message, 0 before the first; changes when messages are durable.
    pub fn newest(&self) -> watch::Receiver<u64> {
        self.0.newest.subscribe()
    }
}

impl Inner {
    /// Gives back what every consumer has acknowledged. With the link down nothing would be appended, and whether it comes up
    /// again can hang on this room.
    async fn release(&self) -> Result<(), MailError> {
        self.give_back().await?;
        if self.room.is_scarce() && self.leave_large_segment().await? {
            self.give_back().await?;
        }
        Ok(())
    }

    async fn give_back(&self) -> Result<(), MailError> {
        if self.reader.release(&self.room, || self.cursors.slowest()) {
            let (reader, room) = (self.reader.clone(), self.room.clone());
            blocking(move || reader.give_back(&room)).await?;
        }
        Ok(())
    }

    /// Where all is acknowledged, and the segment that is written to is a large one: begins another, with a batch of no message. The next
    /// message may never come. Whether it did.
    async fn leave_large_segment(&self) -> Result<bool, MailError> {
        if !self.reader.is_large() {
            return Ok(false);
        }
        let turn = self.turn.lock().await;
        if self.cursors.slowest() < turn.next - 1 {
            return Ok(false);
        }
        let nothing: Vec<Stored> = Vec::new();
        let draft = frame::draft(turn.next, 0, &to_cbor(&nothing));
        let room = frame::room(draft.len());
        if self
            .room
            .admit_in(|| self.reader.growth(room))
            .await
            .is_err()
        {
            return Ok(false);
        }
        self.barrier
            .append(self.log, draft, Durability::Awaited)
            .await?;
        Ok(true)
    }

    async fn commit(&self, batch: Vec<Stored<'_>>, may_wait: bool) -> Result<(), MailError> {
        let mut turn = self.turn.lock().await;
        let mut fresh: Vec<Stored> = Vec::with_capacity(batch.len());
        for stored in batch {
            let message = Stored {
                stub: None,
                ..stored
            };
            if stored.stub.is_some() && self.holds(turn.seen.find(&message), &message)? {
                continue;
            }
            let again = fresh.iter().any(|other| other.key() == stored.key());
            if !again && !self.holds(turn.seen.find(&stored), &stored)? {
                fresh.push(stored);
            }
        }
        if fresh.is_empty() {
            return Ok(());
        }
        let body = to_cbor(&fresh);
        let count = u32::try_from(fresh.len()).unwrap_or(u32::MAX);
        if body.len() > MAX_BODY {
            return Err(MailError::TooLarge {
                bytes: body.len(),
                limit: MAX_BODY,
            });
        }
        let draft = frame::draft(turn.next, count, &body);
        if may_wait {
            let room = frame::room(draft.len());
            self.room.admit_in(|| self.reader.growth(room)).await?;
        }
        self.barrier
            .append(self.log, draft, Durability::Awaited)
            .await?;
        for stored in &fresh {
            let seq = turn.next;
            turn.seen.insert(stored, seq);
            stored.note(seq, &mut self.stubs.lock());
            turn.next = seq.saturating_add(1);
        }
        self.newest.send_replace(turn.next - 1);
        Ok(())
    }

    /// Tells whether the message at a sequence number is this one. A message that can no longer be read is taken in
    /// again rather than lost.
    fn holds(&self, seq: Option<u64>, wanted: &Stored) -> Result<bool, MailError> {
        let Some(seq) = seq else { return Ok(false) };
        let mut held = false;
        self.reader.read(seq, |header, body| {
            let batch = decode(header, body).unwrap_or_default();
            held = batch
                .iter()
                .any(|(at, stored)| *at == seq && stored.key() == wanted.key());
            header.next() <= seq
        })?;
        Ok(held)
    }
}

fn decode(header: Header, body: &[u8]) -> Option<Vec<(u64, Stored<'_>)>> {
    let batch: Vec<Stored> = minicbor::decode(body).ok()?;
    (batch.len() == header.count as usize).then(|| (header.first..).zip(batch).collect())
}

/// An index of the newest messages, by a hash of chat, sender and id. The hash only says where to look.
#[derive(Default)]
struct Seen {
    hasher: RandomState,
    places: HashMap<u64, u64>,
    order: VecDeque<(u64, u64)>,
}

impl Seen {
    fn find(&self, stored: &Stored) -> Option<u64> {
        self.places
            .get(&self.hasher.hash_one(stored.key()))
            .copied()
    }

    fn insert(&mut self, stored: &Stored, seq: u64) {
        let hash = self.hasher.hash_one(stored.key());
        self.places.insert(hash, seq);
        self.order.push_back((hash, seq));
        if self.order.len() > WINDOW
            && let Some((hash, seq)) = self.order.pop_front()
            && self.places.get(&hash) == Some(&seq)
        {
            self.places.remove(&hash);
        }
    }
}
