//! Implements the archive's port to the keys.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use holdfast_medium::{DataDir, blocking};

use super::VaultError;
use super::document::Document;
use super::identity::Identity;
use super::marks::{self, Gauge, Marks};
use super::restore::{self, Kept, kept, write_restored};
use super::tiers::Tier;
use crate::history::{Companion, Keys, KeysError, Reached, Restorable};

/// Reads and restores generations that are not live, for the archive.
#[derive(Clone, Copy, Debug)]
pub struct Generations;

#[async_trait]
impl Keys for Generations {
    fn companion(&self, generation: &Path) -> Result<Option<Companion>, KeysError> {
        let companion = restore::companion(generation)?;
        Ok(companion.map(|companion| Companion {
            identity: companion.identity,
            linked: companion.account.is_some(),
        }))
    }

    fn mark(&self, data: &DataDir, generation: &Path) -> Result<Option<Reached>, KeysError> {
        let document = Identity::open(generation)?.0.get();
        let (Some(device), Some(own)) = (&document.device, marks::reached(&document)) else {
            return Ok(None);
        };
        let marks = Marks::of(data);
        let marked = marks.raise(device, own).and_then(|()| marks.get(device));
        Ok(marked.map_err(VaultError::at(marks.path()))?)
    }

    fn mark_import(
        &self,
        data: &DataDir,
        generation: &Path,
        told: Option<Reached>,
    ) -> Result<(), KeysError> {
        let document = Identity::open(generation)?.0.get();
        let (Some(device), Some(own)) = (&document.device, marks::reached(&document)) else {
            return Ok(());
        };
        let furthest = told.map_or(own, |told| marks::later(own, told));
        let marks = Marks::of(data);
        let raised = marks::leap_abroad(furthest).and_then(|to| marks.raise(device, to));
        Ok(raised.map_err(VaultError::at(marks.path()))?)
    }

    async fn lend(&self, data: &DataDir, copy: &Path) -> Result<(), KeysError> {
        let identity = Identity::open(copy)?.0.marking(Gauge::of(data));
        let (marks, document) = (Marks::of(data), identity.get());
        let beyond = blocking(move || marks.beyond(&document)).await;
        let at = VaultError::at(copy);
        if let Some(beyond) = beyond.map_err(&at)? {
            let lent = identity.update(|document| document.borrow(beyond)).await;
            lent.map_err(at)?;
        }
        Ok(())
    }

    async fn count(&self, generation: &Path, scratch: &Path) -> Result<Restorable, KeysError> {
        Ok(counts(&kept(generation, scratch).await?))
    }

    async fn restore(
        &self,
        data: &DataDir,
        generation: &Path,
        others: &[PathBuf],
        scratch: &Path,
        into: &Path,
    ) -> Result<Restorable, KeysError> {
        let mut kept = kept(generation, scratch).await?;
        let (document, marks) = (kept.document().clone(), Marks::of(data));
        let others = others.to_owned();
        let fresh = blocking(move || fresh(&document, &marks, &others)).await?;
        if let Some(fresh) = fresh {
            kept.document().go_on(fresh);
        }
        let restored = counts(&kept);
        write_restored(into, kept).await?;
        Ok(restored)
    }
}

impl From<VaultError> for KeysError {
    fn from(error: VaultError) -> Self {
        Self::new(error)
    }
}

/// Finds ids that no copy of a device has used: ahead of its mark, and of every copy that is still there. Without a mark, copies
/// that are gone may have got further: then they leap by far. `None` without a device.
fn fresh(
    document: &Document,
    marks: &Marks,
    others: &[PathBuf],
) -> Result<Option<Reached>, VaultError> {
    let (Some(device), Some(own)) = (&document.device, marks::reached(document)) else {
        return Ok(None);
    };
    let at = VaultError::at(marks.path());
    let mark = marks.get(device).map_err(&at)?;
    let mut furthest = mark.map_or(own, |mark| marks::later(own, mark));
    let identity = device.identity_key.public_key.public_key_bytes();
    for other in others {
        // One that cannot be read got no further than the mark, or nobody knows how far.
        if let Ok(Some(other)) = restore::companion(other)
            && other.identity == identity
        {
            furthest = marks::later(furthest, other.reached);
        }
    }
    Ok(Some(match mark {
        Some(_) => marks::leap(furthest),
        None => marks::leap_abroad(furthest).map_err(at)?,
    }))
}

fn counts(kept: &Kept) -> Restorable {
    let by_name = |counts: &BTreeMap<Tier, u64>| {
        let counts = counts.iter();
        counts
            .map(|(tier, count)| (tier.as_str(), *count))
            .collect()
    };
    Restorable {
        kept: by_name(&kept.kept),
        dropped: by_name(&kept.dropped),
        bad: kept.bad,
        resynced: kept.resynced,
    }
}
