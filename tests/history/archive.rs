//! The archive takes a generation whole, however often it is interrupted.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use holdfast::history::{Archive, HistoryError};
use holdfast::vault::Generations;
use holdfast_core::{ArchiveId, GenerationId, LastFour};
use holdfast_medium::DataDir;

use super::{place, retirement};

fn generation(dir: &DataDir, id: u32) {
    let path = dir.generation(GenerationId(id));
    fs::create_dir_all(path.join("store")).unwrap();
    fs::write(path.join("identity.a"), format!("identity {id}")).unwrap();
    fs::write(path.join("store/db"), [7; 100]).unwrap();
}

fn content(path: &Path) -> (String, Vec<u8>) {
    (
        fs::read_to_string(path.join("identity.a")).unwrap(),
        fs::read(path.join("store/db")).unwrap(),
    )
}

#[test]
fn a_generation_is_retired_whole_with_its_manifest() {
    let (_root, dir) = place();
    let (archive, finished) = Archive::open(&dir, GenerationId(1), Generations).unwrap();
    assert_eq!(finished, []);
    for id in [1, 2] {
        generation(&dir, id);
        let account = (id == 2).then_some(LastFour(*b"4711"));
        let archived = archive
            .retire(&retirement(id), account, "the owner asked")
            .unwrap();
        assert_eq!(
            content(&archived.path),
            (format!("identity {id}"), vec![7; 100])
        );
        assert!(!dir.generation(GenerationId(id)).exists());
    }
    let list = archive.list().unwrap();
    assert_eq!(
        list.iter().map(|archived| archived.id).collect::<Vec<_>>(),
        [1, 2].map(|id| ArchiveId::Retired(GenerationId(id)))
    );
    assert_eq!(list[1].path, dir.archive().join("gen-0002"));
    let manifest = list[1].manifest.clone().unwrap();
    assert_eq!(manifest.id, "gen-0002");
    assert_eq!(manifest.trigger.as_deref(), Some("button"));
    assert_eq!(manifest.reason, "the owner asked");
    assert_eq!(manifest.account.as_deref(), Some("4711"));
    assert_eq!(manifest.lineage.previous.as_deref(), Some("gen-0001"));
    assert_eq!(manifest.lineage.next, "gen-0003");
    assert_eq!(manifest.files["store/db"], 100);
    assert_eq!(manifest.files["identity.a"], 10);
    assert_eq!(manifest.files.len(), 2);
    assert_eq!(list[0].manifest.clone().unwrap().account, None);

    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir.archive()), 0o700);
    assert_eq!(mode(&list[1].path.join("manifest.json")), 0o600);
}

#[test]
fn retiring_again_changes_nothing() {
    let (_root, dir) = place();
    generation(&dir, 1);
    let (archive, _) = Archive::open(&dir, GenerationId(1), Generations).unwrap();
    let first = archive
        .retire(&retirement(1), None, "the owner asked")
        .unwrap();
    let again = archive
        .retire(&retirement(1), None, "another reason")
        .unwrap();
    assert_eq!(first, again);
    let missing = archive.retire(&retirement(2), None, "the owner asked");
    assert!(matches!(missing, Err(HistoryError::Missing { .. })));
}

#[test]
fn an_interrupted_retirement_is_finished_at_the_next_start() {
    type Interrupt = fn(&DataDir);
    let interrupts: [(&str, Interrupt, Option<&str>); 4] = [
        ("before the manifest", |_| {}, None),
        (
            "in the manifest",
            |dir| {
                fs::write(
                    dir.generation(GenerationId(1)).join("manifest.json.new"),
                    "{\"id\"",
                )
                .unwrap()
            },
            None,
        ),
        (
            "before the move",
            |dir| {
                let other = DataDir::new(dir.root().join("other"));
                generation(&other, 1);
                let (archive, _) = Archive::open(&other, GenerationId(1), Generations).unwrap();
                let archived = archive
                    .retire(&retirement(1), None, "the owner asked")
                    .unwrap();
                let manifest = dir.generation(GenerationId(1)).join("manifest.json");
                fs::copy(archived.path.join("manifest.json"), manifest).unwrap();
            },
            Some("button"),
        ),
        (
            "with the archive's directory made",
            |dir| fs::create_dir(dir.archive()).unwrap(),
            None,
        ),
    ];
    for (when, interrupt, trigger) in interrupts {
        let (_root, dir) = place();
        generation(&dir, 1);
        generation(&dir, 2);
        generation(&dir, 3);
        interrupt(&dir);
        let (archive, finished) = Archive::open(&dir, GenerationId(2), Generations).unwrap();
        assert_eq!(finished, [GenerationId(1)], "{when}");
        let list = archive.list().unwrap();
        assert_eq!(list.len(), 1, "{when}");
        assert_eq!(
            content(&list[0].path),
            ("identity 1".to_owned(), vec![7; 100]),
            "{when}"
        );
        let manifest = list[0].manifest.clone().unwrap();
        assert_eq!(manifest.trigger.as_deref(), trigger, "{when}");
        assert_eq!(manifest.lineage.next, "gen-0002", "{when}");
        // The live generation, and one that was begun and is not live yet, are left alone.
        for id in [2, 3] {
            assert_eq!(
                content(&dir.generation(GenerationId(id))).0,
                format!("identity {id}"),
                "{when}"
            );
        }
        assert_eq!(
            Archive::open(&dir, GenerationId(2), Generations).unwrap().1,
            [],
            "{when}"
        );
    }
}

#[test]
fn the_archive_never_overwrites_and_never_hides() {
    let (_root, dir) = place();
    generation(&dir, 1);
    let (archive, _) = Archive::open(&dir, GenerationId(1), Generations).unwrap();
    let archived = archive
        .retire(&retirement(1), None, "the owner asked")
        .unwrap();
    fs::write(archived.path.join("manifest.json"), "damaged").unwrap();
    assert_eq!(archive.list().unwrap()[0].manifest, None);

    generation(&dir, 1);
    fs::write(
        dir.generation(GenerationId(1)).join("identity.a"),
        "another",
    )
    .unwrap();
    let again = archive.retire(&retirement(1), None, "the owner asked");
    assert!(matches!(again, Err(HistoryError::Exists { .. })));
    assert!(matches!(
        Archive::open(&dir, GenerationId(2), Generations),
        Err(HistoryError::Exists { .. })
    ));
    assert_eq!(content(&archived.path).0, "identity 1");
    assert_eq!(content(&dir.generation(GenerationId(1))).0, "another");
}
