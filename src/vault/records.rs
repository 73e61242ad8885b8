//! The records of one generation outside the identity tier, as the library reads and writes them: the store behind
//! the barrier.
//!
//! A queued write is visible to readers at once: it lies in an overlay until it is on the medium. Each value is
//! sealed in an [`envelope`]; one that does not open reads as absent and is counted.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use holdfast_medium::{
    Claim,
    barrier::{self, Barrier, BarrierError, Change, Durability, StoreId, Ticket},
    wear::Costs,
};
use parking_lot::Mutex;

use super::engine::Engine;
use super::envelope;
use super::key::{kind, purpose};
use super::store::{Batch, Store};

/// The records of one generation.
pub(super) struct Records {
    overlay: Arc<Mutex<Overlay>>,
    barrier: Barrier,
    store: StoreId,
    bad: AtomicU64,
}

struct Overlay {
    /// `None` once closed.
    engine: Option<Engine>,
    /// Values by key, until they are on the medium.
    queued: BTreeMap<Arc<[u8]>, Queued>,
    revision: u64,
    /// How many records are on the medium.
    count: u64,
    /// How many steps are on the medium.
    step: u64,
}

struct Queued {
    value: Option<Bytes>,
    revision: u64,
    wait: Durability,
}

/// A record that was read, and how far it is from the medium.
pub(super) struct Found {
    pub value: Option<Bytes>,
    /// Someone waits for this value to reach the medium: until then nothing may rest on it.
    pub awaited: bool,
}

impl Records {
    /// Puts a store under the barrier; the claim goes when the store is let go of.
    pub fn new(store: Store, claim: Claim, barrier: &Barrier) -> Records {
        let overlay = Arc::new(Mutex::new(Overlay {
            engine: Some(store.engine.clone()),
            queued: BTreeMap::new(),
            revision: 0,
            count: store.count(),
            step: store.step(),
        }));
        let medium = Medium {
            store,
            overlay: Arc::clone(&overlay),
            applied: Vec::new(),
            _claim: claim,
        };
        Records {
            overlay,
            barrier: barrier.clone(),
            store: barrier.add_store(Box::new(medium)),
            bad: AtomicU64::new(0),
        }
    }

    /// Reads and writes as one: nobody else's write comes between. Returns what to await.
    pub fn update<T>(
        &self,
        change: impl FnOnce(&View<'_>) -> io::Result<(Writes, T)>,
    ) -> Result<(Ticket, T), BarrierError> {
        let mut overlay = self.overlay.lock();
        let (Writes { wait, changes }, out) =
            change(&self.view(&overlay)?).map_err(|error| self.barrier.fail(error))?;
        if changes.is_empty() {
            return Ok((Ticket::nothing(), out));
        }
        overlay.revision += 1;
        let revision = overlay.revision;
        let changes: Vec<Change> = changes
            .into_iter()
            .map(|(key, value)| Change {
                key,
                value,
                revision,
            })
            .collect();
        for Change { key, value, .. } in &changes {
            overlay.queued.insert(
                Arc::clone(key),
                Queued {
                    value: value.clone(),
                    revision,
                    wait,
                },
            );
        }
        // Queued under the overlay's lock: the order of the queue is the order of the overlay.
        let purpose = purpose(changes.first().map_or(&[], |change| &change.key));
        let ticket = self.barrier.change(self.store, purpose, changes, wait)?;
        Ok((ticket, out))
    }

    /// Only reads. An error is the medium's or the store's, and fails the barrier.
    pub fn read<T>(
        &self,
        read: impl FnOnce(&View<'_>) -> io::Result<T>,
    ) -> Result<T, BarrierError> {
        let overlay = self.overlay.lock();
        read(&self.view(&overlay)?).map_err(|error| self.barrier.fail(error))
    }

    fn view<'a>(&'a self, overlay: &'a Overlay) -> Result<View<'a>, BarrierError> {
        let engine = overlay.engine.as_ref().ok_or(BarrierError::Stopped)?;
        Ok(View {
            engine,
            queued: &overlay.queued,
            bad: &self.bad,
        })
    }

    /// How many records are on the medium.
    pub fn count(&self) -> u64 {
        self.overlay.lock().count
    }

    /// How many steps of the store are on the medium.
    pub fn step(&self) -> u64 {
        self.overlay.lock().step
    }

    /// How many records did not open when read, since the start.
    pub fn bad(&self) -> u64 {
        self.bad.load(Ordering::Relaxed)
    }

    /// Commits what is queued and lets go of the files. Nothing is read or written afterwards.
    pub async fn close(&self) -> Result<(), BarrierError> {
        self.overlay.lock().engine = None;
        self.barrier.remove_store(self.store).await
    }
}

/// Changes, and how far they are to be awaited.
pub(super) struct Writes {
    pub wait: Durability,
    pub changes: Vec<(Arc<[u8]>, Option<Bytes>)>,
}

/// A snapshot of the records, for one reader.
pub(super) struct View<'a> {
    engine: &'a Engine,
    queued: &'a BTreeMap<Arc<[u8]>, Queued>,
    bad: &'a AtomicU64,
}

impl View<'_> {
    /// The value of a record.
    pub fn get(&self, key: &[u8]) -> io::Result<Option<Bytes>> {
        self.find(key).map(|found| found.value)
    }

