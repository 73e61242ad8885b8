//! Keeps WhatsApp's last words when it refused a connection or ended one: its text, and the whole stanza.
//!
//! It may name the account, or carry what WhatsApp says only once (an appeal's token), so that it is kept for the operator and
//! never logged. One JSON object a line; a line that was cut off is passed over.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use holdfast_medium::{DataDir, Secret, Stamp, atomic};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// How many are kept.
const KEPT: usize = 64;
/// No stanza of this kind is longer, bytes; more of one is not kept.
const LONGEST: usize = 4096;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastWord {
    /// When it was said.
    pub at: Stamp,
    /// Its text for humans; empty when there is none.
    pub words: String,
    /// The whole of it, as XML.
    pub stanza: String,
}

/// Those of a data directory. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LastWords {
    path: PathBuf,
    /// One writes at a time.
    writing: Arc<Mutex<()>>,
}

impl LastWords {
    /// Nothing is read or written yet.
    pub fn new(dir: &DataDir) -> Self {
        Self {
            path: dir.last_words(),
            writing: Arc::default(),
        }
    }

    /// Keeps one, durable when it returns. They are rare, so that all are written anew.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn keep(&self, words: Secret<String>, stanza: Secret<String>) -> io::Result<()> {
        let word = LastWord {
            at: Stamp::now(),
            words: cut(words.into_exposed()),
            stanza: cut(stanza.into_exposed()),
        };
        let _writing = self.writing.lock();
        let mut all = self.last(KEPT - 1)?;
        all.push(word);
        let mut text = String::new();
        for word in &all {
            text += &serde_json::to_string(word)?;
            text.push('\n');
        }
        atomic::replace(&self.path, text.as_bytes())
    }

    /// The last ones, the newest last.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn last(&self, max: usize) -> io::Result<Vec<LastWord>> {
        let text = match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            text => text?,
        };
        let lines = text.split(|byte| *byte == b'\n');
        let mut all: Vec<_> = lines
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect();
        Ok(all.split_off(all.len().saturating_sub(max)))
    }
}

/// A server may send what it likes.
fn cut(mut text: String) -> String {
    let end = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at));
    text.truncate(end.unwrap_or_default());
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_last_ones_are_kept_for_nobody_else() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::new(root.path());
        let last_words = LastWords::new(&dir);
        assert!(last_words.last(9).unwrap().is_empty());
        for number in 0..KEPT + 3 {
            let stanza = Secret::new(format!("<failure reason=\"401\" n=\"{number}\"/>"));
            last_words.keep(Secret::new("gone".into()), stanza).unwrap();
        }
        fs::write(
            dir.last_words(),
            [b"{\"at\"\n", fs::read(dir.last_words()).unwrap().as_slice()].concat(),
        )
        .unwrap();
        let all = LastWords::new(&dir).last(100).unwrap();
        assert_eq!(all.len(), KEPT);
        assert_eq!(all[0].stanza, "<failure reason=\"401\" n=\"3\"/>");
        assert_eq!(last_words.last(1).unwrap(), all[KEPT - 1..]);
        let mode = fs::metadata(dir.last_words()).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
    }

    #[test]
    fn a_stanza_without_end_is_cut() {
        assert_eq!(cut("ö".repeat(LONGEST)).len(), LONGEST);
        assert_eq!(cut("short".into()), "short");
    }
}
