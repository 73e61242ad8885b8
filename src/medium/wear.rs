//! Accounts for the card's wear: what was written and why, and how long the card will bear it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Why something is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// The identity's two slots.
    Identity,
    /// Sessions, sender keys, pre-keys.
    Ratchet,
    /// The library's records that are worth keeping.
    Kept,
    /// Caches of the library.
    Rebuildable,
    /// The witness of the store.
    Witness,
    /// Received messages.
    Inbox,
    /// Messages to be sent, and how far they came.
    Outbox,
    /// How far consumers have read.
    Cursors,
    /// Whatever a start writes until all is open: the opening of the store, the run mark.
    Start,
    /// Notes of all kinds, later: boot report, incidents, what the next start should know.
    Notes,
}

impl Purpose {
    /// The stable name for machines.
    pub fn as_str(self) -> &'static str {
        match self {
            Purpose::Identity => "identity",
            Purpose::Ratchet => "ratchet",
            Purpose::Kept => "kept",
            Purpose::Rebuildable => "rebuildable",
            Purpose::Witness => "witness",
            Purpose::Inbox => "inbox",
            Purpose::Outbox => "outbox",
            Purpose::Cursors => "cursors",
            Purpose::Start => "start",
            Purpose::Notes => "notes",
        }
    }
}

/// The cost of one purpose since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Bytes handed to the kernel, before the file system's own.
    pub bytes: u64,
    /// Device flushes that were made for it; what rode along cost none.
    pub barriers: u64,
}

/// The cost of each purpose.
pub type Costs = BTreeMap<Purpose, Cost>;

/// What this process wrote with flushes of its own, beside the barrier.
static BESIDE: Mutex<Costs> = Mutex::new(Costs::new());

/// Whether its start is over.
static IS_OPEN: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Why this thread writes just now, where it is not a note.
    static PURPOSE: Cell<Option<Purpose>> = const { Cell::new(None) };
}

/// Counts what was written beside the barrier.
pub fn beside(cost: Cost) {
    let note = || match IS_OPEN.load(Ordering::Relaxed) {
        true => Purpose::Notes,
        false => Purpose::Start,
    };
    let purpose = PURPOSE.get().unwrap_or_else(note);
    let mut costs = BESIDE.lock();
    let sum = costs.entry(purpose).or_default();
    sum.bytes += cost.bytes;
    sum.barriers += cost.barriers;
}

/// Has what this call writes beside the barrier counted for a purpose of its own.
pub fn for_purpose<T>(purpose: Purpose, call: impl FnOnce() -> T) -> T {
    let before = PURPOSE.replace(Some(purpose));
    let done = call();
    PURPOSE.set(before);
    done
}

/// What is written from now on belongs to no start any more.
pub fn start_is_over() {
    IS_OPEN.store(true, Ordering::Relaxed);
}

/// Returns what this process wrote beside the barrier, by purpose.
pub fn all_beside() -> Costs {
    BESIDE.lock().clone()
}

/// How much this process had the kernel write so far, bytes (`write_bytes`, proc_pid_io(5)); `None` where that is not told.
pub fn written_by_us() -> Option<u64> {
    let told = fs::read_to_string("/proc/self/io").ok()?;
    let line = told
        .lines()
        .find_map(|line| line.strip_prefix("write_bytes: "))?;
    line.parse().ok()
}

/// How often every cell of a consumer card can be written: the low end of what makers state for TLC flash. An
/// assumption; no card tells.
const WRITES_PER_CELL: u64 = 500;

/// How much a card writes inside for each byte it is given: small writes move whole erase blocks. An assumption.
const AMPLIFICATION: u64 = 4;

/// How long a card should last, years.
const WANTED_YEARS: u64 = 10;

const DAY_S: u64 = 24 * 60 * 60;

/// The device below the data directory, and what it had written when the daemon started.
#[derive(Clone, Debug)]
pub struct Card {
    /// Its size, bytes.
    size: u64,
    /// Where the kernel counts; `None` where it does not.
    written_before: Option<u64>,
    statistics: PathBuf,
    since: Instant,
}

/// The forecast of the card's life.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// Bytes a day at which the card lasts ten years.
    pub budget_per_day: u64,
    /// The rate seen since the start; `None` before a day of it, for the first hours tell of the start alone.
    pub rate: Option<Rate>,
}

