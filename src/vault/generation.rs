//! Which generation is live.

use std::fs;
use std::io;
use std::path::Path;

use holdfast_core::GenerationId;
use holdfast_medium::{DataDir, atomic};

use super::VaultError;

const FIRST: GenerationId = GenerationId(1);

/// The live generation; the first one where there never was any.
///
/// `CURRENT` names it. Should that file be lost, or name one that is not there, the one generation that holds an
/// identity is the live one.
pub(super) fn live(dir: &DataDir) -> Result<GenerationId, VaultError> {
    let named = match fs::read(dir.current()) {
        Ok(contents) => str::from_utf8(&contents)
            .ok()
            .and_then(|name| name.trim_end().parse().ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(VaultError::at(&dir.current())(error)),
    };
    let on_disk = generations(dir.root()).map_err(VaultError::at(dir.root()))?;
    let has_identity = |id: &GenerationId| super::identity::is_present(&dir.generation(*id));
    if let Some(named) = named.filter(|named| on_disk.contains(named)) {
        return Ok(named);
    }
    let with_identity: Vec<_> = on_disk.iter().filter(|id| has_identity(id)).collect();
    match with_identity.as_slice() {
        [] => Ok(on_disk.iter().max().copied().unwrap_or(FIRST)),
        [only] => Ok(**only),
        _ => Err(VaultError::NoCurrent {
            path: dir.current(),
        }),
    }
}

/// Names the live generation, durably. What it names already is not written again.
pub(super) fn make_live(dir: &DataDir, id: GenerationId) -> Result<(), VaultError> {
    let (path, named) = (dir.current(), format!("{id}\n"));
    if fs::read(&path).is_ok_and(|contents| contents == named.as_bytes()) {
        return Ok(());
    }
    atomic::replace(&path, named.as_bytes()).map_err(VaultError::at(&path))
}

fn generations(root: &Path) -> io::Result<Vec<GenerationId>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(
                entry
                    .file_name()
                    .to_str()
                    .and_then(|name| name.parse::<GenerationId>().ok()),
            );
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data_dir() -> (tempfile::TempDir, DataDir) {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::new(root.path());
        (root, dir)
    }

    fn identity_in(dir: &DataDir, id: u32) {
        let generation = dir.generation(GenerationId(id));
        fs::create_dir(&generation).unwrap();
        fs::write(generation.join("identity.a"), b"anything").unwrap();
    }

    #[test]
    fn the_first_generation_is_live_in_a_new_directory_and_after_a_crash_while_it_was_made() {
        let (_root, dir) = data_dir();
        assert_eq!(live(&dir).unwrap(), GenerationId(1));
        fs::create_dir(dir.generation(GenerationId(1))).unwrap();
        assert_eq!(live(&dir).unwrap(), GenerationId(1));
    }

    #[test]
    fn current_decides_and_leftovers_of_its_replacement_do_not() {
        let (_root, dir) = data_dir();
        identity_in(&dir, 1);
        identity_in(&dir, 2);
        make_live(&dir, GenerationId(1)).unwrap();
        fs::write(dir.root().join("CURRENT.new"), b"gen-00").unwrap();
        assert_eq!(live(&dir).unwrap(), GenerationId(1));
        make_live(&dir, GenerationId(2)).unwrap();
        assert_eq!(live(&dir).unwrap(), GenerationId(2));
    }

    #[test]
    fn a_lost_current_never_hides_an_identity() {
        for damage in [None, Some("gen-1\n"), Some(""), Some("gen-0003\n")] {
            let (_root, dir) = data_dir();
            if let Some(contents) = damage {
                fs::write(dir.current(), contents).unwrap();
            }
            fs::create_dir(dir.generation(GenerationId(9))).unwrap();
            identity_in(&dir, 7);
            assert_eq!(live(&dir).unwrap(), GenerationId(7));
            identity_in(&dir, 8);
            assert!(matches!(live(&dir), Err(VaultError::NoCurrent { .. })));
        }
    }
}
