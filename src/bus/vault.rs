//! `org.holdfast.Vault1`: how the vault is doing, in counts, and what was before: the archive and the audit.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;

use holdfast_medium::Secret;
use serde::{Deserialize, Serialize};
use zbus::{Type, interface};

use super::passed::{Wanted, read};
use super::{Error, text::text, unless_zero};
use crate::desk::{ArchiveLine, Desk, Refusal};
use crate::history::HistoryError;

/// A passphrase longer than this is a mistake, bytes.
pub(crate) const LONGEST_PASSPHRASE: u64 = 1024;

/// The vault object.
pub struct Vault1 {
    desk: Desk,
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
    /// The trigger of its retirement: `button`, `bus`, `server`, `recovery`; empty when that is not known.
    pub trigger: String,
    /// Why it was retired, in a sentence; empty when that is not known.
    pub reason: String,
    /// When it was retired, milliseconds since 1970 by the wall clock of then; 0 when that is not known.
    pub retired_ms: u64,
}

impl Vault1 {
    pub(super) fn new(desk: Desk) -> Self {
        Self { desk }
    }
}

impl From<ArchiveLine> for ArchiveEntry {
    fn from(line: ArchiveLine) -> Self {
        let mut entry = Self {
            id: line.id.to_string(),
            standing: line.standing.into(),
            account: String::new(),
            trigger: String::new(),
            reason: String::new(),
            retired_ms: 0,
        };
        if let Some(manifest) = line.manifest {
            // A file that was imported says what it likes.
            entry.account = text(manifest.account.unwrap_or_default());
            entry.trigger = text(manifest.trigger.unwrap_or_default());
            entry.reason = text(manifest.reason);
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
impl Vault1 {
    /// How many records of each tier the live generation holds.
    #[zbus(out_args("records"))]
    async fn records(&self) -> Result<BTreeMap<String, u64>, Error> {
        Ok(self.desk.records().await?)
    }

    /// Counts the work of the disk since the daemon started, its start included: commits, barriers (device flushes), and bytes written.
    #[zbus(out_args("commits", "barriers", "bytes"))]
    async fn counters(&self) -> Result<(u64, u64, u64), Error> {
        let stats = self.desk.counters()?;
        Ok((stats.commits, stats.barriers, stats.bytes))
    }

    /// The cost of each purpose since the daemon started: its name, bytes written, and barriers made for it.
    #[zbus(out_args("costs"))]
    async fn costs(&self) -> Result<Vec<(String, u64, u64)>, Error> {
        let costs = self.desk.costs()?.into_iter();
        Ok(costs
            .map(|(purpose, cost)| (purpose.as_str().to_owned(), cost.bytes, cost.barriers))
            .collect())
    }

    /// The forecast of the card's life: bytes a day that are written now, bytes a day at which it lasts ten years, and the years it
    /// lasts as things are; the rate and the years are zero before a day has passed. All zero where the card cannot be looked at.
    #[zbus(out_args("bytes_per_day", "budget_per_day", "years"))]
    async fn forecast(&self) -> Result<(u64, u64, f64), Error> {
        let Some(forecast) = self.desk.forecast()? else {
            return Ok(Default::default());
        };
        let rate = forecast.rate.map(|rate| (rate.bytes_per_day, rate.years));
        let (bytes_per_day, years) = rate.unwrap_or_default();
        Ok((bytes_per_day, forecast.budget_per_day, years))
    }

    /// The boot report as JSON: how the last run ended, what each signal said, what was found, how long each stage took.
    #[zbus(out_args("report"))]
    async fn boot_report(&self) -> Result<String, Error> {
        serde_json::to_string(&*self.desk.boot_report()?)
            .map_err(|error| zbus::Error::Failure(format!("the boot report: {error}")).into())
    }

    /// How the last run ended: `clean`, `process-crash`, `kernel-crash`, `watchdog`, `power-loss`, `first-start`, `unknown`.
    #[zbus(property(emits_changed_signal = "const"))]
    fn last_end(&self) -> String {
        self.desk.last_end()
    }

    /// Lists the archives: id, standing, account, trigger, reason, time of the retirement.
    #[zbus(out_args("archives"))]
    async fn list_archives(&self) -> Result<Vec<ArchiveEntry>, Error> {
        let archives = self.desk.archives().await?.into_iter();
        Ok(archives.map(ArchiveEntry::from).collect())
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
        let content = self.desk.archive(id).await?;
        let manifest = content.line.manifest.as_ref();
        let manifest = manifest.and_then(|manifest| serde_json::to_string(manifest).ok());
        Ok((
            content.line.into(),
            manifest.unwrap_or_default(),
            by_name(content.kept),
            by_name(content.dropped),
            content.damaged,
        ))
    }

    /// First step of a restore: answers with a token to be repeated in `ConfirmRestore` within `valid_ms` milliseconds.
    #[zbus(out_args("token", "valid_ms"))]
    async fn restore(&self, id: &str) -> Result<(u64, u64), Error> {
        let token = self.desk.restore(id).await?;
        Ok((token.token, token.valid_ms))
    }

    /// Second step of a restore: retires the live generation to the archive and logs in with the identity of this one, which needs no
    /// phone.
    async fn confirm_restore(&self, id: &str, token: u64) -> Result<(), Error> {
        Ok(self.desk.confirm_restore(id, token).await?)
    }

    /// First step of an export: answers with a token to be repeated in `ConfirmExport` within `valid_ms` milliseconds.
    #[zbus(out_args("token", "valid_ms"))]
    async fn export(&self, id: &str) -> Result<(u64, u64), Error> {
        let token = self.desk.export(id).await?;
        Ok((token.token, token.valid_ms))
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
        let _turn = self.desk.turn().await;
        let passphrase = read_passphrase(passphrase).await?;
        let output = file(output);
        let export = self.desk.confirm_export(id, token, passphrase, output);
        Ok(export.await?)
    }

    /// The last export whose file was written to its end: the archive's name, empty where there never was one, and when, milliseconds since
    /// 1970 by the wall clock of then.
    #[zbus(out_args("id", "at_ms"))]
    async fn last_export(&self) -> Result<(String, u64), Error> {
        let last = self.desk.last_export().await?;
        let last = last.map(|last| (last.id, last.at.wall_ms));
        Ok(last.unwrap_or_default())
    }

    /// Takes the exported archive in `input` into the archive, where it gets a new name. `passphrase` is read to its end; a newline at the
    /// end does not count.
    #[zbus(out_args("id"))]
    async fn import(
        &self,
        passphrase: zbus::OwnedFd,
        input: zbus::OwnedFd,
    ) -> Result<String, Error> {
        let _turn = self.desk.turn().await;
        let passphrase = read_passphrase(passphrase).await?;
        let id = self.desk.import(passphrase, file(input)).await?;
        Ok(id.to_string())
    }

    /// Checks the audit log: how many entries are whole, how many bytes at its end were cut off by a power cut (harmless), and what is
    /// wrong (nothing when empty).
    #[zbus(out_args("entries", "torn", "faults"))]
    async fn verify_audit(&self) -> Result<(u64, u64, Vec<String>), Error> {
        let verdict = self.desk.verify_audit().await?;
        let faults = verdict.faults.iter().map(ToString::to_string).collect();
        let torn = verdict.torn_tail.unwrap_or(0) as u64;
        Ok((verdict.entries, torn, faults))
    }

    /// The last entry of the audit log: its number (0: there is none), and its hash or seal, hexadecimal.
    #[zbus(out_args("seq", "hash"))]
    async fn audit_head(&self) -> Result<(u64, String), Error> {
        let head = self.desk.audit_head().await?;
        Ok((head.seq, head.hash))
    }

    /// Up to `max` (0: as many as fit) entries of the audit log, JSON as they stand in it, from number `from` on.
    #[zbus(out_args("entries"))]
    async fn read_audit(&self, from: u64, max: u32) -> Result<Vec<String>, Error> {
        Ok(self.desk.read_audit(from, unless_zero(max)).await?)
    }

    /// The last `max` (0: as many as fit) times in which something was wrong, JSON as they stand in the log, the newest last: since
    /// when, why, what Holdfast did, and how long it took.
    #[zbus(out_args("incidents"))]
    async fn incidents(&self, max: u32) -> Result<Vec<String>, Error> {
        let incidents = self.desk.incidents(unless_zero(max)).await?;
        let json = incidents.iter().map(serde_json::to_string);
        json.collect::<Result<_, _>>()
            .map_err(|error| zbus::Error::Failure(error.to_string()).into())
    }

    /// The live generation, such as `gen-0007`.
    #[zbus(property(emits_changed_signal = "false"))]
    fn generation(&self) -> String {
        self.desk.status().borrow().linked.generation.to_string()
    }
}

fn by_name(counts: BTreeMap<&'static str, u64>) -> BTreeMap<String, u64> {
    let named = counts.into_iter();
    named
        .map(|(tier, count)| (tier.to_owned(), count))
        .collect()
}

fn file(passed: zbus::OwnedFd) -> File {
    File::from(OwnedFd::from(passed))
}

/// Reads the passphrase; a newline at its end does not count.
async fn read_passphrase(passed: zbus::OwnedFd) -> Result<Secret<String>, Error> {
    let wanted = Wanted {
        what: "The passphrase",
        longest: LONGEST_PASSPHRASE,
        refuse: Error::BadPassphrase,
    };
    let text = read(passed, wanted).await?;
    let line = text.expose().strip_suffix('\n').unwrap_or(text.expose());
    if line.is_empty() {
        return Err(Refusal::from(HistoryError::ShortPassphrase).into());
    }
    Ok(Secret::new(line.to_owned()))
}
