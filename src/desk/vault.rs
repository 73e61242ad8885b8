//! The vault and the disk, in counts; the boot report, the incidents and the audit.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_medium::{
    barrier::Stats,
    wear::{self, Costs, Forecast},
};

use super::{Ask, Desk, Refusal, Request, aside};
use crate::boot::BootReport;
use crate::history::{AuditHead, HistoryError, Incident, Incidents, Verdict};

/// The most entries of a log that one request returns.
const MOST_ENTRIES: usize = 128;

impl Desk {
    /// How many records of each tier the live generation holds. Reads all of them.
    ///
    /// # Errors
    /// [`Refusal::Storage`] when they cannot be read.
    pub async fn records(&self) -> Result<BTreeMap<String, u64>, Refusal> {
        self.check(Ask::Records)?;
        self.rooms()?;
        let counts = self.ask(|reply| Request::Records { reply });
        counts.await?.map_err(Refusal::Storage)
    }

    /// The commits and device flushes since the daemon started, and what was written; its start is part of it.
    ///
    /// # Errors
    /// [`Refusal::NotAllowed`].
    pub fn counters(&self) -> Result<Stats, Refusal> {
        let costs = self.costs()?;
        Ok(Stats {
            barriers: costs.values().map(|cost| cost.barriers).sum(),
            bytes: costs.values().map(|cost| cost.bytes).sum(),
            ..self.lines.barrier.stats()
        })
    }

    /// The cost of each purpose to the card since the daemon started.
    ///
    /// # Errors
    /// [`Refusal::NotAllowed`].
    pub fn costs(&self) -> Result<Costs, Refusal> {
        self.check(Ask::Wear)?;
        // No purpose has writes of both kinds.
        let mut costs = self.lines.barrier.costs();
        costs.extend(wear::all_beside());
        Ok(costs)
    }

    /// How long the card lasts; `None` where its wear cannot be read.
    ///
    /// # Errors
    /// [`Refusal::NotAllowed`].
    pub fn forecast(&self) -> Result<Option<Forecast>, Refusal> {
        let costs = self.costs()?;
        let card = self.lines.card.as_ref();
        Ok(card.map(|card| card.forecast(&costs)))
    }

    /// The boot report, as far as it is written.
    ///
    /// # Errors
    /// [`Refusal::NotAllowed`].
    pub fn boot_report(&self) -> Result<Arc<BootReport>, Refusal> {
        self.check(Ask::BootReport)?;
        Ok(self.lines.boot.borrow().clone())
    }

    /// The stable name of how the last run ended.
    pub fn last_end(&self) -> String {
        self.lines.boot.borrow().last_end.clone()
    }

    /// The last `max` (`None`: as many as fit) times in which something was wrong, the newest last.
    ///
    /// # Errors
    /// [`Refusal::Storage`].
    pub async fn incidents(&self, max: Option<usize>) -> Result<Vec<Incident>, Refusal> {
        self.check(Ask::Incidents)?;
        let (dir, max) = (self.lines.data.clone(), at_most(max));
        aside(move || Incidents::last(&dir, max).map_err(HistoryError::Incidents)).await
    }

    /// Checks the audit log.
    ///
    /// # Errors
    /// [`Refusal::Storage`].
    pub async fn verify_audit(&self) -> Result<Verdict, Refusal> {
        self.check(Ask::Audit)?;
        let audit = self.rooms()?.audit;
        aside(move || audit.check()).await
    }

    /// The last entry of the audit log.
    ///
    /// # Errors
    /// [`Refusal::Storage`].
    pub async fn audit_head(&self) -> Result<AuditHead, Refusal> {
        self.check(Ask::Audit)?;
        let audit = self.rooms()?.audit;
        aside(move || audit.head()).await
    }

    /// Up to `max` (`None`: as many as fit) entries of the audit log, JSON as they stand in it, from number `from` on.
    ///
    /// # Errors
    /// [`Refusal::Storage`].
    pub async fn read_audit(&self, from: u64, max: Option<usize>) -> Result<Vec<String>, Refusal> {
        self.check(Ask::Audit)?;
        let (audit, max) = (self.rooms()?.audit, at_most(max));
        aside(move || audit.read(from, max)).await
    }
}

fn at_most(max: Option<usize>) -> usize {
    max.unwrap_or(MOST_ENTRIES).min(MOST_ENTRIES)
}
