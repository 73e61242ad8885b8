//! Implements the archive's port to the keys.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use holdfast_medium::blocking;

use super::VaultError;
use super::pre_key_id::PreKeyId;
use super::restore::{self, Kept, kept, write_restored};
use super::tiers::Tier;
use crate::history::{Companion, Keys, KeysError, Restorable};

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

    async fn count(&self, generation: &Path, scratch: &Path) -> Result<Restorable, KeysError> {
        Ok(counts(&kept(generation, scratch).await?))
    }

    async fn restore(
        &self,
        generation: &Path,
        others: &[PathBuf],
        scratch: &Path,
        into: &Path,
    ) -> Result<Restorable, KeysError> {
        let mut kept = kept(generation, scratch).await?;
        let (of, others) = (scratch.to_owned(), others.to_owned());
        let fresh = blocking(move || fresh_pre_keys(&of, &others)).await?;
        if let Some(fresh) = fresh {
            kept.leap(fresh);
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

/// Finds a pre-key id that no copy of a device has used: ahead of the furthest by [`PreKeyId::LEAP`], and by as much again for
/// each copy that cannot be read. `None` without a device.
fn fresh_pre_keys(of: &Path, others: &[PathBuf]) -> Result<Option<PreKeyId>, VaultError> {
    let Some(device) = restore::companion(of)? else {
        return Ok(None);
    };
    let (mut furthest, mut leap) = (device.next_pre_key, PreKeyId::LEAP);
    for other in others {
        match restore::companion(other) {
            Ok(Some(other)) if other.identity == device.identity => {
                furthest = furthest.later(other.next_pre_key);
            }
            Ok(_) => {}
            // It may be this device, one restore ahead of the others.
            Err(_) => leap += PreKeyId::LEAP,
        }
    }
    Ok(Some(furthest.ahead(leap)))
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
