//! What is kept on the data partition, opened as every boot opens it: looked through, repaired as the core plans, and only
//! then used.

use std::pin::pin;
use std::time::Duration;

use holdfast_core::{self as core, Effect, Event, Now, Plan, State, Trigger, step};
use holdfast_medium::{DataDir, Machine, barrier::Barrier};

use tokio::time::{Instant, sleep_until};

use super::moment;
use crate::boot::{Evidence, Report, Stages};
use crate::history::{Archive, Audit, Kind};
use crate::journal;
use crate::mail::{Inbox, Outbox};
use crate::vault::{Inspection, Vault};

/// The rooms that keep something.
pub struct Rooms {
    /// The key records.
    pub vault: Vault,
    /// Messages that came in.
    pub inbox: Inbox,
    /// Messages to go out.
    pub outbox: Outbox,
    /// Who did what to the link.
    pub audit: Audit,
    /// Retired generations.
    pub archive: Archive,
}

impl Rooms {
    /// Opens them as a boot does, for who has neither a panel nor a core running.
    ///
    /// # Errors
    /// What does not open, and what to do about it.
    pub async fn without_panel(dir: &DataDir) -> anyhow::Result<(Barrier, Rooms)> {
        let evidence = Evidence::gather(&Machine::this(), dir);
        let mut report = Report::new(&evidence, &evidence.verdict());
        let barrier = Barrier::start()?;
        let mut state = State::new(0);
        let mut stages = Stages::new();
        let rooms = Self::open(dir, &barrier, &mut state, &mut stages, &mut report, |_| {});
        Ok((barrier.clone(), rooms.await?))
    }

    /// Opens every room, the vault first: it keeps other processes away. `show` gets the state before a repair,
    /// and when that takes long.
    pub(super) async fn open(
        dir: &DataDir,
        barrier: &Barrier,
        state: &mut State,
        stages: &mut Stages,
        report: &mut Report,
        show: impl Fn(&State),
    ) -> anyhow::Result<Rooms> {
        let audit = Audit::open(dir);
        let inspection = Vault::inspect(dir.clone(), barrier.clone()).await?;
        let vault = repair(state, inspection, &audit, report, show).await?;
        stages.done("vault");
        let inbox = Inbox::open(dir, barrier).await?;
        report.found("inbox", inbox.findings());
        stages.done("inbox");
        let outbox = Outbox::open(dir, barrier).await?;
        report.found("outbox", outbox.findings());
        stages.done("outbox");
        let (archive, finished) = Archive::open(dir, vault.linked().generation)?;
        let finished = finished.iter().map(|old| {
            format!("the retirement of {old} was interrupted; it is in the archive now")
        });
        report.found("archive", finished);
        if let Err(error) = archive.finish_dropping() {
            report.found("archive", [error]);
        }
        stages.done("archive");
        Ok(Rooms {
            vault,
            inbox,
            outbox,
            audit,
            archive,
        })
    }
}

/// The core plans what to do about what the vault found, it is written down, and the vault does it.
async fn repair(
    state: &mut State,
    inspection: Inspection,
    audit: &Audit,
    report: &mut Report,
    show: impl Fn(&State),
) -> anyhow::Result<Vault> {
    let now = Now { mono_ms: 0 };
    let generation = inspection.linked().generation;
    let mut planned = Plan::NOTHING;
    for effect in step(state, Event::Found(inspection.findings()), now).effects {
        match effect {
            Effect::Repair(plan) => planned = plan,
            Effect::Report(cause) => journal::told(cause),
            _ => {}
        }
    }
    if planned.is_empty() {
        return Ok(inspection.carry_out(planned).await?.0);
    }
    show(state);
    let order = core::Audit {
        trigger: Trigger::Recovery,
        old: generation,
        new: generation,
    };
    audit.append(Kind::Repair, &order)?;
    let carried_out = inspection.carry_out(planned);
    let (vault, repaired) = ticking(state, carried_out, show).await?;
    journal::repaired(generation, &repaired);
    report.found("vault", repaired.lines());
    Ok(vault)
}

/// Waits for the work, and has the core's deadlines come meanwhile: a repair that takes long is told about.
async fn ticking<T>(state: &mut State, work: impl Future<Output = T>, show: impl Fn(&State)) -> T {
    let begun = Instant::now();
    let mut work = pin!(work);
    loop {
        let due = state.deadline().map(Duration::from_millis);
        tokio::select! {
            done = &mut work => return done,
            () = sleep_until(begun + due.unwrap_or_default()), if due.is_some() => {
                for effect in step(state, Event::Tick, moment(begun, Instant::now())).effects {
                    if let Effect::Report(cause) = effect {
                        journal::told(cause);
                    }
                }
                show(state);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use holdfast_core::{Findings, IdentityFound, StoreFound, Todo, Unusable};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_repair_that_takes_long_is_told_about_while_it_goes_on() {
        let mut state = State::new(1);
        let found = Findings {
            identity: IdentityFound::Sound,
            store: StoreFound::Damaged,
            unusable: Unusable::default(),
            todo: Todo::default(),
        };
        step(&mut state, Event::Found(found), Now { mono_ms: 0 });
        let shown = RefCell::new(Vec::new());
        let show = |state: &State| {
            let cause = state.cause().map(|cause| cause.code.as_str());
            shown.borrow_mut().push((state.name(), cause));
        };
        let slow = async {
            tokio::time::sleep(Duration::from_secs(150)).await;
            "done"
        };
        assert_eq!(ticking(&mut state, slow, show).await, "done");
        let slowly = ("Repairing", Some("storage.repair-slow"));
        assert_eq!(*shown.borrow(), [slowly, slowly]);
    }
}
