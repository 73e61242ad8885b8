//! The data directory: the paths of everything that outlives a boot.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use holdfast_core::GenerationId;

/// The names in a data directory beside those of generations, without what a file is called while it is made, or when it cannot be read.
const NAMES: [&str; 22] = [
    "CURRENT",
    "age",
    "archive",
    "audit",
    "audit.log",
    "boot",
    "clock",
    "exported",
    "factory-reset",
    "incidents.log",
    "last-words.log",
    "lock",
    "mail",
    "marks",
    "past",
    "quarantine",
    "reserve",
    "reset-done",
    "run",
    "update",
    "workshop",
    "workshop-of-imports",
];

/// The data directory (`--data`): one type, so that every room means the same paths.
#[derive(Clone, Debug)]
pub struct DataDir(PathBuf);

impl DataDir {
    /// Names a data directory; nothing is created or read.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self(root.into())
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// The file that names the live generation.
    pub fn current(&self) -> PathBuf {
        self.0.join("CURRENT")
    }

    /// Held by the process that uses the directory.
    pub fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// The key records of a generation.
    pub fn generation(&self, id: GenerationId) -> PathBuf {
        self.0.join(id.to_string())
    }

    /// Retired generations.
    pub fn archive(&self) -> PathBuf {
        self.0.join("archive")
    }

    /// The directory of what repairs took out of the vault.
    pub fn quarantine(&self) -> PathBuf {
        self.0.join("quarantine")
    }

    /// The file of the high-water marks of key ids; it outlives every copy of a device.
    pub fn marks(&self) -> PathBuf {
        self.0.join("marks")
    }

    /// The file that says how far the directory has come.
    pub fn age(&self) -> PathBuf {
        self.0.join("age")
    }

    /// Inbox and outbox; they outlive a generation.
    pub fn mail(&self) -> PathBuf {
        self.0.join("mail")
    }

    /// The file of what the core has to remember at the next start.
    pub fn past(&self) -> PathBuf {
        self.0.join("past")
    }

    /// The file of incidents.
    pub fn incidents(&self) -> PathBuf {
        self.0.join("incidents.log")
    }

    /// The file of WhatsApp's last words when it refused or ended a connection.
    pub fn last_words(&self) -> PathBuf {
        self.0.join("last-words.log")
    }

    /// The file of the last archive that left whole.
    pub fn exported(&self) -> PathBuf {
        self.0.join("exported")
    }

    /// There while everything is to be forgotten, before anything else is used.
    pub fn reset(&self) -> PathBuf {
        self.0.join("factory-reset")
    }

    /// What a factory reset did, until the owner has seen it.
    pub fn reset_done(&self) -> PathBuf {
        self.0.join("reset-done")
    }

    /// What is known of the last update, and the bundle on its way.
    pub fn update(&self) -> PathBuf {
        self.0.join("update")
    }

    /// Whether a name in a data directory is one of Holdfast's.
    pub fn is_ours(name: &OsStr) -> bool {
        let Some(name) = name.to_str() else {
            return false;
        };
        let whole = [".new", ".unreadable", ".head"]
            .iter()
            .fold(name, |name, end| name.strip_suffix(end).unwrap_or(name));
        NAMES.contains(&whole) || whole.parse::<GenerationId>().is_ok()
    }

    /// The hash-chained audit log.
    pub fn audit(&self) -> PathBuf {
        self.0.join("audit.log")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn everything_lies_in_the_one_directory_under_a_name_of_its_own() {
        let dir = DataDir::new("/data/holdfast");
        let generation = dir.generation(GenerationId(7));
        assert_eq!(generation, Path::new("/data/holdfast/gen-0007"));
        let all = [
            generation,
            dir.generation(GenerationId(8)),
            dir.current(),
            dir.lock(),
            dir.archive(),
            dir.quarantine(),
            dir.marks(),
            dir.age(),
            dir.mail(),
            dir.past(),
            dir.incidents(),
            dir.last_words(),
            dir.audit(),
            dir.reset(),
            dir.reset_done(),
            dir.exported(),
            dir.update(),
        ];
        let named = |path: &PathBuf| DataDir::is_ours(path.file_name().unwrap());
        assert!(all.iter().all(named));
        assert!(all.iter().all(|path| path.parent() == Some(dir.root())));
        assert_eq!(BTreeSet::from(all.clone()).len(), all.len());
    }

    #[test]
    fn what_others_laid_there_is_not_ours() {
        for (name, ours) in [
            ("gen-0001", true),
            ("CURRENT.new", true),
            ("past.unreadable", true),
            ("audit.head", true),
            ("gen-0001.bak", false),
            ("gen-1 of mine", false),
            ("notes.txt", false),
            ("mail.old", false),
            (".git", false),
            ("", false),
        ] {
            assert_eq!(DataDir::is_ours(OsStr::new(name)), ours, "{name}");
        }
    }
}
