//! A repair in the middle of a life: the audit first, then the vault, then the link again.

use std::sync::Arc;

use holdfast_core::{self as core, CauseCode, Event, Plan, Trigger};

use super::Daemon;
use crate::history::{Audit, Kind};
use crate::journal;
use crate::vault::{Report, Vault};

impl Daemon {
    /// Carries out a plan, which reads the whole store: the loop goes on meanwhile.
    pub(super) async fn repair(&mut self, plan: Plan) {
        self.link.ended().await;
        let (vault, audit) = (Arc::clone(&self.vault), self.audit.clone());
        let events = self.events.clone();
        tokio::spawn(async move {
            let generation = vault.linked().generation;
            let done = match carry_out(&vault, &audit, plan).await {
                Ok(report) => {
                    journal::repaired(generation, &report);
                    Event::Booted(vault.linked())
                }
                Err(error) => {
                    tracing::error!("the keys of {generation} could not be repaired: {error:#}");
                    Event::StorageFailed(CauseCode::VaultFailed)
                }
            };
            // Without a loop to hear of it, the next start goes on from what it finds.
            let _ = events.send(done);
        });
    }
}

async fn carry_out(vault: &Vault, audit: &Audit, plan: Plan) -> anyhow::Result<Report> {
    let generation = vault.linked().generation;
    let order = core::Audit {
        trigger: Trigger::Recovery,
        old: generation,
        new: generation,
    };
    audit.append(Kind::Repair, &order)?;
    Ok(vault.repair(plan).await?)
}
