//! Trusted-contact tokens: each of the two writers of a row owns its own fields, and only ever moves them forward.

use wacore::store::traits::TcTokenEntry;

use super::{VaultBackend, decode, encode};
use crate::vault::key::key;
use crate::vault::tiers::Rule;

impl VaultBackend {
    /// Changes a token as one step; the change returns `None` to leave it alone.
    pub(super) async fn change_token(
        &self,
        rule: Rule,
        jid: &str,
        change: impl FnOnce(Option<TcTokenEntry>) -> Option<TcTokenEntry>,
    ) {
        self.update(rule, |view| {
            let key = key(rule.kind, &[jid.as_bytes()]);
            let before = view.get(&key)?.and_then(|value| decode(&value));
            let after = change(before).map(|entry| (key, Some(encode(&entry))));
            Ok((Vec::from_iter(after), ()))
        })
        .await;
    }
}

/// The sending side's change.
pub(super) fn touched(before: Option<TcTokenEntry>, sender_timestamp: i64) -> TcTokenEntry {
    match before {
        Some(entry) => TcTokenEntry {
            sender_timestamp: Some(
                entry
                    .sender_timestamp
                    .map_or(sender_timestamp, |at| at.max(sender_timestamp)),
            ),
            ..entry
        },
        None => TcTokenEntry {
            token: Vec::new(),
            token_timestamp: sender_timestamp,
            sender_timestamp: Some(sender_timestamp),
        },
    }
}

/// The receiving side's change: a fresher token stays, a row without one is no token.
pub(super) fn received(
    before: Option<TcTokenEntry>,
    token: &[u8],
    token_timestamp: i64,
) -> Option<TcTokenEntry> {
    let stays =
        |entry: &TcTokenEntry| !entry.token.is_empty() && token_timestamp < entry.token_timestamp;
    if before.as_ref().is_some_and(stays) {
        return None;
    }
    let sender_timestamp = before.and_then(|entry| entry.sender_timestamp);
    Some(TcTokenEntry {
        token: token.to_vec(),
        token_timestamp,
        sender_timestamp,
    })
}

/// Whether neither side has any use for the row any more.
pub(super) fn expired(value: &[u8], token_cutoff: i64, sender_cutoff: i64) -> bool {
    decode::<TcTokenEntry>(value).is_some_and(|entry| {
        let token_live = !entry.token.is_empty() && entry.token_timestamp >= token_cutoff;
        let sender_live = entry.sender_timestamp.is_some_and(|at| at >= sender_cutoff);
        !token_live && !sender_live
    })
}
