//! The papers: each record of a decision has the one form and stands in the index, each path on a page leads somewhere, each demand
//! is shown by what is there, the card's page has every key, no secret is kept here, each package's tests lie with it, and what things cost is what was measured.
//! `HOLDFAST_WRITE=1` writes the index, the tables, the manual and the completions anew.

mod papers {
    mod card;
    mod costs;
    mod demands;
    mod manual;
    mod secrets;
}

mod tool;

use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A record of a decision, without its text.
struct Decision {
    file: String,
    number: String,
    title: String,
    date: String,
    status: String,
}

impl Decision {
    /// Reads a record; says what is missing of the form.
    fn read(path: &Path) -> Result<Self, String> {
        let file = path.file_name().unwrap().to_str().unwrap();
        let number = file.split('-').next().unwrap();
        let text = read(path);
        let mut lines = text.lines();
        let mut after = |start: &str| {
            lines
                .next()
                .and_then(|line| line.strip_prefix(start))
                .map(str::to_owned)
                .ok_or(format!("a line must begin with `{start}`"))
        };
        let title = after(&format!("# {number}: "))?;
        after("")?;
        let date = after("- Date: ")?;
        let status = after("- Status: ")?;
        let digits = |text: &str, count| text.len() == count && text.parse::<u32>().is_ok();
        let parts: Vec<_> = date.split('-').collect();
        if !matches!(parts[..], [year, month, day] if digits(year, 4) && digits(month, 2) && digits(day, 2))
        {
            return Err(format!("`{date}` is no date like 2026-11-29"));
        }
        let other = ["amended by ", "superseded by "]
            .iter()
            .find_map(|by| status.strip_prefix(by));
        let known = match other {
            Some(numbers) => numbers.split(", ").all(|other| record(other).is_some()),
            None => status == "accepted",
        };
        if !known {
            return Err(format!(
                "status `{status}` is none of: accepted, amended by NNNN, superseded by NNNN"
            ));
        }
        for part in ["\n**Decision.**", "\n**Why.**"] {
            if !text.contains(part) {
                return Err(format!("`{}` is missing", part.trim()));
            }
        }
        Ok(Self {
            file: file.to_owned(),
            number: number.to_owned(),
            title,
            date,
            status,
        })
    }
}

/// All records, by number.
fn records() -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(at("docs/decisions"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.ends_with("README.md"))
        .collect();
    found.sort();
    found
}

fn record(number: &str) -> Option<PathBuf> {
    let begins = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with(&format!("{number}-"))
    };
    records().into_iter().find(begins)
}

#[test]
fn every_decision_has_the_form_and_a_number_of_its_own() {
    let mut complaints = String::new();
    let mut last = String::new();
    for path in records() {
        match Decision::read(&path) {
            Ok(decision) if decision.number == last => {
                let _ = writeln!(complaints, "{}: its number is taken", decision.file);
            }
            Ok(decision) => last = decision.number,
            Err(error) => {
                let _ = writeln!(complaints, "{}: {error}", path.display());
            }
        }
    }
    assert!(complaints.is_empty(), "{complaints}");
}

#[test]
fn the_index_of_decisions_is_what_the_records_say() {
    let mut index = String::from(
        "# Decisions\n\n\
         Each record says what was decided, when, whether it still holds, and why. A record is amended by a later one where its sentences no\n\
         longer hold in part, and superseded where they no longer hold at all. A new one takes the next free number and this form:\n\n\
         ```\n\
         # NNNN: The decision in one sentence\n\n\
         - Date: 2026-11-29\n\
         - Status: accepted | amended by NNNN | superseded by NNNN\n\n\
         **Context.** Where the reader needs it.\n\n\
         **Decision.** ...\n\n\
         **Why.** ...\n\
         ```\n\n\
         This page is made from the records (`HOLDFAST_WRITE=1 cargo test --test papers`); a test fails when they differ.\n\n\
         | number | decision | date | status |\n|---|---|---|---|\n",
    );
    for decision in records().iter().flat_map(|path| Decision::read(path)) {
        let Decision {
            file,
            number,
            title,
            date,
            status,
        } = decision;
        let _ = writeln!(
            index,
            "| [{number}]({file}) | {title} | {date} | {status} |"
        );
    }
    let page = at("docs/decisions/README.md");
    if env::var_os("HOLDFAST_WRITE").is_some() {
        fs::write(&page, &index).unwrap();
    }
    assert!(
        fs::read_to_string(&page).unwrap_or_default() == index,
        "docs/decisions/README.md is not what the records say; write it anew with HOLDFAST_WRITE=1"
    );
}

