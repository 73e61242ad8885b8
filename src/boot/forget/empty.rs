//! Removes what is in a directory: never behind a symbolic link, never on another file system, and what is left is named.

use std::ffi::OsStr;
use std::fs::{self, DirEntry, File, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use crate::boot::blank::blank;

/// Whose the directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Ours, in somebody else's place: a link in it leads to what is theirs, and stays.
    Ours,
    /// Ours, on a partition of ours: a link goes, and where it leads stays.
    All,
}

/// What becomes of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It goes, and all below it.
    Goes,
    /// The same, each file overwritten before.
    GoesBlanked,
    /// It stays, as it should.
    Stays,
    /// It stays, for it is somebody else's.
    Theirs,
}

/// An emptying under way.
pub(super) struct Emptying {
    whose: Whose,
    /// The file system that is not left.
    device: u64,
    /// What is left, and why.
    pub(super) left: Vec<String>,
}

impl Emptying {
    /// Begins on the file system that this directory is on.
    pub(super) fn of(root: &Path, whose: Whose) -> io::Result<Self> {
        Ok(Self {
            whose,
            device: fs::symlink_metadata(root)?.dev(),
            left: Vec::new(),
        })
    }

    /// Empties a directory, by the fate of each name in it. One that is not there is empty.
    ///
    /// # Errors
    /// Something could not be removed, be it because the medium fails.
    pub(super) fn empty(&mut self, dir: &Path, fate: impl Fn(&OsStr) -> Fate) -> io::Result<()> {
        match fs::symlink_metadata(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            found => {
                if !self.enters(dir, &found?) {
                    return Ok(());
                }
            }
        }
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            match fate(&entry.file_name()) {
                Fate::Goes => self.remove(&entry, false)?,
                Fate::GoesBlanked => self.remove(&entry, true)?,
                Fate::Stays => {}
                Fate::Theirs => self.leave(&entry.path(), "is not Holdfast's"),
            }
        }
        File::open(dir)?.sync_all()
    }

    /// Whether this is a directory of the same file system; what is left of another is named.
    fn enters(&mut self, path: &Path, about: &Metadata) -> bool {
        let why = match about.is_dir() {
            true if about.dev() == self.device => return true,
            true => "is on another file system",
            false => "is no directory",
        };
        self.leave(path, why);
        false
    }

    fn remove(&mut self, entry: &DirEntry, secret: bool) -> io::Result<()> {
        let path = entry.path();
        // Of the entry itself: what a link leads to is not looked at.
        let about = entry.metadata()?;
        let kind = about.file_type();
        if kind.is_dir() {
            if !self.enters(&path, &about) {
                return Ok(());
            }
            for entry in fs::read_dir(&path)? {
                self.remove(&entry?, secret)?;
            }
            return match fs::remove_dir(&path) {
                // What is left in it is named.
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
                done => done,
            };
        }
        if kind.is_symlink() && self.whose == Whose::Ours {
            self.leave(&path, "is a link to elsewhere");
            return Ok(());
        }
        if secret
            && kind.is_file()
            && let Err(error) = blank(&path)
        {
            tracing::warn!("{} is removed, and not blanked: {error}", path.display());
        }
        if kind.is_file() || kind.is_symlink() || kind.is_socket() || self.whose == Whose::All {
            return fs::remove_file(&path);
        }
        self.leave(&path, "is no file");
        Ok(())
    }

    fn leave(&mut self, path: &Path, why: &str) {
        self.left.push(format!("{} {why}", path.display()));
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use tempfile::TempDir;

    use super::*;

    fn fifo(path: &Path) {
        mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap();
    }

    /// A directory of ours with everything that may lie in it, and one elsewhere that links lead to.
    fn scene() -> (TempDir, TempDir) {
        let (here, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let at = |path: &str| here.path().join(path);
        fs::write(elsewhere.path().join("theirs"), "theirs").unwrap();
        fs::create_dir_all(at("gen-0001/sled")).unwrap();
        fs::write(at("gen-0001/identity.a"), "key").unwrap();
        fs::write(at("gen-0001/sled/db"), "keys").unwrap();
        symlink(elsewhere.path(), at("gen-0001/link")).unwrap();
        symlink(elsewhere.path(), at("archive")).unwrap();
        symlink(elsewhere.path().join("theirs"), at("marks")).unwrap();
        fifo(&at("age"));
        fs::create_dir(at("run")).unwrap();
        drop(UnixListener::bind(at("run/socket")).unwrap());
        fs::write(at("notes.txt"), "mine").unwrap();
        (here, elsewhere)
    }

    fn names(dir: &Path) -> Vec<String> {
        let names = fs::read_dir(dir).unwrap();
        let mut names: Vec<_> = names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn empties(here: &Path, whose: Whose) -> Vec<String> {
        let mut emptying = Emptying::of(here, whose).unwrap();
        let fate = |name: &OsStr| match name == "notes.txt" && whose == Whose::Ours {
            true => Fate::Theirs,
            false => Fate::GoesBlanked,
        };
        emptying.empty(here, fate).unwrap();
        let name = |line: &String| {
            let path = line.split(' ').next().unwrap();
            let path = Path::new(path).strip_prefix(here).unwrap();
            path.display().to_string()
        };
        let mut left: Vec<_> = emptying.left.iter().map(name).collect();
        left.sort();
        left
    }

    #[test]
    fn in_somebody_s_place_links_and_what_is_theirs_stay_and_are_named() {
        let (here, elsewhere) = scene();
        let left = empties(here.path(), Whose::Ours);
        assert_eq!(
            left,
            ["age", "archive", "gen-0001/link", "marks", "notes.txt"]
        );
        let stays = ["age", "archive", "gen-0001", "marks", "notes.txt"];
        assert_eq!(names(here.path()), stays);
        assert_eq!(names(&here.path().join("gen-0001")), ["link"]);
        let theirs = fs::read_to_string(elsewhere.path().join("theirs"));
        assert_eq!(theirs.unwrap(), "theirs");
    }

    #[test]
    fn on_our_partition_everything_goes_and_nothing_behind_a_link() {
        let (here, elsewhere) = scene();
        assert_eq!(empties(here.path(), Whose::All), [""; 0]);
        assert_eq!(names(here.path()), [""; 0]);
        let theirs = fs::read_to_string(elsewhere.path().join("theirs"));
        assert_eq!(theirs.unwrap(), "theirs");
    }

    #[test]
    fn another_file_system_is_not_entered() {
        let (here, _elsewhere) = scene();
        let mut emptying = Emptying {
            device: u64::MAX,
            ..Emptying::of(here.path(), Whose::All).unwrap()
        };
        emptying.empty(here.path(), |_| Fate::Goes).unwrap();
        assert_eq!(emptying.left.len(), 1);
        assert!(here.path().join("gen-0001/sled/db").exists());
        // The same below: a directory that something is mounted on.
        let mut emptying = Emptying::of(here.path(), Whose::All).unwrap();
        emptying.device = u64::MAX;
        for entry in fs::read_dir(here.path()).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                emptying.remove(&entry, false).unwrap();
            }
        }
        assert!(here.path().join("gen-0001/sled/db").exists());
        assert_eq!(emptying.left.len(), 2, "gen-0001 and run");
    }
}
