//! App state: the key that the phone shares with its companions, and the patches of the synced collections.
//!
//! The phone keeps each collection as its list of patches, all of them valid to the library's own processor. A
//! companion that asks from version 0 gets them all; the lab sends no snapshots.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wacore_appstate::encode::encode_record;
use wacore_appstate::hash::{HashState, generate_patch_mac};
use wacore_appstate::keys::{ExpandedAppStateKeys, expand_app_state_keys};
use wacore_appstate::processor::process_patch;
use waproto::whatsapp as wa;

use super::blob::Blob;
use super::dice::Dice;
use super::{Phone, PhoneError};

/// The collection that names the account.
pub const CRITICAL_BLOCK: &str = "critical_block";

/// The key and the collections.
#[derive(Serialize, Deserialize)]
pub(super) struct AppState {
    key_id: [u8; 6],
    key: [u8; 32],
    collections: BTreeMap<String, Vec<Blob>>,
}

impl AppState {
    pub(super) fn new(dice: &mut Dice) -> AppState {
        // The first two bytes of a key id are the device that made the key, the others its epoch.
        let mut key_id = dice.bytes();
        key_id[..2].copy_from_slice(&[0, 0]);
        AppState {
            key_id,
            key: dice.bytes(),
            collections: BTreeMap::new(),
        }
    }

    fn patches(&self, collection: &str) -> &[Blob] {
        self.collections
            .get(collection)
            .map_or(&[], |patches| patches)
    }

    fn keys(&self) -> ExpandedAppStateKeys {
        expand_app_state_keys(&self.key)
    }

    /// The collection after all its patches and then `next`, checked by the library's processor.
    fn replay(
        &self,
        collection: &str,
        next: Option<&wa::SyncdPatch>,
    ) -> Result<Replayed, PhoneError> {
        let keys = Arc::new(self.keys());
        let mut replayed = Replayed::default();
        let kept = self
            .patches(collection)
            .iter()
            .map(|patch| waproto::codec::syncd_patch_decode(&patch.0).map_err(bad_patch))
            .collect::<Result<Vec<_>, _>>()?;
        for patch in kept.iter().chain(next) {
            let macs = &replayed.value_macs;
            let result = process_patch(
                patch,
                &mut replayed.state,
                |_| Ok(Arc::clone(&keys)),
                |index_mac| Ok(macs.get(index_mac).cloned()),
                true,
                collection,
            )
            .map_err(bad_patch)?;
            for removed in result.removed_index_macs {
                replayed.value_macs.remove(&removed[..]);
            }
            for added in result.added_macs {
                replayed
                    .value_macs
                    .insert(added.index_mac.to_vec(), added.value_mac.to_vec());
            }
        }
        Ok(replayed)
    }
}

#[derive(Default)]
struct Replayed {
    state: HashState,
    value_macs: HashMap<Vec<u8>, Vec<u8>>,
}

impl Phone {
    /// The peer message that shares the app-state key; clients wait for it after their first login. `now_s` is Unix time.
    pub fn app_state_key_share(&self, now_s: u64) -> wa::Message {
        use wa::message::{
            AppStateSyncKey, AppStateSyncKeyData, AppStateSyncKeyFingerprint, AppStateSyncKeyId,
            AppStateSyncKeyShare, ProtocolMessage, protocol_message,
        };

        let key = AppStateSyncKey {
            key_id: AppStateSyncKeyId {
                key_id: Some(self.app_state.key_id.to_vec()),
            }
            .into(),
            key_data: AppStateSyncKeyData {
                key_data: Some(self.app_state.key.to_vec()),
                fingerprint: AppStateSyncKeyFingerprint {
                    raw_id: Some(self.registration_id()),
                    current_index: Some(self.last_key_index),
                    device_indexes: std::iter::once(0)
                        .chain(
                            self.companions
                                .values()
                                .map(|companion| companion.key_index()),
                        )
                        .collect(),
                }
                .into(),
                timestamp: i64::try_from(now_s).ok().map(|now_s| now_s * 1000),
            }
            .into(),
        };
        wa::Message {
            protocol_message: ProtocolMessage {
                r#type: Some(protocol_message::Type::APP_STATE_SYNC_KEY_SHARE),
                app_state_sync_key_share: AppStateSyncKeyShare { keys: vec![key] }.into(),
                ..Default::default()
            }
            .into(),
            ..Default::default()
        }
    }