/// How fast a card is worn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Bytes a day that reach the device, from all programs.
    pub bytes_per_day: u64,
    /// Years the card lasts at this rate.
    pub years: f64,
}

impl Card {
    /// The device of a directory.
    ///
    /// # Errors
    /// The directory cannot be looked at.
    pub fn of(dir: &Path) -> io::Result<Card> {
        let device = fs::metadata(dir)?.dev();
        let statistics = format!(
            "/sys/dev/block/{}:{}/stat",
            rustix::fs::major(device),
            rustix::fs::minor(device)
        );
        let space = rustix::fs::statvfs(dir)?;
        Ok(Card {
            size: space.f_blocks.saturating_mul(space.f_frsize),
            written_before: written(Path::new(&statistics)),
            statistics: statistics.into(),
            since: Instant::now(),
        })
    }

    /// The forecast; `costs` stands in where the kernel does not count for the device.
    pub fn forecast(&self, costs: &Costs) -> Forecast {
        let ours = || costs.values().map(|cost| cost.bytes).sum();
        let bytes = match (self.written_before, written(&self.statistics)) {
            (Some(before), Some(now)) => now.saturating_sub(before),
            _ => ours(),
        };
        forecast(self.size, bytes, self.since.elapsed())
    }
}

fn forecast(size: u64, bytes: u64, within: Duration) -> Forecast {
    let bearable = size.saturating_mul(WRITES_PER_CELL) / AMPLIFICATION;
    let rate = || {
        let bytes_per_day = bytes.saturating_mul(DAY_S) / within.as_secs().max(1);
        Rate {
            bytes_per_day,
            years: bearable as f64 / bytes_per_day.max(1) as f64 / 365.0,
        }
    };
    Forecast {
        budget_per_day: bearable / (WANTED_YEARS * 365),
        rate: (within.as_secs() >= DAY_S).then(rate),
    }
}

/// The seventh field counts sectors of 512 bytes written (Linux, Documentation/block/stat.rst).
fn written(statistics: &Path) -> Option<u64> {
    let text = fs::read_to_string(statistics).ok()?;
    let sectors: u64 = text.split_whitespace().nth(6)?.parse().ok()?;
    Some(sectors.saturating_mul(512))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_within_its_budget_lasts_as_long_as_wanted() {
        let size = 8 << 30;
        let day = Duration::from_secs(DAY_S);
        let young = forecast(size, 1 << 30, day - Duration::from_secs(1));
        assert_eq!(young.rate, None, "before a day nothing is foretold");
        let budget = young.budget_per_day;
        let years = |bytes| forecast(size, bytes, day).rate.unwrap().years;
        assert!((years(budget) - 10.0).abs() < 0.01, "{}", years(budget));
        assert!((years(2 * budget) - 5.0).abs() < 0.01);
        assert_eq!(forecast(size, 0, day).rate.unwrap().bytes_per_day, 0);
    }

    #[test]
    fn what_is_written_beside_the_barrier_is_counted_for_what_it_is() {
        let of = |purpose| all_beside().get(&purpose).copied().unwrap_or_default();
        let dir = tempfile::tempdir().unwrap();
        let (file, before) = (dir.path().join("file"), of(Purpose::Identity));
        for_purpose(Purpose::Identity, || {
            crate::atomic::replace(&file, b"four").unwrap();
            crate::atomic::overwrite(&file, b"more").unwrap();
        });
        let after = of(Purpose::Identity);
        let added = (after.bytes - before.bytes, after.barriers - before.barriers);
        assert_eq!(added, (8, 3), "a file, its name, and the file again");
        // Other tests write, too.
        let notes = of(Purpose::Notes);
        start_is_over();
        crate::atomic::replace(&file, b"note").unwrap();
        assert!(of(Purpose::Notes).bytes >= notes.bytes + 4);
    }

    #[test]
    fn the_kernels_counter_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let stat = dir.path().join("stat");
        fs::write(&stat, " 1 2 3 4 5 6 70 8 9 10 11\n").unwrap();
        assert_eq!(written(&stat), Some(70 * 512));
        fs::write(&stat, "gone").unwrap();
        assert_eq!(written(&stat), None);
        assert!(Card::of(dir.path()).unwrap().size > 0);
    }
}
