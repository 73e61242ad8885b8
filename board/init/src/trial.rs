//! Trials: a slot whose tries the bootloader counts. A new slot is on trial until somebody calls it good, and a good one costs no write at
//! a boot. One that goes bad later is put on trial anew: what this init cannot open it counts itself, and what panics after the hand-over leaves its
//! last words in memory that a restart does not clear, where whoever starts next finds them.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::Path,
};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::{
    Doing, Error,
    environment::{Environment, SIZE},
    gpt::{self, Partition},
    slot::Slot,
};

/// Tries of a slot on trial. The bootloader counts from here down, and takes any larger number for a slot that is good.
const TRIES: &str = "3";
/// What the bootloader takes for a variable that is not there; what is written says it, because RAUC takes it for something else.
const ABSENT: [(&str, &str); 3] = [
    ("BOOT_ORDER", "A B"),
    ("BOOT_A_LEFT", "9"),
    ("BOOT_B_LEFT", "9"),
];

/// Puts the slot on trial where the last words of a panic are still there, and says whether it did. They are taken away by
/// `systemd-pstore` in a run that comes that far, so that one panic is counted once.
pub fn after_panic(slot: Slot, partitions: &[Partition]) -> Result<bool, Error> {
    const WORDS: &str = "/sys/fs/pstore";
    mount("pstore", WORDS, "pstore", MountFlags::RDONLY, None)
        .doing("look for the last words of a panic")?;
    let panicked = has_words(Path::new(WORDS));
    unmount(WORDS, UnmountFlags::empty()).doing("leave the last words where they are")?;
    if !panicked {
        return Ok(false);
    }
    let environment = gpt::labelled(partitions, "env").ok_or(Error::NoEnvironment)?;
    put_on_trial(slot, Path::new(&environment.device))
}

fn has_words(directory: &Path) -> bool {
    let Ok(entries) = fs::read_dir(directory) else {
        return false;
    };
    entries
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().starts_with("dmesg-"))
}

/// Puts the slot on trial in the environment on this device, and says whether it did. One that is on trial already, or has no tries left, stays as
/// it is: the bootloader counts it. So does one beside which the other has no try left: there is nowhere to go, and the last words are the other's, which
/// was left for them.
pub fn put_on_trial(slot: Slot, device: &Path) -> Result<bool, Error> {
    let doing = || format!("put the slot on trial in {}", device.display());
    let device = File::options().read(true).write(true).open(device);
    let device = device.doing(doing())?;
    let mut bytes = [0; SIZE];
    device.read_exact_at(&mut bytes, 0).doing(doing())?;
    let mut environment = Environment::parse(&bytes);
    if matches!(environment.get(slot.tries()), Some("0" | "1" | "2" | "3")) {
        return Ok(false);
    }
    if environment.get(slot.other().tries()) == Some("0") {
        return Ok(false);
    }
    for (name, value) in ABSENT {
        if environment.get(name).is_none() {
            environment.set(name, value);
        }
    }
    environment.set(slot.tries(), TRIES);
    let bytes = environment.bytes().ok_or(Error::NoEnvironment)?;
    device.write_all_at(&bytes, 0).doing(doing())?;
    device.sync_all().doing(doing())?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tries_after(environment: &Environment, slot: Slot) -> (bool, Environment) {
        let place = tempfile::NamedTempFile::new().unwrap();
        place.as_file().set_len(4096).unwrap();
        let bytes = environment.bytes().unwrap();
        place.as_file().write_all_at(&bytes, 0).unwrap();
        let changed = put_on_trial(slot, place.path()).unwrap();
        let mut bytes = [0; SIZE];
        place.as_file().read_exact_at(&mut bytes, 0).unwrap();
        (changed, Environment::parse(&bytes))
    }

    #[test]
    fn a_good_slot_is_put_on_trial_and_the_other_is_left_alone() {
        let mut environment = Environment::default();
        environment.set("BOOT_ORDER", "B A");
        environment.set("BOOT_A_LEFT", "9");
        environment.set("BOOT_B_LEFT", "9");
        let (changed, after) = tries_after(&environment, Slot::B);
        assert!(changed);
        environment.set("BOOT_B_LEFT", "3");
        assert_eq!(after, environment);
    }

    #[test]
    fn a_lost_environment_is_written_whole_with_what_the_bootloader_takes_it_for() {
        let (changed, after) = tries_after(&Environment::default(), Slot::A);
        assert!(changed);
        let mut whole = Environment::default();
        whole.set("BOOT_ORDER", "A B");
        whole.set("BOOT_A_LEFT", "3");
        whole.set("BOOT_B_LEFT", "9");
        assert_eq!(after, whole);
    }

    /// The two have to agree on what a lost environment is.
    #[test]
    fn the_bootloaders_script_takes_the_same_for_what_is_absent() {
        let script = include_str!("../../image/boot.cmd");
        for (name, value) in ABSENT {
            let line = format!("test -n \"${{{name}}}\" || setenv {name} {value}\n");
            assert!(script.contains(&line), "{line}");
        }
    }

    #[test]
    fn a_slot_whose_tries_are_counted_is_not_given_more() {
        for left in ["0", "1", "2", "3"] {
            let mut environment = Environment::default();
            environment.set("BOOT_A_LEFT", left);
            let (changed, after) = tries_after(&environment, Slot::A);
            assert!(!changed && after == environment, "{left}");
        }
    }

    #[test]
    fn a_slot_that_started_in_the_others_place_is_not_put_on_trial_for_its_panic() {
        let mut environment = Environment::default();
        environment.set("BOOT_ORDER", "B A");
        environment.set("BOOT_A_LEFT", "9");
        environment.set("BOOT_B_LEFT", "0");
        let (changed, after) = tries_after(&environment, Slot::A);
        assert!(!changed && after == environment);
    }

    #[test]
    fn only_a_panics_words_are_last_words() {
        let place = tempfile::tempdir().unwrap();
        assert!(!has_words(&place.path().join("nowhere")));
        fs::write(place.path().join("console-ramoops-0"), "").unwrap();
        assert!(!has_words(place.path()));
        fs::write(place.path().join("dmesg-ramoops-0"), "").unwrap();
        assert!(has_words(place.path()));
    }
}
