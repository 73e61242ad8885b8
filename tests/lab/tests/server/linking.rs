//! Linking by QR and by code, and its end.

use holdfast_lab::server::{Lab, LabConfig, LabError, Times};
use std::time::Duration;
use wacore_binary::Node;
use wacore_binary::node::NodeValue;
use whatsapp_rust::prelude::Event;

use super::client::{Client, DEADLINE, Linked, jid, store};

#[tokio::test]
async fn a_client_is_linked_by_qr_and_becomes_connected() {
    let lab = Lab::start(LabConfig::default()).await.unwrap();
    let ada = Linked::new(&lab, "15550000001").await;
    let devices = lab.devices(&ada.phone).await.unwrap();
    assert_eq!(devices.len(), 1);
    assert!(devices[0].online);
    let devices = lab
        .wait_devices(&ada.phone, DEADLINE, |devices| devices[0].pre_keys > 0)
        .await
        .unwrap();
    assert_eq!(devices[0].id, ada.device);
    // The push name comes from the account's app state.
    ada.client
        .wait("the push name", |event| match event {
            Event::SelfPushNameUpdated(update) if update.new_name == "Ada" => Some(()),
            _ => None,
        })
        .await;
    ada.client.stop().await;
    assert!(lab.ledger().crimes().is_empty());
    lab.stop().await.unwrap();
}

/// Addresses among the attributes that are written as text, in this stanza and what is in it.
fn addresses_in_text(stanza: &Node) -> Vec<String> {
    let mut found: Vec<String> = stanza
        .attrs
        .iter()
        .filter(|(name, value)| {
            matches!(value, NodeValue::String(text) if text.contains('@') || *name == "from")
        })
        .map(|(name, value)| format!("{} {name}={value}", stanza.tag))
        .collect();
    let children = stanza.children().unwrap_or_default();
    found.extend(children.iter().flat_map(addresses_in_text));
    found
}

#[tokio::test]
async fn whatever_comes_is_from_an_address_that_is_written_as_one() {
    let lab = Lab::start(LabConfig::default()).await.unwrap();
    let ada = Linked::new(&lab, "15550000001").await;
    let bob = lab.create_phone("15550000002", "Bob").await.unwrap();
    let members = [ada.phone.clone()];
    lab.create_group(&bob, "Both", &members).await.unwrap();
    lab.send_text(&bob, &ada.phone.0, "hello").await.unwrap();
    ada.client.received("hello").await;
    ada.client.send(&jid(&bob), "and back").await;
    lab.wait_inbox(&bob, DEADLINE, |received| !received.id.is_empty())
        .await
        .unwrap();
    let stanzas = ada.client.stanzas();
    let told = |tag: &str| stanzas.iter().any(|stanza| stanza.tag == tag);
    for tag in ["iq", "ib", "message", "notification"] {
        assert!(told(tag), "no <{tag}> came");
    }
    let in_text: Vec<String> = stanzas.iter().flat_map(addresses_in_text).collect();
    assert!(in_text.is_empty(), "{in_text:?}");
    ada.client.stop().await;
}

#[tokio::test]
async fn a_client_is_linked_by_code() {
    let lab = Lab::start(LabConfig::default()).await.unwrap();
    let phone = lab.create_phone("15550000001", "Ada").await.unwrap();
    let client = Client::start_with_code(&lab.url(), &store(), &phone).await;
    let code = client
        .wait("a code", |event| match event {
            Event::PairingCode(code) => Some(code.code.clone()),
            _ => None,
        })
        .await;
    lab.enter_code(&phone, &code).await.unwrap();
    client.connected().await;
    client.stop().await;
}

#[tokio::test]
async fn a_wrong_code_links_nobody() {
    let lab = Lab::start(LabConfig::default()).await.unwrap();
    let phone = lab.create_phone("15550000001", "Ada").await.unwrap();
    let client = Client::start_with_code(&lab.url(), &store(), &phone).await;
    client
        .wait("a code", |event| match event {
            Event::PairingCode(_) => Some(()),
            _ => None,
        })
        .await;
    assert!(lab.enter_code(&phone, "11111111").await.is_err());
    assert!(lab.devices(&phone).await.unwrap().is_empty());
    client.stop().await;
}

#[tokio::test]
async fn a_qr_out_of_date_is_refused() {
    let times = Times {
        first_ref: Duration::ZERO,
        next_ref: Duration::ZERO,
        ..Times::default()
    };
    let lab = Lab::start(LabConfig {
        times,
        ..LabConfig::default()
    })
    .await
    .unwrap();
    let phone = lab.create_phone("15550000001", "Ada").await.unwrap();
    let client = Client::start(&lab.url(), &store()).await;
    let refused = lab.scan_qr(&phone, &client.qr().await).await;
    assert!(matches!(refused, Err(LabError::RefExpired)), "{refused:?}");
    client.stop().await;
}

#[tokio::test]
async fn an_unlinked_device_is_told_and_turned_away() {
    let lab = Lab::start(LabConfig::default()).await.unwrap();
    let ada = Linked::new(&lab, "15550000001").await;
    lab.unlink(&ada.device).await.unwrap();
    let logged_out = |event: &Event| match event {
        Event::LoggedOut(out) => Some(out.on_connect),
        _ => None,
    };
    assert!(!ada.client.wait("LoggedOut", logged_out).await);
    ada.client.stop().await;
    let again = Client::start(&lab.url(), &ada.store).await;
    assert!(again.wait("LoggedOut at login", logged_out).await);
    again.stop().await;
    assert!(lab.devices(&ada.phone).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_device_that_logs_out_is_unlinked() {
    let lab = Lab::start(LabConfig::default()).await.unwrap();
    let ada = Linked::new(&lab, "15550000001").await;
    ada.client.client().logout().await;
    lab.wait_devices(&ada.phone, DEADLINE, <[_]>::is_empty)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_second_client_of_the_same_device_replaces_the_first() {
    let lab = Lab::start(LabConfig::default()).await.unwrap();
    let ada = Linked::new(&lab, "15550000001").await;
    let second = Client::start(&lab.url(), &ada.store).await;
    second.connected().await;
    ada.client
        .wait("StreamReplaced", |event| {
            matches!(event, Event::StreamReplaced(_)).then_some(())
        })
        .await;
    second.stop().await;
}
