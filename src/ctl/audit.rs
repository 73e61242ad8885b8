//! `audit`: is the record whole, and what is in it.

use std::fmt;
use std::process::ExitCode;

use clap::Subcommand;
use holdfast_medium::Stamp;
use serde::Serialize;
use serde_json::Value;

use super::{Error, Output, find::Daemon, harmless};

/// The subcommands of `audit`.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check that no entry was altered, dropped or moved. Exit code 1 when one was.
    Verify,
    /// Show the entries.
    Show {
        /// From this number on.
        #[arg(long, value_name = "N", default_value_t = 1)]
        from: u64,
    },
}

/// The output of `audit verify`.
#[derive(Serialize)]
struct Verdict {
    sound: bool,
    entries: u64,
    torn_bytes: u64,
    faults: Vec<String>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let judged = if self.sound { "sound" } else { "NOT sound" };
        write!(f, "{} entries, {judged}", self.entries)?;
        if self.torn_bytes > 0 {
            write!(
                f,
                "\n{} bytes at the end never became an entry: a power cut; harmless",
                self.torn_bytes
            )?;
        }
        self.faults
            .iter()
            .try_for_each(|fault| write!(f, "\n{fault}"))
    }
}

/// One entry, as it stands in the log.
#[derive(Serialize)]
#[serde(transparent)]
struct Entry(Value);

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |field: &str| harmless::line(self.0[field].as_str().unwrap_or("-"));
        let at = Stamp {
            boot: None,
            wall_ms: self.0["wall_ms"].as_u64().unwrap_or(0),
            mono_ms: None,
        };
        write!(
            f,
            "{:>4}  {at}  {:<8} by {:<8}",
            self.0["seq"].as_u64().unwrap_or(0),
            text("kind"),
            text("trigger")
        )?;
        if self.0["old"].is_string() {
            write!(f, "  {} -> {}", text("old"), text("new"))?;
        }
        write!(f, "  archive {}", text("archive"))
    }
}

/// Carries one out.
pub(super) async fn run(
    command: Command,
    daemon: &Daemon,
    output: &Output,
) -> Result<ExitCode, Error> {
    let vault = daemon.vault().await?;
    match command {
        Command::Verify => {
            let (entries, torn_bytes, faults) = vault.verify_audit().await?;
            let sound = faults.is_empty();
            output.say(&Verdict {
                sound,
                entries,
                torn_bytes,
                faults,
            })?;
            if !sound {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Show { mut from } => loop {
            let entries = vault.read_audit(from, 0).await?;
            let entries: Vec<Value> = entries
                .iter()
                .filter_map(|entry| serde_json::from_str(entry).ok())
                .collect();
            let Some(last) = entries
                .iter()
                .filter_map(|entry| entry["seq"].as_u64())
                .max()
            else {
                break;
            };
            from = last.saturating_add(1);
            for entry in entries {
                output.say(&Entry(entry))?;
            }
        },
    }
    Ok(ExitCode::SUCCESS)
}
