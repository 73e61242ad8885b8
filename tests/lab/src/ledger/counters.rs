//! Every message key seen on the wire. Only headers are read; of a ciphertext a digest is kept.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

use serde::Serialize;
use sha2::{Digest, Sha256};
use wacore_libsignal::protocol::{
    PreKeySignalMessage, SenderKeyMessage, SignalMessage, SignalProtocolError,
};

use super::Sight;
use super::crime::Crime;

/// One sending chain of a Signal session.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Chain {
    /// The sending device.
    pub sender: String,
    /// The device it encrypts for.
    pub recipient: String,
    /// The sender's ratchet public key, hex.
    pub ratchet: String,
}

/// One sender key of a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct SenderKey {
    /// The group.
    pub group: String,
    /// The sending device.
    pub sender: String,
    /// The key's id.
    pub key_id: u32,
}

/// The counters seen under one key, each with the digest of the ciphertext that used it.
pub type Used = BTreeMap<u32, Fingerprint>;

/// SHA-256 of a ciphertext.
pub type Fingerprint = [u8; 32];

/// A message key.
pub enum MessageKey {
    /// Of a session: a counter of a chain.
    OfChain(Chain, u32),
    /// Of a group: an iteration of a sender key.
    OfSenderKey(SenderKey, u32),
}

impl MessageKey {
    /// As an observer is told.
    pub fn sight(&self) -> Sight<'_> {
        match self {
            MessageKey::OfChain(chain, counter) => Sight::Counter {
                ratchet: &chain.ratchet,
                counter: *counter,
            },
            MessageKey::OfSenderKey(key, iteration) => Sight::Iteration {
                group: &key.group,
                key_id: key.key_id,
                iteration: *iteration,
            },
        }
    }
}

/// What a recorded `<enc>` turned out to be.
pub struct Seen {
    /// The message key it was encrypted with.
    pub key: Option<MessageKey>,
    /// The one-time pre-key it consumes at its recipient.
    pub pre_key: Option<u32>,
    /// The key reuse it gave away.
    pub crime: Option<Crime>,
}

/// All message keys seen.
#[derive(Default)]
pub struct Counters {
    pub(super) chains: BTreeMap<Chain, Used>,
    pub(super) sender_keys: BTreeMap<SenderKey, Used>,
}

impl Counters {
    /// Records one ciphertext. `kind` is the `type` of the `<enc>`; of kinds that carry no ratchet nothing is kept.
    pub fn record(
        &mut self,
        sender: &str,
        recipient: &str,
        kind: &str,
        ciphertext: &[u8],
    ) -> Result<Seen, SignalProtocolError> {
        match kind {
            "msg" => {
                let message = SignalMessage::try_from(ciphertext)?;
                Ok(self.message_key(sender, recipient, &message))
            }
            "pkmsg" => {
                let message = PreKeySignalMessage::try_from(ciphertext)?;
                Ok(Seen {
                    pre_key: message.pre_key_id().map(u32::from),
                    ..self.message_key(sender, recipient, message.message())
                })
            }
            "skmsg" => {
                let message = SenderKeyMessage::try_from(ciphertext)?;
                Ok(self.sender_key(sender, recipient, &message))
            }
            _ => Ok(Seen {
                key: None,
                pre_key: None,
                crime: None,
            }),
        }
    }

    /// The inner message alone is compared: the same one may travel bare and inside a pre-key message.
    fn message_key(&mut self, sender: &str, recipient: &str, message: &SignalMessage) -> Seen {
        let chain = Chain {
            sender: sender.to_owned(),
            recipient: recipient.to_owned(),
            ratchet: hex::encode(message.sender_ratchet_key().public_key_bytes()),
        };
        let used = self.chains.entry(chain.clone()).or_default();
        let counter = message.counter();
        let crime = reused(used, counter, message.serialized()).then(|| Crime::MessageKeyReused {
            sender: chain.sender.clone(),
            recipient: chain.recipient.clone(),
            ratchet: chain.ratchet.clone(),
            counter,
        });
        Seen {
            key: Some(MessageKey::OfChain(chain, counter)),
            pre_key: None,
            crime,
        }
    }

    fn sender_key(&mut self, sender: &str, group: &str, message: &SenderKeyMessage) -> Seen {
        let key = SenderKey {
            group: group.to_owned(),
            sender: sender.to_owned(),
            key_id: message.chain_id(),
        };
        let used = self.sender_keys.entry(key.clone()).or_default();
        // The signature over a sender-key message is randomised, the encrypted body is not.
        let body = message.ciphertext().unwrap_or(message.serialized());
        let iteration = message.iteration();
        let crime = reused(used, iteration, body).then(|| Crime::SenderKeyIterationReused {
            sender: key.sender.clone(),
            group: key.group.clone(),
            key_id: key.key_id,
            iteration,
        });
        Seen {
            key: Some(MessageKey::OfSenderKey(key, iteration)),
            pre_key: None,
            crime,
        }
    }
}

/// Remembers a use; true when the counter was spent on another ciphertext before.
fn reused(used: &mut Used, counter: u32, ciphertext: &[u8]) -> bool {
    let fingerprint: Fingerprint = Sha256::digest(ciphertext).into();
    match used.entry(counter) {
        Slot::Vacant(slot) => {
            slot.insert(fingerprint);
            false
        }
        Slot::Occupied(first) => *first.get() != fingerprint,
    }
}
