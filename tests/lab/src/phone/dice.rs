//! Randomness that a seed replays and that a saved phone continues without repeating itself.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A seed and how many generators were drawn from it.
#[derive(Serialize, Deserialize)]
pub(super) struct Dice {
    seed: [u8; 32],
    rolls: u64,
}

impl Dice {
    /// Phones with the same lab seed differ by their number.
    pub(super) fn new(seed: u64, number: &str) -> Dice {
        let seed = Sha256::new()
            .chain_update(seed.to_be_bytes())
            .chain_update(number)
            .finalize()
            .into();
        Dice { seed, rolls: 0 }
    }

    /// A generator for one operation.
    pub(super) fn roll(&mut self) -> StdRng {
        self.rolls += 1;
        let seed = Sha256::new()
            .chain_update(self.seed)
            .chain_update(self.rolls.to_be_bytes())
            .finalize()
            .into();
        StdRng::from_seed(seed)
    }

    /// `N` random bytes.
    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.roll().fill(&mut bytes);
        bytes
    }

    /// `count` decimal digits, the first not zero.
    pub(super) fn digits(&mut self, count: usize) -> String {
        let mut rng = self.roll();
        (0..count)
            .map(|at| char::from(rng.random_range(if at == 0 { b'1'..=b'9' } else { b'0'..=b'9' })))
            .collect()
    }
}
