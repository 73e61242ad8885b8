//! Restores an archived generation: reads what outlives it, and makes a new generation of that.
//!
//! An archive is never opened in place: sled writes when it opens.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use holdfast_core::{GenerationId, LastFour};
use holdfast_medium::{atomic, blocking};
use wacore::appstate::hash::HashState;
use wacore::appstate::lthash::WAPATCH_INTEGRITY;

use super::document::Document;
use super::engine::Engine;
use super::identity::Identity;
use super::inspect::{self, Looked};
use super::key::{kind, last_part, prefix};
use super::layout::Layout;
use super::marks::{self, Gauge};
use super::salvage::{self, Salvage};
use super::store::Store;
use super::tiers::{RecordKind, Restore, Tier};
use super::{Examined, Live, Retiring, Vault, VaultError, envelope};
use crate::history::Reached;

/// Who a generation is at WhatsApp, and how far it got.
pub(super) struct Companion {
    /// Its public identity key: two generations with the same one are the same device.
    pub identity: Vec<u8>,
    /// The account it is linked to; `None` when it never was.
    pub account: Option<LastFour>,
    /// How far this copy of it got.
    pub reached: Reached,
}

/// The part of a generation that a restore keeps: its identity, and the sound records of the tiers that are harmless when old.
pub(super) struct Kept {
    document: Document,
    records: Vec<(Arc<[u8]>, Bytes)>,
    /// How many records come back, by tier.
    pub kept: BTreeMap<Tier, u64>,
    /// How many sound records stay behind, by tier.
    pub dropped: BTreeMap<Tier, u64>,
    /// How many records are damaged, and stay behind too; a store that does not open counts as one.
    pub bad: u64,
    /// Collections of the app state whose records do not add up: they are synced from their beginning.
    pub resynced: u64,
}

impl Kept {
    fn take(&mut self, sifted: Sifted) {
        self.kept.insert(Tier::Kept, sifted.records.len() as u64);
        self.records = sifted.records;
        self.dropped = sifted.dropped;
        self.bad = sifted.bad;
        self.resynced = sifted.resynced;
    }

    /// The identity tier.
    pub(super) fn document(&mut self) -> &mut Document {
        &mut self.document
    }
}

/// Reads who a generation is; `None` when it has no identity yet.
pub(super) fn companion(generation: &Path) -> Result<Option<Companion>, VaultError> {
    let document = Identity::open(generation)?.0.get();
    let device = document.device.as_ref().zip(marks::reached(&document));
    Ok(device.map(|(device, reached)| Companion {
        identity: device.identity_key.public_key.public_key_bytes().to_vec(),
        account: device.pn.as_ref().map(|pn| LastFour::of(&pn.user)),
        reached,
    }))
}

/// Reads what a restore keeps of a generation, from a copy made in `scratch`, a directory that does not exist yet. Of
/// a store that does not open nothing comes back but the identity.
pub(super) async fn kept(generation: &Path, scratch: &Path) -> Result<Kept, VaultError> {
    let (generation, copied) = (generation.to_owned(), scratch.to_owned());
    let document = blocking(move || {
        atomic::copy_dir(&generation, &copied).map_err(VaultError::at(&copied))?;
        Ok::<_, VaultError>(Identity::open(&copied)?.0.get())
    })
    .await?;
    let mut kept = Kept {
        document: Document::clone(&document),
        records: Vec::new(),
        kept: BTreeMap::from([(Tier::Identity, document.records())]),
        dropped: BTreeMap::new(),
        bad: 0,
        resynced: 0,
    };
    match sift(scratch).await {
        Ok(sifted) => kept.take(sifted),
        Err(error) => {
            tracing::warn!(
                "the records beside the identity cannot be read and stay behind: {error}"
            );
            kept.bad += 1;
        }
    }
    Ok(kept)
}

/// The records of a store, parted into those that come back and those that do not.
#[derive(Default)]
struct Sifted {
    records: Vec<(Arc<[u8]>, Bytes)>,
    dropped: BTreeMap<Tier, u64>,
    bad: u64,
    resynced: u64,
}

