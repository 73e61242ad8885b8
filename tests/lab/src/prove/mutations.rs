//! `prove mutations`: the core with one line wrong, many times over; the simulation has to notice each.
//!
//! They stand in `tests/sim/mutations.toml`. Each is built with the simulation from a copy of the source: the code under test
//! has no hook for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use async_trait::async_trait;
use holdfast_sim::mutations::{Mutation, Unfit};
use rand::seq::SliceRandom as _;
use tokio::process::Command;

use super::source::Source;
use super::{Proof, Run};

/// One build and one run, on a busy machine.
const WITHIN: Duration = Duration::from_secs(1200);
/// So many lives have to be enough to notice: each mutation is met within 300 on average, so that no seed is an unlucky one.
const LIVES: u64 = 10_000;
/// So many lives of the core as it is show that not everything is noticed; `prove simulation` plays more.
const SOUND: u64 = 500;
/// How it is built: again within a second or two after one line changed, for the price of lives that take twice as long.
const PROFILE: &str = "[profile.release]\nopt-level = 1\nincremental = true\ncodegen-units = 256\n";

/// The proof.
pub struct Mutants;

#[async_trait(?Send)]
impl Proof for Mutants {
    fn name(&self) -> &'static str {
        "mutations"
    }

    fn claim(&self) -> &'static str {
        "the simulation notices every one of the mutations of the core"
    }

    fn minutes(&self) -> u64 {
        5
    }

    fn rooms(&self) -> &'static [&'static str] {
        &["src/core", "tests/sim"]
    }

    async fn try_on(&self, run: &mut Run) {
        let mutations = match Mutation::all(Source::here().top()) {
            Ok(mutations) => mutations,
            Err(Unfit::Io(..)) => {
                return run.not_run(1, "the project's source is not on this machine");
            }
            Err(error) => return run.drawn("the table", Err(error.to_string())),
        };
        let mutations = chosen(mutations, run);
        if !answers("cargo").await {
            let count = mutations.len() as u64 + 1;
            return run.not_run(count, "there is no cargo on this machine");
        }
        let seed = run.seed();
        let place = match tempfile::tempdir() {
            Ok(place) => place,
            Err(error) => return run.not_run(1, format!("there is no room for a copy: {error}")),
        };
        run.case("the core as it is", WITHIN, async {
            let mutant = Mutant::new(place.path(), None)?;
            match mutant.is_noticed(seed, SOUND).await? {
                None => Ok(()),
                Some(what) => bail!("{what}"),
            }
        })
        .await;
        for mutation in mutations {
            run.case(&mutation.name, WITHIN, async {
                let mutant = Mutant::new(place.path(), Some(&mutation))?;
                match mutant.is_noticed(seed, LIVES).await? {
                    Some(what) => {
                        println!("          {what}");
                        Ok(())
                    }
                    None => bail!("nobody noticed within {LIVES} lives: {}", mutation.why),
                }
            })
            .await;
        }
    }
}

/// All of them, in an order that the seed draws, or as many as are asked for.
fn chosen(mut mutations: Vec<Mutation>, run: &Run) -> Vec<Mutation> {
    mutations.shuffle(&mut run.dice(1));
    let count = run.count(u64::MAX, u64::MAX);
    mutations.truncate(count.try_into().unwrap_or(usize::MAX));
    mutations
}

async fn answers(tool: &str) -> bool {
    let asked = Command::new(tool)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    asked.await.is_ok_and(|status| status.success())
}

/// A copy of the core and the simulation, with one thing wrong or none.
struct Mutant {
    tree: PathBuf,
    target: PathBuf,
}

impl Mutant {
    /// Copies anew into the same place, so that what does not change is not built again.
    fn new(place: &Path, mutation: Option<&Mutation>) -> anyhow::Result<Self> {
        let (tree, target) = (place.join("tree"), place.join("target"));
        if tree.exists() {
            fs::remove_dir_all(&tree)?;
        }
        let source = Source::here();
        let source = source.top();
        for room in ["src/core", "tests/sim/src"] {
            copy(&source.join(room), &tree.join(room))?;
        }
        for file in ["tests/sim/Cargo.toml", "Cargo.lock"] {
            fs::copy(source.join(file), tree.join(file))?;
        }
        let whole = fs::read_to_string(source.join("Cargo.toml"))?;
        fs::write(tree.join("Cargo.toml"), workspace(&whole)?)?;
        if let Some(mutation) = mutation {
            mutation.apply(&tree)?;
        }
        Ok(Self { tree, target })
    }

    /// What the simulation says when it notices; a core that panics is noticed, too.
    async fn is_noticed(&self, seed: u64, lives: u64) -> anyhow::Result<Option<String>> {
        let built = Command::new("cargo")
            .args([
                "build",
                "--release",
                "--offline",
                "--quiet",
                "-p",
                "holdfast-sim",
            ])
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", &self.target)
            .env_remove("CARGO_INCREMENTAL")
            .kill_on_drop(true)
            .output()
            .await?;
        if !built.status.success() {
            bail!(
                "it does not build: {}",
                String::from_utf8_lossy(&built.stderr)
            );
        }
        let played = Command::new(self.target.join("release/holdfast-sim"))
            .args(["--seed", &seed.to_string(), "--count", &lives.to_string()])
            .kill_on_drop(true)
            .output()
            .await?;
        if played.status.success() {
            return Ok(None);
        }
        let said = String::from_utf8_lossy(&played.stdout).into_owned();
        let panicked = String::from_utf8_lossy(&played.stderr).into_owned();
        let line = said
            .lines()
            .chain(panicked.lines())
            .find(|line| !line.is_empty());
        Ok(Some(line.context("it failed without a word")?.to_owned()))
    }
}

/// The workspace's manifest without the daemon's package and the members that are not copied.
fn workspace(whole: &str) -> anyhow::Result<String> {
    let (head, _) = whole
        .split_once("\n[package]")
        .context("the workspace's manifest has no package")?;
    let (_, rest) = head
        .split_once("resolver")
        .context("the workspace's manifest has no resolver")?;
    Ok(format!(
        "[workspace]\nmembers = [\"src/core\", \"tests/sim\"]\nresolver{rest}\n{PROFILE}"
    ))
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &place)?;
        } else {
            fs::copy(entry.path(), place)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Extent;
    use super::*;

    #[test]
    fn every_run_tries_every_mutation_and_fewer_only_when_asked() {
        let all = Mutation::all(Source::here().top()).unwrap();
        let names = |seed, count| {
            let extent = Extent {
                seed: Some(seed),
                count,
                full: false,
                record: false,
            };
            let chosen = chosen(all.clone(), &Run::new(extent)).into_iter();
            let mut names: Vec<_> = chosen.map(|mutation| mutation.name).collect();
            names.sort_unstable();
            names
        };
        let mut wanted: Vec<_> = all.iter().map(|mutation| mutation.name.clone()).collect();
        wanted.sort_unstable();
        for seed in 0..10 {
            assert_eq!(names(seed, None), wanted);
        }
        assert_eq!(names(7, Some(3)).len(), 3);
        assert_ne!(names(7, Some(3)), names(8, Some(3)));
    }
}
