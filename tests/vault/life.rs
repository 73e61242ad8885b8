//! A vault over its life: first start, writes, damage, crashes, re-linking, stop.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use holdfast::vault::tiers::Tier;
use holdfast::vault::{KeepsSent, Vault, VaultError};
use holdfast_core::{GenerationId, LastFour};
use holdfast_medium::{
    Claim, ClaimError, DataDir,
    barrier::{Barrier, Durability, Log},
    wear::Purpose,
};
use tempfile::TempDir;
use wacore::appstate::hash::HashState;
use wacore::libsignal::protocol::SessionRecord;
use wacore::store::Device;
use wacore::store::traits::Backend;

pub(super) const PEER: &str = "100000000000001@lid";

pub(super) async fn open(dir: &Path) -> (Barrier, Vault) {
    let barrier = Barrier::start().unwrap();
    let vault = Vault::open(DataDir::new(dir), barrier.clone())
        .await
        .unwrap();
    (barrier, vault)
}

pub(super) async fn close(barrier: Barrier, vault: Vault) {
    vault.close().await.unwrap();
    barrier.stop().await.unwrap();
}

/// What the directory holds at this moment: what a killed process would find.
pub(super) fn killed_now(dir: &TempDir) -> TempDir {
    fn copy(from: &Path, to: &Path) {
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let to = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                fs::create_dir(&to).unwrap();
                copy(&entry.path(), &to);
            } else {
                fs::copy(entry.path(), to).unwrap();
            }
        }
    }
    let copied = tempfile::tempdir().unwrap();
    copy(dir.path(), copied.path());
    copied
}

pub(super) async fn link(backend: &Arc<dyn Backend>) -> Device {
    let mut device = Device::new();
    device.pn = Some("15550001234:7@s.whatsapp.net".parse().unwrap());
    device.account = Some(Arc::default());
    backend.save(&device).await.unwrap();
    device
}

pub(super) fn session(reserve_after: u32) -> Bytes {
    let mut record = SessionRecord::new_fresh();
    record.reserve_sender_chain_counters(reserve_after);
    record.serialize().unwrap().into()
}

#[tokio::test]
async fn a_first_start_makes_a_private_generation_that_is_not_linked() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    let (barrier, vault) = open(&root).await;
    let linked = vault.linked();
    assert_eq!((linked.generation, linked.account), (GenerationId(1), None));
    assert_eq!(
        fs::read_to_string(root.join("CURRENT")).unwrap(),
        "gen-0001\n"
    );
    let mode = |path: &str| fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o777;
    link(&vault.backend()).await;
    for directory in [
        "",
        "gen-0001",
        "gen-0001/store.v2",
        "gen-0001/store.v2/sled",
    ] {
        assert_eq!(mode(directory), 0o700, "{directory}");
    }
    for file in [
        "CURRENT",
        "lock",
        "gen-0001/identity.a",
        "gen-0001/identity.b",
        "gen-0001/store.v2/witness",
    ] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
    assert_eq!(vault.linked().account, Some(LastFour(*b"1234")));
    close(barrier, vault).await;
}

#[tokio::test]
async fn everything_written_is_there_after_an_orderly_stop() {
    let dir = tempfile::tempdir().unwrap();
    let (barrier, vault) = open(dir.path()).await;
    let backend = vault.backend();
    link(&backend).await;
    backend.put_session(PEER, &session(0)).await.unwrap();
    backend.put_group_metadata("group", b"lazy").await.unwrap();
    backend.store_signed_prekey(2, b"signed").await.unwrap();
    let counts = vault.records().await.unwrap();
    close(barrier, vault).await;

    let (barrier, vault) = open(dir.path()).await;
    let backend = vault.backend();
    assert_eq!(vault.linked().account, Some(LastFour(*b"1234")));
    assert_eq!(backend.get_session(PEER).await.unwrap(), Some(session(0)));
    assert_eq!(
        backend.get_group_metadata("group").await.unwrap(),
        Some(b"lazy".to_vec())
    );
    assert_eq!(
        backend.load_signed_prekey(2).await.unwrap(),
        Some(b"signed".to_vec())
    );
    assert_eq!(vault.records().await.unwrap(), counts);
    let of = |tier| counts.tiers.get(&tier).copied();
    assert_eq!(
        [Tier::Identity, Tier::Kept, Tier::Ratchet, Tier::Rebuildable].map(of),
        [Some(2), Some(0), Some(1), Some(1)]
    );
    close(barrier, vault).await;
}

