//! The record of full runs, `docs/proofs/runs.toml`: what was run on which commit, and whether the code it proved has changed since.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

use super::source::{Mute, Since, Source};
use super::{ALL, Extent, Proof, Run};

/// The record, below the top of the source.
const RECORD: &str = "docs/proofs/runs.toml";

/// One full run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The proof.
    proof: String,
    /// What stood behind its name, without the seed.
    arguments: String,
    /// The commit that was run, or the first on which it was told where nobody wrote it down.
    commit: String,
    /// The day, `2026-11-29`.
    date: String,
    /// Cases and controls tried.
    cases: u64,
    /// Of these, failed.
    failed: u64,
    /// Cases that could not be tried.
    #[serde(default)]
    not_run: u64,
    /// Replays it; a text, since TOML's numbers are too short for half of them.
    seed: String,
    /// How long it took; absent where nobody wrote it down.
    #[serde(skip_serializing_if = "Option::is_none")]
    minutes: Option<u64>,
    /// On what.
    #[serde(skip_serializing_if = "Option::is_none")]
    machine: Option<String>,
    /// What is to be said of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    run: Vec<Entry>,
}

/// The record does not serve.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It cannot be read or written.
    #[error("{place}: {error}", place = .0.display(), error = .1)]
    Io(PathBuf, io::Error),
    /// It is no record.
    #[error("{RECORD}: {0}")]
    Table(#[from] toml::de::Error),
    /// It names a proof that there is not.
    #[error("{RECORD}: no proof is called {0:?}")]
    Unknown(String),
    /// It names a commit that git does not know, or git does not answer.
    #[error("{RECORD}: {0}: {1}")]
    Git(String, Mute),
}

/// A run that is to be recorded when it has ended; made before it begins.
pub struct Recorder {
    source: Source,
    commit: String,
}

impl Recorder {
    /// Looks whether what will run is what a commit names.
    ///
    /// # Errors
    /// Git does not answer, or files were edited since the commit.
    pub fn new() -> anyhow::Result<Self> {
        let source = Source::here();
        ensure!(
            source.is_clean()?,
            "a run is recorded under the commit that is checked out, and files differ from it: commit them, and build anew"
        );
        let commit = source.commit()?;
        Ok(Self { source, commit })
    }

    /// Writes down how it ended.
    ///
    /// # Errors
    /// The record cannot be written.
    pub fn write(
        &self,
        name: &str,
        extent: &Extent,
        run: &Run,
        took: Duration,
    ) -> anyhow::Result<()> {
        let tally = run.tally();
        let entry = Entry {
            proof: name.to_owned(),
            arguments: arguments(extent),
            commit: self.commit.clone(),
            date: today()?,
            cases: tally.cases,
            failed: tally.failed,
            not_run: tally.not_run,
            seed: run.seed().to_string(),
            minutes: Some(took.as_secs().div_ceil(60)),
            machine: Some(machine()),
            note: None,
        };
        append(&self.source, &entry)?;
        println!(
            "{RECORD} has it; `HOLDFAST_WRITE=1 cargo test --test papers` brings it onto the page"
        );
        Ok(())
    }
}

fn arguments(extent: &Extent) -> String {
    match extent.count {
        _ if extent.full => "--full".to_owned(),
        Some(count) => format!("--count {count}"),
        None => String::new(),
    }
}

/// The day, `2026-11-29`.
pub(crate) fn today() -> anyhow::Result<String> {
    let asked = std::process::Command::new("date")
        .args(["--utc", "+%Y-%m-%d"])
        .output()
        .context("date")?;
    Ok(String::from_utf8_lossy(&asked.stdout).trim().to_owned())
}

/// Its processors.
pub(crate) fn machine() -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{processors} × {}", std::env::consts::ARCH)
}

fn append(source: &Source, entry: &Entry) -> anyhow::Result<()> {
    let path = source.top().join(RECORD);
    let text = toml::to_string(&Table {
        run: vec![entry.clone()],
    })?;
    let mut file = OpenOptions::new()
        .append(true)
        .open(&path)
        .map_err(|error| Unreadable::Io(path, error))?;
    file.write_all(format!("\n{text}").as_bytes())?;
    Ok(())
}

/// Says of each proof whether its last full run is older than what it proves; the exit code is 1 when one is.
///
/// # Errors
/// The record does not serve, or git does not.
pub fn ages() -> Result<ExitCode, Unreadable> {
    let (text, all_young) = told(&Source::here(), ALL)?;
    print!("{text}");
    Ok(ExitCode::from(u8::from(!all_young)))
}

