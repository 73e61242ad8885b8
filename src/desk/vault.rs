//! The vault and the disk, in counts; the boot report, the incidents and the audit.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_medium::{
    barrier::Stats,
    wear::{Costs, Forecast},
};

use super::{Desk, Refusal, Request, aside};
use crate::boot::Report;
use crate::history::{HistoryError, Incident, Incidents, Verdict};

/// The most entries of a log that one request returns.
const MOST_ENTRIES: usize = 128;

impl Desk {
    /// How many records of each tier the live generation holds. Reads all of them.
    ///
    /// # Errors
    /// [`Refusal::Storage`] when they cannot be read.
    pub async fn records(&self) -> Result<BTreeMap<String, u64>, Refusal> {
        self.rooms()?;
        let counts = self.ask(|reply| Request::Records { reply });
        counts.await?.map_err(Refusal::Storage)
    }

    /// The commits and device flushes since the daemon started.
    pub fn counters(&self) -> Stats {
        self.0.barrier.stats()
    }

    /// The cost of each purpose to the card since the daemon started.
    pub fn costs(&self) -> Costs {
        self.0.barrier.costs()
    }

    /// How long the card lasts; `None` where its wear cannot be read.
    pub fn forecast(&self) -> Option<Forecast> {
        let card = self.0.card.as_ref()?;
        Some(card.forecast(&self.0.barrier.costs()))
    }

    /// The boot report, as far as it is written.
    pub fn boot_report(&self) -> Arc<Report> {
        self.0.boot.borrow().clone()
    }

    /// The last `max` (`None`: as many as fit) times in which something was wrong, the newest last.
    ///
    /// # Errors
    /// [`Refusal::Storage`].
    pub async fn incidents(&self, max: Option<usize>) -> Result<Vec<Incident>, Refusal> {
        let (dir, max) = (self.0.data.clone(), at_most(max));
        aside(move || Incidents::last(&dir, max).map_err(HistoryError::Incidents)).await
    }

    /// Checks the audit log.
    ///
    /// # Errors
    /// [`Refusal::Storage`].
    pub async fn verify_audit(&self) -> Result<Verdict, Refusal> {
        let audit = self.rooms()?.audit;
        aside(move || audit.check()).await
    }

    /// Up to `max` (`None`: as many as fit) entries of the audit log, JSON as they stand in it, from number `from` on.
    ///
    /// # Errors
    /// [`Refusal::Storage`].
    pub async fn read_audit(&self, from: u64, max: Option<usize>) -> Result<Vec<String>, Refusal> {
        let (audit, max) = (self.rooms()?.audit, at_most(max));
        aside(move || audit.read(from, max)).await
    }
}

fn at_most(max: Option<usize>) -> usize {
    max.unwrap_or(MOST_ENTRIES).min(MOST_ENTRIES)
}
