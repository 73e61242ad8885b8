//! The group commit: every durable write of vault and mail waits for its fsync.
//!
//! Callers queue record changes and log frames; one writer thread takes whatever is queued as a *group* and
//! commits it: frames to their logs, then one atomic batch to the store, then one `fdatasync` whose device flush
//! covers both; a large group in several such steps. Only then are the callers who wait told. The order of the queue is the order on disk: after a
//! power cut a prefix of the groups is there, never a later one without an earlier one.

mod queue;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use tokio::sync::{oneshot, watch};

use self::queue::{Group, Op, Patience, Queue, Waiter};
use crate::wear::{Cost, Costs, Purpose};
use crate::work::Stopped;

/// A file beside the store that the same group commit covers: a mail log.
pub trait Log: Send {
    /// Writes one frame into the preallocated segment and pushes its pages to the device (`sync_file_range`),
    /// without a flush: the group's barrier covers it.
    fn append(&mut self, frame: &[u8]) -> io::Result<()>;

    /// `fdatasync` of the files written since the last flush; called when the group held no record changes, so
    /// that no other barrier covers the frames.
    fn flush(&mut self) -> io::Result<()>;
}

/// The record side of a group: the store of one generation.
pub trait Store: Send {
    /// Applies the changes as one atomic batch and hands it to the kernel. Adds the bytes given to it to the costs.
    fn apply(&mut self, changes: Vec<Change>, costs: &mut Costs) -> io::Result<()>;

    /// The device flush: what was applied, and every log frame pushed before, is on the medium when it returns.
    fn sync(&mut self) -> io::Result<()>;
}

/// One record to be put, or deleted where there is no value.
#[derive(Clone, Debug)]
pub struct Change {
    /// Where it lies.
    pub key: Arc<[u8]>,
    /// `None` deletes it.
    pub value: Option<Bytes>,
    /// Tells this change of the key from earlier and later ones.
    pub revision: u64,
}

/// A store takes no larger step for want of a smaller one, bytes: for a step it needs room several times over, and a drain of the
/// link brings megabytes at once. One call's changes stay together whatever their size.
const MOST_AT_ONCE: usize = 256 << 10;

/// The durability a caller wants of a write before its call returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// Returns when it is on the medium.
    Awaited,
    /// Returns at once; reaches the medium in its place in the order, with the next barrier or soon.
    Ordered,
    /// Returns at once; reaches the medium in its place in the order, when there is occasion.
    Lazy,
}

/// Names a [`Log`] given to [`Barrier::add_log`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogId {
    index: usize,
    purpose: Purpose,
}

/// Names a [`Store`] given to [`Barrier::add_store`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoreId(u64);

/// The reason why a write is not, and will not be, on the medium.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BarrierError {
    /// The writer thread could not be started.
    #[error(
        "the writer of the data partition could not be started: {0}; raise the limit of threads (TasksMax), or free some memory"
    )]
    Start(Arc<io::Error>),
    /// A write or flush failed. Nothing queued since is acknowledged, and nothing ever will be.
    #[error(
        "the data partition failed: {0}; nothing more is accepted until Holdfast is restarted on a sound medium"
    )]
    Failed(Arc<io::Error>),
    /// The barrier was stopped before.
    #[error("the writer of the data partition has stopped; start Holdfast again")]
    Stopped,
}

impl From<Stopped> for BarrierError {
    fn from(stopped: Stopped) -> Self {
        Self::Failed(Arc::new(stopped.into()))
    }
}

/// Counters of the barrier since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Groups committed.
    pub commits: u64,
    /// Device flushes.
    pub barriers: u64,
    /// Bytes handed to the kernel, before the file system's own.
    pub bytes: u64,
}

/// A handle to the one writer thread. When the last handle is dropped the thread commits what is queued and ends.
#[derive(Clone)]
pub struct Barrier {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<Shared>,
}

