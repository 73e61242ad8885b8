//! What a bare client makes of each fault.

use holdfast_lab::ledger::{Act, Entry};
use holdfast_lab::phone::inbox::Content;
use holdfast_lab::server::{Fault, Lab, LabConfig, Target, When};
use whatsapp_rust::prelude::Event;

use super::client::{Client, DEADLINE, Linked, jid, store};

/// A lab, and a client in it that is about to suffer.
async fn patient() -> (Lab, Linked) {
    let lab = Lab::start(LabConfig::default()).await.unwrap();
    let ada = Linked::new(&lab, "15550000001").await;
    (lab, ada)
}

/// Faults that the client gets over by connecting again; each strikes a client of its own, since a client waits longer
/// after each.
#[tokio::test]
async fn the_client_reconnects() {
    let mut patients = tokio::task::JoinSet::new();
    for fault in [
        Fault::Stream515,
        Fault::Stream429,
        Fault::Stream500,
        Fault::Stream503,
        Fault::MalformedXml,
        Fault::UnknownCode,
        Fault::Stream440,
        Fault::SocketDrop,
        Fault::Failure500,
        Fault::Failure503,
    ] {
        patients.spawn(async move {
            let (lab, ada) = patient().await;
            let before = ada.client.seen();
            lab.inject(ada.device.clone(), fault, When::Now, 1)
                .await
                .unwrap();
            ada.client.connected_from(before).await;
            ada.client.stop().await;
        });
    }
    patients.join_all().await;
}

/// Whether an event is the one that a fault leads to.
type IsExpected = fn(&Event) -> bool;

/// Faults that end the client's run, each with its event.
#[tokio::test]
async fn the_client_gives_up() {
    let (lab, ada) = patient().await;
    let mut client = ada.client;
    let expected: &[(Fault, IsExpected)] = &[
        (Fault::Replaced, |event| {
            matches!(event, Event::StreamReplaced(_))
        }),
        (Fault::Stream409, |event| {
            matches!(event, Event::StreamReplaced(_))
        }),
        (
            Fault::Spurious401,
            |event| matches!(event, Event::LoggedOut(out) if !out.on_connect),
        ),
        (Fault::Stream516, |event| {
            matches!(event, Event::LoggedOut(_))
        }),
        (
            Fault::Failure401,
            |event| matches!(event, Event::LoggedOut(out) if out.on_connect),
        ),
        (
            Fault::Failure403,
            |event| matches!(event, Event::LoggedOut(out) if out.on_connect),
        ),
        (
            Fault::Failure406,
            |event| matches!(event, Event::LoggedOut(out) if out.on_connect),
        ),
        (
            Fault::Ban,
            |event| matches!(event, Event::TemporaryBan(ban) if ban.expire.num_seconds() == 3600),
        ),
        (Fault::BanWithoutExpiry, |event| {
            matches!(event, Event::ConnectFailure(_))
        }),
        (Fault::Failure405, |event| {
            matches!(event, Event::ClientOutdated(_))
        }),
        (Fault::Failure409, |event| {
            matches!(event, Event::ConnectFailure(_))
        }),
        (Fault::Failure429, |event| {
            matches!(event, Event::ConnectFailure(_))
        }),
        (Fault::FailureUnknown, |event| {
            matches!(event, Event::ConnectFailure(_))
        }),
    ];
    for (fault, is_expected) in expected {
        lab.inject(ada.device.clone(), *fault, When::Now, 1)
            .await
            .unwrap();
        client
            .wait(fault.name(), |event| is_expected(event).then_some(()))
            .await;
        client.stop().await;
        // It struck once, and the device is still linked.
        client = Client::start(&lab.url(), &ada.store).await;
        client.connected().await;
    }
    client.stop().await;
}

#[tokio::test]
async fn a_removed_device_stays_removed() {
    let (lab, ada) = patient().await;
    lab.inject(ada.device.clone(), Fault::DeviceRemoved, When::Now, 1)
        .await
        .unwrap();
    ada.client
        .wait("LoggedOut", |event| {
            matches!(event, Event::LoggedOut(_)).then_some(())
        })
        .await;
    assert!(lab.devices(&ada.phone).await.unwrap().is_empty());
    ada.client.stop().await;
}

