//! The record of what was measured, `docs/costs.toml`: the ratios of each run, under its commit, and what is aimed at.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

use super::{ALL, Report};
use crate::prove::record::{machine, today};
use crate::prove::source::Source;

/// The record, below the top of the source.
pub(super) const RECORD: &str = "docs/costs.toml";

/// One measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Run {
    /// The benchmark.
    pub bench: String,
    /// The commit that was measured.
    pub commit: String,
    /// The day, `2026-11-29`.
    pub date: String,
    /// On what.
    pub machine: String,
    /// What was measured, by name; what could not be is left out.
    pub ratios: BTreeMap<String, f64>,
}

/// The file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    /// What is aimed at. The page `docs/costs.md` and its test read more of it.
    #[serde(default, skip_serializing)]
    aim: Vec<Aim>,
    #[serde(default)]
    run: Vec<Run>,
}

/// An aim, of which only its benchmark matters here.
#[derive(Debug, Deserialize)]
struct Aim {
    bench: String,
}

/// All that was recorded.
pub(super) struct Record(Table);

impl Record {
    /// Reads it.
    ///
    /// # Errors
    /// It cannot be read, is no record, or names a benchmark that there is not.
    pub(super) fn read() -> anyhow::Result<Record> {
        let path = place();
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Record::parse(&text)
    }

    fn parse(text: &str) -> anyhow::Result<Record> {
        let table: Table = toml::from_str(text).context(RECORD)?;
        let runs = table.run.iter().map(|run| &run.bench);
        for bench in runs.chain(table.aim.iter().map(|aim| &aim.bench)) {
            let known = ALL.iter().any(|known| known.name() == bench);
            ensure!(known, "{RECORD}: no benchmark is called {bench:?}");
        }
        Ok(Record(table))
    }

    /// The last run of a benchmark that has this ratio: the record grows at its end.
    pub(super) fn last(&self, bench: &str, ratio: &str) -> Option<(&Run, f64)> {
        let mut newest_first = self.0.run.iter().rev();
        newest_first.find_map(|run| {
            let figure = *run.ratios.get(ratio)?;
            (run.bench == bench).then_some((run, figure))
        })
    }
}

/// A measurement that is to be recorded; made before it begins.
pub(super) struct Recorder {
    commit: String,
}

impl Recorder {
    /// Looks whether what will be measured is what a commit names.
    ///
    /// # Errors
    /// Git does not answer, files were edited since the commit, or the build is none whose figures count.
    pub(super) fn new() -> anyhow::Result<Recorder> {
        ensure!(
            !cfg!(debug_assertions),
            "what is recorded is measured with a release build: cargo run --release -p holdfast-lab -- bench"
        );
        let source = Source::here();
        ensure!(
            source.is_clean()?,
            "a measurement is recorded under the commit that is checked out, and files differ from it: commit them, and build anew"
        );
        let commit = source.commit()?;
        Ok(Recorder { commit })
    }

    /// Writes it down.
    ///
    /// # Errors
    /// The record cannot be written, or nothing was measured.
    pub(super) fn write(&self, bench: &str, report: &Report) -> anyhow::Result<()> {
        let known = report.ratios().iter();
        let ratios: BTreeMap<String, f64> = known
            .filter_map(|(name, ratio)| Some(((*name).to_owned(), rounded(ratio.value?))))
            .collect();
        ensure!(
            !ratios.is_empty(),
            "nothing was measured that could be recorded"
        );
        let run = Run {
            bench: bench.to_owned(),
            commit: self.commit.clone(),
            date: today()?,
            machine: machine(),
            ratios,
        };
        let path = place();
        let mut file = OpenOptions::new()
            .append(true)
            .open(&path)
            .with_context(|| path.display().to_string())?;
        file.write_all(format!("\n{}", entry(&run)?).as_bytes())?;
        // The last line of the output is the report's.
        eprintln!(
            "{RECORD} has it; `HOLDFAST_WRITE=1 cargo test --test papers` brings it onto the page"
        );
        Ok(())
    }
}

fn entry(run: &Run) -> Result<String, toml::ser::Error> {
    toml::to_string(&Table {
        aim: Vec::new(),
        run: vec![run.clone()],
    })
}

/// To four digits behind the point: what a message costs in flushes has three.
fn rounded(figure: f64) -> f64 {
    (figure * 1e4).round() / 1e4
}

fn place() -> PathBuf {
    Source::here().top().join(RECORD)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn run(commit: &str, ratios: &[(&str, f64)]) -> Run {
        Run {
            bench: "start".to_owned(),
            commit: commit.to_owned(),
            date: "2026-11-29".to_owned(),
            machine: machine(),
            ratios: ratios
                .iter()
                .map(|(name, figure)| ((*name).to_owned(), *figure))
                .collect(),
        }
    }

    /// A record of these runs.
    pub fn record(runs: &[Run]) -> Record {
        let entries: Vec<String> = runs.iter().map(|run| entry(run).unwrap()).collect();
        Record::parse(&entries.join("\n")).unwrap()
    }

    #[test]
    fn the_newest_run_that_has_a_ratio_counts() {
        let record = record(&[
            run("one", &[("flushes", 33.0), ("ratio", 7.5)]),
            run("two", &[("flushes", 6.0)]),
        ]);
        let found = |ratio| {
            record
                .last("start", ratio)
                .map(|(run, at)| (&*run.commit, at))
        };
        assert_eq!(found("flushes"), Some(("two", 6.0)));
        assert_eq!(found("ratio"), Some(("one", 7.5)));
        assert_eq!(found("other"), None);
        assert!(record.last("wear", "flushes").is_none());
    }

    #[test]
    fn what_nobody_measures_is_an_error() {
        let aim = "[[aim]]\nbench = 'none'\nratio = 'x'\n";
        assert!(Record::parse(aim).is_err());
        let mut of_none = run("one", &[]);
        of_none.bench = "none".to_owned();
        assert!(Record::parse(&entry(&of_none).unwrap()).is_err());
        assert!(Record::parse("[[run]]\nbench = 'start'\n").is_err());
    }

    #[test]
    fn the_record_of_the_project_can_be_read() {
        Record::read().unwrap();
    }
}
