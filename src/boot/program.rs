//! The system's programs that a step has do something.

use std::ffi::OsStr;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, ensure};

/// Runs a program that has to succeed.
pub(super) fn run<A: AsRef<OsStr>>(
    name: &str,
    arguments: impl IntoIterator<Item = A>,
) -> anyhow::Result<()> {
    let done = output(name, arguments)?;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(
        done.status.success(),
        "{name} failed: {}: {}",
        done.status,
        said.trim()
    );
    Ok(())
}

/// Runs a program whose exit status says more than yes or no.
pub(super) fn output<A: AsRef<OsStr>>(
    name: &str,
    arguments: impl IntoIterator<Item = A>,
) -> anyhow::Result<Output> {
    Command::new(name)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{name} cannot be run"))
}
