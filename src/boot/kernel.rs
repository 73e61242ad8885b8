//! Reads from the kernel which boot this is, and whether an earlier one crashed.

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::time::UNIX_EPOCH;

use holdfast_medium::Machine;
use serde::{Deserialize, Serialize};

use super::Said;

/// Which boot this is, and how old.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock {
    /// `/proc/sys/kernel/random/boot_id` (random(4)): drawn anew at each boot.
    pub boot: String,
    /// Time since boot, milliseconds: `/proc/uptime` (proc_uptime(5)).
    pub uptime_ms: Option<u64>,
}

/// A crash the kernel kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dump {
    /// The file.
    pub name: String,
    /// When it was kept by the wall clock, milliseconds since 1970.
    pub wall_ms: u64,
    /// Why, in the kernel's word: `Panic`, `Oops`, `Emergency`, …
    pub reason: Option<String>,
}

impl Dump {
    /// A crash that ended the kernel. An oops alone need not, and a dump of a plain restart is none.
    pub fn is_crash(&self) -> bool {
        self.reason.as_deref() == Some("Panic")
    }
}

/// Which boot this is.
pub(super) fn clock(machine: &Machine) -> Said<Clock> {
    Said::of_file(&machine.file("proc/sys/kernel/random/boot_id")).and_then(|boot| {
        let uptime = fs::read_to_string(machine.file("proc/uptime")).ok();
        Said::Present(Clock {
            boot,
            uptime_ms: uptime.and_then(|uptime| milliseconds(&uptime)),
        })
    })
}

fn milliseconds(uptime: &str) -> Option<u64> {
    let seconds: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    Some((seconds * 1000.0) as u64)
}

/// Lists pstore's crash dumps (Linux Documentation/ABI/testing/pstore): one `dmesg-BACKEND-ID` file for each part of a kept kernel
/// log, stamped with the moment of the crash. systemd-pstore(8) moves them away at boot, one directory deeper or two.
///
/// Unreadable where the kernel has no backend to keep a crash in: then silence tells nothing.
pub(super) fn dumps(machine: &Machine) -> Said<Vec<Dump>> {
    let backend = Said::of_file(&machine.file("sys/module/pstore/parameters/backend"));
    match backend {
        Said::Present(name) if name != "(null)" => {}
        Said::Unreadable(why) => return Said::Unreadable(why),
        Said::Present(_) | Said::Absent => {
            return Said::Unreadable("this machine keeps no kernel crashes (no pstore)".into());
        }
    }
    let mut found = Vec::new();
    for (place, depth) in [("sys/fs/pstore", 0), ("var/lib/systemd/pstore", 2)] {
        let place = machine.file(place);
        match collect(&place, depth, &mut found) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Said::Unreadable(format!("{}: {error}", place.display()));
            }
            _ => {}
        }
    }
    found.sort_by(|a: &Dump, b: &Dump| a.name.cmp(&b.name));
    if found.is_empty() {
        Said::Absent
    } else {
        Said::Present(found)
    }
}

fn collect(dir: &Path, depth: u32, found: &mut Vec<Dump>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if metadata.is_dir() && depth > 0 {
            collect(&entry.path(), depth - 1, found)?;
        } else if metadata.is_file() && name.starts_with("dmesg-") {
            let at = metadata.modified()?.duration_since(UNIX_EPOCH);
            let wall_ms = u64::try_from(at.unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
            found.push(Dump {
                name,
                wall_ms,
                reason: reason(&entry.path()),
            });
        }
    }
    Ok(())
}

/// A dump begins with `REASON#COUNT PartN` (pstore_dump in the kernel's fs/pstore/platform.c).
fn reason(path: &Path) -> Option<String> {
    let mut head = [0; 64];
    let length = fs::File::open(path).ok()?.read(&mut head).ok()?;
    let head = String::from_utf8_lossy(&head[..length]);
    let (reason, _) = head.split_once('#')?;
    let is_word = !reason.is_empty() && reason.chars().all(|letter| letter.is_ascii_alphabetic());
    is_word.then(|| reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Machine) {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let machine = Machine::at(root.path());
        (root, machine)
    }

    #[test]
    fn the_boot_and_its_age() {
        let (_root, machine) = machine(&[
            ("proc/sys/kernel/random/boot_id", "b1\n"),
            ("proc/uptime", "12.34 20.00\n"),
        ]);
        let clock = clock(&machine);
        assert_eq!(clock.present().map(|clock| clock.boot.as_str()), Some("b1"));
        assert_eq!(clock.present().unwrap().uptime_ms, Some(12_340));
    }

    #[test]
    fn silence_counts_only_where_crashes_are_kept() {
        let (_root, none) = machine(&[("sys/fs/pstore/dmesg-x-1", "Panic#1 Part1")]);
        assert!(matches!(dumps(&none), Said::Unreadable(_)));
        let backend = ("sys/module/pstore/parameters/backend", "ramoops\n");
        let (_root, silent) = machine(&[backend, ("sys/fs/pstore/console-ramoops-0", "")]);
        assert_eq!(dumps(&silent), Said::Absent);
        let (_root, off) = machine(&[("sys/module/pstore/parameters/backend", "(null)\n")]);
        assert!(matches!(dumps(&off), Said::Unreadable(_)));
    }

    #[test]
    fn a_dump_says_why_wherever_it_was_moved() {
        let (_root, machine) = machine(&[
            ("sys/module/pstore/parameters/backend", "ramoops"),
            ("sys/fs/pstore/dmesg-ramoops-0", "Panic#2 Part1\n<0>[1.0] x"),
            (
                "var/lib/systemd/pstore/17/dmesg-ramoops-1",
                "Oops#1 Part1\n",
            ),
            ("var/lib/systemd/pstore/17/001/dmesg-ramoops-2", "garbage"),
        ]);
        let found = dumps(&machine);
        let found = found.present().unwrap();
        let crashes: Vec<_> = found.iter().map(Dump::is_crash).collect();
        assert_eq!(crashes, [true, false, false]);
        assert_eq!(found[1].reason.as_deref(), Some("Oops"));
        assert_eq!(found[2].reason, None);
    }
}