#[tokio::test]
async fn a_fault_waits_for_its_stanza() {
    let (lab, ada) = patient().await;
    let bob = lab.create_phone("15550000002", "Bob").await.unwrap();
    lab.inject(ada.device.clone(), Fault::NackSend, When::Nth(2), 1)
        .await
        .unwrap();
    let mut errors = Vec::new();
    for text in ["one", "two", "three"] {
        let id = ada.client.send(&jid(&bob), text).await;
        let error = ada
            .client
            .wait("the server's ack", |event| match event {
                Event::ServerAck(ack) if ack.id == id => Some(ack.error.clone()),
                _ => None,
            })
            .await;
        errors.push(error.is_some());
    }
    assert_eq!(errors, [false, true, false]);
    ada.client.stop().await;
}

#[tokio::test]
async fn a_corrupted_ciphertext_heals() {
    let (lab, ada) = patient().await;
    let bob = Linked::new(&lab, "15550000002").await;
    let eve = lab.create_phone("15550000003", "Eve").await.unwrap();
    lab.send_text(&eve, &ada.phone.0, "hello").await.unwrap();
    ada.client.received("hello").await;

    // From a phone, and from another client.
    lab.inject(ada.device.clone(), Fault::BadMac, When::Now, 1)
        .await
        .unwrap();
    lab.send_text(&eve, &ada.phone.0, "from the phone")
        .await
        .unwrap();
    ada.client.received("from the phone").await;
    lab.inject(ada.device.clone(), Fault::BadMac, When::Now, 1)
        .await
        .unwrap();
    bob.client.send(&jid(&ada.phone), "from the client").await;
    ada.client.received("from the client").await;
    ada.client
        .wait("UndecryptableMessage", |event| {
            matches!(event, Event::UndecryptableMessage(_)).then_some(())
        })
        .await;
    assert_eq!(lab.ledger().crimes(), []);
    ada.client.stop().await;
    bob.client.stop().await;
}

#[tokio::test]
async fn a_lost_pre_key_heals() {
    let (lab, ada) = patient().await;
    let bob = lab.create_phone("15550000002", "Bob").await.unwrap();
    lab.inject(ada.device.clone(), Fault::LostPreKey, When::Now, 1)
        .await
        .unwrap();
    lab.send_text(&bob, &ada.phone.0, "hello").await.unwrap();
    ada.client.received("hello").await;
    ada.client.stop().await;
}

#[tokio::test]
async fn messages_out_of_order_and_twice_are_each_reported_once() {
    let (lab, ada) = patient().await;
    let bob = lab.create_phone("15550000002", "Bob").await.unwrap();
    let to = ada.phone.0.as_str();
    lab.send_text(&bob, to, "zero").await.unwrap();
    ada.client.received("zero").await;
    lab.inject(ada.device.clone(), Fault::OutOfOrderDelivery, When::Now, 1)
        .await
        .unwrap();
    lab.send_text(&bob, to, "one").await.unwrap();
    lab.send_text(&bob, to, "two").await.unwrap();
    lab.inject(ada.device.clone(), Fault::DuplicateDelivery, When::Now, 1)
        .await
        .unwrap();
    lab.send_text(&bob, to, "three").await.unwrap();
    lab.send_text(&bob, to, "four").await.unwrap();
    for text in ["one", "two", "three", "four"] {
        ada.client.received(text).await;
        assert_eq!(ada.client.times_received(text), 1, "{text}");
    }
    ada.client.stop().await;
}

#[tokio::test]
async fn a_refused_upload_is_made_again() {
    let (lab, ada) = patient().await;
    let from = lab.ledger().entries(0).len() as u64;
    lab.inject(ada.device.clone(), Fault::RefusedUpload, When::Now, 1)
        .await
        .unwrap();
    ada.client.client().refresh_pre_keys().await.unwrap();
    let is_upload = |entry: &Entry| match &entry.act {
        Act::Accepted { stanza } => {
            stanza.xmlns.as_deref() == Some("encrypt") && stanza.kind.as_deref() == Some("set")
        }
        _ => false,
    };
    let uploads = lab.ledger().entries(from);
    assert_eq!(uploads.iter().filter(|entry| is_upload(entry)).count(), 2);
    ada.client.stop().await;
}