struct Shared {
    patience: Patience,
    queue: Mutex<Queue>,
    wake: Condvar,
    /// When the group in hand was begun, or the rest of it after a step.
    begun: Mutex<Option<Instant>>,
    files: Mutex<Files>,
    failure: watch::Sender<Option<BarrierError>>,
    ended: watch::Sender<bool>,
    commits: AtomicU64,
    costs: Mutex<Costs>,
}

/// A look at the barrier for who must not depend on it: it keeps no writer thread alive, and waits for nothing.
#[derive(Clone)]
pub struct Watch(Arc<Shared>);

impl Watch {
    /// Tells for how long the group in hand has been written; `None` when none is.
    pub fn busy(&self) -> Option<Duration> {
        self.0.begun.lock().map(|begun| begun.elapsed())
    }

    /// Whether the data partition has failed.
    pub fn has_failed(&self) -> bool {
        self.0.failure.borrow().is_some()
    }

    /// As [`Barrier::fail`].
    pub fn fail(&self, error: io::Error) -> BarrierError {
        self.0.fail(error)
    }
}

#[derive(Default)]
struct Files {
    logs: Vec<Box<dyn Log>>,
    stores: BTreeMap<StoreId, Box<dyn Store>>,
    next_store: u64,
}

impl Files {
    /// Applies the changes, one step per store, and flushes each; how many flushes that were.
    fn take_steps(&mut self, changed: Changed, costs: &mut Costs) -> io::Result<u64> {
        let mut barriers = 0;
        for (id, changes) in changed.of {
            if let Some(store) = self.stores.get_mut(&id) {
                store.apply(changes, costs)?;
                store.sync()?;
                barriers += 1;
            }
        }
        Ok(barriers)
    }
}

/// Record changes that make one step of their stores.
#[derive(Default)]
struct Changed {
    of: BTreeMap<StoreId, Vec<Change>>,
    /// Their size.
    bytes: usize,
}

impl Changed {
    fn add(&mut self, store: StoreId, changes: Vec<Change>) {
        let value = |change: &Change| change.value.as_ref().map_or(0, Bytes::len);
        let bytes = changes
            .iter()
            .map(|change| change.key.len() + value(change));
        self.bytes += bytes.sum::<usize>();
        self.of.entry(store).or_default().extend(changes);
    }
}

/// A queued write: await it, or drop it to go on at once.
#[must_use]
pub struct Ticket(Option<oneshot::Receiver<Result<(), BarrierError>>>);

impl Ticket {
    /// Of a write that turned out to have nothing to write.
    pub fn nothing() -> Ticket {
        Ticket(None)
    }

    /// Returns when the write is as durable as was asked for.
    pub async fn done(self) -> Result<(), BarrierError> {
        match self.0 {
            None => Ok(()),
            Some(waiter) => waiter.await.unwrap_or(Err(BarrierError::Stopped)),
        }
    }
}

impl Barrier {
    /// Starts the writer thread.
    pub fn start() -> Result<Barrier, BarrierError> {
        Self::with(Patience::ORDINARY)
    }

    fn with(patience: Patience) -> Result<Barrier, BarrierError> {
        let shared = Arc::new(Shared {
            patience,
            queue: Mutex::default(),
            wake: Condvar::new(),
            begun: Mutex::default(),
            files: Mutex::default(),
            failure: watch::Sender::new(None),
            ended: watch::Sender::new(false),
            commits: AtomicU64::new(0),
            costs: Mutex::default(),
        });
        let writer = Arc::clone(&shared);
        thread::Builder::new()
            .name("barrier".into())
            .spawn(move || writer.run())
            .map_err(|error| BarrierError::Start(Arc::new(error)))?;
        Ok(Barrier {
            handle: Arc::new(Handle { shared }),
        })
    }

    /// Puts a log under the barrier. It stays until the barrier ends.
    pub fn add_log(&self, purpose: Purpose, log: Box<dyn Log>) -> LogId {
        let mut files = self.shared().files.lock();
        files.logs.push(log);
        LogId {
            index: files.logs.len() - 1,
            purpose,
        }
    }

