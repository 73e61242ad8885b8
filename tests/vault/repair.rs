//! What a boot makes of a vault that is not as it was left.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use holdfast::vault::tiers::RecordKind;
use holdfast::vault::{RepairReport, Vault, VaultError, open_sled};
use holdfast_core::{IdentityFound, LastFour, StoreFound, Todo, Treatment, plan};
use holdfast_medium::{Claim, DataDir, barrier::Barrier};
use tempfile::TempDir;
use wacore::store::Device;
use wacore::store::traits::Backend;

use super::life::{PEER, close, killed_now, link, open, session};

const STORE: &str = "gen-0001/store.v2";

/// A linked vault with a session, a sender's mapping and a pre-key, and its device as it was saved.
async fn linked() -> (TempDir, Device) {
    let dir = tempfile::tempdir().unwrap();
    let (barrier, vault) = open(dir.path()).await;
    let backend = vault.backend();
    let mut device = link(&backend).await;
    device.next_pre_key_id = 31;
    device.first_unupload_pre_key_id = 31;
    device.server_has_prekeys = true;
    backend.save(&device).await.unwrap();
    write(&backend).await;
    close(barrier, vault).await;
    (dir, device)
}

async fn write(backend: &Arc<dyn Backend>) {
    backend.put_identity(PEER, [1; 32]).await.unwrap();
    backend.store_prekey(7, &[7; 32], false).await.unwrap();
    backend.put_session(PEER, &session(0)).await.unwrap();
}

fn claim(dir: &Path) -> Claim {
    Claim::take(&DataDir::new(dir)).unwrap()
}

/// Boots as the daemon does, and says what was done.
async fn boot(dir: &Path) -> (Barrier, Vault, RepairReport) {
    let barrier = Barrier::start().unwrap();
    let inspection = Vault::inspect(claim(dir), barrier.clone()).await.unwrap();
    let plan = plan(&inspection.findings());
    let (vault, report) = inspection.carry_out(plan).await.unwrap();
    (barrier, vault, report)
}

/// The vault is sound, the identity is intact, and a second boot finds nothing to do.
async fn settled(dir: &Path) {
    let (barrier, vault, report) = boot(dir).await;
    assert!(report.plan.is_empty(), "{report:?}");
    assert_eq!(vault.linked().account, Some(LastFour(*b"1234")));
    close(barrier, vault).await;
}

/// After a boot that rebuilt the store: what is kept, what is gone, and ids that leap.
async fn rebuilt(dir: &Path, before: &Device, found: StoreFound, kept: bool) {
    let (barrier, vault, report) = boot(dir).await;
    assert_eq!(report.findings.store, found);
    assert_eq!(report.plan.store, Treatment::Rebuild);
    let backend = vault.backend();
    assert_eq!(vault.linked().account, Some(LastFour(*b"1234")));
    assert_eq!(backend.get_session(PEER).await.unwrap(), None);
    assert_eq!(
        backend.load_identity(PEER).await.unwrap(),
        kept.then_some([1; 32])
    );
    assert_eq!(backend.load_prekey(7).await.unwrap().is_some(), kept);
    let device = backend.load().await.unwrap().unwrap();
    assert_eq!(device.registration_id, before.registration_id);
    assert_eq!(device.next_pre_key_id, 10_031);
    assert_eq!(device.first_unupload_pre_key_id, 10_031);
    assert!(!device.server_has_prekeys);
    if let Some(aside) = &report.quarantine {
        assert!(aside.join("store.v2").is_dir());
    }
    // It works, and goes on from there.
    write(&backend).await;
    close(barrier, vault).await;
    settled(dir).await;
}

#[tokio::test]
async fn a_sound_vault_is_left_as_it_is() {
    let (dir, _) = linked().await;
    let killed = killed_now(&dir);
    for dir in [&dir, &killed] {
        settled(dir.path()).await;
        let (barrier, vault) = open(dir.path()).await;
        let found = vault.backend().get_session(PEER).await.unwrap();
        assert_eq!(found, Some(session(0)));
        close(barrier, vault).await;
    }
}