/// The table of the last full runs: of each proof and its arguments, the newest entry.
fn table_of_runs() -> String {
    let record: toml::Table = read(&at("docs/proofs/runs.toml")).parse().unwrap();
    let runs = record["run"].as_array().unwrap();
    let text = |run: &toml::Value, key: &str| {
        run.get(key).map_or(String::new(), |value| match value {
            toml::Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    };
    let mut table = String::from(
        "| proof | on | at | cases | failed | not run | minutes | seed | |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for (nth, run) in runs.iter().enumerate() {
        let named = |run| (text(run, "proof"), text(run, "arguments"));
        if runs[nth + 1..]
            .iter()
            .any(|later| named(later) == named(run))
        {
            continue;
        }
        let (proof, arguments) = named(run);
        let remarks = [text(run, "machine"), text(run, "note")];
        let remarks: Vec<_> = remarks
            .iter()
            .filter(|text| !text.is_empty())
            .cloned()
            .collect();
        let _ = writeln!(
            table,
            "| `{}` | {} | `{}` | {} | {} | {} | {} | {} | {} |",
            format!("{proof} {arguments}").trim(),
            text(run, "date"),
            text(run, "commit"),
            text(run, "cases"),
            text(run, "failed"),
            text(run, "not_run"),
            text(run, "minutes"),
            text(run, "seed"),
            remarks.join("; "),
        );
    }
    table
}

#[test]
fn the_table_of_full_runs_is_what_the_record_says() {
    let page = at("docs/proofs/README.md");
    let text = read(&page);
    let (before, rest) = text.split_once("<!-- runs.toml -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- end -->").unwrap();
    let wanted = format!(
        "{before}<!-- runs.toml -->\n{}<!-- end -->{after}",
        table_of_runs()
    );
    if env::var_os("HOLDFAST_WRITE").is_some() {
        fs::write(&page, &wanted).unwrap();
    }
    assert!(
        read(&page) == wanted,
        "docs/proofs/README.md is not what runs.toml says; write it anew with HOLDFAST_WRITE=1"
    );
}

#[test]
fn every_bad_input_has_its_test() {
    let text = read(&at("docs/proofs/bad-input.md"));
    let rows: Vec<Vec<_>> = text
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains('`'))
        .map(|line| line.split(" | ").collect())
        .collect();
    assert!(rows.len() > 80, "the table is gone");
    let mut lost = String::new();
    for row in rows {
        let [_, input, _, file, test] = row[..] else {
            panic!("a row has five columns: {row:?}")
        };
        let (file, test) = (file.trim_matches('`'), test.trim_matches(['`', ' ', '|']));
        if !has_test(&at(file), test) {
            let _ = writeln!(lost, "{input}: {file} has no {test}");
        }
    }
    assert!(lost.is_empty(), "{lost}");
}

#[test]
fn the_readme_names_what_the_tests_call() {
    let mut packages: Vec<_> = tool::PACKAGES.iter().map(|(_, package)| *package).collect();
    packages.sort_unstable();
    packages.dedup();
    let text = read(&at("README.md")).replace('\n', " ");
    let list = format!("`{}`", packages.join(" "));
    assert!(text.contains(&list), "the README has to say {list}");
    assert!(tool::tool("git").is_file());
    let missing = tool::find("mke2fs", "/nowhere").unwrap_err();
    assert!(missing.ends_with("`mke2fs`, which is not on this machine: apt-get install e2fsprogs"));
}

#[test]
fn no_test_calls_a_tool_without_naming_its_package() {
    let mut complaints = String::new();
    let mut folders = vec![at("tests"), at("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                let text = read(&path);
                // What follows the tests' line, in a file of the source; what the product calls says itself what it lacks.
                let from = match path.starts_with(at("src")) {
                    true => text.find("#[cfg(test)]").unwrap_or(text.len()),
                    false if path.starts_with(at("tests/lab/src")) => text.len(),
                    false => 0,
                };
                for (name, _) in tool::PACKAGES {
                    if text[from..].contains(&format!("Command::new(\"{name}\"")) {
                        let _ = writeln!(complaints, "{}: {name}", path.display());
                    }
                }
            }
        }
    }
    assert!(
        complaints.is_empty(),
        "take tests/tool.rs for:\n{complaints}"
    );
}

