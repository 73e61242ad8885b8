//! The queue of writes that wait for the writer thread, and the groups that it takes of them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::{BarrierError, Change, Durability, LogId, StoreId};
use crate::wear::Purpose;

/// How long writes that nobody awaits may stay in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Of what is ordered.
    pub ordered: Duration,
    /// Of what is lazy.
    pub lazy: Duration,
    /// After so long a frame that is superseded all the time rides with what is committed anyway.
    pub rides: Duration,
}

impl Patience {
    /// Long enough to ride with the next message where there is traffic: a barrier of its own for each advance of a
    /// ratchet is what wears cards out, and what is lost with it can be had again.
    pub const ORDINARY: Patience = Patience {
        ordered: Duration::from_secs(5),
        lazy: Duration::from_secs(30),
        rides: Duration::from_secs(1),
    };

    /// Of this durability.
    pub fn of(self, wait: Durability) -> Duration {
        match wait {
            Durability::Awaited => Duration::ZERO,
            Durability::Ordered => self.ordered,
            Durability::Lazy => self.lazy,
        }
    }
}

/// The channel to a caller that awaits a group.
pub(super) type Waiter = oneshot::Sender<Result<(), BarrierError>>;

/// One write.
pub(super) enum Op {
    /// A frame of a log.
    Frame(LogId, Vec<u8>),
    /// Changes of a store.
    Changes(StoreId, Vec<Change>),
}

/// One group: the writes that are committed together.
pub(super) struct Group {
    pub ops: Vec<Op>,
    pub waiters: Vec<Waiter>,
    /// `None` when there is nothing in it.
    pub reason: Option<Purpose>,
}

/// The writes that wait.
#[derive(Default)]
pub(super) struct Queue {
    ops: Vec<Op>,
    /// Of the logs whose frames take each other's place, the newest that is not written, and since when one waits.
    newest: BTreeMap<LogId, (Vec<u8>, Instant)>,
    waiters: Vec<Waiter>,
    /// The purpose of the group: the first write that is awaited, or else the first.
    reason: Option<(Durability, Purpose)>,
    /// When the group must be committed; `None` while nothing is queued.
    due: Option<Instant>,
    /// Somebody waits for everything, also for what would ride later.
    all: bool,
    /// Set once; nothing is accepted any more.
    pub closed: Option<BarrierError>,
}

impl Queue {
    /// Whether something is still accepted.
    pub fn is_open(&self) -> Result<(), BarrierError> {
        self.closed.clone().map_or(Ok(()), Err)
    }

    /// Queues a write, or somebody who waits for all before; returns the channel on which he hears of it.
    pub fn push(
        &mut self,
        op: Option<(Purpose, Op)>,
        wait: Durability,
        patience: Patience,
    ) -> Option<oneshot::Receiver<Result<(), BarrierError>>> {
        match op {
            Some((purpose, op)) => {
                self.ops.push(op);
                if self.reason.is_none_or(|(first, _)| wait < first) {
                    self.reason = Some((wait, purpose));
                }
            }
            None => self.all = true,
        }
        let due = Instant::now() + patience.of(wait);
        self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
        (wait == Durability::Awaited).then(|| {
            let (done, waiter) = oneshot::channel();
            self.waiters.push(done);
            waiter
        })
    }

    /// Has this frame take the place of the log's earlier one.
    pub fn supersede(&mut self, log: LogId, frame: Vec<u8>, now: Instant) {
        let (newest, _) = self.newest.entry(log).or_insert((Vec::new(), now));
        *newest = frame;
    }

    /// When the next group must be committed; `None` while nothing waits.
    pub fn due(&self, patience: Patience) -> Option<Instant> {
        let newest = self.newest.values();
        let newest = newest.map(|(_, since)| *since + patience.ordered);
        newest.chain(self.due).min()
    }

    /// Takes all that waits, but for what was superseded a moment ago and will be again.
    pub fn take(&mut self, now: Instant, patience: Patience) -> Group {
        let all = std::mem::take(&mut self.all) || self.closed.is_some();
        let rides = |since: Instant| all || now.saturating_duration_since(since) >= patience.rides;
        let riding = self.newest.extract_if(.., |_, (_, since)| rides(*since));
        let riding: Vec<_> = riding.map(|(log, (frame, _))| (log, frame)).collect();
        let first = riding.first().map(|(log, _)| log.purpose);
        let mut ops = std::mem::take(&mut self.ops);
        ops.extend(riding.into_iter().map(|(log, frame)| Op::Frame(log, frame)));
        self.due = None;
        Group {
            ops,
            waiters: std::mem::take(&mut self.waiters),
            reason: self.reason.take().map(|(_, purpose)| purpose).or(first),
        }
    }

    /// Takes the waiters of a group that was not committed back.
    pub fn returns(&mut self, waiters: Vec<Waiter>) {
        self.waiters.extend(waiters);
    }

    /// Accepts nothing any more; what waits is still committed.
    pub fn close(&mut self, why: BarrierError) {
        self.closed.get_or_insert(why);
    }

    /// Accepts nothing any more, and forgets what waits; returns who waited for it.
    pub fn fail(&mut self, why: BarrierError) -> Vec<Waiter> {
        *self = Self {
            waiters: std::mem::take(&mut self.waiters),
            closed: Some(why),
            ..Self::default()
        };
        std::mem::take(&mut self.waiters)
    }
}
