//! `org.holdfast.Vault1`: how the vault is doing, in counts, and what was before: the archive and the audit.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::time::Duration;

use holdfast_core::{ArchiveId, Deed};
use serde::{Deserialize, Serialize};
use zbus::{Type, interface};

use super::{Error, Handle, Request};
use crate::history::{Archive, Archived, HistoryError, Incidents};
use crate::journal::Secret;
use crate::vault::tiers::Tier;

/// A passphrase longer than this is a mistake, bytes.
const LONGEST_PASSPHRASE: u64 = 1024;

/// How long a passphrase may take to come.
const PASSPHRASE_WAIT: Duration = Duration::from_secs(10);

/// The most entries one `ReadAudit` returns.
const MOST_ENTRIES: u32 = 128;

/// The vault object.
pub struct Vault {
    handle: Handle,
}

/// An archive on the wire.
#[derive(Clone, Debug, Deserialize, Serialize, Type)]
pub struct ArchiveEntry {
    /// Its name: `gen-0007`, or `import-0001`.
    pub id: String,
    /// `restorable`, or why not: `revoked`, `exported`, `never-linked`, `unknown`, `unreadable`.
    pub standing: String,
    /// The last four digits of its account; empty when it was never linked.
    pub account: String,
    /// Who had it retired: `button`, `bus`, `server`, `recovery`; empty when that is not known.
    pub trigger: String,
    /// Why it was retired, in a sentence; empty when that is not known.
    pub reason: String,
    /// When it was retired, milliseconds since 1970 by the wall clock of then; 0 when that is not known.
    pub retired_ms: u64,
}

impl Vault {
    pub(super) fn new(handle: Handle) -> Self {
        Self { handle }
    }
}

impl ArchiveEntry {
    /// Reads files: not on the loop.
    fn of(archive: &Archive, archived: Archived) -> Self {
        let standing = archive.standing(archived.id);
        let standing = standing.as_ref().map_or("unreadable", |it| it.as_str());
        let mut entry = Self {
            id: archived.id.to_string(),
            standing: standing.into(),
            account: String::new(),
            trigger: String::new(),
            reason: String::new(),
            retired_ms: 0,
        };
        if let Some(manifest) = archived.manifest {
            entry.account = manifest.account.unwrap_or_default();
            entry.trigger = manifest.trigger.unwrap_or_default();
            entry.reason = manifest.reason;
            entry.retired_ms = manifest.at.wall_ms;
        }
        entry
    }
}

#[interface(
    name = "org.holdfast.Vault1",
    proxy(
        default_service = "org.holdfast.Holdfast1",
        default_path = "/org/holdfast/Holdfast1"
    )
)]
impl Vault {
    /// How many records of each tier the live generation holds.
    #[zbus(out_args("records"))]
    async fn records(&self) -> Result<BTreeMap<String, u64>, Error> {
        let counts = self.handle.ask(|reply| Request::Records { reply });
        counts.await?.map_err(Error::Storage)
    }

    /// What was asked of the disk since the daemon started: commits, the barriers (device flushes) they took, and bytes written.
    #[zbus(out_args("commits", "barriers", "bytes"))]
    async fn counters(&self) -> (u64, u64, u64) {
        let stats = self.handle.barrier.stats();
        (stats.commits, stats.barriers, stats.bytes)
    }

    /// What each purpose cost the card since the daemon started: its name, bytes written, and barriers made for it.
    #[zbus(out_args("costs"))]
    async fn costs(&self) -> Vec<(String, u64, u64)> {
        let costs = self.handle.barrier.costs();
        costs
            .into_iter()
            .map(|(purpose, cost)| (purpose.as_str().to_owned(), cost.bytes, cost.barriers))
            .collect()
    }

    /// What the card bears: bytes a day that are written now, bytes a day at which it lasts ten years, and the years it
    /// lasts as things are. All zero where the card cannot be looked at.
    #[zbus(out_args("bytes_per_day", "budget_per_day", "years"))]
    async fn forecast(&self) -> (u64, u64, f64) {
        let forecast = self.handle.card.as_ref().map(|card| {
            let forecast = card.forecast(&self.handle.barrier.costs());
            (
                forecast.bytes_per_day,
                forecast.budget_per_day,
                forecast.years,
            )
        });
        forecast.unwrap_or_default()
    }

