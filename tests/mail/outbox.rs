//! What goes out: one message an id, states that never go back, nothing forgotten before its end.

use std::time::Duration;

use holdfast::mail::{Accepted, MailError, OutMessage, OutState, Outbox};
use holdfast_medium::Secret;
use holdfast_medium::barrier::Barrier;
use tokio::time::timeout;

use super::{MINUTE, Place, outgoing};

/// What is not final, in order.
async fn pending(outbox: &Outbox) -> Vec<(u64, OutMessage)> {
    let pending = outbox.pending(0, usize::MAX).await.unwrap().into_iter();
    pending.map(|it| (it.seq, it.message)).collect()
}

/// The id of the message that is taken next; `None` when none is due now.
async fn next(outbox: &Outbox) -> Option<String> {
    let next = timeout(Duration::from_millis(200), outbox.next()).await;
    next.ok().map(|due| due.unwrap().message.id)
}

fn failed(code: &str) -> OutState {
    OutState::Failed {
        code: code.to_owned(),
    }
}

#[tokio::test]
async fn an_outgoing_message_lives_until_its_end_is_known() {
    let place = Place::new();
    let barrier = Barrier::start().unwrap();
    let outbox = place.outbox(&barrier).await;
    let mut moves = outbox.moves();
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
    let failed = failed("463");
    outbox.mark("a", OutState::Sent).await.unwrap();
    outbox.mark("b", OutState::Sent).await.unwrap();
    outbox.mark("b", OutState::Acked).await.unwrap();
    outbox.mark("c", failed.clone()).await.unwrap();
    for (id, state) in [
        ("a", OutState::Accepted),
        ("b", OutState::Accepted),
        ("c", OutState::Accepted),
        ("d", OutState::Accepted),
        ("a", OutState::Sent),
        ("b", OutState::Sent),
        ("b", OutState::Acked),
        ("c", failed.clone()),
    ] {
        assert_eq!(moves.try_recv().unwrap(), (id.into(), state));
    }
    barrier.settle().await.unwrap();
    drop((outbox, barrier));

    let barrier = Barrier::start().unwrap();
    let outbox = place.outbox(&barrier).await;
    assert_eq!(outbox.findings(), []);
    assert_eq!(
        pending(&outbox).await,
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
    assert_eq!(pending(&outbox).await, [], "it went out already");
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
    for state in [OutState::Accepted, OutState::Sent, failed("500")] {
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
    assert_eq!(pending(&outbox).await, [(1, outgoing("waiting", &text))]);
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
    assert_eq!(pending(&outbox).await.len(), 1);
    assert_eq!(outbox.state("19"), Some(OutState::Acked));

    assert_eq!(outbox.spare_bytes(), 15 << 20);
    outbox.trim().await.unwrap();
    assert_eq!(place.segments("outbox").len(), 2);
    assert_eq!(outbox.state("18"), None, "forgotten with its segment");
    let kept = outbox.message("19").await.unwrap();
    assert!(kept.is_some(), "it may be asked for again");
    assert_eq!(pending(&outbox).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn each_waits_for_its_own_turn_and_holds_nobody_up() {
    let place = Place::new();
    let barrier = Barrier::start().unwrap();
    let outbox = place.outbox(&barrier).await;
    for id in ["a", "b", "c"] {
        outbox.accept(outgoing(id, "hello")).await.unwrap();
    }
    assert_eq!(next(&outbox).await.as_deref(), Some("a"));
    outbox.put_off("a", "no-keys", MINUTE).await.unwrap();
    assert_eq!(next(&outbox).await.as_deref(), Some("b"));
    outbox.handed_over("b", 5 * MINUTE).await.unwrap();
    assert_eq!(next(&outbox).await.as_deref(), Some("c"));
    outbox.put_back("c");
    assert_eq!(next(&outbox).await.as_deref(), Some("c"), "not even tried");
    outbox.mark("c", OutState::Acked).await.unwrap();
    assert_eq!(next(&outbox).await, None, "nothing is due");

    let waiting = outbox.pending(0, 10).await.unwrap();
    let said = waiting.iter().map(|it| {
        let why = it.why.as_deref();
        (it.message.id.as_str(), it.state.clone(), it.tries, why)
    });
    assert_eq!(
        said.collect::<Vec<_>>(),
        [
            ("a", OutState::Accepted, 1, Some("no-keys")),
            ("b", OutState::Sent, 1, None)
        ]
    );
    let due = outbox.next().await.unwrap();
    assert_eq!((due.message.id.as_str(), due.tries), ("a", 2));
    outbox.mark("a", failed("404")).await.unwrap();
    let due = outbox.next().await.unwrap();
    assert_eq!(
        (due.message.id.as_str(), due.tries),
        ("b", 2),
        "never acked"
    );
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_sends_again_what_was_under_way_and_nothing_that_was_put_off() {
    let place = Place::new();
    let barrier = Barrier::start().unwrap();
    let outbox = place.outbox(&barrier).await;
    for id in ["sent", "put-off", "taken"] {
        outbox.accept(outgoing(id, "hello")).await.unwrap();
        assert_eq!(next(&outbox).await.as_deref(), Some(id));
    }
    outbox.handed_over("sent", MINUTE).await.unwrap();
    outbox.put_off("put-off", "404", MINUTE).await.unwrap();
    outbox.begin().await.unwrap();
    assert_eq!(next(&outbox).await.as_deref(), Some("sent"));
    assert_eq!(next(&outbox).await.as_deref(), Some("taken"));
    assert_eq!(next(&outbox).await, None);
    barrier.settle().await.unwrap();
    drop((outbox, barrier));

    let barrier = Barrier::start().unwrap();
    let outbox = place.outbox(&barrier).await;
    outbox.begin().await.unwrap();
    assert_eq!(next(&outbox).await.as_deref(), Some("sent"));
    assert_eq!(next(&outbox).await.as_deref(), Some("taken"));
    assert_eq!(next(&outbox).await, None, "a restart tries nothing anew");
    let due = outbox.next().await.unwrap();
    assert_eq!((due.message.id.as_str(), due.tries), ("put-off", 2));
}

#[tokio::test]
async fn what_was_accepted_for_one_account_never_goes_out_from_another() {
    let place = Place::new();
    let barrier = Barrier::start().unwrap();
    let outbox = place.outbox(&barrier).await;
    let account = |number: &str| Some(Secret::new(format!("{number}@s.whatsapp.net")));
    for (id, number) in [("any", None), ("a", account("1")), ("b", account("2"))] {
        outbox.belongs_to(number);
        outbox.accept(outgoing(id, "hello")).await.unwrap();
    }
    barrier.settle().await.unwrap();
    drop((outbox, barrier));

    let barrier = Barrier::start().unwrap();
    let outbox = place.outbox(&barrier).await;
    outbox.belongs_to(None);
    outbox.begin().await.unwrap();
    assert_eq!(pending(&outbox).await.len(), 3, "nobody is linked yet");
    outbox.belongs_to(account("2"));
    outbox.begin().await.unwrap();
    assert_eq!(outbox.state("a"), Some(failed("other-account")));
    assert_eq!(next(&outbox).await.as_deref(), Some("any"));
    assert_eq!(next(&outbox).await.as_deref(), Some("b"));
    assert_eq!(next(&outbox).await, None);
}

#[tokio::test]
async fn what_ends_together_is_one_write() {
    let place = Place::new();
    let barrier = Barrier::start().unwrap();
    let outbox = place.outbox(&barrier).await;
    let ids: Vec<String> = (0..600).map(|number| number.to_string()).collect();
    for id in &ids {
        outbox.accept(outgoing(id, "hello")).await.unwrap();
    }
    let before = outbox.accept(outgoing("last", "hello")).await.unwrap().seq;
    let steps = ids.iter().map(|id| (id.clone(), OutState::Acked));
    let unknown = ("unknown".to_owned(), OutState::Acked);
    outbox
        .mark_all(steps.chain([unknown]).collect())
        .await
        .unwrap();
    assert_eq!(outbox.fail_all("banned").await.unwrap(), 1);
    let after = outbox.accept(outgoing("next", "hello")).await.unwrap().seq;
    assert_eq!(after - before, 5, "three writes, one more, and its own");
    barrier.settle().await.unwrap();
    drop((outbox, barrier));

    let barrier = Barrier::start().unwrap();
    let outbox = place.outbox(&barrier).await;
    let acked = |id: &String| outbox.state(id) == Some(OutState::Acked);
    assert!(ids.iter().all(acked));
    assert_eq!(outbox.state("last"), Some(failed("banned")));
    assert_eq!(pending(&outbox).await.len(), 1);
}
