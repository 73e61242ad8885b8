//! Keeps messages to send: durable once accepted, under an id that never changes, until WhatsApp acks or refuses them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use holdfast_medium::{
    DataDir, Secret,
    barrier::{Barrier, Durability, LogId},
    blocking,
    push::BLOCK,
    wear::Purpose,
};
use minicbor::{Decode, Encode};
use parking_lot::Mutex;
use tokio::sync::{broadcast, watch};

use super::frame::{self, HEADER, Header, MAX_BODY};
use super::log::{self, Reader};
use super::{Finding, MailError, Room, to_cbor, whole};

const MAX_ID: usize = 128;
/// What is still written of a message once it is accepted, bytes: that it was sent, and how it ended.
const NOTES: u64 = 2 * BLOCK as u64;
/// Capacity of the channel of changes: a subscriber that falls further behind is told that it missed some.
const MOVES: usize = 256;

/// A text to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutMessage {
    /// The id of every attempt to send it.
    pub id: String,
    /// The JID it goes to.
    pub to: Secret<String>,
    /// Its text.
    pub text: Secret<String>,
}

/// Makes a new id, in the form of WhatsApp's web client.
///
/// # Errors
/// The system has no random numbers.
pub fn fresh_id() -> Result<String, getrandom::Error> {
    let mut random = [0; 9];
    getrandom::fill(&mut random)?;
    Ok(random
        .iter()
        .fold(String::from("3EB0"), |id, byte| id + &format!("{byte:02X}")))
}

/// The state of an outgoing message. It only ever moves on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutState {
    /// In the outbox.
    Accepted,
    /// Handed to WhatsApp at least once, not yet confirmed.
    Sent,
    /// WhatsApp has it. Final.
    Acked,
    /// WhatsApp refused it. Final.
    Failed {
        /// The server's code, or a word of ours; never an address or a text.
        code: String,
    },
}

impl OutState {
    /// Tells whether the state is final.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Acked | Self::Failed { .. })
    }

    fn follows(&self, earlier: &Self) -> bool {
        !earlier.is_final()
            && (self.is_final() || (*self == Self::Sent && *earlier == Self::Accepted))
    }
}

/// The answer to [`Outbox::accept`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its place in the order of sending.
    pub seq: u64,
    /// The same message was accepted before; this is its first acceptance.
    pub duplicate: bool,
}

/// The encoding of an acceptance or a change of state on the disk.
#[derive(Encode, Decode)]
enum Stored<'a> {
    #[n(0)]
    Accepted {
        #[b(0)]
        id: &'a str,
        #[b(1)]
        to: &'a str,
        #[b(2)]
        text: &'a str,
    },
    #[n(1)]
    Sent {
        #[n(0)]
        seq: u64,
    },
    #[n(2)]
    Acked {
        #[n(0)]
        seq: u64,
    },
    #[n(3)]
    Failed {
        #[n(0)]
        seq: u64,
        #[b(1)]
        code: &'a str,
    },
}

impl Stored<'_> {
    /// Returns the change of state; none for an acceptance.
    fn step(&self) -> Option<(u64, OutState)> {
        match self {
            Self::Accepted { .. } => None,
            Self::Sent { seq } => Some((*seq, OutState::Sent)),
            Self::Acked { seq } => Some((*seq, OutState::Acked)),
            Self::Failed { seq, code } => Some((
                *seq,
                OutState::Failed {
                    code: (*code).to_owned(),
                },
            )),
        }
    }
}

/// The outbox. Handles are cheap to clone and mean the same outbox.
#[derive(Clone)]
pub struct Outbox(Arc<Inner>);

struct Inner {
    barrier: Barrier,
    log: LogId,
    reader: Reader,
    room: Room,
    index: Mutex<Index>,
    changed: watch::Sender<u64>,
    moves: broadcast::Sender<(Arc<str>, OutState)>,
    /// The sequence number of the next record; held while one is being written.
    turn: tokio::sync::Mutex<u64>,
    findings: Vec<Finding>,
}

