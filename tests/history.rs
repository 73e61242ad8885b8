//! The audit shows whatever was done to it; the archive takes a generation whole, however often it is interrupted.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use holdfast::history::{Archive, Audit, Fault, HistoryError, Kind, Verdict};
use holdfast::vault::DataDir;
use holdfast_core::{GenerationId, LastFour, Trigger};
use tempfile::TempDir;

fn place() -> (TempDir, DataDir) {
    let root = tempfile::tempdir().unwrap();
    let dir = DataDir::new(root.path());
    (root, dir)
}

fn retirement(old: u32) -> holdfast_core::Audit {
    let old = GenerationId(old);
    holdfast_core::Audit {
        trigger: Trigger::Button,
        old,
        new: old.next(),
    }
}

fn audit(entries: u32) -> (TempDir, DataDir) {
    let (root, dir) = place();
    let audit = Audit::open(&dir);
    for number in 1..=entries {
        assert_eq!(
            audit.append(Kind::Retire, &retirement(number)).unwrap(),
            u64::from(number)
        );
    }
    (root, dir)
}

fn verify(dir: &DataDir) -> Verdict {
    Audit::verify(&dir.audit()).unwrap()
}

fn sound(entries: u64) -> Verdict {
    Verdict {
        entries,
        ..Verdict::default()
    }
}

fn lines(dir: &DataDir) -> Vec<String> {
    fs::read_to_string(dir.audit())
        .unwrap()
        .split_inclusive('\n')
        .map(str::to_owned)
        .collect()
}

#[test]
fn an_entry_says_who_what_and_when() {
    let (_root, dir) = audit(2);
    assert_eq!(verify(&dir), sound(2));
    let entry: serde_json::Value = serde_json::from_str(&lines(&dir)[1]).unwrap();
    assert_eq!(entry["seq"], 2);
    assert_eq!(entry["kind"], "retire");
    assert_eq!(entry["trigger"], "button");
    assert_eq!(entry["old"], "gen-0002");
    assert_eq!(entry["new"], "gen-0003");
    assert_eq!(entry["archive"], "gen-0002");
    assert!(entry["wall_ms"].as_u64() > Some(1_600_000_000_000));
    let kernel = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert_eq!(entry["boot"], kernel.trim());
    assert!(entry["mono_ms"].as_u64() > Some(0));
    assert_eq!(
        fs::metadata(dir.audit()).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn without_a_log_nothing_was_recorded() {
    let (_root, dir) = place();
    assert_eq!(verify(&dir), sound(0));
}

#[test]
fn a_flipped_bit_is_found_wherever_it_is() {
    let (_root, dir) = audit(3);
    let whole = fs::read(dir.audit()).unwrap();
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(dir.audit(), flipped).unwrap();
        assert_ne!(verify(&dir).faults, [], "byte {at}");
    }
}

#[test]
fn a_dropped_entry_is_found_also_at_the_end() {
    let (_root, dir) = audit(4);
    let whole = lines(&dir);
    for dropped in 0..whole.len() {
        let mut left = whole.clone();
        left.remove(dropped);
        fs::write(dir.audit(), left.concat()).unwrap();
        let seq = dropped as u64 + 1;
        assert_eq!(
            verify(&dir).faults,
            [Fault::Missing {
                first: seq,
                last: seq
            }]
        );
    }
    fs::remove_file(dir.audit()).unwrap();
    assert_eq!(verify(&dir).faults, [Fault::Missing { first: 1, last: 4 }]);
}

#[test]
fn a_reordered_repeated_or_foreign_entry_is_found() {
    let (_root, dir) = audit(4);
    let whole = lines(&dir);
    for first in 0..whole.len() {
        for second in 0..first {
            let mut swapped = whole.clone();
            swapped.swap(first, second);
            fs::write(dir.audit(), swapped.concat()).unwrap();
            assert_ne!(verify(&dir).faults, [], "{first} and {second}");
        }
        let mut repeated = whole.clone();
        repeated.insert(first, whole[first].clone());
        fs::write(dir.audit(), repeated.concat()).unwrap();
        assert_ne!(verify(&dir).faults, [], "{first} twice");
    }
    let (_other_root, other) = audit(4);
    for replaced in 0..whole.len() {
        let mut mixed = whole.clone();
        mixed[replaced] = lines(&other)[replaced].clone();
        fs::write(dir.audit(), mixed.concat()).unwrap();
        assert_ne!(verify(&dir).faults, [], "{replaced} of another log");
    }
}

#[test]
fn a_lost_head_is_found() {
    let (_root, dir) = audit(3);
    fs::remove_file(dir.audit().with_extension("head")).unwrap();
    assert_eq!(verify(&dir).faults, [Fault::NoHead]);
}

#[test]
fn a_torn_tail_is_named_and_kept_as_evidence() {
    let (_root, dir) = audit(2);
    let head = dir.audit().with_extension("head");
    let head_before = fs::read(&head).unwrap();
    let before = fs::read(dir.audit()).unwrap();
    Audit::open(&dir)
        .append(Kind::Retire, &retirement(3))
        .unwrap();
    let after = fs::read(dir.audit()).unwrap();
    let entry = after.len() - before.len();

    for kept in 1..=entry {
        let torn = &after[..before.len() + kept];
        fs::write(dir.audit(), torn).unwrap();
        fs::write(&head, &head_before).unwrap();
        // What lacks its newline alone is whole.
        let whole = kept + 1 >= entry;
        let named = if whole {
            sound(3)
        } else {
            Verdict {
                torn_tail: Some(kept),
                ..sound(2)
            }
        };
        assert_eq!(verify(&dir), named, "{kept} bytes");

        let next = if whole { 4 } else { 3 };
        assert_eq!(
            Audit::open(&dir)
                .append(Kind::Retire, &retirement(9))
                .unwrap(),
            next
        );
        assert_eq!(verify(&dir), sound(next), "{kept} bytes");
        assert!(
            fs::read(dir.audit()).unwrap().starts_with(torn),
            "{kept} bytes"
        );
    }
}

#[test]
fn evidence_of_a_tear_cannot_be_altered_either() {
    let (_root, dir) = audit(1);
    let torn = [
        fs::read(dir.audit()).unwrap().as_slice(),
        b"{\"seq\":2,\"pr",
    ]
    .concat();
    fs::write(dir.audit(), &torn).unwrap();
    Audit::open(&dir)
        .append(Kind::Retire, &retirement(2))
        .unwrap();
    assert_eq!(verify(&dir), sound(2));

    let whole = fs::read(dir.audit()).unwrap();
    let mut altered = whole.clone();
    altered[torn.len() - 1] ^= 1;
    fs::write(dir.audit(), altered).unwrap();
    assert_eq!(verify(&dir).faults, [Fault::Altered { line: 2 }]);
    let mut lines = lines(&dir);
    lines.remove(1);
    fs::write(dir.audit(), lines.concat()).unwrap();
    assert_eq!(verify(&dir).faults, [Fault::Altered { line: 2 }]);
}

#[test]
fn a_damaged_log_goes_on_and_stays_damaged() {
    let (_root, dir) = audit(3);
    let mut left = lines(&dir);
    left.pop();
    fs::write(dir.audit(), left.concat()).unwrap();
    assert_eq!(
        Audit::open(&dir)
            .append(Kind::Retire, &retirement(9))
            .unwrap(),
        4
    );
    assert_eq!(verify(&dir).faults, [Fault::Missing { first: 3, last: 3 }]);
}

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
    let (archive, finished) = Archive::open(&dir, GenerationId(1)).unwrap();
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
        list.iter()
            .map(|archived| archived.id.0)
            .collect::<Vec<_>>(),
        [1, 2]
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
    let (archive, _) = Archive::open(&dir, GenerationId(1)).unwrap();
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
                let (archive, _) = Archive::open(&other, GenerationId(1)).unwrap();
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
        let (archive, finished) = Archive::open(&dir, GenerationId(2)).unwrap();
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
            Archive::open(&dir, GenerationId(2)).unwrap().1,
            [],
            "{when}"
        );
    }
}

