//! Whatever a contact sends is read, on a message bus as it is on the appliance.

use holdfast::bus::{Messages1Proxy, Where};
use holdfast::mail::{Message, Stub};
use holdfast_medium::Secret;
use tokio::process::Command;

use super::ctl::{lines, run};
use super::rig::{Daemon, bus_client, in_time, private_client, status};
use super::roles::message_bus;

fn message(id: &str, text: String, raw: Vec<u8>) -> Message {
    let ada = Secret::new("4915100000001@s.whatsapp.net".to_owned());
    Message {
        id: id.into(),
        chat: ada.clone(),
        sender: ada,
        timestamp_s: 1_800_000_000,
        push_name: Some(Secret::new("A\0da".into())),
        text: Some(Secret::new(text)),
        raw,
    }
}

#[tokio::test]
async fn a_nul_closes_the_inbox_to_nobody() {
    let daemon = Daemon::new().await;
    let _served = daemon.serve(Where::Private).await;
    daemon.receive("A", "one").await;
    let raw = b"a\0b".to_vec();
    let odd = message("B\0", "a\0b".into(), raw.clone());
    daemon.inbox.commit(vec![odd]).await.unwrap();
    daemon.receive("C", "three").await;

    let output = run(&daemon.runtime(), &["--json", "inbox"]).await;
    let texts: Vec<_> = lines(&output)
        .iter()
        .map(|line| line["text"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(texts, ["one", "a\u{fffd}b", "three"], "{output:?}");
    let client = private_client(&daemon.runtime()).await;
    let messages = Messages1Proxy::new(&client).await.unwrap();
    let read = in_time(messages.read("bot", 2, 1)).await.unwrap();
    assert_eq!(read[0].id, "B\u{fffd}");
    assert_eq!(read[0].push_name, "A\u{fffd}da");
    assert_eq!(read[0].raw, raw);
}

#[tokio::test]
async fn no_text_is_a_command_and_none_is_changed() {
    let mut daemon = Daemon::new().await;
    let _served = daemon.serve(Where::Private).await;
    let client = private_client(&daemon.runtime()).await;
    let messages = Messages1Proxy::new(&client).await.unwrap();
    let texts = [
        "/reset",
        "/new",
        " /relink gen-0003",
        "ConfirmRelink 1",
        "#!holdfastctl relink --yes",
    ];
    for (id, text) in ["A", "B", "C", "D", "E"].into_iter().zip(texts) {
        messages.send("4915100000001", text, id).await.unwrap();
        daemon.receive(id, text).await;
    }
    let read = messages.read("bot", 0, 0).await.unwrap();
    let received: Vec<_> = read.iter().map(|message| message.text.as_str()).collect();
    assert_eq!(received, texts);
    messages.acknowledge("bot", read[4].seq).await.unwrap();
    let pending = daemon.outbox.pending(0, 10).await.unwrap();
    let sent: Vec<_> = pending
        .iter()
        .map(|waits| waits.message.text.expose().as_str())
        .collect();
    assert_eq!(sent, texts);
    assert_eq!(*daemon.status.borrow(), status("Connected"));
    assert!(daemon.button.try_recv().is_err(), "no button was pressed");
    assert_eq!(daemon.audit.head().unwrap().seq, 0);
}

#[tokio::test]
async fn a_backlog_passes_through_a_message_bus_whatever_it_weighs() {
    let daemon = Daemon::new().await;
    let (_bus, address) = message_bus(daemon.dir.path(), Some("holdfast-admin")).await;
    let _served = daemon.serve(Where::Address(address.clone())).await;
    // More than the bus takes at once, then more than one read returns, in one message.
    let text = "€".repeat(65_536);
    let mut batch: Vec<_> = (0..90)
        .map(|n| message(&n.to_string(), text.clone(), text.clone().into_bytes()))
        .collect();
    let large = vec![1; 15 << 20];
    batch.push(message("large", "€".repeat(5 << 20), large.clone()));
    batch.push(message("last", "bye".into(), Vec::new()));
    daemon.inbox.commit(batch).await.unwrap();

    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfastctl"));
    command
        .env_clear()
        .args(["--json", "--bus", &address, "inbox", "--ack"]);
    let output = in_time(command.output()).await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{:?}", output.stderr);
    let read = lines(&output);
    assert_eq!((read.len(), read[91]["text"].as_str()), (92, Some("bye")));
    assert_eq!(read[89]["text"], text);
    assert_eq!(daemon.inbox.cursor("holdfastctl"), 92);

    let client = bus_client(&address).await;
    let messages = Messages1Proxy::new(&client).await.unwrap();
    let first = in_time(messages.read("bot", 0, 0)).await.unwrap();
    assert!((2..90).contains(&first.len()), "{}", first.len());
    let alone = in_time(messages.read("bot", 91, 0)).await.unwrap();
    assert_eq!((alone.len(), alone[0].raw == large), (1, true));
}

#[tokio::test]
async fn what_is_not_there_is_told_as_a_stub_until_it_comes() {
    let daemon = Daemon::new().await;
    let _served = daemon.serve(Where::Private).await;
    daemon.receive("A", "one").await;
    let nothing = |id: &str| Message {
        text: None,
        ..message(id, String::new(), Vec::new())
    };
    for (stub, id) in [
        (Stub::Undecryptable, "B"),
        (Stub::PhoneOnly, "C"),
        (Stub::Call, "D"),
        // It is there.
        (Stub::Undecryptable, "A"),
    ] {
        daemon.inbox.commit_stub(stub, nothing(id)).await.unwrap();
    }
    let client = private_client(&daemon.runtime()).await;
    let messages = Messages1Proxy::new(&client).await.unwrap();
    let line = |seq, kind: &str, standing: &str| (seq, kind.to_owned(), standing.to_owned());
    let (phone, call) = (line(3, "phone-only", ""), line(4, "call", ""));
    assert_eq!(
        messages.stubs(0, 0).await.unwrap(),
        [
            line(2, "undecryptable", "waiting"),
            phone.clone(),
            call.clone()
        ]
    );
    let output = run(&daemon.runtime(), &["inbox"]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for told in [
        "2 4915100000001@s.whatsapp.net (cannot be decrypted",
        "(a call)",
    ] {
        assert!(text.contains(told), "{text}");
    }

    daemon.receive("B", "two").await;
    assert_eq!(
        messages.stubs(2, 2).await.unwrap(),
        [line(2, "undecryptable", "came"), phone]
    );
    let output = run(&daemon.runtime(), &["--json", "inbox"]).await;
    let told: Vec<_> = lines(&output)
        .iter()
        .map(|line| {
            (
                line["seq"].as_u64().unwrap(),
                line["stub"].as_str().map(str::to_owned),
            )
        })
        .collect();
    let phone_only = Some("phone-only".to_owned());
    let expected = [
        (1, None),
        (3, phone_only),
        (4, Some("call".into())),
        (5, None),
    ];
    assert_eq!(told, expected, "{output:?}");
}