/// The index in memory: each message's id and state, without its text.
#[derive(Default)]
struct Index {
    ids: HashMap<Arc<str>, u64>,
    messages: BTreeMap<u64, (Arc<str>, OutState)>,
    /// How many of them are not final.
    open: usize,
}

impl Index {
    fn accept(&mut self, seq: u64, id: &str) {
        let id: Arc<str> = id.into();
        self.ids.insert(Arc::clone(&id), seq);
        self.messages.insert(seq, (id, OutState::Accepted));
        self.open += 1;
    }

    /// Moves a message's state on; returns whether it moved.
    fn step(&mut self, seq: u64, to: OutState) -> bool {
        match self.messages.get_mut(&seq) {
            Some((_, state)) if to.follows(state) => {
                *state = to;
                self.open -= usize::from(state.is_final());
                true
            }
            _ => false,
        }
    }

    fn state(&self, id: &str) -> Option<(u64, &OutState)> {
        let seq = self.ids.get(id)?;
        self.messages.get(seq).map(|(_, state)| (*seq, state))
    }

    fn pending(&self) -> impl Iterator<Item = u64> {
        self.messages
            .iter()
            .filter(|(_, (_, state))| !state.is_final())
            .map(|(seq, _)| *seq)
    }

    /// Drops what the log no longer holds; all of it is final.
    fn forget_before(&mut self, oldest: u64) {
        let kept = self.messages.split_off(&oldest);
        for (_, (id, _)) in std::mem::replace(&mut self.messages, kept) {
            self.ids.remove(&id);
        }
    }
}

impl Outbox {
    /// Opens the outbox of a data directory, or begins one, which takes no more than its room.
    ///
    /// # Errors
    /// [`MailError::Io`] when its files cannot be read. Damage is no error: see [`Outbox::findings`].
    pub async fn open(dir: &DataDir, barrier: &Barrier, room: Room) -> Result<Self, MailError> {
        let dir = dir.mail().join("outbox");
        let barrier = barrier.clone();
        blocking(move || {
            let mut index = Index::default();
            let mut foreign = Vec::new();
            let log = log::open(&dir, |header, body| match minicbor::decode(body) {
                Ok(Stored::Accepted { id, .. }) => index.accept(header.first, id),
                Ok(step) => {
                    if let Some((seq, state)) = step.step() {
                        index.step(seq, state);
                    }
                }
                Err(_) => foreign.push(Finding::Foreign(header.first)),
            })?;
            let mut findings = log.findings;
            findings.extend(foreign);
            let inner = Inner {
                log: barrier.add_log(Purpose::Outbox, Box::new(log.writer)),
                barrier,
                reader: log.reader,
                room,
                index: Mutex::new(index),
                changed: watch::Sender::new(0),
                moves: broadcast::Sender::new(MOVES),
                turn: tokio::sync::Mutex::new(log.next),
                findings,
            };
            if inner.release(log.next) {
                inner.reader.give_back()?;
            }
            inner.forget();
            inner.promise();
            Ok(Self(Arc::new(inner)))
        })
        .await
    }

    /// Lists the damage that opening the outbox found.
    pub fn findings(&self) -> &[Finding] {
        &self.0.findings
    }

    /// Accepts a message, durable on return. It is idempotent: the same message under the same id is accepted once, for as
    /// long as the outbox remembers it: until it is final and some 4000 records old.
    ///
    /// # Errors
    /// [`MailError::IdTaken`], [`MailError::MessageId`], [`MailError::TooLarge`]; [`MailError::OutboxFull`] and
    /// [`MailError::NoRoom`], before a byte was written. Nothing was promised then.
    pub async fn accept(&self, message: OutMessage) -> Result<Accepted, MailError> {
        let id = &message.id;
        if id.is_empty() || id.len() > MAX_ID || id.chars().any(char::is_control) {
            return Err(MailError::MessageId { limit: MAX_ID });
        }
        let inner = Arc::clone(&self.0);
        whole(async move { inner.accept(&message).await }).await
    }

