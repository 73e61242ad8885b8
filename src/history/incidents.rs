//! Keeps incidents: what went wrong, since when, what was done about it, and how long it took.
//!
//! One JSON object a line; a line about an incident stands for all earlier ones about it. Nothing rests on this file, so that
//! nobody waits for it to reach the disk, and a line that was cut off is passed over.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use holdfast_core::Cause;
use holdfast_medium::{DataDir, Stamp, atomic};
use serde::{Deserialize, Serialize};

/// How many incidents are kept when the file is written anew.
const KEPT: usize = 200;
/// It is written anew before it has more lines than this.
const LINES: usize = 1_000;
/// Remarks of the same kind within this time are one incident, milliseconds.
const REMARKED_MS: u64 = 24 * 60 * 60 * 1000;
/// The most causes, and deeds, of one that are written down.
const TOLD: usize = 16;

/// A time in which the session was not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Counts from 1.
    pub number: u64,
    /// When it began.
    pub since: Stamp,
    /// The codes of its causes, in the order they were found.
    pub causes: Vec<String>,
    /// The remedies that Holdfast took.
    pub done: Vec<String>,
    /// When all was well again; `None`: not yet.
    pub until: Option<Stamp>,
    /// How long it took, milliseconds.
    pub took_ms: Option<u64>,
}

/// The log of a data directory.
#[derive(Debug)]
pub struct Incidents {
    path: PathBuf,
    last: u64,
    open: Option<Incident>,
    /// The last one that was only a remark.
    remark: Option<Incident>,
    /// How many lines the file has; [`LINES`] when the last one may be half of one.
    lines: usize,
}

impl Incidents {
    /// Opens the log. An incident that was open goes on.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn open(dir: &DataDir) -> io::Result<Self> {
        let path = dir.incidents();
        let (all, lines) = read(&path)?;
        let last = all.into_values().next_back();
        Ok(Self {
            path,
            last: last.as_ref().map_or(0, |last| last.number),
            open: last.filter(|last| last.until.is_none()),
            remark: None,
            lines,
        })
    }

    /// The last ones, the newest last.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn last(dir: &DataDir, max: usize) -> io::Result<Vec<Incident>> {
        let (all, _) = read(&dir.incidents())?;
        let before = all.len().saturating_sub(max);
        Ok(all.into_values().skip(before).collect())
    }

    /// Something is wrong.
    pub fn happens(&mut self, cause: Cause) {
        let code = cause.code.as_str();
        match &mut self.open {
            Some(open) if open.causes.iter().any(|known| known == code) => return,
            Some(open) if open.causes.len() == TOLD => return,
            Some(open) => open.causes.push(code.to_owned()),
            None => {
                let begun = self.begin();
                self.open.insert(begun).causes.push(code.to_owned());
            }
        }
        self.write_open();
    }

    /// Something is done about it.
    pub fn does(&mut self, what: &str) {
        let Some(open) = self.open.as_mut().filter(|open| open.done.len() < TOLD) else {
            return;
        };
        // Attempts go on for days.
        if open.done.iter().all(|done| done != what) {
            open.done.push(what.to_owned());
            self.write_open();
        }
    }

    /// Something was done though the session is well.
    pub fn remarks(&mut self, what: &str) {
        if self.open.is_some() {
            return self.does(what);
        }
        let now = Stamp::now();
        let same = self
            .remark
            .take()
            .filter(|last| last.done == [what] && now.since(&last.since) < REMARKED_MS);
        let mut remark = same.unwrap_or_else(|| self.begin());
        remark.done = vec![what.to_owned()];
        remark.took_ms = Some(now.since(&remark.since));
        remark.until = Some(now);
        self.write(&remark);
        self.remark = Some(remark);
    }

    /// Ends the incident: all is well.
    pub fn ends(&mut self) {
        if let Some(open) = &mut self.open {
            let now = Stamp::now();
            open.took_ms = Some(now.since(&open.since));
            open.until = Some(now);
            self.write_open();
            self.open = None;
        }
    }

    fn begin(&mut self) -> Incident {
        self.last += 1;
        Incident {
            number: self.last,
            since: Stamp::now(),
            causes: Vec::new(),
            done: Vec::new(),
            until: None,
            took_ms: None,
        }
    }

    fn write_open(&mut self) {
        if let Some(open) = self.open.clone() {
            self.write(&open);
        }
    }

    fn write(&mut self, incident: &Incident) {
        let written = if self.lines < LINES {
            append(&self.path, incident).map(|()| self.lines + 1)
        } else {
            write_anew(&self.path, incident)
        };
        self.lines = written.unwrap_or_else(|error| {
            tracing::warn!("an incident cannot be written down: {error}");
            LINES
        });
    }
}

