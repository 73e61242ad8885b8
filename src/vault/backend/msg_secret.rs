//! Message secrets: what polls, edits and reactions to a message are encrypted with.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use wacore::store::error::Result;
use wacore::store::traits::{
    MessageSecret, MsgSecretEntry, MsgSecretStore, merge_msg_secret_expiry,
    merge_msg_secret_message_ts,
};

use super::VaultBackend;
use crate::vault::key::key;
use crate::vault::tiers::rule;

#[async_trait]
impl MsgSecretStore for VaultBackend {
    async fn put_msg_secrets(&self, entries: Vec<MsgSecretEntry>) -> Result<usize> {
        let rule = rule::put_msg_secrets;
        let count = entries.len();
        self.update(rule, |view| {
            let mut rows = BTreeMap::new();
            for entry in entries {
                let key = key(
                    rule.kind,
                    &[
                        entry.chat.as_bytes(),
                        entry.sender.as_bytes(),
                        entry.msg_id.as_bytes(),
                    ],
                );
                let before = match rows.get(&key) {
                    Some(row) => Some(*row),
                    None => view.get(&key)?.and_then(|value| Row::parse(&value)),
                };
                let mut row = Row {
                    secret: entry.secret,
                    expires_at: entry.expires_at,
                    message_ts: entry.message_ts,
                };
                if let Some(before) = before {
                    row.expires_at = merge_msg_secret_expiry(before.expires_at, row.expires_at);
                    row.message_ts = merge_msg_secret_message_ts(before.message_ts, row.message_ts);
                }
                rows.insert(key, row);
            }
            Ok((
                rows.into_iter()
                    .map(|(key, row)| (key, Some(row.to_bytes())))
                    .collect(),
                (),
            ))
        })
        .await;
        Ok(count)
    }

    async fn get_msg_secret(
        &self,
        chat: &str,
        sender: &str,
        msg_id: &str,
    ) -> Result<Option<Vec<u8>>> {
        Ok(self
            .get_msg_secret_with_ts(chat, sender, msg_id)
            .await?
            .map(|(secret, _)| secret))
    }

    async fn get_msg_secret_with_ts(
        &self,
        chat: &str,
        sender: &str,
        msg_id: &str,
    ) -> Result<Option<(Vec<u8>, i64)>> {
        let parts = [chat.as_bytes(), sender.as_bytes(), msg_id.as_bytes()];
        let value = self.get(rule::get_msg_secret_with_ts, &parts).await;
        Ok(value
            .and_then(|value| Row::parse(&value))
            .map(|row| (row.secret.to_vec(), row.message_ts)))
    }

    async fn delete_expired_msg_secrets(&self, cutoff_timestamp: i64) -> Result<u32> {
        let expired = |value: &[u8]| {
            Row::parse(value)
                .is_some_and(|row| row.expires_at != 0 && row.expires_at <= cutoff_timestamp)
        };
        Ok(self.expire(rule::delete_expired_msg_secrets, expired).await)
    }
}

/// On the medium: the secret, then both times (Unix seconds, little-endian).
#[derive(Clone, Copy)]
struct Row {
    secret: MessageSecret,
    /// 0: never.
    expires_at: i64,
    /// 0: unknown.
    message_ts: i64,
}

impl Row {
    fn parse(value: &[u8]) -> Option<Row> {
        let (secret, times) = value.split_first_chunk()?;
        let (expires_at, message_ts) = times.split_first_chunk()?;
        Some(Row {
            secret: *secret,
            expires_at: i64::from_le_bytes(*expires_at),
            message_ts: i64::from_le_bytes(message_ts.try_into().ok()?),
        })
    }

    fn to_bytes(self) -> Bytes {
        [
            &self.secret[..],
            &self.expires_at.to_le_bytes(),
            &self.message_ts.to_le_bytes(),
        ]
        .concat()
        .into()
    }
}
