//! The key that seals the audit: on the boot partition, because the log is on the data partition.
//!
//! It shows that the data partition was written to by somebody who had nothing but that: a backup of it, an image of it, a copy
//! edited elsewhere. It is no secret from whoever has the whole card, or is root.

use anyhow::Context;
use holdfast_medium::{Machine, atomic};

use super::firmware::writable;
use crate::history::KEY_FILE;

/// Makes the key where there is none.
///
/// # Errors
/// There is none: entries are chained, and not sealed.
pub(super) fn make(machine: &Machine) -> anyhow::Result<()> {
    let path = machine.file(KEY_FILE);
    let boot = path.parent().is_some_and(|directory| directory.is_dir());
    if !boot || path.exists() {
        return Ok(());
    }
    let mut key = [0; 32];
    getrandom::fill(&mut key).context("the system's random numbers")?;
    let line = format!("{}\n", hex::encode(key));
    writable(machine, || Ok(atomic::replace(&path, line.as_bytes())?))
}
