//! A data partition that cannot be used is set aside, and this boot does without it: what the step that did so leaves word of.

use std::fs;
use std::io;

use holdfast_medium::Machine;

/// There, with the reason, when this boot has to do without the partition.
const SET_ASIDE: &str = "run/holdfast/set-aside.json";

/// Why this boot has to do without the data partition, if it has to.
pub fn set_aside(machine: &Machine) -> Option<String> {
    let why = fs::read(machine.file(SET_ASIDE)).ok()?;
    serde_json::from_slice(&why).ok()
}

/// This boot has to, and why.
pub(super) fn note(machine: &Machine, why: &str) -> io::Result<()> {
    super::note(machine, SET_ASIDE, &why)
}
