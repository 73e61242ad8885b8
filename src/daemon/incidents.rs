//! Incidents: what goes wrong is written down, with what is done about it.

use std::sync::Arc;

use holdfast_core::{Cause, State};
use holdfast_medium::{DataDir, Lane, Stopped, blocking};
use parking_lot::Mutex;

use crate::history::Incidents;

/// The log of what went wrong, written in the lane. Nothing rests on it.
pub(super) struct IncidentLog {
    lane: Lane,
    /// `None` where it cannot be written.
    log: Arc<Mutex<Option<Incidents>>>,
    /// Something may have been written since all was well.
    stirred: bool,
}

impl IncidentLog {
    /// Begins closed: nothing is written before [`IncidentLog::open`].
    pub(super) fn new(lane: &Lane) -> Self {
        Self {
            lane: lane.clone(),
            log: Arc::default(),
            // An incident of the last run may be open.
            stirred: true,
        }
    }

    /// Opens the log of a data directory that is ours, once.
    pub(super) fn open(&self, data: &DataDir) {
        let (log, data) = (Arc::clone(&self.log), data.clone());
        self.post(move || {
            let mut log = log.lock();
            if log.is_none() {
                match Incidents::open(&data) {
                    Ok(opened) => *log = Some(opened),
                    Err(error) => tracing::warn!("what goes wrong cannot be written down: {error}"),
                }
            }
        });
    }

    /// Notes that something is wrong.
    pub(super) fn happens(&mut self, cause: Cause) {
        self.write(move |log| log.happens(cause));
    }

    /// Notes what is done about it.
    pub(super) fn does(&mut self, deed: impl Into<String>) {
        let deed = deed.into();
        self.write(move |log| log.does(&deed));
    }

    /// Notes what is done though the session is well.
    pub(super) fn remarks(&mut self, deed: &'static str) {
        self.write(move |log| log.remarks(deed));
    }

    /// Ends the incident once all is well.
    pub(super) fn look(&mut self, state: &State) {
        if state.is_well() && self.stirred {
            self.write(Incidents::ends);
            self.stirred = false;
        }
    }

    fn write(&mut self, line: impl FnOnce(&mut Incidents) + Send + 'static) {
        self.stirred = true;
        let log = Arc::clone(&self.log);
        self.post(move || {
            if let Some(log) = &mut *log.lock() {
                line(log);
            }
        });
    }

    fn post(&self, work: impl FnOnce() + Send + 'static) {
        self.lane.post(async move {
            let done = blocking(move || {
                work();
                Ok::<_, Stopped>(())
            });
            // Nothing rests on it.
            let _ = done.await;
        });
    }
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

    #[tokio::test]
    async fn an_incident_ends_when_all_is_well_and_not_before() {
        let root = tempfile::tempdir().unwrap();
        let (dir, lane) = (DataDir::new(root.path()), Lane::new());
        let mut log = IncidentLog::new(&lane);
        log.happens(CauseCode::Replaced.into());
        log.open(&dir);
        log.happens(CauseCode::ConnectionLost.into());
        log.does("connected");
        log.look(&State::new(1));
        let all = async || {
            lane.run(async {}).await.unwrap();
            Incidents::last(&dir, 10).unwrap()
        };
        let [open] = &all().await[..] else {
            panic!("one incident, of what came after it was opened")
        };
        assert_eq!((open.done.len(), &open.until), (1, &None));
        log.look(&connected());
        assert!(all().await[0].until.is_some());
        log.open(&dir);
        log.happens(CauseCode::Replaced.into());
        assert_eq!(all().await[1].number, 2, "it goes on counting");
    }
}
