//! The image of a disk as a power cut leaves it, built from its log.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::SeekFrom;

use super::cut::{Cut, Fate};
use super::log::{Act, Entry, Log, SECTOR};

/// Builds images, one cut after the other: the flushed part of the log is written to a base once, each image is a copy of
/// the base with the fates of the rest.
pub struct Replay<'a> {
    log: &'a Log,
    start: PathBuf,
    base: File,
    base_path: PathBuf,
    /// How many entries the base has.
    applied: usize,
}

impl<'a> Replay<'a> {
    /// Replays `log` upon the image the disk began with; the base is kept in the directory `place`.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(log: &'a Log, start: &Path, place: &Path) -> io::Result<Replay<'a>> {
        let base_path = place.join("base");
        Ok(Replay {
            log,
            start: start.to_owned(),
            base: copy(start, &base_path)?,
            base_path,
            applied: 0,
        })
    }

    /// Makes `image` what the cut leaves. Cuts in the order of the log are fastest.
    ///
    /// # Errors
    /// What the system says.
    pub fn build(&mut self, cut: &Cut, image: &Path) -> io::Result<()> {
        let entries = self.log.entries();
        let flushed = cut.flushed(entries);
        if flushed < self.applied {
            self.base = copy(&self.start, &self.base_path)?;
            self.applied = 0;
        }
        for entry in &entries[self.applied..flushed] {
            apply(self.log, entry, &Fate::Kept, &self.base)?;
        }
        self.applied = flushed;
        let image = copy(&self.base_path, image)?;
        for (entry, fate) in cut.fates(entries) {
            apply(self.log, entry, &fate, &image)?;
        }
        Ok(())
    }
}

fn apply(log: &Log, entry: &Entry, fate: &Fate, image: &File) -> io::Result<()> {
    let Act::Write { to, from, len, .. } = entry.act else {
        return Ok(());
    };
    let mut data = vec![0; len];
    match fate {
        Fate::Lost => Ok(()),
        Fate::Kept => {
            log.read(from, &mut data)?;
            image.write_all_at(&data, to)
        }
        Fate::Torn(kept) => {
            log.read(from, &mut data)?;
            let sectors = data.chunks(SECTOR).zip((to..).step_by(SECTOR));
            sectors
                .zip(kept)
                .filter(|(_, kept)| **kept)
                .try_for_each(|((sector, to), _)| image.write_all_at(sector, to))
        }
    }
}

/// A copy with the same holes, and a file of its own where there was one: a mount namespace that somebody made meanwhile keeps
/// what is mounted alive, and `mount` would take up the loop device of the same file again, old content and all.
///
/// # Errors
/// What the system says.
pub fn copy(from: &Path, to: &Path) -> io::Result<File> {
    let source = File::open(from)?;
    let size = source.metadata()?.len();
    match fs::remove_file(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let target = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(to)?;
    target.set_len(size)?;
    let mut data = Vec::new();
    let mut at = 0;
    // ENXIO: no data from here on.
    while let Ok(start) = rustix::fs::seek(&source, SeekFrom::Data(at)) {
        at = rustix::fs::seek(&source, SeekFrom::Hole(start))?;
        data.resize(usize::try_from(at - start).map_err(io::Error::other)?, 0);
        source.read_exact_at(&mut data, start)?;
        target.write_all_at(&data, start)?;
    }
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::super::cut::Kind;
    use super::super::log::tests::log;
    use super::*;

    const FLUSH: u64 = 1;

    #[test]
    fn an_image_is_the_flushed_part_and_the_fates_of_the_rest() {
        let log = log(&[
            (0, 0, vec![1; 512]),
            (0, FLUSH, vec![]),
            (0, 0, vec![2; 512]),
            (0, FLUSH, vec![]),
            (1, 0, vec![3; 512]),
        ]);
        let place = tempfile::tempdir().unwrap();
        let start = place.path().join("start");
        fs::write(&start, [9; 1536]).unwrap();
        let mut replay = Replay::new(&log, &start, place.path()).unwrap();
        let mut built = |kind, after| {
            let cut = Cut {
                kind,
                after,
                dice: 0,
            };
            let image = place.path().join("image");
            replay.build(&cut, &image).unwrap();
            let bytes = fs::read(image).unwrap();
            [bytes[0], bytes[512], bytes[1024]]
        };
        assert_eq!(built(Kind::Prefix, 5), [2, 3, 9]);
        assert_eq!(built(Kind::Flush, 5), [2, 9, 9]);
        assert_eq!(built(Kind::Prefix, 4), [2, 9, 9]);
        assert_eq!(built(Kind::Flush, 3), [1, 9, 9], "back again");
        assert_eq!(built(Kind::Prefix, 3), [2, 9, 9]);
        assert_eq!(built(Kind::Flush, 0), [9, 9, 9]);
    }

    #[test]
    fn a_torn_write_is_torn_between_sectors() {
        let log = log(&[(0, 0, [[1; 512], [2; 512], [3; 512]].concat())]);
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("image");
        fs::write(&path, [9; 1536]).unwrap();
        let image = File::options().read(true).write(true).open(&path).unwrap();
        let torn = Fate::Torn(vec![true, false, true]);
        apply(&log, &log.entries()[0], &torn, &image).unwrap();
        let bytes = fs::read(&path).unwrap();
        assert_eq!(
            [bytes[0], bytes[511], bytes[512], bytes[1024]],
            [1, 1, 9, 3]
        );
    }

    #[test]
    fn a_copy_is_the_same_holes_and_all() {
        let place = tempfile::tempdir().unwrap();
        let (from, to) = (place.path().join("from"), place.path().join("to"));
        let file = File::create(&from).unwrap();
        file.set_len(1 << 20).unwrap();
        file.write_all_at(&[7; 4096], 512 << 10).unwrap();
        copy(&from, &to).unwrap();
        assert_eq!(fs::read(&from).unwrap(), fs::read(&to).unwrap());
    }

    #[test]
    fn a_copy_leaves_the_file_that_was_there_to_who_still_has_it() {
        let place = tempfile::tempdir().unwrap();
        let (from, to) = (place.path().join("from"), place.path().join("to"));
        fs::write(&from, [1; 512]).unwrap();
        fs::write(&to, [2; 512]).unwrap();
        let held = File::open(&to).unwrap();
        copy(&from, &to).unwrap();
        let mut bytes = [0; 512];
        held.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(bytes, [2; 512]);
        assert_eq!(fs::read(&to).unwrap(), [1; 512]);
    }
}
