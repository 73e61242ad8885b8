//! The owner's settings: from files on the boot partition, edited in a card reader, to the system's own.
//!
//! `holdfast.toml` is ours; the others are what Raspberry Pi Imager writes, and what guides tell people to lay there. What is good in
//! any of them is taken over, whatever else is wrong. The values are durable in `/data/system` before the secrets go from the boot
//! partition, which every card reader can read.
//!
//! - `wishes`: what the files ask for, key by key
//! - `sheets`: the TOML files; `cloud` and `netplan`: cloud-init's, over `yaml` and `reader`; `supplicant`: wpa_supplicant's
//! - `strays`: files that are not read; `script`: the secrets in them
//! - `wifi`: the networks as wpa_supplicant wants them; `address`: fixed addresses as networkd does
//! - `regulatory`: the countries whose radio rules the kernel knows
//! - `shelf`: where the values are kept
//! - `redact`: how secrets leave a file
//!
//! On the running machine they are changed by `change`, which the daemon asks for ([`Door`]):
//!
//! - `request`: what is asked for, checked as a file is; `shown`: what the daemon is told in return
//! - `changes`: what was changed since the card's files were written; `undo`: what was before, until a change is known to hold; `turn`: one
//!   change at a time

mod address;
mod change;
mod changes;
mod cloud;
mod netplan;
mod reader;
mod redact;
mod regulatory;
mod request;
mod script;
mod sheets;
mod shelf;
mod shown;
mod strays;
mod supplicant;
mod turn;
mod undo;
mod wifi;
mod wishes;
mod yaml;

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use holdfast_medium::{Machine, atomic};

use super::blank::blank;
use super::firmware::{FIRMWARE, writable};
use super::{filesystem, set_aside};
use crate::config;
use crate::journal;
use crate::panel::Language;
use crate::sheet::{Problem, Sheet};
pub(super) use change::change;
use changes::Changes;
use redact::{finish, redact};
use regulatory::Countries;
pub use request::{Door, NotAsked, check};
use shelf::Shelf;
pub use shown::{Network, Shown, Standing, Tried, lets_in, spoken};
use wishes::Wishes;

/// Reads one format.
type Read = fn(&mut Wishes, (&Path, usize), &Sheet, &mut Vec<Problem>);
/// The files that are read; the later one wins, key by key.
const FILES: [(&str, Read); 6] = [
    ("wpa_supplicant.conf", |wishes, file, sheet, problems| {
        supplicant::read(wishes, file, sheet.text(), problems);
    }),
    ("user-data", yaml),
    ("network-config", yaml),
    ("custom.toml", sheets::read),
    ("rpi-preseed.toml", sheets::read),
    ("holdfast.toml", sheets::read),
];
/// Where a change is said to stand that no file asks for.
const ASKED: &str = "the change";
/// What the screen calls a file by: those that are read, and those that people lay there most.
pub const NAMES: [&str; 10] = [
    "wpa_supplicant.conf",
    "user-data",
    "network-config",
    "custom.toml",
    "rpi-preseed.toml",
    "holdfast.toml",
    "holdfast.toml.txt",
    "firstrun.sh",
    "userconf.txt",
    "ssh",
];
/// No file that an owner wrote is larger, bytes.
const MOST: u64 = 256 << 10;
/// No more files that only lie there are named one by one.
const MOST_NAMED: usize = 8;
/// The file of the problems found, for the daemon's screen.
const PROBLEMS: &str = "run/holdfast/settings.json";

/// A language that the screens speak.
fn language(text: &str) -> Result<String, &'static str> {
    let language = Language::of(text).ok_or("must be \"en\", \"de\", \"es\" or \"pt\"")?;
    Ok(language.code().to_owned())
}

fn yaml(wishes: &mut Wishes, file: (&Path, usize), sheet: &Sheet, problems: &mut Vec<Problem>) {
    cloud::read(wishes, file, sheet.text(), problems);
}