/// A step of which half was taken when the medium failed: nobody was told of it, so nothing in it is missing.
#[tokio::test]
async fn a_step_that_failed_in_a_living_process_costs_no_record() {
    let (dir, _) = linked().await;
    let (barrier, vault) = open(dir.path()).await;
    let backend = vault.backend();
    let mut failure = barrier.failure();
    // A page too large for sled's file goes into a directory that is not there any more: the same as one without room.
    let large = dir.path().join(STORE).join("sled/blobs");
    fs::rename(&large, dir.path().join("away")).unwrap();
    let metadata = vec![7; 1 << 20];
    backend
        .put_group_metadata("group", &metadata)
        .await
        .unwrap();
    let raised = [(PEER.into(), session(64))];
    let raised = backend.put_sessions_batch(&raised);
    tokio::select! {
        _ = raised => panic!("a promise was made that cannot be kept"),
        failed = failure.wait_for(Option::is_some) => drop(failed.unwrap()),
    }
    let killed = killed_now(&dir);
    fs::create_dir(killed.path().join(STORE).join("sled/blobs")).unwrap();

    let (barrier, vault, report) = boot(killed.path()).await;
    assert_eq!(report.findings.store, StoreFound::Sound);
    assert!(report.plan.is_empty(), "{report:?}");
    let found = vault.backend().get_session(PEER).await.unwrap();
    assert_eq!(found, Some(session(0)), "as it was promised last");
    // The next step has a number of its own, and is missed like any other.
    write(&vault.backend()).await;
    close(barrier, vault).await;
    settled(killed.path()).await;
}

/// One that has not ended and let go of our lock: its store is no damage, and nothing of it is touched.
#[tokio::test]
async fn a_store_that_somebody_else_has_open_is_left_alone() {
    let (dir, _) = linked().await;
    let store = dir.path().join(STORE);
    let config = sled::Config::new().path(store.join("sled"));
    let other = open_sled(&config).unwrap();
    let before = killed_now(&dir);
    let refused = Vault::inspect(claim(dir.path()), Barrier::start().unwrap()).await;
    assert!(
        matches!(&refused, Err(VaultError::StoreInUse { store: named }) if *named == store),
        "{:?}",
        refused.map(|inspection| inspection.findings())
    );
    assert!(!dir.path().join("quarantine").exists());
    let witness = |dir: &TempDir| fs::read(dir.path().join(STORE).join("witness")).unwrap();
    assert_eq!(witness(&dir), witness(&before));
    drop(other);
    settled(dir.path()).await;
}

/// The store's directory as it was some awaited steps earlier, below the witness of now.
async fn rolled_back(steps: u32) -> (TempDir, Device) {
    let (dir, device) = linked().await;
    let (barrier, vault) = open(dir.path()).await;
    let backend = vault.backend();
    let older = killed_now(&dir);
    for step in 0..steps {
        let raised = session(64 * (step + 1));
        backend.put_session("other", &raised).await.unwrap();
    }
    close(barrier, vault).await;
    let sled = dir.path().join(STORE).join("sled");
    fs::remove_dir_all(&sled).unwrap();
    fs::rename(older.path().join(STORE).join("sled"), sled).unwrap();
    (dir, device)
}

#[tokio::test]
async fn one_step_behind_only_what_that_step_wrote_goes() {
    let (dir, device) = rolled_back(1).await;
    // As if the step had been written over a session that is there.
    let (barrier, vault, report) = boot(dir.path()).await;
    assert_eq!(report.findings.store, StoreFound::OneBehind);
    assert_eq!(report.plan.store, Treatment::Weed);
    let backend = vault.backend();
    assert_eq!(backend.get_session(PEER).await.unwrap(), Some(session(0)));
    assert_eq!(backend.get_session("other").await.unwrap(), None);
    let kept = backend.load().await.unwrap().unwrap();
    assert_eq!(kept.next_pre_key_id, device.next_pre_key_id);
    close(barrier, vault).await;
    settled(dir.path()).await;
}

#[tokio::test]
async fn one_step_behind_an_older_state_of_its_record_goes_too() {
    let (dir, _) = linked().await;
    let (barrier, vault) = open(dir.path()).await;
    let older = killed_now(&dir);
    let backend = vault.backend();
    backend.put_session(PEER, &session(64)).await.unwrap();
    close(barrier, vault).await;
    let sled = dir.path().join(STORE).join("sled");
    fs::remove_dir_all(&sled).unwrap();
    fs::rename(older.path().join(STORE).join("sled"), sled).unwrap();

    let (barrier, vault, report) = boot(dir.path()).await;
    assert_eq!(
        report.dropped.get(&RecordKind::Session),
        Some(&1),
        "{report:?}"
    );
    let backend = vault.backend();
    assert_eq!(backend.get_session(PEER).await.unwrap(), None);
    assert_eq!(backend.load_identity(PEER).await.unwrap(), Some([1; 32]));
    let aside = report.quarantine.unwrap();
    assert!(!fs::read(aside.join("records")).unwrap().is_empty());
    close(barrier, vault).await;
    settled(dir.path()).await;
}

#[tokio::test]
async fn further_behind_every_ratchet_goes_and_ids_leap() {
    let (dir, device) = rolled_back(2).await;
    rebuilt(dir.path(), &device, StoreFound::Behind, true).await;
}