    /// Appends a frame to a log; frames of a log keep the order of the calls.
    ///
    /// Queued when first polled: dropping the future later does not take the frame back.
    pub async fn append(
        &self,
        log: LogId,
        frame: Vec<u8>,
        wait: Durability,
    ) -> Result<(), BarrierError> {
        self.shared()
            .enqueue(Some((log.purpose, Op::Frame(log, frame))), wait)?
            .done()
            .await
    }

    /// Has a log's newest frame written in place of the one before it, should that wait still. It returns at once; the frame rides with
    /// what is committed anyway, or goes to the medium soon. The log keeps the last of its frames alone.
    ///
    /// # Errors
    /// Nothing is accepted any more.
    pub fn supersede(&self, log: LogId, frame: Vec<u8>) -> Result<(), BarrierError> {
        let mut queue = self.shared().queue.lock();
        queue.is_open()?;
        queue.supersede(log, frame, Instant::now());
        drop(queue);
        self.shared().wake.notify_one();
        Ok(())
    }

    /// Returns when everything queued before is on the medium.
    pub async fn settle(&self) -> Result<(), BarrierError> {
        self.shared()
            .enqueue(None, Durability::Awaited)?
            .done()
            .await
    }

    /// Commits what is queued and ends the writer thread; logs and stores are dropped when this returns.
    pub async fn stop(&self) -> Result<(), BarrierError> {
        let settled = self.settle().await;
        self.shared().close(BarrierError::Stopped);
        let mut ended = self.shared().ended.subscribe();
        // The sender lives in `shared`, which we hold.
        let _ = ended.wait_for(|ended| *ended).await;
        settled
    }

    /// Becomes `Some` once, when the data partition has failed. Callers of the vault's backend never get an
    /// error, they wait for ever; so the daemon watches this.
    pub fn failure(&self) -> watch::Receiver<Option<BarrierError>> {
        self.shared().failure.subscribe()
    }

    /// Has somebody look whether it gets on.
    pub fn watch(&self) -> Watch {
        Watch(Arc::clone(&self.handle.shared))
    }

    /// Returns the counters.
    pub fn stats(&self) -> Stats {
        let shared = self.shared();
        let costs = shared.costs.lock();
        Stats {
            commits: shared.commits.load(Ordering::Relaxed),
            barriers: costs.values().map(|cost| cost.barriers).sum(),
            bytes: costs.values().map(|cost| cost.bytes).sum(),
        }
    }

    /// Returns what was written so far, by purpose.
    pub fn costs(&self) -> Costs {
        self.shared().costs.lock().clone()
    }

    /// Puts the store of a generation under the barrier.
    pub fn add_store(&self, store: Box<dyn Store>) -> StoreId {
        let mut files = self.shared().files.lock();
        let id = StoreId(files.next_store);
        files.next_store += 1;
        files.stores.insert(id, store);
        id
    }

    /// Commits what is queued and drops a store; the caller queues no changes for it any more.
    pub async fn remove_store(&self, id: StoreId) -> Result<(), BarrierError> {
        // A writer that failed may never come back with its files: then they are dropped with it.
        self.settle().await?;
        self.shared().files.lock().stores.remove(&id);
        Ok(())
    }

    /// Queues changes of records; they take effect in the order of the calls.
    pub fn change(
        &self,
        store: StoreId,
        purpose: Purpose,
        changes: Vec<Change>,
        wait: Durability,
    ) -> Result<Ticket, BarrierError> {
        self.shared()
            .enqueue(Some((purpose, Op::Changes(store, changes))), wait)
    }

    /// Declares the data partition failed: found by someone who reads, or writes beside the barrier.
    pub fn fail(&self, error: io::Error) -> BarrierError {
        self.shared().fail(error)
    }

    fn shared(&self) -> &Shared {
        &self.handle.shared
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.close(BarrierError::Stopped);
    }
}

impl Shared {
    fn enqueue(&self, op: Option<(Purpose, Op)>, wait: Durability) -> Result<Ticket, BarrierError> {
        let mut queue = self.queue.lock();
        queue.is_open()?;
        let waiter = queue.push(op, wait, self.patience);
        drop(queue);
        self.wake.notify_one();
        Ok(Ticket(waiter))
    }

