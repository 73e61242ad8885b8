//! `archive`: retired links, seen, brought back, handed out and taken in.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use futures_util::StreamExt;
use holdfast_medium::Stamp;
use serde::Serialize;
use serde_json::Value;

use super::{Daemon, Error, Output, harmless, passphrase};
use crate::bus::{ArchiveEntry, Vault1Proxy};

/// The subcommands of `archive`.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List what is there.
    List,
    /// Show one archive, and what a restore would bring back.
    Show {
        /// Which, such as gen-0007.
        id: String,
    },
    /// Bring one back: the present link is retired, and Holdfast logs in with the old one. Needs no phone.
    Restore {
        /// Which, such as gen-0007.
        id: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Hand one out as a file encrypted with a passphrase. It is not restored here any more.
    Export {
        /// Which, such as gen-0007. The live generation is retired first.
        id: String,
        /// The file to be made.
        #[arg(value_name = "FILE")]
        to: PathBuf,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// The passphrase is the first line of this file.
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
    },
    /// Take an exported file in; `restore` brings it to life.
    Import {
        /// The exported file.
        #[arg(value_name = "FILE")]
        from: PathBuf,
        /// The passphrase is the first line of this file.
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
    },
}

/// One line of `archive list`.
#[derive(Serialize)]
#[serde(transparent)]
struct Listed(ArchiveEntry);

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(entry) = self;
        let account = match entry.account.as_str() {
            "" => "none".into(),
            digits => format!("••{}", harmless::line(digits)),
        };
        write!(
            f,
            "{:<11}  {:<12}  {account:<6}  {}  {}",
            entry.id,
            entry.standing,
            Stamp {
                boot: None,
                wall_ms: entry.retired_ms,
                mono_ms: None
            },
            harmless::line(&entry.reason)
        )
    }
}

/// The output of `archive show`.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    archive: Listed,
    manifest: Value,
    kept: BTreeMap<String, u64>,
    dropped: BTreeMap<String, u64>,
    damaged: u64,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn counts(tiers: &BTreeMap<String, u64>) -> String {
            let counts: Vec<_> = tiers
                .iter()
                .map(|(tier, count)| format!("{count} {tier}"))
                .collect();
            counts.join(", ")
        }
        write!(
            f,
            "{}\n    comes back: {}\n  stays behind: {}\n       damaged: {}",
            self.archive,
            counts(&self.kept),
            counts(&self.dropped),
            self.damaged
        )?;
        let lineage = &self.manifest["lineage"];
        for (field, text) in [
            ("restored_from", "restored from"),
            ("imported_from", "imported, there called"),
        ] {
            if let Some(id) = lineage[field].as_str() {
                write!(f, "\n  {text} {}", harmless::line(id))?;
            }
        }
        Ok(())
    }
}

/// The output of a restore, an export or an import.
#[derive(Serialize)]
struct Done {
    done: &'static str,
    archive: String,
    #[serde(skip)]
    then: String,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.then)
    }
}

/// Carries one out.
pub(super) async fn run(command: Command, daemon: &Daemon, output: &Output) -> Result<(), Error> {
    let vault = daemon.vault().await?;
    match command {
        Command::List => {
            for entry in vault.list_archives().await? {
                output.say(&Listed(entry))?;
            }
            Ok(())
        }
        Command::Show { id } => {
            let (entry, manifest, kept, dropped, damaged) = vault.show_archive(&id).await?;
            Ok(output.say(&Shown {
                archive: Listed(entry),
                manifest: serde_json::from_str(&manifest).unwrap_or_default(),
                kept,
                dropped,
                damaged,
            })?)
        }
        Command::Restore { id, yes } => restore(&vault, &id, yes, output).await,
        Command::Export {
            id,
            to,
            yes,
            passphrase_file,
        } => {
            export(
                daemon,
                &vault,
                &id,
                &to,
                yes,
                passphrase_file.as_deref(),
                output,
            )
            .await
        }
        Command::Import {
            from,
            passphrase_file,
        } => import(&vault, &from, passphrase_file.as_deref(), output).await,
    }
}

async fn restore(
    vault: &Vault1Proxy<'_>,
    id: &str,
    yes: bool,
    output: &Output,
) -> Result<(), Error> {
    // An archive that cannot be restored is refused before anybody is asked.
    let (mut token, _) = vault.restore(id).await?;
    if !yes {
        let live = vault.generation().await?;
        let question = format!(
            "Restoring {id} retires {live} to the archive. Holdfast then logs in as the device it was before."
        );
        output.confirm(&question, "restore")?;
        // The first one may be too old by now.
        (token, _) = vault.restore(id).await?;
    }
    vault.confirm_restore(id, token).await?;
    Ok(output.say(&Done {
        done: "restore",
        archive: id.into(),
        then: format!("{id} is coming back; `holdfastctl wait` waits until it is connected."),
    })?)
}