#[tokio::test]
async fn a_killed_process_finds_what_was_awaited_and_all_that_was_queued_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let (barrier, vault) = open(dir.path()).await;
    let backend = vault.backend();
    let device = link(&backend).await;
    barrier.settle().await.unwrap();

    // A slow machine may commit in between; then the copy tells nothing, and we try again with another group.
    let (group, before) = loop {
        let commits = barrier.stats().commits;
        let group = format!("group {commits}");
        backend.put_group_metadata(&group, b"lazy").await.unwrap();
        assert_eq!(
            backend.get_group_metadata(&group).await.unwrap(),
            Some(b"lazy".to_vec()),
            "seen at once"
        );
        let copy = killed_now(&dir);
        if barrier.stats().commits == commits {
            break (group, copy);
        }
    };
    backend.store_prekey(7, &[7; 32], false).await.unwrap();
    let after = killed_now(&dir);

    for (copy, found) in [(&before, None), (&after, Some(b"lazy".to_vec()))] {
        let (barrier, vault) = open(copy.path()).await;
        let backend = vault.backend();
        assert_eq!(backend.get_group_metadata(&group).await.unwrap(), found);
        assert_eq!(
            backend.load_prekey(7).await.unwrap().is_some(),
            found.is_some()
        );
        assert_eq!(
            backend.load().await.unwrap().unwrap().registration_id,
            device.registration_id
        );
        close(barrier, vault).await;
    }
    close(barrier, vault).await;
}

/// A log at which the writer stands until it is let through.
struct Gate(mpsc::Receiver<()>);

impl Log for Gate {
    fn append(&mut self, _frame: &[u8]) -> io::Result<()> {
        self.0.recv().map_err(io::Error::other)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_raised_lease_waits_for_the_barrier_and_an_advance_under_it_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let (barrier, vault) = open(dir.path()).await;
    let backend = vault.backend();
    backend.put_session(PEER, &session(0)).await.unwrap();

    let (let_through, gate) = mpsc::channel();
    let log = barrier.add_log(Purpose::Inbox, Box::new(Gate(gate)));
    barrier
        .append(log, vec![0], Durability::Ordered)
        .await
        .unwrap();
    let first_received = Bytes::from(SessionRecord::new_fresh().serialize().unwrap());
    backend
        .put_sessions_batch(&[(PEER.into(), session(0)), ("new".into(), first_received)])
        .await
        .unwrap();
    let raised = [(PEER.into(), session(64))];
    let mut raised = backend.put_sessions_batch(&raised);
    let mut in_doubt = backend.put_sender_key("group", b"what is this");
    assert!((&mut raised).now_or_never().is_none());
    assert!((&mut in_doubt).now_or_never().is_none());

    let_through.send(()).unwrap();
    raised.await.unwrap();
    in_doubt.await.unwrap();
    let copy = killed_now(&dir);
    let (barrier_after, vault_after) = open(copy.path()).await;
    let found = vault_after
        .backend()
        .get_session(PEER)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        SessionRecord::deserialize(&found)
            .unwrap()
            .reserved_sender_chain_index(),
        128
    );
    close(barrier_after, vault_after).await;
    close(barrier, vault).await;
}

