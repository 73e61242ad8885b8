//! Groups, LIDs, device lists, tokens, messages under way, message secrets.

use wacore::store::traits::*;

use super::Peer;
use crate::recorded::Recorded;

const GROUP: &str = "120363000000000001@g.us";
const OTHER_GROUP: &str = "120363000000000002@g.us";
const CHAT: &str = "100000000000001@lid";

pub async fn conforms(peer: Peer, backend: &Recorded) {
    sender_key_devices(backend).await;
    lid_mappings(peer, backend).await;
    base_keys(backend).await;
    device_lists(backend).await;
    group_metadata(backend).await;
    tc_tokens(backend).await;
    tc_token_writers(backend).await;
    sent_messages(backend).await;
    pending_inbound(backend).await;
    msg_secrets(backend).await;
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort();
    list
}

async fn sender_key_devices(b: &Recorded) {
    let of = async |group| sorted(b.get_sender_key_devices(group).await.unwrap());
    let row = |jid: &str, has_key| (jid.to_string(), has_key);
    assert!(of(GROUP).await.is_empty());
    b.set_sender_key_status(GROUP, &[]).await.unwrap();
    b.set_sender_key_status(
        GROUP,
        &[("a:1@lid", true), ("b:2@lid", false), ("c@lid", true)],
    )
    .await
    .unwrap();
    b.set_sender_key_status(GROUP, &[("b:2@lid", true), ("c@lid", false)])
        .await
        .unwrap();
    b.set_sender_key_status(OTHER_GROUP, &[("a:1@lid", true), ("d@lid", true)])
        .await
        .unwrap();
    assert_eq!(
        of(GROUP).await,
        [
            row("a:1@lid", true),
            row("b:2@lid", true),
            row("c@lid", false)
        ]
    );
    b.delete_sender_key_device_rows(&[]).await.unwrap();
    b.delete_sender_key_device_rows(&["a:1@lid", "nobody@lid"])
        .await
        .unwrap();
    assert_eq!(of(GROUP).await, [row("b:2@lid", true), row("c@lid", false)]);
    assert_eq!(of(OTHER_GROUP).await, [row("d@lid", true)]);
    b.clear_sender_key_devices(GROUP).await.unwrap();
    assert!(of(GROUP).await.is_empty());
    assert_eq!(of(OTHER_GROUP).await, [row("d@lid", true)]);
    b.set_sender_key_status(GROUP, &[("a:1@lid", true)])
        .await
        .unwrap();
    b.clear_all_sender_key_devices().await.unwrap();
    assert!(of(GROUP).await.is_empty() && of(OTHER_GROUP).await.is_empty());
}

async fn lid_mappings(peer: Peer, b: &Recorded) {
    let entry = |lid: &str, phone: &str, at: i64| LidPnMappingEntry {
        lid: lid.into(),
        phone_number: phone.into(),
        created_at: at,
        updated_at: at,
        learning_source: format!("source {at}"),
    };
    let fields = |entry: LidPnMappingEntry| {
        (
            entry.lid,
            entry.phone_number,
            entry.created_at,
            entry.updated_at,
            entry.learning_source,
        )
    };
    assert!(b.get_lid_mapping("1001").await.unwrap().is_none());
    assert!(b.get_pn_mapping("1555").await.unwrap().is_none());
    assert!(b.get_all_lid_mappings().await.unwrap().is_empty());
    b.put_lid_mapping(&entry("1001", "1555", 10)).await.unwrap();
    b.put_lid_mappings(&[]).await.unwrap();
    b.put_lid_mappings(&[entry("1002", "1666", 11), entry("1003", "1777", 12)])
        .await
        .unwrap();
    let found = b.get_pn_mapping("1555").await.unwrap().unwrap();
    assert_eq!(fields(found), fields(entry("1001", "1555", 10)));

    // The phone gets a second LID: the newer counts, the older stays known.
    b.put_lid_mapping(&entry("1004", "1555", 20)).await.unwrap();
    assert_eq!(b.get_pn_mapping("1555").await.unwrap().unwrap().lid, "1004");
    assert_eq!(
        b.get_lid_mapping("1001")
            .await
            .unwrap()
            .unwrap()
            .phone_number,
        "1555"
    );

    // A LID moves to another phone: it is no longer found by the old one.
    b.put_lid_mapping(&entry("1002", "1888", 30)).await.unwrap();
    assert!(b.get_pn_mapping("1666").await.unwrap().is_none());
    let moved = b.get_pn_mapping("1888").await.unwrap().unwrap();
    assert_eq!(
        (
            moved.lid.as_str(),
            moved.updated_at,
            moved.learning_source.as_str()
        ),
        ("1002", 30, "source 30")
    );
    assert_eq!(
        moved.created_at,
        if peer.keeps_created_at() { 11 } else { 30 }
    );

    let all: Vec<_> = b
        .get_all_lid_mappings()
        .await
        .unwrap()
        .into_iter()
        .map(|entry| entry.lid)
        .collect();
    assert_eq!(sorted(all), ["1001", "1002", "1003", "1004"]);
}

