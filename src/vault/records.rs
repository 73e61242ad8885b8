//! The records of one generation outside the identity tier: sled behind the barrier.
//!
//! What is queued is seen at once by whoever reads: it lies in an overlay until it is on the medium. Each value is
//! sealed in an [`envelope`]; one that does not open reads as absent and is counted.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::barrier::{Barrier, BarrierError, Change, Store, StoreId, Ticket, Wait};
use super::tiers::Kind;
use super::{VaultError, atomic, envelope};

/// The store's own record: the step of the last batch. Its tag belongs to no kind.
const META: &[u8] = &[0];

/// Small: a session's records fit in it several times over.
const CACHE_BYTES: u64 = 4 * 1024 * 1024;

/// A store closed in this process gives its lock back only a moment later.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// The records of one generation.
pub(super) struct Records {
    overlay: Arc<Mutex<Overlay>>,
    barrier: Barrier,
    store: StoreId,
    bad: AtomicU64,
}

struct Overlay {
    /// `None` once closed.
    db: Option<sled::Db>,
    /// Values by key, until they are on the medium.
    queued: BTreeMap<Arc<[u8]>, Queued>,
    revision: u64,
}

struct Queued {
    value: Option<Bytes>,
    revision: u64,
    wait: Wait,
}

/// A record that was read, and how far it is from the medium.
pub(super) struct Found {
    pub value: Option<Bytes>,
    /// Someone waits for this value to reach the medium: until then nothing may rest on it.
    pub awaited: bool,
}

impl Records {
    /// Opens the store in this directory, or makes it, and puts it under the barrier. Blocks.
    pub fn open(dir: &Path, barrier: &Barrier) -> Result<Records, VaultError> {
        let at = VaultError::at(dir);
        atomic::make_dir(dir).map_err(&at)?;
        let db = open_sled(dir).map_err(&at)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(dir.join("db"))
            .map_err(&at)?;
        // sled never makes its own files' names durable.
        File::open(dir.join("conf"))
            .and_then(|conf| conf.sync_all())
            .map_err(&at)?;
        file.sync_all()
            .and_then(|()| atomic::sync_dir(dir))
            .map_err(&at)?;
        let step = last_step(&db).map_err(&at)?;
        let overlay = Overlay {
            db: Some(db.clone()),
            queued: BTreeMap::new(),
            revision: 0,
        };
        let overlay = Arc::new(Mutex::new(overlay));
        let medium = Medium {
            db,
            file,
            overlay: Arc::clone(&overlay),
            step,
            applied: Vec::new(),
        };
        let store = barrier.add_store(Box::new(medium));
        Ok(Records {
            overlay,
            barrier: barrier.clone(),
            store,
            bad: AtomicU64::new(0),
        })
    }

    /// Reads and writes as one: nobody else's write comes between. Returns what to await.
    pub fn update<T>(
        &self,
        change: impl FnOnce(&View<'_>) -> io::Result<(Writes, T)>,
    ) -> Result<(Ticket, T), BarrierError> {
        let mut overlay = lock(&self.overlay);
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
        let ticket = self.barrier.change(self.store, changes, wait)?;
        Ok((ticket, out))
    }

    /// Only reads. An error is the medium's or the store's, and fails the barrier.
    pub fn read<T>(
        &self,
        read: impl FnOnce(&View<'_>) -> io::Result<T>,
    ) -> Result<T, BarrierError> {
        let overlay = lock(&self.overlay);
        read(&self.view(&overlay)?).map_err(|error| self.barrier.fail(error))
    }

    fn view<'a>(&'a self, overlay: &'a Overlay) -> Result<View<'a>, BarrierError> {
        let db = overlay.db.as_ref().ok_or(BarrierError::Stopped)?;
        Ok(View {
            db,
            queued: &overlay.queued,
            bad: &self.bad,
        })
    }

    /// How many records did not open when read, since the start.
    pub fn bad(&self) -> u64 {
        self.bad.load(Ordering::Relaxed)
    }

    /// Commits what is queued and lets go of the files. Nothing is read or written afterwards.
    pub async fn close(&self) -> Result<(), BarrierError> {
        lock(&self.overlay).db = None;
        self.barrier.remove_store(self.store).await
    }
}

/// Changes, and how far they are to be awaited.
pub(super) struct Writes {
    pub wait: Wait,
    pub changes: Vec<(Arc<[u8]>, Option<Bytes>)>,
}

/// What a reader sees at one moment.
pub(super) struct View<'a> {
    db: &'a sled::Db,
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
                awaited: queued.wait == Wait::Durable,
            });
        }
        let sealed = guarded(|| self.db.get(key))?;
        Ok(Found {
            value: sealed.and_then(|sealed| self.opened(key, &sealed)),
            awaited: false,
        })
    }

    /// All records whose keys begin so, in the order of the keys.
    pub fn scan(&self, prefix: &[u8]) -> io::Result<Vec<(Arc<[u8]>, Bytes)>> {
        let on_medium = guarded(|| self.db.scan_prefix(prefix).collect::<Result<Vec<_>, _>>())?;
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
            tracing::warn!(kind = ?key.first().and_then(|tag| Kind::from_tag(*tag)), "a bad record reads as absent");
        }
        value
    }
}