#[tokio::test]
async fn without_a_witness_no_ratchet_is_believed() {
    for damage in [None, Some(vec![0; 128 << 10]), Some(Vec::new())] {
        let (dir, device) = linked().await;
        let witness = dir.path().join(STORE).join("witness");
        match damage {
            None => fs::remove_file(witness).unwrap(),
            Some(bytes) => fs::write(witness, bytes).unwrap(),
        }
        rebuilt(dir.path(), &device, StoreFound::Unwitnessed, true).await;
    }
}

#[tokio::test]
async fn a_lost_store_never_costs_the_link() {
    let (dir, device) = linked().await;
    fs::remove_dir_all(dir.path().join(STORE)).unwrap();
    rebuilt(dir.path(), &device, StoreFound::Lost, false).await;
}

#[tokio::test]
async fn an_emptied_store_is_damaged_and_never_new() {
    let (dir, device) = linked().await;
    fs::write(dir.path().join(STORE).join("sled/db"), b"").unwrap();
    rebuilt(dir.path(), &device, StoreFound::Damaged, false).await;
}

#[tokio::test]
async fn a_store_that_lies_is_set_aside_and_what_checks_out_is_kept() {
    // A record gone, an old one back, and one that was changed: each opens without a complaint.
    for lie in 0..3 {
        let (dir, device) = linked().await;
        let store = sled_in(dir.path().join(STORE).join("sled"));
        let (key, sealed) = store
            .iter()
            .map(Result::unwrap)
            .find(|(key, _)| key.first() == Some(&(RecordKind::Session as u8)))
            .unwrap();
        match lie {
            0 => drop(store.remove(key).unwrap()),
            1 => drop(store.insert([key.as_ref(), b"x"].concat(), sealed).unwrap()),
            _ => {
                let mut changed = sealed.to_vec();
                changed[25] ^= 1;
                store.insert(key, changed).unwrap();
            }
        }
        store.flush().unwrap();
        drop(store);
        rebuilt(dir.path(), &device, StoreFound::Damaged, true).await;
    }
}

#[tokio::test]
async fn records_that_cannot_be_decoded_go_alone_and_lost_pre_keys_are_made_up_for() {
    let (dir, _) = linked().await;
    let (barrier, vault) = open(dir.path()).await;
    let backend = vault.backend();
    backend.put_session("bad", b"\xff\xff\xff").await.unwrap();
    backend.put_sender_key("bad", b"\xff\xff").await.unwrap();
    backend.store_prekey(8, b"\xff\xff", false).await.unwrap();
    close(barrier, vault).await;

    let (barrier, vault, report) = boot(dir.path()).await;
    let gone: BTreeSet<_> = report.dropped.keys().copied().collect();
    assert_eq!(
        gone,
        BTreeSet::from([
            RecordKind::Session,
            RecordKind::SenderKey,
            RecordKind::PreKey
        ])
    );
    assert!(report.dropped.values().all(|count| *count == 1));
    let backend = vault.backend();
    assert_eq!(backend.get_session("bad").await.unwrap(), None);
    assert_eq!(backend.get_session(PEER).await.unwrap(), Some(session(0)));
    close(barrier, vault).await;

    // What is to be done over the link is not forgotten before it is done.
    let (barrier, vault, report) = boot(dir.path()).await;
    let todo = Todo {
        refresh_pre_keys: true,
        check_digest: true,
    };
    assert_eq!(report.plan.todo, todo);
    assert!(report.plan.is_empty());
    vault.caught_up().await.unwrap();
    close(barrier, vault).await;
    let (barrier, vault, report) = boot(dir.path()).await;
    assert!(report.plan.todo.is_empty());
    close(barrier, vault).await;
}

#[tokio::test]
async fn a_lost_slot_is_written_again() {
    for slot in ["identity.a", "identity.b"] {
        for damage in [None, Some(&b"damaged"[..])] {
            let (dir, device) = linked().await;
            let path = dir.path().join("gen-0001").join(slot);
            let good = fs::read(&path).unwrap();
            match damage {
                None => fs::remove_file(&path).unwrap(),
                Some(bytes) => fs::write(&path, bytes).unwrap(),
            }
            let (barrier, vault, report) = boot(dir.path()).await;
            assert_eq!(report.findings.identity, IdentityFound::OneSlot);
            assert_eq!(report.plan.store, Treatment::Keep);
            let found = vault.backend().load().await.unwrap().unwrap();
            assert_eq!(found.registration_id, device.registration_id);
            assert_eq!(fs::read(&path).unwrap().len(), good.len());
            close(barrier, vault).await;
            settled(dir.path()).await;
        }
    }
}

