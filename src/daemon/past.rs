//! Keeps the core's memory across restarts: a few lines, below the moment they were written.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use holdfast_core::Past;
use holdfast_medium::{Stamp, atomic};

/// Writes it down, durable on return.
///
/// # Errors
/// The file is as it was.
pub(super) fn keep(path: &Path, past: &Past) -> io::Result<()> {
    let now = serde_json::to_string(&Stamp::now())?;
    atomic::replace(path, format!("{now}\n{past}").as_bytes())
}

/// Names the file for what a start wrote down while the data partition was closed: it outlives the process, and no power cut.
pub(super) fn of_runtime(runtime: &Path) -> PathBuf {
    runtime.join("past")
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
    let elapsed_ms = Stamp::now().since(&serde_json::from_str(written).ok()?);
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
        keep(&path, &past).unwrap();
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
}
