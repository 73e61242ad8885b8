//! The kernel modules that the root needs: one file each beside a list of them in loading order.

use std::{
    ffi::CString,
    fs::{self, File},
    path::Path,
};

use rustix::{io::Errno, system::finit_module};

use crate::{Doing, Error};

/// Loads what `directory`'s list names, with the parameters that the kernel command line has for it; what could not be loaded, in words. One that fails is no reason to stop: without
/// the wrong driver the card appears all the same, without the right one it is missed by name.
pub fn load(directory: &Path, command_line: &str) -> Result<Vec<String>, Error> {
    let list = fs::read_to_string(directory.join("list")).doing("read the list of modules")?;
    let problems = list.lines().filter_map(|name| {
        let loaded = File::open(directory.join(name)).and_then(|file| {
            finit_module(file, &parameters(name, command_line), 0)
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

/// The words `NAME.parameter=value` for a module, without its name. The kernel takes those of built-in modules alone, and leaves the
/// others to whoever loads them; `-` and `_` are the same in a name.
fn parameters(file: &str, command_line: &str) -> CString {
    let same = |name: &str| name.replace('-', "_");
    let name = same(file.strip_suffix(".ko").unwrap_or(file));
    let own = command_line.split_ascii_whitespace().filter_map(|word| {
        let (key, value) = word.split_once('=')?;
        let (module, parameter) = key.split_once('.')?;
        (same(module) == name).then(|| format!("{parameter}={value}"))
    });
    // A command line has no NUL.
    CString::new(own.collect::<Vec<_>>().join(" ")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_gets_its_own_parameters() {
        let line = "quiet ramoops.mem_name=oops dm_verity.prefetch_cluster=1 ramoops.ecc=1 ramoops_x.y=2 panic=10\n";
        for (file, own) in [
            ("ramoops.ko", c"mem_name=oops ecc=1"),
            ("dm-verity.ko", c"prefetch_cluster=1"),
            ("ext4.ko", c""),
        ] {
            assert_eq!(&*parameters(file, line), own, "{file}");
        }
    }
}
