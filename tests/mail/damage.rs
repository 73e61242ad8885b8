//! What a torn or damaged segment costs: itself, and nothing that was promised beside it.

use std::fs;

use holdfast::mail::{Finding, Message};
use proptest::prelude::*;

use super::{BLOCK, Place, flip, frames, ids, large, message, numbered, overwrite};

#[tokio::test]
async fn a_torn_batch_never_happened_wherever_it_was_torn() {
    let place = Place::new();
    let inbox = place.inbox().await;
    inbox.commit(vec![message("a")]).await.unwrap();
    inbox
        .commit(vec![message("b"), message("c")])
        .await
        .unwrap();
    drop(inbox);
    let segment = place.segment();
    let whole = fs::read(&segment).unwrap();
    let (at, length) = frames(&whole)[1];

    for kept in 0..=length {
        let mut frame = whole[at..at + kept].to_vec();
        frame.resize(BLOCK, 0);
        overwrite(&segment, at, &frame);
        let inbox = place.inbox().await;
        let torn = kept < length && whole[at + kept..at + length].iter().any(|byte| *byte != 0);
        if !torn {
            assert_eq!(
                ids(&inbox, 1),
                numbered(&[(1, "a"), (2, "b"), (3, "c")]),
                "{kept} bytes"
            );
            continue;
        }
        assert_eq!(ids(&inbox, 1), numbered(&[(1, "a")]), "{kept} bytes");
        let lost = inbox
            .findings()
            .iter()
            .any(|finding| *finding != Finding::TornTail);
        assert!(!lost, "{kept} bytes: {:?}", inbox.findings());
        // Seen by its number, which is the first byte behind magic and checksum.
        assert_eq!(
            inbox.findings().contains(&Finding::TornTail),
            kept > 8,
            "{kept} bytes"
        );
        if kept % 40 == 0 {
            inbox.commit(vec![message("d")]).await.unwrap();
            drop(inbox);
            assert_eq!(
                ids(&place.inbox().await, 1),
                numbered(&[(1, "a"), (2, "d")]),
                "{kept} bytes"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn flipped_bits_cost_the_frames_they_hit_and_nothing_else(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..6),
    ) {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let place = Place::new();
            let inbox = place.inbox().await;
            let batches = [
                vec![message("a")],
                vec![message("b"), message("c")],
                vec![large("d", 10_000)],
                vec![message("e"), large("f", 5_000), message("g")],
                vec![message("h")],
            ];
            for batch in batches.clone() {
                inbox.commit(batch).await.unwrap();
            }
            drop(inbox);
            let segment = place.segment();
            let mut bytes = fs::read(&segment).unwrap();
            let frames = frames(&bytes);
            let (last, length) = frames[frames.len() - 1];
            let used = last + length;
            let mut hit = Vec::new();
            for (index, bits) in flips {
                let at = index.index(used);
                bytes[at] ^= bits;
                hit.push(at);
            }
            // The same bit may be flipped back.
            let intact = fs::read(&segment).unwrap();
            hit.retain(|at| bytes[*at] != intact[*at]);
            overwrite(&segment, 0, &bytes[..used]);

            let mut survivors = Vec::new();
            let mut seq = 0;
            for ((at, length), batch) in frames.iter().zip(batches) {
                let is_hit = hit.iter().any(|hit| (*at..at + length).contains(hit));
                for message in batch {
                    seq += 1;
                    if !is_hit {
                        survivors.push((seq, message));
                    }
                }
            }
            let inbox = place.inbox().await;
            prop_assert_eq!(inbox.read(1, usize::MAX, usize::MAX).unwrap(), survivors.clone());
            inbox.commit(vec![message("new")]).await.unwrap();
            drop(inbox);
            let inbox = place.inbox().await;
            survivors.push((*inbox.newest().borrow(), message("new")));
            prop_assert_eq!(inbox.read(1, usize::MAX, usize::MAX).unwrap(), survivors);
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn damage_in_the_middle_is_named_by_its_numbers() {
    let place = Place::new();
    let inbox = place.inbox().await;
    for batch in [
        vec![message("a")],
        vec![message("b"), message("c")],
        vec![message("d")],
    ] {
        inbox.commit(batch).await.unwrap();
    }
    let segment = place.segment();
    flip(&segment, frames(&fs::read(&segment).unwrap())[1].0 + 30);
    assert_eq!(
        ids(&inbox, 1),
        numbered(&[(1, "a"), (4, "d")]),
        "also while it is open"
    );
    drop(inbox);

    let inbox = place.inbox().await;
    assert_eq!(inbox.findings(), [Finding::Lost(2..=3)]);
    assert_eq!(ids(&inbox, 1), numbered(&[(1, "a"), (4, "d")]));
    inbox.commit(vec![message("b")]).await.unwrap();
    assert_eq!(
        ids(&inbox, 4),
        numbered(&[(4, "d"), (5, "b")]),
        "what is lost is taken in again"
    );
}

#[tokio::test]
async fn a_frame_inside_a_message_is_not_taken_for_one() {
    let elsewhere = Place::new();
    let inbox = elsewhere.inbox().await;
    for id in ["1", "2", "3", "4", "forged"] {
        inbox.commit(vec![message(id)]).await.unwrap();
    }
    let bytes = fs::read(elsewhere.segment()).unwrap();
    let (at, _) = frames(&bytes)[4];
    let forged = &bytes[at..at + BLOCK];

    let place = Place::new();
    let inbox = place.inbox().await;
    let marker = b"here the bytes of the message begin";
    let carrier = |raw: Vec<u8>| Message {
        raw,
        ..message("carrier")
    };
    inbox
        .commit(vec![carrier([marker.as_slice(), &[0; 3 * BLOCK]].concat())])
        .await
        .unwrap();
    let bytes = fs::read(place.segment()).unwrap();
    let body = bytes
        .windows(marker.len())
        .position(|window| window == marker)
        .unwrap();
    drop(inbox);

    let place = Place::new();
    let inbox = place.inbox().await;
    let mut raw = vec![0; BLOCK - body % BLOCK];
    raw.extend_from_slice(forged);
    raw.resize(marker.len() + 3 * BLOCK, 0);
    inbox.commit(vec![carrier(raw)]).await.unwrap();
    inbox.commit(vec![message("last")]).await.unwrap();
    drop(inbox);
    let bytes = fs::read(place.segment()).unwrap();
    assert_eq!(
        &bytes[BLOCK..2 * BLOCK],
        forged,
        "the forged frame stands where a frame may start"
    );
    flip(&place.segment(), 30);
    assert_eq!(ids(&place.inbox().await, 1), numbered(&[(2, "last")]));
}
