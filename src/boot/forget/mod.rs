//! The factory reset: what a human confirmed at the device is written down in the data directory, and done before anything else uses it.
//!
//! - on the image by two of the boot's steps, as root: `data` empties the data partition, `settings` the owner's files on the boot partition;
//!   only then the mark goes, so that a cut anywhere begins it again
//! - on a workstation by the daemon that starts, in its own data directory
//!
//! The audit stays: it names generations and times alone, and says who had this done. So does the machine's id, which is not its owner's. The
//! SSH host key is made anew: whoever owned the device had it.

mod empty;

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};

use anyhow::Context;
use holdfast_core::{Emptied, Unfinished};
use holdfast_medium::{DataDir, Machine, atomic, space::Reserve};
use serde::{Deserialize, Serialize};

use super::{note, settings};
use empty::{Emptying, Fate, Whose};

/// The image's data directory, which the boot steps empty.
const HOLDFAST: &str = "data/holdfast";
/// The image's settings and keys of its own.
const SYSTEM: &str = "data/system";
/// There from the moment on at which this boot tries, with what is left once the data partition is empty.
const TRIED: &str = "run/holdfast/reset.json";
/// There when the daemon wants the machine restarted: `holdfast-restart.path` waits for it.
const RESTART: &str = "run/holdfast/restart";

/// What was there to be forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Links, archived ones among them.
    pub links: u32,
    /// Those that WhatsApp may go on listing.
    pub listed: u32,
}

/// What became of it, for the owner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Report {
    #[serde(flatten)]
    wanted: Wanted,
    system: bool,
    left: Vec<String>,
}

impl Wanted {
    /// Writes down, durably and on a full partition as well, that everything is to be forgotten.
    ///
    /// # Errors
    /// It may be written down all the same.
    pub fn keep(&self, data: &DataDir) -> io::Result<()> {
        let json = serde_json::to_vec(self)?;
        let reserve = Reserve::of(data.root());
        reserve.relieved(|| atomic::replace(&data.reset(), &json))
    }

    /// Of a mark that is damaged it is not known; it is a mark all the same.
    fn read(data: &DataDir) -> Self {
        let json = fs::read(data.reset()).unwrap_or_default();
        serde_json::from_slice(&json).unwrap_or_default()
    }
}

/// Whether everything in this data directory is to be forgotten, and nobody has yet.
pub fn unfinished(machine: &Machine, data: &DataDir) -> Unfinished {
    if fs::symlink_metadata(data.reset()).is_err() {
        Unfinished::No
    } else if is_of_the_image(machine, data) && !machine.file(TRIED).exists() {
        Unfinished::Waits
    } else {
        Unfinished::Failed
    }
}

/// Whether the boot steps empty this data directory.
pub fn is_of_the_image(machine: &Machine, data: &DataDir) -> bool {
    data.root() == machine.file(HOLDFAST)
}

/// What the last factory reset did, while the owner has not seen it.
pub fn done(data: &DataDir) -> Option<Emptied> {
    let json = fs::read(data.reset_done()).ok()?;
    let Report {
        wanted,
        system,
        left,
    } = serde_json::from_slice(&json).unwrap_or_default();
    Some(Emptied {
        links: wanted.links,
        listed: wanted.listed,
        system,
        left: u32::try_from(left.len()).unwrap_or(u32::MAX),
    })
}

