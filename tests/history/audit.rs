//! The audit shows whatever was done to it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use holdfast::history::{Archive, Audit, AuditKey, AuditKind, Fault, Subject, Verdict};
use holdfast::vault::Generations;
use holdfast_core::{ArchiveId, GenerationId, Trigger};
use holdfast_medium::DataDir;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::{place, retirement};

fn audit(entries: u32) -> (TempDir, DataDir) {
    let (root, dir) = place();
    let audit = Audit::open(&dir);
    for number in 1..=entries {
        assert_eq!(
            audit
                .append(AuditKind::Retire, &retirement(number))
                .unwrap(),
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
        .append(AuditKind::Retire, &retirement(3))
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
                .append(AuditKind::Retire, &retirement(9))
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
        .append(AuditKind::Retire, &retirement(2))
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
            .append(AuditKind::Retire, &retirement(9))
            .unwrap(),
        4
    );
    assert_eq!(verify(&dir).faults, [Fault::Missing { first: 3, last: 3 }]);
}

#[test]
fn every_kind_has_its_name_and_only_a_change_has_generations() {
    let (_root, dir) = place();
    let audit = Audit::open(&dir);
    let from = ArchiveId::Imported(1);
    let order = retirement(4);
    audit.append(AuditKind::Repair, &order).unwrap();
    audit
        .append(AuditKind::Restore, Subject::restore(&order, from))
        .unwrap();
    for kind in [AuditKind::Export, AuditKind::Import, AuditKind::Drop] {
        audit
            .append(kind, Subject::archive(Trigger::Bus, from))
            .unwrap();
    }
    assert_eq!(audit.check().unwrap(), sound(5));
    let entries: Vec<serde_json::Value> = audit
        .read(1, 10)
        .unwrap()
        .iter()
        .map(|entry| serde_json::from_str(entry).unwrap())
        .collect();
    let kinds: Vec<_> = entries.iter().map(|entry| &entry["kind"]).collect();
    assert_eq!(kinds, ["repair", "restore", "export", "import", "drop"]);
    assert_eq!(entries[1]["old"], "gen-0004");
    assert_eq!(entries[1]["archive"], "import-0001");
    assert_eq!(entries[2].get("old"), None);
    assert_eq!(entries[2]["trigger"], "bus");
    assert_eq!(audit.read(4, 1).unwrap().len(), 1);
    assert!(audit.read(6, 10).unwrap().is_empty());
}

#[test]
fn every_trigger_has_its_name() {
    let (_root, dir) = place();
    let audit = Audit::open(&dir);
    for (trigger, name) in [
        (Trigger::Button, "button"),
        (Trigger::Bus, "bus"),
        (Trigger::Server, "server"),
        (Trigger::Recovery, "recovery"),
    ] {
        let order = holdfast_core::Order {
            trigger,
            ..retirement(1)
        };
        let seq = audit.append(AuditKind::Retire, &order).unwrap();
        let entry: serde_json::Value =
            serde_json::from_str(&audit.read(seq, 1).unwrap()[0]).unwrap();
        assert_eq!(entry["trigger"], name);
    }
}

fn key() -> Option<AuditKey> {
    AuditKey::of(b"kept where the log is not")
}

/// A sealed log with so many entries behind the one that says so.
fn sealed(entries: u32) -> (TempDir, DataDir, Audit) {
    let (root, dir) = place();
    let audit = Audit::open(&dir).sealed(key());
    assert_eq!(audit.begin(GenerationId(1)).unwrap(), sound(0));
    for number in 1..=entries {
        audit
            .append(AuditKind::Retire, &retirement(number))
            .unwrap();
    }
    assert_eq!(audit.check().unwrap(), sound(u64::from(entries) + 1));
    (root, dir, audit)
}

/// The hash of the last entry as whoever has no key can make it, with the head to it.
fn forge(dir: &DataDir, lines: &[String]) {
    fs::write(dir.audit(), lines.concat()).unwrap();
    let last: serde_json::Value = serde_json::from_str(lines.last().unwrap()).unwrap();
    let head = serde_json::json!({ "seq": last["seq"], "hash": last["hash"] });
    fs::write(dir.audit().with_extension("head"), head.to_string()).unwrap();
}

fn rehash(line: &str, change: impl FnOnce(&mut serde_json::Value)) -> String {
    let mut entry: serde_json::Value = serde_json::from_str(line).unwrap();
    entry.as_object_mut().unwrap().remove("hash");
    change(&mut entry);
    let mut covered = entry.to_string();
    covered.pop();
    let hash = hex::encode(Sha256::digest(&covered));
    format!("{covered},\"hash\":\"{hash}\"}}\n")
}

#[test]
fn an_edited_and_rehashed_log_is_found_where_there_is_a_key() {
    let (_root, dir, audit) = sealed(3);
    let mut edited = lines(&dir);
    // All of it written anew by plain hashes, in good order.
    let mut prev = "0".repeat(64);
    for (at, line) in edited.iter_mut().enumerate() {
        *line = rehash(line, |entry| {
            entry["prev"] = prev.clone().into();
            entry.as_object_mut().unwrap().remove("key");
            if at == 2 {
                entry["trigger"] = "server".into();
            }
        });
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        prev = entry["hash"].as_str().unwrap().to_owned();
    }
    forge(&dir, &edited);
    assert_eq!(
        verify(&dir),
        sound(4),
        "nothing is wrong with it without the key"
    );
    assert_eq!(audit.check().unwrap().faults, [Fault::NotSealed]);

    let (_root, dir, audit) = sealed(3);
    let mut edited = lines(&dir);
    edited[2] = rehash(&edited[2], |entry| entry["trigger"] = "server".into());
    forge(&dir, &edited);
    let faults = audit.check().unwrap().faults;
    assert!(faults.contains(&Fault::Altered { line: 3 }), "{faults:?}");

    // One that is added without the key, behind a sealed one.
    let (_root, dir, audit) = sealed(3);
    Audit::open(&dir)
        .append(AuditKind::Drop, &retirement(9))
        .unwrap();
    let expected = [Fault::Unsealed { line: 5, seq: 5 }, Fault::NotSealed];
    assert_eq!(audit.check().unwrap().faults, expected);
    let other = AuditKey::of(b"another key of sixteen bytes");
    let faults = Audit::open(&dir).sealed(other).check().unwrap().faults;
    assert!(
        faults.contains(&Fault::NoKey { first: 1, last: 4 }),
        "{faults:?}"
    );
}

#[test]
fn both_files_removed_are_missed_where_there_is_a_key() {
    let (_root, dir, audit) = sealed(2);
    fs::remove_file(dir.audit()).unwrap();
    fs::remove_file(dir.audit().with_extension("head")).unwrap();
    assert_eq!(audit.check().unwrap().faults, [Fault::NotSealed]);
}

#[test]
fn a_log_cut_back_with_its_head_is_contradicted_by_what_lies_elsewhere() {
    let (root, dir, audit) = sealed(1);
    let note = root.path().join("elsewhere");
    let audit = audit.anchored(note.clone(), |_| {});
    audit.append(AuditKind::Retire, &retirement(2)).unwrap();
    assert_eq!(audit.check().unwrap(), sound(3));
    let whole = lines(&dir);
    let contradicted = |place: &str, seq| Fault::Contradicted {
        place: place.to_owned(),
        seq,
    };
    forge(&dir, &whole[..2]);
    let faults = [contradicted("a note of this boot", 3)];
    assert_eq!(audit.check().unwrap().faults, faults);
    // What goes on from there does not make it good.
    audit.append(AuditKind::Retire, &retirement(5)).unwrap();
    assert_eq!(audit.check().unwrap().faults, faults);
    let begun = Audit::open(&dir)
        .sealed(key())
        .anchored(note.clone(), |_| {});
    assert_eq!(begun.begin(GenerationId(1)).unwrap().faults, faults);
    assert_eq!(begun.check().unwrap().faults, faults);

    // The note is gone with the boot; the archive still knows.
    fs::remove_file(&note).unwrap();
    forge(&dir, &whole);
    fs::create_dir_all(dir.generation(GenerationId(2))).unwrap();
    let (archive, _) = Archive::open(&dir, GenerationId(2), Generations).unwrap();
    archive.retire(&retirement(2), None, "a test").unwrap();
    assert_eq!(audit.check().unwrap().faults, []);
    forge(&dir, &whole[..1]);
    let faults = [contradicted("the manifest of gen-0002", 3)];
    assert_eq!(audit.check().unwrap().faults, faults);
}

#[test]
fn an_old_log_is_sealed_from_its_first_run_with_a_key_on() {
    let (_root, dir) = audit(2);
    let sealed = Audit::open(&dir).sealed(key());
    assert_eq!(sealed.check().unwrap().faults, [Fault::NotSealed]);
    assert_eq!(sealed.begin(GenerationId(3)).unwrap().faults, []);
    assert_eq!(sealed.check().unwrap(), sound(3));
    assert_eq!(sealed.begin(GenerationId(3)).unwrap(), sound(3), "once");
    let entry: serde_json::Value = serde_json::from_str(&lines(&dir)[2]).unwrap();
    assert_eq!(entry["kind"], "seal");
    assert_eq!(sealed.head().unwrap().seq, 3);
}

/// As version 0.1.0 wrote it.
const RECORDED: &str = include_str!("audit-0.1.0.log");

#[test]
fn a_log_of_an_earlier_version_still_verifies_and_goes_on() {
    let (_root, dir) = place();
    fs::write(dir.audit(), RECORDED).unwrap();
    let lines = RECORDED.lines().count() as u64;
    assert_eq!(verify(&dir).entries, lines);
    let next = Audit::open(&dir).append(AuditKind::Retire, &retirement(3));
    assert_eq!(next.unwrap(), lines + 1);
    assert_eq!(verify(&dir), sound(lines + 1));
}
