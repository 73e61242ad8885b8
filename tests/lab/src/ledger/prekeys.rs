//! Which one-time pre-keys a device published, and which of them were spent.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::crime::Crime;

/// What one device published since it was linked.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Published {
    /// The identity key the device was linked with, hex.
    pub identity: Option<String>,
    /// The public key of every one-time pre-key uploaded, by id, hex.
    pub keys: BTreeMap<u32, String>,
    /// The public key of every signed pre-key published, by id, hex.
    pub signed: BTreeMap<u32, String>,
    /// How often one-time pre-keys were uploaded.
    pub uploads: u64,
    /// Ids the server has handed out in a bundle.
    pub handed_out: BTreeSet<u32>,
    /// Ids named by a pre-key message to the device.
    pub used: BTreeSet<u32>,
}

/// The same for all devices, by address.
#[derive(Default)]
pub struct PreKeys {
    pub(super) devices: BTreeMap<String, Published>,
}

impl PreKeys {
    /// A device was linked under this address: whatever an earlier one published is no longer its.
    pub fn linked(&mut self, device: &str, identity: &[u8]) {
        let published = Published {
            identity: Some(hex::encode(identity)),
            ..Published::default()
        };
        self.devices.insert(device.to_owned(), published);
    }

    /// Records an upload and returns what it gave away.
    pub fn uploaded(
        &mut self,
        device: &str,
        identity: &[u8],
        keys: impl IntoIterator<Item = (u32, Vec<u8>)>,
    ) -> Vec<Crime> {
        let published = self.of(device);
        published.uploads += 1;
        let mut crimes = Vec::new();
        let identity = hex::encode(identity);
        if *published.identity.get_or_insert_with(|| identity.clone()) != identity {
            crimes.push(Crime::IdentityChanged {
                device: device.to_owned(),
            });
        }
        for (id, key) in keys {
            let key = hex::encode(&key);
            // The first key stays the reference: it is the one peers may hold.
            if *published.keys.entry(id).or_insert_with(|| key.clone()) != key {
                crimes.push(Crime::PreKeyIdReusedWithAnotherKey {
                    device: device.to_owned(),
                    id,
                });
            }
        }
        crimes
    }

    /// Records a signed pre-key and returns what it gave away.
    pub fn signed(&mut self, device: &str, id: u32, key: &[u8]) -> Option<Crime> {
        let key = hex::encode(key);
        let signed = &mut self.of(device).signed;
        let first = signed.entry(id).or_insert_with(|| key.clone());
        (*first != key).then(|| Crime::SignedPreKeyIdReusedWithAnotherKey {
            device: device.to_owned(),
            id,
        })
    }

    /// The record of one device, begun when it is new.
    pub fn of(&mut self, device: &str) -> &mut Published {
        self.devices.entry(device.to_owned()).or_default()
    }
}
