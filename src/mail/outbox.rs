//! Keeps messages to send: durable once accepted, under an id that never changes, until WhatsApp acks or refuses them.

mod share;

use std::sync::Arc;
use std::time::Duration;

use holdfast_medium::{
    DataDir, Secret,
    barrier::{Barrier, Durability, LogId},
    blocking,
    wear::Purpose,
};
use parking_lot::Mutex;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, sleep_until};

use super::frame::{self, Header, MAX_BODY};
use super::letter::{
    Accepted, Due, Opened, OutMessage, OutState, Pending, Stored, accepted, age, now_s,
};
use super::log::{self, Reader};
use super::queue::Queue;
use super::{Finding, MailError, Room, to_cbor, whole};

const MAX_ID: usize = 128;
/// Capacity of the channel of changes: a subscriber that falls further behind is told that it missed some.
const MOVES: usize = 256;
/// The most changes of state in one frame.
const TOGETHER: usize = 256;

/// The code of a message that was accepted for another account than the one that is linked.
pub const OTHER_ACCOUNT: &str = "other-account";
/// The code of a message that can no longer be read from the disk.
const UNREADABLE: &str = "unreadable";

/// The outbox. Handles are cheap to clone and mean the same outbox.
#[derive(Clone)]
pub struct Outbox(Arc<Inner>);

struct Inner {
    barrier: Barrier,
    log: LogId,
    reader: Reader,
    room: Room,
    queue: Mutex<Queue>,
    /// The account that messages are accepted for.
    account: Mutex<Option<Secret<String>>>,
    changed: watch::Sender<()>,
    moves: broadcast::Sender<(Arc<str>, OutState)>,
    /// The sequence number of the next record; held while one is being written.
    turn: tokio::sync::Mutex<u64>,
    findings: Vec<Finding>,
}

