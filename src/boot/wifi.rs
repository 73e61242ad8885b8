//! The Wi-Fi between the boot's settings and the daemon, which may neither read the owner's networks nor restart what joins them.

use std::fs;
use std::io;

use holdfast_medium::Machine;

use super::note;

/// There, whether the owner named a network: the file of them is hidden from the daemon.
const NAMED: &str = "run/holdfast-settings/wifi.json";
/// There when the daemon wants the network joined anew: `holdfast-rejoin.path` waits for it.
const REJOIN: &str = "run/holdfast/rejoin";

/// Leaves word whether the owner named a network.
///
/// # Errors
/// Nobody hears of it.
pub(super) fn note_named(machine: &Machine, is_named: bool) -> io::Result<()> {
    note(machine, NAMED, &is_named)
}

/// Whether the owner named a network, as the settings step of this boot found it, or the last change since. On a machine that has no such step a radio is not ours.
pub fn is_named(machine: &Machine) -> bool {
    let kept = fs::read(machine.file(NAMED)).unwrap_or_default();
    serde_json::from_slice(&kept).unwrap_or_default()
}

/// Asks for the network to be joined anew.
///
/// # Errors
/// Nobody hears of it.
pub fn ask_to_rejoin(machine: &Machine) -> io::Result<()> {
    note(machine, REJOIN, &"nothing comes of it")
}
