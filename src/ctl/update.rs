//! `update`: a new version installed, and the versions in the slots.

use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use futures_util::StreamExt;
use serde::Serialize;

use super::{Daemon, Error, Output, harmless, output::even_unread};
use crate::bus::Update1Proxy;
use crate::desk::UpdateReport;

/// The subcommands of `update`.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show what runs, what lies in the other slot, what is under way, and what became of the last update.
    Status,
}

/// How an update ended.
#[derive(Serialize)]
struct Ended {
    done: &'static str,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.done {
            "nothing" => "There is no newer version.",
            _ => {
                "The new version is installed. The device restarts into it as soon as nothing must not be interrupted; \
                 `holdfastctl update status` then says whether it stays."
            }
        })
    }
}

/// How far it is.
#[derive(Serialize)]
struct Progress {
    stage: String,
    percent: u32,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stage, percent } = self;
        match stage.as_str() {
            "installing" => write!(f, "installing {percent} %"),
            stage => f.write_str(&harmless::line(stage)),
        }
    }
}

/// The output of `update status`.
#[derive(Serialize)]
struct Status {
    #[serde(flatten)]
    report: UpdateReport,
    stage: String,
    percent: u32,
    trial_left_ms: u64,
    automatic: bool,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = &self.report;
        write!(f, "   Version: {}", harmless::line(&report.version))?;
        for slot in &report.slots {
            let version = slot.version.as_deref().unwrap_or("unknown");
            let runs = if slot.runs { ", runs" } else { "" };
            let good = match slot.good {
                Some(true) => ", good",
                Some(false) => ", not to be booted",
                None => "",
            };
            let (name, version) = (harmless::line(&slot.slot), harmless::line(version));
            write!(f, "\n    Slot {name}: {version}{runs}{good}")?;
        }
        if let Some(why) = &report.no_slots {
            write!(f, "\n     Slots: {}", harmless::line(why))?;
        }
        let automatic = if self.automatic {
            "by themselves"
        } else {
            "when asked for"
        };
        write!(f, "\n   Updates: {automatic}")?;
        match self.stage.as_str() {
            "idle" => {}
            "installing" => write!(f, "\n       Now: installing {} %", self.percent)?,
            "trial" => write!(
                f,
                "\n       Now: on trial, {} min left",
                self.trial_left_ms.div_ceil(60_000)
            )?,
            "installed" => write!(f, "\n       Now: installed; the restart waits")?,
            stage => write!(f, "\n       Now: {}", harmless::line(stage))?,
        }
        if let Some(last) = &report.last {
            let version = last.version.as_deref().unwrap_or("a bundle");
            let version = harmless::line(version);
            write!(
                f,
                "\n      Last: {version}, {}",
                harmless::line(&last.outcome)
            )?;
            if let Some(why) = &last.why {
                write!(f, ": {}", harmless::line(why))?;
            }
        }
        if let Some(why) = &report.no_look {
            write!(f, "\n      Look: failed: {}", harmless::line(why))?;
        }
        Ok(())
    }
}

/// Carries one out: of nothing the newest version is installed.
pub(super) async fn run(
    command: Option<Command>,
    from: Option<&str>,
    daemon: &Daemon,
    output: &Output,
) -> Result<ExitCode, Error> {
    let update = daemon.update().await?;
    match command {
        Some(Command::Status) => status(&update, output).await?,
        None => install(from, daemon, &update, output).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn status(update: &Update1Proxy<'_>, output: &Output) -> Result<(), Error> {
    let report = update.report().await?;
    let report = serde_json::from_str(&report).map_err(|_| Error::ForeignReport)?;
    let (stage, percent) = update.progress().await?;
    let status = Status {
        report,
        stage,
        percent,
        trial_left_ms: update.trial_left().await?,
        automatic: update.automatic().await?,
    };
    Ok(output.say(&status)?)
}

/// Begins it, and shows how far it is until it has ended.
async fn install(
    from: Option<&str>,
    daemon: &Daemon,
    update: &Update1Proxy<'_>,
    output: &Output,
) -> Result<(), Error> {
    let departure = daemon.departure().await?;
    tokio::pin!(departure);
    let mut ends = update.receive_ended().await?;
    let mut changes = update.receive_progress_changed().await;
    match from {
        None => update.look().await?,
        Some(url) if url.contains("://") => update.install_from(url.to_owned()).await?,
        Some(path) => update.install(file(path)?.into()).await?,
    }
    let shown = Shown::new(output);
    loop {
        tokio::select! {
            biased;
            Some(end) = ends.next() => {
                let end = end.args()?;
                shown.clear();
                let done = match *end.outcome() {
                    "installed" => "installed",
                    "nothing" => "nothing",
                    "fell-back" => return Err(Error::FellBack),
                    _ => return Err(Error::NotUpdated { why: end.why().to_string() }),
                };
                even_unread(output.say(&Ended { done }))?;
                return Ok(());
            }
            Some(change) = changes.next() => {
                let (stage, percent) = change.get().await?;
                shown.show(&Progress { stage, percent })?;
            }
            () = &mut departure => return Err(Error::Gone),
        }
    }
}

/// The bundle, as it is handed to the daemon; `-` is standard input.
fn file(path: &str) -> Result<OwnedFd, Error> {
    let failed = |source| Error::File {
        path: PathBuf::from(path),
        source,
    };
    match path {
        "-" => io::stdin().as_fd().try_clone_to_owned().map_err(failed),
        path => Ok(File::open(Path::new(path)).map_err(failed)?.into()),
    }
}

/// The progress on a terminal, in one line; for programs each step is one.
struct Shown<'a> {
    output: &'a Output,
    in_place: bool,
}

impl<'a> Shown<'a> {
    fn new(output: &'a Output) -> Self {
        Self {
            output,
            in_place: !output.json() && io::stderr().is_terminal(),
        }
    }

    fn show(&self, progress: &Progress) -> Result<(), Error> {
        if progress.stage == "idle" {
            return Ok(());
        }
        if self.output.json() {
            return Ok(self.output.say(progress)?);
        }
        if self.in_place {
            // What cannot be shown is nothing that was asked for.
            let _ = write!(io::stderr(), "\r{progress}\x1b[K");
        }
        Ok(())
    }

    fn clear(&self) {
        if self.in_place {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