#[tokio::test]
async fn queued_deletes_and_writes_are_merged_into_what_is_scanned() {
    let dir = tempfile::tempdir().unwrap();
    let (barrier, vault) = open(dir.path()).await;
    let backend = vault.backend();
    backend
        .set_sender_key_status("group", &[("a", true), ("b", true), ("c", true)])
        .await
        .unwrap();
    barrier.settle().await.unwrap();
    backend.delete_sender_key_device_rows(&["b"]).await.unwrap();
    backend
        .set_sender_key_status("group", &[("a", false), ("d", true)])
        .await
        .unwrap();
    let expected = ["a", "c", "d"].map(|jid| (jid.to_string(), jid != "a"));
    assert_eq!(
        backend.get_sender_key_devices("group").await.unwrap(),
        expected
    );
    barrier.settle().await.unwrap();
    assert_eq!(
        backend.get_sender_key_devices("group").await.unwrap(),
        expected
    );
    close(barrier, vault).await;
}

#[tokio::test]
async fn the_next_generation_keeps_the_adv_secret_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (barrier, vault) = open(dir.path()).await;
    let old_backend = vault.backend();
    let old = link(&old_backend).await;
    old_backend.put_session(PEER, b"session").await.unwrap();
    old_backend
        .set_sync_key(&[1], Default::default())
        .await
        .unwrap();

    let retiring = vault.begin_next().await.unwrap();
    assert_eq!(retiring.old, GenerationId(1));
    assert_eq!(retiring.old_dir, dir.path().join("gen-0001"));
    assert_eq!(
        (retiring.linked.generation, retiring.linked.account),
        (GenerationId(2), None)
    );
    assert_eq!(vault.linked(), retiring.linked);
    assert_eq!(
        fs::read_to_string(dir.path().join("CURRENT")).unwrap(),
        "gen-0002\n"
    );

    let backend = vault.backend();
    let new = backend.load().await.unwrap().unwrap();
    assert_eq!(new.adv_secret_key, old.adv_secret_key);
    assert_eq!(new.account, old.account);
    assert!(new.pn.is_none() && new.lid.is_none() && !new.is_registered());
    assert_ne!(new.noise_key.public_key, old.noise_key.public_key);
    assert_ne!(new.identity_key.public_key, old.identity_key.public_key);
    assert_eq!(backend.get_session(PEER).await.unwrap(), None);
    assert_eq!(backend.get_latest_sync_key_id().await.unwrap(), None);

    // A straggler of the old link gets no answer, and no failure is reported.
    let answer = tokio::time::timeout(
        Duration::from_millis(20),
        old_backend.put_session(PEER, b"late"),
    )
    .await;
    assert!(answer.is_err());
    let answer =
        tokio::time::timeout(Duration::from_millis(20), old_backend.save(&Device::new())).await;
    assert!(answer.is_err());
    assert_eq!(
        old_backend.load().await.unwrap().unwrap().registration_id,
        old.registration_id
    );
    assert!(barrier.failure().borrow().is_none());
    close(barrier, vault).await;

    let (barrier, vault) = open(dir.path()).await;
    assert_eq!(vault.linked(), retiring.linked);
    close(barrier, vault).await;
}

#[tokio::test]
async fn a_crash_while_the_next_generation_is_begun_leaves_the_old_one_live() {
    let dir = tempfile::tempdir().unwrap();
    let (barrier, vault) = open(dir.path()).await;
    link(&vault.backend()).await;
    close(barrier, vault).await;

    // As far as it gets before CURRENT is replaced: nothing, a directory, a seeded identity and a store.
    for step in 0..3 {
        let copy = killed_now(&dir);
        let next = copy.path().join("gen-0002");
        if step > 0 {
            fs::create_dir(&next).unwrap();
            fs::write(copy.path().join("CURRENT.new"), "gen").unwrap();
        }
        if step > 1 {
            let (barrier, vault) = open(copy.path()).await;
            vault.begin_next().await.unwrap();
            close(barrier, vault).await;
            fs::write(copy.path().join("CURRENT"), "gen-0001\n").unwrap();
        }
        let (barrier, vault) = open(copy.path()).await;
        assert_eq!(vault.linked().generation, GenerationId(1), "step {step}");
        assert_eq!(vault.linked().account, Some(LastFour(*b"1234")));
        assert_eq!(
            vault.begin_next().await.unwrap().linked.generation,
            GenerationId(2)
        );
        close(barrier, vault).await;
    }
}

