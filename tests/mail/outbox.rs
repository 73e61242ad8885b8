//! What goes out: one message an id, states that never go back, nothing forgotten before its end.

use holdfast::mail::{Accepted, MailError, OutState};
use holdfast_medium::barrier::Barrier;

use super::{Place, outgoing};

#[tokio::test]
async fn an_outgoing_message_lives_until_its_end_is_known() {
    let place = Place::new();
    let barrier = Barrier::start().unwrap();
    let outbox = place.outbox(&barrier).await;
    let mut changed = outbox.changed();
    for (seq, id) in (1..).zip(["a", "b", "c", "d"]) {
        let accepted = outbox.accept(outgoing(id, "hello")).await.unwrap();
        assert_eq!(
            accepted,
            Accepted {
                seq,
                duplicate: false
            }
        );
    }
    assert!(changed.has_changed().unwrap());
    changed.mark_unchanged();
    let failed = OutState::Failed {
        code: "463".to_owned(),
    };
    outbox.mark("a", OutState::Sent).await.unwrap();
    outbox.mark("b", OutState::Sent).await.unwrap();
    outbox.mark("b", OutState::Acked).await.unwrap();
    outbox.mark("c", failed.clone()).await.unwrap();
    assert!(changed.has_changed().unwrap());
    barrier.settle().await.unwrap();
    drop((outbox, barrier));

    let barrier = Barrier::start().unwrap();
    let outbox = place.outbox(&barrier).await;
    assert_eq!(outbox.findings(), []);
    assert_eq!(
        outbox.pending().await.unwrap(),
        [(1, outgoing("a", "hello")), (4, outgoing("d", "hello"))]
    );
    let states = ["a", "b", "c", "d", "e"].map(|id| outbox.state(id));
    let expected = [OutState::Sent, OutState::Acked, failed, OutState::Accepted].map(Some);
    assert_eq!(states[..4], expected);
    assert_eq!(states[4], None);
}

#[tokio::test]
async fn an_id_means_one_message_for_ever() {
    let place = Place::new();
    let barrier = Barrier::start().unwrap();
    let outbox = place.outbox(&barrier).await;
    outbox.accept(outgoing("a", "hello")).await.unwrap();
    outbox.mark("a", OutState::Acked).await.unwrap();
    barrier.settle().await.unwrap();
    drop((outbox, barrier));

    let barrier = Barrier::start().unwrap();
    let outbox = place.outbox(&barrier).await;
    let again = outbox.accept(outgoing("a", "hello")).await.unwrap();
    assert_eq!(
        again,
        Accepted {
            seq: 1,
            duplicate: true
        }
    );
    assert!(matches!(
        outbox.accept(outgoing("a", "other")).await,
        Err(MailError::IdTaken)
    ));
    assert_eq!(outbox.pending().await.unwrap(), [], "it went out already");
    for id in ["", "line\nbreak", &"x".repeat(129)] {
        assert!(matches!(
            outbox.accept(outgoing(id, "")).await,
            Err(MailError::MessageId { .. })
        ));
    }
}

#[tokio::test]
async fn a_state_never_goes_back() {
    let place = Place::new();
    let barrier = Barrier::start().unwrap();
    let outbox = place.outbox(&barrier).await;
    outbox.accept(outgoing("a", "hello")).await.unwrap();
    outbox.mark("a", OutState::Acked).await.unwrap();
    let failed = OutState::Failed {
        code: "500".to_owned(),
    };
    for state in [OutState::Accepted, OutState::Sent, failed] {
        outbox.mark("a", state).await.unwrap();
        assert_eq!(outbox.state("a"), Some(OutState::Acked));
    }
    assert!(matches!(
        outbox.mark("b", OutState::Sent).await,
        Err(MailError::UnknownMessage)
    ));
}

#[tokio::test]
async fn the_outbox_forgets_what_is_final_and_nothing_else() {
    let place = Place::new();
    let barrier = Barrier::start().unwrap();
    let outbox = place.outbox(&barrier).await;
    let text = "x".repeat(900_000);
    outbox.accept(outgoing("waiting", &text)).await.unwrap();
    for number in 0..20 {
        let id = number.to_string();
        outbox.accept(outgoing(&id, &text)).await.unwrap();
        outbox.mark(&id, OutState::Acked).await.unwrap();
    }
    assert_eq!(
        outbox.pending().await.unwrap(),
        [(1, outgoing("waiting", &text))]
    );
    assert_eq!(place.segments("outbox").len(), 21);
    outbox.mark("waiting", OutState::Acked).await.unwrap();
    assert_eq!(
        place.segments("outbox").len(),
        17,
        "given back without another message"
    );
    outbox.accept(outgoing("next", &text)).await.unwrap();
    assert_eq!(place.segments("outbox").len(), 17);
    assert_eq!(outbox.state("waiting"), None);
    assert_eq!(outbox.state("19"), Some(OutState::Acked));
    barrier.settle().await.unwrap();
    drop((outbox, barrier));

    let barrier = Barrier::start().unwrap();
    let outbox = place.outbox(&barrier).await;
    assert_eq!(outbox.pending().await.unwrap().len(), 1);
    assert_eq!(outbox.state("19"), Some(OutState::Acked));

    assert_eq!(outbox.spare_bytes(), 16 << 20);
    outbox.trim().await.unwrap();
    assert_eq!(place.segments("outbox").len(), 1);
    assert_eq!(outbox.state("18"), None, "forgotten with its segment");
    assert_eq!(outbox.pending().await.unwrap().len(), 1);
}