/// The side of the writer thread.
struct Medium {
    db: sled::Db,
    /// Our own descriptor of sled's file: its `flush` stops at the kernel, `fdatasync` does not.
    file: File,
    overlay: Arc<Mutex<Overlay>>,
    step: u64,
    applied: Vec<(Arc<[u8]>, u64)>,
}

impl Store for Medium {
    fn apply(&mut self, changes: Vec<Change>) -> io::Result<u64> {
        self.step += 1;
        let mut batch = sled::Batch::default();
        batch.insert(META, envelope::seal(META, self.step, &[]));
        let mut bytes = 0;
        for Change {
            key,
            value,
            revision,
        } in changes
        {
            match value {
                Some(value) => {
                    let sealed = envelope::seal(&key, self.step, &value);
                    bytes += sealed.len() as u64;
                    batch.insert(key.as_ref(), sealed);
                }
                None => batch.remove(key.as_ref()),
            }
            self.applied.push((key, revision));
        }
        guarded(|| self.db.apply_batch(batch).and_then(|()| self.db.flush()))?;
        Ok(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        let mut overlay = lock(&self.overlay);
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

fn open_sled(dir: &Path) -> io::Result<sled::Db> {
    // No background flusher: one batch is in flight at a time, and the barrier decides when.
    let config = sled::Config::new()
        .path(dir)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(None);
    let give_up = Instant::now() + LOCK_PATIENCE;
    loop {
        match guarded(|| config.open()) {
            Err(error)
                if error.to_string().contains("could not acquire lock")
                    && Instant::now() < give_up =>
            {
                std::thread::sleep(Duration::from_millis(20));
            }
            opened => return opened,
        }
    }
}

/// The step to go on from: steps never repeat, also where the store's own record is bad.
fn last_step(db: &sled::Db) -> io::Result<u64> {
    let meta = guarded(|| db.get(META))?;
    if let Some((step, _)) = meta
        .as_ref()
        .and_then(|sealed| envelope::open(META, sealed))
    {
        return Ok(step);
    }
    let all = guarded(|| db.iter().collect::<Result<Vec<_>, _>>())?;
    Ok(all
        .iter()
        .filter_map(|(key, sealed)| Some(envelope::open(key, sealed)?.0))
        .max()
        .unwrap_or(0))
}

/// sled panics on some kinds of damage; here that is one more error.
fn guarded<T>(call: impl FnOnce() -> sled::Result<T>) -> io::Result<T> {
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|_| {
            Err(sled::Error::Io(io::Error::other(
                "the record store is damaged",
            )))
        })
        .map_err(|error| match error {
            sled::Error::Io(error) => error,
            error => io::Error::other(error),
        })
}

fn lock(overlay: &Mutex<Overlay>) -> MutexGuard<'_, Overlay> {
    overlay.lock().unwrap_or_else(PoisonError::into_inner)
}
