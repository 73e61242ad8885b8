//! One file takes an archive elsewhere, and only one place may run it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::iter;

use age::secrecy::SecretString;
use holdfast::history::{Archive, Audit, HistoryError, Passphrase, Standing};
use holdfast::vault::{Generations, Vault};
use holdfast_core::{ArchiveId, GenerationId, Limits, Trigger};
use holdfast_medium::space::{Capacity, Reserve};
use holdfast_medium::{Secret, Stamp, barrier::Barrier};
use tempfile::NamedTempFile;

use super::restore::{FIRST, Home, contents, gone, link};

const PASSPHRASE: &str = "correct horse battery";
const IMPORT: ArchiveId = ArchiveId::Imported(1);

fn passphrase() -> Secret<String> {
    Secret::new(PASSPHRASE.into())
}

async fn export(home: &Home, id: ArchiveId) -> Result<NamedTempFile, HistoryError> {
    let file = NamedTempFile::new().unwrap();
    export_to(home, id, file.reopen().unwrap()).await?;
    Ok(file)
}

/// Both halves of an export.
async fn export_to(home: &Home, id: ArchiveId, output: File) -> Result<(), HistoryError> {
    let passphrase = Passphrase::new(passphrase())?;
    let given_up = home.archive.give_up(&home.audit, id).await?;
    given_up.write_out(passphrase, output).await
}

async fn import(home: &Home, bytes: &[u8], passphrase: &str) -> Result<ArchiveId, HistoryError> {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let passphrase = Secret::new(passphrase.to_owned());
    let input = file.reopen().unwrap();
    let arrived = home.archive.receive(passphrase, input).await?;
    home.archive.take_in(&home.audit, arrived).await
}

fn read(file: NamedTempFile) -> Vec<u8> {
    fs::read(file.path()).unwrap()
}

/// A place with one retired link, exported.
async fn exported() -> (Home, Vec<u8>) {
    let home = Home::open().await;
    link(&home).await;
    home.retire(Trigger::Bus).await;
    let bytes = read(export(&home, FIRST).await.unwrap());
    (home, bytes)
}

#[tokio::test]
async fn deeds_are_refused_while_a_log_out_takes_long_and_go_on_after_it() {
    let home = Home::open().await;
    link(&home).await;
    home.retire(Trigger::Bus).await;
    let departing = home.archive.depart(&home.audit, FIRST).await.unwrap();
    tokio::time::pause();
    let given_up = home.archive.give_up(&home.audit, FIRST).await.map(drop);
    let prepared = home.archive.prepare(FIRST).await.map(drop);
    for refused in [given_up, prepared] {
        assert!(matches!(refused, Err(HistoryError::Busy)), "{refused:?}");
    }
    tokio::time::resume();
    departing.end(false).await.unwrap();
    home.archive.prepare(FIRST).await.unwrap();
}

#[tokio::test]
async fn no_id_comes_again_when_every_copy_that_used_it_is_gone() {
    let (home, bytes) = exported().await;
    let mut furthest = (31, 2);
    for generation in 3..6 {
        let id = import(&home, &bytes, PASSPHRASE).await.unwrap();
        home.restore(id).await;
        let device = home.device().await;
        let next = (device.next_pre_key_id, device.signed_pre_key_id);
        assert!(
            next.0 > furthest.0 && next.1 > furthest.1,
            "{next:?} {furthest:?}"
        );
        home.hand_out(400).await;
        furthest = (next.0 + 400, next.1);
        home.retire(Trigger::Bus).await;
        while home
            .archive
            .drop_oldest(&home.audit)
            .await
            .unwrap()
            .is_some()
        {}
        assert_eq!(home.archive.count().unwrap(), 1, "{generation}");
        // The newest stays, unless somebody moves it away by hand.
        fs::remove_dir_all(home.dir.archive()).unwrap();
    }
}

