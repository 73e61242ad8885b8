//! Accounts for the card's wear: what was written and why, and how long the card will bear it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

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

/// The forecast of the card's life, at the rate seen since the start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// Bytes a day that reach the device now, from all programs.
    pub bytes_per_day: u64,
    /// Bytes a day at which the card lasts ten years.
    pub budget_per_day: u64,
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
    let bytes_per_day = bytes.saturating_mul(DAY_S) / within.as_secs().max(1);
    Forecast {
        bytes_per_day,
        budget_per_day: bearable / (WANTED_YEARS * 365),
        years: bearable as f64 / bytes_per_day.max(1) as f64 / 365.0,
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
        let idle = forecast(size, 0, Duration::from_secs(3600));
        assert_eq!(idle.bytes_per_day, 0);
        let day = Duration::from_secs(DAY_S);
        let at_budget = forecast(size, idle.budget_per_day, day);
        assert!((at_budget.years - 10.0).abs() < 0.01, "{at_budget:?}");
        let twice = forecast(size, 2 * idle.budget_per_day, day);
        assert!((twice.years - 5.0).abs() < 0.01, "{twice:?}");
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