    fn add(&self, purpose: Purpose, cost: Cost) {
        let mut costs = self.costs.lock();
        let sum = costs.entry(purpose).or_default();
        sum.bytes += cost.bytes;
        sum.barriers += cost.barriers;
    }

    fn close(&self, why: BarrierError) {
        self.queue.lock().close(why);
        self.wake.notify_one();
    }

    fn fail(&self, error: io::Error) -> BarrierError {
        let failed = BarrierError::Failed(Arc::new(error));
        let waiters = self.queue.lock().fail(failed.clone());
        self.wake.notify_one();
        self.failure.send_if_modified(|failure| {
            let first = failure.is_none();
            failure.get_or_insert_with(|| failed.clone());
            first
        });
        answer(waiters, &Err(failed.clone()));
        failed
    }

    fn run(&self) {
        while let Some(Group {
            ops,
            waiters,
            reason,
        }) = self.next_group()
        {
            *self.begun.lock() = Some(Instant::now());
            // The store is foreign code known to panic on a damaged file.
            let committed = catch_unwind(AssertUnwindSafe(|| self.commit(ops, reason)))
                .unwrap_or_else(|_| Err(io::Error::other("the store panicked while writing")));
            *self.begun.lock() = None;
            match committed {
                Ok(()) => answer(waiters, &Ok(())),
                Err(error) => {
                    self.queue.lock().returns(waiters);
                    self.fail(error);
                }
            }
        }
        let files = std::mem::take(&mut *self.files.lock());
        // As above; and what is lost with it was not promised.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(files)));
        self.ended.send_replace(true);
    }

    /// Waits until something is due and takes all that is queued; `None` when closed and nothing is left.
    fn next_group(&self) -> Option<Group> {
        let mut queue = self.queue.lock();
        loop {
            let now = Instant::now();
            match (queue.due(self.patience), &queue.closed) {
                (Some(due), None) if due > now => {
                    self.wake.wait_for(&mut queue, due - now);
                }
                (Some(_), _) => return Some(queue.take(now, self.patience)),
                (None, Some(_)) => return None,
                (None, None) => self.wake.wait(&mut queue),
            }
        }
    }

    fn commit(&self, ops: Vec<Op>, reason: Option<Purpose>) -> io::Result<()> {
        let Some(reason) = reason else {
            return Ok(());
        };
        let mut files = self.files.lock();
        let mut costs = Costs::new();
        let mut appended = BTreeSet::new();
        let mut changed = Changed::default();
        let mut barriers = 0;
        for op in ops {
            match op {
                Op::Frame(log, frame) => {
                    files.logs[log.index].append(&frame)?;
                    costs.entry(log.purpose).or_default().bytes += frame.len() as u64;
                    appended.insert(log);
                }
                Op::Changes(store, changes) => changed.add(store, changes),
            }
            if changed.bytes >= MOST_AT_ONCE {
                let taken = files.take_steps(std::mem::take(&mut changed), &mut costs)?;
                if taken > 0 {
                    appended.clear();
                }
                barriers += taken;
                *self.begun.lock() = Some(Instant::now());
            }
        }
        // One device flush after the pushes covers the frames; without record changes the logs need their own.
        let last = files.take_steps(changed, &mut costs)?;
        if last == 0 {
            for log in appended {
                files.logs[log.index].flush()?;
                barriers += 1;
            }
        }
        barriers += last;
        self.commits.fetch_add(1, Ordering::Relaxed);
        costs.entry(reason).or_default().barriers += barriers;
        for (purpose, cost) in costs {
            self.add(purpose, cost);
        }
        Ok(())
    }
}

fn answer(waiters: Vec<Waiter>, result: &Result<(), BarrierError>) {
    for waiter in waiters {
        // Who no longer waits does not mind.
        let _ = waiter.send(result.clone());
    }
}

#[cfg(test)]
mod tests;