#[tokio::test]
async fn a_silent_server_is_left_alone_and_says_nothing() {
    let (lab, ada) = patient().await;
    let bob = lab.create_phone("15550000002", "Bob").await.unwrap();
    for fault in [Fault::BlackHole, Fault::HalfOpen] {
        let before = ada.client.seen();
        lab.inject(ada.device.clone(), fault, When::Now, 1)
            .await
            .unwrap();
        lab.send_text(&bob, &ada.phone.0, fault.name())
            .await
            .unwrap();
        assert_eq!(ada.client.times_received(fault.name()), 0);
        // A client that gives up on the connection gets over it.
        ada.client.client().reconnect_immediately().await;
        ada.client.connected_from(before).await;
        ada.client.received(fault.name()).await;
    }
    ada.client.stop().await;
}

#[tokio::test]
async fn a_slow_link_delivers_late() {
    let (lab, ada) = patient().await;
    let bob = lab.create_phone("15550000002", "Bob").await.unwrap();
    lab.inject(ada.device.clone(), Fault::SlowLink, When::Now, 1)
        .await
        .unwrap();
    lab.send_text(&bob, &ada.phone.0, "slowly").await.unwrap();
    ada.client.received("slowly").await;
    ada.client.stop().await;
}

#[tokio::test]
async fn linking_fails_in_every_way_it_can() {
    let lab = Lab::start(LabConfig::default()).await.unwrap();
    let phone = lab.create_phone("15550000001", "Ada").await.unwrap();

    lab.inject(Target::Linking, Fault::RefsExhausted, When::Now, 1)
        .await
        .unwrap();
    let client = Client::start(&lab.url(), &store()).await;
    client
        .wait("PairingQrCodesExhausted", |event| {
            matches!(event, Event::PairingQrCodesExhausted(_)).then_some(())
        })
        .await;
    client.stop().await;

    lab.inject(Target::Linking, Fault::PasskeyGate, When::Now, 1)
        .await
        .unwrap();
    let client = Client::start(&lab.url(), &store()).await;
    client
        .wait("PairPasskeyRequest", |event| {
            matches!(event, Event::PairPasskeyRequest(_)).then_some(())
        })
        .await;
    client.stop().await;

    lab.inject(Target::Linking, Fault::PairError, When::Now, 1)
        .await
        .unwrap();
    let client = Client::start(&lab.url(), &store()).await;
    assert!(lab.scan_qr(&phone, &client.qr().await).await.is_err());
    client
        .wait("PairError", |event| {
            matches!(event, Event::PairError(_)).then_some(())
        })
        .await;
    // The same QR, scanned again, links.
    lab.scan_qr(&phone, &client.qr().await).await.unwrap();
    client.connected().await;
    client.stop().await;
}

#[tokio::test]
async fn a_client_in_a_black_hole_at_login_gets_no_answer() {
    let (lab, ada) = patient().await;
    lab.inject(ada.device.clone(), Fault::BlackHoleLogin, When::Now, 1)
        .await
        .unwrap();
    ada.client
        .wait("Disconnected", |event| {
            matches!(event, Event::Disconnected(_)).then_some(())
        })
        .await;
    let client = ada.client.client();
    client.wait_for_socket(DEADLINE).await.unwrap();
    assert!(!client.is_logged_in());
    assert!(!lab.devices(&ada.phone).await.unwrap()[0].online);
    let before = ada.client.seen();
    client.reconnect_immediately().await;
    ada.client.connected_from(before).await;
    let bob = lab.create_phone("15550000002", "Bob").await.unwrap();
    ada.client.send(&jid(&bob), "back").await;
    lab.wait_inbox(
        &bob,
        DEADLINE,
        |received| matches!(&received.content, Content::Text(text) if text == "back"),
    )
    .await
    .unwrap();
    ada.client.stop().await;
}