async fn base_keys(b: &Recorded) {
    assert!(!b.has_same_base_key(CHAT, "M1", b"key").await.unwrap());
    b.save_base_key(CHAT, "M1", b"old").await.unwrap();
    b.save_base_key(CHAT, "M1", b"key").await.unwrap();
    assert!(b.has_same_base_key(CHAT, "M1", b"key").await.unwrap());
    assert!(!b.has_same_base_key(CHAT, "M1", b"old").await.unwrap());
    assert!(!b.has_same_base_key(CHAT, "M2", b"key").await.unwrap());
    b.delete_base_key(CHAT, "M1").await.unwrap();
    b.delete_base_key(CHAT, "M1").await.unwrap();
    assert!(!b.has_same_base_key(CHAT, "M1", b"key").await.unwrap());
}

async fn device_lists(b: &Recorded) {
    let record = |user: &str, timestamp: i64, raw_id| DeviceListRecord {
        user: user.into(),
        devices: vec![
            DeviceInfo::new(0, None),
            DeviceInfo::new(7, Some(3)).with_hosting(true),
        ],
        timestamp,
        phash: Some("2:abc".into()),
        raw_id,
    };
    let of = async |user| {
        b.get_devices(user)
            .await
            .unwrap()
            .map(|record| serde_json::to_value(&record).unwrap())
    };
    let wanted = |record: DeviceListRecord| Some(serde_json::to_value(&record).unwrap());
    assert_eq!(of("1001").await, None);
    b.update_device_list(record("1001", 1, None)).await.unwrap();
    b.update_device_lists(vec![]).await.unwrap();
    b.update_device_lists(vec![record("1001", 2, Some(9)), record("1002", 3, None)])
        .await
        .unwrap();
    assert_eq!(of("1001").await, wanted(record("1001", 2, Some(9))));
    assert_eq!(of("1002").await, wanted(record("1002", 3, None)));
    b.delete_devices("1001").await.unwrap();
    b.delete_devices("1001").await.unwrap();
    assert_eq!(of("1001").await, None);
    assert!(of("1002").await.is_some());
}

async fn group_metadata(b: &Recorded) {
    assert_eq!(b.get_group_metadata(GROUP).await.unwrap(), None);
    b.put_group_metadata(GROUP, b"old").await.unwrap();
    b.put_group_metadata(GROUP, b"new").await.unwrap();
    assert_eq!(
        b.get_group_metadata(GROUP).await.unwrap(),
        Some(b"new".to_vec())
    );
    b.delete_group_metadata(GROUP).await.unwrap();
    assert_eq!(b.get_group_metadata(GROUP).await.unwrap(), None);
}

fn token(token: &[u8], token_timestamp: i64, sender_timestamp: Option<i64>) -> TcTokenEntry {
    TcTokenEntry {
        token: token.to_vec(),
        token_timestamp,
        sender_timestamp,
    }
}

async fn stored_token(b: &Recorded, jid: &str) -> Option<(Vec<u8>, i64, Option<i64>)> {
    let entry = b.get_tc_token(jid).await.unwrap()?;
    Some((entry.token, entry.token_timestamp, entry.sender_timestamp))
}

