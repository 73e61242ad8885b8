//! Keeps the core's memory across restarts: a few lines, below the moment they were written.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use holdfast_core::Past;
use holdfast_medium::{Stamp, atomic};
use serde::{Deserialize, Serialize};

/// When a past was written, and by which clock.
#[derive(Serialize, Deserialize)]
struct Written {
    #[serde(flatten)]
    at: Stamp,
    /// The wall clock was known to be behind: it says nothing of how long ago it was, but within the same boot.
    #[serde(default)]
    behind: bool,
}

/// Writes it down, durable once its directory is synced; `behind` whether the wall clock is known to be wrong.
///
/// # Errors
/// The file is as it was.
pub(super) fn keep(path: &Path, past: &Past, behind: bool) -> io::Result<()> {
    let at = Stamp::now();
    let now = serde_json::to_string(&Written { at, behind })?;
    atomic::place(path, format!("{now}\n{past}").as_bytes())
}

/// Names the file for what a start wrote down while the data partition was closed: it outlives the process, and no power cut.
pub(super) fn of_runtime(runtime: &Path) -> PathBuf {
    runtime.join("past")
}

/// Removes what a start wrote down while the data partition was closed: there is something newer.
///
/// # Errors
/// It is there still.
pub(super) fn forget(runtime: &Path) -> io::Result<()> {
    match fs::remove_file(runtime) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Reads what the last runs wrote down in the data directory and in the runtime directory, and how long ago, milliseconds.
pub(super) fn both(data: &Path, runtime: &Path) -> Option<(Past, u64)> {
    Past::joined(read(data), read(&of_runtime(runtime)))
}

/// Reads what the last runs wrote down, and how long ago that was, milliseconds. A file that cannot be read is kept aside: a ban or a budget may stand in it.
pub(super) fn read(path: &Path) -> Option<(Past, u64)> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        bytes => bytes,
    };
    let remembered = bytes.ok().and_then(|bytes| parse(&bytes));
    if remembered.is_none() {
        tracing::warn!("what the last run noted for this one cannot be read; it is kept aside");
        if let Err(error) = fs::rename(path, path.with_extension("unreadable")) {
            tracing::warn!("{}: {error}", path.display());
        }
    }
    remembered
}

fn parse(bytes: &[u8]) -> Option<(Past, u64)> {
    let (written, past) = str::from_utf8(bytes).ok()?.split_once('\n')?;
    let Written { at, behind } = serde_json::from_str(written).ok()?;
    let now = Stamp::now();
    let elapsed_ms = if behind && !now.is_of_boot(&at) {
        0
    } else {
        now.since(&at)
    };
    Some((past.parse().ok()?, elapsed_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_and_anything_else_is_kept_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("past");
        assert_eq!(read(&path), None);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0, "nothing is nothing");
        let past: Past = "attempts 5000\nreplaced 2\nwait banned 60000\n"
            .parse()
            .unwrap();
        keep(&path, &past, false).unwrap();
        let (kept, elapsed_ms) = read(&path).expect("something is read");
        assert_eq!(kept, past);
        assert!(elapsed_ms < 60_000, "{elapsed_ms}");
        for other in ["", "no stamp\nattempts\n", "{}\nattempts\n"] {
            fs::write(&path, other).unwrap();
            assert_eq!(read(&path), None, "{other:?}");
            assert!(!path.exists());
            let aside = dir.path().join("past.unreadable");
            assert_eq!(fs::read_to_string(aside).unwrap(), other);
        }
    }
    #[test]
    fn what_a_start_that_opened_nothing_told_is_known_until_there_is_something_newer() {
        let dir = tempfile::tempdir().unwrap();
        let (data, run) = (dir.path().join("past"), dir.path().join("run"));
        let runtime = of_runtime(&run);
        fs::create_dir(&run).unwrap();
        let past = |text: &str| -> Past { text.parse().unwrap() };
        keep(
            &data,
            &past("notified 1000000 2000000 3000000\nreplaced 2\nphone 5000000\npulse 1000000\n"),
            false,
        )
        .unwrap();
        let closed = past("notified 40000000 86400000\nphone 1000000\npulse 80000000\n");
        keep(&runtime, &closed, false).unwrap();
        let (joined, _) = both(&data, &run).unwrap();
        let told = joined.to_string();
        let notified = told.lines().find_map(|line| line.strip_prefix("notified "));
        // Fewer, but newer: two of the three were over by then.
        assert_eq!(notified.unwrap().split(' ').count(), 2, "{told}");
        assert!(told.contains("replaced 2"), "{told}");
        // What failed with the medium is done no sooner again, and nothing is done sooner for having been noted later.
        let later = |key: &str| {
            let line = told
                .lines()
                .find_map(|line| line.strip_prefix(key))
                .unwrap();
            line.trim().parse::<u64>().unwrap().div_ceil(1_000_000)
        };
        assert_eq!((later("phone"), later("pulse")), (5, 80), "{told}");
        forget(&runtime).unwrap();
        forget(&runtime).unwrap();
        let (alone, _) = both(&data, &run).unwrap();
        let alone = alone.to_string();
        let notified = alone
            .lines()
            .find_map(|line| line.strip_prefix("notified "));
        assert_eq!(notified.unwrap().split(' ').count(), 3, "{alone}");
    }

    /// Reads a past of two minutes' ban that was written in another boot, by this wall clock.
    fn elapsed(wall_ms: u64, behind: &str) -> u64 {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("past");
        let written = format!(r#"{{"boot":"another","wall_ms":{wall_ms},"mono_ms":5{behind}}}"#);
        fs::write(&path, format!("{written}\nwait banned 120000\n")).unwrap();
        read(&path).expect("it is read").1
    }

    #[test]
    fn a_clock_that_was_wrong_neither_ends_a_wait_early_nor_holds_it() {
        let now = Stamp::now().wall_ms;
        let (week, floor) = (7 * 24 * 3_600_000, 1_700_000_000_000);
        for behind in ["", r#","behind":false"#] {
            assert!(elapsed(now - week, behind) >= week, "the clock was good");
        }
        assert_eq!(elapsed(floor, r#","behind":true"#), 0, "nobody knows");
        assert_eq!(elapsed(now + week, ""), 0, "the time of a run counts");
    }
}