#[tokio::test]
async fn an_export_says_how_far_its_device_got_in_any_copy() {
    let home = Home::open().await;
    link(&home).await;
    home.retire(Trigger::Bus).await;
    home.restore(FIRST).await;
    home.hand_out(400).await;
    home.retire(Trigger::Bus).await;
    // The copy that got furthest is gone, and the one that leaves never ran so far.
    let third = home.archive.find(ArchiveId::Retired(GenerationId(3)));
    fs::remove_dir_all(third.unwrap().path).unwrap();
    let bytes = read(export(&home, FIRST).await.unwrap());
    let there = Home::open().await;
    let id = import(&there, &bytes, PASSPHRASE).await.unwrap();
    there.restore(id).await;
    let device = there.device().await;
    assert!(device.next_pre_key_id > 31 + 10_000 + 400 + 10_000);
    assert!(device.signed_pre_key_id > 1 + 1_000 + 1_000);
}

#[tokio::test]
async fn what_a_log_out_gave_out_is_not_given_out_again() {
    let home = Home::open().await;
    link(&home).await;
    home.retire(Trigger::Bus).await;
    let mut next = 31;
    for _ in 0..3 {
        let departing = home.archive.depart(&home.audit, FIRST).await.unwrap();
        let barrier = Barrier::start().unwrap();
        let vault = Vault::open(departing.dir().clone(), barrier.clone())
            .await
            .unwrap();
        let mut device = vault.backend().load().await.unwrap().unwrap();
        assert!(device.next_pre_key_id >= next + 1_000, "{next}");
        assert!(device.server_has_prekeys, "no upload is asked for");
        device.next_pre_key_id += 812;
        next = device.next_pre_key_id;
        vault.backend().save(&device).await.unwrap();
        vault.close().await.unwrap();
        barrier.stop().await.unwrap();
        drop(vault);
        departing.end(false).await.unwrap();
    }
    home.restore(FIRST).await;
    assert!(home.device().await.next_pre_key_id >= next, "{next}");
}

#[tokio::test]
async fn an_archive_arrives_elsewhere_as_it_was_and_only_there_it_runs() {
    let (here, bytes) = exported().await;
    assert!(bytes.starts_with(b"age-encryption.org/v1\n-> scrypt "));
    let refused = here.archive.prepare(FIRST).await.unwrap_err();
    assert!(
        matches!(refused, HistoryError::Exported { .. }),
        "{refused}"
    );
    assert!(refused.to_string().contains("import"), "{refused}");

    let there = Home::open().await;
    link(&there).await;
    assert_eq!(import(&there, &bytes, PASSPHRASE).await.unwrap(), IMPORT);
    let (from, to) = (
        here.archive.find(FIRST).unwrap(),
        there.archive.find(IMPORT).unwrap(),
    );
    let without_manifest = |path| {
        let mut files = contents(path);
        files.retain(|(name, _)| !name.ends_with("manifest.json"));
        files
            .into_iter()
            .map(|(_, bytes)| bytes)
            .collect::<Vec<_>>()
    };
    assert_eq!(without_manifest(&from.path), without_manifest(&to.path));
    let manifest = to.manifest.unwrap();
    assert_eq!(manifest.id, "import-0001");
    assert_eq!(manifest.lineage.imported_from.as_deref(), Some("gen-0001"));
    assert_eq!(manifest.exported, None);
    assert_eq!(
        there.archive.standing(IMPORT).unwrap(),
        Standing::Restorable
    );
    assert_eq!(there.restore(IMPORT).await.generation, GenerationId(2));

    for (home, kinds) in [(&here, &["retire", "export"][..]), (&there, &["import"])] {
        let entries = home.audit.read(1, 10).unwrap();
        assert_eq!(entries.len(), kinds.len());
        for (entry, kind) in entries.iter().zip(kinds) {
            assert!(entry.contains(&format!("\"kind\":\"{kind}\"")), "{entry}");
        }
        assert_eq!(home.audit.check().unwrap().faults, []);
    }
}