#[tokio::test]
async fn a_linked_generation_is_never_begun_over() {
    let dir = tempfile::tempdir().unwrap();
    let (barrier, vault) = open(dir.path()).await;
    vault.begin_next().await.unwrap();
    link(&vault.backend()).await;
    close(barrier, vault).await;
    fs::write(dir.path().join("CURRENT"), "gen-0001\n").unwrap();

    let (barrier, vault) = open(dir.path()).await;
    assert!(matches!(
        vault.begin_next().await,
        Err(VaultError::NextIsLinked { .. })
    ));
    assert_eq!(vault.linked().generation, GenerationId(1));
    vault.backend().put_session(PEER, b"still").await.unwrap();
    close(barrier, vault).await;
}

#[tokio::test]
async fn damage_that_would_cost_the_link_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let (barrier, vault) = open(dir.path()).await;
    link(&vault.backend()).await;
    close(barrier, vault).await;
    for slot in ["identity.a", "identity.b"] {
        fs::write(dir.path().join("gen-0001").join(slot), b"damaged").unwrap();
    }
    let barrier = Barrier::start().unwrap();
    let refused = Vault::open(DataDir::new(dir.path()), barrier.clone()).await;
    assert!(matches!(
        refused,
        Err(VaultError::IdentityUnreadable { .. })
    ));
    assert_eq!(
        fs::read(dir.path().join("gen-0001/identity.a")).unwrap(),
        b"damaged",
        "nothing is changed"
    );
}

#[tokio::test]
async fn a_second_vault_on_the_same_directory_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let (barrier, vault) = open(dir.path()).await;
    let refused = Vault::open(DataDir::new(dir.path()), barrier.clone())
        .await
        .map(|_| ())
        .unwrap_err();
    assert!(
        refused
            .to_string()
            .contains(&std::process::id().to_string()),
        "{refused}"
    );
    close(barrier, vault).await;
}

#[tokio::test]
async fn a_directory_whose_store_is_still_being_written_is_nobody_elses() {
    let dir = tempfile::tempdir().unwrap();
    let (barrier, vault) = open(dir.path()).await;
    let backend = vault.backend();
    let (let_through, gate) = mpsc::channel();
    let log = barrier.add_log(Purpose::Inbox, Box::new(Gate(gate)));
    let append = barrier.append(log, vec![0], Durability::Awaited);
    let mut append = Box::pin(append);
    assert!((&mut append).now_or_never().is_none());
    // The vault is gone, and its writer stands in a call that does not return.
    drop((backend, vault));
    let claim = || Claim::take(&DataDir::new(dir.path()));
    assert!(matches!(claim(), Err(ClaimError::InUse { .. })));
    let_through.send(()).unwrap();
    append.await.unwrap();
    barrier.stop().await.unwrap();
    claim().unwrap();
}

