//! sled at arm's length: it panics on some kinds of damage, its own flush stops at the kernel, and it never makes the
//! names of its files durable.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use holdfast_medium::{
    atomic, can_start_a_thread, space, unhurried,
    wear::{self, Cost},
};
use parking_lot::Mutex;
use sled::IVec;

/// sled's file of everything that is not a large value.
pub(super) const FILE: &str = "db";

/// Where sled keeps pages that are too large for a segment, each in a file that it never flushes.
pub(super) const LARGE: &str = "blobs";

/// Small: a session's records fit in it several times over.
const CACHE_BYTES: u64 = 1024 * 1024;

/// What a step may write of sled's file: a new segment, bytes, and its records several times over, for pages are written whole.
const SEGMENT: u64 = 512 * 1024;
const AMPLIFICATION: u64 = 8;

/// sled flushes the segment that it goes on with, and a snapshot; then we do.
const SLED_OPENS: u64 = 3;

/// By how much more its blocks are ahead of it then, bytes: one call for hundreds of steps.
const AHEAD: u64 = 1024 * 1024;

/// A database closed in this process gives its lock back only a moment later.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// A sled database and our own descriptor of its file.
#[derive(Clone)]
pub(super) struct Engine {
    db: sled::Db,
    file: Arc<File>,
    large: PathBuf,
    flushed: Arc<Mutex<Flushed>>,
}

/// The large pages that are on the medium.
#[derive(Default)]
struct Flushed {
    names: BTreeSet<OsString>,
    /// When their directory was changed last; `None` while that may be this very moment, and it may change again without a trace.
    changed: Option<SystemTime>,
}

/// A directory that was not changed for so long tells the next change by its time: the kernel's ticks are shorter (inode(7)).
const TICK: Duration = Duration::from_millis(100);

impl Engine {
    /// Opens the database in this directory, or makes it; names and size of its files are durable on return.
    pub fn open(dir: &Path) -> io::Result<Engine> {
        atomic::make_dir(dir)?;
        let is_new = !dir.join(FILE).exists();
        // No background flusher: one batch is in flight at a time, and the barrier decides when.
        let config = sled::Config::new()
            .path(PathBuf::from(dir))
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(None);
        let before = wear::written_by_us();
        let db = open_sled(&config)?;
        let bytes = before.zip(wear::written_by_us());
        wear::beside(Cost {
            // Where the kernel does not tell: the rest of a segment is written anew.
            bytes: bytes.map_or(SEGMENT, |(before, after)| after.saturating_sub(before)),
            barriers: SLED_OPENS,
        });
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(dir.join(FILE))?;
        // Later only snapshots change their names, and sled does without any.
        if is_new {
            File::open(dir.join("conf"))?.sync_all()?;
            file.sync_all()?;
            atomic::sync_dir(dir)?;
        }
        let engine = Engine {
            db,
            file: Arc::new(file),
            large: dir.join(LARGE),
            flushed: Arc::default(),
        };
        engine.sync()?;
        Ok(engine)
    }

    pub fn get(&self, key: &[u8]) -> io::Result<Option<IVec>> {
        guarded(|| self.db.get(key))
    }

    /// All pairs whose keys begin so, in order.
    pub fn scan(&self, prefix: &[u8]) -> io::Result<Vec<(IVec, IVec)>> {
        guarded(|| self.db.scan_prefix(prefix).collect())
    }

    /// Every pair in order, one after the other; `visit` may stop it with an error.
    pub fn forward(&self, visit: impl FnMut(IVec, IVec) -> io::Result<()>) -> io::Result<()> {
        visit_all(self.db.iter(), visit)
    }

    /// Every pair in the opposite order.
    pub fn backward(&self, visit: impl FnMut(IVec, IVec) -> io::Result<()>) -> io::Result<()> {
        visit_all(self.db.iter().rev(), visit)
    }

