//! The radio of the machine, as the kernel has it.

use std::fs;
use std::path::{Path, PathBuf};

use holdfast_core::Reception;
use holdfast_medium::Machine;

/// The makers of the radios that `brcmfmac` drives: Broadcom and Cypress (Linux include/linux/mmc/sdio_ids.h).
const MAKERS: [&str; 2] = ["0x02d0", "0x04b4"];

/// Reads how well the first radio that is joined hears its access point (`/proc/net/wireless`, Linux net/wireless/wext-proc.c: interface,
/// status, quality, level in dBm, …). The kernel asks the driver for it; without Wireless Extensions there is no such file.
pub fn reception(machine: &Machine) -> Option<Reception> {
    let table = fs::read_to_string(machine.file("proc/net/wireless")).ok()?;
    let row = table.lines().nth(2)?;
    let level = row.split_whitespace().nth(3)?.trim_end_matches('.');
    // What is not below 0 is no level in dBm, but one of a scale of the driver's own.
    let dbm: i8 = level.parse().ok().filter(|dbm| *dbm < 0)?;
    Some(Reception { dbm })
}

/// Tells whether a radio is the only way out: there is one, and no cable is plugged in.
pub(super) fn is_alone(machine: &Machine) -> bool {
    let is_plugged = |link: &PathBuf| {
        // What is no device is made by software: a bridge, a tunnel.
        let is_cable = link.join("device").exists() && !is_radio(link);
        let carrier = fs::read_to_string(link.join("carrier"));
        is_cable && carrier.is_ok_and(|carrier| carrier.trim() == "1")
    };
    let mut links = links(machine);
    let has_radio = links.any(|link| is_radio(&link)) || has_not_started(machine);
    has_radio && !self::links(machine).any(|link| is_plugged(&link))
}

/// Tells whether a radio that the driver knows did not start, with no other one there.
///
/// `brcmfmac` asks for the firmware after it has bound to the radio's SDIO function 1. Where there is none, or the radio does not run with it, it
/// lets the function go (`brcmf_sdio_firmware_callback` of Linux drivers/net/wireless/broadcom/brcm80211/brcmfmac/sdio.c). Which of the two
/// it was, the kernel's log alone says.
pub(super) fn has_not_started(machine: &Machine) -> bool {
    let is_tried = machine.file("sys/module/brcmfmac").exists();
    let is_let_go = |function: &Path| {
        let vendor = fs::read_to_string(function.join("vendor")).unwrap_or_default();
        let is_first = function.to_string_lossy().ends_with(":1");
        is_first && MAKERS.contains(&vendor.trim()) && !function.join("driver").exists()
    };
    let mut functions = entries(&machine.file("sys/bus/sdio/devices"));
    is_tried
        && functions.any(|function| is_let_go(&function))
        && !links(machine).any(|link| is_radio(&link))
}

fn links(machine: &Machine) -> impl Iterator<Item = PathBuf> + use<> {
    entries(&machine.file("sys/class/net"))
}

/// Tells whether a link is a radio's (Linux Documentation/ABI/testing/sysfs-class-net: `phy80211`).
fn is_radio(link: &Path) -> bool {
    link.join("phy80211").exists()
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROADCOM: &str = "0x02d0\n";

    struct Board(tempfile::TempDir);

    impl Board {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn put(&self, path: &str, text: &str) -> &Self {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
            self
        }

        fn machine(&self) -> Machine {
            Machine::at(self.0.path())
        }

        fn has_not_started(&self) -> bool {
            has_not_started(&self.machine())
        }
    }

    #[test]
    fn a_radio_that_its_driver_let_go_did_not_start() {
        let board = Board::new();
        board.put("sys/bus/sdio/devices/mmc1:0001:1/vendor", BROADCOM);
        assert!(!board.has_not_started(), "nobody has tried yet");
        board.put("sys/module/brcmfmac/refcnt", "0\n");
        assert!(board.has_not_started());
        board.put("sys/bus/sdio/devices/mmc1:0001:1/driver/uevent", "");
        assert!(!board.has_not_started(), "it is being started");
    }

    #[test]
    fn only_a_radio_counts_and_only_while_there_is_no_other() {
        let board = Board::new();
        board.put("sys/module/brcmfmac/refcnt", "0\n");
        assert!(!board.has_not_started(), "a board without a radio");
        // Bluetooth's function has no driver on a radio that is well, and other makers' cards are no radios of this driver.
        board
            .put("sys/bus/sdio/devices/mmc1:0001:1/vendor", BROADCOM)
            .put("sys/bus/sdio/devices/mmc1:0001:1/driver/uevent", "")
            .put("sys/bus/sdio/devices/mmc1:0001:3/vendor", BROADCOM)
            .put("sys/bus/sdio/devices/mmc2:0001:1/vendor", "0x024c\n");
        assert!(!board.has_not_started());
        board.put("sys/bus/sdio/devices/mmc3:0001:1/vendor", "0x04b4\n");
        assert!(board.has_not_started());
        board.put("sys/class/net/wlan0/phy80211/index", "0\n");
        assert!(!board.has_not_started(), "another one is there");
    }

    #[test]
    fn a_radio_is_alone_while_no_cable_is_plugged_in() {
        let board = Board::new();
        let is_alone = || is_alone(&board.machine());
        board
            .put("sys/class/net/lo/carrier", "1\n")
            .put("sys/class/net/br0/carrier", "1\n")
            .put("sys/class/net/eth0/device/uevent", "")
            .put("sys/class/net/eth0/carrier", "0\n");
        assert!(!is_alone(), "there is none");
        board
            .put("sys/class/net/wlan0/phy80211/index", "0\n")
            .put("sys/class/net/wlan0/device/uevent", "")
            .put("sys/class/net/wlan0/carrier", "1\n");
        assert!(is_alone());
        board.put("sys/class/net/eth0/carrier", "1\n");
        assert!(!is_alone());
        // One that did not start is one, too: the machine's restart may help it.
        let board = Board::new();
        board
            .put("sys/module/brcmfmac/refcnt", "0\n")
            .put("sys/bus/sdio/devices/mmc1:0001:1/vendor", BROADCOM);
        assert!(super::is_alone(&board.machine()));
    }

    #[test]
    fn what_is_heard_is_the_joined_radio_s() {
        let board = Board::new();
        let found = || reception(&board.machine()).map(|reception| reception.dbm);
        assert_eq!(found(), None, "a kernel without the file");
        let head = "Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE\n face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22\n";
        board.put("proc/net/wireless", head);
        assert_eq!(found(), None, "none is joined");
        let row = " wlan0: 0000   49.  -61.  -256        0      0      0      0      0        0\n";
        board.put("proc/net/wireless", &format!("{head}{row}"));
        assert_eq!(found(), Some(-61));
        board.put(
            "proc/net/wireless",
            &format!("{head}{}", row.replace("-61.", "61.")),
        );
        assert_eq!(found(), None, "a scale of the driver's own");
    }
}
