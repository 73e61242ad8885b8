//! The boot's steps as processes: what they make on a card, and what becomes of one that cannot be used.

mod tool;

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use holdfast::boot::set_aside;
use holdfast_medium::Machine;
use rustix::process::{getgid, getuid};

use tool::tool;

const ID: &str = "0123456789abcdef0123456789abcdef";

/// A machine with a card, in a directory.
struct Card(tempfile::TempDir);

impl Card {
    fn new() -> Self {
        let card = Self(tempfile::tempdir().unwrap());
        let (user, group) = (getuid().as_raw(), getgid().as_raw());
        let users = format!(
            "root:x:0:0::/root:/bin/sh\nholdfast:x:{user}:{group}::/data/holdfast:/bin/false\n"
        );
        card.put("etc/passwd", &users);
        card.put("etc/machine-id", &format!("{ID}\n"));
        fs::create_dir(card.at("data")).unwrap();
        card.mount("ext4");
        card
    }

    /// As if this were mounted at /data.
    fn mount(&self, kind: &str) {
        let mounts = format!(
            "1 0 179:2 / / ro - squashfs dm-0 ro\n2 1 179:3 / /data rw - {kind} /dev/mmcblk0p3 rw\n"
        );
        self.put("proc/self/mountinfo", &mounts);
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap()
    }

    fn mode(&self, path: &str) -> u32 {
        fs::metadata(self.at(path)).unwrap().mode() & 0o7777
    }

    /// A program in place of the system's, which notes how it was called.
    fn stand_in_for(&self, program: &str, exit: u8) {
        let path = self.at("bin").join(program);
        let log = self.at("calls");
        let script = format!(
            "#!/bin/sh\necho \"{program} $*\" >>{}\nexit {exit}\n",
            log.display()
        );
        self.put(&format!("bin/{program}"), &script);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn step(&self, step: &str) -> Output {
        self.steps(&[step])
    }

    fn steps(&self, steps: &[&str]) -> Output {
        let path = format!(
            "{}:{}",
            self.at("bin").display(),
            std::env::var("PATH").unwrap()
        );
        Command::new(env!("CARGO_BIN_EXE_holdfast-boot"))
            .args(steps)
            .arg("--root")
            .arg(self.0.path())
            .env("PATH", path)
            .env_remove("JOURNAL_STREAM")
            .output()
            .unwrap()
    }

    /// A step that has to go well; what it said.
    fn does(&self, step: &str) -> String {
        let done = self.step(step);
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.success(), "{said}");
        said
    }

    /// Every file and directory below the data partition.
    fn data(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut left = vec![self.at("data")];
        while let Some(dir) = left.pop() {
            for entry in fs::read_dir(dir).unwrap().flatten() {
                let path = entry.path();
                found.insert(
                    path.strip_prefix(self.at("data"))
                        .unwrap()
                        .display()
                        .to_string(),
                );
                if path.is_dir() {
                    left.push(path);
                }
            }
        }
        found
    }
}

/// The linker leaves out what no step reaches: a symbol of one of these crates is of a call that does not belong here.
#[test]
fn the_program_carries_neither_link_nor_store_nor_bus() {
    let holds = |program: &str, name: &str| {
        // As a mangled symbol begins: with the length.
        let symbol = format!("{}{name}", name.len());
        let mut look = Command::new("grep");
        look.env("LC_ALL", "C").args(["-qaF", &symbol, program]);
        look.status().unwrap().code().unwrap() == 0
    };
    for name in ["sled", "tokio", "waproto", "whatsapp_rust", "zbus"] {
        assert!(
            holds(env!("CARGO_BIN_EXE_holdfastd"), name),
            "{name}: the daemon has it; was this built without symbols?"
        );
        assert!(!holds(env!("CARGO_BIN_EXE_holdfast-boot"), name), "{name}");
    }
}

#[test]
fn a_new_card_gets_what_the_daemon_needs_and_an_old_one_is_left_alone() {
    let card = Card::new();
    let said = card.does("data");
    assert!(
        said.contains("made the data directory") && said.contains("machine id"),
        "{said}"
    );
    assert_eq!(card.mode("data/holdfast"), 0o700);
    assert_eq!(card.mode("data/system/ssh"), 0o755);
    assert_eq!(card.read("data/system/machine-id"), format!("{ID}\n"));
    assert_eq!(set_aside(&Machine::at(card.0.path())), None);

    card.put("data/holdfast/CURRENT", "gen-0001");
    card.put("etc/machine-id", &format!("{}\n", "f".repeat(32)));
    let before = card.data();
    assert_eq!(card.does("data"), "");
    assert_eq!(card.data(), before);
    assert_eq!(
        card.read("data/system/machine-id"),
        format!("{ID}\n"),
        "once"
    );
}