#[tokio::test]
async fn an_export_is_marked_and_recorded_before_a_byte_of_it_is_out() {
    let home = Home::open().await;
    link(&home).await;
    // More than fits into a pipe.
    let more = home.dir.generation(GenerationId(1)).join("more");
    fs::write(more, vec![7; 1 << 20]).unwrap();
    home.retire(Trigger::Bus).await;
    let (mut reader, writer) = std::io::pipe().unwrap();
    let (archive, log) = (home.archive.clone(), home.dir.clone());
    let first = std::thread::spawn(move || {
        let mut byte = [0];
        reader.read_exact(&mut byte).unwrap();
        let standing = archive.standing(FIRST).unwrap();
        let entries = Audit::open(&log).read(1, 10).unwrap();
        // The rest is lost: it counts as exported all the same.
        drop(reader);
        (standing, entries)
    });
    let output = File::from(std::os::fd::OwnedFd::from(writer));
    let lost = export_to(&home, FIRST, output).await;
    let (standing, entries) = first.join().unwrap();
    assert!(matches!(lost, Err(HistoryError::Output(_))), "{lost:?}");
    let last = home.archive.last_export().unwrap();
    assert_eq!(last, None, "what is lost on its way is no copy");
    assert!(matches!(standing, Standing::Exported(_)), "{standing:?}");
    assert!(entries[1].contains("\"kind\":\"export\""), "{entries:?}");

    let home = home.restart().await;
    let standing = home.archive.standing(FIRST).unwrap();
    assert!(matches!(standing, Standing::Exported(_)), "{standing:?}");
    let before = Stamp::now();
    let again = read(export(&home, FIRST).await.unwrap());
    let home = home.restart().await;
    let last = home.archive.last_export().unwrap().unwrap();
    assert_eq!(last.id, "gen-0001");
    assert!((before.wall_ms..=Stamp::now().wall_ms).contains(&last.at.wall_ms));
    fs::write(home.dir.exported(), "{").unwrap();
    let unknown = home.archive.last_export();
    assert!(
        matches!(unknown, Err(HistoryError::Io { .. })),
        "{unknown:?}"
    );
    assert_eq!(import(&home, &again, PASSPHRASE).await.unwrap(), IMPORT);
}

#[tokio::test]
async fn nothing_is_given_away_taken_in_or_logged_out_that_was_not_recorded() {
    let (_elsewhere, file) = exported().await;
    let home = Home::open().await;
    link(&home).await;
    home.retire(Trigger::Bus).await;
    // The log cannot be written where a directory has its name.
    fs::remove_file(home.dir.audit()).unwrap();
    fs::create_dir(home.dir.audit()).unwrap();
    let before = contents(&home.dir.archive());
    assert!(home.archive.give_up(&home.audit, FIRST).await.is_err());
    assert!(home.archive.depart(&home.audit, FIRST).await.is_err());
    assert!(!home.dir.root().join("workshop").exists());
    assert!(import(&home, &file, PASSPHRASE).await.is_err());
    assert_eq!(contents(&home.dir.archive()), before);
}

#[tokio::test]
async fn every_copy_of_an_exported_device_stays_but_what_comes_back_in() {
    let home = Home::open().await;
    link(&home).await;
    home.retire(Trigger::Bus).await;
    home.restore(FIRST).await;
    let third = ArchiveId::Retired(GenerationId(3));
    let live = export(&home, FIRST).await.unwrap_err();
    assert!(
        matches!(
            live,
            HistoryError::Live {
                live: GenerationId(3),
                ..
            }
        ),
        "{live}"
    );
    home.retire(Trigger::Bus).await;
    let bytes = read(export(&home, third).await.unwrap());
    for id in [FIRST, third] {
        let refused = home.archive.prepare(id).await.unwrap_err();
        assert!(matches!(refused, HistoryError::Exported { .. }), "{id}");
    }
    assert_eq!(import(&home, &bytes, PASSPHRASE).await.unwrap(), IMPORT);
    home.restore(IMPORT).await;
    let next = home.device().await.next_pre_key_id;
    let far = 31 + 3 * 10_000..31 + 3 * 10_000 + (1 << 20);
    assert!(far.contains(&next), "{next}");
    assert!(matches!(
        home.archive.standing(FIRST).unwrap(),
        Standing::Exported(_)
    ));
}

