//! Room is made in the archive, and the audit says so first.

use std::fs;

use holdfast::history::{Archive, Audit, HistoryError};
use holdfast::vault::Generations;
use holdfast_core::{ArchiveId, GenerationId, Trigger};
use holdfast_medium::DataDir;
use serde_json::json;

use super::place;
use super::restore::{FIRST, Home, link};

#[tokio::test]
async fn room_is_made_by_the_oldest_archive_and_the_audit_says_so_first() {
    let (_root, dir) = place();
    for id in ["gen-0001", "gen-0002"] {
        let generation = dir.archive().join(id);
        fs::create_dir_all(generation.join("store")).unwrap();
        fs::write(generation.join("store/db"), "keys").unwrap();
    }
    let (archive, _) = Archive::open(&dir, GenerationId(3), Generations).unwrap();
    let audit = Audit::open(&dir);
    assert_eq!(archive.count().unwrap(), 2);

    assert_eq!(
        archive.drop_oldest(&audit).await.unwrap(),
        Some(ArchiveId::Retired(GenerationId(1)))
    );
    assert_eq!(archive.count().unwrap(), 1);
    assert!(!dir.archive().join("gen-0001").exists());
    assert!(dir.archive().join("gen-0002/store/db").exists());
    assert_eq!(Audit::verify(&dir.audit()).unwrap().entries, 1);
    let entry = fs::read_to_string(dir.audit()).unwrap();
    for said in [
        "\"kind\":\"drop\"",
        "\"trigger\":\"recovery\"",
        "\"archive\":\"gen-0001\"",
    ] {
        assert!(entry.contains(said), "{entry}");
    }

    fs::remove_dir_all(dir.archive()).unwrap();
    assert_eq!(archive.drop_oldest(&audit).await.unwrap(), None);
    let verdict = Audit::verify(&dir.audit()).unwrap();
    assert_eq!(verdict.entries, 1, "nothing was done, nothing recorded");
}

#[tokio::test]
async fn nothing_is_dropped_that_was_not_recorded() {
    let (_root, dir) = place();
    for id in ["gen-0001", "gen-0002"] {
        fs::create_dir_all(dir.archive().join(id)).unwrap();
    }
    // The log cannot be written where a directory has its name.
    fs::create_dir(dir.audit()).unwrap();
    let (archive, _) = Archive::open(&dir, GenerationId(3), Generations).unwrap();
    assert!(archive.drop_oldest(&Audit::open(&dir)).await.is_err());
    assert_eq!(archive.count().unwrap(), 2);
}

#[test]
fn a_removal_that_was_cut_short_is_finished() {
    let (_root, dir) = place();
    let left = dir.archive().join("gen-0001.dropped");
    fs::create_dir_all(left.join("store")).unwrap();
    let (archive, _) = Archive::open(&dir, GenerationId(3), Generations).unwrap();
    assert_eq!(archive.count().unwrap(), 0, "it is no generation any more");
    archive.finish_dropping().unwrap();
    assert!(!left.exists());
}

/// An archive that came at this time.
fn came(dir: &DataDir, id: &str, retired_ms: u64, imported_ms: Option<u64>) {
    let stamp = |wall_ms| json!({ "boot": null, "wall_ms": wall_ms, "mono_ms": null });
    let manifest = json!({
        "id": id, "boot": null, "wall_ms": retired_ms, "mono_ms": null, "trigger": "bus", "reason": "a test",
        "account": null, "lineage": { "previous": null, "next": "gen-0009" }, "files": {},
        "imported": imported_ms.map(stamp),
    });
    let at = dir.archive().join(id);
    fs::create_dir_all(&at).unwrap();
    fs::write(at.join("manifest.json"), manifest.to_string()).unwrap();
}

#[tokio::test]
async fn what_came_first_goes_first_and_the_newest_retirement_never() {
    let (_root, dir) = place();
    // By the clock of then; the last one came while the clock was wrong.
    came(&dir, "gen-0001", 3_000, None);
    came(&dir, "import-0001", 9_000, Some(4_000));
    came(&dir, "gen-0002", 5_000, None);
    came(&dir, "import-0002", 1_000, Some(6_000));
    came(&dir, "gen-0003", 17, None);
    let (archive, _) = Archive::open(&dir, GenerationId(4), Generations).unwrap();
    let audit = Audit::open(&dir);
    let mut dropped = Vec::new();
    while let Some(id) = archive.drop_oldest(&audit).await.unwrap() {
        dropped.push(id.to_string());
    }
    assert_eq!(
        dropped,
        ["gen-0001", "import-0001", "gen-0002", "import-0002"]
    );
    assert_eq!(archive.count().unwrap(), 1);
}

#[tokio::test]
async fn nobody_loses_an_archive_he_is_at() {
    let home = Home::open().await;
    link(&home).await;
    home.retire(Trigger::Bus).await;
    link(&home).await;
    home.retire(Trigger::Bus).await;
    let prepared = home.archive.prepare(FIRST).await.unwrap();
    tokio::time::pause();
    let refused = home.archive.drop_oldest(&home.audit).await;
    assert!(matches!(refused, Err(HistoryError::Busy)), "{refused:?}");
    tokio::time::resume();
    drop(prepared);
    let given_up = home.archive.give_up(&home.audit, FIRST).await.unwrap();
    let dropped = home.archive.drop_oldest(&home.audit).await.unwrap();
    assert_eq!(
        dropped, None,
        "it is on its way out, and the other is the newest"
    );
    drop(given_up);
    let dropped = home.archive.drop_oldest(&home.audit).await.unwrap();
    assert_eq!(dropped, Some(FIRST));
}