#[test]
fn the_archive_never_overwrites_and_never_hides() {
    let (_root, dir) = place();
    generation(&dir, 1);
    let (archive, _) = Archive::open(&dir, GenerationId(1)).unwrap();
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
        Archive::open(&dir, GenerationId(2)),
        Err(HistoryError::Exists { .. })
    ));
    assert_eq!(content(&archived.path).0, "identity 1");
    assert_eq!(content(&dir.generation(GenerationId(1))).0, "another");
}

#[test]
fn room_is_made_by_the_oldest_archive_and_the_audit_says_so_first() {
    let (_root, dir) = audit(2);
    for id in ["gen-0001", "gen-0002"] {
        let generation = dir.archive().join(id);
        fs::create_dir_all(generation.join("store")).unwrap();
        fs::write(generation.join("store/db"), "keys").unwrap();
    }
    let live = GenerationId(3);
    let (archive, _) = Archive::open(&dir, live).unwrap();
    let audit = Audit::open(&dir);
    assert_eq!(archive.count().unwrap(), 2);

    assert_eq!(
        archive.drop_oldest(&audit, live).unwrap(),
        Some(GenerationId(1))
    );
    assert_eq!(archive.count().unwrap(), 1);
    assert!(!dir.archive().join("gen-0001").exists());
    assert!(dir.archive().join("gen-0002/store/db").exists());
    assert_eq!(verify(&dir), sound(3));
    let entry = lines(&dir).pop().unwrap();
    for said in [
        "\"kind\":\"drop\"",
        "\"trigger\":\"recovery\"",
        "\"old\":\"gen-0001\"",
        "\"new\":\"gen-0003\"",
    ] {
        assert!(entry.contains(said), "{entry}");
    }

    fs::remove_dir_all(dir.archive()).unwrap();
    assert_eq!(archive.drop_oldest(&audit, live).unwrap(), None);
    assert_eq!(verify(&dir), sound(3), "nothing was done, nothing recorded");
}

#[test]
fn nothing_is_dropped_that_was_not_recorded() {
    let (_root, dir) = place();
    fs::create_dir_all(dir.archive().join("gen-0001")).unwrap();
    // The log cannot be written where a directory has its name.
    fs::create_dir(dir.audit()).unwrap();
    let live = GenerationId(2);
    let (archive, _) = Archive::open(&dir, live).unwrap();
    assert!(archive.drop_oldest(&Audit::open(&dir), live).is_err());
    assert_eq!(archive.count().unwrap(), 1);
}

#[test]
fn a_removal_that_was_cut_short_is_finished() {
    let (_root, dir) = place();
    let left = dir.archive().join("gen-0001.dropped");
    fs::create_dir_all(left.join("store")).unwrap();
    let (archive, _) = Archive::open(&dir, GenerationId(3)).unwrap();
    assert_eq!(archive.count().unwrap(), 0, "it is no generation any more");
    archive.finish_dropping().unwrap();
    assert!(!left.exists());
}
