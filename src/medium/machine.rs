//! The machine we run on, so that a test can give another.

use std::path::{Path, PathBuf};

/// The machine we run on, as the directory its `/proc`, `/sys`, `/dev` and `/var` are found in.
#[derive(Clone, Debug)]
pub struct Machine(PathBuf);

impl Machine {
    /// The one we run on.
    pub fn this() -> Self {
        Self::at("/")
    }

    /// The one whose files lie under `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self(root.into())
    }

    /// Whether it is the one we run on, whose clock we may set.
    pub fn is_this(&self) -> bool {
        self.0 == Path::new("/")
    }

    /// A file, by its absolute path without the leading slash.
    pub fn file(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }
}
