//! Identities, sessions, pre-keys, sender keys.

use bytes::Bytes;
use wacore::store::traits::SignalStore;

use crate::recorded::Recorded;

const ALICE: &str = "100000000000001@lid";
const ALICE_2: &str = "100000000000001:2@lid";
const BOB: &str = "10000000000000@lid";

pub async fn conforms(backend: &Recorded) {
    identities(backend).await;
    sessions(backend).await;
    pre_keys(backend).await;
    signed_pre_keys(backend).await;
    sender_keys(backend).await;
}

async fn identities(b: &Recorded) {
    assert_eq!(b.load_identity(ALICE).await.unwrap(), None);
    b.delete_identity(ALICE).await.unwrap();
    b.put_identity(ALICE, [1; 32]).await.unwrap();
    b.put_identity(ALICE, [2; 32]).await.unwrap();
    b.put_identities_batch(&[]).await.unwrap();
    b.put_identities_batch(&[(BOB.into(), [3; 32]), (ALICE_2.into(), [4; 32])])
        .await
        .unwrap();
    assert_eq!(b.load_identity(ALICE).await.unwrap(), Some([2; 32]));
    assert_eq!(b.load_identity(BOB).await.unwrap(), Some([3; 32]));
    assert_eq!(b.load_identity(ALICE_2).await.unwrap(), Some([4; 32]));
    b.delete_identity(ALICE_2).await.unwrap();
    assert_eq!(b.load_identity(ALICE_2).await.unwrap(), None);
    // An identity alone is state of its user; another user whose number begins alike is another user.
    assert!(
        b.has_signal_state_for_user("100000000000001")
            .await
            .unwrap()
    );
    assert!(b.has_signal_state_for_user("10000000000000").await.unwrap());
    b.delete_identity(BOB).await.unwrap();
    assert!(!b.has_signal_state_for_user("10000000000000").await.unwrap());
    b.delete_identity(ALICE).await.unwrap();
    assert!(
        !b.has_signal_state_for_user("100000000000001")
            .await
            .unwrap()
    );
}

async fn sessions(b: &Recorded) {
    assert_eq!(b.get_session(ALICE).await.unwrap(), None);
    assert!(!b.has_session(ALICE).await.unwrap());
    b.delete_session(ALICE).await.unwrap();
    // A backend keeps whatever bytes it is given: decoding is the library's.
    b.put_session(ALICE, b"one").await.unwrap();
    b.put_session(ALICE, b"two").await.unwrap();
    b.put_session(BOB, b"").await.unwrap();
    assert_eq!(
        b.get_session(ALICE).await.unwrap(),
        Some(Bytes::from_static(b"two"))
    );
    assert_eq!(b.get_session(BOB).await.unwrap(), Some(Bytes::new()));
    assert!(b.has_session(BOB).await.unwrap());
    let large = Bytes::from(vec![7; 200_000]);
    b.put_sessions_batch(&[]).await.unwrap();
    b.put_sessions_batch(&[
        (ALICE_2.into(), large.clone()),
        (BOB.into(), Bytes::from_static(b"b")),
    ])
    .await
    .unwrap();
    assert_eq!(b.get_session(ALICE_2).await.unwrap(), Some(large));
    assert_eq!(
        b.get_session(BOB).await.unwrap(),
        Some(Bytes::from_static(b"b"))
    );
    b.delete_session(ALICE).await.unwrap();
    assert!(!b.has_session(ALICE).await.unwrap());
    assert!(
        b.has_signal_state_for_user("100000000000001")
            .await
            .unwrap(),
        "another device's session counts"
    );
    b.delete_session(ALICE_2).await.unwrap();
    b.delete_session(BOB).await.unwrap();
    assert!(
        !b.has_signal_state_for_user("100000000000001")
            .await
            .unwrap()
    );
}

async fn pre_keys(b: &Recorded) {
    assert_eq!(b.get_max_prekey_id().await.unwrap(), 0);
    assert_eq!(b.load_prekey(1).await.unwrap(), None);
    b.store_prekey(1, b"one", false).await.unwrap();
    b.store_prekey(1, b"uno", true).await.unwrap();
    b.store_prekeys_batch(&[], false).await.unwrap();
    let batch: Vec<(u32, Bytes)> = [2, 255, 256, 70_000]
        .map(|id| (id, Bytes::from(id.to_string())))
        .into();
    b.store_prekeys_batch(&batch, false).await.unwrap();
    assert_eq!(
        b.load_prekey(1).await.unwrap(),
        Some(Bytes::from_static(b"uno"))
    );
    assert_eq!(b.get_max_prekey_id().await.unwrap(), 70_000);
    let mut found = b.load_prekeys_batch(&[256, 3, 2]).await.unwrap();
    found.sort();
    assert_eq!(
        found,
        [
            (2, Bytes::from_static(b"2")),
            (256, Bytes::from_static(b"256"))
        ]
    );
    b.remove_prekey(2).await.unwrap();
    b.remove_prekey(2).await.unwrap();
    b.mark_prekeys_uploaded(&[1, 2, 256]).await.unwrap();
    assert_eq!(
        b.load_prekey(2).await.unwrap(),
        None,
        "a consumed key must not come back"
    );
    assert_eq!(
        b.load_prekey(256).await.unwrap(),
        Some(Bytes::from_static(b"256"))
    );
    b.remove_prekey(70_000).await.unwrap();
    assert_eq!(b.get_max_prekey_id().await.unwrap(), 256);
}

async fn signed_pre_keys(b: &Recorded) {
    assert_eq!(b.load_signed_prekey(1).await.unwrap(), None);
    assert!(b.load_all_signed_prekeys().await.unwrap().is_empty());
    b.store_signed_prekey(1, b"one").await.unwrap();
    b.store_signed_prekey(2, b"two").await.unwrap();
    b.store_signed_prekey(1, b"uno").await.unwrap();
    assert_eq!(
        b.load_signed_prekey(1).await.unwrap(),
        Some(b"uno".to_vec())
    );
    let mut all = b.load_all_signed_prekeys().await.unwrap();
    all.sort();
    assert_eq!(all, [(1, b"uno".to_vec()), (2, b"two".to_vec())]);
    b.remove_signed_prekey(1).await.unwrap();
    b.remove_signed_prekey(9).await.unwrap();
    assert_eq!(
        b.load_all_signed_prekeys().await.unwrap(),
        [(2, b"two".to_vec())]
    );
}

async fn sender_keys(b: &Recorded) {
    const GROUP: &str = "120363000000000001@g.us::100000000000001@lid:0";
    assert_eq!(b.get_sender_key(GROUP).await.unwrap(), None);
    b.delete_sender_key(GROUP).await.unwrap();
    b.put_sender_key(GROUP, b"one").await.unwrap();
    b.put_sender_keys_batch(&[]).await.unwrap();
    b.put_sender_keys_batch(&[
        (GROUP.into(), Bytes::from_static(b"two")),
        ("other".into(), Bytes::from_static(b"x")),
    ])
    .await
    .unwrap();
    assert_eq!(
        b.get_sender_key(GROUP).await.unwrap(),
        Some(b"two".to_vec())
    );
    b.delete_sender_key(GROUP).await.unwrap();
    assert_eq!(b.get_sender_key(GROUP).await.unwrap(), None);
    assert_eq!(
        b.get_sender_key("other").await.unwrap(),
        Some(b"x".to_vec())
    );
}
