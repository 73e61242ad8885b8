//! The digest of the store's state: the sum of a hash of each record, updated by what changes.
//!
//! Each batch carries the digest of the state it leads to. A page that went back to an older state, each of its
//! records whole, is noticed by it, and so is a record that is missing. A sum is updated by what changes alone.

use sha2::{Digest, Sha256};

const BYTES: usize = 16 + 8;

/// The digest of a set of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct StateDigest {
    sum: u128,
    count: u64,
}

impl StateDigest {
    /// Takes a record in.
    pub fn add(&mut self, key: &[u8], sealed: &[u8]) {
        self.sum = self.sum.wrapping_add(hash(key, sealed));
        self.count = self.count.wrapping_add(1);
    }

    /// Takes a record that is in it out again.
    pub fn remove(&mut self, key: &[u8], sealed: &[u8]) {
        self.sum = self.sum.wrapping_sub(hash(key, sealed));
        self.count = self.count.wrapping_sub(1);
    }

    /// How many records are in it.
    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn to_bytes(self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        bytes[..16].copy_from_slice(&self.sum.to_le_bytes());
        bytes[16..].copy_from_slice(&self.count.to_le_bytes());
        bytes
    }

    /// `None` when these bytes are no digest.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (sum, rest) = bytes.split_first_chunk::<16>()?;
        Some(Self {
            sum: u128::from_le_bytes(*sum),
            count: u64::from_le_bytes(rest.try_into().ok()?),
        })
    }
}

/// The key is in the seal too, but a record may lie under another's key.
fn hash(key: &[u8], sealed: &[u8]) -> u128 {
    let digest = Sha256::new()
        .chain_update((key.len() as u64).to_le_bytes())
        .chain_update(key)
        .chain_update(sealed)
        .finalize();
    let (first, _) = digest
        .split_first_chunk::<16>()
        .expect("SHA-256 has 32 bytes");
    u128::from_le_bytes(*first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn order_and_detours_do_not_matter(records: Vec<(Vec<u8>, Vec<u8>)>, other: (Vec<u8>, Vec<u8>)) {
            let mut there = StateDigest::default();
            records.iter().for_each(|(key, sealed)| there.add(key, sealed));
            let mut back = StateDigest::default();
            back.add(&other.0, &other.1);
            records.iter().rev().for_each(|(key, sealed)| back.add(key, sealed));
            prop_assert_ne!(there, back);
            back.remove(&other.0, &other.1);
            prop_assert_eq!(there, back);
            prop_assert_eq!(StateDigest::from_bytes(&there.to_bytes()), Some(there));
        }

        #[test]
        fn any_other_record_is_another_state(key: Vec<u8>, sealed: Vec<u8>, older: Vec<u8>) {
            let of = |sealed: &[u8]| {
                let mut digest = StateDigest::default();
                digest.add(&key, sealed);
                digest
            };
            prop_assert_eq!(of(&sealed) == of(&older), sealed == older);
        }

        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let _ = StateDigest::from_bytes(&bytes);
        }
    }
}
