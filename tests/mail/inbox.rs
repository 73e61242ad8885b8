//! What comes in is there once, in order, whatever was given up or dropped.

use std::fs;
use std::ops::RangeInclusive;

use holdfast::mail::{Bounds, Inbox, Message, Unread};
use holdfast_medium::{Secret, barrier::Barrier};

use super::{BLOCK, Place, ids, large, message, numbered};

#[tokio::test]
async fn what_was_committed_is_there_after_a_drop_without_close() {
    let place = Place::new();
    let inbox = place.inbox().await;
    assert_eq!(inbox.read(1, 10, usize::MAX).unwrap(), []);
    assert_eq!(*inbox.newest().borrow(), 0);
    inbox.commit(vec![message("a")]).await.unwrap();
    inbox
        .commit(vec![large("b", 10_000), message("c")])
        .await
        .unwrap();
    drop(inbox);

    let inbox = place.inbox().await;
    let expected = vec![
        (1, message("a")),
        (2, large("b", 10_000)),
        (3, message("c")),
    ];
    assert_eq!(inbox.read(0, 10, usize::MAX).unwrap(), expected);
    assert_eq!(inbox.read(2, 1, usize::MAX).unwrap(), expected[1..2]);
    assert_eq!(inbox.read(3, 10, usize::MAX).unwrap(), expected[2..]);
    assert_eq!(*inbox.newest().borrow(), 3);
    assert_eq!(inbox.findings(), []);
    inbox.commit(vec![message("d")]).await.unwrap();
    assert_eq!(ids(&inbox, 4), numbered(&[(4, "d")]));
}

#[tokio::test]
async fn a_message_committed_again_is_there_once_also_after_a_restart() {
    let place = Place::new();
    let inbox = place.inbox().await;
    inbox
        .commit(vec![message("a"), message("a"), message("b")])
        .await
        .unwrap();
    inbox
        .commit(vec![message("b"), message("c")])
        .await
        .unwrap();
    let elsewhere = Message {
        chat: Secret::new("another".to_owned()),
        ..message("a")
    };
    inbox.commit(vec![elsewhere.clone()]).await.unwrap();
    drop(inbox);

    let inbox = place.inbox().await;
    inbox
        .commit(vec![message("a"), elsewhere, message("c"), message("d")])
        .await
        .unwrap();
    assert_eq!(
        ids(&inbox, 1),
        numbered(&[(1, "a"), (2, "b"), (3, "c"), (4, "a"), (5, "d")])
    );
}

#[tokio::test]
async fn commits_at_once_and_one_given_up_half_way_keep_the_numbers_whole() {
    let place = Place::new();
    let inbox = place.inbox().await;
    let commits = ["a", "b", "c", "d"].map(|id| {
        let inbox = inbox.clone();
        tokio::spawn(async move { inbox.commit(vec![message(id), message("shared")]).await })
    });
    for commit in commits {
        commit.await.unwrap().unwrap();
    }
    {
        let mut given_up = Box::pin(inbox.commit(vec![message("given up")]));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(given_up.as_mut().poll(&mut context).is_pending());
    }
    inbox.commit(vec![message("e")]).await.unwrap();
    inbox
        .newest()
        .wait_for(|newest| *newest == 7)
        .await
        .unwrap();
    drop(inbox);

    let inbox = place.inbox().await;
    assert_eq!(inbox.findings(), []);
    let numbers: Vec<_> = ids(&inbox, 1).into_iter().map(|(seq, _)| seq).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7]);
}

#[tokio::test]
async fn segments_are_used_again_once_everybody_has_read_them_and_not_before() {
    let place = Place::new();
    let inbox = place.inbox().await;
    let mut count = 0;
    // Each fills a segment of its own.
    let mut commit = async |messages: u64| {
        for _ in 0..messages {
            count += 1;
            inbox
                .commit(vec![large(&count.to_string(), 900_000)])
                .await
                .unwrap();
        }
    };
    commit(19).await;
    assert_eq!(place.segments("inbox").len(), 19, "nobody read anything");
    inbox.acknowledge("slow", 0).await.unwrap();
    inbox.acknowledge("fast", 19).await.unwrap();
    commit(1).await;
    assert_eq!(place.segments("inbox").len(), 20, "one has not read it");
    assert_eq!(ids(&inbox, 1).len(), 20);

    inbox.acknowledge("slow", 3).await.unwrap();
    commit(2).await;
    assert_eq!(
        place.segments("inbox").len(),
        19,
        "three are spare, two are new"
    );
    assert_eq!(inbox.cursor("new"), 3);
    assert_eq!(ids(&inbox, 1)[0].0, 4);
    inbox.acknowledge("slow", 22).await.unwrap();
    commit(1).await;
    assert_eq!(place.segments("inbox").len(), 17);
    assert_eq!(ids(&inbox, 1).len(), 17);
    drop(inbox);

    let inbox = place.inbox().await;
    assert_eq!(inbox.findings(), []);
    assert_eq!(ids(&inbox, 23), numbered(&[(23, "23")]));
    assert_eq!(ids(&inbox, 1).len(), 17);
}

