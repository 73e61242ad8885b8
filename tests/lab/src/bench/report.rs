//! What a benchmark measured: rows of figures, and the ratios that are aimed at.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

/// What was measured.
#[derive(Debug, Default)]
pub struct Report {
    columns: Vec<&'static str>,
    rows: Vec<Row>,
    ratios: BTreeMap<&'static str, Ratio>,
}

#[derive(Debug)]
struct Row {
    who: String,
    /// The figures, one for each column, or why there are none.
    figures: Result<Vec<f64>, String>,
}

/// A ratio, or a figure that is one already. The smaller the better, unless it is called otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ratio {
    /// Unknown where a row is missing.
    pub value: Option<f64>,
    /// It is the same on a busy machine and on a quiet one, but for so much.
    pub steady: Option<f64>,
}

/// In a row: there is no such figure of this one.
pub const NONE: f64 = f64::NAN;

impl Report {
    /// A report whose rows have these columns; a column's name ends in its unit.
    pub fn new(columns: &[&'static str]) -> Report {
        Report {
            columns: columns.to_vec(),
            ..Report::default()
        }
    }

    /// Adds a row: its figures in the order of the columns, or why it was not run.
    pub fn row(&mut self, who: impl Into<String>, figures: Result<Vec<f64>, String>) {
        let who = who.into();
        self.rows.push(Row { who, figures });
    }

    /// Adds the ratio of one column between two rows; without one of them it is unknown.
    pub fn ratio(&mut self, name: &'static str, column: &str, of: &str, to: &str) {
        let value = match (self.figure(of, column), self.figure(to, column)) {
            (Some(of), Some(to)) if to > 0.0 => Some(of / to),
            _ => None,
        };
        self.put(name, value);
    }

    /// Adds a figure itself, of a column that is a ratio already.
    pub fn plain(&mut self, name: &'static str, column: &str, of: &str) {
        self.put(name, self.figure(of, column));
    }

    /// Says that a ratio does not depend on how busy the machine is, but for `slack`: what chance adds to so small a sample.
    pub fn steady(&mut self, name: &'static str, slack: f64) {
        if let Some(ratio) = self.ratios.get_mut(name) {
            ratio.steady = Some(slack);
        }
    }

    fn put(&mut self, name: &'static str, value: Option<f64>) {
        let steady = None;
        self.ratios.insert(name, Ratio { value, steady });
    }

    /// The ratios by name.
    pub fn ratios(&self) -> &BTreeMap<&'static str, Ratio> {
        &self.ratios
    }

    fn figure(&self, who: &str, column: &str) -> Option<f64> {
        let at = self.columns.iter().position(|name| *name == column)?;
        let row = self.rows.iter().find(|row| row.who == who)?;
        let figure = row.figures.as_ref().ok()?.get(at).copied();
        figure.filter(|figure| figure.is_finite())
    }

    /// The rows that were not run, each reason once; `None` when all were.
    pub fn missing(&self) -> Option<String> {
        let mut missing: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for row in &self.rows {
            if let Err(why) = &row.figures {
                missing.entry(why).or_default().push(&row.who);
            }
        }
        let reasons: Vec<String> = missing
            .iter()
            .map(|(why, rows)| format!("{} ({why})", rows.join(" and ")))
            .collect();
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }

    /// Whether every row and every ratio is there.
    pub fn is_complete(&self) -> bool {
        self.missing().is_none() && self.ratios.values().all(|ratio| ratio.value.is_some())
    }

    /// The table; the ratios, and what was not run, in its last line.
    pub fn table(&self, name: &str) -> String {
        let first = self.rows.iter().map(|row| row.who.len()).max();
        let first = first.unwrap_or(0) + 2;
        let mut text = " ".repeat(first);
        for column in &self.columns {
            let _ = write!(text, "{column:>16}");
        }
        text += "\n";
        for row in &self.rows {
            let _ = write!(text, "{:first$}", row.who);
            match &row.figures {
                Ok(figures) => {
                    // Small figures are of things counted per message.
                    text.extend(figures.iter().map(|figure| match figure {
                        figure if figure.is_nan() => format!("{:>16}", "-"),
                        0.0..100.0 => format!("{figure:>16.3}"),
                        _ => format!("{figure:>16.0}"),
                    }));
                }
                Err(why) => {
                    let _ = write!(text, "not run: {why}");
                }
            }
            text += "\n";
        }
        let _ = write!(text, "bench {name}:");
        for (ratio, Ratio { value, .. }) in &self.ratios {
            let _ = match value {
                Some(value) => write!(text, " {ratio} {value:.3}"),
                None => write!(text, " {ratio} not run"),
            };
        }
        if let Some(missing) = self.missing() {
            let _ = write!(text, "; NOT RUN: {missing}");
        }
        text
    }

    /// The same as one object.
    pub fn json(&self, name: &str) -> Value {
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
        let ratios: BTreeMap<_, _> = self.ratios.iter().map(|(k, v)| (k, v.value)).collect();
        json!({ "bench": name, "ratios": ratios, "rows": rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_a_table_and_an_object_and_hides_no_missing_row() {
        let mut report = Report::new(&["anon_kib", "resident_kib"]);
        report.row("holdfast", Ok(vec![1000.0, 4000.0]));
        report.row("baileys", Ok(vec![80_000.0, NONE]));
        report.ratio("anon_vs_baileys", "anon_kib", "holdfast", "baileys");
        report.plain("resident", "resident_kib", "holdfast");
        assert!(report.missing().is_none() && report.is_complete());
        let table = report.table("memory");
        assert_eq!(
            table.lines().last(),
            Some("bench memory: anon_vs_baileys 0.013 resident 4000.000")
        );

        report.ratio("of_nothing", "resident_kib", "holdfast", "baileys");
        assert!(!report.is_complete(), "a figure that was not taken");
        for row in ["other", "another"] {
            report.row(row, Err("no Node".to_owned()));
        }
        report.ratio("anon_vs_other", "anon_kib", "holdfast", "other");
        let last = report.table("memory").lines().last().map(str::to_owned);
        let said = "of_nothing not run resident 4000.000; NOT RUN: other and another (no Node)";
        assert!(last.is_some_and(|last| last.ends_with(said)));
        let json = report.json("memory");
        assert_eq!(json["bench"], "memory");
        assert_eq!(json["ratios"]["anon_vs_baileys"], 0.0125);
        assert_eq!(json["ratios"]["anon_vs_other"], Value::Null);
        assert_eq!(json["rows"][0]["resident_kib"], 4000.0);
        assert_eq!(json["rows"][1]["resident_kib"], Value::Null);
        assert_eq!(json["rows"][2]["not_run"], "no Node");
    }
}
