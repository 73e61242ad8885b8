//! Keeps how far each consumer has read, and how long it has been away: one small file of two slots, each write replacing the older
//! one whole.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use holdfast_medium::{
    barrier::{Barrier, Log, LogId},
    push::{self, Blocks, Pushed},
    wear::Purpose,
};
use minicbor::{Decode, Encode};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::frame::{self, HEADER, Header};
use super::{MailError, to_cbor, whole};

/// Size of a slot, bytes: [`MAX_CONSUMERS`] names of [`MAX_NAME`] bytes, in whole blocks.
const SLOT: usize = 8192;
const MAX_CONSUMERS: usize = 64;
const MAX_NAME: usize = 64;
/// The file is never used for anything else, so nothing stale can be met.
const SALT: u64 = 0;

/// How much longer a consumer may be away than is written down, seconds: a write that wears nothing out.
const UNWRITTEN_S: u64 = 3600;

/// How far one consumer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
struct Mark {
    /// The last message it acknowledged.
    #[n(0)]
    seq: u64,
    /// How long Holdfast has run while messages waited for it and it did not come, seconds. A clock that is wrong, or a box that is
    /// off, adds nothing.
    #[n(1)]
    away_s: u64,
    /// Nothing is kept for it any more.
    #[n(2)]
    forgotten: bool,
}

type Table = BTreeMap<String, Mark>;

/// A consumer, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// Its name.
    pub name: String,
    /// The last message it acknowledged.
    pub cursor: u64,
    /// How long Holdfast has run while messages waited for it and it did not come.
    pub away: Duration,
    /// Nothing is kept for it any more.
    pub forgotten: bool,
}

/// How durable a change of the table is when whoever made it hears of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Promise {
    /// It is on the medium.
    Durable,
    /// It will be, in its place in the order.
    Soon,
}

/// The cursors and their file.
pub(super) struct Cursors {
    barrier: Barrier,
    log: LogId,
    table: Mutex<Table>,
    /// The table as it was written last, and the number of the next write; held while one is under way.
    turn: tokio::sync::Mutex<(Table, u64)>,
    /// Until when the time that consumers are away is counted.
    counted: Mutex<Instant>,
}

/// The contents of the cursor file on opening.
pub(super) struct Opened {
    slots: Slots,
    table: Table,
    next: u64,
    /// The file held something, and neither slot is sound.
    pub lost: bool,
}

impl Opened {
    /// Returns the furthest cursor; 0 without consumers.
    pub(super) fn furthest(&self) -> u64 {
        let cursors = self.table.values().map(|mark| mark.seq);
        cursors.max().unwrap_or_default()
    }

    pub(super) fn under(self, barrier: &Barrier) -> Cursors {
        Cursors {
            barrier: barrier.clone(),
            log: barrier.add_log(Purpose::Cursors, Box::new(self.slots)),
            table: Mutex::new(self.table.clone()),
            turn: tokio::sync::Mutex::new((self.table, self.next)),
            counted: Mutex::new(Instant::now()),
        }
    }
}

/// Opens or creates the file.
pub(super) fn open(path: &Path) -> Result<Opened, MailError> {
    let failed = MailError::io(path);
    match fs::metadata(path) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            push::create(path, 2 * SLOT as u64).map_err(&failed)?;
        }
        Err(error) => return Err(failed(error)),
    }
    let content = fs::read(path).map_err(&failed)?;
    let slots = content.chunks(SLOT).enumerate();
    let newest = slots
        .filter_map(|(slot, content)| Some((slot, parse(content)?)))
        .max_by_key(|(_, (number, _))| *number);
    let lost = newest.is_none() && content.iter().any(|byte| *byte != 0);
    let (newest, (number, table)) = newest.unwrap_or_default();
    Ok(Opened {
        slots: Slots {
            file: Pushed::open(path).map_err(&failed)?,
            newest,
        },
        table,
        next: number.saturating_add(1),
        lost,
    })
}

fn parse(slot: &[u8]) -> Option<(u64, Table)> {
    let header = Header::parse(slot)?;
    let frame = slot.get(..HEADER + header.body)?;
    if !frame::is_sound(frame, SALT) {
        return None;
    }
    let body = &frame[HEADER..];
    let table = minicbor::decode(body)
        .or_else(|_| cursors_alone(body))
        .ok()?;
    Some((header.first, table))
}

