//! The witness: how far the store promised to be, kept outside it.
//!
//! A small preallocated ring of slots. The frame of step N is pushed to the device before the store's batch of step
//! N, so that one barrier makes both durable; it names the records that N writes. A store that comes back exactly one
//! step behind lost at most what that frame names; one that is further behind was rolled back.
//!
//! A frame is `"HfW1" | crc32c u32 | step u64 | count u32 | count x name u64`, little-endian; the checksum covers what
//! follows it. A count of `u32::MAX` means more records than fit; one less, that the step failed before anybody was told of
//! it, and then the last step that was promised follows: the store may hold the failed one or not.

use std::collections::{BTreeMap, BTreeSet};
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
const GIVEN_UP: u32 = u32::MAX - 1;

/// The witness of one store, as its writer has it.
pub(super) struct Witness(Pushed);

/// What a witness says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Testimony {
    /// The store promised to have come this far, or was about to.
    pub step: u64,
    /// The last step that was ever begun: its number is not used again.
    pub begun: u64,
    /// The records of the step promised last; `None` when they were too many to be named.
    names: Option<BTreeSet<u64>>,
    /// The steps that failed.
    given_up: BTreeSet<u64>,
}

impl Testimony {
    /// Whether the step promised last wrote or deleted the record under this key; true also where that is not known.
    pub fn names(&self, key: &[u8]) -> bool {
        self.names
            .as_ref()
            .is_none_or(|names| names.contains(&name(key)))
    }

    /// How many steps a store that has come so far lacks.
    pub fn missing(&self, step: u64) -> u64 {
        let failed = self.given_up.iter();
        let failed = failed.filter(|failed| (step.saturating_add(1)..self.step).contains(failed));
        self.step.saturating_sub(step) - failed.count() as u64
    }
}

/// One slot of the ring.
struct Frame {
    step: u64,
    said: Said,
}

/// What a frame says of its step.
enum Said {
    /// It is promised, and wrote these records; `None` when they were too many to be named.
    Promised(Option<BTreeSet<u64>>),
    /// It failed; the last step promised before it.
    GivenUp(u64),
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
        let names = keys.take(if fits { usize::MAX } else { 0 });
        self.push(step, count, names.map(name))
    }

    /// Says, durably, that a step failed before anybody was told of it, and which was promised last.
    pub fn give_up(&mut self, step: u64, promised: u64) -> io::Result<()> {
        self.push(step, GIVEN_UP, [promised].into_iter())?;
        self.0.flush()
    }

    fn push(&mut self, step: u64, count: u32, names: impl Iterator<Item = u64>) -> io::Result<u64> {
        let mut covered = Vec::with_capacity(HEAD);
        covered.extend(step.to_le_bytes());
        covered.extend(count.to_le_bytes());
        covered.extend(names.flat_map(u64::to_le_bytes));
        let mut frame = Vec::with_capacity(HEAD + covered.len());
        frame.extend(MAGIC);
        frame.extend(crc32c::crc32c(&covered).to_le_bytes());
        frame.extend(covered);
        let blocks = Blocks::new(&frame);
        self.0.write(step % SLOTS * SLOT as u64, &blocks)?;
        Ok(blocks.len() as u64)
    }
}

/// The testimony of the witness in this file; `None` when there is none that can be read.
pub(super) fn newest(path: &Path) -> io::Result<Option<Testimony>> {
    let content = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        content => content?,
    };
    let mut frames: BTreeMap<u64, Said> = content
        .chunks(SLOT)
        .filter_map(parse)
        .map(|frame| (frame.step, frame.said))
        .collect();
    let given_up = frames
        .iter()
        .filter(|(_, said)| matches!(said, Said::GivenUp(_)))
        .map(|(step, _)| *step)
        .collect();
    let Some((begun, said)) = frames.pop_last() else {
        return Ok(None);
    };
    let (step, names) = match said {
        Said::Promised(names) => (begun, names),
        Said::GivenUp(promised) => match frames.remove(&promised) {
            Some(Said::Promised(names)) => (promised, names),
            Some(Said::GivenUp(_)) | None => (promised, None),
        },
    };
    Ok(Some(Testimony {
        step,
        begun,
        names,
        given_up,
    }))
}

fn parse(slot: &[u8]) -> Option<Frame> {
    let (magic, rest) = slot.split_first_chunk::<4>()?;
    let (crc, covered) = rest.split_first_chunk::<4>()?;
    let (step, rest) = covered.split_first_chunk::<8>()?;
    let (count, rest) = rest.split_first_chunk::<4>()?;
    let count = u32::from_le_bytes(*count);
    let numbers = match count {
        TOO_MANY => 0,
        GIVEN_UP => 1,
        count => usize::try_from(count).ok()?,
    };
    let numbers = rest.get(..numbers.checked_mul(NAME)?)?;
    let covered = &covered[..HEAD - 8 + numbers.len()];
    if *magic != MAGIC || crc32c::crc32c(covered) != u32::from_le_bytes(*crc) {
        return None;
    }
    let (numbers, _) = numbers.as_chunks::<NAME>();
    let mut numbers = numbers.iter().map(|number| u64::from_le_bytes(*number));
    Some(Frame {
        step: u64::from_le_bytes(*step),
        said: match count {
            TOO_MANY => Said::Promised(None),
            GIVEN_UP => Said::GivenUp(numbers.next()?),
            _ => Said::Promised(Some(numbers.collect())),
        },
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
    fn a_step_that_was_given_up_is_not_missing_and_its_number_not_used_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("witness");
        Witness::create(&path, 7).unwrap();
        let told = || newest(&path).unwrap().unwrap();
        let mut witness = Witness::open(&path).unwrap();
        witness.testify(8, keys(&[b"a"])).unwrap();
        witness.testify(9, keys(&[b"b"])).unwrap();
        witness.give_up(9, 8).unwrap();
        assert_eq!((told().step, told().begun), (8, 9));
        assert!(told().names(b"a") && !told().names(b"b"));
        assert_eq!([7, 8, 9].map(|step| told().missing(step)), [1, 0, 0]);

        // The next one is one step further, whatever its number.
        witness.testify(10, keys(&[b"c"])).unwrap();
        assert_eq!((told().step, told().begun), (10, 10));
        assert!(told().names(b"c") && !told().names(b"a"));
        assert_eq!([7, 8, 9, 10].map(|step| told().missing(step)), [2, 1, 1, 0]);

        // However many fail, it is known what was promised; by its name it is not, once its frame is gone.
        for step in 11..30 {
            witness.give_up(step, 10).unwrap();
            assert_eq!((told().step, told().begun), (10, step));
            assert_eq!(told().missing(10), 0);
            assert_eq!(told().names(b"d"), step >= 10 + SLOTS);
        }
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
