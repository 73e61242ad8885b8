//! Our own mark of a run: written when it begins, closed when it ends in order. No heartbeat: it would wear the card.

use std::fs;
use std::io;
use std::path::PathBuf;

use holdfast_medium::push::{BLOCK, Blocks, Pushed};
use holdfast_medium::{Claim, DataDir, Stamp, atomic, space::Reserve};
use serde::{Deserialize, Serialize};

use super::{DIR, Said};

/// How far a run got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Run {
    /// It began.
    Running,
    /// It stopped in order: everything promised was on the medium before this was written.
    Stopped,
}

/// The mark of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// How far it got.
    pub run: Run,
    /// Its process.
    pub pid: u32,
    /// When this was written, and in which boot.
    #[serde(flatten)]
    pub at: Stamp,
}

/// The mark of this run.
#[derive(Debug)]
pub struct RunMark {
    dir: DataDir,
}

impl Mark {
    /// The mark the last run left.
    pub(super) fn read(dir: &DataDir) -> Said<Self> {
        let path = path(dir);
        Said::of_file(&path).and_then(|text| match serde_json::from_str(&text) {
            Ok(mark) => Said::Present(mark),
            Err(error) => Said::Unreadable(format!("{}: {error}", path.display())),
        })
    }
}

impl RunMark {
    /// Marks the run as begun, in a data directory that is ours. The mark is in the device on return, and durable with its next flush:
    /// that of the store, which is opened now.
    ///
    /// # Errors
    /// The mark is as it was.
    pub fn begin(claim: &Claim) -> io::Result<Self> {
        let dir = claim.dir();
        atomic::make_dir(&dir.root().join(DIR))?;
        let mark = Self { dir: dir.clone() };
        mark.write(Run::Running)?;
        Ok(mark)
    }

    /// Closes the mark, durably. Call it when the last barrier is done.
    ///
    /// # Errors
    /// The mark says still that the run goes on.
    pub fn stop(self) -> io::Result<()> {
        self.write(Run::Stopped)?.flush()
    }

    /// Overwrites the one block of the file in place. Should it be torn by that, it is one more signal that says nothing.
    fn write(&self, run: Run) -> io::Result<Pushed> {
        let mark = Mark {
            run,
            pid: std::process::id(),
            at: Stamp::now(),
        };
        let mut json = serde_json::to_vec(&mark)?;
        json.resize(BLOCK.max(json.len() + 1) - 1, b' ');
        json.push(b'\n');
        let path = path(&self.dir);
        if fs::metadata(&path).map_or(0, |file| file.len()) != json.len() as u64 {
            Reserve::of(self.dir.root()).relieved(|| atomic::replace(&path, &json))?;
            return Pushed::open(&path);
        }
        let mut file = Pushed::open(&path)?;
        file.write(0, &Blocks::new(&json))?;
        Ok(file)
    }
}

fn path(dir: &DataDir) -> PathBuf {
    dir.root().join(DIR).join("run.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_closed_by_a_stop_alone_and_a_damaged_one_says_so() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::new(root.path().join("data"));
        assert_eq!(Mark::read(&dir), Said::Absent);

        let mark = RunMark::begin(&Claim::take(&dir).unwrap()).unwrap();
        let run = || Mark::read(&dir).present().map(|mark| (mark.run, mark.pid));
        assert_eq!(run(), Some((Run::Running, std::process::id())));
        mark.stop().unwrap();
        assert_eq!(run(), Some((Run::Stopped, std::process::id())));

        fs::write(path(&dir), "{\"run\":\"runn").unwrap();
        assert!(matches!(Mark::read(&dir), Said::Unreadable(_)));
    }
}
