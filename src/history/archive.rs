//! Retired generations: moved here whole, with a manifest, never deleted in place.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use holdfast_core::{GenerationId, LastFour};
use serde::{Deserialize, Serialize};

use super::{HistoryError, Stamp, name};
use crate::vault::{DataDir, atomic};

const MANIFEST: &str = "manifest.json";

/// What a retired generation was and why it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The generation, which is also its id in the archive.
    pub id: String,
    /// When it was retired.
    #[serde(flatten)]
    pub at: Stamp,
    /// Who wanted it, as in the audit; `None` when that was not written down before the power went.
    pub trigger: Option<String>,
    /// Why, in a sentence.
    pub reason: String,
    /// The last four digits of its account; `None` when it was never linked.
    pub account: Option<String>,
    /// What came before and after it.
    pub lineage: Lineage,
    /// Its files and their sizes, bytes.
    pub files: BTreeMap<String, u64>,
}

/// The neighbours of a generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// The newest generation archived before it.
    pub previous: Option<String>,
    /// The generation that was begun instead of it.
    pub next: String,
}

/// A generation in the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archived {
    /// Which one.
    pub id: GenerationId,
    /// Where it is.
    pub path: PathBuf,
    /// Its manifest; `None` when it cannot be read.
    pub manifest: Option<Manifest>,
}

/// The archive of a data directory.
#[derive(Clone, Debug)]
pub struct Archive {
    pub(super) dir: DataDir,
}

impl Archive {
    /// Opens the archive and finishes what a power cut interrupted: a generation older than the live one and not
    /// archived is moved. Returns those too.
    ///
    /// # Errors
    /// [`HistoryError::Io`], [`HistoryError::Exists`].
    pub fn open(
        dir: &DataDir,
        live: GenerationId,
    ) -> Result<(Self, Vec<GenerationId>), HistoryError> {
        let archive = Self { dir: dir.clone() };
        let mut left = generations(dir.root())?;
        left.retain(|id| *id < live);
        for id in &left {
            if read_manifest(&dir.generation(*id)).is_none() {
                let reason = "its retirement was interrupted, and finished at the next start";
                archive.describe(*id, None, None, reason, live)?;
            }
            archive.take(*id)?;
        }
        Ok((archive, left))
    }

    /// Moves a generation into the archive, whole; durable on return. Nobody may have its files open for writing.
    /// Doing it again does nothing more.
    ///
    /// # Errors
    /// [`HistoryError`]; the generation is then where it was, or in the archive.
    pub fn retire(
        &self,
        what: &holdfast_core::Audit,
        account: Option<LastFour>,
        reason: &str,
    ) -> Result<Archived, HistoryError> {
        if self.dir.generation(what.old).is_dir() {
            self.describe(
                what.old,
                Some(name(what.trigger)),
                account,
                reason,
                what.new,
            )?;
        }
        self.take(what.old)
    }

    /// What is in the archive, oldest first.
    ///
    /// # Errors
    /// [`HistoryError::Io`].
    pub fn list(&self) -> Result<Vec<Archived>, HistoryError> {
        let ids = generations(&self.dir.archive())?;
        Ok(ids.into_iter().map(|id| self.archived(id)).collect())
    }

    fn archived(&self, id: GenerationId) -> Archived {
        let path = self.dir.archive().join(id.to_string());
        Archived {
            id,
            manifest: read_manifest(&path),
            path,
        }
    }

    /// Puts the manifest into a generation that is still in its old place.
    fn describe(
        &self,
        id: GenerationId,
        trigger: Option<&str>,
        account: Option<LastFour>,
        reason: &str,
        next: GenerationId,
    ) -> Result<(), HistoryError> {
        let path = self.dir.generation(id);
        let failed = HistoryError::io(&path);
        let mut sizes = BTreeMap::new();
        settle(&path, &path, &mut sizes).map_err(&failed)?;
        let earlier = generations(&self.dir.archive())?
            .into_iter()
            .filter(|other| *other < id);
        let manifest = Manifest {
            id: id.to_string(),
            at: Stamp::now(),
            trigger: trigger.map(str::to_owned),
            reason: reason.to_owned(),
            account: account.map(|account| account.to_string()),
            lineage: Lineage {
                previous: earlier.max().map(|id| id.to_string()),
                next: next.to_string(),
            },
            files: sizes,
        };
        let mut json =
            serde_json::to_vec_pretty(&manifest).map_err(|error| failed(error.into()))?;
        json.push(b'\n');
        atomic::replace(&path.join(MANIFEST), &json).map_err(&failed)
    }

    /// Moves a generation from its old place into the archive, unless it is there already.
    fn take(&self, id: GenerationId) -> Result<Archived, HistoryError> {
        let from = self.dir.generation(id);
        let archive = self.dir.archive();
        let archived = self.archived(id);
        let to = &archived.path;
        let failed = HistoryError::io(to);
        match (from.is_dir(), to.exists()) {
            (true, true) => return Err(HistoryError::Exists { path: to.clone() }),
            (false, false) => return Err(HistoryError::Missing { path: from }),
            (true, false) => {
                atomic::make_dir(&archive).map_err(&failed)?;
                fs::rename(&from, to).map_err(&failed)?;
            }
            (false, true) => {}
        }
        // The new place first: between the two a name too many is better than none.
        atomic::sync_dir(&archive).map_err(&failed)?;
        atomic::sync_dir(self.dir.root()).map_err(&failed)?;
        Ok(self.archived(id))
    }
}

/// Makes every file of a directory durable and notes its size under its relative name.
fn settle(root: &Path, dir: &Path, sizes: &mut BTreeMap<String, u64>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            settle(root, &path, sizes)?;
            continue;
        }
        let file = File::open(&path)?;
        file.sync_all()?;
        let name = path.strip_prefix(root).unwrap_or(&path);
        if name != Path::new(MANIFEST) {
            sizes.insert(name.display().to_string(), file.metadata()?.len());
        }
    }
    atomic::sync_dir(dir)
}

fn read_manifest(generation: &Path) -> Option<Manifest> {
    serde_json::from_slice(&fs::read(generation.join(MANIFEST)).ok()?).ok()
}

/// The generations in a directory, oldest first; none when the directory does not exist.
pub(super) fn generations(dir: &Path) -> Result<Vec<GenerationId>, HistoryError> {
    let failed = HistoryError::io(dir);
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(&failed)?,
    };
    let mut ids = Vec::new();
    for entry in entries {
        let entry = entry.map_err(&failed)?;
        ids.extend(entry.file_name().to_str().and_then(parse));
    }
    ids.sort();
    Ok(ids)
}

fn parse(name: &str) -> Option<GenerationId> {
    let id = GenerationId(name.strip_prefix("gen-")?.parse().ok()?);
    (id.to_string() == name).then_some(id)
}