/// An age file with this inside.
fn sealed(items: &[u8]) -> Vec<u8> {
    let mut recipient = age::scrypt::Recipient::new(SecretString::from(PASSPHRASE.to_owned()));
    recipient.set_work_factor(2);
    let recipients = iter::once(&recipient as &dyn age::Recipient);
    let mut sealed = Vec::new();
    let encryptor = age::Encryptor::with_recipients(recipients).unwrap();
    let mut output = encryptor.wrap_output(&mut sealed).unwrap();
    output.write_all(items).unwrap();
    output.finish().unwrap();
    sealed
}

fn framed(items: &[Vec<u8>]) -> Vec<u8> {
    let mut stream = Vec::new();
    for item in items {
        stream.extend_from_slice(&u32::try_from(item.len()).unwrap().to_le_bytes());
        stream.extend_from_slice(item);
    }
    stream
}

/// The item of one variant, as minicbor writes it.
fn item(variant: u32, fields: impl FnOnce(&mut minicbor::Encoder<Vec<u8>>)) -> Vec<u8> {
    let mut encoder = minicbor::Encoder::new(Vec::new());
    encoder.array(2).unwrap().u32(variant).unwrap();
    fields(&mut encoder);
    encoder.into_writer()
}

fn begins() -> Vec<u8> {
    item(0, |it| {
        let it = it.array(3).unwrap().str("holdfast archive").unwrap();
        it.u32(1).unwrap().str("gen-0001").unwrap();
    })
}

fn file(name: &str, bytes: &[u8]) -> Vec<Vec<u8>> {
    let piece = |bytes: &[u8]| {
        item(2, |it| {
            it.array(1).unwrap().bytes(bytes).unwrap();
        })
    };
    let mut items = vec![item(1, |it| {
        it.array(1).unwrap().str(name).unwrap();
    })];
    items.extend(bytes.chunks(1 << 16).map(piece));
    items
}

/// A manifest that names one file of this size.
fn manifest(bytes: u64) -> Vec<u8> {
    let manifest = serde_json::json!({
        "id": "gen-0001", "boot": null, "wall_ms": 1, "mono_ms": null, "trigger": "bus", "reason": "a test",
        "account": null, "lineage": { "previous": null, "next": "gen-0002" }, "files": { "zeros": bytes },
    });
    manifest.to_string().into_bytes()
}

/// 64 MiB, of which so much more is free than what the operator is warned at.
fn small(above: u64) -> std::io::Result<Capacity> {
    let total_bytes = 64 << 20;
    Ok(Capacity {
        free_bytes: Limits::default().on(total_bytes).little + above,
        total_bytes,
    })
}

#[tokio::test]
async fn an_import_takes_no_more_than_an_archive_can_and_than_there_is_room_for() {
    let zeros = vec![0; 20 << 20];
    let untold = [vec![begins()], file("zeros", &zeros)].concat();
    let told = |bytes| [vec![begins()], file("manifest.json", &manifest(bytes))].concat();
    let more = |mut items: Vec<Vec<u8>>, bytes| {
        items.extend(file("zeros", &zeros[..bytes]));
        sealed(&framed(&items))
    };
    let there = Home::open().await;
    let large = import(&there, &more(untold.clone(), 0), PASSPHRASE).await;
    assert!(matches!(large, Err(HistoryError::TooLarge)), "{large:?}");
    // Said at once, before the rest of it is waited for.
    let large = import(&there, &more(told(2 << 30), 0), PASSPHRASE).await;
    assert!(matches!(large, Err(HistoryError::TooLarge)), "{large:?}");
    let longer = import(&there, &more(told(4096), 20_000), PASSPHRASE).await;
    assert!(matches!(longer, Err(HistoryError::Altered)), "{longer:?}");

    let (_root, dir) = super::place();
    let (archive, _) = Archive::open(&dir, GenerationId(1), Generations).unwrap();
    let archive = archive.on(Reserve::asking(dir.root(), |_| small(4 << 20)));
    let receive = async |bytes: Vec<u8>| {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(&bytes).unwrap();
        archive.receive(passphrase(), file.reopen().unwrap()).await
    };
    let full = receive(more(told(5 << 20), 0)).await.map(drop);
    let Err(HistoryError::NoRoom { wanted, spare }) = full else {
        panic!("{full:?}");
    };
    assert!(wanted > 5 << 20 && spare == 4 << 20, "{wanted} {spare}");
    // What it says is not all there is to room: the partition is asked as it comes.
    let (_root, dir) = super::place();
    let (archive, _) = Archive::open(&dir, GenerationId(1), Generations).unwrap();
    let archive = archive.on(Reserve::asking(dir.root(), |_| small(0)));
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(&more(untold, 0)).unwrap();
    let full = archive.receive(passphrase(), file.reopen().unwrap()).await;
    assert!(matches!(full, Err(HistoryError::NoRoom { .. })), "{full:?}");
    assert!(!dir.archive().exists(), "nothing is left");
}

