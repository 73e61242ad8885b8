//! Keeps how far each consumer has read: one small file of two slots, each write replacing the older one whole.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use holdfast_medium::{
    barrier::{Barrier, Durability, Log, LogId},
    push::{self, Blocks, Pushed},
    wear::Purpose,
};
use parking_lot::Mutex;

use super::frame::{self, HEADER, Header};
use super::{MailError, to_cbor, whole};

/// Size of a slot, bytes: [`MAX_CONSUMERS`] names of [`MAX_NAME`] bytes, in whole blocks.
const SLOT: usize = 8192;
const MAX_CONSUMERS: usize = 64;
const MAX_NAME: usize = 64;
/// The file is never used for anything else, so nothing stale can be met.
const SALT: u64 = 0;

/// The last message each consumer acknowledged.
type Table = BTreeMap<String, u64>;

/// The cursors and their file.
pub(super) struct Cursors {
    barrier: Barrier,
    log: LogId,
    table: Mutex<Table>,
    /// The number of the next write; held while one is under way.
    turn: tokio::sync::Mutex<u64>,
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
        self.table.values().copied().max().unwrap_or_default()
    }

    pub(super) fn under(self, barrier: &Barrier) -> Cursors {
        Cursors {
            barrier: barrier.clone(),
            log: barrier.add_log(Purpose::Cursors, Box::new(self.slots)),
            table: Mutex::new(self.table),
            turn: tokio::sync::Mutex::new(self.next),
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
    let newest = content
        .chunks(SLOT)
        .filter_map(parse)
        .max_by_key(|(number, _)| *number);
    let lost = newest.is_none() && content.iter().any(|byte| *byte != 0);
    let (number, table) = newest.unwrap_or_default();
    let slots = Slots(Pushed::open(path).map_err(&failed)?);
    Ok(Opened {
        slots,
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
    Some((header.first, minicbor::decode(&frame[HEADER..]).ok()?))
}

/// The file as the barrier sees it: a log whose frames take turns in two places.
struct Slots(Pushed);

impl Log for Slots {
    fn append(&mut self, draft: &[u8]) -> io::Result<()> {
        let header = Header::parse(draft)
            .filter(|_| draft.len() <= SLOT)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not a table of cursors"))?;
        let mut blocks = Blocks::new(draft);
        frame::seal(&mut blocks.bytes_mut()[..draft.len()], SALT);
        self.0.write(header.first % 2 * SLOT as u64, &blocks)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Cursors {
    /// Returns the last message a consumer acknowledged; `None` for one that never did.
    pub(super) fn of(&self, consumer: &str) -> Option<u64> {
        self.table.lock().get(consumer).copied()
    }

    /// Returns the last message that every consumer acknowledged; 0 while there is no consumer.
    pub(super) fn slowest(&self) -> u64 {
        self.table
            .lock()
            .values()
            .copied()
            .min()
            .unwrap_or_default()
    }

    /// Names every consumer.
    pub(super) fn names(&self) -> Vec<String> {
        self.table.lock().keys().cloned().collect()
    }

    /// Moves a consumer's cursor on, durably; one that is further already stays where it is.
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
        let this = Arc::clone(self);
        let consumer = consumer.to_owned();
        whole(async move {
            let mut turn = this.turn.lock().await;
            let mut table = this.table.lock().clone();
            if table.get(&consumer).is_some_and(|cursor| *cursor >= seq) {
                return Ok(());
            }
            table.insert(consumer, seq);
            if table.len() > MAX_CONSUMERS {
                return Err(MailError::TooManyConsumers {
                    limit: MAX_CONSUMERS,
                });
            }
            let draft = frame::draft(*turn, 0, &to_cbor(&table));
            this.barrier
                .append(this.log, draft, Durability::Awaited)
                .await?;
            *turn = turn.saturating_add(1);
            *this.table.lock() = table;
            Ok(())
        })
        .await
    }
}
