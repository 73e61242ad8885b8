//! Ids of one-time and of signed pre-keys: each a ring of 24 bits that never meets 0 (wacore's `MAX_PREKEY_ID`).

use wacore::store::Device;

const IDS: u32 = (1 << 24) - 1;

/// A pre-key's id, on the ring of those there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PreKeyId(u32);

impl PreKeyId {
    /// How far ids leap over those that may have been given out: under an id that comes again with another key the first
    /// message of a peer that fetched the old one is lost.
    pub(super) const LEAP: u32 = 10_000;

    pub(super) fn of(id: u32) -> PreKeyId {
        PreKeyId(id.saturating_sub(1) % IDS + 1)
    }

    /// Under this id and later ones a device never made a pre-key.
    pub(super) fn next_of(device: &Device) -> PreKeyId {
        Self::of(device.next_pre_key_id.max(device.first_unupload_pre_key_id))
    }

    /// The id itself.
    pub(super) fn get(self) -> u32 {
        self.0
    }

    /// So many ids further on.
    pub(super) fn ahead(self, by: u32) -> PreKeyId {
        PreKeyId((self.0 - 1 + by % IDS) % IDS + 1)
    }

    /// Whichever is ahead of the other, by the shorter way round.
    pub(super) fn later(self, other: PreKeyId) -> PreKeyId {
        let way = (other.0 + IDS - self.0) % IDS;
        if way < IDS / 2 { other } else { self }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_go_round_and_skip_zero() {
        let last = PreKeyId::of(IDS);
        assert_eq!(last.0, 0xFF_FFFF);
        assert_eq!(last.ahead(1), PreKeyId(1));
        assert_eq!(PreKeyId::of(IDS + 1), PreKeyId(1));
        assert_eq!(PreKeyId::of(0), PreKeyId(1), "unset: none was made");
        assert_eq!(PreKeyId(3).later(last), PreKeyId(3), "it has been round");
    }

    proptest! {
        #[test]
        fn what_is_ahead_is_later(id in 1..=IDS, by in 0..IDS / 2) {
            let (id, ahead) = (PreKeyId(id), PreKeyId(id).ahead(by));
            prop_assert!((1..=IDS).contains(&ahead.0));
            prop_assert_eq!(id.later(ahead), ahead);
            prop_assert_eq!(ahead.later(id), ahead);
        }
    }
}
