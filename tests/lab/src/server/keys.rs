//! Pre-keys: how many are left, uploads, the digest, and the bundles that others fetch.

use rand::RngExt as _;
use wacore::iq::prekeys::{OneTimePreKeyNode, SignedPreKeyNode};
use wacore::prekeys::compute_key_bundle_digest;
use wacore::protocol::ProtocolNode as _;
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::fault::{Fault, UPLOAD_REFUSED};
use super::reply;
use super::world::{DeviceId, SignedPreKey, World};
use crate::phone::keys::Bundle;
use crate::wire::stanza::NodeExt;

/// At this number of pre-keys left a device is asked for more.
const LOW: usize = 5;

/// Ids of one-time pre-keys are 24 bits.
const MAX_PRE_KEY_ID: u32 = 0x00ff_ffff;

impl World {
    pub fn pre_key_count(&mut self, id: &DeviceId, iq: &Node) -> Node {
        let count = self
            .device_mut(id)
            .map_or(0, |device| device.pre_keys.len());
        let count = NodeBuilder::new("count").attr("value", count).build();
        reply::result(iq, [count])
    }

    pub fn upload(&mut self, id: &DeviceId, iq: &Node) -> Node {
        if self.faults.strikes(id, Fault::RefusedUpload) {
            let (code, text) = UPLOAD_REFUSED;
            return reply::error(iq, code, text);
        }
        let keys: Option<Vec<(u32, [u8; 32])>> = iq
            .child(&["list"])
            .map(NodeExt::nodes)
            .unwrap_or_default()
            .iter()
            .map(|key| Some((key.child(&["id"])?.number(), key.child(&["value"])?.key()?)))
            .collect();
        let identity = iq.child(&["identity"]).and_then(NodeExt::key);
        let signed = iq.child(&["skey"]).and_then(signed_pre_key);
        let (Some(keys), Some(identity), Some(signed)) = (keys, identity, signed) else {
            return reply::error(iq, 400, "bad-request");
        };
        self.ledger.pre_keys_uploaded(
            &id.to_string(),
            &identity,
            keys.iter().map(|(id, key)| (*id, key.to_vec())),
        );
        self.ledger
            .signed_pre_key_published(&id.to_string(), signed.id, &signed.public);
        if let Some(device) = self.device_mut(id) {
            if let Some(registration) = iq.child(&["registration"]) {
                device.registration_id = registration.number();
            }
            device.signed_pre_key = signed;
            // An id that comes again carries what the client says last: whether a real server appends or replaces is not
            // known, and the ledger has noted it.
            device.pre_keys.extend(keys);
        }
        reply::result(iq, [])
    }

    pub fn rotate(&mut self, id: &DeviceId, iq: &Node) -> Node {
        match iq.child(&["rotate", "skey"]).and_then(signed_pre_key) {
            Some(signed) => {
                self.ledger
                    .signed_pre_key_published(&id.to_string(), signed.id, &signed.public);
                if let Some(device) = self.device_mut(id) {
                    device.signed_pre_key = signed;
                }
                reply::result(iq, [])
            }
            None => reply::error(iq, 400, "bad-request"),
        }
    }

    pub fn key_digest(&mut self, id: &DeviceId, iq: &Node) -> Node {
        let Some(device) = self
            .device_mut(id)
            .filter(|device| !device.pre_keys.is_empty())
        else {
            return reply::error(iq, 404, "item-not-found");
        };
        let keys: Vec<&[u8]> = device.pre_keys.values().map(|key| &key[..]).collect();
        let hash = compute_key_bundle_digest(
            &device.identity,
            &device.signed_pre_key.public,
            &device.signed_pre_key.signature,
            &keys,
        );
        let ids = device.pre_keys.keys().map(|id| {
            NodeBuilder::new("id")
                .bytes(id.to_be_bytes()[1..].to_vec())
                .build()
        });
        let digest = NodeBuilder::new("digest")
            .children([
                NodeBuilder::new("registration")
                    .bytes(device.registration_id.to_be_bytes().to_vec())
                    .build(),
                NodeBuilder::new("type").bytes(vec![5]).build(),
                NodeBuilder::new("identity")
                    .bytes(device.identity.to_vec())
                    .build(),
                signed_node(&device.signed_pre_key).into_node(),
                NodeBuilder::new("list").children(ids).build(),
                NodeBuilder::new("hash").bytes(hash).build(),
            ])
            .build();
        reply::result(iq, [digest])
    }

    pub fn bundles(&mut self, iq: &Node) -> Node {
        let asked = iq.child(&["key"]).map(NodeExt::nodes).unwrap_or_default();
        let users: Vec<Node> = asked
            .iter()
            .filter_map(|user| user.jid("jid"))
            .map(|jid| {
                let bundle = self.resolve(&jid).and_then(|device| self.bundle(&device));
                match bundle {
                    Some(mut bundle) => {
                        bundle.jid = jid;
                        bundle.into_node()
                    }
                    None => NodeBuilder::new("user")
                        .attr("jid", jid)
                        .children([NodeBuilder::new("error")
                            .attr("code", 404)
                            .attr("text", "item-not-found")
                            .build()])
                        .build(),
                }
            })
            .collect();
        reply::result(iq, [NodeBuilder::new("list").children(users).build()])
    }

    /// A bundle of a device or a phone; it uses up a one-time pre-key while there are any.
    pub fn bundle(&mut self, id: &DeviceId) -> Option<Bundle> {
        let account = self.accounts.get_mut(&id.phone)?;
        if id.device == 0 && self.faults.strikes(id, Fault::NoBundle) {
            return None;
        }
        if id.device == 0 {
            return Some(account.phone.bundle());
        }
        let device_identity = account
            .phone
            .companion(id.device)
            .and_then(|companion| companion.signed_identity())
            .map(<[u8]>::to_vec);
        let lost = self.faults.strikes(id, Fault::LostPreKey);
        let device = self.device_mut(id)?;
        let one_time = if lost {
            let mut key = [0; 32];
            rand::rng().fill(&mut key);
            Some((MAX_PRE_KEY_ID, key))
        } else {
            device.pre_keys.pop_first()
        };
        let left = device.pre_keys.len();
        let bundle = Bundle {
            jid: id.jid(),
            registration_id: device.registration_id,
            identity_key: device.identity.to_vec(),
            signed_pre_key: signed_node(&device.signed_pre_key),
            one_time_pre_key: one_time.map(|(id, key)| OneTimePreKeyNode::new(id, key.to_vec())),
            device_identity,
        };
        if let Some((key, _)) = one_time
            && !lost
        {
            self.ledger.pre_key_handed_out(&id.to_string(), key);
            if left == LOW {
                self.ask_for_pre_keys(id, left);
            }
        }
        Some(bundle)
    }
}

fn signed_pre_key(node: &Node) -> Option<SignedPreKey> {
    Some(SignedPreKey {
        id: node.child(&["id"])?.number(),
        public: node.child(&["value"])?.key()?,
        signature: node.child(&["signature"])?.bytes().to_vec(),
    })
}

fn signed_node(key: &SignedPreKey) -> SignedPreKeyNode {
    SignedPreKeyNode::new(key.id, key.public.to_vec(), key.signature.clone())
}
