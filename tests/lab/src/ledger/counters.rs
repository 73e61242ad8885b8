//! Every message key seen on the wire. Only headers are read; of a ciphertext a digest is kept.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

use serde::Serialize;
use sha2::{Digest, Sha256};
use wacore_libsignal::protocol::{
    PreKeySignalMessage, SenderKeyMessage, SignalMessage, SignalProtocolError,
};

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

/// What a recorded `<enc>` turned out to be.
pub struct Seen {
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
                Ok(Seen {
                    pre_key: None,
                    crime: self.message_key(sender, recipient, &message),
                })
            }
            "pkmsg" => {
                let message = PreKeySignalMessage::try_from(ciphertext)?;
                Ok(Seen {
                    pre_key: message.pre_key_id().map(u32::from),
                    crime: self.message_key(sender, recipient, message.message()),
                })
            }
            "skmsg" => {
                let message = SenderKeyMessage::try_from(ciphertext)?;
                Ok(Seen {
                    pre_key: None,
                    crime: self.sender_key(sender, recipient, &message),
                })
            }
            _ => Ok(Seen {
                pre_key: None,
                crime: None,
            }),
        }
    }

    /// The inner message alone is compared: the same one may travel bare and inside a pre-key message.
    fn message_key(
        &mut self,
        sender: &str,
        recipient: &str,
        message: &SignalMessage,
    ) -> Option<Crime> {
        let chain = Chain {
            sender: sender.to_owned(),
            recipient: recipient.to_owned(),
            ratchet: hex(message.sender_ratchet_key().public_key_bytes()),
        };
        let used = self.chains.entry(chain.clone()).or_default();
        reused(used, message.counter(), message.serialized()).then(|| Crime::MessageKeyReused {
            sender: chain.sender,
            recipient: chain.recipient,
            ratchet: chain.ratchet,
            counter: message.counter(),
        })
    }

    fn sender_key(
        &mut self,
        sender: &str,
        group: &str,
        message: &SenderKeyMessage,
    ) -> Option<Crime> {
        let key = SenderKey {
            group: group.to_owned(),
            sender: sender.to_owned(),
            key_id: message.chain_id(),
        };
        let used = self.sender_keys.entry(key.clone()).or_default();
        // The signature over a sender-key message is randomised, the encrypted body is not.
        let body = message.ciphertext().unwrap_or(message.serialized());
        reused(used, message.iteration(), body).then(|| Crime::SenderKeyIterationReused {
            sender: key.sender,
            group: key.group,
            key_id: key.key_id,
            iteration: message.iteration(),
        })
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

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