#[tokio::test]
async fn what_is_not_a_whole_file_of_ours_is_refused_by_name_and_leaves_nothing() {
    let (_here, bytes) = exported().await;
    let there = Home::open().await;
    // [0, {0: "holdfast archive", 1: 2, 2: "gen-0001"}] in CBOR as minicbor writes it: an item of version 2.
    let begin = |version: u8| {
        let mut item = vec![0x82, 0x00, 0x83, 0x70];
        item.extend_from_slice(b"holdfast archive");
        item.extend_from_slice(&[version, 0x68]);
        item.extend_from_slice(b"gen-0001");
        item
    };
    let mut outside = vec![0x82, 0x01, 0x81, 0x66];
    outside.extend_from_slice(b"../bad");
    let mut altered = bytes.clone();
    let at = altered.len() - 1000;
    altered[at] ^= 1;
    type Expected = fn(&HistoryError) -> bool;
    let cases: [(&str, Vec<u8>, Expected); 9] = [
        ("empty", vec![], |error| {
            matches!(error, HistoryError::Foreign)
        }),
        ("foreign", b"PK\x03\x04 something else".to_vec(), |error| {
            matches!(error, HistoryError::Foreign)
        }),
        ("a foreign age file", sealed(b"a letter"), |error| {
            matches!(error, HistoryError::Foreign)
        }),
        ("newer", sealed(&framed(&[begin(2)])), |error| {
            matches!(error, HistoryError::Newer { version: 2 })
        }),
        ("no end", sealed(&framed(&[begin(1)])), |error| {
            matches!(error, HistoryError::Altered)
        }),
        ("outside", sealed(&framed(&[begin(1), outside])), |error| {
            matches!(error, HistoryError::Foreign)
        }),
        ("altered", altered, |error| {
            matches!(error, HistoryError::Altered)
        }),
        ("cut", bytes[..bytes.len() / 2].to_vec(), |error| {
            matches!(error, HistoryError::Altered)
        }),
        (
            "cut by a byte",
            bytes[..bytes.len() - 1].to_vec(),
            |error| matches!(error, HistoryError::Altered),
        ),
    ];
    // The reserve is set aside as soon as somebody asks for the room.
    Reserve::of(there.dir.root()).room().unwrap();
    let before = contents(there.dir.root());
    for (what, bytes, expected) in cases {
        let error = import(&there, &bytes, PASSPHRASE).await.unwrap_err();
        assert!(expected(&error), "{what}: {error:?}");
    }
    let error = import(&there, &bytes, "wrong horse battery").await;
    assert!(matches!(error, Err(HistoryError::Passphrase)), "{error:?}");
    gone(&there.dir.root().join("workshop-of-imports")).await;
    assert_eq!(contents(there.dir.root()), before);
    assert_eq!(there.archive.list().unwrap(), []);
}

#[tokio::test]
async fn a_short_passphrase_and_a_revoked_link_are_not_exported() {
    let home = Home::open().await;
    link(&home).await;
    home.retire(Trigger::Server).await;
    let revoked = export(&home, FIRST).await.unwrap_err();
    assert!(matches!(revoked, HistoryError::Revoked { .. }), "{revoked}");
    let revoked = home.archive.may_leave(FIRST).unwrap_err();
    assert!(matches!(revoked, HistoryError::Revoked { .. }), "{revoked}");
    let short = Passphrase::new(Secret::new("1234567".to_owned())).err();
    assert!(matches!(short, Some(HistoryError::ShortPassphrase)));
    assert_eq!(
        home.audit.read(1, 10).unwrap().len(),
        1,
        "only the retirement"
    );
}
