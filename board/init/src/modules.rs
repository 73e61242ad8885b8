//! The kernel modules that the root needs: one file each beside a list of them in loading order.

use std::{
    fs::{self, File},
    path::Path,
};

use rustix::{io::Errno, system::finit_module};

use crate::{Doing, Error};

/// Loads what `directory`'s list names; what could not be loaded, in words. One that fails is no reason to stop: without
/// the wrong driver the card appears all the same, without the right one it is missed by name.
pub fn load(directory: &Path) -> Result<Vec<String>, Error> {
    let list = fs::read_to_string(directory.join("list")).doing("read the list of modules")?;
    let problems = list.lines().filter_map(|name| {
        let loaded = File::open(directory.join(name)).and_then(|file| {
            finit_module(file, c"", 0)
                .or_else(tolerate)
                .map_err(Into::into)
        });
        loaded
            .err()
            .map(|why| format!("module {name} does not load: {why}"))
    });
    Ok(problems.collect())
}

/// There already, or not for this processor.
fn tolerate(error: Errno) -> Result<(), Errno> {
    if matches!(error, Errno::EXIST | Errno::NODEV) {
        Ok(())
    } else {
        Err(error)
    }
}
