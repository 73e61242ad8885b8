//! Records of the protocol: devices, keys and tokens of peers; LIDs; messages on their way in and out.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use wacore::store::error::Result;
use wacore::store::traits::{
    DeviceListRecord, LidPnMappingEntry, PendingInboundKey, PendingInboundRow, ProtocolStore,
    TcTokenEntry,
};

use super::{Changes, VaultBackend, decode, encode, sent, tc_token, text};
use crate::vault::key::{key, last_part, prefix};
use crate::vault::tiers::{RecordKind, rule};

#[async_trait]
impl ProtocolStore for VaultBackend {
    async fn get_sender_key_devices(&self, group_jid: &str) -> Result<Vec<(String, bool)>> {
        let found = self
            .scan(rule::get_sender_key_devices, &[group_jid.as_bytes()])
            .await;
        Ok(found
            .iter()
            .filter_map(|(key, has_key)| Some((text(last_part(key, 2))?, has_key.as_ref() == [1])))
            .collect())
    }

    async fn set_sender_key_status(&self, group_jid: &str, entries: &[(&str, bool)]) -> Result<()> {
        let rule = rule::set_sender_key_status;
        let changes = entries
            .iter()
            .map(|(device_jid, has_key)| {
                let key = key(rule.kind, &[group_jid.as_bytes(), device_jid.as_bytes()]);
                (key, Some(Bytes::copy_from_slice(&[u8::from(*has_key)])))
            })
            .collect();
        self.write(rule, changes).await;
        Ok(())
    }

    async fn clear_sender_key_devices(&self, group_jid: &str) -> Result<()> {
        let rule = rule::clear_sender_key_devices;
        self.update(rule, |view| {
            let found = view.scan(&prefix(rule.kind, &[group_jid.as_bytes()]))?;
            Ok((found.into_iter().map(|(key, _)| (key, None)).collect(), ()))
        })
        .await;
        Ok(())
    }

    async fn delete_sender_key_device_rows(&self, device_jids: &[&str]) -> Result<()> {
        let rule = rule::delete_sender_key_device_rows;
        self.update(rule, |view| {
            let mut found = view.scan(&prefix(rule.kind, &[]))?;
            found.retain(|(key, _)| {
                last_part(key, 2)
                    .is_some_and(|jid| device_jids.iter().any(|wanted| wanted.as_bytes() == jid))
            });
            Ok((found.into_iter().map(|(key, _)| (key, None)).collect(), ()))
        })
        .await;
        Ok(())
    }

    async fn clear_all_sender_key_devices(&self) -> Result<()> {
        self.expire(rule::clear_all_sender_key_devices, |_| true)
            .await;
        Ok(())
    }

    async fn get_lid_mapping(&self, lid: &str) -> Result<Option<LidPnMappingEntry>> {
        let value = self.get(rule::get_lid_mapping, &[lid.as_bytes()]).await;
        Ok(value.and_then(|value| decode(&value)))
    }

    async fn get_pn_mapping(&self, phone: &str) -> Result<Option<LidPnMappingEntry>> {
        let kind = rule::get_pn_mapping.kind;
        let newest = self
            .read(|view| {
                let mut newest: Option<LidPnMappingEntry> = None;
                for (index, _) in view.scan(&prefix(RecordKind::PnIndex, &[phone.as_bytes()]))? {
                    let lid = last_part(&index, 2).unwrap_or_default();
                    let entry = view
                        .get(&key(kind, &[lid]))?
                        .and_then(|value| decode::<LidPnMappingEntry>(&value));
                    if let Some(entry) = entry
                        && newest
                            .as_ref()
                            .is_none_or(|newest| entry.updated_at > newest.updated_at)
                    {
                        newest = Some(entry);
                    }
                }
                Ok(newest)
            })
            .await;
        Ok(newest)
    }

    async fn put_lid_mapping(&self, entry: &LidPnMappingEntry) -> Result<()> {
        self.put_lid_mappings(std::slice::from_ref(entry)).await
    }