/// The owner has seen it.
///
/// # Errors
/// It is shown again by the next start.
pub fn seen(data: &DataDir) -> io::Result<()> {
    match fs::remove_file(data.reset_done()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Asks for a restart of the machine.
///
/// # Errors
/// Nobody hears of it.
pub fn ask_for_restart(machine: &Machine, why: &str) -> io::Result<()> {
    note(machine, RESTART, &why)
}

/// Empties a workstation's data directory of what is Holdfast's. Returns what is left, and why.
///
/// # Errors
/// Something of it is still there, and so is the mark.
pub fn empty(data: &DataDir) -> io::Result<Vec<String>> {
    let mut emptying = Emptying::of(data.root(), Whose::Ours)?;
    emptying.empty(data.root(), |name| match fate(name) {
        Fate::Goes if name == "lock" => Fate::Stays,
        Fate::Goes | Fate::GoesBlanked if !DataDir::is_ours(name) => Fate::Theirs,
        fate => fate,
    })?;
    conclude(data, &emptying.left, false)?;
    Ok(emptying.left)
}

/// Empties the image's data partition where that is to be done; the settings' step does the rest.
///
/// # Errors
/// Something of it is still there, and so is the mark.
pub(super) fn empty_partition(machine: &Machine) -> anyhow::Result<()> {
    let data = DataDir::new(machine.file(HOLDFAST));
    if fs::symlink_metadata(data.reset()).is_err() {
        return Ok(());
    }
    note(machine, TRIED, &None::<Vec<String>>).context(TRIED)?;
    let partition = machine.file("data");
    let mut emptying = Emptying::of(&partition, Whose::All)?;
    emptying.empty(data.root(), fate)?;
    emptying.empty(&machine.file(SYSTEM), |name| match name.to_str() {
        Some("machine-id") => Fate::Stays,
        _ => Fate::GoesBlanked,
    })?;
    // What a check of the file system found without a name may be any of it.
    emptying.empty(&partition.join("lost+found"), |_| Fate::GoesBlanked)?;
    emptying.empty(&partition, |name| match name.to_str() {
        Some("holdfast" | "system" | "lost+found") => Fate::Stays,
        _ => Fate::Goes,
    })?;
    note(machine, TRIED, &Some(emptying.left)).context(TRIED)
}

/// Forgets the owner's files on the boot partition once the data partition is empty, and removes the mark. Returns what is left; `None`
/// where there was nothing to forget.
///
/// # Errors
/// The mark is still there.
pub(super) fn finish(machine: &Machine) -> anyhow::Result<Option<Vec<String>>> {
    let data = DataDir::new(machine.file(HOLDFAST));
    let tried = fs::read(machine.file(TRIED)).unwrap_or_default();
    let emptied: Option<Vec<String>> = serde_json::from_slice(&tried).unwrap_or_default();
    let Some(mut left) = emptied else {
        return Ok(None);
    };
    left.extend(settings::forget(machine)?);
    conclude(&data, &left, true)?;
    fs::remove_file(machine.file(TRIED)).context(TRIED)?;
    Ok(Some(left))
}

/// Leaves word for the owner, durably; then the mark goes.
fn conclude(data: &DataDir, left: &[String], system: bool) -> io::Result<()> {
    let report = Report {
        wanted: Wanted::read(data),
        system,
        left: left.to_vec(),
    };
    let path = data.reset_done();
    atomic::replace(&path, &serde_json::to_vec(&report)?)?;
    // The daemon is another user than the boot's steps.
    let owner = fs::metadata(data.root())?;
    chown(&path, Some(owner.uid()), Some(owner.gid()))?;
    fs::remove_file(data.reset())?;
    atomic::sync_dir(data.root())
}

/// What becomes of a name in a data directory, whosever that is.
fn fate(name: &OsStr) -> Fate {
    match name.to_str() {
        // The mark goes last. A version on trial is on trial whoever owns the device.
        Some("factory-reset" | "audit.log" | "audit.head" | "update") => Fate::Stays,
        // A workshop holds copies of what is in the archive; what WhatsApp said last may name the account.
        Some("archive" | "quarantine" | "workshop" | "workshop-of-imports") => Fate::GoesBlanked,
        Some("mail" | "last-words.log") => Fate::GoesBlanked,
        Some(name) if name.starts_with("gen-") => Fate::GoesBlanked,
        _ => Fate::Goes,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Lays files there.
    fn lay(root: &Path, files: &[&str]) {
        for file in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, *file).unwrap();
        }
    }

    /// Every file below a directory.
    fn files(root: &Path) -> Vec<String> {
        let (mut found, mut ahead) = (Vec::new(), vec![root.to_owned()]);
        while let Some(path) = ahead.pop() {
            if path.is_dir() {
                ahead.extend(fs::read_dir(path).unwrap().map(|it| it.unwrap().path()));
            } else {
                let name = path.strip_prefix(root).unwrap();
                found.push(name.display().to_string());
            }
        }
        found.sort();
        found
    }

    const WANTED: Wanted = Wanted {
        links: 3,
        listed: 1,
    };

    #[test]
    fn on_a_workstation_what_is_holdfast_s_goes_and_what_is_not_is_named() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::at(root.path().join("elsewhere"));
        let data = DataDir::new(root.path());
        lay(
            root.path(),
            &[
                "CURRENT",
                "gen-0004/identity.a",
                "archive/gen-0001/manifest.json",
                "mail/inbox/0001",
                "run/holdfastd.log",
                "past.unreadable",
                "audit.log",
                "audit.head",
                "lock",
                "notes.txt",
                "backup/gen-0001",
                "gen-0001.bak",
            ],
        );
        assert_eq!(unfinished(&machine, &data), Unfinished::No);
        WANTED.keep(&data).unwrap();
        assert_eq!(unfinished(&machine, &data), Unfinished::Failed, "so far");
        empty(&data).unwrap();
        let stays = [
            "audit.head",
            "audit.log",
            "backup/gen-0001",
            "gen-0001.bak",
            "lock",
            "notes.txt",
            "reset-done",
        ];
        assert_eq!(files(root.path()), stays);
        assert_eq!(unfinished(&machine, &data), Unfinished::No);
        let emptied = Emptied {
            links: 3,
            listed: 1,
            system: false,
            left: 3,
        };
        assert_eq!(done(&data), Some(emptied));
        seen(&data).unwrap();
        seen(&data).unwrap();
        assert_eq!(done(&data), None);
    }

    /// Opens files, and says which of them held something else than zeros where they lay once they are gone.
    fn not_blanked<'a>(root: &Path, files: &[&'a str], work: impl FnOnce()) -> Vec<&'a str> {
        let open = |name: &&'a str| (*name, fs::File::open(root.join(name)).unwrap());
        let open: Vec<_> = files.iter().map(open).collect();
        work();
        let is_left = |(name, file): (&'a str, fs::File)| {
            assert!(!root.join(name).exists(), "{name} is there");
            let bytes = io::read_to_string(file).unwrap();
            bytes.bytes().any(|byte| byte != 0).then_some(name)
        };
        open.into_iter().filter_map(is_left).collect()
    }

    #[test]
    fn every_file_with_keys_or_words_is_blanked_before_it_goes() {
        let root = tempfile::tempdir().unwrap();
        let data = DataDir::new(root.path());
        let keys = [
            "gen-0004/identity.a",
            "gen-0004/store.v2/db",
            "archive/gen-0001/identity.a",
            "quarantine/0001-gen-0001/records",
            "workshop/departing/gen-0001/identity.b",
            "workshop-of-imports/arrived/identity.b",
            "mail/inbox/00000001",
            "last-words.log",
        ];
        lay(root.path(), &keys);
        WANTED.keep(&data).unwrap();
        let left = not_blanked(root.path(), &keys, || drop(empty(&data).unwrap()));
        assert_eq!(left, [""; 0]);

        let (root, machine, data) = image();
        let keys = [
            "data/holdfast/gen-0001/identity.a",
            "data/system/wifi/wpa_supplicant.conf",
            "data/system/ssh/ssh_host_ed25519_key",
            "data/lost+found/#1234",
            "boot/firmware/holdfast.toml",
            "boot/firmware/holdfast (1).toml",
            "boot/firmware/id_ed25519",
        ];
        lay(root.path(), &keys);
        WANTED.keep(&data).unwrap();
        let left = not_blanked(root.path(), &keys, || {
            empty_partition(&machine).unwrap();
            finish(&machine).unwrap();
        });
        assert_eq!(left, [""; 0]);
    }

    #[test]
    fn a_mark_that_says_nothing_is_one_all_the_same() {
        let root = tempfile::tempdir().unwrap();
        let data = DataDir::new(root.path());
        lay(root.path(), &["gen-0001/identity.a"]);
        fs::write(data.reset(), [0xff; 7]).unwrap();
        empty(&data).unwrap();
        assert_eq!(done(&data), Some(Emptied::default()));
    }

    /// An image's files.
    fn image() -> (tempfile::TempDir, Machine, DataDir) {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::at(root.path());
        let data = DataDir::new(machine.file(HOLDFAST));
        lay(
            root.path(),
            &[
                "data/holdfast/CURRENT",
                "data/holdfast/gen-0001/identity.a",
                "data/holdfast/audit.log",
                "data/holdfast/of the operator's",
                "data/system/machine-id",
                "data/system/hostname",
                "data/system/wifi/wpa_supplicant.conf",
                "data/system/ssh/ssh_host_ed25519_key",
                "data/system/ssh/authorized_keys",
                "data/system/journal/ring",
                "data/of the operator's/file",
                "boot/firmware/holdfast.toml",
                "boot/firmware/user-data",
                "boot/firmware/config.txt",
            ],
        );
        (root, machine, data)
    }

    #[test]
    fn on_the_image_everything_that_was_put_there_goes_in_two_steps() {
        let (root, machine, data) = image();
        empty_partition(&machine).unwrap();
        assert_eq!(finish(&machine).unwrap(), None);
        assert_eq!(files(root.path()).len(), 14, "nobody wanted it");
        WANTED.keep(&data).unwrap();
        assert_eq!(unfinished(&machine, &data), Unfinished::Waits);
        empty_partition(&machine).unwrap();
        assert_eq!(unfinished(&machine, &data), Unfinished::Failed, "not yet");
        assert_eq!(finish(&machine).unwrap(), Some(Vec::new()));
        assert_eq!(unfinished(&machine, &data), Unfinished::No);
        let left = [
            "boot/firmware/config.txt",
            "data/holdfast/audit.log",
            "data/holdfast/reset-done",
            "data/system/machine-id",
        ];
        assert_eq!(files(root.path()), left);
        let emptied = Emptied {
            links: 3,
            listed: 1,
            system: true,
            left: 0,
        };
        assert_eq!(done(&data), Some(emptied));
    }

    #[test]
    fn a_cut_between_the_steps_begins_it_again() {
        let (root, machine, data) = image();
        WANTED.keep(&data).unwrap();
        empty_partition(&machine).unwrap();
        // The next boot knows nothing of the tries of this one.
        fs::remove_file(machine.file(TRIED)).unwrap();
        assert_eq!(finish(&machine).unwrap(), None, "the first step is first");
        assert!(data.reset().exists());
        assert!(machine.file("boot/firmware/holdfast.toml").exists());
        empty_partition(&machine).unwrap();
        assert_eq!(finish(&machine).unwrap(), Some(Vec::new()));
        assert!(!machine.file("boot/firmware/holdfast.toml").exists());
        assert_eq!(done(&data).map(|emptied| emptied.links), Some(3));
        drop(root);
    }

    #[test]
    fn a_boot_that_could_not_says_so_and_does_not_finish() {
        let (root, machine, data) = image();
        WANTED.keep(&data).unwrap();
        // As it is left when the first step fails, or is cut off by its timeout.
        note(&machine, TRIED, &None::<Vec<String>>).unwrap();
        assert_eq!(unfinished(&machine, &data), Unfinished::Failed);
        assert_eq!(finish(&machine).unwrap(), None);
        assert!(data.reset().exists());
        drop(root);
    }
}