#[test]
fn the_readme_is_read_in_one_go() {
    let lines = read(&at("README.md")).lines().count();
    assert!(
        lines < 120,
        "{lines} lines; figures and details belong to docs/"
    );
}

/// The Markdown pages of the project.
fn pages() -> Vec<PathBuf> {
    let mut pages = ["README.md", "CHANGELOG.md", "tests/lab/README.md"]
        .map(at)
        .to_vec();
    for dir in ["docs", "docs/decisions", "docs/proofs"] {
        let entries = fs::read_dir(at(dir)).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        pages.extend(paths.filter(|path| path.extension().is_some_and(|kind| kind == "md")));
    }
    pages
}

/// A path of the project, in backticks on a page; one with a part in capitals (`board/NAME/board.toml`) stands for many.
fn named_path(text: &str) -> Option<&str> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-".contains(letter);
    let parts: Vec<_> = text.split('/').collect();
    let ours = ["src", "tests", "docs", "board", "systemd", ".ci"].contains(&parts[0]);
    let for_many = |part: &&str| {
        let stem = part.split('.').next().unwrap_or_default();
        stem != "README"
            && !stem.is_empty()
            && stem.chars().all(|letter| letter.is_ascii_uppercase())
    };
    (parts.len() > 1 && ours && text.chars().all(plain) && !parts.iter().any(for_many))
        .then_some(text)
}

#[test]
fn every_path_and_link_on_a_page_leads_somewhere() {
    let mut lost = String::new();
    for page in pages() {
        let text = read(&page);
        let folder = page.parent().unwrap();
        let paths = text
            .split('`')
            .skip(1)
            .step_by(2)
            .filter_map(named_path)
            .map(at);
        let links = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split([')', '#']).next())
            .filter(|link| !link.is_empty() && !link.starts_with("http"))
            .map(|link| folder.join(link));
        for target in paths.chain(links).filter(|target| !target.exists()) {
            let _ = writeln!(lost, "{}: {}", page.display(), target.display());
        }
    }
    assert!(lost.is_empty(), "these are not there:\n{lost}");
}

/// Whether a file has this test: a function with an attribute that makes it one.
fn has_test(path: &Path, name: &str) -> bool {
    let Ok(text) = fs::read_to_string(path) else {
        return false;
    };
    text.match_indices(&format!("fn {name}(")).any(|(at, _)| {
        let (before, _) = text[..at].rsplit_once('\n').unwrap_or_default();
        let attributes = before.lines().rev().map(str::trim);
        attributes
            .take_while(|line| line.starts_with("#["))
            .any(|line| line == "#[test]" || line.starts_with("#[tokio::test"))
    })
}

/// The texts below a folder, but for what was built or fetched.
fn texts(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_symlink() || ["target", "node_modules"].contains(&name) {
            continue;
        }
        if path.is_dir() {
            found.extend(texts(&path));
        } else if let Ok(text) = fs::read_to_string(&path) {
            found.push((path, text));
        }
    }
    found
}

#[test]
fn the_tests_of_a_package_lie_with_it() {
    let workspace: toml::Table = read(&at("Cargo.toml")).parse().unwrap();
    let members = workspace["workspace"]["members"].as_array().unwrap();
    for member in members
        .iter()
        .map(|member| member.as_str().unwrap())
        .chain(["."])
    {
        let package: toml::Table = read(&at(member).join("Cargo.toml")).parse().unwrap();
        let targets = package.get("test").and_then(toml::Value::as_array);
        for target in targets.into_iter().flatten() {
            let Some(path) = target.get("path").and_then(toml::Value::as_str) else {
                continue;
            };
            assert!(path.starts_with("tests/"), "{member}: {path}");
            // The folders of `tests/` that are packages hold no test of the one beside them.
            let foreign = members.iter().any(|other| {
                at(member)
                    .join(path)
                    .starts_with(at(other.as_str().unwrap()))
            });
            assert!(member != "." || !foreign, "{member}: {path}");
        }
    }
}
