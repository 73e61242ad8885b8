//! The device as it booted: which slot, which version, and for how long it has been running.

use std::fs;
use std::time::Duration;

use holdfast_medium::Machine;

/// Tries of a slot on trial: the boot loader counts these, and takes more for a slot that is good.
const TRIES: u32 = 3;
/// There where the init put the slot on trial, after a panic.
const ON_TRIAL: &str = "dev/holdfast/on-trial";

/// The device as it booted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The slot that runs, as the boot loader named it to the kernel: `rauc.slot=A` (RAUC, docs/integration.rst, "Kernel command line").
    /// `None` on a machine that does not boot from slots, which cannot be updated.
    pub slot: Option<String>,
    /// Whether the boot loader counts this slot's starts, until somebody calls it good: `holdfast.left=` has three or fewer tries left
    /// (`board/image/boot.cmd`), or the init put it on trial in this boot. `None` where the boot loader does not say.
    pub counted: Option<bool>,
    /// The version that runs: the image's, or else this program's.
    pub version: String,
    /// The id of this boot: random(4), `boot_id`.
    pub boot: String,
    /// How long ago this boot was.
    pub uptime: Duration,
}

impl Device {
    /// Looks at the machine.
    pub fn of(machine: &Machine) -> Self {
        let read = |path| fs::read_to_string(machine.file(path)).unwrap_or_default();
        let release = read("etc/os-release");
        let version = release
            .lines()
            .find_map(|line| line.strip_prefix("IMAGE_VERSION="))
            .map_or(env!("CARGO_PKG_VERSION"), |text| text.trim_matches('"'));
        let uptime = read("proc/uptime");
        let seconds = uptime.split(['.', ' ']).next().unwrap_or_default();
        let line = read("proc/cmdline");
        let said = |key: &str| {
            let mut words = line.split_whitespace();
            words.rfind(|word| word.starts_with(key))?.get(key.len()..)
        };
        let left = said("holdfast.left=").and_then(|left| left.parse().ok());
        let again = machine.file(ON_TRIAL).exists().then_some(true);
        Self {
            slot: said("rauc.slot=")
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
            counted: again.or(left.map(|left: u32| left <= TRIES)),
            version: version.to_owned(),
            boot: read("proc/sys/kernel/random/boot_id").trim().to_owned(),
            uptime: Duration::from_secs(seconds.parse().unwrap_or(0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slot_is_what_the_command_line_names() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::at(root.path());
        fs::create_dir(machine.file("proc")).unwrap();
        for (line, named) in [
            ("console=ttyS0 rauc.slot=A panic=10\n", Some("A")),
            ("rauc.slot=B\n", Some("B")),
            ("console=ttyS0 norauc.slot=A rauc.slot=\n", None),
        ] {
            fs::write(machine.file("proc/cmdline"), line).unwrap();
            assert_eq!(Device::of(&machine).slot.as_deref(), named, "{line}");
        }
    }

    #[test]
    fn a_slot_is_counted_by_the_boot_loader_s_word_or_the_init_s() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::at(root.path());
        fs::create_dir_all(machine.file("dev/holdfast")).unwrap();
        fs::create_dir(machine.file("proc")).unwrap();
        let counted = |line: &str| {
            fs::write(machine.file("proc/cmdline"), line).unwrap();
            Device::of(&machine).counted
        };
        for (line, said) in [
            ("rauc.slot=A holdfast.left=9 quiet\n", Some(false)),
            ("rauc.slot=A holdfast.left=3\n", Some(true)),
            ("rauc.slot=A holdfast.left=0\n", Some(true)),
            ("holdfast.left=9 rauc.slot=A holdfast.left=2\n", Some(true)),
            ("rauc.slot=A holdfast.left=\n", None),
            ("rauc.slot=A\n", None),
        ] {
            assert_eq!(counted(line), said, "{line}");
        }
        fs::write(machine.file(ON_TRIAL), "").unwrap();
        assert_eq!(counted("rauc.slot=A holdfast.left=9\n"), Some(true));
    }

    #[test]
    fn a_device_is_read_from_its_kernel_and_its_root() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::at(root.path());
        let write = |path: &str, text: &str| {
            let file = machine.file(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        let unknown = Device::of(&machine);
        assert_eq!(
            (unknown.slot, &*unknown.version),
            (None, env!("CARGO_PKG_VERSION"))
        );
        write("proc/cmdline", "quiet rauc.slot=B root=/dev/dm-0\n");
        write("proc/uptime", "123.45 99.00\n");
        write("proc/sys/kernel/random/boot_id", "5d1c\n");
        write("etc/os-release", "ID=holdfast\nIMAGE_VERSION=\"0.2.0\"\n");
        let device = Device {
            slot: Some("B".to_owned()),
            counted: None,
            version: "0.2.0".to_owned(),
            boot: "5d1c".to_owned(),
            uptime: Duration::from_secs(123),
        };
        assert_eq!(Device::of(&machine), device);
    }
}