async fn tc_tokens(b: &Recorded) {
    assert_eq!(stored_token(b, "a@lid").await, None);
    b.put_tc_token("a@lid", &token(b"a", 5, Some(1)))
        .await
        .unwrap();
    b.put_tc_token("a@lid", &token(b"b", 6, None))
        .await
        .unwrap();
    assert_eq!(
        stored_token(b, "a@lid").await,
        Some((b"b".to_vec(), 6, None))
    );
    b.delete_tc_token("a@lid").await.unwrap();
    b.delete_tc_token("a@lid").await.unwrap();
    assert_eq!(stored_token(b, "a@lid").await, None);

    b.put_tc_token("both live@lid", &token(b"t", 100, Some(100)))
        .await
        .unwrap();
    b.put_tc_token("token live@lid", &token(b"t", 100, Some(99)))
        .await
        .unwrap();
    b.put_tc_token("sender live@lid", &token(b"t", 99, Some(100)))
        .await
        .unwrap();
    b.put_tc_token("both old@lid", &token(b"t", 99, Some(99)))
        .await
        .unwrap();
    b.put_tc_token("no sender@lid", &token(b"t", 99, None))
        .await
        .unwrap();
    b.put_tc_token("no token@lid", &token(b"", 100, Some(99)))
        .await
        .unwrap();
    assert_eq!(b.delete_expired_tc_tokens(100, 100).await.unwrap(), 3);
    assert_eq!(b.delete_expired_tc_tokens(100, 100).await.unwrap(), 0);
    let left = sorted(b.get_all_tc_token_jids().await.unwrap());
    assert_eq!(left, ["both live@lid", "sender live@lid", "token live@lid"]);
}

async fn tc_token_writers(b: &Recorded) {
    b.touch_tc_token_sender_timestamp("x@lid", 50)
        .await
        .unwrap();
    assert_eq!(
        stored_token(b, "x@lid").await,
        Some((vec![], 50, Some(50))),
        "a placeholder"
    );
    b.store_received_tc_token("x@lid", b"real", 10)
        .await
        .unwrap();
    assert_eq!(
        stored_token(b, "x@lid").await,
        Some((b"real".to_vec(), 10, Some(50))),
        "a placeholder never wins"
    );
    b.store_received_tc_token("x@lid", b"stale", 9)
        .await
        .unwrap();
    b.touch_tc_token_sender_timestamp("x@lid", 40)
        .await
        .unwrap();
    assert_eq!(
        stored_token(b, "x@lid").await,
        Some((b"real".to_vec(), 10, Some(50))),
        "nothing goes back"
    );
    b.store_received_tc_token("x@lid", b"same age", 10)
        .await
        .unwrap();
    b.touch_tc_token_sender_timestamp("x@lid", 60)
        .await
        .unwrap();
    assert_eq!(
        stored_token(b, "x@lid").await,
        Some((b"same age".to_vec(), 10, Some(60)))
    );
    b.store_received_tc_token("y@lid", b"first", 1)
        .await
        .unwrap();
    assert_eq!(
        stored_token(b, "y@lid").await,
        Some((b"first".to_vec(), 1, None))
    );
    b.touch_tc_token_sender_timestamp("y@lid", 2).await.unwrap();
    assert_eq!(
        stored_token(b, "y@lid").await,
        Some((b"first".to_vec(), 1, Some(2)))
    );
}

async fn sent_messages(b: &Recorded) {
    let now = wacore::time::now_secs();
    assert_eq!(b.take_sent_message(CHAT, "M1").await.unwrap(), None);
    b.store_sent_message(CHAT, "M1", b"old").await.unwrap();
    b.store_sent_message(CHAT, "M1", b"new").await.unwrap();
    b.store_sent_message(GROUP, "M1", b"group").await.unwrap();
    assert_eq!(
        b.take_sent_message(CHAT, "M1").await.unwrap(),
        Some(b"new".to_vec())
    );
    assert_eq!(
        b.take_sent_message(CHAT, "M1").await.unwrap(),
        None,
        "it is taken once"
    );
    assert_eq!(b.delete_expired_sent_messages(now - 3600).await.unwrap(), 0);
    b.store_sent_message(CHAT, "M2", b"").await.unwrap();
    assert_eq!(b.delete_expired_sent_messages(now + 3600).await.unwrap(), 2);
    assert_eq!(b.take_sent_message(GROUP, "M1").await.unwrap(), None);
}

