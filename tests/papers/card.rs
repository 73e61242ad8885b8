//! The owner's page has every key that there is, as the programs themselves tell them, and its examples are taken as they stand.

use std::collections::{BTreeSet, HashMap};
use std::fs;

use holdfast::boot::settings::check;
use holdfast::config::{Args, Config, Places};
use holdfast_medium::{Machine, Secret};
use toml::{Table, Value};

use crate::{at, read};

/// The names after `known are`; those behind the name of sections once for each of them.
fn known(sentence: &str) -> BTreeSet<String> {
    let names = sentence.split_once("known are ").expect(sentence).1;
    let mut all = BTreeSet::new();
    for group in names.split("; ") {
        let (sections, names) = group.split_once(": ").unwrap_or(("", group));
        for section in sections.split(" and ") {
            let own = |name| match section {
                "" => String::from(name),
                section => format!("{section}.{name}"),
            };
            all.extend(names.split(", ").map(own));
        }
    }
    all
}

fn keys(table: &Table) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (name, value) in table {
        match value {
            Value::Table(section) => all.extend(section.keys().map(|key| format!("{name}.{key}"))),
            _ => drop(all.insert(name.clone())),
        }
    }
    all
}

/// The examples of the page, in order.
fn examples() -> Vec<String> {
    let page = read(&at("docs/card.md"));
    let blocks = page.split("```toml\n").skip(1);
    blocks
        .map(|rest| rest.split_once("```").unwrap().0.to_owned())
        .collect()
}

/// What the daemon says of an owner's file.
fn ignored(text: &str) -> Vec<String> {
    let place = tempfile::tempdir().unwrap();
    let owner = place.path().join("holdfast.toml");
    fs::write(&owner, text).unwrap();
    let places = Places {
        fragments: Vec::new(),
        owner: vec![owner],
        boards: "board/boards/raspberrypi".into(),
        models: Vec::new(),
        appliance_data: place.path().join("data"),
        user_runtime: None,
        environment: HashMap::new(),
    };
    let args = Args {
        board: Some("headless".to_owned()),
        ..Args::default()
    };
    let config = Config::load(&args, &places).unwrap();
    config
        .ignored
        .into_iter()
        .map(|problem| problem.what)
        .collect()
}

#[test]
fn the_card_s_page_has_every_key_and_nothing_else() {
    let [imported, daemon_s] = examples().try_into().expect("two examples");
    let asked = check(
        &Machine::at("/nonexistent"),
        &Secret::new("no_such_key = 1\n".to_owned()),
    );
    let [problem] = &asked[..] else {
        panic!("{asked:?}")
    };
    let table: Table = imported.parse().unwrap();
    assert_eq!(keys(&table), known(&problem.what));
    let told = check(&Machine::at("/nonexistent"), &Secret::new(imported));
    assert_eq!(told, [], "taken as it stands");

    let wrong = ignored("[no]\nsuch = 1\n");
    let mut all = known(&wrong[0]);
    // An owner of a card has no server of their own.
    all.retain(|key| !key.starts_with("server."));
    let table: Table = daemon_s.parse().unwrap();
    assert_eq!(keys(&table), all);
    let without_a_board = daemon_s.replace("board = \"raspberrypi\"", "");
    assert_eq!(ignored(&without_a_board), [""; 0], "taken as it stands");
}

#[test]
fn the_commands_of_the_card_s_page_are_commands() {
    use clap::Parser;
    let page = read(&at("docs/card.md"));
    let mut tried = 0;
    for line in page
        .lines()
        .filter_map(|line| line.strip_prefix("# holdfastctl settings"))
    {
        let line = line
            .split(" # ")
            .next()
            .unwrap()
            .split(" <")
            .next()
            .unwrap();
        let line = line.replace("\"reef house\"", "reef-house");
        let words = line.split_whitespace();
        let parsed = holdfast::ctl::Args::try_parse_from(
            ["holdfastctl", "settings"].into_iter().chain(words),
        );
        assert!(parsed.is_ok(), "{line}");
        tried += 1;
    }
    assert_eq!(tried, 11);
}
