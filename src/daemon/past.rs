//! What the next start has to know: the core's few lines, below the moment they were written.

use std::fs;
use std::io;
use std::path::Path;

use holdfast_core::{Event, Past};

use crate::history::Stamp;
use crate::vault::atomic;

/// Writes it down, durable on return.
///
/// # Errors
/// The file is as it was.
pub(super) fn keep(path: &Path, past: &Past) -> io::Result<()> {
    let now = serde_json::to_string(&Stamp::now())?;
    atomic::replace(path, format!("{now}\n{past}").as_bytes())
}

/// What the last runs wrote down. A file that is not there, or is not ours, is none.
pub(super) fn read(path: &Path) -> Option<Event> {
    let text = fs::read_to_string(path).ok()?;
    let (written, past) = text.split_once('\n')?;
    Some(Event::Remembered {
        past: past.parse().ok()?,
        elapsed_ms: Stamp::now().since(&serde_json::from_str(written).ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_and_anything_else_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("past");
        assert_eq!(read(&path), None);
        let past: Past = "attempts 5000\nreplaced 2\nwait banned 60000\n"
            .parse()
            .unwrap();
        keep(&path, &past).unwrap();
        let Some(Event::Remembered {
            past: kept,
            elapsed_ms,
        }) = read(&path)
        else {
            panic!("nothing is read")
        };
        assert_eq!(kept, past);
        assert!(elapsed_ms < 60_000, "{elapsed_ms}");
        for other in ["", "no stamp\nattempts\n", "{}\nattempts\n"] {
            fs::write(&path, other).unwrap();
            assert_eq!(read(&path), None, "{other:?}");
        }
    }
}
