//! The tide marks: how far the data directory has come, in it and outside of it.
//!
//! Inside it is written down at each opening, at an orderly end and once a day; in the runtime directory with each measurement of the
//! partition; and on the image's boot partition by the next boot. An opening that finds the outside further was given an older copy.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use holdfast_medium::{Age, DataDir};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::vault::{Inspection, Vault};

/// How often it is written down in the data directory.
const DAILY: Duration = Duration::from_secs(24 * 60 * 60);

/// The name of the file in the runtime directory, where the boot's settings step leaves what the boot partition says.
const AGE: &str = "age";

/// Both marks of an open data directory. Cheap to clone.
#[derive(Clone)]
pub struct Tide {
    inside: PathBuf,
    /// `None` where nothing outside outlives a copy.
    outside: Option<PathBuf>,
    state: Arc<Mutex<State>>,
}

struct State {
    age: Age,
    /// When the inside was written last.
    kept: Instant,
}

impl Tide {
    /// Compares what was looked through with what is outside; also says whether it is older than that.
    ///
    /// # Errors
    /// There are no random numbers for a new directory's name.
    pub(super) fn compare(
        data: &DataDir,
        runtime: Option<&Path>,
        found: &Inspection,
    ) -> anyhow::Result<(Self, bool)> {
        let now = |age: Age| Age {
            generation: found.linked().generation.0,
            step: found.step().unwrap_or(u64::MAX),
            ..age
        };
        let inside = match Age::read(&data.age()) {
            Some(age) => age,
            None => Age {
                life: format!("{:016x}", getrandom::u64().context("random numbers")?),
                run: 0,
                generation: 0,
                step: 0,
            },
        };
        let now = now(inside);
        // In the data directory itself it would be copied along.
        let outside = runtime.filter(|runtime| !runtime.starts_with(data.root()));
        let outside = outside.map(|runtime| runtime.join(AGE));
        let further = outside.as_deref().and_then(Age::read);
        let further = further.filter(|age| age.outdates(&now));
        let run = further.as_ref().map_or(now.run, |age| age.run.max(now.run));
        let tide = Self {
            inside: data.age(),
            outside,
            state: Arc::new(Mutex::new(State {
                age: Age {
                    run: run.saturating_add(1),
                    ..now
                },
                kept: Instant::now(),
            })),
        };
        Ok((tide, further.is_some()))
    }

    /// Writes both down once everything is open and repaired, or for the last time. Blocks.
    pub(super) fn keep(&self, vault: &Vault) {
        self.keep_locked(&mut self.state.lock(), vault);
    }

    fn keep_locked(&self, state: &mut State, vault: &Vault) {
        let age = state.at(vault);
        state.kept = Instant::now();
        if let Err(error) = age.keep(&self.inside) {
            tracing::warn!("how far the data has come is not written down: {error}");
        }
        self.name(&age);
    }

    /// Writes down outside how far it is now, and inside once a day. Blocks.
    pub(super) fn note(&self, vault: &Vault) {
        // Held while it is written: the one who writes down a start does so beside everything else.
        let mut state = self.state.lock();
        if state.kept.elapsed() >= DAILY {
            return self.keep_locked(&mut state, vault);
        }
        let before = state.age.clone();
        let age = state.at(vault);
        if age != before {
            self.name(&age);
        }
    }

    fn name(&self, age: &Age) {
        let named = self.outside.as_ref().map(|outside| age.keep(outside));
        if let Some(Err(error)) = named {
            tracing::warn!("how far the data has come is not noted outside: {error}");
        }
    }
}

impl State {
    fn at(&mut self, vault: &Vault) -> Age {
        let (generation, step) = vault.position();
        self.age.generation = generation.0;
        self.age.step = step;
        self.age.clone()
    }
}

#[cfg(test)]
mod tests {
    use holdfast_core::plan;
    use holdfast_medium::{Claim, atomic, barrier::Barrier};

    use super::*;

    /// One life of the vault; returns whether it began with an older copy.
    async fn run(data: &DataDir, runtime: &Path, writes: u8) -> bool {
        let barrier = Barrier::start().unwrap();
        let claim = Claim::take(data).unwrap();
        let inspected = Vault::inspect(claim, barrier.clone()).await;
        let found = inspected.unwrap();
        let (tide, older) = Tide::compare(data, Some(runtime), &found).unwrap();
        let plan = plan(&found.findings());
        let (vault, _) = found.carry_out(plan).await.unwrap();
        tide.keep(&vault);
        for number in 0..writes {
            let backend = vault.backend();
            backend
                .put_identity("peer@lid", [number; 32])
                .await
                .unwrap();
            barrier.settle().await.unwrap();
        }
        tide.note(&vault);
        vault.close().await.unwrap();
        barrier.stop().await.unwrap();
        older
    }

    #[tokio::test]
    async fn a_copy_that_is_put_back_is_behind_what_is_outside() {
        let (root, runtime) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let data = DataDir::new(root.path().join("data"));
        let runtime = runtime.path();
        let (first, second) = (root.path().join("first"), root.path().join("second"));
        let put_back = |copy: &Path| {
            std::fs::remove_dir_all(data.root()).unwrap();
            atomic::copy_dir(copy, data.root()).unwrap();
        };
        assert!(!run(&data, runtime, 3).await, "nothing was there before");
        atomic::copy_dir(data.root(), &first).unwrap();
        assert!(!run(&data, runtime, 3).await);
        atomic::copy_dir(data.root(), &second).unwrap();
        put_back(&second);
        assert!(!run(&data, runtime, 0).await, "the newest copy is the same");
        put_back(&first);
        assert!(run(&data, runtime, 1).await, "as old as its run");
        assert!(!run(&data, runtime, 1).await, "told once");

        // A copy of the vault alone, within one run.
        let vault = data.generation(holdfast_core::GenerationId(1));
        let copy = root.path().join("vault");
        atomic::copy_dir(&vault, &copy).unwrap();
        assert!(!run(&data, runtime, 3).await);
        std::fs::remove_dir_all(&vault).unwrap();
        atomic::copy_dir(&copy, &vault).unwrap();
        assert!(run(&data, runtime, 0).await, "as old as its steps");

        // Where nothing outside outlives a copy, nothing is known; in the directory itself it would be copied along.
        put_back(&first);
        assert!(!run(&data, &data.root().join("run"), 0).await);
        let elsewhere = tempfile::tempdir().unwrap();
        assert!(!run(&data, elsewhere.path(), 0).await);
    }
}
