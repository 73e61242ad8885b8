//! `bench --check`: the ratios that a busy machine does not change, briefly, held against what was recorded last.

use std::fmt;
use std::process::ExitCode;
use std::time::Instant;

use super::record::{RECORD, Record};
use super::report::Ratio;
use super::{ALL, NOT_RUN, Report, Terms};

/// How many times the recorded ratio is still no worse.
const TOLERATED: f64 = 1.2;

/// Measures and compares; the exit code is 1 when a ratio is worse, and 77 when none is but one could not be compared.
///
/// # Errors
/// The record does not serve, or a measurement broke.
pub(super) async fn run(terms: &Terms) -> anyhow::Result<ExitCode> {
    let record = Record::read()?;
    let (begun, mut lines, mut missing) = (Instant::now(), Vec::new(), Vec::new());
    for bench in ALL.iter().filter(|bench| bench.is_checked()) {
        let report = bench.measure(terms).await?;
        // Printed as they come: what breaks later hides none.
        for line in compared(bench.name(), &report, &record) {
            println!("{line}");
            lines.push(line);
        }
        missing.extend(report.missing());
    }
    let of = |verdict| lines.iter().filter(move |line| line.verdict == verdict);
    let names: Vec<&str> = of(Verdict::Worse).map(|line| line.ratio).collect();
    let not_compared = of(Verdict::NotCompared).count();
    let mut last = format!(
        "bench --check: {} ratios in {} s, {not_compared} not compared, {} worse",
        lines.len(),
        begun.elapsed().as_secs(),
        names.len()
    );
    if !names.is_empty() {
        last += &format!(": {}", names.join(", "));
    }
    if !missing.is_empty() {
        last += &format!("; NOT RUN: {}", missing.join("; "));
    }
    println!("{last}");
    Ok(ExitCode::from(
        match (names.is_empty(), not_compared, missing.is_empty()) {
            (false, ..) => 1,
            (true, 0, true) => 0,
            _ => NOT_RUN,
        },
    ))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Held,
    Worse,
    NotCompared,
}

/// A ratio beside its like in the record.
#[derive(Debug)]
struct Line {
    bench: &'static str,
    ratio: &'static str,
    now: Option<f64>,
    /// The figure, and of which commit.
    then: Option<(f64, String)>,
    verdict: Verdict,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:8} {:28}", self.bench, self.ratio)?;
        match self.now {
            Some(now) => write!(f, "{now:12.4}")?,
            None => write!(f, "{:>12}", "not run")?,
        }
        match &self.then {
            Some((then, commit)) => write!(f, "  was {then:12.4} at {commit}")?,
            None => write!(f, "  is not in {RECORD}")?,
        }
        f.write_str(match self.verdict {
            Verdict::Held => "",
            Verdict::Worse => "  WORSE",
            Verdict::NotCompared => "  NOT COMPARED",
        })
    }
}

fn compared(bench: &'static str, report: &Report, record: &Record) -> Vec<Line> {
    let compare = |(ratio, found): (&&'static str, &Ratio)| {
        let slack = found.steady?;
        let then = record.last(bench, ratio);
        let verdict = match (found.value, then) {
            (Some(now), Some((_, then))) if now > then * TOLERATED + slack => Verdict::Worse,
            (Some(_), Some(_)) => Verdict::Held,
            _ => Verdict::NotCompared,
        };
        Some(Line {
            bench,
            ratio,
            now: found.value,
            then: then.map(|(run, then)| (then, run.commit.clone())),
            verdict,
        })
    };
    report.ratios().iter().filter_map(compare).collect()
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::{record, run};
    use super::*;

    #[test]
    fn a_ratio_is_worse_beyond_a_fifth_and_its_slack() {
        let record = record(&[run("0123abc", &[("flushes", 10.0), ("time", 1.0)])]);
        let verdict = |flushes: f64, slack: f64| {
            let mut report = Report::new(&["flushes", "time"]);
            report.row("holdfast", Ok(vec![flushes, 9.0]));
            report.plain("flushes", "flushes", "holdfast");
            report.plain("time", "time", "holdfast");
            report.steady("flushes", slack);
            let lines = compared("start", &report, &record);
            assert_eq!(lines.len(), 1, "what a busy machine changes is left out");
            lines[0].verdict
        };
        assert_eq!(verdict(12.0, 0.0), Verdict::Held);
        assert_eq!(verdict(12.1, 0.0), Verdict::Worse);
        assert_eq!(verdict(12.1, 0.2), Verdict::Held);
        assert_eq!(verdict(1.0, 0.0), Verdict::Held);
    }

    #[test]
    fn what_was_not_measured_or_not_recorded_is_not_compared() {
        let record = record(&[run("0123abc", &[("flushes", 10.0)])]);
        let mut report = Report::new(&["flushes", "new"]);
        report.row("holdfast", Ok(vec![f64::NAN, 9.0]));
        report.plain("flushes", "flushes", "holdfast");
        report.plain("new", "new", "holdfast");
        report.steady("flushes", 0.0);
        report.steady("new", 0.0);
        let lines = compared("start", &report, &record);
        assert!(
            lines
                .iter()
                .all(|line| line.verdict == Verdict::NotCompared)
        );
        assert!(lines[0].to_string().contains("not run"));
        assert!(lines[1].to_string().contains("is not in docs/costs.toml"));
    }
}
