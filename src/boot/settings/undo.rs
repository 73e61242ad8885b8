//! What the values were before a change, in one file: while it is there the change does not hold, whatever cuts it off.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use holdfast_medium::atomic;

use super::shelf::{DIAGNOSIS_KEYS, KEYS, Shelf, WIFI};

/// The file.
const FILE: &str = "before.json";
/// What it holds, of what is kept.
const KEPT: [&str; 5] = ["hostname", "settings.json", KEYS, DIAGNOSIS_KEYS, WIFI];

/// Notes, durably, what everything is now.
pub(super) fn begin(shelf: &Shelf) -> io::Result<()> {
    let mut before = BTreeMap::new();
    for name in KEPT {
        let text = match fs::read_to_string(shelf.file(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            text => Some(text?),
        };
        before.insert(name, text);
    }
    atomic::replace(&shelf.file(FILE), &serde_json::to_vec(&before)?)
}

/// From here on the change holds.
pub(super) fn keep(shelf: &Shelf) -> io::Result<()> {
    let file = shelf.file(FILE);
    fs::remove_file(&file)?;
    file.parent().map_or(Ok(()), atomic::sync_dir)
}

/// Makes everything what it was, where a change does not hold yet; whether one did not. A cut in between begins it again.
pub(super) fn take_back(shelf: &Shelf) -> io::Result<bool> {
    let before = match fs::read(shelf.file(FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        before => before?,
    };
    let before: BTreeMap<String, Option<String>> = serde_json::from_slice(&before)?;
    for name in KEPT {
        let path = shelf.file(name);
        match before.get(name) {
            Some(Some(text)) => atomic::replace(&path, text.as_bytes())?,
            Some(None) => match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            },
            None => {}
        }
    }
    // The names of what was removed are gone before the note of them is.
    for name in ["ssh", "wifi", ""] {
        match atomic::sync_dir(&shelf.file(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    keep(shelf)?;
    Ok(true)
}