async fn sift(generation: &Path) -> Result<Sifted, VaultError> {
    let layout = Layout::of(generation);
    blocking(move || {
        let at = VaultError::at(layout.generation());
        layout.settle()?;
        match inspect::look(&layout).map_err(&at)? {
            Looked::Whole(whole) => Sifted::of_whole(&whole.store.engine).map_err(at),
            Looked::Damaged { .. } => Ok(Sifted::of_salvage(salvage::from_files(&layout.store()))),
            Looked::Missing => Err(at(io::ErrorKind::NotFound.into())),
        }
    })
    .await
}

impl Sifted {
    fn new() -> Sifted {
        Sifted {
            dropped: BTreeMap::from([(Tier::Ratchet, 0), (Tier::Rebuildable, 0)]),
            ..Sifted::default()
        }
    }

    fn of_whole(engine: &Engine) -> io::Result<Sifted> {
        let mut sifted = Sifted::new();
        let mut kept = BTreeMap::new();
        engine.forward(|key, sealed| {
            let opened = envelope::open(&key, &sealed);
            match (kind(&key), opened) {
                (Some(kind), Some((_, value))) => sifted.sift(kind, &key, value, &mut kept),
                (Some(_), None) => sifted.bad += 1,
                (None, _) => {}
            }
            Ok(())
        })?;
        sifted.keep_collections_that_add_up(&mut kept);
        sifted.records = kept.into_iter().collect();
        Ok(sifted)
    }

    /// Of a store that does not open: what was found is not all there was.
    fn of_salvage(salvage: Salvage) -> Sifted {
        let mut sifted = Sifted {
            bad: 1,
            ..Sifted::new()
        };
        for (kind, count) in salvage.dropped {
            *sifted.dropped.entry(kind.tier()).or_default() += count;
        }
        let mut kept = BTreeMap::new();
        for (key, sealed) in &salvage.records {
            if let (Some(kind), Some((_, value))) = (kind(key), envelope::open(key, sealed)) {
                sifted.sift(kind, key, value, &mut kept);
            }
        }
        sifted.records = kept.into_iter().collect();
        sifted
    }

    fn sift(
        &mut self,
        kind: RecordKind,
        key: &[u8],
        value: &[u8],
        kept: &mut BTreeMap<Arc<[u8]>, Bytes>,
    ) {
        match kind.tier().restore() {
            Restore::Keep => drop(kept.insert(key.into(), Bytes::copy_from_slice(value))),
            Restore::Drop => *self.dropped.entry(kind.tier()).or_default() += 1,
        }
    }

    /// Collections of the app state whose MACs are not all there are synced from their beginning.
    fn keep_collections_that_add_up(&mut self, kept: &mut BTreeMap<Arc<[u8]>, Bytes>) {
        let under = |kept: &BTreeMap<Arc<[u8]>, Bytes>, first: Vec<u8>| -> Vec<_> {
            kept.range::<[u8], _>((Bound::Included(first.as_slice()), Bound::Unbounded))
                .take_while(|(key, _)| key.starts_with(&first))
                .map(|(key, value)| (Arc::clone(key), value.clone()))
                .collect()
        };
        let mut orphans: BTreeSet<_> = under(kept, prefix(RecordKind::MutationMac, &[]))
            .into_iter()
            .map(|(key, _)| key)
            .collect();
        for (key, state) in under(kept, prefix(RecordKind::AppStateVersion, &[])) {
            let name = last_part(&key, 1).unwrap_or_default();
            let macs = under(kept, prefix(RecordKind::MutationMac, &[name]));
            if adds_up(&state, &macs) {
                for (key, _) in &macs {
                    orphans.remove(key);
                }
            } else {
                self.resynced += 1;
                kept.remove(&key);
            }
        }
        kept.retain(|key, _| !orphans.contains(key));
    }
}

/// Whether these are all MACs of a collection in this state: their LTHash is the state's (wacore-appstate `hash.rs`).
fn adds_up(state: &[u8], macs: &[(Arc<[u8]>, Bytes)]) -> bool {
    let macs: Vec<_> = macs.iter().map(|(_, mac)| mac).collect();
    serde_json::from_slice::<HashState>(state).is_ok_and(|state| {
        WAPATCH_INTEGRITY.subtract_then_add::<&[u8], _>(&[0; 128], &[], &macs) == state.hash
    })
}

