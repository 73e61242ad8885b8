//! Texts, images and groups, between phones and clients of several accounts.

use holdfast_lab::phone::inbox::Content;
use holdfast_lab::server::{Lab, LabConfig, Times};
use wacore::net::{HttpClient, HttpRequest, HttpResponse};
use whatsapp_rust::prelude::Event;

use super::client::{Client, DEADLINE, Linked, jid};

fn text(content: &Content, wanted: &str) -> bool {
    matches!(content, Content::Text(text) if text == wanted)
}

#[tokio::test]
async fn texts_go_both_ways_between_a_client_and_a_phone() {
    let lab = Lab::start(LabConfig::default()).await.unwrap();
    let ada = Linked::new(&lab, "15550000001").await;
    let bob = lab.create_phone("15550000002", "Bob").await.unwrap();

    lab.send_text(&bob, &ada.phone.0, "from the phone")
        .await
        .unwrap();
    ada.client.received("from the phone").await;
    // The account's own phone got it too.
    lab.wait_inbox(&ada.phone, DEADLINE, |received| {
        text(&received.content, "from the phone")
    })
    .await
    .unwrap();

    ada.client.send(&jid(&bob), "from the client").await;
    lab.wait_inbox(&bob, DEADLINE, |received| {
        text(&received.content, "from the client")
    })
    .await
    .unwrap();
    // A copy for the sender's own phone, filed under the chat.
    let copy = lab
        .wait_inbox(&ada.phone, DEADLINE, |received| {
            text(&received.content, "from the client")
        })
        .await
        .unwrap();
    assert!(copy.from.starts_with("15550000001:"), "{}", copy.from);
    assert_eq!(lab.ledger().crimes(), []);
    ada.client.stop().await;
}

#[tokio::test]
async fn clients_of_two_accounts_talk_and_see_receipts() {
    let lab = Lab::start(LabConfig::default()).await.unwrap();
    let ada = Linked::new(&lab, "15550000001").await;
    let bob = Linked::new(&lab, "15550000002").await;
    for round in 0..3 {
        let question = format!("question {round}");
        let id = ada.client.send(&jid(&bob.phone), &question).await;
        let chat = bob.client.received(&question).await;
        let error = ada
            .client
            .wait("the server's ack", |event| match event {
                Event::ServerAck(ack) if ack.id == id => Some(ack.error.clone()),
                _ => None,
            })
            .await;
        assert_eq!(error, None);
        ada.client
            .wait("the delivery receipt", |event| match event {
                Event::Receipt(receipt) => receipt.message_ids.contains(&id).then_some(()),
                _ => None,
            })
            .await;
        let answer = format!("answer {round}");
        bob.client.send(&chat, &answer).await;
        ada.client.received(&answer).await;
    }
    assert_eq!(lab.ledger().crimes(), []);
    ada.client.stop().await;
    bob.client.stop().await;
}

#[tokio::test]
async fn what_was_sent_meanwhile_arrives_once_after_login() {
    let lab = Lab::start(LabConfig::default()).await.unwrap();
    let ada = Linked::new(&lab, "15550000001").await;
    let bob = lab.create_phone("15550000002", "Bob").await.unwrap();
    lab.send_text(&bob, &ada.phone.0, "before").await.unwrap();
    ada.client.received("before").await;
    lab.wait_devices(&ada.phone, DEADLINE, |devices| devices[0].queued == 0)
        .await
        .unwrap();
    ada.client.stop().await;
    lab.wait_devices(&ada.phone, DEADLINE, |devices| !devices[0].online)
        .await
        .unwrap();
    for text in ["one", "two", "three"] {
        lab.send_text(&bob, &ada.phone.0, text).await.unwrap();
    }
    let again = Client::start(&lab.url(), &ada.store).await;
    for text in ["one", "two", "three"] {
        again.received(text).await;
    }
    lab.wait_devices(&ada.phone, DEADLINE, |devices| devices[0].queued == 0)
        .await
        .unwrap();
    assert_eq!(again.times_received("one"), 1);
    assert_eq!(again.times_received("before"), 0);
    again.stop().await;
}

