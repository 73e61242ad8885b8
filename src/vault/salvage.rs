//! Salvages the records worth keeping of a store that is given up.
//!
//! Every value carries its key, its step and a checksum, so records can be told from raw bytes wherever they lie.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::engine::{Engine, FILE, LARGE};
use super::envelope;
use super::inspect::is_usable;
use super::key::kind;
use super::layout::SLED;
use super::store::META;
use super::tiers::{RecordKind, Restore};

/// Sealed records by key.
pub(super) type Records = BTreeMap<Arc<[u8]>, Vec<u8>>;

/// The records found.
#[derive(Default)]
pub(super) struct Salvage {
    /// The newest of each record that outlives its store.
    pub records: Records,
    /// How many of each kind do not.
    pub dropped: BTreeMap<RecordKind, u64>,
    /// The last step seen.
    pub step: u64,
}

/// From a store that is whole, but older than it should be.
pub(super) fn from_engine(engine: &Engine) -> io::Result<Salvage> {
    let mut salvage = Salvage::default();
    engine.forward(|key, sealed| {
        salvage.take(&key, &sealed, true);
        Ok(())
    })?;
    Ok(salvage)
}

/// From the raw files of a store that cannot be opened or believed. What cannot be read is passed over.
pub(super) fn from_files(store: &Path) -> Salvage {
    let sled = store.join(SLED);
    let mut files = vec![sled.join(FILE)];
    if let Ok(large) = fs::read_dir(sled.join(LARGE)) {
        files.extend(large.filter_map(|entry| Some(entry.ok()?.path())));
    }
    let mut newest: BTreeMap<Arc<[u8]>, (u64, Vec<u8>)> = BTreeMap::new();
    for file in files {
        let Ok(bytes) = fs::read(file) else { continue };
        for found in envelope::find(&bytes) {
            let entry = newest.entry(found.key.into()).or_default();
            if found.step >= entry.0 {
                *entry = (found.step, found.sealed.to_vec());
            }
        }
    }
    let mut salvage = Salvage::default();
    for (key, (_, sealed)) in newest {
        salvage.take(&key, &sealed, false);
    }
    salvage
}

impl Salvage {
    fn take(&mut self, key: &[u8], sealed: &[u8], consistent: bool) {
        let Some((step, value)) = envelope::open(key, sealed) else {
            return;
        };
        self.step = self.step.max(step);
        let Some(kind) = kind(key) else {
            // Of a later version; its own record comes anew.
            if key != META {
                self.records.insert(key.into(), sealed.to_vec());
            }
            return;
        };
        if outlives(kind, consistent) && is_usable(kind, value) {
            self.records.insert(key.into(), sealed.to_vec());
        } else {
            *self.dropped.entry(kind).or_default() += 1;
        }
    }
}

/// Whether a record may go on without its store: harmless when old, and not made worthless by what is missing.
fn outlives(kind: RecordKind, consistent: bool) -> bool {
    match kind {
        // Peers may still use them, and used ones that come back do no harm.
        RecordKind::PreKey => true,
        // Only together are they of use; the library fetches the collections anew.
        RecordKind::AppStateVersion | RecordKind::MutationMac => consistent,
        kind => kind.tier().restore() == Restore::Keep,
    }
}