async fn pending_inbound(b: &Recorded) {
    let now = wacore::time::now_secs();
    let of = async |chat, sender, id| b.get_pending_inbound(chat, sender, id).await.unwrap();
    assert_eq!(of(GROUP, "a@lid", "M1").await, None);
    b.store_pending_inbound(GROUP, "a@lid", "M1", b"old")
        .await
        .unwrap();
    b.store_pending_inbound(GROUP, "a@lid", "M1", b"new")
        .await
        .unwrap();
    let row = |sender, message| PendingInboundRow {
        chat: GROUP,
        sender,
        id: "M1",
        message,
    };
    b.store_pending_inbound_batch(&[]).await.unwrap();
    b.store_pending_inbound_batch(&[row("b@lid", b"b"), row("c@lid", b"")])
        .await
        .unwrap();
    assert_eq!(of(GROUP, "a@lid", "M1").await, Some(b"new".to_vec()));
    assert_eq!(
        of(GROUP, "a@lid", "M1").await,
        Some(b"new".to_vec()),
        "reading does not take"
    );
    assert_eq!(of(GROUP, "c@lid", "M1").await, Some(vec![]));
    // Ids are unique only within chat and sender.
    assert_eq!(of(CHAT, "a@lid", "M1").await, None);
    b.delete_pending_inbound(GROUP, "a@lid", "M1")
        .await
        .unwrap();
    b.delete_pending_inbound(GROUP, "a@lid", "M1")
        .await
        .unwrap();
    assert_eq!(of(GROUP, "a@lid", "M1").await, None);
    let key = |sender| PendingInboundKey {
        chat: GROUP,
        sender,
        id: "M1",
    };
    b.delete_pending_inbound_batch(&[]).await.unwrap();
    b.delete_pending_inbound_batch(&[key("b@lid"), key("nobody@lid")])
        .await
        .unwrap();
    assert_eq!(of(GROUP, "b@lid", "M1").await, None);
    assert_eq!(
        b.delete_expired_pending_inbound(now - 3600).await.unwrap(),
        0
    );
    assert_eq!(
        b.delete_expired_pending_inbound(now + 3600).await.unwrap(),
        1
    );
    assert_eq!(of(GROUP, "c@lid", "M1").await, None);
}

async fn msg_secrets(b: &Recorded) {
    let entry = |id: &str, secret: u8, expires_at, message_ts| MsgSecretEntry {
        chat: CHAT.into(),
        sender: "a@lid".into(),
        msg_id: id.into(),
        secret: [secret; 32],
        expires_at,
        message_ts,
    };
    let of = async |id| b.get_msg_secret_with_ts(CHAT, "a@lid", id).await.unwrap();
    assert_eq!(of("M1").await, None);
    assert_eq!(b.get_msg_secret(CHAT, "a@lid", "M1").await.unwrap(), None);
    assert_eq!(b.put_msg_secrets(vec![]).await.unwrap(), 0);
    let first = vec![
        entry("M1", 1, 100, 0),
        entry("M2", 2, 0, 7),
        entry("M3", 3, 50, 9),
    ];
    assert_eq!(b.put_msg_secrets(first).await.unwrap(), 3);
    assert_eq!(of("M1").await, Some((vec![1; 32], 0)));
    // The later deadline and the later known time win, in either order, also within one batch.
    b.put_msg_secrets(vec![
        entry("M1", 4, 90, 5),
        entry("M1", 5, 95, 0),
        entry("M2", 6, 10, 3),
    ])
    .await
    .unwrap();
    assert_eq!(of("M1").await, Some((vec![5; 32], 5)));
    assert_eq!(of("M2").await, Some((vec![6; 32], 7)));
    assert_eq!(
        b.get_msg_secret(CHAT, "a@lid", "M1").await.unwrap(),
        Some(vec![5; 32])
    );
    assert_eq!(b.get_msg_secret(GROUP, "a@lid", "M1").await.unwrap(), None);
    b.put_msg_secret(CHAT, "a@lid", "M4", &[8; 32])
        .await
        .unwrap();
    assert_eq!(b.delete_expired_msg_secrets(49).await.unwrap(), 0);
    assert_eq!(
        b.delete_expired_msg_secrets(50).await.unwrap(),
        1,
        "the deadline itself is too late"
    );
    assert_eq!(of("M3").await, None);
    assert_eq!(
        b.delete_expired_msg_secrets(99).await.unwrap(),
        0,
        "the first deadline still stands"
    );
    assert_eq!(b.delete_expired_msg_secrets(i64::MAX).await.unwrap(), 1);
    assert_eq!(of("M2").await, Some((vec![6; 32], 7)), "0 is never");
    assert_eq!(of("M4").await, Some((vec![8; 32], 0)));
}
