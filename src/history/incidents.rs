//! What went wrong, since when, what was done about it, and how long it took.
//!
//! One JSON object a line; a line about an incident stands for all earlier ones about it. Nothing rests on this file, so that
//! nobody waits for it to reach the disk, and a line that was cut off is passed over.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use holdfast_core::{Cause, State};
use serde::{Deserialize, Serialize};

use super::Stamp;
use crate::vault::{DataDir, atomic};

/// How many incidents are kept when the file is written anew at a start.
const KEPT: usize = 200;
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
    /// What Holdfast did about it.
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
}

impl Incidents {
    /// Opens the log, and makes it shorter where it has become long. One that was open goes on.
    ///
    /// # Errors
    /// The file cannot be read, or not be written.
    pub fn open(dir: &DataDir) -> io::Result<Self> {
        let path = dir.incidents();
        let all = read(&path)?;
        let open = all.last().filter(|last| last.until.is_none()).cloned();
        let last = all.last().map_or(0, |last| last.number);
        if all.len() > KEPT {
            let kept = &all[all.len() - KEPT..];
            let lines: String = kept.iter().map(line).collect();
            atomic::replace(&path, lines.as_bytes())?;
        }
        Ok(Self { path, last, open })
    }

    /// The last ones, the newest last.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn last(dir: &DataDir, max: usize) -> io::Result<Vec<Incident>> {
        let mut all = read(&dir.incidents())?;
        Ok(all.split_off(all.len().saturating_sub(max)))
    }

    /// Something is wrong.
    pub fn happens(&mut self, cause: Cause) {
        let code = cause.code.as_str();
        match &mut self.open {
            Some(open) if open.causes.iter().any(|known| known == code) => return,
            Some(open) if open.causes.len() == TOLD => return,
            Some(open) => open.causes.push(code.to_owned()),
            None => {
                self.last += 1;
                self.open = Some(Incident {
                    number: self.last,
                    since: Stamp::now(),
                    causes: vec![code.to_owned()],
                    done: Vec::new(),
                    until: None,
                    took_ms: None,
                });
            }
        }
        self.write();
    }

    /// Something is done about it.
    pub fn does(&mut self, what: &str) {
        let Some(open) = self.open.as_mut().filter(|open| open.done.len() < TOLD) else {
            return;
        };
        // Attempts go on for days.
        if open.done.iter().all(|done| done != what) {
            open.done.push(what.to_owned());
            self.write();
        }
    }

    /// Ends the incident once all is well.
    pub fn look(&mut self, state: &State) {
        if state.is_well()
            && let Some(open) = &mut self.open
        {
            let now = Stamp::now();
            open.took_ms = Some(now.since(&open.since));
            open.until = Some(now);
            self.write();
            self.open = None;
        }
    }

    fn write(&self) {
        let Some(open) = &self.open else { return };
        let appended = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path)
            .and_then(|mut file| file.write_all(line(open).as_bytes()));
        if let Err(error) = appended {
            tracing::warn!("an incident cannot be written down: {error}");
        }
    }
}

fn line(incident: &Incident) -> String {
    // It has only text and numbers in it.
    let json = serde_json::to_string(incident).unwrap_or_default();
    format!("{json}\n")
}

fn read(path: &PathBuf) -> io::Result<Vec<Incident>> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text?,
    };
    let lines = text.split(|byte| *byte == b'\n');
    let incidents = lines.filter_map(|line| serde_json::from_slice::<Incident>(line).ok());
    let by_number: BTreeMap<_, _> = incidents.map(|it| (it.number, it)).collect();
    Ok(by_number.into_values().collect())
}

#[cfg(test)]
mod tests {
    use holdfast_core::{
        CauseCode, Event, Findings, GenerationId, IdentityFound, LastFour, Linked, Now, StoreFound,
        Todo, Unusable, step,
    };

    use super::*;

    fn connected() -> State {
        let mut state = State::new(1);
        let found = Findings {
            identity: IdentityFound::Sound,
            store: StoreFound::Sound,
            unusable: Unusable::default(),
            todo: Todo::default(),
        };
        let linked = Linked {
            generation: GenerationId(1),
            account: Some(LastFour(*b"1234")),
        };
        for event in [Event::Found(found), Event::Booted(linked), Event::LinkUp] {
            step(&mut state, event, Now { mono_ms: 0 });
        }
        state
    }

    #[test]
    fn an_incident_has_a_beginning_causes_deeds_and_an_end() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::new(root.path());
        let mut log = Incidents::open(&dir).unwrap();
        log.does("nothing is wrong");
        log.happens(CauseCode::ConnectionLost.into());
        log.happens(CauseCode::ConnectionLost.into());
        log.look(&State::new(1));
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
        file.write_all(b"\n").unwrap();
        log.look(&connected());
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
        for _ in 0..KEPT + 50 {
            log.happens(CauseCode::ConnectionLost.into());
            log.look(&connected());
        }
        let long = fs::metadata(dir.incidents()).unwrap().len();
        drop(Incidents::open(&dir).unwrap());
        assert!(fs::metadata(dir.incidents()).unwrap().len() < long / 2);
        let all = Incidents::last(&dir, 1_000).unwrap();
        assert_eq!((all.len(), all[0].number), (KEPT, 51));
    }
}
