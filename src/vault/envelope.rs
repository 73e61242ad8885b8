//! The envelope of each value in the store: a checksum, so that damage is noticed, and enough to find a value in raw bytes.
//!
//! `"HF" | version u8 | key length u32 | step u64 | value length u32 | key | value | crc32c u32`, little-endian; the
//! checksum covers everything before it.

const MAGIC: [u8; 2] = *b"HF";
const VERSION: u8 = 1;
const HEAD: usize = 2 + 1 + 4 + 8 + 4;
const CRC: usize = 4;

/// Seals a value written under this key in this step.
pub(super) fn seal(key: &[u8], step: u64, value: &[u8]) -> Vec<u8> {
    let length = |bytes: &[u8]| {
        u32::try_from(bytes.len())
            .expect("a record is far smaller than 4 GiB")
            .to_le_bytes()
    };
    let mut sealed = Vec::with_capacity(HEAD + key.len() + value.len() + CRC);
    sealed.extend_from_slice(&MAGIC);
    sealed.push(VERSION);
    sealed.extend_from_slice(&length(key));
    sealed.extend_from_slice(&step.to_le_bytes());
    sealed.extend_from_slice(&length(value));
    sealed.extend_from_slice(key);
    sealed.extend_from_slice(value);
    let crc = crc32c::crc32c(&sealed);
    sealed.extend_from_slice(&crc.to_le_bytes());
    sealed
}

/// A sealed value, and what it says of itself.
pub(super) struct Sealed<'a> {
    pub key: &'a [u8],
    pub step: u64,
    pub value: &'a [u8],
    /// All of it.
    pub sealed: &'a [u8],
}

/// The step and value sealed under this key; `None` when these bytes are anything else.
pub(super) fn open<'a>(key: &[u8], sealed: &'a [u8]) -> Option<(u64, &'a [u8])> {
    let found = parse(sealed)?;
    (found.key == key && found.sealed.len() == sealed.len()).then_some((found.step, found.value))
}

/// Every sealed value that lies whole somewhere in these bytes.
pub(super) fn find(bytes: &[u8]) -> impl Iterator<Item = Sealed<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() {
            let rest = &bytes[at..];
            let skip = rest.iter().position(|byte| *byte == MAGIC[0])?;
            if let Some(found) = parse(&rest[skip..]) {
                at += skip + found.sealed.len();
                return Some(found);
            }
            at += skip + 1;
        }
        None
    })
}

/// The sealed value at the beginning of these bytes.
fn parse(bytes: &[u8]) -> Option<Sealed<'_>> {
    let (magic, rest) = bytes.split_first_chunk::<2>()?;
    let (version, rest) = rest.split_first()?;
    if *magic != MAGIC || *version != VERSION {
        return None;
    }
    let (key_length, rest) = rest.split_first_chunk::<4>()?;
    let (step, rest) = rest.split_first_chunk::<8>()?;
    let (value_length, rest) = rest.split_first_chunk::<4>()?;
    let (key, rest) = rest.split_at_checked(u32::from_le_bytes(*key_length) as usize)?;
    let (value, rest) = rest.split_at_checked(u32::from_le_bytes(*value_length) as usize)?;
    let (crc, rest) = rest.split_first_chunk::<CRC>()?;
    let sealed = &bytes[..bytes.len() - rest.len()];
    let covered = &sealed[..sealed.len() - CRC];
    (crc32c::crc32c(covered) == u32::from_le_bytes(*crc)).then(|| Sealed {
        key,
        step: u64::from_le_bytes(*step),
        value,
        sealed,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn opens_what_was_sealed(key: Vec<u8>, step: u64, value: Vec<u8>) {
            let sealed = seal(&key, step, &value);
            prop_assert_eq!(open(&key, &sealed), Some((step, value.as_slice())));
        }

        #[test]
        fn any_changed_bit_and_any_other_key_is_bad(key: Vec<u8>, value: Vec<u8>, other: Vec<u8>, at: prop::sample::Index, bit in 0..8u32) {
            let mut sealed = seal(&key, 7, &value);
            prop_assert!(other == key || open(&other, &sealed).is_none());
            let at = at.index(sealed.len());
            sealed[at] ^= 1 << bit;
            prop_assert_eq!(open(&key, &sealed), None);
        }

        #[test]
        fn never_panics(key: Vec<u8>, bytes: Vec<u8>) {
            let _ = open(&key, &bytes);
        }

        #[test]
        fn is_found_among_anything(noise: [Vec<u8>; 3], records: [(Vec<u8>, Vec<u8>); 2]) {
            let mut bytes = Vec::new();
            for (noise, (key, value)) in noise.iter().zip(&records) {
                bytes.extend(noise);
                bytes.extend(seal(key, 7, value));
            }
            bytes.extend(&noise[2]);
            let found: Vec<_> = find(&bytes)
                .map(|found| (found.key.to_vec(), found.value.to_vec()))
                .collect();
            prop_assert_eq!(found, records);
        }

        #[test]
        fn a_cut_envelope_is_bad(key: Vec<u8>, value: Vec<u8>, at: prop::sample::Index) {
            let sealed = seal(&key, 7, &value);
            prop_assert_eq!(open(&key, &sealed[..at.index(sealed.len())]), None);
        }
    }
}
