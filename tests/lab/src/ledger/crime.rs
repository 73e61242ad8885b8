//! What no honest device ever does.

use serde::{Deserialize, Serialize};

/// A breach of the protocol that a real server cannot see or would answer with the loss of the session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "crime", rename_all = "kebab-case")]
pub enum Crime {
    /// Two different ciphertexts under one message key of a Signal session: a session was rolled back.
    #[error(
        "{sender} used message key {counter} of ratchet {ratchet} towards {recipient} for two ciphertexts"
    )]
    MessageKeyReused {
        /// The sending device.
        sender: String,
        /// The device it was encrypted for.
        recipient: String,
        /// The sender's ratchet public key, hex.
        ratchet: String,
        /// The counter within that chain.
        counter: u32,
    },
    /// Two different ciphertexts under one iteration of a sender key: the sender key was rolled back.
    #[error(
        "{sender} used iteration {iteration} of sender key {key_id} in {group} for two ciphertexts"
    )]
    SenderKeyIterationReused {
        /// The sending device.
        sender: String,
        /// The group.
        group: String,
        /// The sender key's id.
        key_id: u32,
        /// The iteration within that key.
        iteration: u32,
    },
    /// A one-time pre-key id was published again with another key: the pre-key store was rolled back.
    #[error("{device} published pre-key {id} twice with different keys")]
    PreKeyIdReusedWithAnotherKey {
        /// The publishing device.
        device: String,
        /// The pre-key's id.
        id: u32,
    },
    /// A signed pre-key id was published again with another key: two copies of the device went their own ways.
    #[error("{device} published signed pre-key {id} twice with different keys")]
    SignedPreKeyIdReusedWithAnotherKey {
        /// The publishing device.
        device: String,
        /// The signed pre-key's id.
        id: u32,
    },
    /// A linked device spoke with another identity key than the one its phone signed.
    #[error("{device} changed its identity key without being linked again")]
    IdentityChanged {
        /// The device.
        device: String,
    },
    /// A device logged in with another Noise key than the one it was linked with.
    #[error("{device} logged in with a Noise key it was not linked with")]
    WrongNoiseKey {
        /// The device.
        device: String,
    },
    /// A ciphertext that does not parse as what its `<enc>` says it is.
    #[error("{sender} sent {recipient} an <enc type={kind}> that does not parse")]
    MalformedCiphertext {
        /// The sending device.
        sender: String,
        /// The device or group it was sent to.
        recipient: String,
        /// The `type` of the `<enc>`.
        kind: String,
    },
}
