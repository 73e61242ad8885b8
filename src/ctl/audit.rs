//! `audit`: is the record whole, and what is in it.

use std::fmt;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use clap::Subcommand;
use holdfast_medium::Stamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::process;
use tokio::time::timeout;

use super::{Daemon, Error, Output, harmless, output::even_unread};
use crate::bus::Vault1Proxy;
use crate::journal::MessageId;

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
    /// The newest entry that the journal names; none where it names none, or cannot be asked.
    journal: Option<u64>,
}

/// The id under which the daemon says where the audit ends.
const AUDITED: &str = MessageId::AUDITED.as_str();

/// How long the journal may take.
const JOURNAL: Duration = Duration::from_secs(30);

/// An entry as the journal names it.
#[derive(Deserialize)]
struct Named {
    #[serde(rename = "HOLDFAST_AUDIT_SEQ")]
    seq: String,
    #[serde(rename = "HOLDFAST_AUDIT_HEAD")]
    hash: String,
}

/// The newest entry that the journal names, of those that the service itself wrote there; no other program can have the daemon's
/// unit (systemd.journal-fields(7)).
async fn named_by_journal() -> Option<(u64, String)> {
    let mut journalctl = process::Command::new("journalctl");
    journalctl
        .args(["--quiet", "--no-pager", "--output=json", "--lines=1000"])
        .arg("--output-fields=HOLDFAST_AUDIT_SEQ,HOLDFAST_AUDIT_HEAD")
        .arg(format!("MESSAGE_ID={AUDITED}"))
        .arg("_SYSTEMD_UNIT=holdfastd.service")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let asked = timeout(JOURNAL, journalctl.output()).await.ok()?.ok()?;
    let lines = asked.stdout.split(|byte| *byte == b'\n');
    let named = lines.filter_map(|line| serde_json::from_slice::<Named>(line).ok());
    named
        .filter_map(|named| Some((named.seq.parse().ok()?, named.hash)))
        .max()
}

/// Holds the journal's newest entry against the log.
async fn ask_journal(vault: &Vault1Proxy<'_>, verdict: &mut Verdict) -> Result<(), Error> {
    let Some((seq, hash)) = named_by_journal().await else {
        return Ok(());
    };
    verdict.journal = Some(seq);
    let entries = vault.read_audit(seq, 1).await?;
    let entry = entries
        .first()
        .map(|entry| serde_json::from_str::<Value>(entry));
    let there = entry.is_some_and(|entry| {
        entry.is_ok_and(|entry| entry["seq"] == seq && entry["hash"] == *hash)
    });
    if !there {
        verdict.sound = false;
        verdict.faults.push(format!(
            "the journal names entry {seq}, and the log does not have it: it was cut back, altered, or begun anew"
        ));
    }
    Ok(())
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
        match self.journal {
            Some(seq) => write!(f, "\nthe newest entry that the journal names: {seq}")?,
            None => write!(f, "\nthe journal names no entry, or cannot be asked")?,
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
            let mut verdict = Verdict {
                sound: faults.is_empty(),
                entries,
                torn_bytes,
                faults,
                journal: None,
            };
            ask_journal(&vault, &mut verdict).await?;
            even_unread(output.say(&verdict))?;
            if !verdict.sound {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Show { mut from } => loop {
            let entries = vault.read_audit(from, 0).await?;
            let entries = entries.iter().map(|entry| serde_json::from_str(entry));
            let entries: Result<Vec<Value>, _> = entries.collect();
            let entries = entries.map_err(|_| Error::ForeignReport)?;
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
