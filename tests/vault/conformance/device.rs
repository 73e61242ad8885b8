//! The device row: every field of it.

use std::sync::Arc;

use wacore::store::Device;
use wacore::store::device::{CachedNoiseCert, CachedServerCertChain};
use wacore::store::traits::DeviceStore;
use waproto::whatsapp::ADVSignedDeviceIdentity;

use crate::recorded::Recorded;

pub async fn conforms(b: &Recorded) {
    assert!(!b.exists().await.unwrap());
    assert!(b.load().await.unwrap().is_none());
    b.create().await.unwrap();
    assert!(b.exists().await.unwrap());
    let created = b.load().await.unwrap().unwrap();
    assert!(created.pn.is_none() && created.account.is_none());

    let device = full();
    b.save(&device).await.unwrap();
    let loaded = b.load().await.unwrap().unwrap();
    assert_eq!(rows(&loaded), rows(&device));
    assert_eq!(
        loaded.device_props, device.device_props,
        "what is not saved is what a new device has"
    );

    b.save(&created).await.unwrap();
    assert_eq!(
        rows(&b.load().await.unwrap().unwrap()),
        rows(&created),
        "fields go back to nothing, too"
    );
}

fn rows(device: &Device) -> serde_json::Value {
    serde_json::to_value(device).unwrap()
}

/// No field has the value it has in a new device.
fn full() -> Device {
    let cert = |key| CachedNoiseCert {
        key: [key; 32],
        not_before: 1,
        not_after: i64::MAX,
    };
    Device {
        pn: Some("15550000001:7@s.whatsapp.net".parse().unwrap()),
        lid: Some("100000000000001:7@lid".parse().unwrap()),
        signed_pre_key_id: 3,
        account: Some(Arc::new(ADVSignedDeviceIdentity {
            details: Some(vec![1, 2, 3]),
            account_signature_key: Some(vec![4; 32]),
            account_signature: Some(vec![5; 64]),
            device_signature: Some(vec![6; 64]),
        })),
        push_name: "Naïve 🪸".into(),
        app_version_primary: 9,
        app_version_secondary: 8,
        app_version_tertiary: 7,
        app_version_last_fetched_ms: 1_700_000_000_000,
        edge_routing_info: Some(vec![0, 255]),
        props_hash: Some("hash".into()),
        next_pre_key_id: 813,
        first_unupload_pre_key_id: 5,
        server_has_prekeys: true,
        nct_salt: Some(vec![1]),
        server_cert_chain: Some(CachedServerCertChain {
            intermediate: cert(1),
            leaf: cert(2),
        }),
        login_counter: 42,
        lid_migrated: true,
        last_signed_pre_key_rotation_ms: 1_700_000_000_001,
        read_receipts_disabled: true,
        ..Device::new()
    }
}