/// The table before it said who is away.
fn cursors_alone(body: &[u8]) -> Result<Table, minicbor::decode::Error> {
    let cursors: BTreeMap<String, u64> = minicbor::decode(body)?;
    let mark = |seq| Mark {
        seq,
        ..Mark::default()
    };
    Ok(cursors
        .into_iter()
        .map(|(name, seq)| (name, mark(seq)))
        .collect())
}

/// The file as the barrier sees it: a log whose frames take turns in two places. Not every one is written.
struct Slots {
    file: Pushed,
    /// Which of the two is not to be touched.
    newest: usize,
}

impl Log for Slots {
    fn append(&mut self, draft: &[u8]) -> io::Result<()> {
        Header::parse(draft)
            .filter(|_| draft.len() <= SLOT)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not a table of cursors"))?;
        let mut blocks = Blocks::new(draft);
        frame::seal(&mut blocks.bytes_mut()[..draft.len()], SALT);
        let older = 1 - self.newest;
        self.file.write((older * SLOT) as u64, &blocks)?;
        self.newest = older;
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Cursors {
    /// Returns the last message a consumer acknowledged; `None` for one that never did.
    pub(super) fn of(&self, consumer: &str) -> Option<u64> {
        self.table.lock().get(consumer).map(|mark| mark.seq)
    }

    /// Returns the last message that every consumer acknowledged which is waited for; 0 while there is no consumer. What nobody at all
    /// has acknowledged is after it.
    pub(super) fn slowest(&self) -> u64 {
        let table = self.table.lock();
        let waited = table.values().filter(|mark| !mark.forgotten);
        let slowest = waited.map(|mark| mark.seq).min();
        let furthest = || table.values().map(|mark| mark.seq).max();
        slowest.or_else(furthest).unwrap_or_default()
    }

    /// Lists every consumer.
    pub(super) fn list(&self) -> Vec<Consumer> {
        let table = self.table.lock();
        let consumers = table.iter().map(|(name, mark)| Consumer {
            name: name.clone(),
            cursor: mark.seq,
            away: Duration::from_secs(mark.away_s),
            forgotten: mark.forgotten,
        });
        consumers.collect()
    }

    /// A consumer shows itself.
    pub(super) fn seen(&self, consumer: &str) {
        if let Some(mark) = self.table.lock().get_mut(consumer) {
            mark.away_s = 0;
        }
    }

    /// Counts the time until now for the consumers that messages up to `newest` wait for, and writes it down once it is much. Returns
    /// how long the one is away that the others wait for longest: messages are kept for it alone.
    pub(super) async fn pass(self: &Arc<Self>, newest: u64) -> Result<Duration, MailError> {
        {
            let mut counted = self.counted.lock();
            let passed = counted.elapsed().as_secs();
            *counted += Duration::from_secs(passed);
            for mark in self.table.lock().values_mut() {
                if mark.seq >= newest || mark.forgotten {
                    mark.away_s = 0;
                } else {
                    mark.away_s = mark.away_s.saturating_add(passed);
                }
            }
        }
        let this = Arc::clone(self);
        whole(async move {
            let mut turn = this.turn.lock().await;
            let much = |(name, mark): (&String, &Mark)| {
                let written = turn.0.get(name).map_or(0, |written| written.away_s);
                mark.away_s.abs_diff(written) >= UNWRITTEN_S
            };
            let table = this.table.lock().clone();
            if table.iter().any(much) {
                this.write(&mut turn, table, Promise::Soon).await?;
            }
            Ok(())
        })
        .await?;
        let table = self.table.lock();
        let longest = behind(&table).map(|(_, mark)| mark.away_s).max();
        Ok(Duration::from_secs(longest.unwrap_or_default()))
    }

    /// Waits no longer for the consumers that are away for so long while others come; how many they are.
    pub(super) async fn stop_waiting(self: &Arc<Self>, away: Duration) -> Result<usize, MailError> {
        self.change(move |table| {
            let gone: Vec<String> = behind(table)
                .filter(|(_, mark)| mark.away_s >= away.as_secs())
                .map(|(name, _)| name.clone())
                .collect();
            for name in &gone {
                if let Some(mark) = table.get_mut(name) {
                    (mark.forgotten, mark.away_s) = (true, 0);
                }
            }
            Ok(((!gone.is_empty()).then_some(Promise::Durable), gone.len()))
        })
        .await
    }

    /// Removes a consumer.
    pub(super) async fn forget(self: &Arc<Self>, consumer: &str) -> Result<(), MailError> {
        let consumer = consumer.to_owned();
        self.change(move |table| match table.remove(&consumer) {
            Some(_) => Ok((Some(Promise::Durable), ())),
            None => Err(MailError::UnknownConsumer),
        })
        .await
    }

    /// Moves a consumer's cursor on; one that is further already stays where it is. One that was forgotten is waited for again. That it
    /// is waited for is durable on return, how far it is soon after: what is lost of that with the power is read again.
    pub(super) async fn advance(
        self: &Arc<Self>,
        consumer: &str,
        seq: u64,
    ) -> Result<(), MailError> {
        if consumer.is_empty()
            || consumer.len() > MAX_NAME
            || consumer.chars().any(char::is_control)
        {
            return Err(MailError::ConsumerName { limit: MAX_NAME });
        }
        self.seen(consumer);
        let consumer = consumer.to_owned();
        self.change(move |table| {
            let known = table.get(&consumer).copied();
            if known.is_some_and(|mark| mark.seq >= seq && !mark.forgotten) {
                return Ok((None, ()));
            }
            if known.is_none() && table.len() >= MAX_CONSUMERS {
                make_place(table)?;
            }
            let seq = known.map_or(seq, |mark| mark.seq.max(seq));
            let mark = Mark {
                seq,
                ..Mark::default()
            };
            table.insert(consumer, mark);
            let is_waited_for = known.is_some_and(|mark| !mark.forgotten);
            let promise = match is_waited_for {
                true => Promise::Soon,
                false => Promise::Durable,
            };
            Ok((Some(promise), ()))
        })
        .await
    }

    /// Changes the table, and writes it as `change` says.
    async fn change<T: Send + 'static>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Table) -> Result<(Option<Promise>, T), MailError> + Send + 'static,
    ) -> Result<T, MailError> {
        let this = Arc::clone(self);
        whole(async move {
            let mut turn = this.turn.lock().await;
            let mut table = this.table.lock().clone();
            let (promise, done) = change(&mut table)?;
            if let Some(promise) = promise {
                this.write(&mut turn, table, promise).await?;
            }
            Ok(done)
        })
        .await
    }

    /// Writes a table that only its writer changes, but for the time that consumers are away.
    async fn write(
        &self,
        (written, number): &mut (Table, u64),
        table: Table,
        promise: Promise,
    ) -> Result<(), MailError> {
        let draft = frame::draft(*number, 0, &to_cbor(&table));
        self.barrier.supersede(self.log, draft)?;
        if promise == Promise::Durable {
            self.barrier.settle().await?;
        }
        *number = number.saturating_add(1);
        written.clone_from(&table);
        *self.table.lock() = table;
        Ok(())
    }
}

/// The consumers that messages are kept for on their account: all that are waited for but the one that came last.
fn behind(table: &Table) -> impl Iterator<Item = (&String, &Mark)> {
    let waited = || table.iter().filter(|(_, mark)| !mark.forgotten);
    let latest = waited().min_by_key(|(_, mark)| mark.away_s);
    let latest = latest.map(|(name, _)| name);
    waited().filter(move |(name, _)| Some(*name) != latest)
}

/// Removes a forgotten consumer for another one.
fn make_place(table: &mut Table) -> Result<(), MailError> {
    let forgotten = table.iter().find(|(_, mark)| mark.forgotten);
    let name = forgotten.map(|(name, _)| name.clone());
    let name = name.ok_or(MailError::TooManyConsumers {
        limit: MAX_CONSUMERS,
    })?;
    table.remove(&name);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_an_older_holdfast_is_read() {
        let old = BTreeMap::from([("bot".to_owned(), 7_u64)]);
        let mut slot = frame::draft(3, 0, &to_cbor(&old));
        frame::seal(&mut slot, SALT);
        let mark = Mark {
            seq: 7,
            ..Mark::default()
        };
        let table = Table::from([("bot".to_owned(), mark)]);
        assert_eq!(parse(&slot), Some((3, table.clone())));
        let mut slot = frame::draft(4, 0, &to_cbor(&table));
        frame::seal(&mut slot, SALT);
        assert_eq!(parse(&slot), Some((4, table)));
    }
}