#[tokio::test]
async fn a_drain_may_end_only_once_it_is_confirmed() {
    let times = Times {
        drain_ends_confirmed: true,
        ..Times::default()
    };
    let lab = Lab::start(LabConfig {
        times,
        ..LabConfig::default()
    })
    .await
    .unwrap();
    let ada = Linked::new(&lab, "15550000001").await;
    let bob = lab.create_phone("15550000002", "Bob").await.unwrap();
    ada.client.stop().await;
    lab.wait_devices(&ada.phone, DEADLINE, |devices| !devices[0].online)
        .await
        .unwrap();
    for text in ["one", "two", "three"] {
        lab.send_text(&bob, &ada.phone.0, text).await.unwrap();
    }
    let again = Client::start(&lab.url(), &ada.store).await;
    let end = again.wait_from(0, "the end of the drain", |event| match event {
        Event::RawNode(node) => {
            let node = node.to_owned_node();
            (node.tag == "ib" && node.get_optional_child("offline").is_some()).then_some(())
        }
        _ => None,
    });
    let ((), end) = end.await;
    let read = again.wait_from(0, "the messages", |event| {
        matches!(event, Event::Messages(_)).then_some(())
    });
    let ((), read) = read.await;
    assert!(read < end, "the end was said before the messages were read");
    again.stop().await;
}

#[tokio::test]
async fn a_second_device_of_an_account_gets_what_comes_after_it() {
    let lab = Lab::start(LabConfig::default()).await.unwrap();
    let ada = Linked::new(&lab, "15550000001").await;
    let bob = Linked::new(&lab, "15550000002").await;
    ada.client.send(&jid(&bob.phone), "first").await;
    bob.client.received("first").await;

    let store = super::client::store();
    let tablet = Client::start(&lab.url(), &store).await;
    lab.scan_qr(&bob.phone, &tablet.qr().await).await.unwrap();
    tablet.connected().await;
    // The sender has the account's devices from before, and was told of the new one.
    lab.wait_devices(&ada.phone, DEADLINE, |devices| devices[0].queued == 0)
        .await
        .unwrap();
    ada.client.send(&jid(&bob.phone), "second").await;
    tablet.received("second").await;
    bob.client.received("second").await;
    for client in [ada.client, bob.client, tablet] {
        client.stop().await;
    }
}

#[tokio::test]
async fn a_group_of_phones_and_clients_talks() {
    let lab = Lab::start(LabConfig::default()).await.unwrap();
    let ada = Linked::new(&lab, "15550000001").await;
    let bob = Linked::new(&lab, "15550000002").await;
    let eve = lab.create_phone("15550000003", "Eve").await.unwrap();
    let members = [bob.phone.clone(), eve.clone()];
    let group = lab
        .create_group(&ada.phone, "Tide", &members)
        .await
        .unwrap();

    lab.send_text(&eve, &group.to_string(), "from the phone")
        .await
        .unwrap();
    assert_eq!(ada.client.received("from the phone").await, group);
    bob.client.received("from the phone").await;

    for round in ["one", "two"] {
        ada.client.send(&group, round).await;
        bob.client.received(round).await;
        lab.wait_inbox(&eve, DEADLINE, |received| text(&received.content, round))
            .await
            .unwrap();
    }
    bob.client.send(&group, "from the other client").await;
    ada.client.received("from the other client").await;
    assert_eq!(lab.ledger().crimes(), []);
    ada.client.stop().await;
    bob.client.stop().await;
}

/// Reaches the lab's media store: by plain HTTP instead of the HTTPS that the library asks for.
struct PlainHttp;

#[async_trait::async_trait]
impl HttpClient for PlainHttp {
    async fn execute(&self, request: HttpRequest) -> anyhow::Result<HttpResponse> {
        let url = request.url.replacen("https://", "http://", 1);
        let body =
            tokio::task::spawn_blocking(move || ureq::get(&url).call()?.body_mut().read_to_vec())
                .await??;
        Ok(HttpResponse {
            status_code: 200,
            body,
        })
    }
}

#[tokio::test]
async fn an_image_comes_by_reference() {
    let lab = Lab::start(LabConfig::default()).await.unwrap();
    let phone = lab.create_phone("15550000001", "Ada").await.unwrap();
    let bob = lab.create_phone("15550000002", "Bob").await.unwrap();
    let client = Client::start_with_http(&lab.url(), &super::client::store(), PlainHttp).await;
    lab.scan_qr(&phone, &client.qr().await).await.unwrap();
    client.connected().await;

    let picture = b"not a picture, but as good as one".repeat(50);
    lab.send_image(&bob, &phone.0, &picture, Some("the tide"))
        .await
        .unwrap();
    let image = client
        .wait("the image", |event| match event {
            Event::Messages(batch) => batch
                .messages
                .iter()
                .find_map(|message| message.message.image_message.as_option().cloned()),
            _ => None,
        })
        .await;
    assert_eq!(image.caption.as_deref(), Some("the tide"));
    assert_eq!(client.client().download(&image).await.unwrap(), picture);
    client.stop().await;
}
