//! A settings file: TOML read by sections and keys, and what is wrong with it by line.
//!
//! - `walk`: a file whose writer reads errors; it is right as a whole or wrong
//! - `Sheet`: a file as people leave it, of which one bad line costs that line; `mend`: its text, from any editor

mod lenient;
mod mend;

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use toml::de::{DeTable, DeValue};

pub(crate) use lenient::{Entry, Sheet, Unclear};

/// One error in a settings file. It never holds the value: that may be a phone number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The file, as it was named.
    pub file: PathBuf,
    /// The line, from 1, where it is about one.
    pub line: Option<usize>,
    /// The mistake, and what would be right.
    pub what: String,
}

impl Problem {
    /// The file cannot be read.
    pub(crate) fn unreadable(file: &Path, error: &io::Error) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            what: format!("cannot be read: {error}"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file.display(), self.what),
            None => write!(f, "{}: {}", self.file.display(), self.what),
        }
    }
}

/// Parses a TOML text, passes every `section.key` to `set`, and returns the errors with their lines.
pub(crate) fn walk<E: fmt::Display>(
    file: &Path,
    text: &str,
    mut set: impl FnMut(&str, &str, &DeValue<'_>) -> Result<(), E>,
) -> Vec<Problem> {
    let problem = |offset: Option<usize>, what: String| Problem {
        file: file.to_owned(),
        line: offset
            .and_then(|offset| text.get(..offset))
            .map(|before| before.matches('\n').count() + 1),
        what,
    };
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            return vec![problem(
                error.span().map(|span| span.start),
                error.message().to_owned(),
            )];
        }
    };
    let mut problems = Vec::new();
    for (section, keys) in table.get_ref() {
        let Some(keys) = keys.get_ref().as_table() else {
            let what = format!(
                "`{}` stands outside a section, such as [device]",
                section.get_ref()
            );
            problems.push(problem(Some(section.span().start), what));
            continue;
        };
        for (key, value) in keys {
            if let Err(why) = set(section.get_ref(), key.get_ref(), value.get_ref()) {
                let what = format!("{}.{}: {why}", section.get_ref(), key.get_ref());
                problems.push(problem(Some(key.span().start), what));
            }
        }
    }
    problems
}
