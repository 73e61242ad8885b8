//! What a bot is told when there is no room.

use holdfast::{
    bus::{Error, Messages1Proxy, Where},
    mail::Bounds,
};

use super::ctl::run;
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
