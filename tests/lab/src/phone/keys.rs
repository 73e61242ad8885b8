//! The phone's own keys, and the bundles that others fetch to open a session with it.

use std::collections::BTreeMap;

use rand::RngExt;
use serde::{Deserialize, Serialize};
use wacore::iq::prekeys::{OneTimePreKeyNode, PreKeyBundleUserNode, SignedPreKeyNode};
use wacore::protocol::ProtocolNode as _;
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;
use wacore_libsignal::protocol::{DeviceId, IdentityKey, KeyPair, PreKeyBundle, PublicKey};

use super::blob::Blob;
use super::dice::Dice;
use super::{Phone, PhoneError};

/// A pre-key bundle as the wire has it; `into_node` makes the `<user>` of a bundle reply.
pub type Bundle = PreKeyBundleUserNode;

/// Pre-key ids are 24 bits on the wire.
const MAX_PRE_KEY_ID: u32 = 0x00ff_ffff;

/// Identity, signed pre-key, and the one-time pre-keys handed out and not yet used.
#[derive(Serialize, Deserialize)]
pub(super) struct Keys {
    pub(super) identity: KeyPair,
    pub(super) registration_id: u32,
    pub(super) signed_pre_key: KeyPair,
    signature: Blob,
    pub(super) one_time: BTreeMap<u32, KeyPair>,
    next_id: u32,
}

/// The signed pre-key is never rotated: one id is enough.
pub(super) const SIGNED_PRE_KEY_ID: u32 = 1;

impl Keys {
    pub(super) fn new(dice: &mut Dice) -> Result<Keys, PhoneError> {
        let mut rng = dice.roll();
        let identity = KeyPair::generate(&mut rng);
        let signed_pre_key = KeyPair::generate(&mut rng);
        let signature =
            identity.calculate_signature(&signed_pre_key.public_key.serialize(), &mut rng)?;
        Ok(Keys {
            identity,
            // 14 bits and not zero, as the clients draw it.
            registration_id: rng.random_range(1..=0x3fff),
            signed_pre_key,
            signature: Blob(signature.to_vec()),
            one_time: BTreeMap::new(),
            next_id: 1,
        })
    }

    pub(super) fn signature(&self) -> &[u8] {
        &self.signature.0
    }

    fn new_one_time(&mut self, dice: &mut Dice) -> (u32, PublicKey) {
        let id = self.next_id;
        self.next_id = id % MAX_PRE_KEY_ID + 1;
        let pair = KeyPair::generate(&mut dice.roll());
        let public = pair.public_key;
        self.one_time.insert(id, pair);
        (id, public)
    }
}

impl Phone {
    /// The phone's public identity key: the account key of all its companions.
    pub fn identity_key(&self) -> [u8; 32] {
        raw(&self.keys.identity.public_key)
    }

    /// The phone's registration id.
    pub fn registration_id(&self) -> u32 {
        self.keys.registration_id
    }

    /// A bundle to open one session with this phone. Its one-time pre-key is made on demand and never handed out again,
    /// so the phone never runs out of them.
    pub fn bundle(&mut self) -> Bundle {
        let (id, public) = self.keys.new_one_time(&mut self.dice);
        Bundle {
            jid: self.pn(),
            registration_id: self.keys.registration_id,
            identity_key: self.identity_key().to_vec(),
            signed_pre_key: SignedPreKeyNode::new(
                SIGNED_PRE_KEY_ID,
                raw(&self.keys.signed_pre_key.public_key).to_vec(),
                self.keys.signature().to_vec(),
            ),
            one_time_pre_key: Some(OneTimePreKeyNode::new(id, raw(&public).to_vec())),
            device_identity: None,
        }
    }

    /// The `<keys>` of a retry receipt; without `<device-identity>`, since the phone is the account.
    pub(super) fn retry_keys(&mut self) -> Node {
        let bundle = self.bundle();
        let mut children = vec![
            NodeBuilder::new("type").bytes(vec![5]).build(),
            NodeBuilder::new("identity")
                .bytes(bundle.identity_key)
                .build(),
        ];
        children.extend(bundle.one_time_pre_key.map(|key| key.into_node()));
        children.push(bundle.signed_pre_key.into_node());
        NodeBuilder::new("keys").children(children).build()
    }
}

/// The bundle in a protocol form that the Signal library takes.
///
/// # Errors
/// [`PhoneError::Key`] when a key has a wrong length.
pub(super) fn pre_key_bundle(bundle: &Bundle) -> Result<PreKeyBundle, PhoneError> {
    let one_time = match &bundle.one_time_pre_key {
        Some(key) => Some((
            key.id.into(),
            PublicKey::from_djb_public_key_bytes(&key.public_bytes)?,
        )),
        None => None,
    };
    Ok(PreKeyBundle::new(
        bundle.registration_id,
        DeviceId::new(0),
        one_time,
        bundle.signed_pre_key.id.into(),
        PublicKey::from_djb_public_key_bytes(&bundle.signed_pre_key.public_bytes)?,
        bundle.signed_pre_key.signature.clone(),
        IdentityKey::new(PublicKey::from_djb_public_key_bytes(&bundle.identity_key)?),
    )?)
}

/// The 32 bytes of a curve key, without Signal's type byte.
pub(super) fn raw(key: &PublicKey) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(&key.serialize()[1..]);
    bytes
}