    /// Reads the messages that are not final, in the order they were accepted. [`OutState::Sent`] ones are among them:
    /// after a restart nobody knows whether they arrived, so they go out again under the same id.
    ///
    /// # Errors
    /// [`MailError::Io`].
    pub async fn pending(&self) -> Result<Vec<(u64, OutMessage)>, MailError> {
        let inner = Arc::clone(&self.0);
        blocking(move || {
            let pending: Vec<u64> = inner.index.lock().pending().collect();
            let mut messages = Vec::with_capacity(pending.len());
            for seq in pending {
                messages.extend(inner.read(seq)?.map(|message| (seq, message)));
            }
            Ok(messages)
        })
        .await
    }

    /// Moves a message on; a step back is ignored. [`OutState::Failed`] is durable on return, as it must never be
    /// taken back; the others are soon, and cost a repetition under the same id when they are lost.
    ///
    /// # Errors
    /// [`MailError::UnknownMessage`].
    pub async fn mark(&self, id: &str, state: OutState) -> Result<(), MailError> {
        let inner = Arc::clone(&self.0);
        let id = id.to_owned();
        whole(async move { inner.mark(&id, state).await }).await
    }

    /// Returns a message's state; `None` for one that was never accepted, or is forgotten.
    pub fn state(&self, id: &str) -> Option<OutState> {
        self.0
            .index
            .lock()
            .state(id)
            .map(|(_, state)| state.clone())
    }

    /// What the messages that are not final take, with what will be noted of them, bytes.
    pub fn taken_bytes(&self) -> u64 {
        self.0.taken()
    }

    /// The size of what is kept only to recognise an id that comes again, bytes.
    pub fn spare_bytes(&self) -> u64 {
        self.0.reader.spare_bytes()
    }

    /// Gives back what is kept only to recognise an id that comes again.
    ///
    /// # Errors
    /// [`MailError::Io`].
    pub async fn trim(&self) -> Result<(), MailError> {
        let inner = Arc::clone(&self.0);
        blocking(move || {
            let trimmed = inner.reader.trim();
            inner.forget();
            trimmed
        })
        .await
    }

    /// Watches for changes: a message was accepted or moved on.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// Subscribes to each message that is accepted or moves on, with its state.
    pub fn moves(&self) -> broadcast::Receiver<(Arc<str>, OutState)> {
        self.0.moves.subscribe()
    }
}

impl Inner {
    async fn accept(&self, message: &OutMessage) -> Result<Accepted, MailError> {
        let mut turn = self.turn.lock().await;
        let known = self.index.lock().state(&message.id).map(|(seq, _)| seq);
        if let Some(seq) = known {
            return match self.read(seq)? {
                Some(first) if first != *message => Err(MailError::IdTaken),
                _ => Ok(Accepted {
                    seq,
                    duplicate: true,
                }),
            };
        }
        let stored = Stored::Accepted {
            id: &message.id,
            to: message.to.expose(),
            text: message.text.expose(),
        };
        self.admit(&stored)?;
        let seq = self.append(&mut turn, &stored, Durability::Awaited).await?;
        self.index.lock().accept(seq, &message.id);
        self.promise();
        self.give_back(*turn).await?;
        self.announce(&message.id, OutState::Accepted);
        Ok(Accepted {
            seq,
            duplicate: false,
        })
    }

    /// Refuses a message for which there is no room, with what will be noted of all that are not final: that can always be.
    fn admit(&self, stored: &Stored<'_>) -> Result<(), MailError> {
        let room = frame::room(HEADER + to_cbor(stored).len());
        let messages = self.index.lock().open;
        let promises = notes(messages + 1);
        let taken = self.taken().saturating_add(room).saturating_add(NOTES);
        self.room.admit_share(messages, taken)?;
        self.room.admit_out(self.reader.growth(room), promises)
    }

