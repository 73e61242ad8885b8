//! The room that the mail may take: what does not fit is refused before a byte is written, and what was promised is kept.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use holdfast::mail::{Bounds, Inbox, MailError, Message, OutState, Outbox, Room};
use holdfast_medium::barrier::Barrier;

use super::inbox::fill;
use super::{BLOCK, Place, ids, message, numbered, outgoing};

/// More than any disk has.
const ALL: u64 = 1 << 60;

fn content(paths: Vec<PathBuf>) -> Vec<(PathBuf, Vec<u8>)> {
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap();
        (path, bytes)
    };
    paths.into_iter().map(read).collect()
}

#[tokio::test]
async fn what_has_no_room_is_refused_before_a_byte_is_written() {
    let place = Place::new();
    let barrier = Barrier::start().unwrap();
    let full = Bounds {
        inbox_leaves: ALL,
        outbox_leaves: ALL,
        ..Bounds::NONE
    };
    let inbox = place.inbox_under(&barrier, full).await;
    let outbox = place.bounded_outbox(&barrier, full).await;
    let before = [place.segments("inbox"), place.segments("outbox")].map(content);
    let committed = inbox.commit(vec![message("a")]).await;
    assert!(matches!(
        committed,
        Err(MailError::NoRoom { left: ALL, .. })
    ));
    let accepted = outbox.accept(outgoing("a", "text")).await;
    assert!(matches!(accepted, Err(MailError::NoRoom { left: ALL, .. })));
    barrier.settle().await.unwrap();
    assert_eq!(
        [place.segments("inbox"), place.segments("outbox")].map(content),
        before
    );
    assert_eq!((*inbox.newest().borrow(), outbox.state("a")), (0, None));

    inbox.commit_last_copy(vec![message("b")]).await.unwrap();
    assert_eq!(ids(&inbox, 1), numbered(&[(1, "b")]));
    inbox.commit(vec![message("b")]).await.unwrap();
}

#[tokio::test]
async fn a_window_for_duplicates_goes_before_anything_is_refused() {
    let place = Place::new();
    let barrier = Barrier::start().unwrap();
    let full = Bounds {
        outbox_leaves: ALL,
        ..Bounds::NONE
    };
    let room = Room::new(place.dir().root(), full);
    let inbox = Inbox::open(&place.dir(), &barrier, room.clone()).await;
    let inbox = inbox.unwrap();
    let outbox = Outbox::open(&place.dir(), &barrier, room, |_| Duration::ZERO).await;
    fill(&inbox, 1..=10).await;
    inbox.acknowledge("bot", 10).await.unwrap();
    assert_eq!(place.segments("inbox").len(), 10, "there is room for it");
    let refused = outbox.unwrap().accept(outgoing("a", "text")).await;
    assert!(matches!(refused, Err(MailError::NoRoom { .. })));
    assert_eq!(place.segments("inbox").len(), 2);
}

/// Much as WhatsApp hands it over after an absence: one batch, eight times as large as a segment.
fn much() -> Vec<Message> {
    let long = |number: u32| Message {
        raw: vec![7; 1 << 20],
        ..message(&format!("much {number}"))
    };
    (0..8).map(long).collect()
}

#[tokio::test]
async fn a_batch_larger_than_a_segment_is_given_back_where_room_is_scarce() {
    let place = Place::new();
    let barrier = Barrier::start().unwrap();
    let scarce = Bounds {
        window_leaves: ALL,
        ..Bounds::NONE
    };
    let inbox = place.inbox_under(&barrier, scarce).await;
    let taken = || {
        let files = place.segments("inbox").into_iter();
        files
            .map(|path| fs::metadata(path).unwrap().len())
            .sum::<u64>()
    };
    inbox.commit(much()).await.unwrap();
    inbox.acknowledge("bot", 7).await.unwrap();
    assert!(taken() > 8 << 20, "one is not read yet");
    inbox.acknowledge("bot", 8).await.unwrap();
    assert!(taken() <= 2 << 20, "it was the last there is");
    assert_eq!(ids(&inbox, 1), numbered(&[]));

    // Something came after the next one.
    inbox.commit(much().split_off(1)).await.unwrap();
    inbox.commit(vec![message("after it")]).await.unwrap();
    inbox.acknowledge("bot", 16).await.unwrap();
    assert!(taken() <= 2 << 20);
    drop(inbox);
    barrier.stop().await.unwrap();

    let barrier = Barrier::start().unwrap();
    let inbox = place.inbox_under(&barrier, scarce).await;
    assert_eq!(inbox.findings(), []);
    inbox.commit(vec![message("next")]).await.unwrap();
    assert_eq!(ids(&inbox, 17), numbered(&[(17, "next")]));
}