impl Outbox {
    /// Opens the outbox of a data directory, or begins one, which takes no more than its room. What was put off after so many attempts waits for as long as `waits` says.
    ///
    /// # Errors
    /// [`MailError::Io`] when its files cannot be read. Damage is no error: see [`Outbox::findings`].
    pub async fn open(
        dir: &DataDir,
        barrier: &Barrier,
        room: Room,
        waits: fn(u32) -> Duration,
    ) -> Result<Self, MailError> {
        let dir = dir.mail().join("outbox");
        let barrier = barrier.clone();
        let opened = Opened {
            at: Instant::now(),
            at_s: now_s(),
            waits,
        };
        blocking(move || {
            let mut queue = Queue::default();
            let mut foreign = Vec::new();
            let log = log::open(
                &dir,
                room.sent_stay(),
                |header, body| match minicbor::decode::<Stored<'_>>(body) {
                    Ok(stored) => queue.replay(header.first, &stored, opened),
                    Err(_) => foreign.push(Finding::Foreign(header.first)),
                },
            )?;
            let mut findings = log.findings;
            findings.extend(foreign);
            let inner = Inner {
                log: barrier.add_log(Purpose::Outbox, Box::new(log.writer)),
                barrier,
                reader: log.reader,
                room,
                queue: Mutex::new(queue),
                account: Mutex::new(None),
                changed: watch::Sender::new(()),
                moves: broadcast::Sender::new(MOVES),
                turn: tokio::sync::Mutex::new(log.next),
                findings,
            };
            if inner.release(log.next) {
                inner.reader.give_back(&inner.room)?;
            }
            inner.forget();
            inner.promise();
            let inner = Arc::new(inner);
            let giving = Arc::downgrade(&inner);
            let give = move || giving.upgrade().map_or(Ok(()), |inner| inner.trim());
            inner.room.can_give(give);
            Ok(Self(inner))
        })
        .await
    }

    /// Lists the damage that opening the outbox found.
    pub fn findings(&self) -> &[Finding] {
        &self.0.findings
    }

    /// From now on messages are accepted for the account with this JID; `None`: for whichever is linked when they are sent.
    pub fn belongs_to(&self, account: Option<Secret<String>>) {
        *self.0.account.lock() = account;
    }

    /// Accepts a message, durable on return. It is idempotent: the same message under the same id is accepted once, for as
    /// long as the outbox remembers it: until it is final and, while there is room, some 4000 records and
    /// [`sent_stay`](super::Bounds::sent_stay) old.
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

    /// Begins a connection as the account that messages are accepted for: those of another account fail as
    /// `other-account`, and what was handed over to an earlier connection is due again, for nobody knows whether it arrived.
    ///
    /// # Errors
    /// [`MailError::Barrier`].
    pub async fn begin(&self) -> Result<(), MailError> {
        let strangers = {
            let account = self.0.account.lock();
            let account = account.as_ref().map(|account| account.expose().as_str());
            let mut queue = self.0.queue.lock();
            queue.begin();
            let strangers = queue.all_open().filter_map(|(seq, open)| {
                let of = open.account.as_deref()?;
                account
                    .is_some_and(|account| account != of)
                    .then(|| queue.at(seq))?
            });
            let failed = OutState::Failed {
                code: OTHER_ACCOUNT.to_owned(),
            };
            strangers
                .map(|(id, _)| (id.to_string(), failed.clone()))
                .collect()
        };
        self.0.changed.send_replace(());
        self.mark_all(strangers).await
    }

    /// Waits for a message's turn, and takes it: until [`Outbox::handed_over`], [`Outbox::put_off`], [`Outbox::put_back`] or a final
    /// state is said of it, it is being sent. The body is read here, once an attempt. Dropping the future takes nothing.
    ///
    /// # Errors
    /// [`MailError::Io`].
    pub async fn next(&self) -> Result<Due, MailError> {
        let mut changed = self.0.changed.subscribe();
        loop {
            changed.mark_unchanged();
            let (first, due) = {
                let mut queue = self.0.queue.lock();
                (queue.first(Instant::now()), queue.next_due())
            };
            let Some(seq) = first else {
                tokio::select! {
                    _ = changed.changed() => {}
                    () = at(due) => {}
                }
                continue;
            };
            let inner = Arc::clone(&self.0);
            let Some(message) = blocking(move || inner.read(seq)).await? else {
                self.unreadable(seq).await?;
                continue;
            };
            if let Some(open) = self.0.queue.lock().take(seq) {
                return Ok(Due {
                    message,
                    tries: open.tries,
                    age: age(open.since_s),
                });
            }
        }
    }

    /// Ends a message of which nothing is left to send.
    async fn unreadable(&self, seq: u64) -> Result<(), MailError> {
        let id = self.0.queue.lock().at(seq).map(|(id, _)| id.to_string());
        let failed = OutState::Failed {
            code: UNREADABLE.to_owned(),
        };
        self.mark_all(id.into_iter().map(|id| (id, failed.clone())).collect())
            .await
    }

    /// A message was handed to WhatsApp. Should nothing be said of it, its turn comes again after so long.
    ///
    /// # Errors
    /// [`MailError::Barrier`].
    pub async fn handed_over(&self, id: &str, again: Duration) -> Result<(), MailError> {
        {
            let mut queue = self.0.queue.lock();
            // Its ack may have been quicker.
            let Some((seq, _)) = queue.state(id) else {
                return Ok(());
            };
            queue.sent(seq, Instant::now() + again);
        }
        self.mark_all(vec![(id.to_owned(), OutState::Sent)]).await
    }

    /// A message could not be sent, for a reason that a consumer may read; its turn comes again after so long. How often it was
    /// tried is remembered, soon also on the disk.
    ///
    /// # Errors
    /// [`MailError::Barrier`].
    pub async fn put_off(&self, id: &str, why: &str, again: Duration) -> Result<(), MailError> {
        let (inner, id, why) = (Arc::clone(&self.0), id.to_owned(), why.to_owned());
        whole(async move {
            let mut turn = inner.turn.lock().await;
            let (seq, tries) = {
                let mut queue = inner.queue.lock();
                let Some((seq, tries)) = queue
                    .state(&id)
                    .and_then(|(seq, _)| Some((seq, queue.open(seq)?.tries)))
                else {
                    return Ok(());
                };
                queue.put_off(seq, tries, &why, Instant::now() + again);
                (seq, tries)
            };
            let stored = Stored::PutOff {
                seq,
                tries,
                why: &why,
            };
            // Nothing rests on it: where there is no room it is known until the next start.
            if inner.has_room_for_a_note() {
                inner.append(&mut turn, &stored, Durability::Lazy).await?;
            }
            inner.changed.send_replace(());
            Ok(())
        })
        .await
    }

    /// A message was taken and not even tried: it is still its turn.
    pub fn put_back(&self, id: &str) {
        let mut queue = self.0.queue.lock();
        if let Some((seq, _)) = queue.state(id) {
            queue.put_back(seq);
        }
    }

    /// The place of a message, whatever became of it; `None` for one that was never accepted, or is forgotten. It is never used again.
    pub fn place(&self, id: &str) -> Option<u64> {
        self.0.queue.lock().state(id).map(|(seq, _)| seq)
    }

    /// Reads the message at a place; `None` when there is none, or no more.
    ///
    /// # Errors
    /// [`MailError::Io`].
    pub async fn message_at(&self, place: u64) -> Result<Option<OutMessage>, MailError> {
        let inner = Arc::clone(&self.0);
        blocking(move || inner.read(place)).await
    }

    /// Reads a message, whatever became of it; `None` for one that was never accepted, or is forgotten.
    ///
    /// # Errors
    /// [`MailError::Io`].
    pub async fn message(&self, id: &str) -> Result<Option<OutMessage>, MailError> {
        match self.place(id) {
            Some(place) => self.message_at(place).await,
            None => Ok(None),
        }
    }

    /// How often a message that is not final was tried, and how long ago it was accepted by the wall clock.
    pub fn standing(&self, id: &str) -> Option<(u32, Duration)> {
        let queue = self.0.queue.lock();
        let open = queue.open(queue.state(id)?.0)?;
        Some((open.tries, age(open.since_s)))
    }

    /// Reads at most `max` messages that are not final, in the order they were accepted, from the place `from` on.
    ///
    /// # Errors
    /// [`MailError::Io`].
    pub async fn pending(&self, from: u64, max: usize) -> Result<Vec<Pending>, MailError> {
        let inner = Arc::clone(&self.0);
        blocking(move || inner.pending(from, max)).await
    }

    /// Ends everything that is not final; returns how much that was.
    ///
    /// # Errors
    /// [`MailError::Barrier`].
    pub async fn fail_all(&self, code: &str) -> Result<usize, MailError> {
        let failed = OutState::Failed {
            code: code.to_owned(),
        };
        let steps: Vec<_> = {
            let queue = self.0.queue.lock();
            let open = queue.all_open().filter_map(|(seq, _)| queue.at(seq));
            open.map(|(id, _)| (id.to_string(), failed.clone()))
                .collect()
        };
        let count = steps.len();
        self.mark_all(steps).await?;
        Ok(count)
    }

    /// Moves a message on; a step back is ignored. [`OutState::Failed`] is durable on return, as it must never be
    /// taken back; the others are soon, and cost a repetition under the same id when they are lost.
    ///
    /// # Errors
    /// [`MailError::UnknownMessage`].
    pub async fn mark(&self, id: &str, state: OutState) -> Result<(), MailError> {
        if self.state(id).is_none() {
            return Err(MailError::UnknownMessage);
        }
        self.mark_all(vec![(id.to_owned(), state)]).await
    }

    /// Moves messages on as [`Outbox::mark`] does, in one write; those that the outbox does not know are passed over.
    ///
    /// # Errors
    /// [`MailError::Barrier`].
    pub async fn mark_all(&self, steps: Vec<(String, OutState)>) -> Result<(), MailError> {
        let inner = Arc::clone(&self.0);
        whole(async move {
            for steps in steps.chunks(TOGETHER) {
                inner.mark_all(steps).await?;
            }
            Ok(())
        })
        .await
    }

    /// Returns a message's state; `None` for one that was never accepted, or is forgotten.
    pub fn state(&self, id: &str) -> Option<OutState> {
        self.0
            .queue
            .lock()
            .state(id)
            .map(|(_, state)| state.clone())
    }

    /// How many messages are not final.
    pub fn waiting(&self) -> u64 {
        u64::try_from(self.0.queue.lock().count_open()).unwrap_or(u64::MAX)
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
        blocking(move || inner.trim()).await
    }

    /// Subscribes to each message that is accepted or moves on, with its state.
    pub fn moves(&self) -> broadcast::Receiver<(Arc<str>, OutState)> {
        self.0.moves.subscribe()
    }
}