    /// The boot report as JSON: how the last run ended, what each signal said, what was found, how long each stage took.
    #[zbus(out_args("report"))]
    async fn boot_report(&self) -> Result<String, Error> {
        serde_json::to_string(&*self.handle.boot)
            .map_err(|error| zbus::Error::Failure(format!("the boot report: {error}")).into())
    }

    /// How the last run ended: `clean`, `process-crash`, `kernel-crash`, `watchdog`, `power-loss`, `first-start`, `unknown`.
    #[zbus(property(emits_changed_signal = "const"))]
    fn last_end(&self) -> String {
        self.handle.boot.last_end.clone()
    }

    /// What is in the archive: id, standing, account, trigger, reason, time of its retirement.
    #[zbus(out_args("archives"))]
    async fn list_archives(&self) -> Result<Vec<ArchiveEntry>, Error> {
        let archive = self.handle.archive.clone();
        aside(move || {
            let archives = archive.list()?.into_iter();
            Ok(archives
                .map(|archived| ArchiveEntry::of(&archive, archived))
                .collect())
        })
        .await
    }

    /// One archive: as in `ListArchives`, its manifest (JSON; empty when it cannot be read), how many records of each tier a restore
    /// brings back, how many it leaves behind, and how many are damaged.
    #[zbus(out_args("archive", "manifest", "kept", "dropped", "damaged"))]
    async fn show_archive(
        &self,
        id: &str,
    ) -> Result<
        (
            ArchiveEntry,
            String,
            BTreeMap<String, u64>,
            BTreeMap<String, u64>,
            u64,
        ),
        Error,
    > {
        let archive = self.handle.archive.clone();
        let shown = archive.show(named(id)?).await?;
        let manifest = shown.archived.manifest.as_ref();
        let manifest = manifest.and_then(|manifest| serde_json::to_string(manifest).ok());
        let archived = shown.archived;
        Ok((
            aside(move || Ok(ArchiveEntry::of(&archive, archived))).await?,
            manifest.unwrap_or_default(),
            by_name(shown.kept),
            by_name(shown.dropped),
            shown.bad,
        ))
    }

    /// First step of a restore: answers with a token to be repeated in `ConfirmRestore` within `valid_ms` milliseconds.
    #[zbus(out_args("token", "valid_ms"))]
    async fn restore(&self, id: &str) -> Result<(u64, u64), Error> {
        let id = named(id)?;
        let archive = self.handle.archive.clone();
        aside(move || archive.standing(id)?.check(id)).await?;
        self.handle.token(Deed::Restore(id)).await
    }

    /// Second step of a restore: retires the live generation to the archive and logs in with the identity of this one, which needs no
    /// phone.
    async fn confirm_restore(&self, id: &str, token: u64) -> Result<(), Error> {
        self.handle.confirm(Deed::Restore(named(id)?), token).await
    }

    /// First step of an export: answers with a token to be repeated in `ConfirmExport` within `valid_ms` milliseconds.
    #[zbus(out_args("token", "valid_ms"))]
    async fn export(&self, id: &str) -> Result<(u64, u64), Error> {
        let id = named(id)?;
        self.handle.archive.find(id)?;
        self.handle.token(Deed::Export(id)).await
    }

    /// Second step of an export: writes the archive, encrypted with the passphrase, to `output`. `passphrase` is read to its end; a
    /// newline at the end does not count. From then on this device is not restored here any more.
    async fn confirm_export(
        &self,
        id: &str,
        token: u64,
        passphrase: zbus::OwnedFd,
        output: zbus::OwnedFd,
    ) -> Result<(), Error> {
        let id = named(id)?;
        let passphrase = read_passphrase(passphrase).await?;
        self.handle.confirm(Deed::Export(id), token).await?;
        let (archive, audit) = (&self.handle.archive, &self.handle.audit);
        Ok(archive.export(audit, id, passphrase, file(output)).await?)
    }

