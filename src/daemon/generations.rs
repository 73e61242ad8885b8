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

#[cfg(test)]
mod tests {
    use std::fs;

    use holdfast_core::{GenerationId, Order};
    use holdfast_medium::DataDir;
    use holdfast_medium::barrier::Barrier;
    use tempfile::TempDir;
    use wacore::store::Device;

    use super::*;

    const PEER: &str = "100000000000001@lid";

    /// A data directory with a linked device, open.
    struct Home {
        _root: TempDir,
        dir: DataDir,
        barrier: Barrier,
        rooms: Rooms,
    }

    impl Home {
        async fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let dir = DataDir::new(root.path().join("data"));
            let (barrier, rooms) = Rooms::without_panel(&dir).await.unwrap();
            let backend = rooms.vault.backend();
            let mut device = Device::new();
            device.pn = Some("15550001234:7@s.whatsapp.net".parse().unwrap());
            backend.save(&device).await.unwrap();
            backend.put_session(PEER, b"session").await.unwrap();
            Self {
                _root: root,
                dir,
                barrier,
                rooms,
            }
        }

        fn order(&self) -> Order {
            let old = self.rooms.vault.linked().generation;
            Order {
                trigger: Trigger::Bus,
                old,
                new: old.next(),
            }
        }

        /// From now on nothing can be recorded: a directory has the log's name.
        fn records_nothing(&self) {
            let _ = fs::remove_file(self.dir.audit());
            fs::create_dir(self.dir.audit()).unwrap();
        }

        /// Whether this generation lives, and none was begun after it.
        fn lives(&self, id: u32) -> bool {
            let id = GenerationId(id);
            let next = self.dir.generation(id.next());
            self.rooms.vault.linked().generation == id && !next.exists()
        }
    }

    #[tokio::test]
    async fn nothing_is_retired_that_was_not_recorded() {
        let home = Home::new().await;
        home.records_nothing();
        assert!(retire(&home.rooms, home.order()).await.is_err());
        assert!(home.lives(1));
        assert_eq!(home.rooms.archive.count().unwrap(), 0);
    }

    #[tokio::test]
    async fn nothing_is_restored_that_was_not_recorded() {
        let home = Home::new().await;
        retire(&home.rooms, home.order()).await.unwrap();
        home.records_nothing();
        let first = ArchiveId::Retired(GenerationId(1));
        let restored = restore(&home.rooms, home.order(), first).await;
        assert!(restored.is_err());
        assert!(home.lives(2));
        assert_eq!(home.rooms.archive.count().unwrap(), 1);
    }

    #[tokio::test]
    async fn nothing_is_repaired_in_a_life_that_was_not_recorded() {
        let home = Home::new().await;
        home.records_nothing();
        assert!(repair(&home.rooms, &home.dir, Plan::REBUILD).await.is_err());
        let session = home.rooms.vault.backend().get_session(PEER).await.unwrap();
        assert_eq!(session.as_deref(), Some(&b"session"[..]));
        assert!(!home.dir.quarantine().exists());
    }

    #[tokio::test]
    async fn nothing_is_repaired_at_a_start_that_was_not_recorded() {
        let home = Home::new().await;
        home.records_nothing();
        let Home {
            _root,
            dir,
            barrier,
            rooms,
        } = home;
        rooms.vault.close().await.unwrap();
        barrier.stop().await.unwrap();
        drop(rooms);
        let slot = dir.generation(GenerationId(1)).join("identity.b");
        fs::remove_file(&slot).unwrap();
        let refused = Rooms::without_panel(&dir).await.err().unwrap();
        assert!(refused.to_string().contains("audit"), "{refused}");
        assert!(!slot.exists(), "it is made good once that is recorded");
        fs::remove_dir(dir.audit()).unwrap();
        let (_barrier, _rooms) = Rooms::without_panel(&dir).await.unwrap();
        assert!(slot.exists());
    }
}
