//! The owner's settings: from files on the boot partition, edited in a card reader, to the system's own.
//!
//! `holdfast.toml` is ours; `user-data` and `network-config` are what Raspberry Pi Imager writes, `custom.toml` is what
//! Raspberry Pi OS documents. What is good in any of them is taken over, whatever else is wrong. The values are durable in `/data/system` before the secrets go
//! from the boot partition, which every card reader can read.
//!
//! - `wishes`: what the files ask for, key by key
//! - `imager`: the part of cloud-init's formats that Imager uses
//! - `wifi`: the network as wpa_supplicant wants it
//! - `shelf`: where the values are kept

mod imager;
mod shelf;
mod wifi;
mod wishes;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use holdfast_medium::{Machine, atomic};

use super::{filesystem, partition};
use crate::journal;
use crate::sheet::{Problem, Sheet};
use shelf::Shelf;
use wishes::Wishes;

/// Where the files are; the later one wins, key by key.
const FILES: [&str; 4] = [
    "boot/firmware/user-data",
    "boot/firmware/network-config",
    "boot/firmware/custom.toml",
    "boot/firmware/holdfast.toml",
];
/// What the screen calls a file by.
pub const NAMES: [&str; 4] = [
    "user-data",
    "network-config",
    "custom.toml",
    "holdfast.toml",
];
/// The file of the problems found, for the daemon's screen.
const PROBLEMS: &str = "run/holdfast/settings.json";

/// Reads the problems that the settings step of this boot found.
pub fn ignored(machine: &Machine) -> Vec<Problem> {
    let kept = fs::read(machine.file(PROBLEMS)).unwrap_or_default();
    serde_json::from_slice(&kept).unwrap_or_default()
}

/// Takes over what is good, says what is not, and removes the secrets from the files when they are safe elsewhere.
///
/// # Errors
/// Nothing could be kept; the files are as they were.
pub(super) fn import(machine: &Machine) -> anyhow::Result<Vec<String>> {
    let mut wishes = Wishes::default();
    let mut problems = Vec::new();
    let mut sheets = Vec::new();
    for path in FILES {
        let path = machine.file(path);
        if let Err(error) = finish(machine, &path) {
            problems.push(Problem {
                file: path.clone(),
                line: None,
                what: format!("its secrets could not be taken out: {error:#}"),
            });
        }
        match fs::read(&path) {
            Ok(bytes) => {
                let is_toml = path.extension().is_some();
                let (sheet, secrets) = if is_toml {
                    let sheet = Sheet::new(&bytes);
                    let secrets = wishes.read(&path, &sheet, &mut problems);
                    (sheet, secrets)
                } else {
                    let sheet = Sheet::plain(&bytes);
                    let secrets = imager::read(&mut wishes, &path, sheet.text(), &mut problems);
                    (sheet, secrets)
                };
                sheets.push((path, sheet, secrets));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => problems.push(Problem {
                file: path,
                line: None,
                what: format!("cannot be read: {error}"),
            }),
        }
    }
    let shelf = Shelf::new(machine);
    let mut told = shelf.keep(&wishes, &mut problems)?;
    shelf.name_the_machine(machine)?;
    // Without a card to keep them on, or a network they are for, the files are the only copy.
    if partition::set_aside(machine).is_none() && !wishes.is_half_a_network() {
        for (path, sheet, secrets) in &sheets {
            if let Some(text) = sheet.without(secrets) {
                redact(machine, path, &text).with_context(|| path.display().to_string())?;
                told.push(format!("the secrets are gone from {}", path.display()));
            }
        }
    }
    problems
        .iter()
        .for_each(|problem| journal::setting_ignored(&problem.to_string()));
    super::note(machine, PROBLEMS, &problems)?;
    Ok(told)
}

/// The steps of taking the secrets out of a file, each durable before the next. FAT has no journal, and a removed file leaves its
/// bytes on the card: so the new file is whole first, then the old one is blanked where it stands, and only then does the name change
/// hands. A cut in between is finished by [`finish`].
const STEPS: [fn(&Path, &str) -> io::Result<()>; 3] = [
    |path, text| {
        let mut file = File::create(beside(path))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        path.parent().map_or(Ok(()), atomic::sync_dir)
    },
    |path, _| {
        let file = OpenOptions::new().write(true).open(path)?;
        let size = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        file.write_all_at(&vec![0; size], 0)?;
        file.sync_all()
    },
    |path, _| {
        fs::rename(beside(path), path)?;
        path.parent().map_or(Ok(()), atomic::sync_dir)
    },
];

fn redact(machine: &Machine, path: &Path, text: &str) -> anyhow::Result<()> {
    writable(machine, || {
        Ok(STEPS.iter().try_for_each(|step| step(path, text))?)
    })
}

/// Finishes what a power cut left of [`redact`]: a file that is blank gives its name to the one beside it; beside one that is not,
/// nothing was begun that counts.
fn finish(machine: &Machine, path: &Path) -> anyhow::Result<()> {
    if !beside(path).exists() {
        return Ok(());
    }
    let is_blank = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        bytes => bytes?.iter().all(|byte| *byte == 0),
    };
    writable(machine, || {
        if is_blank {
            STEPS[2](path, "")?;
        } else {
            fs::remove_file(beside(path))?;
        }
        Ok(())
    })
}

