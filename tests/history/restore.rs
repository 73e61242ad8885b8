//! A real vault, given up and brought back: what it is at WhatsApp returns, no ratchet does, and no pre-key id twice.

use std::fs;
use std::path::Path;
use std::time::Duration;

use holdfast::history::{Archive, Audit, AuditKind, HistoryError, Prepared, Standing};
use holdfast::vault::{Generations, Vault};
use holdfast_core::{ArchiveId, GenerationId, LastFour, Linked, Trigger};
use holdfast_medium::{DataDir, barrier::Barrier};
use tempfile::TempDir;
use wacore::appstate::hash::HashState;
use wacore::appstate::lthash::WAPATCH_INTEGRITY;
use wacore::appstate::processor::AppStateMutationMAC;
use wacore::store::Device;
use wacore::store::traits::{Backend, LidPnMappingEntry};

use super::place;

pub const PEER: &str = "100000000000001@lid";
pub const FIRST: ArchiveId = ArchiveId::Retired(GenerationId(1));

/// A data directory with everything on it, as the daemon has it.
pub struct Home {
    pub _root: TempDir,
    pub dir: DataDir,
    pub vault: Vault,
    pub archive: Archive,
    pub audit: Audit,
    barrier: Barrier,
}

impl Home {
    pub async fn open() -> Home {
        let (root, dir) = place();
        Self::reopen(root, dir).await
    }

    async fn reopen(root: TempDir, dir: DataDir) -> Home {
        let barrier = Barrier::start().unwrap();
        let vault = Vault::open(dir.clone(), barrier.clone()).await.unwrap();
        let (archive, _) = Archive::open(&dir, vault.linked().generation, Generations).unwrap();
        let audit = Audit::open(&dir);
        Home {
            _root: root,
            dir,
            vault,
            archive,
            audit,
            barrier,
        }
    }

    /// As the next start finds it.
    pub async fn restart(self) -> Home {
        self.vault.close().await.unwrap();
        self.barrier.stop().await.unwrap();
        drop(self.vault);
        Self::reopen(self._root, self.dir).await
    }

    fn order(&self, trigger: Trigger) -> holdfast_core::Order {
        let old = self.vault.linked().generation;
        holdfast_core::Order {
            trigger,
            old,
            new: old.next(),
        }
    }

    pub async fn retire(&self, trigger: Trigger) {
        let order = self.order(trigger);
        let account = self.vault.linked().account;
        self.audit.append(AuditKind::Retire, &order).unwrap();
        self.vault.begin_next().await.unwrap();
        self.archive.retire(&order, account, "a test").unwrap();
    }

    pub async fn restore(&self, id: ArchiveId) -> Linked {
        let order = self.order(Trigger::Bus);
        let account = self.vault.linked().account;
        let prepared = self.archive.prepare(id).await.unwrap();
        let linked = self.switch(&prepared).await;
        self.archive.retire(&order, account, "a test").unwrap();
        linked
    }

    async fn switch(&self, prepared: &Prepared) -> Linked {
        self.vault
            .begin_restored(prepared.path())
            .await
            .unwrap()
            .linked
    }

    pub async fn device(&self) -> Device {
        self.vault.backend().load().await.unwrap().unwrap()
    }

    /// Pre-keys are made and handed out.
    pub async fn hand_out(&self, count: u32) {
        let mut device = self.device().await;
        device.next_pre_key_id += count;
        device.first_unupload_pre_key_id = device.next_pre_key_id;
        device.server_has_prekeys = true;
        self.vault.backend().save(&device).await.unwrap();
    }
}

fn mac(seed: u8) -> AppStateMutationMAC {
    AppStateMutationMAC {
        index_mac: vec![seed; 32],
        value_mac: vec![seed ^ 0xff; 32],
    }
}

async fn collection(backend: &dyn Backend, name: &str, sound: bool) {
    let macs = [mac(1), mac(2)];
    let hash = WAPATCH_INTEGRITY.subtract_then_add::<&[u8], _>(
        &[0; 128],
        &[],
        &macs.each_ref().map(|mac| &mac.value_mac),
    );
    let state = HashState {
        version: 7,
        hash: hash.try_into().unwrap(),
        ..HashState::default()
    };
    let stored = if sound { &macs[..] } else { &macs[..1] };
    backend.set_version(name, state).await.unwrap();
    backend.put_mutation_macs(name, 7, stored).await.unwrap();
}

