//! What is kept on the data partition, opened as every boot opens it: looked through, repaired as the core plans, and only
//! then used.

use holdfast_core::{
    self as core, Effect, Event, Face, GenerationId, Now, Plan, State, Trigger, face, step,
};

use super::report;
use crate::history::{Archive, Audit, Kind};
use crate::journal;
use crate::mail::{Inbox, Outbox};
use crate::vault::barrier::Barrier;
use crate::vault::{DataDir, Inspection, Report, Vault};

/// The rooms that keep something.
pub struct Rooms {
    /// What all promises rest on.
    pub barrier: Barrier,
    /// The key records.
    pub vault: Vault,
    /// What was found in the vault, and done about it.
    pub report: Report,
    /// Messages that came in.
    pub inbox: Inbox,
    /// Messages to go out.
    pub outbox: Outbox,
    /// Who did what to the link.
    pub audit: Audit,
    /// Retired generations.
    pub archive: Archive,
    /// Generations whose retirement the last run did not finish, and this start did.
    pub finished: Vec<GenerationId>,
}

impl Rooms {
    /// Opens them, or begins them where there are none. `show` gets the face before a repair.
    ///
    /// # Errors
    /// What does not open, and what to do about it.
    pub async fn open(
        data: &DataDir,
        state: &mut State,
        show: impl FnOnce(Face),
    ) -> anyhow::Result<Rooms> {
        let barrier = Barrier::start()?;
        let audit = Audit::open(data);
        let inspection = Vault::inspect(data.clone(), barrier.clone()).await?;
        let (vault, report) = repair(state, inspection, &audit, show).await?;
        let inbox = Inbox::open(data, &barrier).await?;
        let outbox = Outbox::open(data, &barrier).await?;
        let (archive, finished) = Archive::open(data, vault.linked().generation)?;
        Ok(Rooms {
            barrier,
            vault,
            report,
            inbox,
            outbox,
            audit,
            archive,
            finished,
        })
    }
}

/// The core plans what to do about what the vault found, it is written down, and the vault does it.
async fn repair(
    state: &mut State,
    inspection: Inspection,
    audit: &Audit,
    show: impl FnOnce(Face),
) -> anyhow::Result<(Vault, Report)> {
    let now = Now { mono_ms: 0 };
    let generation = inspection.linked().generation;
    let mut planned = Plan::NOTHING;
    for effect in step(state, Event::Found(inspection.findings()), now).effects {
        match effect {
            Effect::Repair(plan) => planned = plan,
            Effect::Report(cause) => report(cause),
            _ => {}
        }
    }
    if planned.is_empty() {
        return Ok(inspection.carry_out(planned).await?);
    }
    show(face(state, now));
    let order = core::Audit {
        trigger: Trigger::Recovery,
        old: generation,
        new: generation,
    };
    audit.append(Kind::Repair, &order)?;
    let (vault, report) = inspection.carry_out(planned).await?;
    journal::repaired(generation, &report);
    Ok((vault, report))
}
