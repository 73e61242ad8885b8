//! Received messages between decryption and the inbox's commit.

use std::sync::Arc;

use wacore::store::traits::{PendingInboundKey, PendingInboundRow};

use super::VaultBackend;
use super::sent::{dated, split_date};
use crate::vault::key::key;
use crate::vault::tiers::{RecordKind, Rule};

impl VaultBackend {
    pub(super) async fn put_pending(&self, rule: Rule, rows: &[PendingInboundRow<'_>]) {
        // A row is whole for itself: what a drain hands over at once, megabytes of them, need not find room at once.
        for row in rows {
            let key = pending_key(rule.kind, row.chat, row.sender, row.id);
            let changes = vec![(key, Some(dated(row.message)))];
            self.write(rule, changes).await;
        }
    }

    pub(super) async fn pending(&self, rule: Rule, at: PendingInboundKey<'_>) -> Option<Vec<u8>> {
        let value = self
            .read(|view| view.get(&pending_key(rule.kind, at.chat, at.sender, at.id)))
            .await;
        value.and_then(|value| split_date(&value).map(|(_, message)| message.to_vec()))
    }

    pub(super) async fn delete_pending(&self, rule: Rule, keys: &[PendingInboundKey<'_>]) {
        let changes = keys
            .iter()
            .map(|at| (pending_key(rule.kind, at.chat, at.sender, at.id), None))
            .collect();
        self.write(rule, changes).await;
    }
}

/// Ids are unique only within chat and sender.
fn pending_key(kind: RecordKind, chat: &str, sender: &str, id: &str) -> Arc<[u8]> {
    key(kind, &[chat.as_bytes(), sender.as_bytes(), id.as_bytes()])
}
