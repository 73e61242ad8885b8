//! Inbox and outbox, through their files: what was promised is there after any end, what is damaged costs itself.

use std::fs;
use std::future::Future;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use holdfast::journal::Secret;
use holdfast::mail::{
    Accepted, Finding, Inbox, MailError, Message, OutMessage, OutState, Outbox, Unread,
};
use holdfast::vault::DataDir;
use holdfast::vault::barrier::Barrier;
use proptest::prelude::*;
use tempfile::TempDir;

const BLOCK: usize = 4096;

fn message(id: &str) -> Message {
    Message {
        id: id.to_owned(),
        chat: Secret::new("chat-4915200000@s".to_owned()),
        sender: Secret::new("sender-4915200000@s".to_owned()),
        timestamp_s: 1_700_000_000,
        push_name: Some(Secret::new("Private Name".to_owned())),
        text: Some(Secret::new(format!("private text {id}"))),
        raw: id.as_bytes().to_vec(),
    }
}

fn large(id: &str, bytes: usize) -> Message {
    Message {
        raw: vec![b'x'; bytes],
        ..message(id)
    }
}

fn outgoing(id: &str, text: &str) -> OutMessage {
    OutMessage {
        id: id.to_owned(),
        to: Secret::new("4915200000@s".to_owned()),
        text: Secret::new(text.to_owned()),
    }
}

/// A data directory, opened and dropped without a close as often as a test likes.
struct Place {
    root: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
        }
    }

    fn dir(&self) -> DataDir {
        DataDir::new(self.root.path().join("data"))
    }

    async fn inbox(&self) -> Inbox {
        Inbox::open(&self.dir(), &Barrier::start().unwrap())
            .await
            .unwrap()
    }

    async fn outbox(&self, barrier: &Barrier) -> Outbox {
        Outbox::open(&self.dir(), barrier).await.unwrap()
    }

    fn segments(&self, log: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.dir().mail().join(log)).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }

    /// The one segment of a small inbox.
    fn segment(&self) -> PathBuf {
        let [only] = self.segments("inbox").try_into().unwrap();
        only
    }
}

/// Where the frames of a segment start, and their lengths with header: test messages never contain the magic.
fn frames(segment: &[u8]) -> Vec<(usize, usize)> {
    let starts = (0..segment.len())
        .step_by(BLOCK)
        .filter(|at| segment[*at..].starts_with(b"HfM1"));
    starts
        .map(|at| {
            (
                at,
                24 + u32::from_le_bytes(segment[at + 20..at + 24].try_into().unwrap()) as usize,
            )
        })
        .collect()
}

fn overwrite(path: &Path, at: usize, bytes: &[u8]) {
    fs::File::options()
        .write(true)
        .open(path)
        .unwrap()
        .write_all_at(bytes, at as u64)
        .unwrap();
}

fn flip(path: &Path, at: usize) {
    let byte = fs::read(path).unwrap()[at];
    overwrite(path, at, &[byte ^ 0x10]);
}

fn ids(inbox: &Inbox, from: u64) -> Vec<(u64, String)> {
    inbox
        .read(from, usize::MAX)
        .unwrap()
        .into_iter()
        .map(|(seq, message)| (seq, message.id))
        .collect()
}

fn numbered(ids: &[(u64, &str)]) -> Vec<(u64, String)> {
    ids.iter()
        .map(|(seq, id)| (*seq, (*id).to_owned()))
        .collect()
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_drop_without_close() {
    let place = Place::new();
    let inbox = place.inbox().await;
    assert_eq!(inbox.read(1, 10).unwrap(), []);
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
    assert_eq!(inbox.read(0, 10).unwrap(), expected);
    assert_eq!(inbox.read(2, 1).unwrap(), expected[1..2]);
    assert_eq!(inbox.read(3, 10).unwrap(), expected[2..]);
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
            prop_assert_eq!(inbox.read(1, usize::MAX).unwrap(), survivors.clone());
            inbox.commit(vec![message("new")]).await.unwrap();
            drop(inbox);
            let inbox = place.inbox().await;
            survivors.push((*inbox.newest().borrow(), message("new")));
            prop_assert_eq!(inbox.read(1, usize::MAX).unwrap(), survivors);
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
async fn a_damaged_cursor_falls_back_and_never_skips() {
    let place = Place::new();
    let inbox = place.inbox().await;
    inbox
        .commit(vec![message("a"), message("b"), message("c")])
        .await
        .unwrap();
    inbox.acknowledge("bot", 1).await.unwrap();
    inbox.acknowledge("bot", 3).await.unwrap();
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
        outbox.pending().unwrap(),
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
    assert_eq!(outbox.pending().unwrap(), [], "it went out already");
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
    assert_eq!(outbox.pending().unwrap(), [(1, outgoing("waiting", &text))]);
    assert_eq!(place.segments("outbox").len(), 21);
    outbox.mark("waiting", OutState::Acked).await.unwrap();
    outbox.accept(outgoing("next", &text)).await.unwrap();
    assert_eq!(place.segments("outbox").len(), 17);
    assert_eq!(outbox.state("waiting"), None);
    assert_eq!(outbox.state("19"), Some(OutState::Acked));
    barrier.settle().await.unwrap();
    drop((outbox, barrier));

    let barrier = Barrier::start().unwrap();
    let outbox = place.outbox(&barrier).await;
    assert_eq!(outbox.pending().unwrap().len(), 1);
    assert_eq!(outbox.state("19"), Some(OutState::Acked));
}

#[tokio::test]
async fn only_the_owner_can_read_the_mail() {
    let place = Place::new();
    let barrier = Barrier::start().unwrap();
    let inbox = Inbox::open(&place.dir(), &barrier).await.unwrap();
    let outbox = place.outbox(&barrier).await;
    inbox.commit(vec![message("a")]).await.unwrap();
    inbox.acknowledge("bot", 1).await.unwrap();
    outbox.accept(outgoing("a", "hello")).await.unwrap();

    let mut paths = vec![place.dir().mail()];
    let mut files = 0;
    while let Some(path) = paths.pop() {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        if path.is_dir() {
            assert_eq!(mode, 0o700, "{}", path.display());
            paths.extend(
                fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else {
            assert_eq!(mode, 0o600, "{}", path.display());
            files += 1;
        }
    }
    assert_eq!(files, 3);
}

#[test]
fn debug_and_errors_say_nothing_of_a_message() {
    let shown = format!("{:?} {:?}", message("id"), outgoing("id", "private text"));
    for secret in ["private", "Private", "4915200000", "chat", "[105, 100]"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
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
