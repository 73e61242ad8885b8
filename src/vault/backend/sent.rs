//! Messages that were sent, for peers who could not read them and ask again.
//!
//! What somebody else keeps is not kept twice: of such a message the record says only in which chat it may be asked for.

use bytes::Bytes;

use super::VaultBackend;
use crate::vault::key::key;
use crate::vault::tiers::Rule;

/// The last part of the key of a message that is kept elsewhere.
const ELSEWHERE: &[u8] = b"elsewhere";

/// Who keeps messages under the id they are sent with, while they are sent and for a time after.
#[async_trait::async_trait]
pub trait KeepsSent: Send + Sync {
    /// Whether this message is kept here now.
    fn has(&self, id: &str) -> bool;

    /// The message as a `wa::Message` protobuf; `None` when it is kept no more.
    async fn payload(&self, id: &str) -> Option<Vec<u8>>;
}

impl VaultBackend {
    /// Keeps a message, or that it is kept elsewhere.
    pub(super) async fn put_sent(&self, rule: Rule, chat: &str, id: &str, payload: &[u8]) {
        let is_elsewhere = self.elsewhere.as_ref().is_some_and(|keeper| keeper.has(id));
        let (here, there) = places(chat, id);
        if is_elsewhere {
            self.put(rule, &there, dated(&[])).await;
        } else {
            self.put(rule, &here, dated(payload)).await;
        }
    }

    /// Reads and deletes as one: a message is sent again once.
    pub(super) async fn take_sent(&self, rule: Rule, chat: &str, id: &str) -> Option<Vec<u8>> {
        let (here, there) = places(chat, id);
        let (payload, is_elsewhere) = self
            .update(rule, |view| {
                let (here, there) = (key(rule.kind, &here), key(rule.kind, &there));
                let (copy, note) = (view.get(&here)?, view.get(&there)?);
                let payload = copy.as_deref().and_then(split_date);
                let payload = payload.map(|(_, payload)| payload.to_vec());
                let found = [(copy.is_some(), here), (note.is_some(), there)].into_iter();
                let taken = found.filter_map(|(is_there, key)| is_there.then_some((key, None)));
                Ok((taken.collect(), (payload, note.is_some())))
            })
            .await;
        match &self.elsewhere {
            Some(keeper) if payload.is_none() && is_elsewhere => keeper.payload(id).await,
            _ => payload,
        }
    }
}

/// The parts of the key of a message that is kept here, and of one that is kept elsewhere.
fn places<'a>(chat: &'a str, id: &'a str) -> ([&'a [u8]; 2], [&'a [u8]; 3]) {
    let (chat, id) = (chat.as_bytes(), id.as_bytes());
    ([chat, id], [chat, id, ELSEWHERE])
}

/// A value with the time it was written: Unix seconds, little-endian.
pub(super) fn dated(value: &[u8]) -> Bytes {
    [&wacore::time::now_secs().to_le_bytes(), value]
        .concat()
        .into()
}

/// Takes a [`dated`] value apart.
pub(super) fn split_date(value: &[u8]) -> Option<(i64, &[u8])> {
    value
        .split_first_chunk()
        .map(|(date, value)| (i64::from_le_bytes(*date), value))
}

/// Whether a [`dated`] value was written before this moment.
pub(super) fn older_than(cutoff: i64) -> impl Fn(&[u8]) -> bool {
    move |value| split_date(value).is_some_and(|(date, _)| date < cutoff)
}
