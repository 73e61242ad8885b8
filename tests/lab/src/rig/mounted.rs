//! An image, mounted for as long as its handle lives.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::tool;

/// A mounted image.
pub struct Mounted {
    at: PathBuf,
}

impl Mounted {
    /// Mounts an image at a directory as the boot of a board does: the journal is replayed, and a check comes first where
    /// the mount needs it.
    ///
    /// # Errors
    /// Even the repaired file system does not mount.
    pub fn new(image: &Path, at: &Path) -> anyhow::Result<Mounted> {
        std::fs::create_dir_all(at)?;
        if mount(image, at).is_err() {
            check(image);
            mount(image, at)?;
        }
        Ok(Mounted { at: at.to_owned() })
    }

    /// Where.
    pub fn path(&self) -> &Path {
        &self.at
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        unmount(&self.at);
    }
}

/// Checks and repairs a file system as a boot does (`src/boot/card.rs`): what is safe first, and
/// where that is not enough, as a superblock torn in its middle is not, all the rest. Whether it was, the mount tells.
pub(super) fn check(image: &Path) {
    for how in ["-p", "-y"] {
        // An error also says that something was repaired, and then there is nothing left for the second.
        let _ = tool(Command::new("e2fsck").arg(how).arg(image));
    }
}

fn mount(image: &Path, at: &Path) -> anyhow::Result<String> {
    tool(
        Command::new("mount")
            .args(["-t", "ext4", "-o", "loop,noatime"])
            .arg(image)
            .arg(at),
    )
}

/// Takes a file system away, at the latest when the last who uses it has ended.
pub(super) fn unmount(at: &Path) {
    if tool(Command::new("umount").arg(at)).is_err() {
        // Nothing more can be done here, and the error that led here matters more.
        let _ = tool(Command::new("umount").arg("--lazy").arg(at));
    }
}
