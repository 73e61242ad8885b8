//! Benchmarks: peers beside us, on one lab, in one run.
//!
//! A benchmark is a [`Bench`] in the list [`ALL`]. Absolute figures are this machine's; the ratios are what is aimed at.

mod boot;
mod memory;
mod outbox;
pub mod recovery;
mod start;
mod wear;

use std::collections::BTreeMap;
use std::process::ExitCode;

use async_trait::async_trait;
use serde_json::{Map, Value, json};

/// Something to measure.
#[async_trait(?Send)]
pub trait Bench {
    /// What it is called on the command line.
    fn name(&self) -> &'static str;
    /// What it measures, in a sentence.
    fn about(&self) -> &'static str;
    /// Measures; for longer when `full`, where more time tells more.
    async fn measure(&self, full: bool) -> anyhow::Result<Report>;
}

/// Every benchmark there is.
pub const ALL: &[&dyn Bench] = &[
    &boot::Boot,
    &memory::Memory,
    &outbox::Outbox,
    &recovery::Recovery,
    &start::Start,
    &wear::Wear,
];

/// Exit code of a benchmark of which something was not run, as for proofs.
const NOT_RUN: u8 = 77;

/// What was measured.
#[derive(Debug, Default)]
pub struct Report {
    columns: Vec<&'static str>,
    rows: Vec<Row>,
    ratios: BTreeMap<&'static str, Option<f64>>,
}

#[derive(Debug)]
struct Row {
    who: &'static str,
    /// The figures, one for each column, or why there are none.
    figures: Result<Vec<f64>, String>,
}

impl Report {
    /// A report whose rows have these columns; a column's name ends in its unit.
    pub fn new(columns: &[&'static str]) -> Report {
        Report {
            columns: columns.to_vec(),
            ..Report::default()
        }
    }

    /// Adds a row: its figures in the order of the columns, or why it was not run.
    pub fn row(&mut self, who: &'static str, figures: Result<Vec<f64>, String>) {
        self.rows.push(Row { who, figures });
    }

    /// Adds the ratio of one column between two rows; without one of them it is unknown.
    pub fn ratio(&mut self, name: &'static str, column: &str, of: &str, to: &str) {
        let ratio = match (self.figure(of, column), self.figure(to, column)) {
            (Some(of), Some(to)) if to > 0.0 => Some(of / to),
            _ => None,
        };
        self.ratios.insert(name, ratio);
    }

    /// Adds a figure itself, of a column that is a ratio already.
    pub fn plain(&mut self, name: &'static str, column: &str, of: &str) {
        self.ratios.insert(name, self.figure(of, column));
    }

    fn figure(&self, who: &str, column: &str) -> Option<f64> {
        let at = self.columns.iter().position(|name| *name == column)?;
        let row = self.rows.iter().find(|row| row.who == who)?;
        row.figures.as_ref().ok()?.get(at).copied()
    }

    fn complete(&self) -> bool {
        self.rows.iter().all(|row| row.figures.is_ok())
    }

    /// The table, and the ratios in its last line.
    fn table(&self, name: &str) -> String {
        let mut text = format!("{:16}", "");
        for column in &self.columns {
            text += &format!("{column:>17}");
        }
        text += "\n";
        for row in &self.rows {
            text += &format!("{:16}", row.who);
            match &row.figures {
                Ok(figures) => {
                    // Small figures are of things counted per message.
                    text.extend(figures.iter().map(|figure| match figure {
                        0.0..100.0 => format!("{figure:>17.3}"),
                        _ => format!("{figure:>17.0}"),
                    }));
                }
                Err(why) => text += &format!("not run: {why}"),
            }
            text += "\n";
        }
        text += &format!("bench {name}:");
        for (ratio, value) in &self.ratios {
            text += &match value {
                Some(value) => format!(" {ratio} {value:.3}"),
                None => format!(" {ratio} not run"),
            };
        }
        text
    }

    fn json(&self, name: &str) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let mut object = Map::from_iter([("who".to_owned(), json!(row.who))]);
                match &row.figures {
                    Ok(figures) => object.extend(
                        self.columns
                            .iter()
                            .zip(figures)
                            .map(|(column, figure)| ((*column).to_owned(), json!(figure))),
                    ),
                    Err(why) => {
                        object.insert("not_run".to_owned(), json!(why));
                    }
                }
                Value::Object(object)
            })
            .collect();
        json!({ "bench": name, "ratios": self.ratios, "rows": rows })
    }
}

/// What is printed for `--list`.
pub fn list() -> String {
    ALL.iter()
        .map(|bench| format!("{:12} {}\n", bench.name(), bench.about()))
        .collect()
}

/// Carries out the benchmark called `name` and prints what it measured, the ratios last; exit code 77 when a row is missing.
///
/// # Errors
/// [`Unknown`], or what kept all of it from being measured.
pub async fn run(name: &str, full: bool, as_json: bool) -> anyhow::Result<ExitCode> {
    let bench = ALL
        .iter()
        .find(|bench| bench.name() == name)
        .ok_or_else(|| Unknown(name.to_owned()))?;
    let report = bench.measure(full).await?;
    if as_json {
        println!("{}", report.json(name));
    } else {
        println!("{}", report.table(name));
    }
    Ok(ExitCode::from(if report.complete() { 0 } else { NOT_RUN }))
}

/// No benchmark has this name.
#[derive(Debug, thiserror::Error)]
#[error("no benchmark is called {0:?}; `holdfast-lab bench --list` names them all")]
pub struct Unknown(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_a_table_and_an_object_and_hides_no_missing_row() {
        let mut report = Report::new(&["anon_kib", "resident_kib"]);
        report.row("holdfast", Ok(vec![1000.0, 4000.0]));
        report.row("baileys", Ok(vec![80_000.0, 120_000.0]));
        report.ratio("anon_vs_baileys", "anon_kib", "holdfast", "baileys");
        report.plain("resident", "resident_kib", "holdfast");
        assert!(report.complete());
        let table = report.table("memory");
        assert_eq!(
            table.lines().last(),
            Some("bench memory: anon_vs_baileys 0.013 resident 4000.000")
        );

        report.row("other", Err("no Node".to_owned()));
        report.ratio("anon_vs_other", "anon_kib", "holdfast", "other");
        assert!(!report.complete());
        assert!(report.table("memory").contains("not run: no Node"));
        let json = report.json("memory");
        assert_eq!(json["bench"], "memory");
        assert_eq!(json["ratios"]["anon_vs_baileys"], 0.0125);
        assert_eq!(json["ratios"]["anon_vs_other"], Value::Null);
        assert_eq!(json["rows"][0]["resident_kib"], 4000.0);
        assert_eq!(json["rows"][2]["not_run"], "no Node");
    }

    #[tokio::test]
    async fn an_unknown_name_is_an_error() {
        assert!(run("no-such", false, false).await.is_err());
        assert!(ALL.iter().all(|bench| list().contains(bench.name())));
    }
}