async fn export(
    daemon: &Daemon,
    vault: &Vault1Proxy<'_>,
    id: &str,
    to: &Path,
    yes: bool,
    passphrase_file: Option<&Path>,
    output: &Output,
) -> Result<(), Error> {
    let live = vault.generation().await? == id;
    // What cannot be exported is refused before anybody is asked, and before anything is made or given up.
    if live {
        let session = daemon.session().await?;
        if session.account().await?.is_empty() {
            return Err(Error::NeverLinked { id: id.into() });
        }
        session.relink().await?;
    } else {
        vault.export(id).await?;
    }
    let passphrase = passphrase::chosen(passphrase_file)?;
    drop(NewFile::create(to)?);
    if !yes {
        let first = if live {
            format!("{id} is live: it is retired first, and Holdfast is then not linked. ")
        } else {
            String::new()
        };
        let question = format!(
            "{first}Once exported, {id} is not restored here any more: the copy in {} is the one that may run.",
            to.display()
        );
        output.confirm(&question, "export")?;
    }
    let passphrase = match passphrase {
        Some(passphrase) => passphrase,
        None => passphrase::choose()?,
    };
    let file = NewFile::create(to)?;
    if live {
        retire(daemon, id).await?;
    }
    let (token, _) = vault.export(id).await?;
    vault
        .confirm_export(id, token, passphrase::piped(&passphrase)?, file.handle()?)
        .await?;
    file.keep()?;
    Ok(output.say(&Done {
        done: "export",
        archive: id.into(),
        then: format!(
            "{id} is in {}; `holdfastctl archive import` takes it in elsewhere.",
            to.display()
        ),
    })?)
}

/// A file that an export goes into: removed again unless it is kept, so that a second attempt may make it anew. An archive that
/// counts as exported may be exported again.
struct NewFile<'a> {
    path: &'a Path,
    file: File,
    is_kept: bool,
}

impl<'a> NewFile<'a> {
    fn create(path: &'a Path) -> Result<Self, Error> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(|source| Error::File {
                path: path.into(),
                source,
            })?;
        Ok(Self {
            path,
            file,
            is_kept: false,
        })
    }

    /// The file as it is handed to the daemon.
    fn handle(&self) -> Result<zbus::OwnedFd, Error> {
        let file = self
            .file
            .try_clone()
            .map_err(|source| self.failed(source))?;
        Ok(OwnedFd::from(file).into())
    }

    /// Makes it durable, with its name.
    fn keep(mut self) -> Result<(), Error> {
        let parent = self.path.parent();
        let parent = parent.filter(|parent| !parent.as_os_str().is_empty());
        self.file
            .sync_all()
            .and_then(|()| File::open(parent.unwrap_or(Path::new(".")))?.sync_all())
            .map_err(|source| self.failed(source))?;
        self.is_kept = true;
        Ok(())
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::File {
            path: self.path.into(),
            source,
        }
    }
}

impl Drop for NewFile<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            // What failed before is told; a file that stays behind is named by the next attempt.
            let _ = fs::remove_file(self.path);
        }
    }
}

/// Retires the live generation and waits until it is in the archive.
async fn retire(daemon: &Daemon, id: &str) -> Result<(), Error> {
    let departure = daemon.departure().await?;
    tokio::pin!(departure);
    let session = daemon.session().await?;
    let mut changes = session.receive_generation_changed().await;
    let (token, _) = session.relink().await?;
    session.confirm_relink(token).await?;
    while session.generation().await? == id {
        tokio::select! {
            () = &mut departure => return Err(Error::Gone),
            Some(_) = changes.next() => {}
        }
    }
    Ok(())
}

async fn import(
    vault: &Vault1Proxy<'_>,
    from: &Path,
    passphrase_file: Option<&Path>,
    output: &Output,
) -> Result<(), Error> {
    let file = File::open(from).map_err(|source| Error::File {
        path: from.into(),
        source,
    })?;
    let passphrase = passphrase::recall(passphrase_file)?;
    let passed = OwnedFd::from(file).into();
    let id = vault
        .import(passphrase::piped(&passphrase)?, passed)
        .await?;
    Ok(output.say(&Done {
        done: "import",
        then: format!(
            "{id} is in the archive; `holdfastctl archive restore {id}` brings it to life."
        ),
        archive: id,
    })?)
}
