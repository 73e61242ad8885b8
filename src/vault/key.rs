//! Keys of the store: the tag of the kind, then the parts.
//!
//! All parts but the last carry their length, so that no two lists of parts make the same key and the rows under
//! the first parts lie together.

use std::sync::Arc;

use holdfast_medium::wear::Purpose;

use super::tiers::{RecordKind, Tier};

/// The key of a record.
pub(super) fn key(kind: RecordKind, parts: &[&[u8]]) -> Arc<[u8]> {
    let (last, first) = parts
        .split_last()
        .map_or((&[][..], &[][..]), |(last, first)| (*last, first));
    let mut key = prefix(kind, first);
    key.extend_from_slice(last);
    key.into()
}

/// Makes the prefix of the keys of all records under these first parts.
pub(super) fn prefix(kind: RecordKind, parts: &[&[u8]]) -> Vec<u8> {
    let mut prefix = vec![kind as u8];
    for part in parts {
        prefix.extend_from_slice(&length(part));
        prefix.extend_from_slice(part);
    }
    prefix
}

fn length(part: &[u8]) -> [u8; 4] {
    u32::try_from(part.len())
        .expect("an address or id is far smaller than 4 GiB")
        .to_be_bytes()
}

/// The kind of the record under this key; a later version may know more of them.
pub(super) fn kind(key: &[u8]) -> Option<RecordKind> {
    RecordKind::from_tag(*key.first()?)
}

/// Why the record under this key is written.
pub(super) fn purpose(key: &[u8]) -> Purpose {
    match kind(key).map(RecordKind::tier) {
        Some(Tier::Ratchet) => Purpose::Ratchet,
        Some(Tier::Rebuildable) => Purpose::Rebuildable,
        Some(Tier::Kept | Tier::Identity) | None => Purpose::Kept,
    }
}

/// The last part of a key that has this many parts.
pub(super) fn last_part(key: &[u8], parts: usize) -> Option<&[u8]> {
    let mut rest = key.get(1..)?;
    for _ in 1..parts {
        let (length, tail) = rest.split_first_chunk::<4>()?;
        rest = tail.get(u32::from_be_bytes(*length) as usize..)?;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_are_kept_apart(one: [Vec<u8>; 3], other: [Vec<u8>; 3]) {
            let of = |parts: &[Vec<u8>; 3]| key(RecordKind::TcToken, &[&parts[0], &parts[1], &parts[2]]);
            prop_assert_eq!(of(&one) == of(&other), one == other);
            let key = of(&one);
            prop_assert_eq!(last_part(&key, 3), Some(one[2].as_slice()));
            prop_assert!(key.starts_with(&prefix(RecordKind::TcToken, &[&one[0], &one[1]])));
        }

        #[test]
        fn never_panics(bytes: Vec<u8>, parts in 0..5usize) {
            let _ = last_part(&bytes, parts);
        }
    }
}