impl Inner {
    async fn accept(&self, message: &OutMessage) -> Result<Accepted, MailError> {
        let mut turn = self.turn.lock().await;
        let known = self.queue.lock().state(&message.id).map(|(seq, _)| seq);
        if let Some(seq) = known {
            match self.read(seq)? {
                Some(first) if first != *message => return Err(MailError::IdTaken),
                // Given back just now: this is a new one.
                None if self.queue.lock().open(seq).is_none() => {}
                // The same; or gone bad on the disk, and about to fail.
                _ => {
                    return Ok(Accepted {
                        seq,
                        duplicate: true,
                    });
                }
            }
        }
        let account = self.account.lock().clone();
        let account = account.as_ref().map(|account| account.expose().as_str());
        let since_s = now_s();
        let stored = Stored::Accepted {
            id: &message.id,
            to: message.to.expose(),
            text: message.text.expose(),
            since_s: Some(since_s),
            account,
        };
        self.admit(&stored).await?;
        let seq = self.append(&mut turn, &stored, Durability::Awaited).await?;
        self.queue.lock().accept(seq, &message.id, account, since_s);
        self.promise();
        self.give_back(*turn).await?;
        self.announce(&message.id, OutState::Accepted);
        Ok(Accepted {
            seq,
            duplicate: false,
        })
    }

