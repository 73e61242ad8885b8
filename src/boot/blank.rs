//! Blanks a file with keys in it before it is removed.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use holdfast_medium::space::allocated;
use rustix::fs::OFlags;

/// Overwrites a file where it lies, as well as the medium lets us: a card writes elsewhere what it is told to overwrite. Nothing but a regular
/// file of one name is written to, and no more than has blocks.
pub(super) fn blank(path: &Path) -> io::Result<()> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut file = OpenOptions::new()
        .write(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    let about = file.metadata()?;
    if !about.is_file() || about.nlink() > 1 {
        return Err(io::Error::other("it is no file, or has another name"));
    }
    let zeros = [0; 64 << 10];
    let mut left = about.len().min(allocated(&about));
    while left > 0 {
        let part = left.min(zeros.len() as u64);
        file.write_all(&zeros[..part as usize])?;
        left -= part;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn a_file_is_blanked_where_it_lies_and_nothing_else_is_written_to() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::write(at("secret"), [7; 100_000]).unwrap();
        blank(&at("secret")).unwrap();
        assert_eq!(fs::read(at("secret")).unwrap(), [0; 100_000]);
        // A hole has no blocks to be written to.
        let hole = File::create(at("hole")).unwrap();
        hole.set_len(1 << 40).unwrap();
        blank(&at("hole")).unwrap();
        assert!(allocated(&fs::metadata(at("hole")).unwrap()) < 1 << 20);
        for theirs in ["behind a link", "theirs"] {
            fs::write(at(theirs), "theirs").unwrap();
        }
        symlink(at("behind a link"), at("link")).unwrap();
        fs::hard_link(at("theirs"), at("twin")).unwrap();
        fs::create_dir(at("directory")).unwrap();
        mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        for name in ["link", "twin", "directory", "fifo", "missing"] {
            assert!(blank(&at(name)).is_err(), "{name}");
        }
        for theirs in ["behind a link", "theirs"] {
            assert_eq!(fs::read_to_string(at(theirs)).unwrap(), "theirs");
        }
    }
}
