//! The users of the machine.

use std::fs;

use holdfast_medium::Machine;

/// The user's numbers, own and group's (passwd(5)).
pub(super) fn user(machine: &Machine, name: &str) -> Option<(u32, u32)> {
    let users = fs::read_to_string(machine.file("etc/passwd")).ok()?;
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then_some(())?;
        let own = fields.nth(1)?.parse().ok()?;
        Some((own, fields.next()?.parse().ok()?))
    })
}
