//! `boot`.

use super::{Daemon, Error, Output};
use crate::boot::BootReport;

/// Prints the boot report.
pub(super) async fn boot(daemon: &Daemon, output: &Output) -> Result<(), Error> {
    let report = daemon.vault().await?.boot_report().await?;
    let report: BootReport = serde_json::from_str(&report).map_err(|_| Error::ForeignReport)?;
    Ok(output.say(&report)?)
}
