//! The app state: keys, versions of its collections, MACs of their mutations.

use std::collections::HashMap;

use async_trait::async_trait;
use bytes::Bytes;
use wacore::appstate::hash::HashState;
use wacore::appstate::patch_decode::WAPatchName;
use wacore::appstate::processor::AppStateMutationMAC;
use wacore::store::error::Result;
use wacore::store::traits::{AppStateSyncKey, AppSyncStore};

use super::{VaultBackend, decode, encode};
use crate::vault::document::SyncKey;
use crate::vault::key::{key, prefix};
use crate::vault::tiers::rule;

impl VaultBackend {
    /// The owner's name comes with a mutation of `critical_block`, and the library saves it in the background, after the
    /// version that says it is there. While it is missing each login waits for it, so the collection is read anew.
    fn is_nameless(&self) -> bool {
        let document = self.identity.get();
        let device = document.device.as_ref();
        device.is_some_and(|device| device.push_name.is_empty())
    }
}

#[async_trait]
impl AppSyncStore for VaultBackend {
    async fn get_sync_key(&self, key_id: &[u8]) -> Result<Option<AppStateSyncKey>> {
        let document = self.identity.get();
        Ok(document
            .sync_keys
            .iter()
            .find(|stored| stored.id == key_id)
            .map(|stored| stored.key.clone()))
    }

    async fn set_sync_key(&self, key_id: &[u8], key: AppStateSyncKey) -> Result<()> {
        self.update_identity(|document| {
            document.sync_keys.retain(|stored| stored.id != key_id);
            document.sync_keys.push(SyncKey {
                id: key_id.to_vec(),
                key,
            });
        })
        .await;
        Ok(())
    }

    async fn get_version(&self, name: &str) -> Result<HashState> {
        if name == WAPatchName::CriticalBlock.as_str() && self.is_nameless() {
            return Ok(HashState::default());
        }
        let state = self.get(rule::get_version, &[name.as_bytes()]).await;
        // The default makes the library sync the collection from its beginning.
        Ok(state.and_then(|state| decode(&state)).unwrap_or_default())
    }

    async fn set_version(&self, name: &str, state: HashState) -> Result<()> {
        self.put(rule::set_version, &[name.as_bytes()], encode(&state))
            .await;
        Ok(())
    }

    async fn put_mutation_macs(
        &self,
        name: &str,
        _version: u64,
        mutations: &[AppStateMutationMAC],
    ) -> Result<()> {
        let rule = rule::put_mutation_macs;
        let changes = mutations
            .iter()
            .map(|mutation| {
                let key = key(rule.kind, &[name.as_bytes(), &mutation.index_mac]);
                (key, Some(Bytes::copy_from_slice(&mutation.value_mac)))
            })
            .collect();
        self.write(rule, changes).await;
        Ok(())
    }

    async fn get_mutation_mac(&self, name: &str, index_mac: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self
            .get(rule::get_mutation_mac, &[name.as_bytes(), index_mac])
            .await
            .map(Vec::from))
    }

    async fn get_mutation_macs(
        &self,
        name: &str,
        index_macs: &[[u8; 32]],
    ) -> Result<HashMap<[u8; 32], Vec<u8>>> {
        let kind = rule::get_mutation_macs.kind;
        let found = self
            .read(|view| {
                let mut found = HashMap::with_capacity(index_macs.len());
                for index_mac in index_macs {
                    let value_mac = view.get(&key(kind, &[name.as_bytes(), index_mac]))?;
                    found.extend(value_mac.map(|value_mac| (*index_mac, Vec::from(value_mac))));
                }
                Ok(found)
            })
            .await;
        Ok(found)
    }

    async fn delete_mutation_macs(&self, name: &str, index_macs: &[Vec<u8>]) -> Result<()> {
        let rule = rule::delete_mutation_macs;
        let changes = index_macs
            .iter()
            .map(|index_mac| (key(rule.kind, &[name.as_bytes(), index_mac]), None))
            .collect();
        self.write(rule, changes).await;
        Ok(())
    }

    async fn clear_mutation_macs(&self, name: &str) -> Result<()> {
        let rule = rule::clear_mutation_macs;
        self.update(rule, |view| {
            let found = view.scan(&prefix(rule.kind, &[name.as_bytes()]))?;
            Ok((found.into_iter().map(|(key, _)| (key, None)).collect(), ()))
        })
        .await;
        Ok(())
    }

    async fn get_latest_sync_key_id(&self) -> Result<Option<Vec<u8>>> {
        Ok(self
            .identity
            .get()
            .sync_keys
            .last()
            .map(|stored| stored.id.clone()))
    }
}
