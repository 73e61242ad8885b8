//! How far each consumer has come only ever moves on.

use std::fs;

use holdfast::mail::{Bounds, Finding, MailError};
use holdfast_medium::{barrier::Barrier, wear::Purpose};

use super::{BLOCK, Place, flip, frames, ids, message, numbered, overwrite};

#[tokio::test]
async fn a_cursor_only_moves_on_and_survives() {
    let place = Place::new();
    let inbox = place.inbox().await;
    inbox
        .commit(vec![message("a"), message("b"), message("c")])
        .await
        .unwrap();
    assert_eq!(inbox.cursor("bot"), 0);
    inbox.acknowledge("bot", 2).await.unwrap();
    inbox.acknowledge("bot", 1).await.unwrap();
    inbox.acknowledge("other", 1).await.unwrap();
    let ahead = inbox.acknowledge("bot", 4).await;
    assert!(matches!(
        ahead,
        Err(MailError::NotYet { seq: 4, newest: 3 })
    ));
    drop(inbox);

    let inbox = place.inbox().await;
    assert_eq!(
        (
            inbox.cursor("bot"),
            inbox.cursor("other"),
            inbox.cursor("new")
        ),
        (2, 1, 0)
    );
    for name in ["", "line\nbreak", &"x".repeat(65)] {
        assert!(matches!(
            inbox.acknowledge(name, 0).await,
            Err(MailError::ConsumerName { .. })
        ));
    }
    for number in 2..64 {
        inbox
            .acknowledge(&format!("{number:>064}"), 1)
            .await
            .unwrap();
    }
    assert!(matches!(
        inbox.acknowledge("one more", 0).await,
        Err(MailError::TooManyConsumers { .. })
    ));
    drop(inbox);
    assert_eq!(place.inbox().await.cursor(&format!("{:>064}", 63)), 1);
}

#[tokio::test]
async fn an_acknowledgement_takes_no_flush_of_its_own_and_many_take_one_frame() {
    let place = Place::new();
    let barrier = Barrier::start().unwrap();
    let inbox = place.inbox_under(&barrier, Bounds::NONE).await;
    let batch = (0..100).map(|number| message(&format!("{number}")));
    inbox.commit(batch.collect()).await.unwrap();
    inbox.acknowledge("bot", 0).await.unwrap();
    let cursors = || barrier.costs()[&Purpose::Cursors];
    let (first, flushes) = (cursors(), barrier.stats().barriers);
    for seq in 1..=100 {
        inbox.acknowledge("bot", seq).await.unwrap();
    }
    assert_eq!(inbox.cursor("bot"), 100);
    assert_eq!(barrier.stats().barriers, flushes);
    barrier.settle().await.unwrap();
    assert_eq!(barrier.stats().barriers, flushes + 1);
    assert!(cursors().bytes <= first.bytes * 2 + 8, "one frame");
    drop(inbox);
    barrier.stop().await.unwrap();
    assert_eq!(place.inbox().await.cursor("bot"), 100);
}

#[tokio::test]
async fn a_damaged_cursor_falls_back_and_never_skips() {
    let place = Place::new();
    let inbox = place.inbox().await;
    inbox
        .commit(vec![message("a"), message("b"), message("c")])
        .await
        .unwrap();
    inbox.acknowledge("bot", 1).await.unwrap();
    inbox.acknowledge("bot", 3).await.unwrap();
    place.is_written().await;
    drop(inbox);
    let path = place.dir().mail().join("cursors");
    let whole = fs::read(&path).unwrap();
    // Writes take turns, beginning with the second slot.
    let length = frames(&whole)[0].1;
    for at in 0..length {
        overwrite(&path, 0, &whole);
        flip(&path, at);
        let inbox = place.inbox().await;
        assert_eq!(inbox.cursor("bot"), 1, "byte {at}");
        assert_eq!(inbox.findings(), [], "byte {at}");
    }
    flip(&path, 8192 + 25);
    let inbox = place.inbox().await;
    assert_eq!(inbox.findings(), [Finding::CursorsLost]);
    assert_eq!(inbox.cursor("bot"), 0);
    inbox.acknowledge("bot", 2).await.unwrap();
    drop(inbox);
    assert_eq!(place.inbox().await.cursor("bot"), 2);
}

#[tokio::test]
async fn the_number_of_a_message_that_was_read_and_then_went_bad_is_not_given_again() {
    let place = Place::new();
    let inbox = place.inbox().await;
    inbox.commit(vec![message("a")]).await.unwrap();
    inbox.commit(vec![message("b")]).await.unwrap();
    inbox.acknowledge("bot", 2).await.unwrap();
    drop(inbox);
    let segment = place.segment();
    overwrite(
        &segment,
        frames(&fs::read(&segment).unwrap())[1].0,
        &[0; BLOCK],
    );

    let inbox = place.inbox().await;
    assert_eq!(inbox.findings(), [Finding::Lost(2..=2)]);
    inbox.commit(vec![message("c")]).await.unwrap();
    assert_eq!(ids(&inbox, inbox.cursor("bot") + 1), numbered(&[(3, "c")]));
    drop(inbox);
    assert_eq!(ids(&place.inbox().await, 3), numbered(&[(3, "c")]));
}