    /// Moves messages on, in one frame.
    async fn mark_all(&self, steps: &[(String, OutState)]) -> Result<(), MailError> {
        let mut turn = self.turn.lock().await;
        let moving: Vec<(u64, &(String, OutState))> = {
            let queue = self.queue.lock();
            let moves = steps.iter().filter_map(|step| {
                let (seq, now) = queue.state(&step.0)?;
                step.1.follows(now).then_some((seq, step))
            });
            moves.collect()
        };
        let mut changes: Vec<_> = moving
            .iter()
            .filter_map(|(seq, (_, state))| Stored::change(*seq, state))
            .collect();
        let wait = moving
            .iter()
            .map(|(_, (_, state))| state.durability())
            .min();
        let (Some(wait), Some(last)) = (wait, changes.pop()) else {
            return Ok(());
        };
        let stored = if changes.is_empty() {
            last
        } else {
            changes.push(last);
            Stored::Together { changes }
        };
        self.append(&mut turn, &stored, wait).await?;
        for (seq, (id, state)) in moving {
            if self.queue.lock().step(seq, state.clone()) {
                self.announce(id, state.clone());
            }
        }
        self.promise();
        self.give_back(*turn).await
    }

    fn announce(&self, id: &str, state: OutState) {
        self.changed.send_replace(());
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
            let (reader, room) = (self.reader.clone(), self.room.clone());
            blocking(move || reader.give_back(&room)).await?;
        }
        self.forget();
        Ok(())
    }

    /// Releases the log up to the oldest message that is not final; whether there is something to give back.
    fn release(&self, next: u64) -> bool {
        self.reader.release(&self.room, || {
            let queue = self.queue.lock();
            let oldest = queue.all_open().next().map_or(next, |(seq, _)| seq);
            oldest.saturating_sub(1)
        })
    }

    /// Gives back what is kept only to recognise an id that comes again, and forgets it.
    fn trim(&self) -> Result<(), MailError> {
        let trimmed = self.reader.trim();
        self.forget();
        trimmed
    }

    /// Forgets what the log no longer holds.
    fn forget(&self) {
        let oldest = self.reader.oldest();
        self.queue.lock().forget_before(oldest);
    }

    /// Reads an accepted message; `None` when it can no longer be read.
    fn read(&self, seq: u64) -> Result<Option<OutMessage>, MailError> {
        let mut message = None;
        self.reader.read(seq, |header: Header, body| {
            if header.first == seq {
                message = accepted(body);
            }
            header.next() <= seq
        })?;
        Ok(message)
    }

    /// Reads what is not final in one pass over the log.
    fn pending(&self, from: u64, max: usize) -> Result<Vec<Pending>, MailError> {
        let wanted: Vec<u64> = {
            let queue = self.queue.lock();
            let open = queue.all_open().map(|(seq, _)| seq);
            open.filter(|seq| *seq >= from).take(max).collect()
        };
        let (Some(first), Some(last)) = (wanted.first(), wanted.last()) else {
            return Ok(Vec::new());
        };
        let mut pending = Vec::with_capacity(wanted.len());
        self.reader.read(*first, |header: Header, body| {
            let queue = self.queue.lock();
            if let Some(open) = queue.open(header.first)
                && let Some((_, state)) = queue.at(header.first)
                && let Some(message) = accepted(body)
            {
                pending.push(Pending {
                    seq: header.first,
                    message,
                    state: state.clone(),
                    since_s: open.since_s,
                    tries: open.tries,
                    why: open.why.clone(),
                });
            }
            header.next() <= *last
        })?;
        pending.retain(|pending| pending.seq >= from);
        Ok(pending)
    }
}

/// Sleeps until a moment; for ever where there is none.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