    async fn put_lid_mappings(&self, entries: &[LidPnMappingEntry]) -> Result<()> {
        let rule = rule::put_lid_mappings;
        // Of several entries for one LID the last counts.
        let rows: BTreeMap<&str, &LidPnMappingEntry> = entries
            .iter()
            .map(|entry| (entry.lid.as_str(), entry))
            .collect();
        self.update(rule, |view| {
            let mut changes: Changes = Vec::new();
            let index = |phone: &str, lid: &str| {
                key(RecordKind::PnIndex, &[phone.as_bytes(), lid.as_bytes()])
            };
            for (lid, entry) in rows {
                let mut entry = entry.clone();
                let key = key(rule.kind, &[lid.as_bytes()]);
                if let Some(before) = view
                    .get(&key)?
                    .and_then(|value| decode::<LidPnMappingEntry>(&value))
                {
                    if before.phone_number != entry.phone_number {
                        changes.push((index(&before.phone_number, lid), None));
                    }
                    entry.created_at = before.created_at;
                }
                changes.push((index(&entry.phone_number, lid), Some(Bytes::new())));
                changes.push((key, Some(encode(&entry))));
            }
            Ok((changes, ()))
        })
        .await;
        Ok(())
    }

    async fn get_all_lid_mappings(&self) -> Result<Vec<LidPnMappingEntry>> {
        let found = self.scan(rule::get_all_lid_mappings, &[]).await;
        Ok(found
            .iter()
            .filter_map(|(_, value)| decode(value))
            .collect())
    }

    async fn save_base_key(&self, address: &str, message_id: &str, base_key: &[u8]) -> Result<()> {
        let parts = [address.as_bytes(), message_id.as_bytes()];
        self.put(
            rule::save_base_key,
            &parts,
            Bytes::copy_from_slice(base_key),
        )
        .await;
        Ok(())
    }

    async fn has_same_base_key(
        &self,
        address: &str,
        message_id: &str,
        current_base_key: &[u8],
    ) -> Result<bool> {
        let saved = self
            .get(
                rule::has_same_base_key,
                &[address.as_bytes(), message_id.as_bytes()],
            )
            .await;
        Ok(saved.is_some_and(|saved| saved == current_base_key))
    }

    async fn delete_base_key(&self, address: &str, message_id: &str) -> Result<()> {
        self.delete(
            rule::delete_base_key,
            &[address.as_bytes(), message_id.as_bytes()],
        )
        .await;
        Ok(())
    }

    async fn update_device_list(&self, record: DeviceListRecord) -> Result<()> {
        self.update_device_lists(vec![record]).await
    }

    async fn update_device_lists(&self, records: Vec<DeviceListRecord>) -> Result<()> {
        let rule = rule::update_device_lists;
        let changes = records
            .iter()
            .map(|record| {
                (
                    key(rule.kind, &[record.user.as_bytes()]),
                    Some(encode(record)),
                )
            })
            .collect();
        self.write(rule, changes).await;
        Ok(())
    }

    async fn get_devices(&self, user: &str) -> Result<Option<DeviceListRecord>> {
        let value = self.get(rule::get_devices, &[user.as_bytes()]).await;
        Ok(value.and_then(|value| decode(&value)))
    }

    async fn delete_devices(&self, user: &str) -> Result<()> {
        self.delete(rule::delete_devices, &[user.as_bytes()]).await;
        Ok(())
    }

    async fn get_group_metadata(&self, group_jid: &str) -> Result<Option<Vec<u8>>> {
        Ok(self
            .get(rule::get_group_metadata, &[group_jid.as_bytes()])
            .await
            .map(Vec::from))
    }

    async fn put_group_metadata(&self, group_jid: &str, blob: &[u8]) -> Result<()> {
        self.put(
            rule::put_group_metadata,
            &[group_jid.as_bytes()],
            Bytes::copy_from_slice(blob),
        )
        .await;
        Ok(())
    }

    async fn delete_group_metadata(&self, group_jid: &str) -> Result<()> {
        self.delete(rule::delete_group_metadata, &[group_jid.as_bytes()])
            .await;
        Ok(())
    }

    async fn get_tc_token(&self, jid: &str) -> Result<Option<TcTokenEntry>> {
        let value = self.get(rule::get_tc_token, &[jid.as_bytes()]).await;
        Ok(value.and_then(|value| decode(&value)))
    }

