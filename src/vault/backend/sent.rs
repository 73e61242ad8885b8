//! Messages that were sent, for peers who could not read them and ask again.
//!
//! What somebody else keeps is not kept twice: the note of such a message says in which chat it may be asked for, and where it lies.

use bytes::Bytes;

use super::VaultBackend;
use crate::vault::key::key;
use crate::vault::tiers::Rule;

/// The last part of the key of a note.
const ELSEWHERE: &[u8] = b"elsewhere";

/// Who keeps messages that are sent, while they are and for a time after.
#[async_trait::async_trait]
pub trait KeepsSent: Send + Sync {
    /// Where the message lies that is sent under this id; `None` when it is not kept here. A place is never used again.
    fn place(&self, id: &str) -> Option<u64>;

    /// The message with this id at this place as a `wa::Message` protobuf; `None` when it lies there no more.
    async fn payload(&self, id: &str, place: u64) -> Option<Vec<u8>>;
}

impl VaultBackend {
    /// Keeps a message, or notes where it is kept.
    pub(super) async fn put_sent(&self, rule: Rule, chat: &str, id: &str, payload: &[u8]) {
        let (copy, note) = parts(chat, id);
        let keeper = self.elsewhere.as_ref();
        match keeper.and_then(|keeper| keeper.place(id)) {
            Some(place) => self.put(rule, &note, dated(&place.to_le_bytes())).await,
            None => self.put(rule, &copy, dated(payload)).await,
        }
    }

    /// Reads a message. A copy is deleted as it is read, and the library puts it back when it has sent it; a note stays until it
    /// expires, for several devices may ask at the same time.
    pub(super) async fn take_sent(&self, rule: Rule, chat: &str, id: &str) -> Option<Vec<u8>> {
        let (copy, note) = parts(chat, id);
        if let Some(keeper) = &self.elsewhere
            && let Some(note) = self.get(rule, &note).await
            && let Some(place) = placed(&note)
            && let Some(payload) = keeper.payload(id, place).await
        {
            return Some(payload);
        }
        self.update(rule, |view| {
            let key = key(rule.kind, &copy);
            let Some(value) = view.get(&key)? else {
                return Ok((Vec::new(), None));
            };
            let payload = split_date(&value).map(|(_, payload)| payload.to_vec());
            Ok((vec![(key, None)], payload))
        })
        .await
    }
}

/// The parts of the key of a copy, and of a note.
fn parts<'a>(chat: &'a str, id: &'a str) -> ([&'a [u8]; 2], [&'a [u8]; 3]) {
    let (chat, id) = (chat.as_bytes(), id.as_bytes());
    ([chat, id], [chat, id, ELSEWHERE])
}

/// Where a note says that its message lies.
fn placed(note: &[u8]) -> Option<u64> {
    let (_, place) = split_date(note)?;
    Some(u64::from_le_bytes(place.try_into().ok()?))
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
