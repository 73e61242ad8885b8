//! How far the data directory has come, on the boot partition: the data partition alone may be an older copy of itself.

use holdfast_medium::{Age, DataDir, Machine};

use super::NOTES;
use super::firmware::writable;

const OUTSIDE: &str = "boot/firmware/holdfast.age";
const DATA: &str = "data/holdfast";

/// Tells the daemon what the boot partition says where that is further, and writes down there what the data directory says where
/// that is.
///
/// # Errors
/// The older copy cannot be told of, or nothing be written to the boot partition.
pub(super) fn compare(machine: &Machine) -> anyhow::Result<Vec<String>> {
    let path = machine.file(OUTSIDE);
    let boot = path.parent().is_some_and(|directory| directory.is_dir());
    let Some(inside) = Age::read(&DataDir::new(machine.file(DATA)).age()) else {
        return Ok(Vec::new());
    };
    let outside = Age::read(&path);
    if let Some(outside) = outside.as_ref().filter(|age| age.outdates(&inside)) {
        std::fs::create_dir_all(machine.file(NOTES))?;
        outside.keep(&machine.file(NOTES).join("age"))?;
        return Ok(vec!["the data directory is an older copy of itself".into()]);
    }
    if boot && outside.as_ref() != Some(&inside) {
        writable(machine, || Ok(inside.keep_in_place(&path)?))?;
    }
    Ok(Vec::new())
}
