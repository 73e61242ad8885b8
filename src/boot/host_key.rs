//! The SSH host key: one for each card, made when SSH is first wanted.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use holdfast_medium::{Machine, atomic};

/// Of Ed25519 alone: every client of the last ten years knows it, and it costs a slow board nothing.
const KEY: &str = "data/system/ssh/ssh_host_ed25519_key";

/// Makes the key where there is none. The private half gets its name last, so that a cut leaves a whole key or none.
///
/// # Errors
/// There is no key, and SSH cannot start.
pub(super) fn make(machine: &Machine) -> anyhow::Result<Vec<String>> {
    let key = machine.file(KEY);
    if key.exists() {
        return Ok(Vec::new());
    }
    let new = key.with_added_extension("new");
    for stale in [new.clone(), new.with_added_extension("pub")] {
        let _ = fs::remove_file(stale);
    }
    let status = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"])
        .arg(&new)
        .stdin(Stdio::null())
        .status()
        .context("ssh-keygen cannot be run")?;
    ensure!(status.success(), "ssh-keygen failed: {status}");
    let public = new.with_added_extension("pub");
    for half in [&public, &new] {
        File::open(half)?.sync_all()?;
    }
    fs::rename(public, key.with_added_extension("pub"))?;
    fs::rename(&new, &key)?;
    key.parent().map_or(Ok(()), atomic::sync_dir)?;
    Ok(vec!["this card has a new SSH host key".into()])
}
