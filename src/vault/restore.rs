//! What an archived generation gives back, and a new generation made of it.
//!
//! All knowledge of a generation's layout that the history needs is here. An archive is never opened in place: sled
//! writes when it opens.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use holdfast_core::LastFour;
use wacore::appstate::hash::HashState;
use wacore::appstate::lthash::WAPATCH_INTEGRITY;

use super::barrier::{Barrier, Wait};
use super::identity::{Document, Identity};
use super::key::{last_part, prefix};
use super::records::{Records, Writes};
use super::tiers::{Kind, Restore, Tier};
use super::{Live, Retiring, STORE, Vault, VaultError, atomic, blocking, last_four};

/// Pre-key ids have 24 bits and are never 0.
const PRE_KEY_IDS: u32 = (1 << 24) - 1;

/// Who a generation is at WhatsApp, and how far it got.
pub(crate) struct Companion {
    /// Its public identity key: two generations with the same one are the same device.
    pub identity: Vec<u8>,
    /// The account it is linked to; `None` when it never was.
    pub account: Option<LastFour>,
    /// No one-time pre-key was made under this id or a later one.
    pub next_pre_key: PreKeyId,
}

/// A one-time pre-key's id, on the ring of those there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PreKeyId(u32);

impl PreKeyId {
    fn of(id: u32) -> PreKeyId {
        PreKeyId(id.saturating_sub(1) % PRE_KEY_IDS + 1)
    }

    /// So many ids further on.
    pub(crate) fn ahead(self, by: u32) -> PreKeyId {
        PreKeyId((self.0 - 1 + by % PRE_KEY_IDS) % PRE_KEY_IDS + 1)
    }

    /// Whichever is ahead of the other, by the shorter way round.
    pub(crate) fn later(self, other: PreKeyId) -> PreKeyId {
        let way = (other.0 + PRE_KEY_IDS - self.0) % PRE_KEY_IDS;
        if way < PRE_KEY_IDS / 2 { other } else { self }
    }
}

/// What a restore keeps of a generation: its identity, and the sound records of the tiers that are harmless when old.
pub(crate) struct Kept {
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

    /// One-time pre-keys are made under this id and later ones, all of them new to WhatsApp.
    pub(crate) fn leap(&mut self, to: PreKeyId) {
        if let Some(device) = &mut self.document.device {
            device.next_pre_key_id = to.0;
            device.first_unupload_pre_key_id = to.0;
            // So that the next login uploads some: the private halves of those out there stay behind.
            device.server_has_prekeys = false;
        }
    }
}

/// Reads who a generation is; `None` when it has no identity yet.
pub(crate) fn companion(generation: &Path) -> Result<Option<Companion>, VaultError> {
    let document = Identity::open(generation)?.get();
    Ok(document.device.as_ref().map(|device| Companion {
        identity: device.identity_key.public_key.public_key_bytes().to_vec(),
        account: device.pn.as_ref().and_then(|pn| last_four(&pn.user)),
        next_pre_key: PreKeyId::of(device.next_pre_key_id.max(device.first_unupload_pre_key_id)),
    }))
}

