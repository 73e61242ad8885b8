//! What an observer of the ledger is told.

use super::Entry;

/// One thing the server saw, the moment it saw it.
#[derive(Clone, Copy, Debug)]
pub enum Sight<'a> {
    /// A new entry.
    Entry(&'a Entry),
    /// A message of a Signal session.
    Counter {
        /// The sender's ratchet public key, hex.
        ratchet: &'a str,
        /// The counter within that chain.
        counter: u32,
    },
    /// A message under a sender key.
    Iteration {
        /// The group.
        group: &'a str,
        /// The key's id.
        key_id: u32,
        /// The iteration within that key.
        iteration: u32,
    },
    /// A one-time pre-key was uploaded.
    PreKey {
        /// Its id.
        id: u32,
    },
}
