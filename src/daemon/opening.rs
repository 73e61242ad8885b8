//! The opening of the data partition, as at every boot: it is looked through, repaired as the core plans, and only then used.

use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use holdfast_core::{AuditEnd, Event, GenerationId, Limits, Plan, plan, setback};
use holdfast_medium::barrier::Barrier;
use holdfast_medium::{Claim, DataDir, Machine, blocking};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::generations;
use super::rooms::Rooms;
use super::sent::SentMail;
use super::space::for_mail;
use super::tide::Tide;
use crate::boot::{BootReport, Evidence, Stages};
use crate::history::{Archive, Audit, AuditKey, AuditKind};
use crate::journal;
use crate::mail::{self, Finding, Inbox, MailError, Outbox};
use crate::vault::{Generations, Inspection, Vault};

impl Rooms {
    /// Opens them as a boot does, for a program without a panel and a course.
    ///
    /// # Errors
    /// The room that does not open, and what to do about it.
    pub async fn without_panel(dir: &DataDir) -> anyhow::Result<(Barrier, Rooms)> {
        let evidence = Evidence::gather(&Machine::this(), dir);
        let report = BootReport::new(&evidence, &evidence.verdict());
        let barrier = Barrier::start()?;
        let limits = Limits::default();
        let mut opening = Opening::new(dir, None, &barrier, report, Stages::new(), limits);
        let inspection = opening.inspect().await?;
        let plan = plan(&inspection.findings());
        Ok((barrier, opening.open(inspection, plan).await?))
    }
}

/// How far the start is.
pub(super) enum Progress {
    /// Nothing is opened yet.
    Closed(Opening),
    /// The vault is looked through.
    Inspected(Box<Inspection>, Opening),
    /// The lane has it, or it is over.
    Away,
}

/// A start under way: the steps in which the rooms are opened, and the report of them.
pub(super) struct Opening {
    dir: DataDir,
    /// `None` as long as the data directory is not ours.
    claim: Option<Claim>,
    /// What outlives the process and no boot, and who hears of each entry of the audit; `None` where nobody serves.
    beside: Option<(PathBuf, mpsc::UnboundedSender<Event>)>,
    /// Once the vault is looked through.
    tide: Option<Tide>,
    /// The mail, opened beside the vault.
    mail: Option<JoinHandle<Result<Mail, MailError>>>,
    barrier: Barrier,
    stages: Stages,
    limits: Limits,
    /// The findings so far.
    pub(super) report: BootReport,
}

impl Opening {
    pub(super) fn new(
        dir: &DataDir,
        claim: Option<Claim>,
        barrier: &Barrier,
        report: BootReport,
        stages: Stages,
        limits: Limits,
    ) -> Self {
        Self {
            dir: dir.clone(),
            claim,
            beside: None,
            tide: None,
            mail: None,
            barrier: barrier.clone(),
            stages,
            limits,
            report,
        }
    }

    /// Whether the data directory is ours.
    pub(super) fn is_ours(&self) -> bool {
        self.claim.is_some()
    }

    /// The same, beside this runtime directory and this core.
    pub(super) fn beside(self, runtime: &Path, events: &mpsc::UnboundedSender<Event>) -> Self {
        Self {
            beside: Some((runtime.to_owned(), events.clone())),
            ..self
        }
    }

    /// Looks through the vault.
    pub(super) async fn inspect(&mut self) -> anyhow::Result<Inspection> {
        let claim = match self.claim.clone() {
            Some(claim) => claim,
            None => {
                let dir = self.dir.clone();
                blocking(move || anyhow::Ok(Claim::take(&dir)?)).await?
            }
        };
        self.claim = Some(claim.clone());
        let mail = Mail::open(self.dir.clone(), self.barrier.clone(), self.limits);
        self.mail = Some(tokio::spawn(mail));
        let inspection = Vault::inspect(claim, self.barrier.clone()).await?;
        let runtime = self.beside.as_ref().map(|(runtime, _)| runtime.clone());
        let dir = self.dir.clone();
        let (inspection, tide, older) = blocking(move || {
            let (tide, older) = Tide::compare(&dir, runtime.as_deref(), &inspection)?;
            anyhow::Ok((inspection, tide, older))
        })
        .await?;
        self.tide = Some(tide);
        if !older {
            return Ok(inspection);
        }
        tracing::error!(
            "an older copy of the data directory was put back: no session key in it is used"
        );
        self.report
            .found("vault", ["an older copy of all data was put back"]);
        Ok(inspection.outdated())
    }

    /// Repairs the vault as the core plans, and opens every room on it.
    pub(super) async fn open(
        &mut self,
        inspection: Inspection,
        plan: Plan,
    ) -> anyhow::Result<Rooms> {
        let dir = self.dir.clone();
        let live = inspection.linked().generation;
        let audit = self.audit(live).await;
        let vault = self.repair(inspection, plan, &audit).await?;
        self.stages.done("vault");
        let mail = self.mail.take().context("nothing was looked through")?;
        let Mail {
            room: mail_room,
            inbox,
            outbox,
        } = mail.await??;
        outbox.belongs_to(vault.own_chat());
        vault.leaves_sent_to(Arc::new(SentMail(outbox.clone())));
        self.found_in_mail("inbox", inbox.findings());
        self.found_in_mail("outbox", outbox.findings());
        self.stages.done("mail");
        let live = vault.linked().generation;
        let limits = self.limits;
        let (archive, finished, dropped) = blocking(move || {
            let (archive, finished) = Archive::open(&dir, live, Generations)?;
            let archive = archive.within(limits);
            let dropped = archive.finish_dropping();
            anyhow::Ok((archive, finished, dropped))
        })
        .await?;
        let finished = finished.iter().map(|old| {
            format!("the retirement of {old} was interrupted; it is in the archive now")
        });
        self.report.found("archive", finished);
        self.report.found("archive", dropped.err());
        self.stages.done("archive");
        let tide = self.tide.clone().context("nothing was looked through")?;
        Ok(Rooms {
            tide,
            vault: Arc::new(vault),
            inbox,
            outbox,
            mail_room,
            audit,
            archive,
        })
    }