#[tokio::test]
async fn a_repair_that_is_cut_short_is_finished_or_begun_again() {
    // As far as it gets: a store half made; a new one whole beside the old; the old one set aside.
    for step in 0..3 {
        let (dir, _) = linked().await;
        let store = dir.path().join(STORE);
        let next = dir.path().join("gen-0001/store.v2.next");
        match step {
            0 => {
                fs::create_dir(dir.path().join("gen-0001/store.v2.making")).unwrap();
                fs::remove_dir_all(store.join("sled")).unwrap();
            }
            1 => {
                let copy = killed_now(&dir);
                fs::rename(copy.path().join(STORE), &next).unwrap();
                fs::remove_file(store.join("witness")).unwrap();
            }
            _ => fs::rename(&store, &next).unwrap(),
        }
        let (barrier, vault, report) = boot(dir.path()).await;
        assert_eq!(report.plan.is_empty(), step == 2, "{step}: {report:?}");
        assert!(!next.exists() && !dir.path().join("gen-0001/store.v2.making").exists());
        close(barrier, vault).await;
        settled(dir.path()).await;
    }
}

#[tokio::test]
async fn a_store_of_a_later_version_is_left_alone() {
    let (dir, _) = linked().await;
    let later = dir.path().join("gen-0001/store.v3");
    fs::rename(dir.path().join(STORE), &later).unwrap();
    let refused = Vault::inspect(claim(dir.path()), Barrier::start().unwrap()).await;
    assert!(matches!(refused, Err(VaultError::NewerFormat { .. })));
    assert!(later.is_dir());
}

#[tokio::test]
async fn a_store_of_the_first_format_comes_along_whole() {
    let (dir, _) = linked().await;
    let records = sealed_records(&dir.path().join(STORE).join("sled"));
    fs::remove_dir_all(dir.path().join(STORE)).unwrap();
    let first = sled_in(dir.path().join("gen-0001/store"));
    for (key, sealed) in &records {
        first.insert(key, sealed.as_ref()).unwrap();
    }
    first.insert([0], seal_of_first_format(3)).unwrap();
    first.flush().unwrap();
    drop(first);

    let (barrier, vault, report) = boot(dir.path()).await;
    assert!(report.plan.is_empty(), "{report:?}");
    let backend = vault.backend();
    assert_eq!(backend.get_session(PEER).await.unwrap(), Some(session(0)));
    assert_eq!(
        backend.load_prekey(7).await.unwrap().as_deref(),
        Some(&[7; 32][..])
    );
    assert!(!dir.path().join("gen-0001/store").exists());
    close(barrier, vault).await;
    settled(dir.path()).await;
}

fn sled_in(dir: impl AsRef<Path>) -> sled::Db {
    open_sled(&sled::Config::new().path(dir)).unwrap()
}

fn sealed_records(sled: &Path) -> Vec<(Vec<u8>, Bytes)> {
    let store = sled_in(sled);
    let records = store.iter().map(Result::unwrap);
    records
        .filter(|(key, _)| key.as_ref() != [0])
        .map(|(key, sealed)| (key.to_vec(), Bytes::copy_from_slice(&sealed)))
        .collect()
}

/// The first format's own record, byte by byte: it had no digest.
fn seal_of_first_format(step: u64) -> Vec<u8> {
    let mut sealed = b"HF\x01\x01\0\0\0".to_vec();
    sealed.extend(step.to_le_bytes());
    sealed.extend([0; 4]);
    sealed.push(0);
    let crc = crc32c::crc32c(&sealed);
    sealed.extend(crc.to_le_bytes());
    sealed
}

#[tokio::test]
async fn an_older_copy_of_everything_keeps_no_ratchet_and_goes_on_far_beyond_its_ids() {
    let (dir, device) = linked().await;
    let barrier = Barrier::start().unwrap();
    let claim = Claim::take(&DataDir::new(dir.path())).unwrap();
    let inspection = Vault::inspect(claim, barrier.clone()).await;
    let inspection = inspection.unwrap().outdated();
    let findings = inspection.findings();
    assert_eq!(findings.store, StoreFound::Older);
    let (vault, report) = inspection.carry_out(plan(&findings)).await.unwrap();
    assert!(report.plan.leap && report.plan.store == Treatment::Rebuild);
    let backend = vault.backend();
    assert_eq!(backend.get_session(PEER).await.unwrap(), None);
    assert_eq!(backend.load_identity(PEER).await.unwrap(), Some([1; 32]));
    let kept = backend.load().await.unwrap().unwrap();
    assert!(kept.identity_key.private_key == device.identity_key.private_key);
    // The marks are as old as all the rest.
    assert!(
        kept.next_pre_key_id >= 31 + 2 * 10_000,
        "{}",
        kept.next_pre_key_id
    );
    assert!(kept.signed_pre_key_id > device.signed_pre_key_id + 1_000);
    assert!(!kept.server_has_prekeys);
    close(barrier, vault).await;
    settled(dir.path()).await;
}