    async fn put_tc_token(&self, jid: &str, entry: &TcTokenEntry) -> Result<()> {
        self.change_token(rule::put_tc_token, jid, |_| Some(entry.clone()))
            .await;
        Ok(())
    }

    async fn delete_tc_token(&self, jid: &str) -> Result<()> {
        self.delete(rule::delete_tc_token, &[jid.as_bytes()]).await;
        Ok(())
    }

    async fn get_all_tc_token_jids(&self) -> Result<Vec<String>> {
        let found = self.scan(rule::get_all_tc_token_jids, &[]).await;
        Ok(found
            .iter()
            .filter_map(|(key, _)| text(last_part(key, 1)))
            .collect())
    }

    async fn delete_expired_tc_tokens(&self, token_cutoff: i64, sender_cutoff: i64) -> Result<u32> {
        let expired = |value: &[u8]| tc_token::expired(value, token_cutoff, sender_cutoff);
        Ok(self.expire(rule::delete_expired_tc_tokens, expired).await)
    }

    async fn touch_tc_token_sender_timestamp(
        &self,
        jid: &str,
        sender_timestamp: i64,
    ) -> Result<()> {
        self.change_token(rule::touch_tc_token_sender_timestamp, jid, |before| {
            Some(tc_token::touched(before, sender_timestamp))
        })
        .await;
        Ok(())
    }

    async fn store_received_tc_token(
        &self,
        jid: &str,
        token: &[u8],
        token_timestamp: i64,
    ) -> Result<()> {
        self.change_token(rule::store_received_tc_token, jid, |before| {
            tc_token::received(before, token, token_timestamp)
        })
        .await;
        Ok(())
    }

    async fn store_sent_message(
        &self,
        chat_jid: &str,
        message_id: &str,
        payload: &[u8],
    ) -> Result<()> {
        self.put_sent(rule::store_sent_message, chat_jid, message_id, payload)
            .await;
        Ok(())
    }

    async fn take_sent_message(&self, chat_jid: &str, message_id: &str) -> Result<Option<Vec<u8>>> {
        Ok(self
            .take_sent(rule::take_sent_message, chat_jid, message_id)
            .await)
    }

    async fn delete_expired_sent_messages(&self, cutoff_timestamp: i64) -> Result<u32> {
        Ok(self
            .expire(
                rule::delete_expired_sent_messages,
                sent::older_than(cutoff_timestamp),
            )
            .await)
    }

    async fn store_pending_inbound(
        &self,
        chat: &str,
        sender: &str,
        id: &str,
        message: &[u8],
    ) -> Result<()> {
        let row = PendingInboundRow {
            chat,
            sender,
            id,
            message,
        };
        self.put_pending(rule::store_pending_inbound, &[row]).await;
        Ok(())
    }

    async fn get_pending_inbound(
        &self,
        chat: &str,
        sender: &str,
        id: &str,
    ) -> Result<Option<Vec<u8>>> {
        Ok(self
            .pending(
                rule::get_pending_inbound,
                PendingInboundKey { chat, sender, id },
            )
            .await)
    }

    async fn delete_pending_inbound(&self, chat: &str, sender: &str, id: &str) -> Result<()> {
        self.delete_pending(
            rule::delete_pending_inbound,
            &[PendingInboundKey { chat, sender, id }],
        )
        .await;
        Ok(())
    }

    async fn delete_expired_pending_inbound(&self, cutoff_timestamp: i64) -> Result<u32> {
        Ok(self
            .expire(
                rule::delete_expired_pending_inbound,
                sent::older_than(cutoff_timestamp),
            )
            .await)
    }

    async fn store_pending_inbound_batch(&self, rows: &[PendingInboundRow<'_>]) -> Result<()> {
        self.put_pending(rule::store_pending_inbound_batch, rows)
            .await;
        Ok(())
    }

    async fn delete_pending_inbound_batch(&self, keys: &[PendingInboundKey<'_>]) -> Result<()> {
        self.delete_pending(rule::delete_pending_inbound_batch, keys)
            .await;
        Ok(())
    }
}
