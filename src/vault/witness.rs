//! The witness: how far the store promised to be, kept outside it.
//!
//! A small preallocated ring of slots. The frame of step N is pushed to the device before the store's batch of step
//! N, so that one barrier makes both durable; it names the records that N writes. A store that comes back exactly one
//! step behind lost at most what that frame names; one that is further behind was rolled back.
//!
//! A frame is `"HfW1" | crc32c u32 | step u64 | count u32 | count x name u64`, little-endian; the checksum covers what
//! follows it. A count of `u32::MAX` means more records than fit.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use holdfast_medium::push::{self, BLOCK, Blocks, Pushed};
use sha2::{Digest, Sha256};

const SLOTS: u64 = 8;
/// Room for some 2000 names, so that an ordinary step is always named whole.
const SLOT: usize = 4 * BLOCK;
const MAGIC: [u8; 4] = *b"HfW1";
const HEAD: usize = 4 + 4 + 8 + 4;
const NAME: usize = 8;
const TOO_MANY: u32 = u32::MAX;

/// The witness of one store, as its writer has it.
pub(super) struct Witness(Pushed);

/// The newest thing a witness says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Testimony {
    /// The store promised to have come this far, or was about to.
    pub step: u64,
    /// The records of that step; `None` when they were too many to be named.
    names: Option<BTreeSet<u64>>,
}

impl Testimony {
    /// Whether the step wrote or deleted the record under this key; true also where that is not known.
    pub fn names(&self, key: &[u8]) -> bool {
        self.names
            .as_ref()
            .is_none_or(|names| names.contains(&name(key)))
    }
}

impl Witness {
    /// Makes the file, durably, with a store's first step in it.
    pub fn create(path: &Path, step: u64) -> io::Result<()> {
        push::create(path, SLOTS * SLOT as u64)?;
        let mut witness = Self::open(path)?;
        witness.testify(step, [].into_iter())?;
        witness.0.flush()
    }

    pub fn open(path: &Path) -> io::Result<Witness> {
        Pushed::open(path).map(Witness)
    }

    /// Pushes the frame of a step to the device; the barrier that follows makes it durable. Returns its bytes.
    pub fn testify<'a>(
        &mut self,
        step: u64,
        keys: impl ExactSizeIterator<Item = &'a [u8]>,
    ) -> io::Result<u64> {
        let fits = keys.len() <= (SLOT - HEAD) / NAME;
        let count = match u32::try_from(keys.len()) {
            Ok(count) if fits => count,
            _ => TOO_MANY,
        };
        let mut covered = Vec::with_capacity(HEAD);
        covered.extend(step.to_le_bytes());
        covered.extend(count.to_le_bytes());
        if fits {
            covered.extend(keys.flat_map(|key| name(key).to_le_bytes()));
        }
        let mut frame = Vec::with_capacity(HEAD + covered.len());
        frame.extend(MAGIC);
        frame.extend(crc32c::crc32c(&covered).to_le_bytes());
        frame.extend(covered);
        let blocks = Blocks::new(&frame);
        self.0.write(step % SLOTS * SLOT as u64, &blocks)?;
        Ok(blocks.len() as u64)
    }
}

/// The newest testimony of the witness in this file; `None` when there is none that can be read.
pub(super) fn newest(path: &Path) -> io::Result<Option<Testimony>> {
    let content = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        content => content?,
    };
    Ok(content
        .chunks(SLOT)
        .filter_map(parse)
        .max_by_key(|testimony| testimony.step))
}

fn parse(slot: &[u8]) -> Option<Testimony> {
    let (magic, rest) = slot.split_first_chunk::<4>()?;
    let (crc, covered) = rest.split_first_chunk::<4>()?;
    let (step, rest) = covered.split_first_chunk::<8>()?;
    let (count, rest) = rest.split_first_chunk::<4>()?;
    let count = u32::from_le_bytes(*count);
    let names = match count {
        TOO_MANY => &[][..],
        count => rest.get(..usize::try_from(count).ok()?.checked_mul(NAME)?)?,
    };
    let covered = &covered[..HEAD - 8 + names.len()];
    if *magic != MAGIC || crc32c::crc32c(covered) != u32::from_le_bytes(*crc) {
        return None;
    }
    let (named, _) = names.as_chunks::<NAME>();
    Some(Testimony {
        step: u64::from_le_bytes(*step),
        names: (count != TOO_MANY)
            .then(|| named.iter().map(|name| u64::from_le_bytes(*name)).collect()),
    })
}

/// Eight bytes for a record's key. Two keys of one name cost a record that could have stayed, no more.
fn name(key: &[u8]) -> u64 {
    let digest = Sha256::digest(key);
    let (first, _) = digest
        .split_first_chunk::<8>()
        .expect("SHA-256 has 32 bytes");
    u64::from_le_bytes(*first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys<'a>(keys: &'a [&'a [u8]]) -> impl ExactSizeIterator<Item = &'a [u8]> {
        keys.iter().copied()
    }

    #[test]
    fn the_newest_step_is_told_with_its_records() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("witness");
        assert_eq!(newest(&path).unwrap(), None);
        Witness::create(&path, 7).unwrap();
        assert_eq!(newest(&path).unwrap().unwrap().step, 7);
        let mut witness = Witness::open(&path).unwrap();
        for step in 8..30 {
            witness.testify(step, keys(&[b"a", b"b"])).unwrap();
            let told = newest(&path).unwrap().unwrap();
            assert_eq!(told.step, step);
            assert!(told.names(b"a") && told.names(b"b") && !told.names(b"c"));
        }
    }

    #[test]
    fn records_that_are_too_many_to_be_named_are_all_meant() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("witness");
        Witness::create(&path, 0).unwrap();
        let many: Vec<[u8; 4]> = (0..3000_u32).map(u32::to_le_bytes).collect();
        let mut witness = Witness::open(&path).unwrap();
        witness.testify(1, many.iter().map(|key| &key[..])).unwrap();
        assert!(newest(&path).unwrap().unwrap().names(b"any"));
    }

    #[test]
    fn a_damaged_frame_leaves_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("witness");
        Witness::create(&path, 0).unwrap();
        let mut witness = Witness::open(&path).unwrap();
        witness.testify(1, keys(&[b"a"])).unwrap();
        witness.testify(2, keys(&[b"b"])).unwrap();
        let good = fs::read(&path).unwrap();
        for at in 0..HEAD + NAME {
            let mut bad = good.clone();
            bad[2 * SLOT + at] ^= 1;
            fs::write(&path, bad).unwrap();
            assert_eq!(newest(&path).unwrap().unwrap().step, 1, "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(mut slot: Vec<u8>) {
            let _ = parse(&slot);
            slot.splice(0..0, MAGIC);
            let _ = parse(&slot);
        }
    }
}