/// Links the live generation and gives it records of every tier.
pub async fn link(home: &Home) -> Device {
    let backend = home.vault.backend();
    let mut device = Device::new();
    device.pn = Some("15550001234:7@s.whatsapp.net".parse().unwrap());
    device.lid = Some("100000000000009:7@lid".parse().unwrap());
    (device.next_pre_key_id, device.first_unupload_pre_key_id) = (31, 31);
    device.server_has_prekeys = true;
    backend.save(&device).await.unwrap();
    backend.store_signed_prekey(2, b"signed").await.unwrap();
    backend.put_identity(PEER, [7; 32]).await.unwrap();
    backend
        .put_lid_mapping(&LidPnMappingEntry {
            lid: "100000000000001".into(),
            phone_number: "15550000002".into(),
            created_at: 1,
            updated_at: 1,
            learning_source: "a test".into(),
        })
        .await
        .unwrap();
    collection(&*backend, "regular", true).await;
    collection(&*backend, "critical_block", false).await;
    backend.put_session(PEER, b"session").await.unwrap();
    backend.put_sender_key("group", b"key").await.unwrap();
    backend.store_prekey(30, b"private", true).await.unwrap();
    backend.put_group_metadata("group", b"cache").await.unwrap();
    device
}

#[tokio::test]
async fn the_identity_and_the_kept_tier_come_back_and_no_ratchet() {
    let home = Home::open().await;
    let linked = link(&home).await;
    home.retire(Trigger::Bus).await;
    assert_eq!(home.vault.linked().account, None);

    let restored = home.restore(FIRST).await;
    let expected = Linked {
        generation: GenerationId(3),
        account: Some(LastFour(*b"1234")),
    };
    assert_eq!((restored, home.vault.linked()), (expected, expected));
    let home = home.restart().await;
    assert_eq!(home.vault.linked(), expected);

    let (device, backend) = (home.device().await, home.vault.backend());
    assert!(device.noise_key.private_key == linked.noise_key.private_key);
    assert!(device.identity_key.private_key == linked.identity_key.private_key);
    assert!(device.signed_pre_key.private_key == linked.signed_pre_key.private_key);
    assert_eq!(device.signed_pre_key_id, 3 + 1_000, "behind the one staged");
    assert!(backend.load_signed_prekey(1).await.unwrap().is_some());
    assert_eq!(device.pn, linked.pn);
    assert_eq!(device.next_pre_key_id, 10_031);
    assert_eq!(device.first_unupload_pre_key_id, 10_031);
    assert!(
        !device.server_has_prekeys,
        "the next login uploads fresh ones"
    );
    let signed = backend.load_signed_prekey(2).await.unwrap();
    assert_eq!(signed.as_deref(), Some(&b"signed"[..]));
    assert_eq!(backend.load_identity(PEER).await.unwrap(), Some([7; 32]));
    let mapping = backend.get_lid_mapping("100000000000001").await.unwrap();
    assert_eq!(mapping.unwrap().phone_number, "15550000002");
    assert_eq!(backend.get_version("regular").await.unwrap().version, 7);
    let kept = backend.get_mutation_mac("regular", &[1; 32]).await.unwrap();
    assert_eq!(kept, Some(vec![0xfe; 32]));
    let lost = backend.get_version("critical_block").await.unwrap();
    assert_eq!(lost.version, 0, "its MACs were not all there");

    assert_eq!(backend.get_session(PEER).await.unwrap(), None);
    assert_eq!(backend.get_sender_key("group").await.unwrap(), None);
    assert_eq!(backend.load_prekey(30).await.unwrap(), None);
    assert_eq!(backend.get_group_metadata("group").await.unwrap(), None);
}

