//! Files that are there whole or not at all, whatever happens while they are written; but for [`overwrite`], which is for less.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

use crate::wear::{self, Cost};

/// Replaces a file: after a crash it has the old contents or the new, durable on return.
pub fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    place(path, contents)?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// As [`replace`], but that it has the new contents is durable only after [`sync_dir`] of its directory.
pub fn place(path: &Path, contents: &[u8]) -> io::Result<()> {
    let temporary = path.with_added_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(contents)?;
    file.sync_all()?;
    count(contents);
    fs::rename(&temporary, path)
}

/// Overwrites a file in place, durable on return: one flush, where [`replace`] takes one for the contents and one for the name.
///
/// A crash leaves the old contents, the new ones, or a file that cannot be understood: it is for what is known to be void then.
/// A file of another size, or none, is replaced.
pub fn overwrite(path: &Path, contents: &[u8]) -> io::Result<()> {
    let is_as_long = fs::metadata(path).is_ok_and(|file| file.len() == contents.len() as u64);
    if !is_as_long {
        return replace(path, contents);
    }
    let file = OpenOptions::new().write(true).open(path)?;
    file.write_all_at(contents, 0)?;
    file.sync_data()?;
    count(contents);
    Ok(())
}

/// Makes a directory that only we can look into, and its name durable; one that exists is fine.
pub fn make_dir(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent),
        _ => sync_dir(Path::new(".")),
    }
}

/// Makes the names in a directory durable.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()?;
    count(&[]);
    Ok(())
}

/// Counts a flush, and what it made durable.
fn count(contents: &[u8]) {
    wear::beside(Cost {
        bytes: contents.len() as u64,
        barriers: 1,
    });
}

/// Copies a directory of files and directories; not durable by itself.
pub fn copy_dir(from: &Path, to: &Path) -> io::Result<()> {
    make_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