    /// The audit, with what seals it and where else its end is named.
    async fn audit(&mut self, live: GenerationId) -> Audit {
        let audit = Audit::open(&self.dir).sealed(AuditKey::find(&Machine::this()));
        let audit = match self.beside.clone() {
            Some((runtime, events)) => audit.anchored(runtime.join("audit.head"), move |head| {
                journal::audited(head.seq, &head.hash);
                let end = AuditEnd::of(head.seq, &head.hash).map(Event::Audited);
                // Without a loop there is no screen either.
                end.into_iter().for_each(|end| drop(events.send(end)));
            }),
            None => audit,
        };
        let begun = audit.clone();
        match blocking(move || begun.begin(live)).await {
            Ok(found) => {
                for fault in &found.faults {
                    tracing::error!("the audit is not sound: {fault}");
                }
                self.report.found("audit", found.faults);
            }
            // A full disk must not keep anybody from starting; the next entry is sealed all the same.
            Err(error) => {
                tracing::warn!("the audit cannot be looked through: {error}");
                self.report.found("audit", [error]);
            }
        }
        audit
    }

    fn found_in_mail(&mut self, log: &'static str, findings: &[Finding]) {
        for finding in findings.iter().filter(|finding| finding.is_loss()) {
            tracing::error!("the {log}: {finding}");
        }
        self.report.found(log, findings);
    }

    /// Carries the plan out. One that changes something is written to the audit before.
    async fn repair(
        &mut self,
        inspection: Inspection,
        plan: Plan,
        audit: &Audit,
    ) -> anyhow::Result<Vault> {
        if plan.is_empty() {
            return Ok(inspection.carry_out(plan).await?.0);
        }
        let generation = inspection.linked().generation;
        let (audit, entry) = (audit.clone(), audit.clone());
        blocking(move || entry.append(AuditKind::Repair, &generations::repairs(generation)))
            .await?;
        let (vault, repaired) = inspection.carry_out(plan).await?;
        generations::tell_of(generation, &repaired);
        self.report.found("vault", repaired.lines());
        generations::forget_remains(&self.dir, &audit).await;
        Ok(vault)
    }

    /// Ends with the rooms closed, and says why in the report.
    pub(super) async fn failed(mut self, error: &anyhow::Error) -> BootReport {
        self.report.found("start", [format!("{error:#}")]);
        let dir = self.is_ours().then(|| self.dir.clone());
        let report = self.closed();
        if let Some(dir) = dir {
            keep(report.clone(), dir).await;
        }
        report
    }

    /// Ends well: the report of it, which is still to be kept.
    pub(super) fn closed(self) -> BootReport {
        self.report.closed(self.stages)
    }
}

/// The mail of a data directory, which needs nothing of the vault.
struct Mail {
    room: mail::Room,
    inbox: Inbox,
    outbox: Outbox,
}

impl Mail {
    async fn open(dir: DataDir, barrier: Barrier, limits: Limits) -> Result<Self, MailError> {
        let room = for_mail(&dir, limits).await;
        let inbox = Inbox::open(&dir, &barrier, room.clone()).await?;
        let outbox = Outbox::open(&dir, &barrier, room.clone(), waits).await?;
        Ok(Self {
            room,
            inbox,
            outbox,
        })
    }
}

/// Keeps a report that is closed.
pub(super) async fn keep(report: BootReport, dir: DataDir) {
    if let Err(error) = blocking(move || report.keep(&dir)).await {
        tracing::warn!("the boot report cannot be kept: {error}");
    }
}

/// How long a message that was put off so often waits from the start on.
fn waits(tries: u32) -> Duration {
    Duration::from_millis(setback::wait_ms(tries, RandomState::new().hash_one(tries)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_core_hears_where_the_audit_ends_at_a_start_and_at_each_entry() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::new(root.path().join("data"));
        let entry = generations::repairs(GenerationId(1));
        let (kind, earlier) = (AuditKind::Repair, Audit::open(&dir));
        std::fs::create_dir(dir.root()).unwrap();
        earlier.append(kind, &entry).unwrap();

        let (events, mut told) = mpsc::unbounded_channel();
        let evidence = Evidence::gather(&Machine::this(), &dir);
        let report = BootReport::new(&evidence, &evidence.verdict());
        let barrier = Barrier::start().unwrap();
        let limits = Limits::default();
        let opening = Opening::new(&dir, None, &barrier, report, Stages::new(), limits);
        let mut opening = opening.beside(root.path(), &events);
        let inspection = opening.inspect().await.unwrap();
        let plan = plan(&inspection.findings());
        let rooms = opening.open(inspection, plan).await.unwrap();
        for seq in 1..=2 {
            let head = rooms.audit.head().unwrap();
            assert_eq!(head.seq, seq);
            let end = AuditEnd::of(seq, &head.hash).unwrap();
            assert_eq!(told.try_recv(), Ok(Event::Audited(end)));
            rooms.audit.append(kind, &entry).unwrap();
        }
    }
}