#[tokio::test]
async fn after_a_failure_of_the_medium_the_library_gets_no_answer_and_the_daemon_is_told() {
    struct Broken;
    impl Log for Broken {
        fn append(&mut self, _frame: &[u8]) -> io::Result<()> {
            Err(io::Error::other("no medium"))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let dir = tempfile::tempdir().unwrap();
    let (barrier, vault) = open(dir.path()).await;
    let backend = vault.backend();
    let mut failure = barrier.failure();
    let log = barrier.add_log(Purpose::Inbox, Box::new(Broken));
    barrier
        .append(log, vec![0], Durability::Lazy)
        .await
        .unwrap();
    // Its group is the broken one, so it is never acknowledged, and neither is anything after it.
    let answers = async {
        for _ in 0..2 {
            let put = tokio::time::timeout(
                Duration::from_millis(20),
                backend.store_prekey(1, b"key", false),
            )
            .await;
            assert!(put.is_err(), "no answer, and above all no error");
        }
    };
    answers.await;
    failure.wait_for(Option::is_some).await.unwrap();
}

/// The library saves the owner's name in the background, and a cut may come between the version and the name.
#[tokio::test]
async fn a_name_that_was_lost_is_asked_for_again() {
    let dir = tempfile::tempdir().unwrap();
    let (barrier, vault) = open(dir.path()).await;
    let backend = vault.backend();
    let mut device = link(&backend).await;
    let seen = HashState {
        version: 5,
        ..HashState::default()
    };
    for name in ["critical_block", "regular"] {
        backend.set_version(name, seen.clone()).await.unwrap();
    }
    let version = async |name| backend.get_version(name).await.unwrap().version;
    assert_eq!(version("critical_block").await, 0, "it brings the name");
    assert_eq!(version("regular").await, 5);
    device.push_name = "Ann".into();
    backend.save(&device).await.unwrap();
    assert_eq!(version("critical_block").await, 5);
    close(barrier, vault).await;
}

#[tokio::test]
async fn what_it_takes_is_measured_without_reading_it() {
    let dir = tempfile::tempdir().unwrap();
    let (barrier, vault) = open(dir.path()).await;
    let before = vault.extent().unwrap();
    let backend = vault.backend();
    for n in 0..3 {
        let name = format!("collection {n}");
        backend
            .set_version(&name, HashState::default())
            .await
            .unwrap();
    }
    barrier.settle().await.unwrap();
    let after = vault.extent().unwrap();
    assert_eq!(after.records, before.records + 3);
    close(barrier, vault).await;

    let (barrier, vault) = open(dir.path()).await;
    assert_eq!(vault.extent().unwrap().records, after.records);
    fs::write(dir.path().join("gen-0001/more"), vec![1; 1 << 20]).unwrap();
    assert!(vault.extent().unwrap().bytes >= after.bytes + (1 << 20));
    close(barrier, vault).await;
}

/// Keeps messages at a place, until they lie elsewhere.
struct Outbox(AtomicU64);

#[async_trait::async_trait]
impl KeepsSent for Outbox {
    fn place(&self, id: &str) -> Option<u64> {
        (id != "M3").then(|| self.0.load(Ordering::Relaxed))
    }

    async fn payload(&self, id: &str, place: u64) -> Option<Vec<u8>> {
        tokio::task::yield_now().await;
        let is_there = self.0.load(Ordering::Relaxed) == place;
        is_there.then(|| id.as_bytes().to_vec())
    }
}

#[tokio::test]
async fn what_somebody_else_keeps_is_not_kept_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (barrier, vault) = open(dir.path()).await;
    let keeper = Arc::new(Outbox(7.into()));
    vault.leaves_sent_to(Arc::clone(&keeper) as Arc<dyn KeepsSent>);
    let backend = vault.backend();
    link(&backend).await;
    let text = vec![b'x'; 10_000];
    for id in ["M1", "M2", "M3"] {
        backend.store_sent_message(PEER, id, &text).await.unwrap();
    }
    close(barrier, vault).await;
    let (barrier, vault) = open(dir.path()).await;
    vault.leaves_sent_to(Arc::clone(&keeper) as Arc<dyn KeepsSent>);
    let backend = vault.backend();
    let take = async |chat, id| backend.take_sent_message(chat, id).await.unwrap();
    assert_eq!(take("100000000000002@lid", "M1").await, None, "not his");
    let asked = futures_util::future::join_all((0..4).map(|_| take(PEER, "M1"))).await;
    assert_eq!(asked, vec![Some(b"M1".to_vec()); 4], "four devices at once");
    assert_eq!(take(PEER, "M3").await, Some(text.clone()));
    assert_eq!(take(PEER, "M3").await, None, "a copy is taken once");
    keeper.0.store(8, Ordering::Relaxed);
    assert_eq!(take(PEER, "M2").await, None, "another message by now");
    let later = wacore::time::now_secs() + 3600;
    let gone = backend.delete_expired_sent_messages(later).await;
    assert_eq!(gone.unwrap(), 2);
    close(barrier, vault).await;
}
