//! The last time known to be good: what a board without a battery starts from.
//!
//! It is WhatsApp's own time, written at a login and then once a day: one small file, a few kilobytes a day at the card. This
//! machine's clock may run ahead, and is not asked.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use holdfast_medium::{DataDir, Machine, atomic, space::Reserve};
use rustix::time::{ClockId, Timespec, clock_settime};

/// Inside the data directory: seconds since 1970.
const FILE: &str = "clock";
/// There when the clock was set to that time at boot, for want of a better one.
const SET: &str = "run/holdfast/clock.json";
/// There when systemd-timesyncd has set the clock in this boot (systemd-timesyncd.service(8)).
const SYNCHRONISED: &str = "run/systemd/timesync/synchronized";
/// How often it is written.
const EVERY: Duration = Duration::from_secs(24 * 3600);

/// The last time known to be good.
#[derive(Clone, Debug)]
pub struct LastKnownGood {
    path: PathBuf,
    root: PathBuf,
    /// The time that the file holds.
    kept: Option<SystemTime>,
}

impl LastKnownGood {
    /// Reads the note of the last runs.
    pub fn read(data: &DataDir) -> Self {
        let path = data.root().join(FILE);
        Self {
            kept: moment(&path),
            root: data.root().to_owned(),
            path,
        }
    }

    /// The time, where one was kept.
    pub fn time(&self) -> Option<SystemTime> {
        self.kept
    }

    /// Whether the clock is known to be wrong: it is behind this time.
    pub fn is_ahead_of(&self, now: SystemTime) -> bool {
        self.kept.is_some_and(|kept| now < kept)
    }

    /// Keeps the time of WhatsApp's clock, when the one kept is a day old, or wrong.
    ///
    /// # Errors
    /// It is not kept; tried again the next time.
    pub fn keep(&mut self, now: SystemTime) -> io::Result<()> {
        let fresh = |kept: SystemTime| now.duration_since(kept).is_ok_and(|age| age < EVERY);
        if self.kept.is_some_and(fresh) {
            return Ok(());
        }
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let text = format!("{seconds}\n");
        Reserve::of(&self.root).relieved(|| atomic::replace(&self.path, text.as_bytes()))?;
        self.kept = Some(now);
        Ok(())
    }
}

fn moment(path: &Path) -> Option<SystemTime> {
    let seconds = fs::read_to_string(path).ok()?.trim().parse().ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Whether the clock was behind at boot, or is, and the network has not set it since. What the network says counts more than
/// a time that was noted.
pub fn is_behind(machine: &Machine, good: &LastKnownGood) -> bool {
    !machine.file(SYNCHRONISED).exists()
        && (machine.file(SET).exists() || good.is_ahead_of(SystemTime::now()))
}

/// Sets a clock that is behind; says so when it did.
///
/// # Errors
/// The clock is as it was.
pub(super) fn start_from(machine: &Machine, data: &DataDir) -> io::Result<Option<String>> {
    let good = LastKnownGood::read(data);
    let (now, Some(kept)) = (SystemTime::now(), good.time()) else {
        return Ok(None);
    };
    if !good.is_ahead_of(now) {
        return Ok(None);
    }
    let since = kept
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    if machine.is_this() {
        let to = Timespec {
            tv_sec: i64::try_from(since).unwrap_or_default(),
            tv_nsec: 0,
        };
        clock_settime(ClockId::Realtime, to)?;
    }
    super::note(machine, SET, &since)?;
    let behind = kept.duration_since(now).unwrap_or_default().as_secs();
    Ok(Some(format!(
        "the clock was {behind} s behind the last run, and was set to that time"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_time_is_written_once_a_day_and_a_wrong_one_replaced() {
        let root = tempfile::tempdir().unwrap();
        let data = DataDir::new(root.path());
        let mut good = LastKnownGood::read(&data);
        assert_eq!(good.time(), None);
        let at = |hours: u64| UNIX_EPOCH + Duration::from_secs(1_800_000_000 + hours * 3600);
        for (now, kept) in [(0, 0), (23, 0), (24, 24), (30, 24), (2, 2)] {
            good.keep(at(now)).unwrap();
            assert_eq!(LastKnownGood::read(&data).time(), Some(at(kept)), "{now}");
        }
        assert!(good.is_ahead_of(at(1)) && !good.is_ahead_of(at(2)));
    }

    #[test]
    fn a_clock_that_is_behind_is_noted_until_the_network_has_set_it() {
        let root = tempfile::tempdir().unwrap();
        let (machine, data) = (Machine::at(root.path()), DataDir::new(root.path()));
        assert_eq!(start_from(&machine, &data).unwrap(), None);
        let future = SystemTime::now() + Duration::from_secs(3600);
        LastKnownGood::read(&data).keep(future).unwrap();
        let said = start_from(&machine, &data).unwrap().unwrap();
        assert!(said.contains("s behind the last run"), "{said}");
        let noted = LastKnownGood::read(&data);
        assert!(noted.is_ahead_of(SystemTime::now()) && is_behind(&machine, &noted));
        let synchronised = machine.file(SYNCHRONISED);
        fs::create_dir_all(synchronised.parent().unwrap()).unwrap();
        fs::write(synchronised, "").unwrap();
        assert!(!is_behind(&machine, &noted));
    }

    #[test]
    fn a_damaged_time_is_none() {
        let root = tempfile::tempdir().unwrap();
        for text in ["", "soon", "-1", "99999999999999999999999"] {
            fs::write(root.path().join(FILE), text).unwrap();
            assert_eq!(LastKnownGood::read(&DataDir::new(root.path())).time(), None);
        }
    }
}
