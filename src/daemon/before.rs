//! Every deed waits for its entry in the audit: until that is on the disk nothing of the deed is there, and without it there never is.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdfast_core::{ArchiveId, GenerationId, Linked, Order, Plan, Trigger};
use holdfast_medium::barrier::Barrier;
use holdfast_medium::{DataDir, Secret};
use parking_lot::Mutex;
use tempfile::TempDir;
use wacore::store::Device;

use super::forget;
use super::generations::{forget_remains, repair, restore, retire};
use super::rooms::Rooms;
use crate::boot;
use crate::history::{AuditKind, Departing, Passphrase};
use crate::vault::Remains;

const FIRST: ArchiveId = ArchiveId::Retired(GenerationId(1));
const PEER: &str = "100000000000001@lid";
const PASSPHRASE: &str = "correct horse battery";

/// What is done to a whole generation while the rooms are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Retire,
    Restore,
    Repair,
    Forget,
    Drop,
    Export,
    Import,
    Farewell,
    Reset,
}

/// Each deed, the entries it begins with, and the place where it may be made ready before, which counts for nothing.
const DEEDS: [(Deed, &[AuditKind], &str); 9] = [
    (Deed::Retire, &[AuditKind::Retire], ""),
    (
        Deed::Restore,
        &[AuditKind::Retire, AuditKind::Restore],
        "workshop",
    ),
    (Deed::Repair, &[AuditKind::Repair], ""),
    (Deed::Forget, &[AuditKind::Forget], ""),
    (Deed::Drop, &[AuditKind::Drop], ""),
    (Deed::Export, &[AuditKind::Export], ""),
    (Deed::Import, &[AuditKind::Import], "workshop-of-imports"),
    (Deed::Farewell, &[AuditKind::Farewell], ""),
    (Deed::Reset, &[AuditKind::Reset], ""),
];

/// Entries that belong to no deed on open rooms: a start repairs before it opens them, and a seal is its own effect.
const OTHERS: [AuditKind; 2] = [AuditKind::Repair, AuditKind::Seal];

impl Deed {
    /// Makes what there is to do it to.
    async fn prepare(self, home: &Home) {
        let retirements = match self {
            Self::Retire | Self::Repair | Self::Import | Self::Reset => 0,
            Self::Restore | Self::Export | Self::Farewell => 1,
            Self::Drop => 2,
            Self::Forget => {
                for number in 1..=4 {
                    let remains = home.dir.quarantine().join(format!("{number:04}-gen-0001"));
                    fs::create_dir_all(&remains).unwrap();
                    fs::write(remains.join("records"), "evidence").unwrap();
                }
                0
            }
        };
        for _ in 0..retirements {
            retire(&home.rooms, home.order()).await.unwrap();
        }
        home.barrier.settle().await.unwrap();
    }

    /// Does it. What it returns holds the effect in its place.
    async fn attempt(self, home: &Home, parcel: &Path) -> anyhow::Result<Option<Departing>> {
        let Rooms { archive, audit, .. } = &home.rooms;
        match self {
            Self::Retire => retire(&home.rooms, home.order()).await.map(drop)?,
            Self::Restore => restore(&home.rooms, home.order(), FIRST).await.map(drop)?,
            Self::Repair => repair(&home.rooms, &home.dir, Plan::REBUILD).await?,
            Self::Forget => {
                forget_remains(&home.dir, audit).await;
                anyhow::ensure!(Remains::old(&home.dir)?.is_empty(), "they stay");
            }
            Self::Reset => forget::begin(&home.rooms, &home.dir, home.order())
                .await
                .map(drop)?,
            Self::Drop => archive.drop_oldest(audit).await.map(drop)?,
            Self::Export => archive.give_up(audit, FIRST).await.map(drop)?,
            Self::Import => {
                let passphrase = Secret::new(PASSPHRASE.to_owned());
                let arrived = archive.receive(passphrase, File::open(parcel)?).await?;
                archive.take_in(audit, arrived).await.map(drop)?;
            }
            Self::Farewell => return Ok(Some(archive.depart(audit, FIRST).await?)),
        }
        Ok(None)
    }
}

/// How the log takes no entry.
#[derive(Clone, Copy, Debug)]
enum Broken {
    /// A directory has its name.
    Closed,
    /// It takes every byte, and none of them is ever on a disk: the null device cannot be synced.
    Unsynced,
}

impl Broken {
    const ALL: [Self; 2] = [Self::Closed, Self::Unsynced];

    fn take_place(self, dir: &DataDir) {
        let log = dir.audit();
        let _ = fs::remove_file(&log);
        match self {
            Self::Closed => fs::create_dir(log),
            Self::Unsynced => symlink("/dev/null", log),
        }
        .unwrap();
    }

    fn give_way(self, dir: &DataDir) {
        match self {
            Self::Closed => fs::remove_dir(dir.audit()),
            Self::Unsynced => fs::remove_file(dir.audit()),
        }
        .unwrap();
    }
}

/// All files and directories of a data directory, but for the audit and one place.
type Tree = BTreeMap<PathBuf, Option<Vec<u8>>>;