#[test]
fn a_machine_without_an_id_draws_one() {
    let mut ids = BTreeSet::new();
    for _ in 0..2 {
        let card = Card::new();
        card.put("etc/machine-id", "uninitialized\n");
        card.does("data");
        let id = card.read("data/system/machine-id");
        assert_eq!(id.trim().len(), 32, "{id}");
        assert!(
            id.trim().bytes().all(|digit| digit.is_ascii_hexdigit()),
            "{id}"
        );
        ids.insert(id);
    }
    assert_eq!(ids.len(), 2, "two cards are two machines");
}

#[test]
fn a_torn_machine_id_is_made_good() {
    let card = Card::new();
    card.put("data/system/machine-id", "0123");
    card.does("data");
    assert_eq!(card.read("data/system/machine-id"), format!("{ID}\n"));
}

#[test]
fn a_partition_that_is_not_mounted_is_set_aside_and_memory_stands_in() {
    let card = Card::new();
    card.put(
        "proc/self/mountinfo",
        "1 0 179:2 / / ro - squashfs dm-0 ro\n",
    );
    card.stand_in_for("mount", 0);
    let said = card.does("data");
    assert!(
        said.contains("set aside, unchanged: it is not mounted"),
        "{said}"
    );
    let calls = card.read("calls");
    let data = card.at("data");
    assert!(
        calls.starts_with("mount -t tmpfs -o size=32m")
            && calls.trim_end().ends_with(data.to_str().unwrap()),
        "{calls}"
    );
    assert_eq!(
        calls.lines().count(),
        1,
        "nothing else is done to it: {calls}"
    );
    assert!(card.at("data/holdfast").is_dir(), "the boot goes on");
    let why = set_aside(&Machine::at(card.0.path()));
    assert_eq!(why.as_deref(), Some("it is not mounted"));
}

#[test]
fn a_partition_that_takes_no_directory_is_set_aside_too() {
    let card = Card::new();
    // What a broken directory looks like from here, to root as well.
    card.put("data/system", "not a directory");
    card.stand_in_for("mount", 0);
    let done = card.step("data");
    assert!(
        !done.status.success(),
        "the stand-in for mount hides nothing"
    );
    assert_eq!(card.read("calls").lines().count(), 1);
    assert!(set_aside(&Machine::at(card.0.path())).is_some());
    assert_eq!(
        card.read("data/system"),
        "not a directory",
        "nothing was changed"
    );
}

#[test]
fn without_memory_either_the_step_says_that_it_failed() {
    let card = Card::new();
    card.put("proc/self/mountinfo", "");
    card.stand_in_for("mount", 32);
    let done = card.step("data");
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(
        !done.status.success() && said.contains("mount failed"),
        "{said}"
    );
}

#[test]
fn an_image_without_our_user_is_not_blamed_on_the_card() {
    let card = Card::new();
    card.put("etc/passwd", "root:x:0:0::/root:/bin/sh\n");
    let done = card.step("data");
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(
        !done.status.success() && said.contains("no user holdfast"),
        "{said}"
    );
    assert_eq!(set_aside(&Machine::at(card.0.path())), None);
}

#[test]
fn the_host_key_is_made_once_and_is_whole() {
    let ssh_keygen = tool("ssh-keygen");
    let card = Card::new();
    card.does("data");
    assert!(card.does("host-key").contains("new SSH host key"));
    let key = "data/system/ssh/ssh_host_ed25519_key";
    assert_eq!(card.mode(key), 0o600);
    let check = Command::new(&ssh_keygen)
        .arg("-y")
        .arg("-f")
        .arg(card.at(key))
        .output()
        .unwrap();
    let public = card.read(&format!("{key}.pub"));
    assert_eq!(
        String::from_utf8(check.stdout).unwrap().trim(),
        public.trim()
    );
    let before = card.read(key);
    // A cut leaves this behind.
    card.put(&format!("{key}.new"), "half");
    assert_eq!(card.does("host-key"), "");
    assert_eq!(card.read(key), before);
    fs::remove_file(card.at(key)).unwrap();
    card.does("host-key");
    assert_ne!(card.read(key), before);
    assert!(!card.at(&format!("{key}.new")).exists());
}

#[test]
fn evidence_is_read_from_a_partition_nobody_has_mounted() {
    let card = Card::new();
    card.put("proc/sys/kernel/random/boot_id", "b1\n");
    let image = card.at("dev/holdfast/data");
    card.put("dev/holdfast/data", "");
    fs::File::options()
        .write(true)
        .open(&image)
        .unwrap()
        .set_len(4 << 20)
        .unwrap();
    let run = |name: &str, args: &[&str]| {
        let done = Command::new(tool(name))
            .args(args)
            .arg(&image)
            .output()
            .unwrap();
        assert!(done.status.success(), "{name}");
    };
    run("mke2fs", &["-q", "-F", "-t", "ext4"]);
    assert_eq!(card.does("evidence"), "");
    assert!(
        card.read("run/holdfast/evidence.json")
            .contains("\"recovery\":\"Absent\"")
    );

    run("debugfs", &["-w", "-R", "feature needs_recovery"]);
    let before = fs::read(&image).unwrap();
    let said = card.does("evidence");
    assert!(said.contains("was not unmounted the last time"), "{said}");
    let kept = card.read("run/holdfast/evidence.json");
    assert!(kept.contains("\"recovery\":{\"Present\""), "{kept}");
    assert_eq!(fs::read(&image).unwrap(), before, "looking changes nothing");
}

