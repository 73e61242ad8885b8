//! An unmodified Baileys from npm, in Node.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::PeerError;
use super::lines::Lines;
use crate::server::Lab;

/// The oldest Node that Baileys runs on.
const NODE: u32 = 20;

/// The folder with the driver and, once installed, the package.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("baileys")
}

/// What keeps Baileys from running here, and what to do about it.
pub async fn missing() -> Option<String> {
    let version = Command::new("node")
        .arg("--version")
        .stderr(Stdio::null())
        .output()
        .await
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok());
    let major = version
        .as_deref()
        .and_then(|version| version.trim().strip_prefix('v'))
        .and_then(|version| version.split('.').next())
        .and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < NODE) {
        return Some(format!("needs Node {NODE} or newer on the path"));
    }
    if !folder().join("node_modules/baileys/package.json").is_file() {
        return Some(format!(
            "Baileys is not installed: run `npm install --ignore-scripts` in {}",
            folder().display()
        ));
    }
    None
}

/// Starts a client that keeps its session in `auth`.
///
/// # Errors
/// [`PeerError::Process`].
pub fn start(lab: &Lab, auth: &Path) -> Result<Lines, PeerError> {
    Lines::start("Baileys", &mut command(lab, auth))
}

/// Its command line.
pub(super) fn command(lab: &Lab, auth: &Path) -> Command {
    let root_key = hex::encode(lab.root_key());
    let mut node = Command::new("node");
    node.current_dir(folder())
        .args(["client.mjs", "--url", &lab.url(), "--root-key", &root_key])
        .arg("--auth")
        .arg(auth);
    node
}
