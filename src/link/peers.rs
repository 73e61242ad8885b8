//! Numbers peers whose messages could not be decrypted, so that the core tells them apart and learns no address.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use parking_lot::{Mutex, MutexGuard};
use whatsapp_rust::Jid;

/// The most peers that are remembered.
const MOST: usize = 256;

/// The numbered peers of this process, across its runs.
#[derive(Default)]
pub(super) struct Peers {
    salt: RandomState,
    known: Mutex<HashMap<u64, Jid>>,
}

impl Peers {
    /// Gives the number that stands for this peer in the core: a salted hash, so that no address reaches it.
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

    /// Looks up the peer behind a number.
    pub(super) fn of(&self, number: u64) -> Option<Jid> {
        self.known().get(&number).cloned()
    }

    fn known(&self) -> MutexGuard<'_, HashMap<u64, Jid>> {
        self.known.lock()
    }
}
