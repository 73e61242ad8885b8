//! The manifest beside an archived generation.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use holdfast_medium::{Stamp, atomic};
use serde::{Deserialize, Serialize};

use crate::history::{AuditHead, Reached};

/// Its file.
pub(super) const MANIFEST: &str = "manifest.json";
const ORIGIN: &str = "origin.json";

/// The manifest: what the generation was and why it was retired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Its id in the archive.
    pub id: String,
    /// When it was retired.
    #[serde(flatten)]
    pub at: Stamp,
    /// The trigger, as in the audit; `None` when that was not written down before the power went.
    pub trigger: Option<String>,
    /// Why, in a sentence.
    pub reason: String,
    /// The last four digits of its account; `None` when it was never linked.
    pub account: Option<String>,
    /// The generations before and after it.
    pub lineage: Lineage,
    /// Its files and their sizes, bytes.
    pub files: BTreeMap<String, u64>,
    /// How far its device had got with the ids of its keys, in any copy, when this was written last. `None`: not noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reached: Option<Reached>,
    /// Where the audit ended when it came into the archive. `None`: not noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditHead>,
    /// When it was exported: since then the copy in the exported file is the one that may run. `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exported: Option<Stamp>,
    /// When it was taken in here; `None` for one that was retired here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Stamp>,
    /// When Holdfast logged it out at WhatsApp. `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logged_out: Option<Stamp>,
}

/// The relatives of a generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// The newest generation archived before it.
    pub previous: Option<String>,
    /// The generation that was begun instead of it.
    pub next: String,
    /// The archive that it was restored from.
    #[serde(flatten)]
    pub origin: Origin,
    /// The archive that it was in the place it was imported from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported_from: Option<String>,
}

/// The archive that a restored generation came from; empty for one that was linked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_from: Option<String>,
}

impl Manifest {
    /// When it came into the archive, milliseconds since 1970 by the wall clock of then.
    pub(in crate::history) fn came_ms(&self) -> u64 {
        self.imported.as_ref().unwrap_or(&self.at).wall_ms
    }

    /// The manifest in an archived generation's directory; `None` when there is none that can be read.
    pub(super) fn read(generation: &Path) -> Option<Self> {
        read(&generation.join(MANIFEST))
    }

    /// Writes it, durably.
    pub(super) fn write(&self, generation: &Path) -> io::Result<()> {
        write(&generation.join(MANIFEST), self)
    }
}

impl Origin {
    /// Of a generation that is not in the archive yet.
    pub(super) fn read(generation: &Path) -> Self {
        read(&generation.join(ORIGIN)).unwrap_or_default()
    }

    /// Marks a generation as a restored one, durably.
    pub(super) fn write(&self, generation: &Path) -> io::Result<()> {
        write(&generation.join(ORIGIN), self)
    }
}

/// Makes every file of a generation durable and returns their sizes by relative name.
pub(super) fn settle(generation: &Path) -> io::Result<BTreeMap<String, u64>> {
    fn of(root: &Path, dir: &Path, sizes: &mut BTreeMap<String, u64>) -> io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.is_dir() {
                of(root, &path, sizes)?;
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
    let mut sizes = BTreeMap::new();
    of(generation, generation, &mut sizes)?;
    Ok(sizes)
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn write(path: &Path, what: &impl Serialize) -> io::Result<()> {
    let mut json = serde_json::to_vec_pretty(what)?;
    json.push(b'\n');
    atomic::replace(path, &json)
}
