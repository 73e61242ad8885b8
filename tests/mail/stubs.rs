//! What is not there has a stub, until it is.

use holdfast::mail::{Inbox, Message, Stub};

use super::{Place, ids, message, numbered};

fn nothing(id: &str) -> Message {
    Message {
        text: None,
        raw: Vec::new(),
        ..message(id)
    }
}

async fn lacks(inbox: &Inbox, id: &str) {
    let unread = inbox.commit_stub(Stub::Undecryptable, nothing(id)).await;
    unread.unwrap();
}

/// Where the stubs are, and where their messages.
fn stubs(inbox: &Inbox) -> Vec<(u64, Option<u64>)> {
    let stubs = inbox.stubs(0, usize::MAX).into_iter();
    stubs.map(|(seq, line)| (seq, line.came)).collect()
}

#[tokio::test]
async fn a_stub_is_read_until_its_message_comes_also_after_a_restart() {
    let place = Place::new();
    let inbox = place.inbox().await;
    for id in ["a", "b", "a"] {
        lacks(&inbox, id).await;
    }
    assert_eq!(ids(&inbox, 1), numbered(&[(1, "a"), (2, "b")]));
    assert_eq!(inbox.read(1, 1, usize::MAX).unwrap()[0].1, nothing("a"));
    drop(inbox);

    let inbox = place.inbox().await;
    lacks(&inbox, "b").await;
    assert_eq!(stubs(&inbox), [(1, None), (2, None)]);
    inbox
        .commit(vec![message("c"), message("a")])
        .await
        .unwrap();
    for inbox in [inbox, place.inbox().await] {
        let left = numbered(&[(2, "b"), (3, "c"), (4, "a")]);
        assert_eq!(ids(&inbox, 1), left);
        assert_eq!(stubs(&inbox), [(1, Some(4)), (2, None)]);
        // A copy that comes late says nothing new.
        lacks(&inbox, "a").await;
        assert_eq!(ids(&inbox, 1), left);
    }
}

#[tokio::test]
async fn no_stub_stands_beside_its_message_and_none_is_resolved_by_another_chat() {
    let place = Place::new();
    let inbox = place.inbox().await;
    inbox.commit(vec![message("a")]).await.unwrap();
    lacks(&inbox, "a").await;
    assert_eq!(stubs(&inbox), []);
    lacks(&inbox, "b").await;
    let elsewhere = Message {
        chat: holdfast_medium::Secret::new("another".to_owned()),
        ..message("b")
    };
    inbox.commit(vec![elsewhere]).await.unwrap();
    assert_eq!(stubs(&inbox), [(2, None)]);
}