#[tokio::test]
async fn an_archive_is_read_without_a_byte_of_it_changing() {
    let home = Home::open().await;
    link(&home).await;
    home.retire(Trigger::Bus).await;
    let path = home.archive.find(FIRST).unwrap().path;
    let before = contents(&path);
    let shown = home.archive.show(FIRST).await.unwrap();
    assert_eq!(shown.standing, Standing::Restorable);
    assert_eq!(shown.records.kept["identity"], 2);
    // A peer's identity, a mapping and its index, a sound collection of one state and two MACs.
    assert_eq!(shown.records.kept["kept"], 6);
    assert_eq!(shown.records.dropped["ratchet"], 3);
    assert_eq!(shown.records.dropped["rebuildable"], 1);
    assert_eq!(shown.records.bad, 0);
    home.restore(FIRST).await;
    assert_eq!(contents(&path), before);
    gone(&home.dir.root().join("workshop")).await;
}

/// Waits until a directory is removed: a thread of its own does that, for it may hold a whole store.
pub async fn gone(dir: &Path) {
    let gone = async {
        while dir.exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone)
        .await
        .expect("it is removed");
}

/// All files of a directory.
pub fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                found.push((path.display().to_string(), fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn no_restore_begins_at_a_pre_key_id_that_any_copy_used() {
    let home = Home::open().await;
    link(&home).await;
    home.retire(Trigger::Bus).await;
    home.restore(FIRST).await;
    home.hand_out(400).await;
    // The newest copy is the live one, then an archived one.
    home.restore(FIRST).await;
    assert_eq!(
        home.device().await.next_pre_key_id,
        31 + 10_000 + 400 + 10_000
    );
    home.hand_out(7).await;
    home.retire(Trigger::Button).await;
    home.restore(ArchiveId::Retired(GenerationId(3))).await;
    let expected = 31 + 10_000 + 400 + 10_000 + 7 + 10_000;
    assert_eq!(home.device().await.next_pre_key_id, expected);
    let lineage = |id| {
        let archived = home.archive.find(ArchiveId::Retired(GenerationId(id)));
        let lineage = archived.unwrap().manifest.unwrap().lineage;
        lineage.origin.restored_from
    };
    assert_eq!(lineage(1), None);
    assert_eq!(lineage(3).as_deref(), Some("gen-0001"));
    assert_eq!(lineage(4).as_deref(), Some("gen-0001"));
}

#[tokio::test]
async fn a_copy_whose_identity_is_lost_makes_the_leap_longer() {
    let home = Home::open().await;
    link(&home).await;
    home.retire(Trigger::Bus).await;
    home.restore(FIRST).await;
    home.retire(Trigger::Bus).await;
    let lost = home.archive.find(ArchiveId::Retired(GenerationId(3)));
    for slot in ["identity.a", "identity.b"] {
        fs::write(lost.as_ref().unwrap().path.join(slot), b"rotten").unwrap();
    }
    home.restore(FIRST).await;
    assert_eq!(home.device().await.next_pre_key_id, 31 + 2 * 10_000);
}

#[tokio::test]
async fn a_broken_store_costs_no_link() {
    let home = Home::open().await;
    link(&home).await;
    home.retire(Trigger::Bus).await;
    for (path, bytes) in contents(&home.archive.find(FIRST).unwrap().path) {
        if path.contains("/store") {
            fs::write(path, vec![0x5a; bytes.len()]).unwrap();
        }
    }
    let shown = home.archive.show(FIRST).await.unwrap();
    assert_eq!((shown.records.kept["identity"], shown.records.bad), (2, 1));
    let restored = home.restore(FIRST).await;
    assert_eq!(restored.account, Some(LastFour(*b"1234")));
    assert_eq!(home.device().await.next_pre_key_id, 10_031);
}

#[tokio::test]
async fn what_whatsapp_revoked_stays_away_under_all_its_names() {
    let home = Home::open().await;
    link(&home).await;
    home.retire(Trigger::Bus).await;
    home.restore(FIRST).await;
    home.retire(Trigger::Server).await;
    for id in [1, 3] {
        let id = ArchiveId::Retired(GenerationId(id));
        let by = ArchiveId::Retired(GenerationId(3));
        assert_eq!(home.archive.standing(id).unwrap(), Standing::Revoked(by));
        let refused = home.archive.prepare(id).await.unwrap_err();
        assert!(matches!(refused, HistoryError::Revoked { .. }), "{refused}");
        assert!(refused.to_string().contains("revoked"));
    }
}

#[tokio::test]
async fn what_cannot_be_restored_says_why() {
    let home = Home::open().await;
    home.retire(Trigger::Bus).await;
    let refused = home.archive.prepare(FIRST).await.unwrap_err();
    assert!(matches!(refused, HistoryError::NeverLinked { .. }));
    link(&home).await;
    home.retire(Trigger::Bus).await;
    let second = ArchiveId::Retired(GenerationId(2));
    let manifest = home
        .archive
        .find(second)
        .unwrap()
        .path
        .join("manifest.json");
    fs::write(manifest, "damaged").unwrap();
    let refused = home.archive.prepare(second).await.unwrap_err();
    assert!(matches!(refused, HistoryError::NoManifest { .. }));
    let refused = home
        .archive
        .prepare(ArchiveId::Imported(1))
        .await
        .unwrap_err();
    assert!(matches!(refused, HistoryError::NoArchive { .. }));
}

#[tokio::test]
async fn a_restore_that_fails_is_in_the_way_of_no_later_one_and_of_no_re_link() {
    let home = Home::open().await;
    link(&home).await;
    home.retire(Trigger::Bus).await;
    // The last step cannot be done: no file takes this place.
    let current = home.dir.current();
    fs::remove_file(&current).unwrap();
    fs::create_dir(&current).unwrap();
    for _ in 0..2 {
        let prepared = home.archive.prepare(FIRST).await.unwrap();
        let failed = home.vault.begin_restored(prepared.path()).await;
        assert!(failed.is_err());
        assert!(!home.dir.generation(GenerationId(3)).exists());
        assert_eq!(home.vault.linked().generation, GenerationId(2));
    }
    gone(&home.dir.root().join("workshop")).await;
    fs::remove_dir(&current).unwrap();
    assert!(home.restore(FIRST).await.account.is_some());
    home.retire(Trigger::Button).await;
    assert_eq!(home.vault.linked().generation, GenerationId(4));
}

/// Copies the whole data directory: what a cut at this moment leaves.
fn cut_now(dir: &DataDir) -> (TempDir, DataDir) {
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
    let (root, at) = place();
    copy(dir.root(), at.root());
    (root, at)
}

#[tokio::test]
async fn a_cut_anywhere_on_the_way_leaves_the_old_link_or_the_restored_one() {
    let home = Home::open().await;
    let linked = link(&home).await;
    home.retire(Trigger::Bus).await;
    let order = home.order(Trigger::Bus);
    let mut cuts = vec![("before", cut_now(&home.dir), 2)];
    let prepared = home.archive.prepare(FIRST).await.unwrap();
    cuts.push(("prepared", cut_now(&home.dir), 2));
    let half = cut_now(&home.dir);
    fs::remove_file(half.1.root().join("workshop/generation/origin.json")).unwrap();
    cuts.push(("half prepared", half, 2));
    let placed = cut_now(&home.dir);
    let (workshop, place) = (
        placed.1.root().join("workshop/generation"),
        placed.1.generation(order.new),
    );
    fs::rename(workshop, place).unwrap();
    cuts.push(("in its place", placed, 2));
    home.switch(&prepared).await;
    cuts.push(("live", cut_now(&home.dir), 3));
    home.archive.retire(&order, None, "a test").unwrap();
    cuts.push(("old one archived", cut_now(&home.dir), 3));
    drop(prepared);
    gone(&home.dir.root().join("workshop")).await;
    cuts.push(("done", cut_now(&home.dir), 3));

    for (when, (root, dir), live) in cuts {
        let home = Home::reopen(root, dir).await;
        assert_eq!(home.vault.linked().generation, GenerationId(live), "{when}");
        assert!(!home.dir.root().join("workshop").exists(), "{when}");
        let archived: Vec<_> = home.archive.list().unwrap();
        let ids: Vec<_> = archived.iter().map(|archived| archived.id).collect();
        let expected: Vec<_> = (1..live)
            .map(|id| ArchiveId::Retired(GenerationId(id)))
            .collect();
        assert_eq!(ids, expected, "{when}");
        if live == 2 {
            // And it goes through at the second try.
            home.restore(FIRST).await;
        }
        let device = home.device().await;
        assert!(device.identity_key.private_key == linked.identity_key.private_key);
        assert_eq!(device.next_pre_key_id, 10_031, "{when}");
        let home = home.restart().await;
        assert_eq!(home.vault.linked().generation, GenerationId(3), "{when}");
    }
}
