//! The tables of `docs/costs.md` are what `docs/costs.toml` says, and an aim that is not met says why.

use std::{collections::BTreeMap, env, fmt::Write as _, fs};

use serde::Deserialize;

use crate::{at, read};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    aim: Vec<Aim>,
    #[serde(default)]
    run: Vec<Run>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Aim {
    bench: String,
    ratio: String,
    /// What is measured, in words.
    what: String,
    /// The most that the figure is to be.
    aim: f64,
    /// Why it is more.
    why: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    bench: String,
    commit: String,
    date: String,
    machine: String,
    ratios: BTreeMap<String, f64>,
}

impl Record {
    /// The newest run of a benchmark that has this figure: the record grows at its end.
    fn last(&self, bench: &str, ratio: &str) -> Option<(&Run, f64)> {
        let of_it = self.run.iter().rev().filter(|run| run.bench == bench);
        let mut figures = of_it.filter_map(|run| Some((run, *run.ratios.get(ratio)?)));
        figures.next()
    }

    fn aims(&self) -> String {
        let mut table =
            String::from("| what | aim | figure | of | why it is more |\n|---|---|---|---|---|\n");
        for aim in &self.aim {
            let (figure, of) = match self.last(&aim.bench, &aim.ratio) {
                Some((run, figure)) => (shown(figure), format!("{} at `{}`", run.date, run.commit)),
                None => ("not measured yet".to_owned(), String::new()),
            };
            let _ = writeln!(
                table,
                "| {} | {} | {figure} | {of} | {} |",
                aim.what,
                shown(aim.aim),
                aim.why.as_deref().unwrap_or_default()
            );
        }
        table
    }

    /// Of each benchmark the newest run, whole.
    fn runs(&self) -> String {
        let mut table =
            String::from("| benchmark | on | at | machine | figures |\n|---|---|---|---|---|\n");
        for (nth, run) in self.run.iter().enumerate() {
            if self.run[nth + 1..]
                .iter()
                .any(|later| later.bench == run.bench)
            {
                continue;
            }
            let figures = run.ratios.iter();
            let figures = figures.map(|(name, figure)| format!("`{name}` {}", shown(*figure)));
            let figures: Vec<_> = figures.collect();
            let Run {
                bench,
                commit,
                date,
                machine,
                ..
            } = run;
            let _ = writeln!(
                table,
                "| `{bench}` | {date} | `{commit}` | {machine} | {} |",
                figures.join(", ")
            );
        }
        table
    }

    /// What is wrong with the reasons.
    fn complaints(&self) -> String {
        let mut complaints = String::new();
        for aim in &self.aim {
            let name = &aim.ratio;
            let why = aim.why.as_deref().is_some_and(|why| !why.is_empty());
            let _ = match self.last(&aim.bench, name) {
                Some((_, figure)) if figure > aim.aim && !why => {
                    writeln!(
                        complaints,
                        "{name}: {figure} is more than {}; `why`?",
                        aim.aim
                    )
                }
                Some((_, figure)) if figure <= aim.aim && why => {
                    writeln!(complaints, "{name}: says why it is not met, and it is")
                }
                _ => Ok(()),
            };
        }
        complaints
    }
}

/// With three digits that say something, and a comma between thousands.
fn shown(figure: f64) -> String {
    if figure >= 1000.0 {
        let digits = format!("{figure:.0}");
        let groups = digits.as_bytes().rchunks(3).rev();
        let groups: Vec<_> = groups.map(String::from_utf8_lossy).collect();
        return groups.join(",");
    }
    let digits = match figure {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        0.1.. => 3,
        _ => 4,
    };
    let text = format!("{figure:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// The page with this table between its marks.
fn with(page: &str, mark: &str, table: &str) -> String {
    let mark = format!("<!-- {mark} -->\n");
    let (before, rest) = page.split_once(&mark).unwrap();
    let (_, after) = rest.split_once("<!-- end -->").unwrap();
    format!("{before}{mark}{table}<!-- end -->{after}")
}

fn record() -> Record {
    toml::from_str(&read(&at("docs/costs.toml"))).unwrap()
}

#[test]
fn the_tables_of_costs_are_what_the_record_says() {
    let record = record();
    let page = at("docs/costs.md");
    let wanted = with(&read(&page), "aims", &record.aims());
    let wanted = with(&wanted, "runs", &record.runs());
    if env::var_os("HOLDFAST_WRITE").is_some() {
        fs::write(&page, &wanted).unwrap();
    }
    assert!(
        read(&page) == wanted,
        "docs/costs.md is not what costs.toml says; write it anew with HOLDFAST_WRITE=1"
    );
}

#[test]
fn an_aim_that_is_not_met_says_why() {
    let complaints = record().complaints();
    assert!(complaints.is_empty(), "docs/costs.toml:\n{complaints}");
}

#[test]
fn the_newest_figure_is_held_against_its_aim() {
    let record = |why: &str, figures: &[f64]| {
        let mut text = format!(
            "[[aim]]\nbench = 'start'\nratio = 'flushes'\nwhat = 'flushes'\naim = 5\n{why}\n"
        );
        for figure in figures {
            let _ = write!(
                text,
                "[[run]]\nbench = 'start'\ncommit = 'c'\ndate = 'd'\nmachine = 'm'\n[run.ratios]\nflushes = {figure:?}\n"
            );
        }
        toml::from_str::<Record>(&text).unwrap()
    };
    assert!(record("", &[]).complaints().is_empty());
    assert!(record("", &[]).aims().contains("not measured yet"));
    assert!(record("", &[33.0, 5.0]).complaints().is_empty());
    assert!(
        record("", &[33.0, 5.0])
            .aims()
            .contains("| 5 | 5 | d at `c` |  |")
    );
    assert_eq!(record("", &[33.0, 5.0]).runs().lines().count(), 3);
    assert!(record("", &[5.0, 6.0]).complaints().contains("flushes: 6"));
    let why = "why = 'the card'";
    assert!(record(why, &[6.0]).complaints().is_empty());
    assert!(!record(why, &[5.0]).complaints().is_empty());
}

#[test]
fn figures_are_short() {
    for (figure, text) in [
        (0.0025, "0.0025"),
        (0.2, "0.2"),
        (1.3, "1.3"),
        (5.0, "5"),
        (33.04, "33"),
        (500.0, "500"),
        (16384.0, "16,384"),
        (1_234_567.0, "1,234,567"),
    ] {
        assert_eq!(shown(figure), text);
    }
}
