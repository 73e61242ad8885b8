//! Each demand of `docs/demands.md` is shown by a test or a proof that is there, or the page says what is missing.

use std::{fmt::Write as _, path::PathBuf};

use crate::{at, has_test, named_path, read, texts};

/// So many demands there are: none is dropped.
const DEMANDS: usize = 129;

/// The rows of `docs/demands.md`: the number of each, and what shows it.
fn demands(page: &str) -> Vec<(usize, &str)> {
    page.lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            match cells[..] {
                ["", number, _, _, _, shown, ""] => Some((number.parse().ok()?, shown)),
                _ => None,
            }
        })
        .collect()
}

#[test]
fn every_demand_is_counted() {
    let page = read(&at("docs/demands.md"));
    let rows = demands(&page);
    let numbers: Vec<_> = rows.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=DEMANDS).collect::<Vec<_>>());
    let count = |is: fn(&str) -> bool| rows.iter().filter(|(_, shown)| is(shown)).count();
    let part = count(|shown| shown.starts_with("partly: "));
    let open = count(str::is_empty);
    let shown = DEMANDS - part - open;
    let counted = format!("\n{shown} are shown, {part} in part, {open} not yet.\n");
    assert!(page.contains(&counted), "the rows say:{counted}");
}

/// Whether a proof or a benchmark in this folder is called so.
fn is_called(folder: &str, name: &str) -> bool {
    let name = format!("\"{name}\"");
    texts(&at(folder))
        .iter()
        .any(|(_, text)| text.contains(&name))
}

/// What is wrong with what shows a demand: a file, a test in the file before it, or a proof that is not there; or nothing of it can fail.
fn wrong_with(shown: &str) -> Vec<String> {
    let is_function = |word: &str| {
        let letter = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
        word.contains('_') && word.chars().all(|it| letter(it) || it == '_')
    };
    let (mut file, mut can_fail, mut wrong) = (PathBuf::new(), false, Vec::new());
    for word in shown.split('`').skip(1).step_by(2) {
        let proof = word.strip_prefix("prove ");
        let bench = word.strip_prefix("bench ");
        let is_there = if let Some(path) = named_path(word) {
            file = at(path);
            can_fail |= [".ci/run", "board/check"].contains(&path);
            file.exists()
        } else if let Some(name) = proof {
            can_fail = true;
            is_called("tests/lab/src/prove", name)
        } else if let Some(name) = bench {
            can_fail = true;
            is_called("tests/lab/src/bench", name)
        } else if is_function(word) {
            can_fail = true;
            has_test(&file, word)
        } else {
            true
        };
        if !is_there {
            wrong.push(format!("`{word}` is not there"));
        }
    }
    if !can_fail && !shown.is_empty() {
        wrong.push("nothing of it can fail".into());
    }
    wrong
}

#[test]
fn what_shows_a_demand_is_there() {
    let page = read(&at("docs/demands.md"));
    let mut wrong = String::new();
    for (number, shown) in demands(&page) {
        for why in wrong_with(shown) {
            let _ = writeln!(wrong, "{number}: {why}");
        }
    }
    assert!(wrong.is_empty(), "docs/demands.md:\n{wrong}");
    // The control: what is no file, no test, no test of that file, no proof.
    for shown in [
        "`tests/none.rs`: `every_demand_is_counted`",
        "`tests/papers/demands.rs`: `no_such_test`",
        "`tests/papers/demands.rs`: `wrong_with`",
        "`tests/house.rs`: `every_demand_is_counted`",
        "`every_demand_is_counted`",
        "`prove nothing`",
        "`bench nothing`",
        "`tests/papers.rs`",
        "partly: some day",
    ] {
        assert!(!wrong_with(shown).is_empty(), "{shown}");
    }
    for shown in [
        "",
        "`tests/papers/demands.rs`: `every_demand_is_counted`",
        "`prove boot`",
        "`src/core/tests/invariants/main.rs`: `whatever_happens`",
        "`tests/lab/tests/story.rs`: `link_hold_deliver_survive_and_link_anew_when_revoked`",
    ] {
        assert!(
            wrong_with(shown).is_empty(),
            "{shown}: {:?}",
            wrong_with(shown)
        );
    }
}