/// What is said, and whether every proof has a run that is not older than its rooms.
fn told(source: &Source, proofs: &[&'static dyn Proof]) -> Result<(String, bool), Unreadable> {
    let path = source.top().join(RECORD);
    let text = fs::read_to_string(&path).map_err(|error| Unreadable::Io(path, error))?;
    let Table { run: entries } = toml::from_str(&text)?;
    let known = |entry: &&Entry| !proofs.iter().any(|proof| proof.name() == entry.proof);
    if let Some(entry) = entries.iter().find(known) {
        return Err(Unreadable::Unknown(entry.proof.clone()));
    }
    let (mut told, mut all_young) = (String::new(), true);
    for proof in proofs {
        let name = proof.name();
        let of_it = entries.iter().filter(|entry| entry.proof == name);
        // The record grows at its end: the last entry is the youngest.
        let mut last = None;
        for entry in of_it {
            let since = source.has(&entry.commit).then(|| {
                let since = source.since(&entry.commit, proof.rooms());
                since.map_err(|mute| Unreadable::Git(entry.commit.clone(), mute))
            });
            last = Some((entry, since.transpose()?));
        }
        let _ = match last {
            None => {
                all_young = false;
                writeln!(told, "{name:12} NEVER run at length")
            }
            Some((entry, None)) => {
                all_young = false;
                let Entry {
                    arguments,
                    commit,
                    date,
                    ..
                } = entry;
                writeln!(
                    told,
                    "{name:12} UNKNOWN: {arguments} on {date} at {commit}, which is not in this history: run it again"
                )
            }
            Some((entry, Some(since))) => {
                let as_it_is = since.lines == 0;
                all_young &= as_it_is && entry.failed == 0;
                writeln!(told, "{name:12} {}", age(entry, since))
            }
        };
    }
    Ok((told, all_young))
}

fn age(entry: &Entry, since: Since) -> String {
    let Entry {
        arguments,
        commit,
        date,
        failed,
        ..
    } = entry;
    let run = format!("{arguments} on {date} at {commit}");
    let failed = match failed {
        0 => String::new(),
        _ => format!(", {failed} FAILED"),
    };
    match since {
        Since { lines: 0, .. } => format!("young: {run}, nothing it proves changed since{failed}"),
        Since { commits, lines } => {
            format!("OLDER than its rooms: {run}, {lines} lines in {commits} commits since{failed}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::tests::Repository;
    use super::*;

    fn entry(commit: &str, failed: u64) -> Entry {
        Entry {
            proof: "qr".to_owned(),
            arguments: "--full".to_owned(),
            commit: commit.to_owned(),
            date: "2026-11-29".to_owned(),
            cases: 12,
            failed,
            not_run: 0,
            seed: u64::MAX.to_string(),
            minutes: Some(3),
            machine: Some(machine()),
            note: None,
        }
    }

    fn qr() -> &'static [&'static dyn Proof] {
        let at = ALL.iter().position(|proof| proof.name() == "qr").unwrap();
        &ALL[at..=at]
    }

    #[test]
    fn a_run_is_old_when_its_rooms_changed_and_never_for_anything_else() {
        let repository = Repository::new();
        let source = repository.source();
        repository.commit(RECORD, "# The record.\nrun = []\n", 0);
        let (said, young) = told(&source, qr()).unwrap();
        assert!(said.contains("NEVER") && !young);

        let run = repository.commit("src/panel/qr.rs", "one\ntwo\n", 0);
        repository.commit(RECORD, "# The record.\n", 1);
        append(&source, &entry(&run, 0)).unwrap();
        repository.commit("src/core/step.rs", "another room\n", 2);
        let (said, young) = told(&source, qr()).unwrap();
        assert!(
            said.contains("young: --full on 2026-11-29") && young,
            "{said}"
        );

        let again = repository.commit("src/panel/qr.rs", "one\nthree\n", 3);
        let (said, young) = told(&source, qr()).unwrap();
        assert!(
            said.contains("2 lines in 1 commits since") && !young,
            "{said}"
        );

        append(&source, &entry(&again, 0)).unwrap();
        assert!(told(&source, qr()).unwrap().1, "it was run again");
        append(&source, &entry(&again, 1)).unwrap();
        let (said, young) = told(&source, qr()).unwrap();
        assert!(said.contains("1 FAILED") && !young, "a failure is no proof");
    }

    #[test]
    fn what_nobody_knows_is_said_and_what_does_not_serve_is_an_error() {
        let repository = Repository::new();
        let source = repository.source();
        assert!(matches!(told(&source, qr()), Err(Unreadable::Io(..))));
        repository.commit(RECORD, "", 0);
        append(&source, &entry("0123abc", 0)).unwrap();
        let (said, young) = told(&source, qr()).unwrap();
        assert!(
            said.contains("UNKNOWN: --full on 2026-11-29 at 0123abc") && !young,
            "{said}"
        );
        assert!(matches!(told(&source, &[]), Err(Unreadable::Unknown(name)) if name == "qr"));
        repository.commit(RECORD, "[[run]]\nproof = 'qr'\n", 0);
        assert!(matches!(told(&source, qr()), Err(Unreadable::Table(_))));
    }

    #[test]
    fn the_record_of_the_project_can_be_read() {
        let text = fs::read_to_string(Source::here().top().join(RECORD)).unwrap();
        let Table { run } = toml::from_str(&text).unwrap();
        assert!(
            run.iter()
                .all(|entry| ALL.iter().any(|proof| proof.name() == entry.proof))
        );
    }
}
