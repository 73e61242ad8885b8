//! What a bot is told when there is no room, and for whom messages are kept.

use holdfast::{
    bus::{Error, Messages1Proxy, Where},
    mail::Bounds,
};

use holdfast::desk::Role;
use serde_json::json;

use super::ctl::{lines, run};
use super::rig::{Daemon, private_client};

#[tokio::test]
async fn a_send_without_room_is_refused_by_name_and_says_what_to_do() {
    let no_room = Bounds {
        outbox_leaves: 1 << 60,
        ..Bounds::NONE
    };
    let no_share = Bounds {
        outbox_most: 1,
        ..Bounds::NONE
    };
    for (bounds, advice) in [
        (no_room, "acknowledge its messages"),
        (no_share, "holdfastctl outbox"),
    ] {
        let daemon = Daemon::bounded(bounds).await;
        let _served = daemon.serve(Where::Private).await;
        let client = private_client(&daemon.runtime()).await;
        let messages = Messages1Proxy::new(&client).await.unwrap();
        let sent = messages.send("4915100000001", "hello", "one").await;
        let Err(Error::Full(text)) = &sent else {
            panic!("{sent:?}")
        };
        assert!(text.contains(advice), "{text}");
        assert_eq!(daemon.outbox.state("one"), None);

        let output = run(&daemon.runtime(), &["send", "4915100000001", "hello"]).await;
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(advice), "{text}");
        assert_eq!(daemon.outbox.taken_bytes(), 0);
    }
}

#[tokio::test]
async fn consumers_are_listed_and_forgotten() {
    let daemon = Daemon::new().await;
    let _served = daemon.serve(Where::Private).await;
    daemon.receive("A", "one").await;
    daemon.receive("B", "two").await;
    let first = run(&daemon.runtime(), &["inbox", "--ack", "--max", "1"]).await;
    let told = String::from_utf8_lossy(&first.stderr);
    assert!(told.contains("inbox forget holdfastctl"), "{told}");
    let again = run(&daemon.runtime(), &["inbox", "--ack", "--max", "0"]).await;
    assert!(again.stderr.is_empty(), "{again:?}");

    let listed = run(&daemon.runtime(), &["--json", "inbox", "consumers"]).await;
    let consumer =
        json!({"name": "holdfastctl", "cursor": 1, "unread": 1, "away": 0, "forgotten": false});
    assert_eq!(lines(&listed), [consumer]);
    let listed = run(&daemon.runtime(), &["inbox", "consumers"]).await;
    let told = String::from_utf8_lossy(&listed.stdout);
    assert_eq!(told.trim(), "holdfastctl: read up to 1, 1 unread");

    let forget = ["inbox", "forget", "holdfastctl"];
    let forgotten = run(&daemon.runtime(), &forget).await;
    assert_eq!(forgotten.status.code(), Some(0), "{forgotten:?}");
    assert!(daemon.inbox.consumers().is_empty());
    let unknown = run(&daemon.runtime(), &forget).await;
    assert_eq!(unknown.status.code(), Some(1));
    let told = String::from_utf8_lossy(&unknown.stderr);
    assert!(told.contains("inbox consumers"), "{told}");
}

#[tokio::test]
async fn a_bot_forgets_its_own_consumers_alone() {
    let daemon = Daemon::new().await;
    let _served = daemon.serve_as(Role::Message).await;
    for name in ["anna/weather", "bert"] {
        daemon.inbox.acknowledge(name, 0).await.unwrap();
    }
    let client = private_client(&daemon.runtime()).await;
    let messages = Messages1Proxy::new(&client).await.unwrap();
    assert_eq!(messages.consumers().await.unwrap().len(), 2);
    messages.forget_consumer("anna/weather").await.unwrap();
    let refused = messages.forget_consumer("bert").await;
    assert!(matches!(refused, Err(Error::NotAllowed(_))), "{refused:?}");
    assert_eq!(daemon.inbox.consumers().len(), 1);
}
