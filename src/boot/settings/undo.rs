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

const TAKEN_BACK: &str = "A change of the settings was cut off, and is taken back.";
const UNKNOWN: &str = "A change of the settings was cut off, and what was before cannot be read: everything stays as it is. Look at it with `holdfastctl settings`.";

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

/// Makes everything what it was, where a change does not hold yet, and tells of it. A cut in between begins it again.
pub(super) fn take_back(shelf: &Shelf) -> io::Result<Option<&'static str>> {
    let before = match fs::read(shelf.file(FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        before => before.and_then(|json| Ok(serde_json::from_slice(&json)?)),
    };
    let before: BTreeMap<String, Option<String>> = match before {
        Ok(before) => before,
        Err(error) => {
            tracing::warn!("what was before a change of the settings cannot be read: {error}");
            shelf.set_aside(FILE)?;
            return Ok(Some(UNKNOWN));
        }
    };
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
    Ok(Some(TAKEN_BACK))
}
