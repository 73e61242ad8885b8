//! The app state.

use std::collections::HashMap;

use wacore::appstate::hash::HashState;
use wacore::appstate::processor::AppStateMutationMAC;
use wacore::store::traits::{AppStateSyncKey, AppSyncStore};

use super::Peer;
use crate::recorded::Recorded;

pub async fn conforms(peer: Peer, backend: &Recorded) {
    sync_keys(peer, backend).await;
    versions(backend).await;
    mutation_macs(backend).await;
}

fn sync_key(data: u8) -> AppStateSyncKey {
    AppStateSyncKey {
        key_data: vec![data; 32],
        fingerprint: vec![data, 0, 255],
        timestamp: -5,
    }
}

async fn sync_keys(peer: Peer, b: &Recorded) {
    assert!(b.get_sync_key(&[0, 1]).await.unwrap().is_none());
    assert_eq!(b.get_latest_sync_key_id().await.unwrap(), None);
    b.set_sync_key(&[0, 9], sync_key(9)).await.unwrap();
    b.set_sync_key(&[0, 1], sync_key(1)).await.unwrap();
    b.set_sync_key(&[0, 1], sync_key(2)).await.unwrap();
    let found = b.get_sync_key(&[0, 1]).await.unwrap().unwrap();
    assert_eq!(
        (found.key_data, found.fingerprint, found.timestamp),
        (vec![2; 32], vec![2, 0, 255], -5)
    );
    let latest = if peer.latest_sync_key_is_stored_last() {
        [0, 1]
    } else {
        [0, 9]
    };
    assert_eq!(
        b.get_latest_sync_key_id().await.unwrap(),
        Some(latest.to_vec())
    );
    b.set_sync_key(&[1, 0], sync_key(3)).await.unwrap();
    assert_eq!(
        b.get_latest_sync_key_id().await.unwrap(),
        Some(vec![1, 0]),
        "the highest, stored last"
    );
}

async fn versions(b: &Recorded) {
    let fresh = b.get_version("regular").await.unwrap();
    assert_eq!((fresh.version, fresh.hash), (0, [0; 128]));
    let mut hash = [0; 128];
    hash[..4].copy_from_slice(&[1, 2, 3, 255]);
    let index_value_map = HashMap::from([("index".to_string(), vec![9, 8])]);
    let state = HashState {
        version: u64::from(u32::MAX) + 7,
        hash,
        index_value_map,
        mac_mismatch_fatal: true,
    };
    b.set_version("regular", state.clone()).await.unwrap();
    let found = b.get_version("regular").await.unwrap();
    assert_eq!(
        serde_json::to_value(&found).unwrap(),
        serde_json::to_value(&state).unwrap()
    );
    assert_eq!(b.get_version("critical_block").await.unwrap().version, 0);
}

async fn mutation_macs(b: &Recorded) {
    let mac = |index: u8, value: u8| AppStateMutationMAC {
        index_mac: vec![index; 32],
        value_mac: vec![value; 32],
    };
    assert_eq!(b.get_mutation_mac("regular", &[1; 32]).await.unwrap(), None);
    b.put_mutation_macs("regular", 1, &[]).await.unwrap();
    b.put_mutation_macs("regular", 1, &[mac(1, 10), mac(2, 20), mac(3, 30)])
        .await
        .unwrap();
    b.put_mutation_macs("regular", 2, &[mac(1, 11)])
        .await
        .unwrap();
    b.put_mutation_macs("regular_low", 1, &[mac(1, 99)])
        .await
        .unwrap();
    assert_eq!(
        b.get_mutation_mac("regular", &[1; 32]).await.unwrap(),
        Some(vec![11; 32])
    );
    let found = b
        .get_mutation_macs("regular", &[[1; 32], [3; 32], [7; 32]])
        .await
        .unwrap();
    assert_eq!(
        found,
        HashMap::from([([1; 32], vec![11; 32]), ([3; 32], vec![30; 32])])
    );
    b.delete_mutation_macs("regular", &[vec![1; 32], vec![7; 32]])
        .await
        .unwrap();
    assert_eq!(b.get_mutation_mac("regular", &[1; 32]).await.unwrap(), None);
    assert_eq!(
        b.get_mutation_mac("regular", &[2; 32]).await.unwrap(),
        Some(vec![20; 32])
    );
    b.clear_mutation_macs("regular").await.unwrap();
    assert!(
        b.get_mutation_macs("regular", &[[2; 32], [3; 32]])
            .await
            .unwrap()
            .is_empty()
    );
    let other = b.get_mutation_mac("regular_low", &[1; 32]).await.unwrap();
    assert_eq!(
        other,
        Some(vec![99; 32]),
        "another collection whose name begins alike"
    );
}
