//! Device files of buses: found by what their bus is, and opened by one process of ours at a time.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use super::WireError;

/// A bus or a device on one, as the kernel lists it.
pub(super) struct Listed {
    /// Its device file.
    pub(super) file: String,
    /// Its name; empty where it has none.
    pub(super) name: String,
    /// Its device-tree node; empty where it has none.
    pub(super) node: PathBuf,
}

impl Listed {
    /// Reads an entry of one of sysfs' lists.
    pub(super) fn read(file: String, entry: &Path) -> Self {
        Self {
            file,
            name: fs::read_to_string(entry.join("name")).unwrap_or_default(),
            node: fs::read_link(entry.join("of_node")).unwrap_or_default(),
        }
    }

    /// A name by which a description finds it: its node's, its own, or its device file.
    pub(super) fn lasting_name(&self) -> String {
        let node = self.node.file_name().and_then(|node| node.to_str());
        let own = Some(self.name.trim()).filter(|name| !name.is_empty());
        node.or(own).unwrap_or(&self.file).to_owned()
    }

    fn fits(&self, wanted: &str) -> bool {
        let node = self.node.to_str();
        self.file == wanted
            || self.name.contains(wanted)
            || node.is_some_and(|node| node.contains(wanted))
    }
}

/// Lists the names in a directory of sysfs that begin with `start`, without it, sorted by the numbers in them.
pub(super) fn numbered<const N: usize>(directory: &Path, start: &str) -> Vec<[u32; N]> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| {
        let name = entry.file_name();
        let numbers = name.to_str()?.strip_prefix(start)?.split('.');
        let numbers: Option<Vec<u32>> = numbers.map(|number| number.parse().ok()).collect();
        numbers?.try_into().ok()
    });
    let mut numbers: Vec<_> = numbers.collect();
    numbers.sort_unstable();
    numbers
}

/// Finds the first device that fits the first of `wanted` that any fits: its device file, or a part of its name or of its
/// device-tree node's.
pub(super) fn find(listed: &[Listed], wanted: &[String]) -> Option<PathBuf> {
    let first = |wanted: &String| listed.iter().find(|listed| listed.fits(wanted));
    wanted
        .iter()
        .find_map(first)
        .map(|found| found.file.clone().into())
}

/// Opens and locks a device file, so that no other process of ours draws on its display: two pictures at a time would be
/// none.
///
/// # Errors
/// When it does not open, or another process has it locked.
pub(super) fn lock(path: &Path) -> Result<File, WireError> {
    let failed = |error| WireError::bus(path, error);
    let file = File::options()
        .read(true)
        .write(true)
        .open(path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(WireError::Taken(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_one_s_alone_until_it_is_given_back() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let alone = lock(file.path()).unwrap();
        assert!(matches!(lock(file.path()), Err(WireError::Taken(_))));
        drop(alone);
        assert!(lock(file.path()).is_ok());
        let missing = lock(Path::new("/nonexistent")).err().unwrap();
        assert!(matches!(missing, WireError::Bus { .. }), "{missing}");
    }
}