    /// The value of a record, and whether it is still awaited.
    pub fn find(&self, key: &[u8]) -> io::Result<Found> {
        if let Some(queued) = self.queued.get(key) {
            return Ok(Found {
                value: queued.value.clone(),
                awaited: queued.wait == Durability::Awaited,
            });
        }
        let sealed = self.engine.get(key)?;
        Ok(Found {
            value: sealed.and_then(|sealed| self.opened(key, &sealed)),
            awaited: false,
        })
    }

    /// All records whose keys begin so, in the order of the keys.
    pub fn scan(&self, prefix: &[u8]) -> io::Result<Vec<(Arc<[u8]>, Bytes)>> {
        let on_medium = self.engine.scan(prefix)?;
        let mut found: BTreeMap<Arc<[u8]>, Bytes> = on_medium
            .into_iter()
            .filter(|(key, _)| !self.queued.contains_key(key.as_ref()))
            .filter_map(|(key, sealed)| Some((key.as_ref().into(), self.opened(&key, &sealed)?)))
            .collect();
        let queued = self
            .queued
            .range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded));
        for (key, queued) in queued.take_while(|(key, _)| key.starts_with(prefix)) {
            if let Some(value) = &queued.value {
                found.insert(Arc::clone(key), value.clone());
            }
        }
        Ok(found.into_iter().collect())
    }

    fn opened(&self, key: &[u8], sealed: &[u8]) -> Option<Bytes> {
        let value = envelope::open(key, sealed).map(|(_, value)| Bytes::copy_from_slice(value));
        if value.is_none() {
            self.bad.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(kind = ?kind(key), "a bad record reads as absent");
        }
        value
    }
}

/// The side of the writer thread.
struct Medium {
    store: Store,
    overlay: Arc<Mutex<Overlay>>,
    applied: Vec<(Arc<[u8]>, u64)>,
    _claim: Claim,
}

impl barrier::Store for Medium {
    fn apply(&mut self, changes: Vec<Change>, costs: &mut Costs) -> io::Result<()> {
        let mut batch = Batch::new();
        for Change {
            key,
            value,
            revision,
        } in changes
        {
            self.applied.push((Arc::clone(&key), revision));
            batch.insert(key, value);
        }
        self.store.apply(&batch, costs)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.store.sync()?;
        let mut overlay = self.overlay.lock();
        overlay.count = self.store.count();
        overlay.step = self.store.step();
        for (key, revision) in self.applied.drain(..) {
            if overlay
                .queued
                .get(&key)
                .is_some_and(|queued| queued.revision == revision)
            {
                overlay.queued.remove(&key);
            }
        }
        Ok(())
    }
}