/// Reads the problems that the settings step of this boot found.
pub fn ignored(machine: &Machine) -> Vec<Problem> {
    let kept = fs::read(machine.file(PROBLEMS)).unwrap_or_default();
    serde_json::from_slice(&kept).unwrap_or_default()
}

/// Takes over what is good, says what is not, and removes the secrets from the files when they are safe elsewhere.
///
/// # Errors
/// Not all of it could be done, though all of the rest was; where nothing could be kept the files are as they were.
pub fn import(machine: &Machine) -> anyhow::Result<Vec<String>> {
    let mut problems = Vec::new();
    let shelf = Shelf::new(machine);
    let mut failures = Vec::new();
    let mut told = Vec::new();
    match undo::take_back(&shelf).context("a change that was under way") {
        Ok(line) => told.extend(line.map(str::to_owned)),
        Err(error) => failures.push(error),
    }
    let (mut wishes, sheets) = card(machine, &mut problems);
    let mut changes = Changes::read(&shelf, &mut problems);
    changes.lay_over(&mut wishes);
    let networks = shelf.networks(&wishes, &mut problems);
    let kept = shelf.keep(&wishes, &networks, &mut told);
    let is_kept = kept.is_ok();
    failures.extend(kept.err());
    failures.extend(changes.keep(&shelf).context("the changes").err());
    let language = changes.language();
    failures.extend(shelf.put_into_use(machine, &wishes, language, &mut problems));
    let mut spent: Vec<(PathBuf, Sheet, Vec<Range<usize>>)> = sheets
        .into_iter()
        .map(|(path, sheet)| {
            let secrets = wishes.spent(&path);
            (path, sheet, secrets)
        })
        .collect();
    spent.extend(strays(machine, &shelf, &mut problems));
    // Without a card to keep them on the files are the only copy.
    if is_kept && set_aside(machine).is_none() {
        for (path, sheet, secrets) in &spent {
            let Some(text) = sheet.without(secrets) else {
                continue;
            };
            match redact(machine, path, &text) {
                Ok(()) => told.push(format!("the secrets are gone from {}", path.display())),
                Err(error) => {
                    problems.push(stuck(path, &error));
                    failures.push(error.context(path.display().to_string()));
                }
            }
        }
    }
    // Those of the daemon's own keys are said here as well: it starts more than once a boot.
    let (file, boards) = ("boot/firmware/holdfast.toml", "usr/share/holdfast/boards");
    let of_the_daemon = config::ignored(&machine.file(file), &machine.file(boards));
    problems
        .iter()
        .chain(&of_the_daemon)
        .for_each(|problem| journal::setting_ignored(&problem.to_string()));
    let shown = Shown::of(&shelf, &wishes, None);
    failures.extend(shown.put(machine).context("what is shown").err());
    let noted = super::note(machine, PROBLEMS, &problems).context(PROBLEMS);
    failures.extend(noted.err());
    let failures: Vec<String> = failures.iter().map(|error| format!("{error:#}")).collect();
    if failures.is_empty() {
        return Ok(told);
    }
    told.iter().for_each(|line| tracing::info!("{line}"));
    bail!("{}", failures.join("; "))
}

/// Reads what the card's files ask for, and which of them there are.
fn card(machine: &Machine, problems: &mut Vec<Problem>) -> (Wishes, Vec<(PathBuf, Sheet)>) {
    let mut sheets = Vec::new();
    let mut wishes = Wishes {
        countries: Countries::of(machine),
        ..Wishes::default()
    };
    for (rank, (name, read)) in FILES.into_iter().enumerate() {
        let path = machine.file(FIRMWARE).join(name);
        if let Some(bytes) = whole(machine, &path, problems) {
            let is_yaml = !name.contains('.');
            let sheet = match is_yaml {
                true => Sheet::plain(&bytes),
                false => Sheet::new(&bytes),
            };
            read(&mut wishes, (&path, rank), &sheet, problems);
            sheets.push((path, sheet));
        }
    }
    (wishes, sheets)
}

