//! What outlives the server.

use holdfast_lab::server::{Lab, LabConfig};

use super::client::{Client, DEADLINE, Linked};

fn kept(directory: &tempfile::TempDir) -> LabConfig {
    LabConfig {
        state: Some(directory.path().to_owned()),
        ..LabConfig::default()
    }
}

#[tokio::test]
async fn a_restart_unlinks_nobody_and_loses_no_message() {
    let directory = tempfile::tempdir().unwrap();
    let lab = Lab::start(kept(&directory)).await.unwrap();
    let root = lab.root_key();
    let ada = Linked::new(&lab, "15550000001").await;
    let bob = lab.create_phone("15550000002", "Bob").await.unwrap();
    ada.client.stop().await;
    lab.wait_devices(&ada.phone, DEADLINE, |devices| !devices[0].online)
        .await
        .unwrap();
    lab.send_text(&bob, &ada.phone.0, "kept").await.unwrap();
    lab.stop().await.unwrap();

    let lab = Lab::start(kept(&directory)).await.unwrap();
    assert_eq!(lab.root_key(), root);
    let again = Client::start(&lab.url(), &ada.store).await;
    again.received("kept").await;
    again.stop().await;
}

/// The client knows the old server key and tries IK; the server answers with XX-fallback.
#[tokio::test]
async fn a_client_gets_over_a_server_with_new_keys() {
    let directory = tempfile::tempdir().unwrap();
    let lab = Lab::start(kept(&directory)).await.unwrap();
    let ada = Linked::new(&lab, "15550000001").await;
    ada.client.stop().await;
    lab.stop().await.unwrap();

    let fresh = tempfile::tempdir().unwrap();
    Lab::start(kept(&fresh))
        .await
        .unwrap()
        .stop()
        .await
        .unwrap();
    let read = |directory: &tempfile::TempDir| -> serde_json::Value {
        let json = std::fs::read(directory.path().join("lab.json")).unwrap();
        serde_json::from_slice(&json).unwrap()
    };
    let mut state = read(&directory);
    state["authority"] = read(&fresh)["authority"].clone();
    std::fs::write(directory.path().join("lab.json"), state.to_string()).unwrap();

    let lab = Lab::start(kept(&directory)).await.unwrap();
    let again = Client::start(&lab.url(), &ada.store).await;
    again.connected().await;
    again.stop().await;
}
