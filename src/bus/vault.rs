//! `org.holdfast.Vault1`: how the vault is doing, in counts.

use std::collections::BTreeMap;

use zbus::interface;

use super::{Error, Handle, Request};

/// The vault object.
pub struct Vault {
    handle: Handle,
}

impl Vault {
    pub(super) fn new(handle: Handle) -> Self {
        Self { handle }
    }
}

#[interface(
    name = "org.holdfast.Vault1",
    proxy(
        default_service = "org.holdfast.Holdfast1",
        default_path = "/org/holdfast/Holdfast1"
    )
)]
impl Vault {
    /// How many records of each tier the live generation holds.
    #[zbus(out_args("records"))]
    async fn records(&self) -> Result<BTreeMap<String, u64>, Error> {
        let counts = self.handle.ask(|reply| Request::Records { reply });
        counts.await?.map_err(Error::Storage)
    }

    /// What was asked of the disk since the daemon started: commits, the barriers (device flushes) they took, and bytes written.
    #[zbus(out_args("commits", "barriers", "bytes"))]
    async fn counters(&self) -> (u64, u64, u64) {
        let stats = self.handle.barrier.stats();
        (stats.commits, stats.barriers, stats.bytes)
    }

    /// What each purpose cost the card since the daemon started: its name, bytes written, and barriers made for it.
    #[zbus(out_args("costs"))]
    async fn costs(&self) -> Vec<(String, u64, u64)> {
        let costs = self.handle.barrier.costs();
        costs
            .into_iter()
            .map(|(purpose, cost)| (purpose.as_str().to_owned(), cost.bytes, cost.barriers))
            .collect()
    }

    /// What the card bears: bytes a day that are written now, bytes a day at which it lasts ten years, and the years it
    /// lasts as things are. All zero where the card cannot be looked at.
    #[zbus(out_args("bytes_per_day", "budget_per_day", "years"))]
    async fn forecast(&self) -> (u64, u64, f64) {
        let forecast = self.handle.card.as_ref().map(|card| {
            let forecast = card.forecast(&self.handle.barrier.costs());
            (
                forecast.bytes_per_day,
                forecast.budget_per_day,
                forecast.years,
            )
        });
        forecast.unwrap_or_default()
    }

    /// The boot report as JSON: how the last run ended, what each signal said, what was found, how long each stage took.
    #[zbus(out_args("report"))]
    async fn boot_report(&self) -> Result<String, Error> {
        serde_json::to_string(&*self.handle.boot)
            .map_err(|error| zbus::Error::Failure(format!("the boot report: {error}")).into())
    }

    /// How the last run ended: `clean`, `process-crash`, `kernel-crash`, `watchdog`, `power-loss`, `first-start`, `unknown`.
    #[zbus(property(emits_changed_signal = "const"))]
    fn last_end(&self) -> String {
        self.handle.boot.last_end.clone()
    }

    /// The live generation, such as `gen-0007`.
    #[zbus(property(emits_changed_signal = "false"))]
    fn generation(&self) -> String {
        self.handle.status.borrow().linked.generation.to_string()
    }
}
