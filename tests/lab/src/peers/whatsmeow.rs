//! An unmodified whatsmeow: the Go library as the Python package neonize brings it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::PeerError;
use super::lines::Lines;
use crate::server::Lab;

/// The top of the work tree.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Python, with the package and what it needs.
fn python() -> PathBuf {
    top().join("target/whatsmeow/bin/python")
}

/// What keeps whatsmeow from running here, and what to do about it.
pub async fn missing() -> Option<String> {
    let imported = Command::new(python())
        .args(["-c", "import neonize"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .await;
    let why = match imported {
        Ok(output) if output.status.success() => return None,
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            said.lines().last().unwrap_or_default().to_owned()
        }
        Err(error) => format!("{}: {error}", python().display()),
    };
    Some(format!(
        "whatsmeow is not installed ({why}): run `python3 -m venv target/whatsmeow && target/whatsmeow/bin/pip install -r \
         tests/lab/whatsmeow/requirements.txt` at the top of the work tree; libmagic has to be there too"
    ))
}

/// Starts a client that keeps its session in `auth`.
///
/// # Errors
/// [`PeerError::Process`].
pub fn start(lab: &Lab, auth: &Path) -> Result<Lines, PeerError> {
    let root_key = hex::encode(lab.root_key());
    let mut driver = Command::new(python());
    driver
        .arg(top().join("tests/lab/whatsmeow/driver.py"))
        .args(["--url", &lab.url(), "--root-key", &root_key, "--auth"])
        .arg(auth)
        // It has warnings of its own about what is not used here.
        .stderr(Stdio::null());
    Lines::start("whatsmeow", &mut driver)
}
