//! Takes secrets out of a file on the boot partition, which every card reader can read.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use holdfast_medium::{Machine, atomic};

use crate::boot::firmware::writable;

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

/// Puts a text in the place of a file, of whose bytes nothing stays on the card.
///
/// # Errors
/// The file may be as it was; [`finish`] finishes what was begun.
pub(super) fn redact(machine: &Machine, path: &Path, text: &str) -> anyhow::Result<()> {
    writable(machine, || {
        Ok(STEPS.iter().try_for_each(|step| step(path, text))?)
    })
}

/// How a file's name begins while it is made to take another's place: no owner calls a file so.
pub(super) const PREFIX: &str = ".holdfast-redact.";

/// Finishes what a power cut left of [`redact`]: a file that is blank gives its name to the one beside it; beside one that is not,
/// nothing was begun that counts.
///
/// # Errors
/// It is as it was.
pub(super) fn finish(machine: &Machine, path: &Path) -> anyhow::Result<()> {
    // Who began with an older version of this left it under a name that could be the owner's, too.
    let old = path.with_added_extension("new");
    let (ours, older) = (beside(path).exists(), old.is_file());
    if !ours && !older {
        return Ok(());
    }
    let blank = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Blank::Gone,
        bytes => match bytes? {
            bytes if bytes.iter().any(|byte| *byte != 0) => Blank::No,
            bytes if bytes.is_empty() => Blank::Gone,
            _ => Blank::Yes,
        },
    };
    match blank {
        Blank::Yes | Blank::Gone if ours => writable(machine, || Ok(STEPS[2](path, "")?)),
        Blank::No if ours => writable(machine, || Ok(fs::remove_file(beside(path))?)),
        Blank::Yes => writable(machine, || {
            fs::rename(&old, path)?;
            Ok(path.parent().map_or(Ok(()), atomic::sync_dir)?)
        }),
        Blank::No | Blank::Gone => Ok(()),
    }
}

/// What is left of a file.
enum Blank {
    /// It holds something.
    No,
    /// Zeros, as [`STEPS`] leave it.
    Yes,
    /// Nothing at all.
    Gone,
}

/// Where the file is made that takes another's place.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    let mut own = OsString::from(PREFIX);
    own.push(name);
    path.with_file_name(own)
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