#[tokio::test]
async fn what_was_sent_stays_while_there_is_room_and_its_id_is_free_once_it_went() {
    let place = Place::new();
    let barrier = Barrier::start().unwrap();
    let bounds = Bounds {
        sent_stay: Duration::from_secs(3600),
        ..Bounds::NONE
    };
    let text = "x".repeat(900_000);
    let room = Room::new(place.dir().root(), bounds);
    let outbox = Outbox::open(&place.dir(), &barrier, room, |_| Duration::ZERO).await;
    let outbox = outbox.unwrap();
    for number in 0..20 {
        let id = number.to_string();
        outbox.accept(outgoing(&id, &text)).await.unwrap();
        outbox.mark(&id, OutState::Acked).await.unwrap();
    }
    assert_eq!(place.segments("outbox").len(), 20);
    let first = outbox.place("0").unwrap();
    drop(outbox);
    barrier.stop().await.unwrap();

    // The next room is full for what comes in, and takes the window for it.
    let barrier = Barrier::start().unwrap();
    let full = Bounds {
        inbox_leaves: ALL,
        ..bounds
    };
    let room = Room::new(place.dir().root(), full);
    let outbox = Outbox::open(&place.dir(), &barrier, room.clone(), |_| Duration::ZERO).await;
    let outbox = outbox.unwrap();
    assert_eq!(place.segments("outbox").len(), 20, "also after a start");
    let inbox = Inbox::open(&place.dir(), &barrier, room).await.unwrap();
    assert!(inbox.commit(vec![message("a")]).await.is_err());
    assert_eq!(place.segments("outbox").len(), 2);
    assert_eq!(outbox.message_at(first).await.unwrap(), None);
    let again = outbox.accept(outgoing("0", "another")).await.unwrap();
    assert!(!again.duplicate, "it is forgotten, and this is new");
    assert_eq!(outbox.state("0"), Some(OutState::Accepted));
}

#[tokio::test]
async fn what_is_to_be_sent_has_a_share_of_its_own() {
    let place = Place::new();
    let barrier = Barrier::start().unwrap();
    // Each message takes a block, and two more for what is noted of it.
    let bounds = Bounds {
        outbox_most: 10 * 3 * BLOCK as u64,
        ..Bounds::NONE
    };
    let outbox = place.bounded_outbox(&barrier, bounds).await;
    for number in 0..10 {
        let message = outgoing(&number.to_string(), "text");
        outbox.accept(message).await.unwrap();
    }
    let full = outbox.accept(outgoing("one more", "text")).await;
    assert!(matches!(
        full,
        Err(MailError::OutboxFull { messages: 10, .. })
    ));
    let again = outbox.accept(outgoing("3", "text")).await.unwrap();
    assert!(again.duplicate, "it is there, and takes nothing");
    drop(outbox);

    let outbox = place.bounded_outbox(&barrier, bounds).await;
    let full = outbox.accept(outgoing("one more", "text")).await;
    assert!(matches!(full, Err(MailError::OutboxFull { .. })));
    for number in 0..10 {
        let id = number.to_string();
        outbox.mark(&id, OutState::Sent).await.unwrap();
        outbox.mark(&id, OutState::Acked).await.unwrap();
    }
    assert_eq!(outbox.taken_bytes(), 0);
    outbox.accept(outgoing("one more", "text")).await.unwrap();
}

#[tokio::test]
async fn what_will_be_noted_of_accepted_messages_is_as_good_as_written() {
    let place = Place::new();
    let barrier = Barrier::start().unwrap();
    let room = Room::new(place.dir().root(), Bounds::NONE);
    let outbox = Outbox::open(&place.dir(), &barrier, room.clone(), |_| Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(room.promised(), 0);
    outbox.accept(outgoing("a", "text")).await.unwrap();
    outbox.accept(outgoing("b", "text")).await.unwrap();
    assert_eq!(room.promised(), 4 * BLOCK as u64);
    outbox.mark("a", OutState::Acked).await.unwrap();
    assert_eq!(room.promised(), 2 * BLOCK as u64);
    barrier.settle().await.unwrap();
    drop(outbox);

    let room = Room::new(place.dir().root(), Bounds::NONE);
    let _outbox = Outbox::open(&place.dir(), &barrier, room.clone(), |_| Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(room.promised(), 2 * BLOCK as u64, "after a restart, too");
}