#[test]
fn without_a_partition_the_evidence_says_so() {
    let card = Card::new();
    card.does("evidence");
    assert!(
        card.read("run/holdfast/evidence.json")
            .contains("\"recovery\":{\"Unreadable\"")
    );
}

/// A disk of 1 GiB with the partitions of an image, as sysfs and our init show it.
fn disk(card: &Card, data: Option<u64>) {
    let sysfs = |path: &str, text: &str| card.put(&format!("sys/devices/card/sda/{path}"), text);
    sysfs("size", "2097152\n");
    sysfs("queue/rotational", "0\n");
    let mut partitions = vec![("sda1", "firmware", 2048, 262_144)];
    partitions.extend(data.map(|size| ("sda2", "data", 264_192, size)));
    fs::create_dir_all(card.at("sys/class/block")).unwrap();
    fs::create_dir_all(card.at("dev/holdfast")).unwrap();
    for (name, label, start, size) in partitions {
        sysfs(&format!("{name}/partition"), "1\n");
        sysfs(&format!("{name}/start"), &format!("{start}\n"));
        sysfs(&format!("{name}/size"), &format!("{size}\n"));
        let sysfs = format!("../../devices/card/sda/{name}");
        symlink(sysfs, card.at("sys/class/block").join(name)).unwrap();
        symlink(format!("/dev/{name}"), card.at("dev/holdfast").join(label)).unwrap();
    }
}

#[test]
fn a_first_boot_makes_the_data_partition_and_finds_it() {
    let card = Card::new();
    disk(&card, None);
    card.stand_in_for("modprobe", 0);
    let made = card.at("sys/devices/card/sda/sda2");
    let repart = format!(
        "#!/bin/sh\nmkdir {0} && echo 2 >{0}/partition\n",
        made.display()
    );
    card.put("bin/systemd-repart", &repart);
    let program = card.at("bin/systemd-repart");
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    let said = card.does("grow");
    assert!(said.contains("has a data partition now"), "{said}");
    let link = fs::read_link(card.at("dev/holdfast/data")).unwrap();
    assert_eq!(link, Path::new("/dev/sda2"));
}

#[test]
fn a_first_boot_that_makes_no_data_partition_says_so() {
    let card = Card::new();
    disk(&card, None);
    card.stand_in_for("modprobe", 0);
    for exit in [0, 1] {
        card.stand_in_for("systemd-repart", exit);
        assert!(!card.step("grow").status.success());
        assert!(fs::read_link(card.at("dev/holdfast/data")).is_err());
    }
}

#[test]
fn a_data_partition_grows_where_there_is_room_behind_it_alone() {
    // All but what a table at the end and its alignment take; and half of the card.
    for (size, grows) in [(2_097_152 - 264_192 - 2048, false), (1 << 20, true)] {
        let card = Card::new();
        disk(&card, Some(size));
        card.stand_in_for("modprobe", 0);
        card.stand_in_for("systemd-repart", 0);
        card.does("grow");
        let asked =
            card.at("calls").exists() && card.read("calls").contains("systemd-repart --dry-run=no");
        assert_eq!(asked, grows, "{size}");
    }
}

#[test]
fn a_data_partition_is_checked_before_it_is_mounted() {
    // A sound file system, and one that was mended.
    for exit in [0, 1] {
        let card = Card::new();
        card.put("dev/holdfast/data", "");
        card.stand_in_for("fsck.ext4", exit);
        card.stand_in_for("mount", 0);
        let said = card.step("mount");
        assert!(said.status.success(), "{said:?}");
        let calls = card.read("calls");
        let calls: Vec<_> = calls.lines().collect();
        assert!(
            matches!(calls[..], [check, mount] if check.starts_with("fsck.ext4 -y ")
                && mount.starts_with("mount -t ext4 -o noatime,nodev,nosuid,noexec,")),
            "{calls:?}"
        );
    }
    // What it could not repair is not mounted.
    let card = Card::new();
    card.put("dev/holdfast/data", "");
    card.stand_in_for("fsck.ext4", 4);
    card.stand_in_for("mount", 0);
    assert!(!card.step("mount").status.success());
    assert_eq!(card.read("calls").lines().count(), 1);
}

/// Each step is done whatever became of the one before: the evidence of a card whose partitions are not known is kept.
#[test]
fn a_step_that_fails_keeps_no_other_from_being_done() {
    let card = Card::new();
    let done = card.steps(&["grow", "evidence", "data"]);
    assert!(!done.status.success(), "{done:?}");
    assert!(card.at("run/holdfast/evidence.json").exists());
    assert!(card.at("data/holdfast").is_dir());
}