    /// Makes sure that a batch of so many bytes finds room: sled has been seen to wait for ever for what did not fit, and
    /// whoever promised the batch must not have to take that back.
    ///
    /// # Errors
    /// There is no room, and nothing was written.
    pub fn secure(&self, bytes: u64) -> io::Result<()> {
        let metadata = self.file.metadata()?;
        let needed = metadata.len() + SEGMENT + AMPLIFICATION * bytes;
        // What is there is asked for each time: sled cuts its file off where segments at its end are free.
        if space::allocated(&metadata) >= needed {
            return Ok(());
        }
        space::allocate_ahead(&self.file, needed + AHEAD)
            .or_else(|_| space::allocate_ahead(&self.file, needed))
    }

    /// Applies a batch as one and hands it to the kernel.
    pub fn apply(&self, batch: sled::Batch) -> io::Result<()> {
        // The first one of a new database starts sled's threads.
        unhurried(|| {
            guarded(|| {
                self.db.apply_batch(batch)?;
                self.db.flush().map(drop)
            })
        })
        .inspect_err(|_| self.abandon())
    }

    /// The device flush: all that was applied is on the medium when it returns.
    pub fn sync(&self) -> io::Result<()> {
        self.sync_large()
            .and_then(|()| self.file.sync_data())
            .inspect_err(|_| self.abandon())
    }

    /// Has a database of which a write failed never be dropped: sled would wait, for ever and with a lock that every database of
    /// the process shares, until that write is done.
    fn abandon(&self) {
        std::mem::forget(self.db.clone());
    }

    fn sync_large(&self) -> io::Result<()> {
        let mut flushed = self.flushed.lock();
        let changed = fs::metadata(&self.large)?.modified()?;
        if flushed.changed == Some(changed) {
            return Ok(());
        }
        flushed.changed = None;
        let looked = SystemTime::now();
        let there = fs::read_dir(&self.large)?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<io::Result<BTreeSet<_>>>()?;
        if !there.is_subset(&flushed.names) {
            for name in there.difference(&flushed.names) {
                match File::open(self.large.join(name)) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    file => file?.sync_data()?,
                }
            }
            atomic::sync_dir(&self.large)?;
            flushed.names = there;
        }
        let since = looked.duration_since(changed);
        flushed.changed = since.is_ok_and(|since| since >= TICK).then_some(changed);
        Ok(())
    }
}

/// Opens a database, also one that this process closed just now: a panic of sled, and a lock not given back in time, are
/// errors.
///
/// # Errors
/// sled's own; [`io::ErrorKind::ResourceBusy`] when somebody else has it open.
pub fn open_sled(config: &sled::Config) -> io::Result<sled::Db> {
    // sled leaves its work to threads of its own, and does not notice when there are none.
    can_start_a_thread()?;
    let give_up = Instant::now() + LOCK_PATIENCE;
    loop {
        match unhurried(|| guarded(|| config.open())) {
            // sled has no kind for it.
            Err(error) if error.to_string().contains("could not acquire lock") => {
                if Instant::now() >= give_up {
                    return Err(io::Error::new(io::ErrorKind::ResourceBusy, error));
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            opened => return opened,
        }
    }
}

fn visit_all(
    pairs: impl Iterator<Item = sled::Result<(IVec, IVec)>>,
    mut visit: impl FnMut(IVec, IVec) -> io::Result<()>,
) -> io::Result<()> {
    catch_unwind(AssertUnwindSafe(|| {
        for pair in pairs {
            let (key, value) = pair.map_err(told)?;
            visit(key, value)?;
        }
        Ok(())
    }))
    .unwrap_or_else(|_| Err(damaged()))
}

/// A panic of sled is one more error here.
fn guarded<T>(call: impl FnOnce() -> sled::Result<T>) -> io::Result<T> {
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|_| Err(sled::Error::Io(damaged())))
        .map_err(told)
}

fn told(error: sled::Error) -> io::Error {
    match error {
        sled::Error::Io(error) => error,
        error => io::Error::new(io::ErrorKind::InvalidData, error),
    }
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the record store is damaged")
}
