//! What sending costs: as much for each message, however many there are.

use super::*;
use crate::mail::Bounds;

const MESSAGES: u64 = 500;

#[tokio::test]
async fn each_message_is_read_once_however_many_wait() {
    let root = tempfile::tempdir().unwrap();
    let barrier = Barrier::start().unwrap();
    let dir = DataDir::new(root.path().join("data"));
    let room = Room::new(dir.root(), Bounds::NONE);
    let outbox = Outbox::open(&dir, &barrier, room, |_| Duration::ZERO);
    let outbox = outbox.await.unwrap();
    for number in 0..MESSAGES {
        let message = OutMessage {
            id: number.to_string(),
            to: Secret::new("4915200000@s".to_owned()),
            text: Secret::new("hello".to_owned()),
        };
        outbox.accept(message).await.unwrap();
    }
    outbox.begin().await.unwrap();
    let mut acks = Vec::new();
    for number in 0..MESSAGES {
        let due = outbox.next().await.unwrap();
        assert_eq!(due.message.id, number.to_string());
        let again = Duration::from_secs(60);
        outbox.handed_over(&due.message.id, again).await.unwrap();
        acks.push((due.message.id, OutState::Acked));
        if acks.len() == 50 {
            outbox.mark_all(std::mem::take(&mut acks)).await.unwrap();
        }
    }
    assert_eq!(
        outbox.0.reader.reads(),
        MESSAGES,
        "to be sent, and never again"
    );
    assert_eq!(outbox.pending(0, usize::MAX).await.unwrap(), []);
}