/// Where the file is made that takes another's place.
fn beside(path: &Path) -> PathBuf {
    path.with_added_extension("new")
}

/// Does something that writes to the boot partition, which is read-only otherwise.
pub(super) fn writable(
    machine: &Machine,
    write: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let is_mounted = filesystem::mounted(machine, "/boot/firmware").is_some();
    if is_mounted {
        remount(machine, "remount,rw")?;
    }
    let written = write();
    if is_mounted {
        remount(machine, "remount,ro")?;
    }
    written
}

fn remount(machine: &Machine, options: &str) -> anyhow::Result<()> {
    let status = Command::new("mount")
        .args(["-o", options])
        .arg(machine.file("boot/firmware"))
        .stdin(Stdio::null())
        .status()
        .context("mount cannot be run")?;
    ensure!(status.success(), "mount -o {options} failed: {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBm4kQp2dJ0h6mYhXW0n5mJ2Qq8V9G1o1d3nR7TfGk2Z";

    fn read(bytes: &[u8]) -> (Wishes, Vec<Problem>, Option<String>) {
        let (mut wishes, mut problems) = (Wishes::default(), Vec::new());
        let sheet = Sheet::new(bytes);
        let secrets = wishes.read(&PathBuf::from("holdfast.toml"), &sheet, &mut problems);
        let left = sheet.without(&secrets);
        (wishes, problems, left)
    }

    #[test]
    fn a_cut_between_any_two_steps_leaves_no_secret_that_no_name_leads_to() {
        for done in 0..=STEPS.len() {
            let root = tempfile::tempdir().unwrap();
            let machine = Machine::at(root.path());
            let path = root.path().join("holdfast.toml");
            fs::write(&path, "password = \"SECRET\"\n").unwrap();
            // As the clusters are on a FAT: there, whatever becomes of the name.
            let clusters = root.path().join("clusters");
            fs::hard_link(&path, &clusters).unwrap();
            for step in &STEPS[..done] {
                step(&path, "password = \"\"\n").unwrap();
            }
            let holds = |path: &Path| fs::read_to_string(path).unwrap().contains("SECRET");
            assert_eq!(holds(&clusters), holds(&path), "after {done} steps");
            finish(&machine, &path).unwrap();
            let left = fs::read_to_string(&path).unwrap();
            let again = done < 2;
            assert_eq!(left.contains("SECRET"), again, "after {done} steps");
            if again {
                redact(&machine, &path, "password = \"\"\n").unwrap();
            }
            assert_eq!(fs::read_to_string(&path).unwrap(), "password = \"\"\n");
            assert!(!holds(&clusters) && !beside(&path).exists());
        }
    }

    /// Draws the mess that people leave in a file between two good lines.
    fn mess() -> impl Strategy<Value = String> {
        let wrong = [
            "",
            "   ",
            "# nothing",
            "just words",
            "password: secret",
            "key =",
            "= value",
            "name = \"open",
            "list = [\"a\", ",
            "list = [ 1, 2",
            "text = \"\"\"never closed",
            "table = { a = 1",
            "[[",
            "]",
            "\"quoted\" = 1",
            "a.b.c = 1",
            "a = 1 = 2",
            "\u{201c}\u{2019}\u{0}",
            "hostname",
        ];
        prop_oneof![
            4 => prop::sample::select(wrong.to_vec()).prop_map(str::to_owned),
            // Without `[`: a section of its own would be another meaning.
            1 => "[^\r\n\u{85}\u{2028}\u{2029}=\\[]{0,30}",
        ]
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_much(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            read(&bytes);
        }

        #[test]
        fn no_text_is_too_much(text in "(?s).{0,200}") {
            read(text.as_bytes());
        }

        #[test]
        fn no_yaml_is_too_much(text in prop_oneof![
            "(?s).{0,200}",
            "((users|hostname|network|wifis|a|passwd|password|ssh_authorized_keys): ?|[-\\[\\]{},&*\"x] ?|\n *){0,40}",
        ]) {
            let sheet = Sheet::plain(text.as_bytes());
            let (mut wishes, mut problems) = (Wishes::default(), Vec::new());
            let path = PathBuf::from("user-data");
            let secrets = imager::read(&mut wishes, &path, sheet.text(), &mut problems);
            sheet.without(&secrets);
        }

        #[test]
        fn a_secret_of_any_style_goes_alone(
            before in prop::sample::select(vec!["", "# \u{201c}Anna\u{2019}s\u{201d}: shore\n", "timezone: 'Zür: ich'\n"]),
            style in prop::sample::select(vec![
                "passwd: SECRET",
                "passwd:   SECRET   # mine",
                "passwd: 'SECRET: x'",
                "\"passwd\": \"SECRET \u{2019}\"",
                "passwd:\n    SECRET",
                "passwd: SECRET\n    SECRET",
                "passwd: |\n    SECRET",
                "passwd: >-\n    SECRET\n\n    SECRET\n",
                "passwd: \"SECRET\n    SECRET\"",
                "passwd: &hash SECRET",
            ]),
            end in prop::sample::select(vec!["\n", "\r\n"]),
        ) {
            let text = format!("{before}users:\n- name: pi\n  {style}\n  shell: /bin/sh\nhostname: kelp\n").replace('\n', end);
            let (mut wishes, mut problems) = (Wishes::default(), Vec::new());
            let path = PathBuf::from("user-data");
            let secrets = imager::read(&mut wishes, &path, &text, &mut problems);
            let left = Sheet::plain(text.as_bytes()).without(&secrets).expect("a secret was there");
            prop_assert!(!left.contains("SECRET"), "{}", left);
            let mut again = Wishes::default();
            prop_assert!(imager::read(&mut again, &path, &left, &mut problems).is_empty(), "{:?}", left);
            prop_assert_eq!(again.hostname, wishes.hostname, "{}", left);
            prop_assert!(left.contains("shell: /bin/sh") && problems.is_empty(), "{} {:?}", left, problems);
        }

        #[test]
        fn a_good_key_is_taken_whatever_stands_around_it(mess in prop::collection::vec(mess(), 8)) {
            let text = format!(
                "{}\nhostname = \"kelp\"\n{}\n[wifi]\n{}\nssid = \"shore\"\n{}\npassword = \"correct horse\"\n{}\ncountry = \"DE\"\n{}\n[ssh]\n{}\nauthorized_keys = [\n\"{KEY}\"\n]\n{}",
                // An array would go on over the good line.
                mess[0].replace('[', ""), mess[1].replace('[', ""),
                mess[2], mess[3].replace('[', ""), mess[4].replace('[', ""), mess[5].replace('[', ""),
                mess[6].replace('[', ""), mess[7],
            );
            let (wishes, problems, left) = read(text.as_bytes());
            prop_assert_eq!(wishes.hostname.as_deref(), Some("kelp"));
            prop_assert!(wishes.ssid.is_some() && wishes.password.is_some(), "{:?}", text);
            prop_assert_eq!(wishes.country.as_deref(), Some("DE"));
            prop_assert_eq!(wishes.authorized_keys, Some(vec![KEY.to_owned()]));
            prop_assert!(!left.expect("a secret was there").contains("correct horse"));
            prop_assert!(problems.iter().all(|problem| !problem.what.contains("correct horse")));
        }
    }
}