    /// Takes the exported archive in `input` into the archive, where it gets a new name. `passphrase` is read to its end; a newline at the
    /// end does not count.
    #[zbus(out_args("id"))]
    async fn import(
        &self,
        passphrase: zbus::OwnedFd,
        input: zbus::OwnedFd,
    ) -> Result<String, Error> {
        let passphrase = read_passphrase(passphrase).await?;
        let (archive, audit) = (&self.handle.archive, &self.handle.audit);
        let id = archive.import(audit, passphrase, file(input)).await?;
        Ok(id.to_string())
    }

    /// Checks the audit log: how many entries are whole, how many bytes at its end were cut off by a power cut (harmless), and what is
    /// wrong (nothing when empty).
    #[zbus(out_args("entries", "torn", "faults"))]
    async fn verify_audit(&self) -> Result<(u64, u64, Vec<String>), Error> {
        let audit = self.handle.audit.clone();
        let verdict = aside(move || audit.check()).await?;
        let faults = verdict.faults.iter().map(ToString::to_string).collect();
        let torn = verdict.torn_tail.unwrap_or(0) as u64;
        Ok((verdict.entries, torn, faults))
    }

    /// Up to `max` (0: as many as fit) entries of the audit log, JSON as they stand in it, from number `from` on.
    #[zbus(out_args("entries"))]
    async fn read_audit(&self, from: u64, max: u32) -> Result<Vec<String>, Error> {
        let max = match max {
            0 => MOST_ENTRIES,
            max => max.min(MOST_ENTRIES),
        };
        let audit = self.handle.audit.clone();
        aside(move || audit.read(from, max as usize)).await
    }

    /// The last `max` (0: as many as fit) times in which something was wrong, JSON as they stand in the log, the newest last: since
    /// when, why, what Holdfast did, and how long it took.
    #[zbus(out_args("incidents"))]
    async fn incidents(&self, max: u32) -> Result<Vec<String>, Error> {
        let max = match max {
            0 => MOST_ENTRIES,
            max => max.min(MOST_ENTRIES),
        };
        let dir = self.handle.data.clone();
        let read = move || Incidents::last(&dir, max as usize).map_err(HistoryError::Incidents);
        let incidents = aside(read).await?;
        let json = incidents.iter().map(serde_json::to_string);
        json.collect::<Result<_, _>>()
            .map_err(|error| zbus::Error::Failure(error.to_string()).into())
    }

    /// The live generation, such as `gen-0007`.
    #[zbus(property(emits_changed_signal = "false"))]
    fn generation(&self) -> String {
        self.handle.status.borrow().linked.generation.to_string()
    }
}

fn named(id: &str) -> Result<ArchiveId, Error> {
    id.parse().map_err(|error: holdfast_core::NotAName| {
        Error::UnknownArchive(format!("No archive is called that: {error}."))
    })
}

/// Runs what waits for the disk beside the loop that carries everything.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, HistoryError> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(Error::stopping()),
    }
}

fn by_name(counts: BTreeMap<Tier, u64>) -> BTreeMap<String, u64> {
    let named = counts.into_iter();
    named
        .map(|(tier, count)| (tier.as_str().to_owned(), count))
        .collect()
}

fn file(passed: zbus::OwnedFd) -> File {
    File::from(OwnedFd::from(passed))
}

/// A secret comes as a file descriptor, so that it is in no message of the bus.
async fn read_passphrase(passed: zbus::OwnedFd) -> Result<Secret<String>, Error> {
    let unreadable =
        |why: &str| Error::BadPassphrase(format!("The passphrase cannot be read: {why}."));
    let reading = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        let mut limited = file(passed).take(LONGEST_PASSPHRASE + 1);
        limited.read_to_string(&mut text).map(|_| Secret::new(text))
    });
    let read = tokio::time::timeout(PASSPHRASE_WAIT, reading).await;
    let text = match read {
        Err(_) => return Err(unreadable("its writer does not close it")),
        Ok(Err(_)) => return Err(Error::stopping()),
        Ok(Ok(Err(error))) => return Err(unreadable(&error.kind().to_string())),
        Ok(Ok(Ok(text))) => text,
    };
    if text.expose().len() as u64 > LONGEST_PASSPHRASE {
        return Err(unreadable("it is too long"));
    }
    let line = text.expose().strip_suffix('\n').unwrap_or(text.expose());
    if line.is_empty() {
        return Err(HistoryError::ShortPassphrase.into());
    }
    Ok(Secret::new(line.to_owned()))
}
