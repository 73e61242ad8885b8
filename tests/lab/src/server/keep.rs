//! The state on disk: one file, replaced whole, so that a restart of the lab unlinks nobody.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::world::World;
use super::{LabError, Shared};
use crate::wire::cert::Authority;

const FILE: &str = "lab.json";

/// The directory, locked while it is written.
pub(super) struct Keeper(Mutex<PathBuf>);

impl Keeper {
    pub fn new(directory: PathBuf) -> Keeper {
        Keeper(Mutex::new(directory))
    }
}

/// What a lab leaves for the next.
#[derive(Deserialize)]
struct Kept {
    authority: Authority,
    world: World,
}

/// The same, borrowed.
#[derive(Serialize)]
struct Keeping<'a> {
    authority: &'a Authority,
    world: &'a World,
}

/// What an earlier lab left in `directory`; `None` when there was none.
pub(super) fn load(directory: &Path) -> Result<Option<(Authority, World)>, LabError> {
    let path = directory.join(FILE);
    let json = match fs::read(&path) {
        Ok(json) => json,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(&path, error)),
    };
    let kept: Kept = serde_json::from_slice(&json).map_err(|error| unusable(&path, error))?;
    Ok(Some((kept.authority, kept.world)))
}

/// Writes the state, if it is to be kept: a reader finds the old one or the new one whole.
pub(super) fn save(shared: &Shared) -> Result<(), LabError> {
    let Some(keeper) = &shared.state else {
        return Ok(());
    };
    // Held from the look to the write, so that no older state replaces a newer one.
    let directory = keeper.0.lock();
    let path = directory.join(FILE);
    let json = shared
        .look(|world| {
            serde_json::to_vec(&Keeping {
                authority: &shared.authority,
                world,
            })
        })
        .map_err(|error| unusable(&path, error))?;
    let write = || {
        fs::create_dir_all(&*directory)?;
        let mut file = tempfile::NamedTempFile::new_in(&*directory)?;
        file.write_all(&json)?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        Ok::<_, std::io::Error>(())
    };
    write().map_err(|error| unusable(&path, error))
}

/// Writes the state after each change until the lab stops; changes that come while it writes are written together.
pub(super) async fn keep(shared: Arc<Shared>) {
    if shared.state.is_none() {
        return;
    }
    let mut changes = shared.changes.subscribe();
    loop {
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = shared.stopped() => return,
        }
        let saving = Arc::clone(&shared);
        match tokio::task::spawn_blocking(move || save(&saving)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the lab's state is not kept"),
            Err(error) => tracing::error!(%error, "the lab's state is not kept"),
        }
    }
}

fn unusable(path: &Path, why: impl std::fmt::Display) -> LabError {
    LabError::State {
        path: path.to_owned(),
        why: why.to_string(),
    }
}
