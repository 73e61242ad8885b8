//! A backend that remembers which of its methods were called.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use wacore::appstate::hash::HashState;
use wacore::appstate::processor::AppStateMutationMAC;
use wacore::store::Device;
use wacore::store::error::Result;
use wacore::store::traits::*;

/// Passes every call on.
pub struct Recorded {
    inner: Arc<dyn Backend>,
    called: Mutex<BTreeSet<&'static str>>,
}

impl Recorded {
    pub fn new(inner: Arc<dyn Backend>) -> Self {
        Self {
            inner,
            called: Mutex::default(),
        }
    }

    pub fn called(&self) -> BTreeSet<&'static str> {
        self.called.lock().unwrap().clone()
    }
}

macro_rules! recorded {
    ($($store:ident { $(fn $method:ident($($arg:ident: $ty:ty),*) -> $out:ty;)* })*) => {$(
        #[async_trait]
        impl $store for Recorded {
            $(
                async fn $method(&self, $($arg: $ty),*) -> Result<$out> {
                    self.called.lock().unwrap().insert(stringify!($method));
                    self.inner.$method($($arg),*).await
                }
            )*
        }
    )*};
}

recorded! {
    SignalStore {
        fn put_identity(address: &str, key: [u8; 32]) -> ();
        fn put_identities_batch(identities: &[(Arc<str>, [u8; 32])]) -> ();
        fn load_identity(address: &str) -> Option<[u8; 32]>;
        fn delete_identity(address: &str) -> ();
        fn get_session(address: &str) -> Option<Bytes>;
        fn put_session(address: &str, session: &[u8]) -> ();
        fn put_sessions_batch(sessions: &[(Arc<str>, Bytes)]) -> ();
        fn delete_session(address: &str) -> ();
        fn has_session(address: &str) -> bool;
        fn has_signal_state_for_user(user: &str) -> bool;
        fn store_prekey(id: u32, record: &[u8], uploaded: bool) -> ();
        fn store_prekeys_batch(keys: &[(u32, Bytes)], uploaded: bool) -> ();
        fn load_prekey(id: u32) -> Option<Bytes>;
        fn load_prekeys_batch(ids: &[u32]) -> Vec<(u32, Bytes)>;
        fn mark_prekeys_uploaded(ids: &[u32]) -> ();
        fn remove_prekey(id: u32) -> ();
        fn get_max_prekey_id() -> u32;
        fn store_signed_prekey(id: u32, record: &[u8]) -> ();
        fn load_signed_prekey(id: u32) -> Option<Vec<u8>>;
        fn load_all_signed_prekeys() -> Vec<(u32, Vec<u8>)>;
        fn remove_signed_prekey(id: u32) -> ();
        fn put_sender_key(address: &str, record: &[u8]) -> ();
        fn put_sender_keys_batch(sender_keys: &[(Arc<str>, Bytes)]) -> ();
        fn get_sender_key(address: &str) -> Option<Vec<u8>>;
        fn delete_sender_key(address: &str) -> ();
    }
    AppSyncStore {
        fn get_sync_key(key_id: &[u8]) -> Option<AppStateSyncKey>;
        fn set_sync_key(key_id: &[u8], key: AppStateSyncKey) -> ();
        fn get_version(name: &str) -> HashState;
        fn set_version(name: &str, state: HashState) -> ();
        fn put_mutation_macs(name: &str, version: u64, mutations: &[AppStateMutationMAC]) -> ();
        fn get_mutation_mac(name: &str, index_mac: &[u8]) -> Option<Vec<u8>>;
        fn get_mutation_macs(name: &str, index_macs: &[[u8; 32]]) -> HashMap<[u8; 32], Vec<u8>>;
        fn delete_mutation_macs(name: &str, index_macs: &[Vec<u8>]) -> ();
        fn clear_mutation_macs(name: &str) -> ();
        fn get_latest_sync_key_id() -> Option<Vec<u8>>;
    }
    ProtocolStore {
        fn get_sender_key_devices(group_jid: &str) -> Vec<(String, bool)>;
        fn set_sender_key_status(group_jid: &str, entries: &[(&str, bool)]) -> ();
        fn clear_sender_key_devices(group_jid: &str) -> ();
        fn delete_sender_key_device_rows(device_jids: &[&str]) -> ();
        fn clear_all_sender_key_devices() -> ();
        fn get_lid_mapping(lid: &str) -> Option<LidPnMappingEntry>;
        fn get_pn_mapping(phone: &str) -> Option<LidPnMappingEntry>;
        fn put_lid_mapping(entry: &LidPnMappingEntry) -> ();
        fn put_lid_mappings(entries: &[LidPnMappingEntry]) -> ();
        fn get_all_lid_mappings() -> Vec<LidPnMappingEntry>;
        fn save_base_key(address: &str, message_id: &str, base_key: &[u8]) -> ();
        fn has_same_base_key(address: &str, message_id: &str, current_base_key: &[u8]) -> bool;
        fn delete_base_key(address: &str, message_id: &str) -> ();
        fn update_device_list(record: DeviceListRecord) -> ();
        fn update_device_lists(records: Vec<DeviceListRecord>) -> ();
        fn get_devices(user: &str) -> Option<DeviceListRecord>;
        fn delete_devices(user: &str) -> ();
        fn get_group_metadata(group_jid: &str) -> Option<Vec<u8>>;
        fn put_group_metadata(group_jid: &str, blob: &[u8]) -> ();
        fn delete_group_metadata(group_jid: &str) -> ();
        fn get_tc_token(jid: &str) -> Option<TcTokenEntry>;
        fn put_tc_token(jid: &str, entry: &TcTokenEntry) -> ();
        fn delete_tc_token(jid: &str) -> ();
        fn get_all_tc_token_jids() -> Vec<String>;
        fn delete_expired_tc_tokens(token_cutoff: i64, sender_cutoff: i64) -> u32;
        fn touch_tc_token_sender_timestamp(jid: &str, sender_timestamp: i64) -> ();
        fn store_received_tc_token(jid: &str, token: &[u8], token_timestamp: i64) -> ();
        fn store_sent_message(chat_jid: &str, message_id: &str, payload: &[u8]) -> ();
        fn take_sent_message(chat_jid: &str, message_id: &str) -> Option<Vec<u8>>;
        fn delete_expired_sent_messages(cutoff_timestamp: i64) -> u32;
        fn store_pending_inbound(chat: &str, sender: &str, id: &str, message: &[u8]) -> ();
        fn get_pending_inbound(chat: &str, sender: &str, id: &str) -> Option<Vec<u8>>;
        fn delete_pending_inbound(chat: &str, sender: &str, id: &str) -> ();
        fn delete_expired_pending_inbound(cutoff_timestamp: i64) -> u32;
        fn store_pending_inbound_batch(rows: &[PendingInboundRow<'_>]) -> ();
        fn delete_pending_inbound_batch(keys: &[PendingInboundKey<'_>]) -> ();
    }
    MsgSecretStore {
        fn put_msg_secret(chat: &str, sender: &str, msg_id: &str, secret: &[u8; 32]) -> ();
        fn put_msg_secrets(entries: Vec<MsgSecretEntry>) -> usize;
        fn get_msg_secret(chat: &str, sender: &str, msg_id: &str) -> Option<Vec<u8>>;
        fn get_msg_secret_with_ts(chat: &str, sender: &str, msg_id: &str) -> Option<(Vec<u8>, i64)>;
        fn delete_expired_msg_secrets(cutoff_timestamp: i64) -> u32;
    }
    DeviceStore {
        fn save(device: &Device) -> ();
        fn load() -> Option<Device>;
        fn exists() -> bool;
        fn create() -> i32;
    }
}
