//! For whom messages are kept, and for how long one that does not come is waited for.

use std::time::Duration;

use holdfast::mail::{Bounds, Inbox, MailError};
use holdfast_medium::barrier::Barrier;
use tokio::time::advance;

use super::{Place, large, message};

const DAY: Duration = Duration::from_secs(24 * 3600);
const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);

/// Twenty segments, all read by one consumer, two of them by the other.
async fn read_by_two(inbox: &Inbox) {
    for number in 1..=20 {
        let message = large(&number.to_string(), 900_000);
        inbox.commit(vec![message]).await.unwrap();
    }
    inbox.acknowledge("gone", 2).await.unwrap();
    inbox.acknowledge("bot", 20).await.unwrap();
}

/// What is there as long as one of them has read but two.
const KEPT: usize = 18;

fn away(inbox: &Inbox, name: &str) -> (Duration, bool) {
    let consumers = inbox.consumers();
    let consumer = consumers.iter().find(|of| of.name == name).unwrap();
    (consumer.away, consumer.forgotten)
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_come_is_in_the_end_no_longer_waited_for() {
    let place = Place::new();
    let inbox = place.inbox().await;
    read_by_two(&inbox).await;
    advance(29 * DAY).await;
    assert_eq!(inbox.pass().await.unwrap(), 29 * DAY);
    assert_eq!(
        away(&inbox, "bot"),
        (Duration::ZERO, false),
        "it has read all"
    );
    assert_eq!(inbox.stop_waiting(MONTH).await.unwrap(), 0);
    assert_eq!(place.segments("inbox").len(), KEPT);
    advance(DAY).await;
    assert_eq!(inbox.pass().await.unwrap(), MONTH);
    assert_eq!(inbox.stop_waiting(MONTH).await.unwrap(), 1);
    assert!(away(&inbox, "gone").1);
    assert_eq!(place.segments("inbox").len(), 17, "given back at once");
    assert_eq!(inbox.unread().messages, 0);
    assert_eq!(inbox.pass().await.unwrap(), Duration::ZERO);
    drop(inbox);

    let inbox = place.inbox().await;
    assert!(away(&inbox, "gone").1, "a restart changes nothing");
    assert_eq!(
        inbox.cursor("gone"),
        2,
        "it has its place, where it comes again"
    );
    inbox.acknowledge("gone", 2).await.unwrap();
    assert_eq!(away(&inbox, "gone"), (Duration::ZERO, false));
    assert_eq!(inbox.unread().messages, 17);
}

#[tokio::test(start_paused = true)]
async fn one_that_comes_is_not_away() {
    let place = Place::new();
    let inbox = place.inbox().await;
    read_by_two(&inbox).await;
    advance(20 * DAY).await;
    inbox.pass().await.unwrap();
    inbox.seen("gone");
    advance(20 * DAY).await;
    assert_eq!(
        inbox.pass().await.unwrap(),
        20 * DAY,
        "it looked in between"
    );
    inbox.acknowledge("gone", 2).await.unwrap();
    assert_eq!(inbox.pass().await.unwrap(), Duration::ZERO, "and again");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_has_read_is_kept_for_ever() {
    let place = Place::new();
    let inbox = place.inbox().await;
    read_by_two(&inbox).await;
    inbox.forget("bot").await.unwrap();
    advance(365 * DAY).await;
    assert_eq!(inbox.pass().await.unwrap(), Duration::ZERO);
    assert_eq!(inbox.stop_waiting(MONTH).await.unwrap(), 0);
    assert_eq!(place.segments("inbox").len(), KEPT);
    assert_eq!(inbox.unread().messages, 18);
}

#[tokio::test(start_paused = true)]
async fn the_time_that_one_is_away_survives() {
    let place = Place::new();
    let barrier = Barrier::start().unwrap();
    let inbox = place.inbox_under(&barrier, Bounds::NONE).await;
    read_by_two(&inbox).await;
    advance(10 * DAY).await;
    inbox.pass().await.unwrap();
    barrier.settle().await.unwrap();
    drop(inbox);
    let inbox = place.inbox_under(&barrier, Bounds::NONE).await;
    assert_eq!(away(&inbox, "gone"), (10 * DAY, false));
    advance(DAY).await;
    assert_eq!(inbox.pass().await.unwrap(), 11 * DAY);
}

#[tokio::test]
async fn one_that_is_forgotten_by_hand_keeps_nothing() {
    let place = Place::new();
    let inbox = place.inbox().await;
    read_by_two(&inbox).await;
    inbox.forget("gone").await.unwrap();
    assert_eq!(place.segments("inbox").len(), 17);
    assert!(matches!(
        inbox.forget("gone").await,
        Err(MailError::UnknownConsumer)
    ));
    let names: Vec<_> = inbox.consumers().into_iter().map(|of| of.name).collect();
    assert_eq!(names, ["bot"]);
    drop(inbox);
    assert_eq!(place.inbox().await.consumers().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_consumer_takes_the_place_of_one_that_is_no_longer_waited_for() {
    let place = Place::new();
    let inbox = place.inbox().await;
    inbox.commit(vec![message("a")]).await.unwrap();
    inbox.acknowledge("bot", 1).await.unwrap();
    for number in 1..64 {
        inbox.acknowledge(&format!("{number}"), 0).await.unwrap();
    }
    let full = inbox.acknowledge("one more", 1).await;
    assert!(matches!(full, Err(MailError::TooManyConsumers { .. })));
    advance(MONTH).await;
    inbox.pass().await.unwrap();
    assert_eq!(inbox.stop_waiting(MONTH).await.unwrap(), 63);
    inbox.acknowledge("one more", 1).await.unwrap();
    assert_eq!(inbox.consumers().len(), 64);
}
