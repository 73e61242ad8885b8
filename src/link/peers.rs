//! Peers of which something could not be decrypted, told apart by numbers that say nothing of them.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use parking_lot::{Mutex, MutexGuard};
use whatsapp_rust::Jid;

/// How many are remembered.
const MOST: usize = 256;

/// Those of this process, whatever the run.
#[derive(Default)]
pub(super) struct Peers {
    salt: RandomState,
    known: Mutex<HashMap<u64, Jid>>,
}

impl Peers {
    /// What the core knows this peer by.
    pub(super) fn number(&self, peer: &Jid) -> u64 {
        let number = self.salt.hash_one(peer);
        let mut known = self.known();
        // More do not matter: the core asks for those of which much came lately.
        if known.len() == MOST {
            known.clear();
        }
        known.insert(number, peer.clone());
        number
    }

    /// Whom the core means.
    pub(super) fn of(&self, number: u64) -> Option<Jid> {
        self.known().get(&number).cloned()
    }

    fn known(&self) -> MutexGuard<'_, HashMap<u64, Jid>> {
        self.known.lock()
    }
}