/// Removes the owner's files from the boot partition, those that are read and those that only lie there, each blanked before, and says which
/// are left.
///
/// # Errors
/// The partition cannot be written.
pub(super) fn forget(machine: &Machine) -> anyhow::Result<Vec<String>> {
    let firmware = machine.file(FIRMWARE);
    if machine.is_this() && filesystem::mounted(machine, "/boot/firmware").is_none() {
        let what = format!("{} is not mounted: its settings stay", firmware.display());
        return Ok(vec![what]);
    }
    let found = match fs::read_dir(&firmware) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?.collect::<io::Result<Vec<_>>>()?,
    };
    let is_owners = |name: &str| NAMES.contains(&name) || name.starts_with(redact::PREFIX);
    let owners = found.into_iter().filter(|entry| {
        let name = entry.file_name();
        name.to_str()
            .is_some_and(|name| is_owners(&name.to_lowercase()))
    });
    let mut owners: Vec<PathBuf> = owners.map(|entry| entry.path()).collect();
    // Those that are not read are the owner's as well.
    let read: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
    for stray in strays::find(&firmware, &read, false)? {
        if !owners.contains(&stray.path) {
            owners.push(stray.path);
        }
    }
    if owners.is_empty() {
        return Ok(Vec::new());
    }
    let mut left = Vec::new();
    writable(machine, || {
        for path in &owners {
            if let Err(error) = blank(path) {
                tracing::warn!("{} is removed, and not blanked: {error}", path.display());
            }
            if let Err(error) = fs::remove_file(path) {
                left.push(format!("{} stays: {error}", path.display()));
            }
        }
        Ok(atomic::sync_dir(&firmware)?)
    })?;
    Ok(left)
}

/// A file keeps its secrets.
fn stuck(path: &Path, error: &anyhow::Error) -> Problem {
    Problem {
        file: path.to_owned(),
        line: None,
        what: format!(
            "its secrets could not be taken out: {error:#}; make room on the card, or take them out yourself"
        ),
    }
}

/// Reads a file, once what a power cut left of taking its secrets out is finished; `None` where there is none.
fn whole(machine: &Machine, path: &Path, problems: &mut Vec<Problem>) -> Option<Vec<u8>> {
    if let Err(error) = finish(machine, path) {
        problems.push(stuck(path, &error));
    }
    let mut wrong = |what| {
        problems.push(Problem {
            file: path.to_owned(),
            line: None,
            what,
        });
    };
    if fs::metadata(path).is_ok_and(|file| file.len() > MOST) {
        wrong("is larger than 256 KiB and not read; its passwords stay in it".to_owned());
        return None;
    }
    match fs::read(path) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            wrong(format!("cannot be read: {error}"));
            None
        }
    }
}

