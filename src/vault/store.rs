//! The store of one generation as its one writer has it: sled, the witness beside it, and how far both have come.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use holdfast_medium::{
    atomic,
    wear::{Costs, Purpose},
};

use super::digest::StateDigest;
use super::engine::Engine;
use super::envelope;
use super::key::purpose;
use super::layout::{SLED, WITNESS};
use super::witness::Witness;

/// The store's own record: step and digest of the last batch. Its tag belongs to no kind.
pub(super) const META: &[u8] = &[0];

/// Records by key: what is to be put, sealed already or not, or deleted.
pub(super) type Batch = BTreeMap<Arc<[u8]>, Option<Bytes>>;

/// The store and its witness.
pub(super) struct Store {
    pub engine: Engine,
    witness: Witness,
    /// The last step that was begun.
    step: u64,
    /// The last step that was promised.
    promised: u64,
    digest: StateDigest,
}

impl Store {
    /// Of parts that were looked through and found whole; the last steps that were begun, and promised.
    pub fn new(
        engine: Engine,
        witness: Witness,
        (step, promised): (u64, u64),
        digest: StateDigest,
    ) -> Store {
        Store {
            engine,
            witness,
            step,
            promised,
            digest,
        }
    }

    /// Writes a whole store into a directory, durably: these sealed records, and a step that is beyond theirs.
    pub fn create(dir: &Path, records: &BTreeMap<Arc<[u8]>, Vec<u8>>, step: u64) -> io::Result<()> {
        let engine = Engine::open(&dir.join(SLED))?;
        let mut digest = StateDigest::default();
        let mut batch = sled::Batch::default();
        for (key, sealed) in records {
            digest.add(key, sealed);
            batch.insert(key.as_ref(), sealed.as_slice());
        }
        batch.insert(META, meta(step, digest));
        engine.secure(records.values().map(|sealed| sealed.len() as u64).sum())?;
        engine.apply(batch)?;
        engine.sync()?;
        Witness::create(&dir.join(WITNESS), step)?;
        atomic::sync_dir(dir)
    }

    /// How far it has come.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// How many records it holds.
    pub fn count(&self) -> u64 {
        self.digest.count()
    }

    /// Applies the changes as the next step and pushes the witness of it; [`Store::sync`] makes both durable.
    /// Adds the bytes of both to the costs.
    ///
    /// # Errors
    /// Nothing was promised of the step, and the witness says so, as far as it can still be written.
    pub fn apply(&mut self, changes: &Batch, costs: &mut Costs) -> io::Result<()> {
        let values = changes.values().flatten();
        self.engine
            .secure(values.map(|value| value.len() as u64).sum())?;
        let step = self.step + 1;
        self.take_step(step, changes, costs)
            .inspect_err(|_| self.give_up(step))
    }

    fn take_step(&mut self, step: u64, changes: &Batch, costs: &mut Costs) -> io::Result<()> {
        let mut digest = self.digest;
        let mut batch = sled::Batch::default();
        let told = self
            .witness
            .testify(step, changes.keys().map(|key| key.as_ref()))?;
        costs.entry(Purpose::Witness).or_default().bytes += told;
        for (key, value) in changes {
            if let Some(before) = self.engine.get(key)? {
                digest.remove(key, &before);
            }
            match value {
                Some(value) => {
                    let sealed = envelope::seal(key, step, value);
                    digest.add(key, &sealed);
                    costs.entry(purpose(key)).or_default().bytes += sealed.len() as u64;
                    batch.insert(key.as_ref(), sealed);
                }
                None => batch.remove(key.as_ref()),
            }
        }
        batch.insert(META, meta(step, digest));
        self.engine.apply(batch)?;
        self.step = step;
        self.digest = digest;
        Ok(())
    }

    /// The device flush.
    ///
    /// # Errors
    /// As those of [`Store::apply`].
    pub fn sync(&mut self) -> io::Result<()> {
        self.engine
            .sync()
            .inspect_err(|_| self.give_up(self.step))?;
        self.promised = self.step;
        Ok(())
    }

    /// Takes back what the witness says of a step that nobody was told of. Otherwise the next start would miss it, and drop
    /// records that are as new as they ever were.
    fn give_up(&mut self, step: u64) {
        if let Err(error) = self.witness.give_up(step, self.promised) {
            tracing::warn!("the witness of a step that failed cannot be taken back: {error}");
        }
    }
}

fn meta(step: u64, digest: StateDigest) -> Vec<u8> {
    envelope::seal(META, step, &digest.to_bytes())
}

/// Step and digest as the store's own record has them.
pub(super) fn parse_meta(sealed: &[u8]) -> Option<(u64, StateDigest)> {
    let (step, digest) = envelope::open(META, sealed)?;
    Some((step, StateDigest::from_bytes(digest)?))
}
