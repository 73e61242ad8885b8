//! Mutations: edits that each make one thing in the core wrong, to see that the simulation notices.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Deserialize;

/// The table, below the top of the source.
const TABLE: &str = "tests/sim/mutations.toml";

/// One edit of the source that breaks a promise of the core.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutation {
    /// Its name.
    pub name: String,
    /// The promise that it breaks.
    pub why: String,
    /// The file it changes, below the top of the source.
    file: PathBuf,
    /// Stands there exactly once, white space included.
    search: String,
    /// Takes its place.
    replace: String,
}

/// An error of a mutation, or of the table of all.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// The table or a file it names cannot be read or written.
    #[error("{place}: {error}", place = .0.display(), error = .1)]
    Io(PathBuf, io::Error),
    /// The table is not one.
    #[error("{TABLE}: {0}")]
    Table(#[from] toml::de::Error),
    /// The searched text does not stand in the file exactly once.
    #[error("what it searches stands {times} times in {}", file.display())]
    Times {
        /// Where it searches.
        file: PathBuf,
        /// How often the text was found.
        times: usize,
    },
}

impl Mutation {
    /// All mutations of the source whose top is this folder.
    ///
    /// # Errors
    /// The table cannot be read, or is none.
    pub fn all(source: &Path) -> Result<Vec<Self>, Unfit> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            mutation: Vec<Mutation>,
        }
        let table: Table = toml::from_str(&read(source.join(TABLE))?)?;
        Ok(table.mutation)
    }

    /// Changes the source whose top is this folder.
    ///
    /// # Errors
    /// The file cannot be read or written, or the mutation does not fit it any more.
    pub fn apply(&self, source: &Path) -> Result<(), Unfit> {
        let path = source.join(&self.file);
        let changed = self.changed(&read(path.clone())?)?;
        fs::write(&path, changed).map_err(|error| Unfit::Io(path, error))
    }

    fn changed(&self, text: &str) -> Result<String, Unfit> {
        match text.matches(&self.search).count() {
            1 => Ok(text.replacen(&self.search, &self.replace, 1)),
            times => Err(Unfit::Times {
                file: self.file.clone(),
                times,
            }),
        }
    }
}

fn read(path: PathBuf) -> Result<String, Unfit> {
    fs::read_to_string(&path).map_err(|error| Unfit::Io(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    #[test]
    fn each_fits_the_source_and_changes_it() {
        let mutations = Mutation::all(&source()).expect("the table");
        let mut unfit = Vec::new();
        for mutation in &mutations {
            let text = read(source().join(&mutation.file)).and_then(|text| {
                let changed = mutation.changed(&text)?;
                assert_ne!(changed, text, "{} changes nothing", mutation.name);
                Ok(changed)
            });
            unfit.extend(
                text.err()
                    .map(|error| format!("{}: {error}", mutation.name)),
            );
        }
        assert!(unfit.is_empty(), "{}", unfit.join("\n"));
    }

    #[test]
    fn each_has_a_name_of_its_own_and_a_reason() {
        let mutations = Mutation::all(&source()).expect("the table");
        let mut names: Vec<&str> = mutations.iter().map(|one| one.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), mutations.len(), "a name stands twice");
        assert!(mutations.iter().all(|one| one.why.ends_with('.')));
    }

    #[test]
    fn what_stands_twice_or_nowhere_does_not_fit() {
        let mutation = Mutation {
            name: "one".to_owned(),
            why: "It is tested.".to_owned(),
            file: "a.rs".into(),
            search: "now".to_owned(),
            replace: "then".to_owned(),
        };
        assert_eq!(mutation.changed("do it now").expect("once"), "do it then");
        for (text, times) in [("never", 0), ("now or now", 2)] {
            let error = mutation.changed(text).expect_err("not once").to_string();
            assert_eq!(
                error,
                format!("what it searches stands {times} times in a.rs")
            );
        }
    }
}
