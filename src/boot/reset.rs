//! Reads from watchdog and firmware why the machine was last reset.

use std::fs;
use std::io;

use holdfast_medium::Machine;
use serde::{Deserialize, Serialize};

use super::Said;

/// A watchdog's status of the reset before this boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watchdog {
    /// Its device, such as `watchdog0`.
    pub name: String,
    /// WDIOC_GETBOOTSTATUS: flags of Linux include/uapi/linux/watchdog.h. A driver that does not know says 0.
    pub boot_status: u32,
    /// Seconds until it would reset the machine now, where it says so.
    pub left_s: Option<u32>,
}

impl Watchdog {
    /// WDIOF_POWERUNDER: the power was bad.
    const POWER_UNDER: u32 = 0x10;
    /// WDIOF_CARDRESET: it reset the machine.
    const CARD_RESET: u32 = 0x20;

    /// It reset the machine.
    pub fn fired(&self) -> bool {
        self.boot_status & Self::CARD_RESET != 0
    }

    /// It saw the power fail.
    pub fn saw_power_fail(&self) -> bool {
        self.boot_status & Self::POWER_UNDER != 0
    }
}

/// The kind of reset that a Raspberry Pi's firmware saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reset {
    /// The power came on.
    PowerOn,
    /// The power stayed: a restart, a crash or the watchdog, which reset the same way there.
    Warm,
}

/// Every watchdog's word (Linux Documentation/ABI/testing/sysfs-class-watchdog). Absent: there is no watchdog, or each says 0.
pub(super) fn watchdogs(machine: &Machine) -> Said<Vec<Watchdog>> {
    let class = machine.file("sys/class/watchdog");
    let entries = match fs::read_dir(&class) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Said::Absent,
        Err(error) => return Said::Unreadable(format!("{}: {error}", class.display())),
    };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let number = |name: &str| Said::of_file(&entry.path().join(name));
        let boot_status = match number("bootstatus") {
            Said::Absent => continue,
            Said::Unreadable(why) => return Said::Unreadable(why),
            Said::Present(text) => match text.parse() {
                Ok(flags) => flags,
                Err(_) => return Said::Unreadable(format!("bootstatus is {text:?}")),
            },
        };
        found.push(Watchdog {
            name: entry.file_name().to_string_lossy().into_owned(),
            boot_status,
            left_s: number("timeleft")
                .present()
                .and_then(|left| left.parse().ok()),
        });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found.retain(|watchdog| watchdog.boot_status != 0);
    if found.is_empty() {
        Said::Absent
    } else {
        Said::Present(found)
    }
}

/// The reset as the Raspberry Pi's bootloader found it: `chosen/bootloader/pm_rsts` of its device tree is the reset status
/// register, big-endian. Its bits are those of the kernel's bcm2835_wdt.c; the bootloader keeps the boot partition's number
/// in the even ones below bit 11, so only the odd ones tell.
pub(super) fn firmware(machine: &Machine) -> Said<Reset> {
    /// PM_RSTS_HADPOR: the power came on, and nothing cleared it since.
    const POWER_ON: u32 = 0x1000;
    /// PM_RSTS_HADDRF, HADWRF, HADSRF: reset by debugger, watchdog or software since then.
    const WARM: u32 = 0x222;
    let path = machine.file("proc/device-tree/chosen/bootloader/pm_rsts");
    match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Said::Absent,
        Err(error) => Said::Unreadable(format!("{}: {error}", path.display())),
        Ok(bytes) => match <[u8; 4]>::try_from(bytes).map(u32::from_be_bytes) {
            Ok(bits) if bits & WARM != 0 => Said::Present(Reset::Warm),
            Ok(bits) if bits & POWER_ON != 0 => Said::Present(Reset::PowerOn),
            Ok(_) => Said::Absent,
            Err(_) => Said::Unreadable(format!("{} is not a number", path.display())),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watchdog_tells_what_it_saw_and_0_is_silence() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::at(root.path());
        assert_eq!(watchdogs(&machine), Said::Absent);
        for (name, status) in [("watchdog0", "0\n"), ("watchdog1", "48\n")] {
            let dir = root.path().join("sys/class/watchdog").join(name);
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join("bootstatus"), status).unwrap();
            fs::write(dir.join("timeleft"), "12\n").unwrap();
        }
        let said = watchdogs(&machine);
        let [only] = said.present().unwrap().as_slice() else {
            panic!("{said:?}")
        };
        assert_eq!((only.name.as_str(), only.left_s), ("watchdog1", Some(12)));
        assert!(only.fired() && only.saw_power_fail());
    }

    #[test]
    fn the_firmware_tells_a_plug_from_a_restart() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::at(root.path());
        assert_eq!(firmware(&machine), Said::Absent);
        let node = root.path().join("proc/device-tree/chosen/bootloader");
        fs::create_dir_all(&node).unwrap();
        for (bits, said) in [
            (0x1000_u32, Said::Present(Reset::PowerOn)),
            (0x1020, Said::Present(Reset::Warm)),
            // Partition 2, told by the bits between.
            (0x1004, Said::Present(Reset::PowerOn)),
            (0x0020, Said::Present(Reset::Warm)),
            (0x0000, Said::Absent),
        ] {
            fs::write(node.join("pm_rsts"), bits.to_be_bytes()).unwrap();
            assert_eq!(firmware(&machine), said, "{bits:#x}");
        }
        fs::write(node.join("pm_rsts"), "x").unwrap();
        assert!(matches!(firmware(&machine), Said::Unreadable(_)));
    }
}