fn tree(dir: &DataDir, but: &str) -> Tree {
    let mut tree = Tree::new();
    let mut dirs = vec![dir.root().to_owned()];
    while let Some(at) = dirs.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if name.starts_with("audit.") || name == but {
                continue;
            }
            if path.is_dir() {
                dirs.push(path.clone());
                tree.insert(path, None);
            } else {
                let content = fs::read(&path).unwrap();
                tree.insert(path, Some(content));
            }
        }
    }
    tree
}

/// Looks at the data directory whenever the log says that an entry is on the disk.
struct Watch {
    dir: DataDir,
    but: &'static str,
    before: Tree,
    /// After so many entries the log takes no more.
    breaks: Option<(usize, Broken)>,
    /// Whether all was as before, entry by entry.
    untouched: Vec<bool>,
}

impl Watch {
    fn begin(home: &Home, but: &'static str, breaks: Option<(usize, Broken)>) {
        let watch = Self {
            dir: home.dir.clone(),
            but,
            before: tree(&home.dir, but),
            breaks,
            untouched: Vec::new(),
        };
        watch.break_in_time();
        *home.watch.lock() = Some(watch);
    }

    fn told(&mut self) {
        self.untouched.push(self.is_untouched());
        self.break_in_time();
    }

    fn is_untouched(&self) -> bool {
        self.before == tree(&self.dir, self.but)
    }

    fn break_in_time(&self) {
        if let Some((after, broken)) = self.breaks
            && after == self.untouched.len()
        {
            broken.take_place(&self.dir);
        }
    }

    /// Whether all was untouched at each entry, and whether it is now.
    fn end(home: &Home) -> (Vec<bool>, bool) {
        let watch = home.watch.lock().take().unwrap();
        let untouched = watch.is_untouched();
        (watch.untouched, untouched)
    }
}

/// A data directory with a linked device, open.
struct Home {
    root: TempDir,
    dir: DataDir,
    barrier: Barrier,
    rooms: Rooms,
    watch: Arc<Mutex<Option<Watch>>>,
}

impl Home {
    async fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::new(root.path().join("data"));
        let (barrier, mut rooms) = Rooms::without_panel(&dir).await.unwrap();
        let watch = Arc::<Mutex<Option<Watch>>>::default();
        let told = Arc::clone(&watch);
        let anchor = root.path().join("anchor");
        rooms.audit = rooms.audit.anchored(anchor, move |_| {
            if let Some(watch) = told.lock().as_mut() {
                watch.told();
            }
        });
        let backend = rooms.vault.backend();
        let mut device = Device::new();
        device.pn = Some("15550001234:7@s.whatsapp.net".parse().unwrap());
        backend.save(&device).await.unwrap();
        backend.put_session(PEER, b"session").await.unwrap();
        Self {
            root,
            dir,
            barrier,
            rooms,
            watch,
        }
    }

    fn order(&self) -> Order {
        let old = self.rooms.vault.linked().generation;
        Order {
            trigger: Trigger::Bus,
            old,
            new: old.next(),
        }
    }

    /// Who is live, and a ratchet of it.
    async fn live(&self) -> (Linked, Option<Vec<u8>>) {
        let session = self.rooms.vault.backend().get_session(PEER).await.unwrap();
        let session = session.map(|session| session.to_vec());
        (self.rooms.vault.linked(), session)
    }

    /// The kinds of all entries.
    fn recorded(&self) -> Vec<AuditKind> {
        let entries = self.rooms.audit.read(1, 100).unwrap().into_iter();
        entries
            .map(|entry| {
                let mut entry: serde_json::Value = serde_json::from_str(&entry).unwrap();
                serde_json::from_value(entry["kind"].take()).unwrap()
            })
            .collect()
    }

    /// Ends it in order.
    async fn leave(self) -> (TempDir, DataDir) {
        self.rooms.vault.close().await.unwrap();
        self.barrier.stop().await.unwrap();
        (self.root, self.dir)
    }
}

/// An archive of another place, as a file.
async fn parcel() -> tempfile::NamedTempFile {
    let there = Home::new().await;
    retire(&there.rooms, there.order()).await.unwrap();
    let Rooms { archive, audit, .. } = &there.rooms;
    let given_up = archive.give_up(audit, FIRST).await.unwrap();
    let passphrase = Passphrase::new(Secret::new(PASSPHRASE.to_owned())).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    given_up
        .write_out(passphrase, file.reopen().unwrap())
        .await
        .unwrap();
    file
}

#[tokio::test]
async fn every_deed_waits_for_its_entries() {
    let parcel = parcel().await;
    for (deed, kinds, but) in DEEDS {
        let home = Home::new().await;
        deed.prepare(&home).await;
        let earlier = home.recorded().len();
        Watch::begin(&home, but, None);
        let _effect = deed.attempt(&home, parcel.path()).await.unwrap();
        let (at_entries, untouched) = Watch::end(&home);
        assert_eq!(home.recorded()[earlier..], *kinds, "{deed:?}");
        let all = vec![true; kinds.len()];
        assert_eq!(at_entries, all, "{deed:?} comes before its entry");
        assert!(!untouched, "{deed:?} does nothing that is seen");
        assert_eq!(home.rooms.audit.check().unwrap().faults, [], "{deed:?}");
        for entry in fs::read_dir(home.dir.root()).unwrap() {
            let name = entry.unwrap().file_name();
            assert!(DataDir::is_ours(&name), "{name:?} would outlive a reset");
        }
    }
}

