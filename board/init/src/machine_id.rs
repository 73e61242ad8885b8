//! The machine id, from the data partition: systemd reads `/etc/machine-id` first of all, when the data partition is not
//! mounted yet, and without one it makes a new one at every boot.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_remount, unmount};

use crate::{Doing, Error, gpt, ioctl::set_read_only};

const MOUNTED: &str = "/data";
const KEPT: &str = "/data/system/machine-id";
const COPY: &str = "/machine-id";

/// Puts the id of `disk`'s data partition over the empty one in `root`; nothing to do on a first boot.
pub fn lend(disk: &str, root: &Path) -> Result<(), Error> {
    let partitions = gpt::partitions(disk);
    let Some(data) = gpt::labelled(&partitions, "data") else {
        return Ok(());
    };
    let Some(id) = read(Path::new(&data.device))?.filter(|id| is_id(id)) else {
        return Ok(());
    };
    fs::write(COPY, format!("{id}\n")).doing("keep the machine id")?;
    let place = root.join("etc/machine-id");
    mount_bind(COPY, &place).doing("lend the machine id to /etc")?;
    // A bind takes no notice of flags before it is there.
    mount_remount(&place, MountFlags::BIND | MountFlags::RDONLY, c"")
        .doing("make the machine id read-only")
}

/// The text of the kept id. The journal must not be replayed, for it is evidence of how the last run ended: the file
/// system is mounted without it, on a device that takes no write.
fn read(device: &Path) -> Result<Option<String>, Error> {
    let at = || format!("look for the machine id on {}", device.display());
    set_read_only(device, true).doing(at())?;
    let mounted = mount(device, MOUNTED, "ext4", MountFlags::RDONLY, c"noload");
    let text = mounted.map(|()| {
        let text = fs::read_to_string(PathBuf::from(KEPT)).ok();
        unmount(MOUNTED, UnmountFlags::empty()).map(|()| text)
    });
    set_read_only(device, false).doing(at())?;
    let text = text.doing(at())?.doing(at())?;
    Ok(text.map(|text| text.trim_end().to_owned()))
}

/// As machine-id(5) has it.
fn is_id(text: &str) -> bool {
    text.len() == 32
        && text
            .bytes()
            .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
        && text != "0".repeat(32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_what_systemd_takes_for_one() {
        assert!(is_id("0123456789abcdef0123456789abcdef"));
        for text in [
            "",
            "uninitialized",
            "0123456789ABCDEF0123456789ABCDEF",
            &"0".repeat(32),
            &"a".repeat(33),
        ] {
            assert!(!is_id(text), "{text}");
        }
    }
}