    /// The newest version of a collection; 0 is an empty one.
    pub fn app_state_version(&self, collection: &str) -> u64 {
        self.app_state.patches(collection).len() as u64
    }

    /// The patches after version `since`, oldest first, each the content of a `<patch>`.
    pub fn app_state_patches(&self, collection: &str, since: u64) -> impl Iterator<Item = &[u8]> {
        let since = usize::try_from(since).unwrap_or(usize::MAX);
        self.app_state
            .patches(collection)
            .iter()
            .skip(since)
            .map(|patch| patch.0.as_slice())
    }

    /// Takes up a companion's patch, the content of its `<patch>`, made on version `base`; returns the new version.
    ///
    /// # Errors
    /// [`PhoneError::Conflict`] when the collection has moved on, [`PhoneError::BadPatch`] when a MAC is wrong.
    pub fn take_patch(
        &mut self,
        collection: &str,
        base: u64,
        patch: &[u8],
    ) -> Result<u64, PhoneError> {
        let newest = self.app_state_version(collection);
        if base != newest {
            return Err(PhoneError::Conflict { base, newest });
        }
        let mut patch = waproto::codec::syncd_patch_decode(patch).map_err(bad_patch)?;
        // A client leaves the version to the server; its MACs cover the one it expects.
        patch.version = wa::SyncdVersion {
            version: Some(newest + 1),
        }
        .into();
        self.app_state.replay(collection, Some(&patch))?;
        self.push_patch(collection, &patch);
        Ok(newest + 1)
    }

    /// Changes the push name and says so to the companions' next sync.
    ///
    /// # Errors
    /// [`PhoneError::BadPatch`] when the patches kept do not replay.
    pub fn rename(&mut self, push_name: &str) -> Result<(), PhoneError> {
        push_name.clone_into(&mut self.push_name);
        self.publish_push_name()
    }

