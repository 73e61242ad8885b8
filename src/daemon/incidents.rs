//! Incidents: what goes wrong is written down, with what is done about it.

use std::sync::Arc;

use holdfast_core::{Cause, State};
use holdfast_medium::{DataDir, Lane, blocking};
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
    /// Opens the log of a data directory; without one that is ours nothing is written.
    pub(super) fn new(lane: &Lane, data: Option<DataDir>) -> Self {
        let this = Self {
            lane: lane.clone(),
            log: Arc::default(),
            // An incident of the last run may be open.
            stirred: true,
        };
        if let Some(data) = data {
            let log = Arc::clone(&this.log);
            this.post(move || match Incidents::open(&data) {
                Ok(opened) => *log.lock() = Some(opened),
                Err(error) => tracing::warn!("what goes wrong cannot be written down: {error}"),
            });
        }
        this
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
        if state.is_well() && std::mem::take(&mut self.stirred) {
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
                anyhow::Ok(())
            });
            // Nothing rests on it.
            drop(done.await);
        });
    }
}
