//! Room is made in the archive, and the audit says so first.

use std::fs;

use holdfast::history::{Archive, Audit};
use holdfast::vault::Generations;
use holdfast_core::{ArchiveId, GenerationId};

use super::place;

#[test]
fn room_is_made_by_the_oldest_archive_and_the_audit_says_so_first() {
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
        archive.drop_oldest(&audit).unwrap(),
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
    assert_eq!(archive.drop_oldest(&audit).unwrap(), None);
    let verdict = Audit::verify(&dir.audit()).unwrap();
    assert_eq!(verdict.entries, 1, "nothing was done, nothing recorded");
}

#[test]
fn nothing_is_dropped_that_was_not_recorded() {
    let (_root, dir) = place();
    fs::create_dir_all(dir.archive().join("gen-0001")).unwrap();
    // The log cannot be written where a directory has its name.
    fs::create_dir(dir.audit()).unwrap();
    let (archive, _) = Archive::open(&dir, GenerationId(2), Generations).unwrap();
    assert!(archive.drop_oldest(&Audit::open(&dir)).is_err());
    assert_eq!(archive.count().unwrap(), 1);
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
