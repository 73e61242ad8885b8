//! Identities, sessions, pre-keys and sender keys.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use wacore::store::error::Result;
use wacore::store::traits::SignalStore;

use super::{VaultBackend, lease};
use crate::vault::key::key;
use crate::vault::tiers::{RecordKind, rule};

#[async_trait]
impl SignalStore for VaultBackend {
    async fn put_identity(&self, address: &str, identity: [u8; 32]) -> Result<()> {
        self.put(
            rule::put_identity,
            &[address.as_bytes()],
            Bytes::copy_from_slice(&identity),
        )
        .await;
        Ok(())
    }

    async fn put_identities_batch(&self, identities: &[(Arc<str>, [u8; 32])]) -> Result<()> {
        let rule = rule::put_identities_batch;
        let changes = identities
            .iter()
            .map(|(address, identity)| {
                (
                    key(rule.kind, &[address.as_bytes()]),
                    Some(Bytes::copy_from_slice(identity)),
                )
            })
            .collect();
        self.write(rule, changes).await;
        Ok(())
    }

    async fn load_identity(&self, address: &str) -> Result<Option<[u8; 32]>> {
        let identity = self.get(rule::load_identity, &[address.as_bytes()]).await;
        Ok(identity.and_then(|identity| identity.as_ref().try_into().ok()))
    }

    async fn delete_identity(&self, address: &str) -> Result<()> {
        self.delete(rule::delete_identity, &[address.as_bytes()])
            .await;
        Ok(())
    }

    async fn get_session(&self, address: &str) -> Result<Option<Bytes>> {
        Ok(self.get(rule::get_session, &[address.as_bytes()]).await)
    }

    async fn put_session(&self, address: &str, session: &[u8]) -> Result<()> {
        let row = (Arc::from(address), Bytes::copy_from_slice(session));
        self.put_leased(rule::put_session, &[row], lease::of_session)
            .await;
        Ok(())
    }

    async fn put_sessions_batch(&self, sessions: &[(Arc<str>, Bytes)]) -> Result<()> {
        self.put_leased(rule::put_sessions_batch, sessions, lease::of_session)
            .await;
        Ok(())
    }

    async fn delete_session(&self, address: &str) -> Result<()> {
        self.delete(rule::delete_session, &[address.as_bytes()])
            .await;
        Ok(())
    }

    async fn has_session(&self, address: &str) -> Result<bool> {
        Ok(self
            .get(rule::has_session, &[address.as_bytes()])
            .await
            .is_some())
    }

    async fn has_signal_state_for_user(&self, user: &str) -> Result<bool> {
        // An address is `user@server`, or `user:device@server`; these are single-part keys.
        let belongs = |key: &Arc<[u8]>| matches!(key.get(1 + user.len()), Some(b'@' | b':'));
        let found = self
            .read(|view| {
                for kind in [RecordKind::Session, RecordKind::PeerIdentity] {
                    if view
                        .scan(&key(kind, &[user.as_bytes()]))?
                        .iter()
                        .any(|(key, _)| belongs(key))
                    {
                        return Ok(true);
                    }
                }
                Ok(false)
            })
            .await;
        Ok(found)
    }

    async fn store_prekey(&self, id: u32, record: &[u8], _uploaded: bool) -> Result<()> {
        self.put(
            rule::store_prekey,
            &[&id.to_be_bytes()],
            Bytes::copy_from_slice(record),
        )
        .await;
        Ok(())
    }

    async fn store_prekeys_batch(&self, keys: &[(u32, Bytes)], _uploaded: bool) -> Result<()> {
        let rule = rule::store_prekeys_batch;
        let changes = keys
            .iter()
            .map(|(id, record)| (key(rule.kind, &[&id.to_be_bytes()]), Some(record.clone())))
            .collect();
        self.write(rule, changes).await;
        Ok(())
    }

    async fn load_prekey(&self, id: u32) -> Result<Option<Bytes>> {
        Ok(self.get(rule::load_prekey, &[&id.to_be_bytes()]).await)
    }

    async fn load_prekeys_batch(&self, ids: &[u32]) -> Result<Vec<(u32, Bytes)>> {
        let kind = rule::load_prekeys_batch.kind;
        let found = self
            .read(|view| {
                let mut found = Vec::with_capacity(ids.len());
                for id in ids {
                    found.extend(
                        view.get(&key(kind, &[&id.to_be_bytes()]))?
                            .map(|record| (*id, record)),
                    );
                }
                Ok(found)
            })
            .await;
        Ok(found)
    }

    async fn mark_prekeys_uploaded(&self, _ids: &[u32]) -> Result<()> {
        // See the table: nothing could read it back. What must not happen is that a consumed key comes back.
        Ok(())
    }

    async fn remove_prekey(&self, id: u32) -> Result<()> {
        self.delete(rule::remove_prekey, &[&id.to_be_bytes()]).await;
        Ok(())
    }

    async fn get_max_prekey_id(&self) -> Result<u32> {
        let last = self.scan(rule::get_max_prekey_id, &[]).await.pop();
        let id = last.and_then(|(key, _)| Some(u32::from_be_bytes(*key.last_chunk()?)));
        Ok(id.unwrap_or(0))
    }

    async fn store_signed_prekey(&self, id: u32, record: &[u8]) -> Result<()> {
        self.update_identity(|document| {
            document.signed_pre_keys.insert(id, record.to_vec());
        })
        .await;
        Ok(())
    }

    async fn load_signed_prekey(&self, id: u32) -> Result<Option<Vec<u8>>> {
        Ok(self.identity.get().signed_pre_keys.get(&id).cloned())
    }

    async fn load_all_signed_prekeys(&self) -> Result<Vec<(u32, Vec<u8>)>> {
        Ok(self
            .identity
            .get()
            .signed_pre_keys
            .iter()
            .map(|(id, record)| (*id, record.clone()))
            .collect())
    }

    async fn remove_signed_prekey(&self, id: u32) -> Result<()> {
        self.update_identity(|document| {
            document.signed_pre_keys.remove(&id);
        })
        .await;
        Ok(())
    }

    async fn put_sender_key(&self, address: &str, record: &[u8]) -> Result<()> {
        let row = (Arc::from(address), Bytes::copy_from_slice(record));
        self.put_leased(rule::put_sender_key, &[row], lease::of_sender_key)
            .await;
        Ok(())
    }

    async fn put_sender_keys_batch(&self, sender_keys: &[(Arc<str>, Bytes)]) -> Result<()> {
        self.put_leased(
            rule::put_sender_keys_batch,
            sender_keys,
            lease::of_sender_key,
        )
        .await;
        Ok(())
    }

    async fn get_sender_key(&self, address: &str) -> Result<Option<Vec<u8>>> {
        Ok(self
            .get(rule::get_sender_key, &[address.as_bytes()])
            .await
            .map(Vec::from))
    }

    async fn delete_sender_key(&self, address: &str) -> Result<()> {
        self.delete(rule::delete_sender_key, &[address.as_bytes()])
            .await;
        Ok(())
    }
}
