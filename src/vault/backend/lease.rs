//! Telling a send's lease from a receive's advance: both come as the same write.
//!
//! The library reserves message counters in batches (`SENDER_CHAIN_RESERVATION_BATCH` of wacore-libsignal) and sends
//! under a reservation as soon as the write that raised it has returned; so that write is awaited. An advance of
//! the receiving side can be had again from the message, which is acknowledged only later.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_medium::barrier::Durability;
use wacore::libsignal::protocol::{SenderKeyRecord, SessionRecord};

use super::VaultBackend;
use crate::vault::key::key;
use crate::vault::records::{Found, Writes};
use crate::vault::tiers::Rule;

/// Reads the reservation out of a record; `None` when it cannot be decoded.
type Reservation = fn(&[u8]) -> Option<u32>;

pub(super) fn of_session(record: &[u8]) -> Option<u32> {
    SessionRecord::deserialize(record)
        .ok()
        .map(|record| record.reserved_sender_chain_index())
}

pub(super) fn of_sender_key(record: &[u8]) -> Option<u32> {
    SenderKeyRecord::deserialize(record)
        .ok()
        .map(|record| record.reserved_iteration())
}

impl VaultBackend {
    pub(super) async fn put_leased(
        &self,
        rule: Rule,
        rows: &[(Arc<str>, Bytes)],
        reservation: Reservation,
    ) {
        self.commit(|view| {
            let mut wait = Durability::Ordered;
            let mut changes = Vec::with_capacity(rows.len());
            for (address, record) in rows {
                let key = key(rule.kind, &[address.as_bytes()]);
                wait = wait.min(judge(&view.find(&key)?, record, reservation));
                changes.push((key, Some(record.clone())));
            }
            Ok((Writes { wait, changes }, ()))
        })
        .await;
    }
}

/// Decides whether a write is awaited: only one that changes the reservation is. A value that is queued and not awaited was judged the same
/// way, so that its reservation is the durable one.
fn judge(before: &Found, record: &[u8], reservation: Reservation) -> Durability {
    let reserved_before = before.value.as_deref().map_or(Some(0), reservation);
    let reserved = reservation(record);
    if before.awaited || reserved.is_none() || reserved != reserved_before {
        Durability::Awaited
    } else {
        Durability::Ordered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(reserve_after: Option<u32>) -> Bytes {
        let mut record = SessionRecord::new_fresh();
        if let Some(spent) = reserve_after {
            record.reserve_sender_chain_counters(spent);
        }
        record.serialize().unwrap().into()
    }

    fn found(value: Option<Bytes>) -> Found {
        Found {
            value,
            awaited: false,
        }
    }

    #[test]
    fn an_advance_under_the_same_reservation_only_keeps_its_place() {
        for spent in [None, Some(0), Some(64)] {
            let judged = judge(&found(Some(session(spent))), &session(spent), of_session);
            assert_eq!(judged, Durability::Ordered, "{spent:?}");
        }
        assert_eq!(
            judge(&found(None), &session(None), of_session),
            Durability::Ordered,
            "a first message reserves nothing"
        );
    }

    #[test]
    fn a_reservation_that_changes_is_awaited() {
        for (before, after) in [(None, Some(0)), (Some(0), Some(64)), (Some(64), Some(0))] {
            let judged = judge(&found(Some(session(before))), &session(after), of_session);
            assert_eq!(judged, Durability::Awaited, "{before:?} {after:?}");
        }
        assert_eq!(
            judge(&found(None), &session(Some(0)), of_session),
            Durability::Awaited
        );
    }

    #[test]
    fn in_doubt_it_is_awaited() {
        let garbage = Bytes::from_static(b"\xff\xff\xff");
        let good = session(Some(0));
        assert_eq!(
            judge(&found(Some(garbage.clone())), &good, of_session),
            Durability::Awaited
        );
        assert_eq!(
            judge(&found(Some(good.clone())), &garbage, of_session),
            Durability::Awaited
        );
        assert_eq!(
            judge(&found(Some(garbage.clone())), &garbage, of_sender_key),
            Durability::Awaited
        );
        let in_flight = Found {
            value: Some(good.clone()),
            awaited: true,
        };
        assert_eq!(judge(&in_flight, &good, of_session), Durability::Awaited);
    }
}