#[tokio::test]
async fn after_a_reset_nothing_of_any_link_is_left_and_the_audit_goes_on() {
    let home = Home::new().await;
    retire(&home.rooms, home.order()).await.unwrap();
    let wanted = forget::begin(&home.rooms, &home.dir, home.order());
    let wanted = wanted.await.unwrap();
    assert_eq!(
        (wanted.links, wanted.listed),
        (1, 1),
        "nobody logged it out"
    );
    let (_root, dir) = home.leave().await;
    assert_eq!(boot::forget::empty(&dir).unwrap(), [""; 0]);
    let (_barrier, rooms) = Rooms::without_panel(&dir).await.unwrap();
    let generation = GenerationId(1);
    let account = None;
    assert_eq!(
        rooms.vault.linked(),
        Linked {
            generation,
            account
        }
    );
    assert!(rooms.archive.list().unwrap().is_empty());
    assert_eq!(rooms.audit.check().unwrap().faults, []);
    let entries = rooms.audit.read(1, 10).unwrap();
    assert!(entries.len() == 2 && entries[1].contains("\"kind\":\"reset\""));
    let emptied = boot::forget::done(&dir).unwrap();
    assert_eq!((emptied.links, emptied.listed, emptied.left), (1, 1, 0));
}

#[tokio::test]
async fn no_deed_is_done_without_one_of_its_entries() {
    let parcel = parcel().await;
    for (deed, kinds, but) in DEEDS {
        for (broken, after) in Broken::ALL
            .into_iter()
            .flat_map(|broken| (0..kinds.len()).map(move |after| (broken, after)))
        {
            let which = format!("{deed:?}, {broken:?} after {after} entries");
            let home = Home::new().await;
            deed.prepare(&home).await;
            let live = home.live().await;
            Watch::begin(&home, but, Some((after, broken)));
            let refused = deed.attempt(&home, parcel.path()).await;
            let (at_entries, untouched) = Watch::end(&home);
            assert!(refused.is_err(), "{which}");
            assert_eq!(at_entries, vec![true; after], "{which}");
            assert!(untouched, "{which}");
            assert_eq!(home.live().await, live, "{which}");
        }
    }
}

#[tokio::test]
async fn a_restore_archives_the_live_generation_before_another_comes() {
    let home = Home::new().await;
    Deed::Restore.prepare(&home).await;
    let live = ArchiveId::Retired(home.rooms.vault.linked().generation);
    assert!(home.rooms.archive.find(live).is_err());
    restore(&home.rooms, home.order(), FIRST).await.unwrap();
    let archived = home.rooms.archive.find(live).unwrap();
    let manifest = archived.manifest.unwrap();
    assert_eq!(manifest.lineage.next, "gen-0003");
    assert_eq!(
        home.recorded()[1..],
        [AuditKind::Retire, AuditKind::Restore]
    );
}

#[tokio::test]
async fn nothing_is_repaired_at_a_start_that_was_not_recorded() {
    for broken in Broken::ALL {
        let (_root, dir) = Home::new().await.leave().await;
        let slot = dir.generation(GenerationId(1)).join("identity.b");
        fs::remove_file(&slot).unwrap();
        broken.take_place(&dir);
        let refused = Rooms::without_panel(&dir).await.err().unwrap();
        assert!(refused.to_string().contains("audit"), "{refused}");
        assert!(!slot.exists(), "it is made good once that is recorded");
        broken.give_way(&dir);
        let (_barrier, rooms) = Rooms::without_panel(&dir).await.unwrap();
        assert!(slot.exists());
        let entries = rooms.audit.read(1, 10).unwrap();
        assert!(entries[0].contains("\"kind\":\"repair\""), "{entries:?}");
    }
}

#[test]
fn every_entry_that_the_source_writes_belongs_to_a_deed_of_these() {
    let deeds = DEEDS.iter().flat_map(|(_, kinds, _)| *kinds);
    let mut expected = BTreeMap::<String, u32>::new();
    for kind in deeds.chain(&OTHERS) {
        *expected.entry(format!("{kind:?}")).or_default() += 1;
    }
    let mut written = BTreeMap::<String, u32>::new();
    let mut dirs = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let text = fs::read_to_string(path).unwrap();
                for call in text.split(".append(").skip(1) {
                    if let Some(kind) = call.trim_start().strip_prefix("AuditKind::") {
                        let kind = kind.split(|c: char| !c.is_alphanumeric()).next();
                        *written.entry(kind.unwrap().to_owned()).or_default() += 1;
                    }
                }
            }
        }
    }
    assert_eq!(written, expected);
}