/// Names the files that are not read, and finds the secrets in them.
fn strays(
    machine: &Machine,
    shelf: &Shelf,
    problems: &mut Vec<Problem>,
) -> Vec<(PathBuf, Sheet, Vec<Range<usize>>)> {
    let firmware = machine.file(FIRMWARE);
    let found = match strays::find(&firmware, &FILES.map(|(name, _)| name), shelf.lets_in()) {
        Ok(found) => found,
        Err(error) => {
            problems.push(Problem::unreadable(&firmware, &error));
            return Vec::new();
        }
    };
    let mut sheets = Vec::new();
    let mut left = 0;
    for stray in found {
        left += usize::from(stray.secrets.is_none());
        if stray.secrets.is_some() || left <= MOST_NAMED {
            problems.push(Problem {
                file: stray.path.clone(),
                line: None,
                what: stray.what,
            });
        }
        if let Some(secrets) = stray.secrets
            && let Some(bytes) = whole(machine, &stray.path, problems)
        {
            let sheet = Sheet::plain(&bytes);
            let secrets = secrets(sheet.text());
            sheets.push((stray.path, sheet, secrets));
        }
    }
    if let Some(more) = left.checked_sub(MOST_NAMED).filter(|more| *more > 0) {
        problems.push(Problem {
            file: firmware,
            line: None,
            what: format!(
                "holds {more} more files that are not read; take away what is not needed"
            ),
        });
    }
    sheets
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBm4kQp2dJ0h6mYhXW0n5mJ2Qq8V9G1o1d3nR7TfGk2Z";

    /// Reads one file as the step does; what is left of it once all is kept, where a secret was in it.
    fn read_as(name: &str, text: &[u8]) -> (Wishes, Vec<Problem>, Option<String>) {
        let (mut wishes, mut problems) = (Wishes::default(), Vec::new());
        let (_, read) = FILES.iter().find(|(own, _)| *own == name).unwrap();
        let sheet = match name.contains('.') {
            true => Sheet::new(text),
            false => Sheet::plain(text),
        };
        let path = PathBuf::from(name);
        read(&mut wishes, (&path, 0), &sheet, &mut problems);
        let left = sheet.without(&wishes.spent(&path));
        (wishes, problems, left)
    }

    fn read(bytes: &[u8]) -> (Wishes, Vec<Problem>, Option<String>) {
        read_as("holdfast.toml", bytes)
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

    #[test]
    fn no_depth_is_too_much() {
        for open in [
            "[",
            "{",
            "{a: ",
            "- ",
            "? ",
            "a = [",
            "[[",
            "a.",
            "'[",
            "network={",
        ] {
            let text = open.repeat(20_000);
            for (name, _) in FILES {
                read_as(name, text.as_bytes());
            }
        }
        for (depth, is_read) in [(1, true), (100, true), (500, false)] {
            let lines = (0..depth).map(|depth| format!("{}a:\n", " ".repeat(depth)));
            let (_, problems, _) = read_as("user-data", lines.collect::<String>().as_bytes());
            assert_eq!(problems.is_empty(), is_read, "{depth}: {problems:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_much(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            FILES.iter().for_each(|(name, _)| drop(read_as(name, &bytes)));
        }

        #[test]
        fn no_text_is_too_much(text in "(?s).{0,200}") {
            FILES.iter().for_each(|(name, _)| drop(read_as(name, text.as_bytes())));
            for secrets in [script::secrets, script::hashes] {
                let sheet = Sheet::plain(text.as_bytes());
                sheet.without(&secrets(sheet.text()));
            }
        }

        #[test]
        fn no_yaml_is_too_much(text in prop_oneof![
            "(?s).{0,200}",
            "((users?|hostname|network|wifis|a|passwd|password|auth|access-points|addresses|routes|to|via|runcmd|ssh_authorized_keys): ?|[-\\[\\]{},&*\"x|>] ?|\n *){0,40}",
        ]) {
            read_as("user-data", text.as_bytes());
        }

        #[test]
        fn no_script_and_no_wpa_supplicant_conf_is_too_much(text in
            "((network=\\{|psk=|ssid=|#psk|set_wlan|userconf|password|chpasswd|key_mgmt=|\\}) ?|['\"\\\\$:=/-]| |[a-f0-9]{0,9}|\n){0,40}",
        ) {
            read_as("wpa_supplicant.conf", text.as_bytes());
            let sheet = Sheet::plain(text.as_bytes());
            for secrets in [script::secrets, script::hashes] {
                let left = sheet.without(&secrets(sheet.text()));
                // What was taken out once is out.
                prop_assert!(left.is_none_or(|left| secrets(&left).is_empty()));
            }
        }

        #[test]
        fn a_secret_of_any_style_goes_alone(
            before in prop::sample::select(vec!["", "# \u{201c}Anna\u{2019}s\u{201d}: shore\n", "locale: 'Zür: ich'\n"]),
            account in prop::sample::select(vec!["users:\n- name: pi\n  ", "user:\n  name: pi\n  "]),
            key in prop::sample::select(vec!["passwd", "hashed_passwd", "plain_text_passwd"]),
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
            let style = style.replace("passwd", key);
            let text = format!("{before}{account}{style}\n  shell: /bin/sh\nhostname: kelp\n").replace('\n', end);
            let (wishes, problems, left) = read_as("user-data", text.as_bytes());
            let left = left.expect("a secret was there");
            prop_assert!(!left.contains("SECRET"), "{}", left);
            let (again, _, nothing) = read_as("user-data", left.as_bytes());
            prop_assert_eq!(nothing, None, "{:?}", left);
            prop_assert_eq!(again.hostname, wishes.hostname, "{}", left);
            prop_assert!(left.contains("shell: /bin/sh") && problems.is_empty(), "{} {:?}", left, problems);
        }

        #[test]
        fn a_network_s_secret_goes_once_it_is_taken_and_never_before(
            format in prop::sample::select(vec![
                ("network-config", "network:\n  wifis:\n    wlan0:\n      access-points:\n        \"NAME\":\n          password: 'SECRET'\n          hidden: on\n"),
                ("network-config", "network:\n  wifis:\n    wlan0:\n      access-points:\n        NAME:\n          auth:\n            key-management: psk\n            password: SECRET\n          hidden: \"true\"\n"),
                ("wpa_supplicant.conf", "ctrl_interface=DIR=/var/run/wpa_supplicant GROUP=netdev\nnetwork={\n\tssid=\"NAME\"\n\t#psk=\"SECRET\"\n\tpsk=\"SECRET\"\n\tscan_ssid=1\n}\n"),
                ("rpi-preseed.toml", "config_version = \"1.0\"\n[user]\npassword = \"SECRET\"\n[wlan]\nssid = \"NAME\"\npassword = \"SECRET\"\nhidden = true\n"),
                ("holdfast.toml", "[[wifi]]\nssid = \"NAME\"\npassword = \"SECRET\"\nhidden = true\n"),
            ]),
            is_good in any::<bool>(),
            mark in prop::sample::select(vec!["", "\u{feff}"]),
            end in prop::sample::select(vec!["\n", "\r\n"]),
        ) {
            let (name, text) = format;
            let secret = if is_good { "correct horse" } else { "correct" };
            let text = text.replace("NAME", "shore").replace("SECRET", secret).replace('\n', end);
            let (wishes, problems, left) = read_as(name, format!("{mark}{text}").as_bytes());
            let left = left.unwrap_or_else(|| text.clone());
            prop_assert_eq!(problems.is_empty(), is_good, "{:?}", problems);
            prop_assert!(problems.iter().all(|problem| !problem.what.contains(secret)));
            let taken: Vec<_> = wishes.points.iter().filter(|point| point.password.is_some()).collect();
            prop_assert_eq!(taken.len(), usize::from(is_good));
            prop_assert!(taken.iter().all(|point| point.hidden == Some(true)));
            let value = format!("{secret}\n").replace('\n', end);
            // A password that nobody took is the owner's only one.
            prop_assert_eq!(left.contains(value.trim_end()), !is_good, "{}", left);
            prop_assert!(left.contains("shore"));
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
            let is_whole = |point: &wishes::Point| point.ssid.is_some() && point.password.is_some();
            prop_assert!(wishes.points.iter().any(is_whole), "{:?}", text);
            prop_assert_eq!(wishes.country.as_deref(), Some("DE"));
            prop_assert_eq!(wishes.authorized_keys, Some(vec![KEY.to_owned()]));
            prop_assert!(!left.expect("a secret was there").contains("correct horse"));
            prop_assert!(problems.iter().all(|problem| !problem.what.contains("correct horse")));
        }
    }
}