    /// Puts the push name into `critical_block`, from where companions learn it.
    pub(super) fn publish_push_name(&mut self) -> Result<(), PhoneError> {
        let value = wa::SyncActionValue {
            push_name_setting: wa::sync_action_value::PushNameSetting {
                name: Some(self.push_name.clone()),
            }
            .into(),
            // Constant, so that a seed gives the same account; any time before now will do.
            timestamp: Some(1_700_000_000_000),
            ..Default::default()
        };
        self.set(CRITICAL_BLOCK, br#"["setting_pushName"]"#, &value, 1)
    }

    fn set(
        &mut self,
        collection: &str,
        index: &[u8],
        value: &wa::SyncActionValue,
        schema: i32,
    ) -> Result<(), PhoneError> {
        let keys = self.app_state.keys();
        let key_id = self.app_state.key_id;
        let (mutation, _) = encode_record(
            wa::syncd_mutation::SyncdOperation::SET,
            index,
            value,
            &keys,
            &key_id,
            &self.dice.bytes(),
            schema,
        );
        let Replayed {
            mut state,
            value_macs,
        } = self.app_state.replay(collection, None)?;
        state.version += 1;
        let mutations = vec![mutation];
        let (_, hashed) = state.update_hash(&mutations, |index_mac, _| {
            Ok(value_macs.get(index_mac).cloned())
        });
        hashed.map_err(bad_patch)?;
        let mut patch = wa::SyncdPatch {
            version: wa::SyncdVersion {
                version: Some(state.version),
            }
            .into(),
            mutations,
            snapshot_mac: Some(state.generate_snapshot_mac(collection, &keys.snapshot_mac)),
            key_id: wa::KeyId {
                id: Some(key_id.to_vec()),
            }
            .into(),
            device_index: Some(0),
            ..Default::default()
        };
        patch.patch_mac = Some(generate_patch_mac(
            &patch,
            collection,
            &keys.patch_mac,
            state.version,
        ));
        self.push_patch(collection, &patch);
        Ok(())
    }

    fn push_patch(&mut self, collection: &str, patch: &wa::SyncdPatch) {
        self.app_state
            .collections
            .entry(collection.to_owned())
            .or_default()
            .push(Blob(waproto::codec::syncd_patch_to_vec(patch)));
    }
}

fn bad_patch(why: impl std::fmt::Display) -> PhoneError {
    PhoneError::BadPatch(why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ann() -> Phone {
        Phone::new("15550000001", "Ann", 1).unwrap()
    }

    /// What a companion knows from the key share.
    fn shared_key(phone: &Phone) -> (Vec<u8>, Arc<ExpandedAppStateKeys>) {
        let share = phone.app_state_key_share(1_800_000_000);
        let key = share.protocol_message.app_state_sync_key_share.keys[0].clone();
        let id = key.key_id.key_id.clone().unwrap();
        let data = key.key_data.key_data.clone().unwrap();
        (id, Arc::new(expand_app_state_keys(&data)))
    }

    /// The names that a companion reads out of `critical_block`, by the library's processor.
    fn names(phone: &Phone) -> Vec<String> {
        let (id, keys) = shared_key(phone);
        let mut state = HashState::default();
        let mut macs = HashMap::new();
        let mut names = Vec::new();
        for patch in phone.app_state_patches(CRITICAL_BLOCK, 0) {
            let result = process_patch(
                &waproto::codec::syncd_patch_decode(patch).unwrap(),
                &mut state,
                |asked| {
                    assert_eq!(asked, id);
                    Ok(Arc::clone(&keys))
                },
                |index: &[u8]| Ok(macs.get(index).cloned()),
                true,
                CRITICAL_BLOCK,
            )
            .unwrap();
            assert!(!state.mac_mismatch_fatal, "the snapshot MAC is right");
            for added in result.added_macs {
                macs.insert(added.index_mac.to_vec(), added.value_mac.to_vec());
            }
            names.extend(result.mutations.into_iter().filter_map(|mutation| {
                assert_eq!(mutation.index, ["setting_pushName"]);
                mutation.action_value?.push_name_setting.name.clone()
            }));
        }
        names
    }

    #[test]
    fn the_library_reads_the_push_name_and_its_change() {
        let mut phone = ann();
        assert_eq!(names(&phone), ["Ann"]);
        phone.rename("Anna").unwrap();
        assert_eq!(names(&phone), ["Ann", "Anna"]);
        assert_eq!(phone.app_state_version(CRITICAL_BLOCK), 2);
        assert_eq!(phone.app_state_patches(CRITICAL_BLOCK, 1).count(), 1);
        assert_eq!(phone.app_state_patches(CRITICAL_BLOCK, 9).count(), 0);
        assert_eq!(phone.app_state_version("regular_low"), 0);
    }

    #[test]
    fn a_companions_patch_is_taken_up_when_its_macs_are_right() {
        // The same seed is the same account: its patch is one that a companion could have made.
        let (mut phone, mut companion) = (ann(), ann());
        companion.rename("Anna").unwrap();
        let patch = companion
            .app_state_patches(CRITICAL_BLOCK, 1)
            .next()
            .unwrap()
            .to_vec();
        let mut sent = waproto::codec::syncd_patch_decode(&patch).unwrap();
        sent.version = buffa::MessageField::none();
        let sent = waproto::codec::syncd_patch_to_vec(&sent);

        let mut forged = waproto::codec::syncd_patch_decode(&sent).unwrap();
        forged.patch_mac = Some(vec![0; 32]);
        let forged = waproto::codec::syncd_patch_to_vec(&forged);
        assert!(matches!(
            phone.take_patch(CRITICAL_BLOCK, 1, &forged),
            Err(PhoneError::BadPatch(_))
        ));
        assert!(matches!(
            phone.take_patch(CRITICAL_BLOCK, 0, &sent),
            Err(PhoneError::Conflict { base: 0, newest: 1 })
        ));
        assert_eq!(phone.take_patch(CRITICAL_BLOCK, 1, &sent).unwrap(), 2);
        assert_eq!(names(&phone), ["Ann", "Anna"]);
    }
}