    /// What the messages that are not final take, with what will be noted of them, bytes.
    fn taken(&self) -> u64 {
        let (oldest, open) = {
            let index = self.index.lock();
            (index.pending().next(), index.open)
        };
        let written = oldest.map_or(0, |oldest| self.reader.bytes_from(oldest));
        written.saturating_add(notes(open))
    }

    /// Keeps room for what will be noted.
    fn promise(&self) {
        self.room.promise(notes(self.index.lock().open));
    }

    async fn mark(&self, id: &str, state: OutState) -> Result<(), MailError> {
        let mut turn = self.turn.lock().await;
        let (seq, moves) = {
            let index = self.index.lock();
            let (seq, now) = index.state(id).ok_or(MailError::UnknownMessage)?;
            (seq, state.follows(now))
        };
        let (stored, wait) = match &state {
            OutState::Sent => (Stored::Sent { seq }, Durability::Lazy),
            OutState::Acked => (Stored::Acked { seq }, Durability::Ordered),
            OutState::Failed { code } => (Stored::Failed { seq, code }, Durability::Awaited),
            OutState::Accepted => return Ok(()),
        };
        if moves {
            self.append(&mut turn, &stored, wait).await?;
            self.index.lock().step(seq, state.clone());
            self.promise();
            self.give_back(*turn).await?;
            self.announce(id, state);
        }
        Ok(())
    }

    fn announce(&self, id: &str, state: OutState) {
        self.changed.send_modify(|changes| *changes += 1);
        // Nobody following is no failure.
        let _ = self.moves.send((id.into(), state));
    }

    /// Appends one record and returns its sequence number.
    async fn append(
        &self,
        turn: &mut u64,
        stored: &Stored<'_>,
        wait: Durability,
    ) -> Result<u64, MailError> {
        let body = to_cbor(stored);
        if body.len() > MAX_BODY {
            return Err(MailError::TooLarge {
                bytes: body.len(),
                limit: MAX_BODY,
            });
        }
        let seq = *turn;
        self.barrier
            .append(self.log, frame::draft(seq, 1, &body), wait)
            .await?;
        *turn = seq.saturating_add(1);
        Ok(seq)
    }

    /// Gives back what nothing that is not final needs, and forgets it.
    async fn give_back(&self, next: u64) -> Result<(), MailError> {
        if self.release(next) {
            let reader = self.reader.clone();
            blocking(move || reader.give_back()).await?;
        }
        self.forget();
        Ok(())
    }

    /// Releases the log up to the oldest message that is not final; whether there is something to give back.
    fn release(&self, next: u64) -> bool {
        self.reader.release(|| {
            self.index
                .lock()
                .pending()
                .next()
                .unwrap_or(next)
                .saturating_sub(1)
        })
    }

    /// Forgets what the log no longer holds.
    fn forget(&self) {
        let oldest = self.reader.oldest();
        self.index.lock().forget_before(oldest);
    }

    /// Reads an accepted message; `None` when it can no longer be read.
    fn read(&self, seq: u64) -> Result<Option<OutMessage>, MailError> {
        let mut message = None;
        self.reader.read(seq, |header: Header, body| {
            if let Ok(Stored::Accepted { id, to, text }) = minicbor::decode(body)
                && header.first == seq
            {
                message = Some(OutMessage {
                    id: id.to_owned(),
                    to: Secret::new(to.to_owned()),
                    text: Secret::new(text.to_owned()),
                });
            }
            header.next() <= seq
        })?;
        Ok(message)
    }
}

/// What is still written of so many messages, bytes.
fn notes(messages: usize) -> u64 {
    NOTES.saturating_mul(messages as u64)
}
