//! Messages that were sent, for peers who could not read them and ask again.

use bytes::Bytes;

use super::VaultBackend;
use crate::vault::key::key;
use crate::vault::tiers::Rule;

impl VaultBackend {
    /// Reads and deletes as one: a message is sent again once.
    pub(super) async fn take_sent(&self, rule: Rule, parts: &[&[u8]]) -> Option<Vec<u8>> {
        self.update(rule, |view| {
            let key = key(rule.kind, parts);
            let Some(value) = view.get(&key)? else {
                return Ok((Vec::new(), None));
            };
            let payload = split_date(&value).map(|(_, payload)| payload.to_vec());
            Ok((vec![(key, None)], payload))
        })
        .await
    }
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
