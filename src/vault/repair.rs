//! Carries out the core's plan for a store. It is idempotent: it may be cut anywhere and begun again.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use holdfast_core::{Findings, GenerationId, Plan, Treatment};
use holdfast_medium::{DataDir, wear::Costs};

use super::VaultError;
use super::inspect::{Looked, Whole, look};
use super::key::kind;
use super::layout::Layout;
use super::quarantine::Quarantine;
use super::salvage::{self, Salvage};
use super::store::{Batch, Store};
use super::tiers::RecordKind;

/// The report of a repair, in counts; record by record it is in the quarantine's `records.jsonl`.
#[derive(Clone, Debug)]
pub struct RepairReport {
    /// The findings.
    pub findings: Findings,
    /// The plan that was carried out.
    pub plan: Plan,
    /// Records that went on, per kind; empty unless the store was rebuilt.
    pub kept: BTreeMap<RecordKind, u64>,
    /// Records that went, per kind.
    pub dropped: BTreeMap<RecordKind, u64>,
    /// Where what went is; `None` when nothing did.
    pub quarantine: Option<PathBuf>,
    /// How long looking through the store and repairing it took.
    pub took: Duration,
}

impl RepairReport {
    /// Counts the records that went on, of all kinds.
    pub fn all_kept(&self) -> u64 {
        self.kept.values().sum()
    }

    /// Counts the records that went, of all kinds.
    pub fn all_dropped(&self) -> u64 {
        self.dropped.values().sum()
    }

    /// Writes the report for people, a line each.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "identity {:?}, store {:?}: {:?}",
            self.findings.identity, self.findings.store, self.plan.store
        )];
        for (counts, done) in [(&self.kept, "kept"), (&self.dropped, "dropped")] {
            lines.extend(
                counts
                    .iter()
                    .map(|(kind, count)| format!("{count} {kind:?} {done}")),
            );
        }
        lines.extend(
            self.quarantine
                .as_ref()
                .map(|aside| format!("what went is in {}", aside.display())),
        );
        lines
    }
}

/// The tally of a store's treatment.
#[derive(Default)]
pub(super) struct Treated {
    pub kept: BTreeMap<RecordKind, u64>,
    pub dropped: BTreeMap<RecordKind, u64>,
    pub quarantine: Option<PathBuf>,
}

/// Treats a store as planned, and gives it back ready for use.
pub(super) fn treat(
    data: &DataDir,
    generation: GenerationId,
    layout: &Layout,
    looked: Looked,
    treatment: Treatment,
) -> Result<(Store, Treated), VaultError> {
    let at = VaultError::at(layout.generation());
    match (looked, treatment) {
        (Looked::Whole(whole), Treatment::Keep) => Ok((whole.store, Treated::default())),
        (Looked::Whole(whole), Treatment::Weed) => weed(data, generation, whole).map_err(at),
        (Looked::Missing, Treatment::Keep) => {
            // A generation that was never linked begins with an empty store.
            layout
                .make(|making| Store::create(making, &BTreeMap::new(), 0))
                .and_then(|()| layout.promote())
                .map_err(&at)?;
            Ok((reopen(layout)?, Treated::default()))
        }
        (looked, _) => {
            let treated = rebuild(data, generation, layout, looked).map_err(&at)?;
            Ok((reopen(layout)?, treated))
        }
    }
}

/// Takes single records out.
fn weed(data: &DataDir, generation: GenerationId, whole: Whole) -> io::Result<(Store, Treated)> {
    let Whole {
        mut store,
        unusable,
        named,
        ..
    } = whole;
    let quarantine = Quarantine::begin(data, generation)?;
    let mut treated = Treated::default();
    let mut lines = String::new();
    let mut raw = Vec::new();
    let mut batch = Batch::new();
    for (keys, why) in [(unusable, "cannot be decoded"), (named, "may be old")] {
        for key in keys {
            if let Some(sealed) = store.engine.get(&key)? {
                raw.extend_from_slice(&sealed);
            }
            if let Some(kind) = kind(&key) {
                *treated.dropped.entry(kind).or_default() += 1;
                lines.push_str(&line(kind, &key, why));
            }
            batch.insert(key, None);
        }
    }
    // The evidence first: it can be had a second time, the records cannot.
    quarantine.keep("records", &raw)?;
    quarantine.keep("records.jsonl", lines.as_bytes())?;
    store.apply(&batch, &mut Costs::new())?;
    store.sync()?;
    treated.quarantine = Some(quarantine.path().into());
    Ok((store, treated))
}

/// Sets the store aside and begins a new one with what outlives it.
fn rebuild(
    data: &DataDir,
    generation: GenerationId,
    layout: &Layout,
    looked: Looked,
) -> io::Result<Treated> {
    let (salvage, step) = match looked {
        Looked::Whole(whole) => (
            salvage::from_engine(&whole.store.engine)?,
            whole.store.step(),
        ),
        Looked::Damaged { testified } => (salvage::from_files(&layout.store()), testified),
        Looked::Missing => (Salvage::default(), 0),
    };
    let mut kept = BTreeMap::new();
    let mut lines = String::new();
    for key in salvage.records.keys() {
        if let Some(kind) = kind(key) {
            *kept.entry(kind).or_default() += 1;
            lines.push_str(&line(kind, key, "kept"));
        }
    }
    let step = step.max(salvage.step).saturating_add(1);
    layout.make(|making| Store::create(making, &salvage.records, step))?;
    let mut quarantine = None;
    if layout.store().exists() {
        let aside = Quarantine::begin(data, generation)?;
        aside.keep("records.jsonl", lines.as_bytes())?;
        aside.take(&layout.store())?;
        quarantine = Some(aside.path().into());
    }
    layout.promote()?;
    Ok(Treated {
        kept,
        dropped: salvage.dropped,
        quarantine,
    })
}

/// Opens a store that was just made.
fn reopen(layout: &Layout) -> Result<Store, VaultError> {
    let at = VaultError::at(layout.generation());
    match look(layout).map_err(&at)? {
        Looked::Whole(whole) => Ok(whole.store),
        Looked::Missing | Looked::Damaged { .. } => Err(at(io::Error::other(
            "a new store does not read as it was written; replace the card",
        ))),
    }
}

/// One record of the report. The key holds addresses, so only a checksum of it is written.
fn line(kind: RecordKind, key: &[u8], done: &str) -> String {
    format!(
        "{{\"kind\":\"{kind:?}\",\"record\":\"{:08x}\",\"done\":\"{done}\"}}\n",
        crc32c::crc32c(key)
    )
}