/// Makes a new generation's directory, complete and durable, of what was kept.
pub(super) async fn write_restored(dir: &Path, kept: Kept) -> Result<(), VaultError> {
    const FIRST_STEP: u64 = 1;
    let Kept {
        document, records, ..
    } = kept;
    let made = dir.to_owned();
    let identity = blocking(move || {
        let at = VaultError::at(&made);
        atomic::make_dir(&made).map_err(&at)?;
        let sealed = records
            .into_iter()
            .map(|(key, value)| {
                let sealed = envelope::seal(&key, FIRST_STEP, &value);
                (key, sealed)
            })
            .collect();
        let layout = Layout::of(&made);
        layout
            .make(|making| Store::create(making, &sealed, FIRST_STEP))
            .and_then(|()| layout.promote())
            .map_err(&at)?;
        Ok::<_, VaultError>(Identity::open(&made)?.0)
    })
    .await?;
    let written = identity.update(|empty| *empty = document).await;
    written.map(drop).map_err(VaultError::at(dir))
}

impl Vault {
    /// Makes a generation that was prepared aside the live one. Call it with the link down.
    ///
    /// After an error, and after a crash on the way, the old generation is still the live one and untouched.
    pub async fn begin_restored(&self, prepared: &Path) -> Result<Retiring, VaultError> {
        let old = self.live().clone();
        let id = old.id.next();
        let path = self.claim.dir().generation(id);
        let (from, to) = (prepared.to_owned(), path.clone());
        blocking(move || {
            vacate(&to)?;
            fs::rename(from, &to).map_err(VaultError::at(&to))
        })
        .await?;
        let next = match self.bear(id).await {
            Ok(next) => next,
            Err(error) => {
                // It never was live, and its place is the next link's: back where it was prepared.
                let (from, to) = (path, prepared.to_owned());
                let back = move || fs::rename(&from, &to).map_err(VaultError::at(&from));
                if let Err(error) = blocking(back).await {
                    tracing::error!("what was to be restored is in the next link's place: {error}");
                }
                return Err(error);
            }
        };
        let linked = next.linked();
        *self.live() = next;
        // Everything of it was on the medium before: only its files are left to be let go of.
        let _ = old.close().await;
        Ok(Retiring {
            old: old.id,
            old_dir: self.claim.dir().generation(old.id),
            linked,
        })
    }
}

impl Vault {
    /// Opens the generation that was put into its place, and makes it the live one. After an error nobody has it open.
    async fn bear(&self, id: GenerationId) -> Result<Live, VaultError> {
        let dir = self.claim.dir().clone();
        let examined = blocking(move || {
            atomic::sync_dir(dir.root()).map_err(VaultError::at(dir.root()))?;
            Examined::new(&dir, id)
        })
        .await?;
        let plan = holdfast_core::plan(&examined.findings);
        let (next, _) = examined.carry_out(&self.claim, &self.barrier, plan).await?;
        let lives = async {
            self.barrier.settle().await?;
            let (dir, document) = (self.claim.dir().clone(), next.identity.get());
            blocking(move || {
                // Before it can give out a key.
                Gauge::of(&dir)
                    .raise(&document)
                    .map_err(VaultError::at(&dir.marks()))?;
                super::generation::make_live(&dir, id)
            })
            .await
        };
        if let Err(error) = lives.await {
            // The barrier's own error is reported by the daemon, which watches it.
            let _ = next.close().await;
            return Err(error);
        }
        Ok(next)
    }
}

/// Takes a generation out of the way that was begun and never lived.
fn vacate(dir: &Path) -> Result<(), VaultError> {
    if !dir.exists() {
        return Ok(());
    }
    if companion(dir)?.is_some_and(|companion| companion.account.is_some()) {
        return Err(VaultError::NextIsLinked { dir: dir.into() });
    }
    fs::remove_dir_all(dir).map_err(VaultError::at(dir))
}