/// Commits so many messages, each of which fills a segment of its own.
pub(super) async fn fill(inbox: &Inbox, numbers: RangeInclusive<u64>) {
    for number in numbers {
        let message = large(&number.to_string(), 900_000);
        inbox.commit(vec![message]).await.unwrap();
    }
}

#[tokio::test]
async fn what_everybody_has_read_is_given_back_at_once() {
    let place = Place::new();
    let inbox = place.inbox().await;
    fill(&inbox, 1..=40).await;
    assert_eq!(place.segments("inbox").len(), 40);
    inbox.acknowledge("bot", 40).await.unwrap();
    assert_eq!(
        place.segments("inbox").len(),
        17,
        "the window for duplicates stays, and the segment that is written"
    );
    inbox.commit(vec![large("40", 900_000)]).await.unwrap();
    assert_eq!(*inbox.newest().borrow(), 40, "it is a duplicate");
    assert_eq!(inbox.spare_bytes(), 15 << 20, "the newest always stays");
}

#[tokio::test]
async fn where_there_is_little_room_hardly_a_window_stays() {
    let place = Place::new();
    let scarce = Bounds {
        window_leaves: u64::MAX,
        ..Bounds::NONE
    };
    let barrier = Barrier::start().unwrap();
    let inbox = place.inbox_under(&barrier, scarce).await;
    fill(&inbox, 1..=10).await;
    inbox.acknowledge("bot", 10).await.unwrap();
    assert_eq!(place.segments("inbox").len(), 2);
    assert_eq!(inbox.spare_bytes(), 0);
}

#[tokio::test]
async fn what_everybody_has_read_is_given_back_at_the_start() {
    let place = Place::new();
    let inbox = place.inbox().await;
    fill(&inbox, 1..=40).await;
    let segments = place.segments("inbox");
    let content: Vec<_> = segments
        .iter()
        .map(|path| fs::read(path).unwrap())
        .collect();
    inbox.acknowledge("bot", 39).await.unwrap();
    drop(inbox);
    // As a power cut right after the acknowledgement leaves it.
    for (path, content) in segments.iter().zip(content) {
        fs::write(path, content).unwrap();
    }

    let inbox = place.inbox().await;
    assert_eq!(inbox.findings(), []);
    assert_eq!(place.segments("inbox").len(), 17);
    assert_eq!(ids(&inbox, 40), numbered(&[(40, "40")]));
}

#[tokio::test]
async fn where_there_is_little_room_only_what_is_unread_stays() {
    let place = Place::new();
    let inbox = place.inbox().await;
    fill(&inbox, 1..=12).await;
    inbox.acknowledge("bot", 10).await.unwrap();
    assert_eq!(place.segments("inbox").len(), 12);
    assert_eq!(inbox.spare_bytes(), 10 << 20);
    inbox.trim().await.unwrap();
    assert_eq!((place.segments("inbox").len(), inbox.spare_bytes()), (2, 0));
    let kept = numbered(&[(11, "11"), (12, "12")]);
    assert_eq!(ids(&inbox, 1), kept);
    inbox.commit(vec![large("13", 900_000)]).await.unwrap();
    drop(inbox);

    let inbox = place.inbox().await;
    assert_eq!(inbox.findings(), []);
    assert_eq!(ids(&inbox, 11)[..2], kept);
    assert_eq!(*inbox.newest().borrow(), 13);
}

#[tokio::test]
async fn a_frame_larger_than_a_segment_gets_its_own() {
    let place = Place::new();
    let inbox = place.inbox().await;
    inbox.commit(vec![large("a", 3 << 20)]).await.unwrap();
    inbox.commit(vec![message("b")]).await.unwrap();
    drop(inbox);
    let inbox = place.inbox().await;
    assert_eq!(inbox.findings(), []);
    assert_eq!(ids(&inbox, 1), numbered(&[(1, "a"), (2, "b")]));
}

#[tokio::test]
async fn what_is_unread_is_counted_for_the_slowest_consumer() {
    let place = Place::new();
    let inbox = place.inbox().await;
    assert_eq!(inbox.unread(), Unread::default());
    for id in ["a", "b", "c"] {
        inbox.commit(vec![message(id)]).await.unwrap();
    }
    let unread = |messages, blocks| Unread {
        messages,
        bytes: blocks * BLOCK as u64,
    };
    assert_eq!(
        inbox.unread(),
        unread(3, 3),
        "no consumer has read anything"
    );
    inbox.acknowledge("fast", 3).await.unwrap();
    assert_eq!(inbox.unread(), unread(0, 0));
    inbox.acknowledge("slow", 1).await.unwrap();
    assert_eq!(inbox.unread(), unread(2, 2));
    inbox.commit(vec![large("d", 3 * BLOCK)]).await.unwrap();
    assert_eq!(inbox.unread(), unread(3, 2 + 4));
}