/// Reads what a restore keeps of a generation, from a copy made in `scratch`, a directory that does not exist yet. Of
/// a store that does not open nothing comes back but the identity.
pub(crate) async fn kept(generation: &Path, scratch: &Path) -> Result<Kept, VaultError> {
    let (generation, copied) = (generation.to_owned(), scratch.to_owned());
    let document = blocking(move || {
        copy(&generation, &copied).map_err(VaultError::at(&copied))?;
        Ok(Identity::open(&copied)?.get())
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
    match sift(&scratch.join(STORE)).await {
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

async fn sift(store: &Path) -> Result<Sifted, VaultError> {
    // One of its own: what fails here is no failure of the live generation.
    let barrier = Barrier::start()?;
    let (store, under) = (store.to_owned(), barrier.clone());
    let records = blocking(move || Records::open(&store, &under).map(Arc::new)).await?;
    let scanned = Arc::clone(&records);
    let sifted = blocking(move || Sifted::of(&scanned)).await;
    records.close().await?;
    barrier.stop().await?;
    sifted
}

impl Sifted {
    fn of(records: &Records) -> Result<Sifted, VaultError> {
        let mut sifted = Sifted::default();
        let mut states = Vec::new();
        for kind in Kind::ALL {
            let found = records.read(|view| view.scan(&prefix(*kind, &[])))?;
            match (kind, kind.tier().restore()) {
                (_, Restore::Drop) => {
                    *sifted.dropped.entry(kind.tier()).or_default() += found.len() as u64;
                }
                (Kind::AppStateVersion, Restore::Keep) => states = found,
                // Judged below, each with the state it belongs to.
                (Kind::MutationMac, Restore::Keep) => {}
                (_, Restore::Keep) => sifted.records.extend(found),
            }
        }
        for (key, state) in states {
            let name = last_part(&key, 1).unwrap_or_default();
            let macs = records.read(|view| view.scan(&prefix(Kind::MutationMac, &[name])))?;
            if adds_up(&state, &macs) {
                sifted.records.push((key, state));
                sifted.records.extend(macs);
            } else {
                sifted.resynced += 1;
            }
        }
        sifted.bad = records.bad();
        Ok(sifted)
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
pub(crate) async fn write_restored(dir: &Path, kept: Kept) -> Result<(), VaultError> {
    let barrier = Barrier::start()?;
    let opened = {
        let (dir, barrier) = (dir.to_owned(), barrier.clone());
        blocking(move || {
            atomic::make_dir(&dir).map_err(VaultError::at(&dir))?;
            let records = Records::open(&dir.join(STORE), &barrier)?;
            Ok((Identity::open(&dir)?, records))
        })
    };
    let (identity, records) = opened.await?;
    let at = VaultError::at(dir);
    let document = kept.document;
    identity
        .update(|empty| *empty = document)
        .await
        .map_err(&at)?;
    let changes = kept
        .records
        .into_iter()
        .map(|(key, value)| (key, Some(value)))
        .collect();
    let wait = Wait::Durable;
    let (written, ()) = records.update(|_| Ok((Writes { wait, changes }, ())))?;
    written.done().await?;
    identity.close().await;
    records.close().await?;
    barrier.stop().await?;
    atomic::sync_dir(dir).map_err(at)
}

impl Vault {
    /// Makes a generation that was prepared aside the live one. Call it with the link down.
    ///
    /// After an error, and after a crash on the way, the old generation is still the live one and untouched.
    pub async fn begin_restored(&self, prepared: &Path) -> Result<Retiring, VaultError> {
        let old = self.live().clone();
        let id = old.id.next();
        let (dir, barrier, prepared) =
            (self.dir.clone(), self.barrier.clone(), prepared.to_owned());
        let placed = move || {
            let path = dir.generation(id);
            vacate(&path)?;
            fs::rename(prepared, &path)
                .and_then(|()| atomic::sync_dir(dir.root()))
                .map_err(VaultError::at(&path))?;
            Live::open(&dir, id, &barrier)
        };
        let next = blocking(placed).await?;
        self.barrier.settle().await?;
        let dir = self.dir.clone();
        blocking(move || super::generation::make_live(&dir, id)).await?;
        let linked = next.linked();
        *self.live() = next;
        // Everything of it was on the medium before: only its files are left to be let go of.
        let _ = old.close().await;
        Ok(Retiring {
            old: old.id,
            old_dir: self.dir.generation(old.id),
            linked,
        })
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

/// Copies a directory of files and directories.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    atomic::make_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_go_round_and_skip_zero() {
        let last = PreKeyId::of(PRE_KEY_IDS);
        assert_eq!(last.0, 0xFF_FFFF);
        assert_eq!(last.ahead(1), PreKeyId(1));
        assert_eq!(PreKeyId::of(PRE_KEY_IDS + 1), PreKeyId(1));
        assert_eq!(PreKeyId::of(0), PreKeyId(1), "unset: none was made");
        assert_eq!(PreKeyId(3).later(last), PreKeyId(3), "it has been round");
    }

    proptest! {
        #[test]
        fn what_is_ahead_is_later(id in 1..=PRE_KEY_IDS, by in 0..PRE_KEY_IDS / 2) {
            let (id, ahead) = (PreKeyId(id), PreKeyId(id).ahead(by));
            prop_assert!((1..=PRE_KEY_IDS).contains(&ahead.0));
            prop_assert_eq!(id.later(ahead), ahead);
            prop_assert_eq!(ahead.later(id), ahead);
        }
    }
}
