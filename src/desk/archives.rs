//! Retired generations: seen, brought back, handed out, taken in.

use std::collections::BTreeMap;
use std::fs::File;

use holdfast_core::{ArchiveId, Deed};
use holdfast_medium::{Secret, Stopped};

use super::{Ask, Desk, Refusal, Token, aside};
use crate::history::{Archive, Archived, HistoryError, LastExport, Manifest, Passphrase};

/// One archive of a list.
pub struct ArchiveLine {
    /// Its name.
    pub id: ArchiveId,
    /// The stable name of its standing: whether it may be restored.
    pub standing: &'static str,
    /// Its manifest; `None` when it cannot be read.
    pub manifest: Option<Manifest>,
}

impl ArchiveLine {
    /// Reads files: not on the loop.
    fn of(archive: &Archive, archived: Archived) -> Self {
        let standing = archive.standing(archived.id);
        Self {
            id: archived.id,
            standing: standing.as_ref().map_or("unreadable", |it| it.as_str()),
            manifest: archived.manifest,
        }
    }
}

/// The records of one archive.
pub struct ArchiveContent {
    /// The archive as a list shows it.
    pub line: ArchiveLine,
    /// How many records of each tier a restore brings back.
    pub kept: BTreeMap<&'static str, u64>,
    /// How many sound records of each tier a restore leaves behind.
    pub dropped: BTreeMap<&'static str, u64>,
    /// How many records are damaged.
    pub damaged: u64,
}

impl Desk {
    /// Everything in the archive.
    ///
    /// # Errors
    /// [`Refusal::Storage`].
    pub async fn archives(&self) -> Result<Vec<ArchiveLine>, Refusal> {
        self.check(Ask::Archives)?;
        let archive = self.rooms()?.archive;
        aside(move || {
            let archives = archive.list()?.into_iter();
            let lines = archives.map(|archived| ArchiveLine::of(&archive, archived));
            Ok::<_, HistoryError>(lines.collect())
        })
        .await
    }

    /// One archive, and what a restore would bring back. Reads all of it.
    ///
    /// # Errors
    /// [`Refusal::UnknownArchive`], [`Refusal::Storage`].
    pub async fn archive(&self, id: &str) -> Result<ArchiveContent, Refusal> {
        self.check(Ask::Archives)?;
        let archive = self.rooms()?.archive;
        let shown = archive.show(id.parse()?).await?;
        let archived = shown.archived;
        Ok(ArchiveContent {
            line: aside(move || Ok::<_, HistoryError>(ArchiveLine::of(&archive, archived))).await?,
            kept: shown.records.kept,
            dropped: shown.records.dropped,
            damaged: shown.records.bad,
        })
    }

    /// First step of a restore.
    ///
    /// # Errors
    /// [`Refusal::UnknownArchive`], [`Refusal::NotRestorable`], or the core's refusal.
    pub async fn restore(&self, id: &str) -> Result<Token, Refusal> {
        self.check(Ask::Restore)?;
        let archive = self.rooms()?.archive;
        let id = id.parse()?;
        aside(move || archive.standing(id)?.check(id)).await?;
        self.token(Deed::Restore(id)).await
    }

    /// Second step of a restore: retires the live generation and logs in with the identity of this one, which needs no phone.
    ///
    /// # Errors
    /// The core's refusal.
    pub async fn confirm_restore(&self, id: &str, token: u64) -> Result<(), Refusal> {
        self.check(Ask::Restore)?;
        self.confirm(Deed::Restore(id.parse()?), token).await
    }

    /// First step of an export.
    ///
    /// # Errors
    /// [`Refusal::UnknownArchive`], [`Refusal::NotRestorable`], or the core's refusal.
    pub async fn export(&self, id: &str) -> Result<Token, Refusal> {
        self.check(Ask::Export)?;
        let archive = self.rooms()?.archive;
        let id = id.parse()?;
        aside(move || archive.may_leave(id)).await?;
        self.token(Deed::Export(id)).await
    }

    /// Second step of an export: writes the archive, encrypted with the passphrase, to `output`. From then on this device is not
    /// restored here any more.
    ///
    /// # Errors
    /// [`Refusal`]. Once the token was taken the archive may count as exported, whatever became of the file: it may be exported
    /// again.
    pub async fn confirm_export(
        &self,
        id: &str,
        token: u64,
        passphrase: Secret<String>,
        output: File,
    ) -> Result<(), Refusal> {
        self.check(Ask::Export)?;
        let rooms = self.rooms()?;
        let id = id.parse()?;
        let passphrase = Passphrase::new(passphrase)?;
        self.confirm(Deed::Export(id), token).await?;
        let (archive, audit) = (rooms.archive, rooms.audit);
        let gives_up = async move { archive.give_up(&audit, id).await };
        let given_up = rooms.lane.run(gives_up).await.map_err(stopped)??;
        // Beside the lane: the reader of a pipe may take for ever.
        Ok(given_up.write_out(passphrase, output).await?)
    }

    /// The last export that came to its end; `None` where none ever did.
    ///
    /// # Errors
    /// [`Refusal::Storage`].
    pub async fn last_export(&self) -> Result<Option<LastExport>, Refusal> {
        self.check(Ask::Archives)?;
        let archive = self.rooms()?.archive;
        aside(move || archive.last_export()).await
    }

    /// Takes an exported archive in, and returns its new name.
    ///
    /// # Errors
    /// [`Refusal`]; nothing is changed.
    pub async fn import(
        &self,
        passphrase: Secret<String>,
        input: File,
    ) -> Result<ArchiveId, Refusal> {
        self.check(Ask::Import)?;
        let rooms = self.rooms()?;
        // Beside the lane: the writer of a pipe may take for ever.
        let arrived = rooms.archive.receive(passphrase, input).await?;
        let (archive, audit) = (rooms.archive, rooms.audit);
        let takes_in = async move { archive.take_in(&audit, arrived).await };
        Ok(rooms.lane.run(takes_in).await.map_err(stopped)??)
    }
}

fn stopped(_: Stopped) -> Refusal {
    Refusal::Stopping
}