fn append(path: &Path, incident: &Incident) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(line(incident).as_bytes())
}

/// Keeps the last ones alone, this one among them. How many lines they take.
fn write_anew(path: &Path, incident: &Incident) -> io::Result<usize> {
    let (mut all, _) = read(path)?;
    all.insert(incident.number, incident.clone());
    let before = all.len().saturating_sub(KEPT);
    let lines: String = all.values().skip(before).map(line).collect();
    atomic::replace(path, lines.as_bytes())?;
    Ok(all.len() - before)
}

fn line(incident: &Incident) -> String {
    // It has only text and numbers in it.
    let json = serde_json::to_string(incident).unwrap_or_default();
    format!("{json}\n")
}

/// Reads the incidents in the file, by number, and counts its lines.
fn read(path: &Path) -> io::Result<(BTreeMap<u64, Incident>, usize)> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        text => text?,
    };
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let is_whole = text.last().is_none_or(|byte| *byte == b'\n');
    let count = if is_whole {
        lines.clone().count()
    } else {
        LINES
    };
    let incidents = lines.filter_map(|line| serde_json::from_slice::<Incident>(line).ok());
    Ok((incidents.map(|it| (it.number, it)).collect(), count))
}

#[cfg(test)]
mod tests {
    use holdfast_core::CauseCode;

    use super::*;

    #[test]
    fn an_incident_has_a_beginning_causes_deeds_and_an_end() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::new(root.path());
        let mut log = Incidents::open(&dir).unwrap();
        log.does("nothing is wrong");
        log.happens(CauseCode::ConnectionLost.into());
        log.happens(CauseCode::ConnectionLost.into());
        log.happens(CauseCode::KeysRebuilt.into());
        log.does("the session keys were made anew");
        drop(log);

        // The power goes, with half a line written.
        let mut file = OpenOptions::new()
            .append(true)
            .open(dir.incidents())
            .unwrap();
        file.write_all(b"{\"number\":1,\"sin").unwrap();
        let mut log = Incidents::open(&dir).unwrap();
        log.ends();
        log.happens(CauseCode::Replaced.into());

        let all = Incidents::last(&dir, 10).unwrap();
        let [first, second] = all.as_slice() else {
            panic!("{all:?}")
        };
        assert_eq!(
            first.causes,
            ["network.connection-lost", "storage.keys-rebuilt"]
        );
        assert_eq!(first.done, ["the session keys were made anew"]);
        assert!(first.took_ms.is_some_and(|took| took < 60_000));
        assert_eq!((second.number, &second.until), (2, &None));
        assert_eq!(Incidents::last(&dir, 1).unwrap(), all[1..]);
    }

    #[test]
    fn the_log_does_not_grow_for_ever() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::new(root.path());
        let mut log = Incidents::open(&dir).unwrap();
        let mut longest = 0;
        for _ in 0..2 * LINES {
            log.happens(CauseCode::ConnectionLost.into());
            log.ends();
            let text = fs::read_to_string(dir.incidents()).unwrap();
            longest = longest.max(text.lines().count());
        }
        assert_eq!(longest, LINES);
        let all = Incidents::last(&dir, KEPT).unwrap();
        let last = u64::try_from(2 * LINES).unwrap();
        assert_eq!((all.len(), all[KEPT - 1].number), (KEPT, last));
        assert!(all.iter().all(|it| it.until.is_some()));
    }

    #[test]
    fn what_is_done_though_all_is_well_is_one_incident_a_day() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::new(root.path());
        let mut log = Incidents::open(&dir).unwrap();
        log.remarks("had a contact make a new session");
        log.remarks("had a contact make a new session");
        log.happens(CauseCode::ConnectionLost.into());
        log.remarks("had a contact make a new session");
        let all = Incidents::last(&dir, 10).unwrap();
        let [remark, incident] = all.as_slice() else {
            panic!("{all:?}")
        };
        assert_eq!(remark.done, ["had a contact make a new session"]);
        assert!(remark.causes.is_empty() && remark.until.is_some());
        assert_eq!(incident.done, remark.done);
        assert_eq!(incident.until, None);
    }
}
