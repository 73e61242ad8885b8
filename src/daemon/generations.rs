//! One generation given up for another: the audit first, then the switch, then the archive.

use std::sync::Arc;

use holdfast_core::{self as core, ArchiveId, Event, Linked, Trigger};

use super::Daemon;
use crate::history::{Archive, Audit, Kind, Subject};
use crate::journal;
use crate::vault::Vault;

impl Daemon {
    /// Gives the live generation up for the next. A slow card takes its time: the loop goes on meanwhile.
    pub(super) async fn retire(&mut self, order: core::Audit) {
        self.link.ended().await;
        let (vault, archive) = (Arc::clone(&self.vault), self.archive.clone());
        let (audit, events) = (self.audit.clone(), self.events.clone());
        tokio::spawn(async move {
            let done = match try_retire(&vault, &archive, &audit, order).await {
                Ok(linked) => {
                    journal::retired(order.old, linked.generation, order.trigger);
                    Event::Retired(linked)
                }
                Err(error) => {
                    tracing::error!("{} could not be retired: {error:#}", order.old);
                    Event::RetireFailed
                }
            };
            // Without a loop to hear of it, the next start finds it done or undone.
            let _ = events.send(done);
        });
    }

    /// Gives the live generation up for an archived one. That reads a whole archive: the loop goes on meanwhile.
    pub(super) async fn restore(&mut self, order: core::Audit, from: ArchiveId) {
        self.link.ended().await;
        let (vault, archive) = (Arc::clone(&self.vault), self.archive.clone());
        let (audit, events) = (self.audit.clone(), self.events.clone());
        tokio::spawn(async move {
            let done = match try_restore(&vault, &archive, &audit, order, from).await {
                Ok(linked) => {
                    journal::retired(order.old, linked.generation, order.trigger);
                    journal::restored(from, linked.generation);
                    Event::Retired(linked)
                }
                Err(error) => {
                    tracing::error!("{from} could not be restored: {error:#}");
                    Event::RetireFailed
                }
            };
            // Without a loop to hear of it, the next start finds it done or undone.
            let _ = events.send(done);
        });
    }
}

/// The audit entry first, then the switch to the next generation, then the move of the old one, which the next
/// start finishes when it is cut short.
async fn try_retire(
    vault: &Vault,
    archive: &Archive,
    audit: &Audit,
    order: core::Audit,
) -> anyhow::Result<Linked> {
    let account = vault.linked().account;
    audit.append(Kind::Retire, &order)?;
    let linked = vault.begin_next().await?.linked;
    if let Err(error) = archive.retire(&order, account, reason(order.trigger)) {
        tracing::error!("{} is retired but not moved yet: {error}", order.old);
    }
    Ok(linked)
}

/// The new generation is made aside first; then the audit entries, the switch, and the move of the old generation,
/// which the next start finishes when it is cut short.
async fn try_restore(
    vault: &Vault,
    archive: &Archive,
    audit: &Audit,
    order: core::Audit,
    from: ArchiveId,
) -> anyhow::Result<Linked> {
    let prepared = archive.prepare(from).await?;
    let account = vault.linked().account;
    audit.append(Kind::Retire, &order)?;
    audit.append(Kind::Restore, Subject::restore(&order, from))?;
    let linked = vault.begin_restored(prepared.path()).await?.linked;
    let reason = format!("a human had {from} restored over the bus");
    if let Err(error) = archive.retire(&order, account, &reason) {
        tracing::error!("{} is retired but not moved yet: {error}", order.old);
    }
    Ok(linked)
}

/// Why a generation was retired, for its manifest.
fn reason(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Button => "a human asked for a new link at the device",
        Trigger::Bus => "a human asked for a new link over the bus",
        Trigger::Server => "WhatsApp revoked the link, and confirmed it",
        Trigger::Recovery => "Holdfast recovered from damage at boot",
    }
}
