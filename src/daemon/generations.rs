//! Deeds on a whole generation: each is written to the audit first, and begun again by the next start when it is cut short.

use holdfast_core::{self as core, ArchiveId, Linked, Plan, Trigger};
use holdfast_medium::{DataDir, blocking};

use super::rooms::Rooms;
use crate::history::{Audit, AuditKind, Subject};
use crate::journal;
use crate::vault::{Remains, RepairReport};

/// Gives the live generation up for the next: the audit entry, then the switch, then the move of the old one, which the
/// next start finishes when it is cut short.
pub(super) async fn retire(rooms: &Rooms, order: core::Order) -> anyhow::Result<Linked> {
    let account = rooms.vault.linked().account;
    let audit = rooms.audit.clone();
    blocking(move || audit.append(AuditKind::Retire, &order)).await?;
    let linked = rooms.vault.begin_next().await?.linked;
    let archive = rooms.archive.clone();
    let moved = blocking(move || archive.retire(&order, account, reason(order.trigger))).await;
    if let Err(error) = moved {
        tracing::error!("{} is retired but not moved yet: {error}", order.old);
    }
    journal::retired(order.old, linked.generation, order.trigger);
    Ok(linked)
}

/// Gives the live generation up for an archived one. The new generation is made aside first; then the audit entries, the
/// switch, and the move of the old generation, which the next start finishes when it is cut short.
pub(super) async fn restore(
    rooms: &Rooms,
    order: core::Order,
    from: ArchiveId,
) -> anyhow::Result<Linked> {
    let prepared = rooms.archive.prepare(from).await?;
    let account = rooms.vault.linked().account;
    let audit = rooms.audit.clone();
    blocking(move || {
        audit.append(AuditKind::Retire, &order)?;
        audit.append(AuditKind::Restore, Subject::restore(&order, from))
    })
    .await?;
    let linked = rooms.vault.begin_restored(prepared.path()).await?.linked;
    let archive = rooms.archive.clone();
    let reason = format!("a human had {from} restored over the bus");
    if let Err(error) = blocking(move || archive.retire(&order, account, &reason)).await {
        tracing::error!("{} is retired but not moved yet: {error}", order.old);
    }
    journal::retired(order.old, linked.generation, order.trigger);
    journal::restored(from, linked.generation);
    Ok(linked)
}

/// Repairs the live generation in the middle of a life.
pub(super) async fn repair(rooms: &Rooms, data: &DataDir, plan: Plan) -> anyhow::Result<()> {
    let generation = rooms.vault.linked().generation;
    let audit = rooms.audit.clone();
    blocking(move || audit.append(AuditKind::Repair, &repairs(generation))).await?;
    let report = rooms.vault.repair(plan).await?;
    tell_of(generation, &report);
    forget_remains(data, &rooms.audit).await;
    Ok(())
}

/// Forgets what old repairs took out, each after an entry in the audit. What fails is tried after the next repair.
pub(super) async fn forget_remains(data: &DataDir, audit: &Audit) {
    let (data, audit) = (data.clone(), audit.clone());
    let forgotten = blocking(move || {
        for remains in Remains::old(&data)? {
            let of = ArchiveId::Retired(remains.generation);
            audit.append(AuditKind::Forget, Subject::archive(Trigger::Recovery, of))?;
            tracing::info!("the remains of an old repair go for good: {remains}");
            remains.forget()?;
        }
        anyhow::Ok(())
    });
    if let Err(error) = forgotten.await {
        tracing::warn!("the remains of old repairs stay: {error:#}");
    }
}

/// Logs a repair.
pub(super) fn tell_of(repaired: core::GenerationId, report: &RepairReport) {
    journal::repaired(
        repaired,
        &report.findings,
        &report.plan,
        report.all_kept(),
        report.all_dropped(),
        report.took,
    );
}

/// The audit entry of a repair.
pub(super) fn repairs(generation: core::GenerationId) -> core::Order {
    core::Order {
        trigger: Trigger::Recovery,
        old: generation,
        new: generation,
    }
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
