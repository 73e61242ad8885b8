//! The house: which room may use which, read from the source. A new arrow is a decision that somebody writes down here.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// `FROM -> TO: why`. `core` and `medium` are crates of their own.
const ARROWS: &str = "
boot -> config: where board descriptions lie, what is wrong in the owner's file
boot -> core: how the last run ended, and the first face
boot -> history: where the key of the audit lies
boot -> journal: the steps log
boot -> medium: files, stamps, the machine
boot -> network: whether a change of it leads out
boot -> panel: the first picture, which languages it speaks
boot -> sheet: the owner's settings
boot -> wires: the display of the first picture
bus -> core: causes and names
bus -> desk: every call is the desk's
bus -> history: entries of the archive, translated
bus -> link: steps of a passkey, translated
bus -> mail: messages, translated
bus -> medium: secrets
bus -> panel: pictures, translated
bus -> update: what is to be installed, translated
config -> core: limits of the data partition
config -> medium: the data directory, secrets
config -> panel: which controllers a board may name, which languages its screens speak
config -> sheet: the fragments
config -> wires: the board
ctl -> boot: a report and the settings, printed
ctl -> bus: the proxies of the bus
ctl -> core: causes and names
ctl -> desk: the versions in the slots, printed
ctl -> history: incidents and audit, printed and verified
ctl -> journal: under which id the journal names the end of the audit
ctl -> medium: secrets, stamps
ctl -> panel: pictures, printed
ctl -> wires: what answers on the buses, printed
daemon -> boot: assembly
daemon -> bus: assembly
daemon -> config: assembly
daemon -> core: assembly
daemon -> desk: assembly
daemon -> history: assembly
daemon -> journal: assembly
daemon -> link: assembly
daemon -> mail: assembly
daemon -> medium: assembly
daemon -> network: assembly
daemon -> panel: assembly
daemon -> supply: assembly
daemon -> update: assembly
daemon -> vault: assembly
daemon -> wires: assembly
desk -> boot: the boot report, the way to the settings
desk -> core: commands and causes
desk -> history: the archive, audit and incidents
desk -> link: the live credentials, passkeys
desk -> mail: inbox and outbox
desk -> medium: secrets, wear, the data directory
desk -> network: how well the radio hears
desk -> panel: pictures
desk -> update: what is to be installed
history -> core: causes and names
history -> medium: files, stamps, secrets
journal -> core: causes and names
link -> config: the server and the device's name
link -> core: events and causes
link -> history: what WhatsApp said is kept
link -> journal: messages accepted
link -> mail: inbox and outbox
link -> medium: secrets
mail -> medium: the barrier and its files
medium -> core: names of generations
network -> core: events
network -> medium: the machine
panel -> core: the face
panel -> journal: a terminal that is missing
panel -> medium: secrets
panel -> wires: the board
supply -> core: events
supply -> medium: the machine
update -> core: what a boot is, and causes
update -> medium: the data directory, room, the machine
vault -> core: findings, plans, names
vault -> history: keys for the archive, by its trait
vault -> medium: the barrier and its files
wires -> core: causes
wires -> sheet: board descriptions
";

/// Crates of which no file uses one that uses it, however far around.
const WITHOUT_A_CIRCLE_OF_FILES: [&str; 2] = ["core", "medium"];

#[test]
fn every_arrow_between_rooms_is_written_down() {
    let written: BTreeSet<Arrow> = ARROWS
        .trim()
        .lines()
        .map(|line| {
            let (arrow, why) = line.split_once(": ").expect(line);
            let (from, to) = arrow.split_once(" -> ").expect(line);
            assert!(!why.is_empty(), "{line}");
            (from.to_owned(), to.to_owned())
        })
        .collect();
    assert_eq!(written.len(), ARROWS.trim().lines().count(), "each once");
    let drawn = between_rooms();
    let lines = |of: &BTreeSet<Arrow>, without: &BTreeSet<Arrow>| -> Vec<String> {
        let arrows = of.difference(without);
        arrows.map(|(from, to)| format!("{from} -> {to}")).collect()
    };
    let (new, gone) = (lines(&drawn, &written), lines(&written, &drawn));
    assert!(new.is_empty(), "in the source and not in ARROWS: {new:#?}");
    assert!(
        gone.is_empty(),
        "in ARROWS and not in the source: {gone:#?}"
    );
}

#[test]
fn no_room_uses_one_that_uses_it() {
    assert_eq!(circle(&between_rooms()), None);
}

#[test]
fn what_keeps_messages_and_history_knows_no_keys() {
    let of_the_vault: Vec<Arrow> = between_rooms()
        .into_iter()
        .filter(|(from, to)| {
            ["boot", "history", "link", "mail"].contains(&from.as_str()) && to == "vault"
        })
        .collect();
    assert_eq!(of_the_vault, []);
}

#[test]
fn no_file_of_these_crates_uses_one_that_uses_it() {
    for name in WITHOUT_A_CIRCLE_OF_FILES {
        assert_eq!(circle(&between_files(&src().join(name))), None, "{name}");
    }
}

/// What the programs read from their environment, and why: nothing of it says whom they talk to, but for a proxy on the way.
const ENVIRONMENT: &str = "
ALL_PROXY: the way to WhatsApp
CREDENTIALS_DIRECTORY: where the service manager lays the key of the audit
DBUS_SESSION_BUS_ADDRESS: whether there is a session bus
HTTPS_PROXY: the way to WhatsApp
JOURNAL_STREAM: whether standard error is the journal
NOTIFY_SOCKET: whether a service manager listens
NO_COLOR: whether the terminal gets colours
NO_PROXY: which hosts are reached without that
TERM: whether the terminal can show the panel
XDG_RUNTIME_DIR: where a user's sockets lie
all_proxy: as ALL_PROXY
https_proxy: as HTTPS_PROXY
no_proxy: as NO_PROXY
";

#[test]
fn nothing_else_is_read_from_the_environment() {
    let written: BTreeSet<&str> = ENVIRONMENT
        .trim()
        .lines()
        .map(|line| line.split_once(": ").expect(line).0)
        .collect();
    let mut read = BTreeSet::new();
    let all = files(&src());
    let programs = all
        .iter()
        .filter(|file| !file.path.contains(&"tests".to_owned()));
    for file in programs {
        for call in file.text.split("env::var").skip(1) {
            let name = call.strip_prefix("_os(\"").or(call.strip_prefix("(\""));
            let name = name.and_then(|rest| rest.split_once('"'));
            let (name, _) = name.unwrap_or_else(|| panic!("{:?} could read any", file.path));
            read.insert(name);
        }
    }
    assert_eq!(read, written);
}

#[test]
fn circles_and_paths_are_seen() {
    let arrows = |of: &[(&str, &str)]| -> BTreeSet<Arrow> {
        let arrows = of.iter();
        arrows
            .map(|(from, to)| ((*from).into(), (*to).into()))
            .collect()
    };
    assert_eq!(circle(&arrows(&[("a", "b"), ("a", "c"), ("b", "c")])), None);
    let around = arrows(&[("a", "b"), ("b", "c"), ("c", "d"), ("d", "b")]);
    assert_eq!(circle(&around).as_deref(), Some("b -> c -> d -> b"));
    let text = "use crate::{a::{B, c::*}, d as e};\nfn f() { crate::g::<u8>(crate::h::I); }";
    let expected = [
        vec!["a", "B"],
        vec!["a", "c"],
        vec!["d"],
        vec!["g"],
        vec!["h", "I"],
    ];
    assert_eq!(named(text, "crate"), expected);
}

/// The one that uses, and the one that is used.
type Arrow = (String, String);

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The arrows between the library's top-level modules and the two crates below them.
fn between_rooms() -> BTreeSet<Arrow> {
    let mut arrows = BTreeSet::new();
    for file in files(&src()) {
        let Some(room) = file.path.first() else {
            continue;
        };
        if ["main", "bin"].contains(&room.as_str()) {
            continue;
        }
        let is_crate = ["core", "medium"].contains(&room.as_str());
        let rooms = named(&file.text, "crate").into_iter().filter(|_| !is_crate);
        let used = rooms.filter_map(|path| path.first().map(|name| (*name).to_owned()));
        let below = ["core", "medium"].into_iter().filter(|name| {
            let name = format!("holdfast_{name}");
            !named(&file.text, &name).is_empty()
        });
        for to in used.chain(below.map(str::to_owned)) {
            if to != *room {
                arrows.insert((room.clone(), to));
            }
        }
    }
    arrows
}

/// The arrows between the files of a crate. A name that a parent re-exports is its owner's.
fn between_files(root: &Path) -> BTreeSet<Arrow> {
    let files: BTreeMap<Vec<String>, String> = files(root)
        .into_iter()
        .map(|file| (file.path, file.text))
        .collect();
    let mut arrows = BTreeSet::new();
    for (module, text) in &files {
        let absolute = named(text, "crate").into_iter().map(|path| (0, path));
        let relative = named(text, "super").into_iter().map(|path| {
            let up = path.iter().take_while(|name| **name == "super").count();
            (module.len().saturating_sub(up + 1), path[up..].to_vec())
        });
        for (depth, path) in absolute.chain(relative) {
            let path = path.iter().map(|name| (*name).to_owned());
            let owner = owner(
                &files,
                module[..depth].iter().cloned().chain(path).collect(),
            );
            if owner != *module {
                arrows.insert((module.join("::"), owner.join("::")));
            }
        }
    }
    arrows
}

/// The file that an absolute path leads to, through the re-exports on its way.
fn owner(files: &BTreeMap<Vec<String>, String>, path: Vec<String>) -> Vec<String> {
    let depth = (0..=path.len())
        .rev()
        .find(|depth| files.contains_key(&path[..*depth]))
        .expect("the root is a file");
    let (module, rest) = path.split_at(depth);
    let exported = rest.first().and_then(|name| {
        let uses = files[module].split(';').filter_map(|item| {
            let (_, used) = item
                .split_once("pub use ")
                .or(item.split_once("pub(crate) use "))?;
            Some(trees(used))
        });
        uses.flatten()
            .find(|used| used.len() > 1 && used.last() == Some(&name.as_str()))
    });
    match exported {
        Some(used) => {
            let used = used.into_iter().filter(|name| *name != "self");
            let path = module.iter().cloned().chain(used.map(str::to_owned));
            owner(files, path.collect())
        }
        None => module.to_vec(),
    }
}

/// The arrows that lead back to where they begin, if there are any.
fn circle(arrows: &BTreeSet<Arrow>) -> Option<String> {
    fn walk<'a>(
        arrows: &'a BTreeSet<Arrow>,
        way: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
    ) -> Option<String> {
        let here = *way.last()?;
        for (_, to) in arrows.iter().filter(|(from, _)| from == here) {
            if let Some(at) = way.iter().position(|name| name == to) {
                return Some([&way[at..], &[to.as_str()]].concat().join(" -> "));
            }
            if !done.contains(to.as_str()) {
                way.push(to);
                let found = walk(arrows, way, done);
                if found.is_some() {
                    return found;
                }
                way.pop();
            }
        }
        done.insert(here);
        None
    }
    let mut done = BTreeSet::new();
    let begins = arrows.iter().map(|(from, _)| from.as_str());
    begins
        .into_iter()
        .find_map(|from| walk(arrows, &mut vec![from], &mut done))
}

/// A source file: its module's path, and its text without comments and tests.
struct File {
    path: Vec<String>,
    text: String,
}

/// Every file of a crate that is not for tests alone.
fn files(root: &Path) -> Vec<File> {
    let mut found = Vec::new();
    read(root, &mut Vec::new(), &mut found);
    let for_tests: BTreeSet<Vec<String>> = found
        .iter()
        .flat_map(|file| {
            let items = file.text.split("#[cfg(test)]\n").skip(1);
            items.filter_map(|item| {
                let name = item
                    .lines()
                    .next()?
                    .trim()
                    .strip_suffix(';')?
                    .split_once("mod ")?
                    .1;
                Some([&file.path[..], &[name.to_owned()]].concat())
            })
        })
        .collect();
    found
        .retain(|file| !(0..=file.path.len()).any(|depth| for_tests.contains(&file.path[..depth])));
    for file in &mut found {
        if let Some(tests) = file.text.find("#[cfg(test)]\nmod tests {") {
            file.text.truncate(tests);
        }
    }
    found
}

fn read(dir: &Path, path: &mut Vec<String>, found: &mut Vec<File>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap().path();
        let name = entry.file_stem().unwrap().to_str().unwrap().to_owned();
        if entry.is_dir() {
            path.push(name);
            read(&entry, path, found);
            path.pop();
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            let is_parent = ["lib", "mod"].contains(&name.as_str());
            let text = fs::read_to_string(&entry).unwrap();
            let lines = text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"));
            found.push(File {
                path: path
                    .iter()
                    .cloned()
                    .chain((!is_parent).then_some(name))
                    .collect(),
                text: lines.map(|line| format!("{line}\n")).collect(),
            });
        }
    }
}

/// Everything a text names as `root::...`.
fn named<'a>(text: &'a str, root: &str) -> Vec<Vec<&'a str>> {
    let root = format!("{root}::");
    let begins = text.match_indices(&root).filter(|(at, _)| {
        let before = text[..*at].chars().next_back();
        before.is_none_or(|letter| !letter.is_alphanumeric() && !"_$:".contains(letter))
    });
    begins
        .flat_map(|(at, _)| trees(&text[at + root.len()..]))
        .collect()
}

/// The paths of a `use` tree, or the one path, that a text begins with.
fn trees(text: &str) -> Vec<Vec<&str>> {
    fn tree<'a>(text: &mut &'a str, before: &[&'a str], found: &mut Vec<Vec<&'a str>>) {
        *text = text.trim_start();
        if let Some(rest) = text.strip_prefix('{') {
            *text = rest.trim_start();
            while !text.is_empty() && !text.starts_with('}') {
                tree(text, before, found);
                let end = text.find([',', '}']).unwrap_or(text.len());
                *text = text[end..].trim_start_matches(',').trim_start();
            }
            *text = text.strip_prefix('}').unwrap_or(text);
            return;
        }
        let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
        let end = text.find(|letter| !is_name(letter)).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        *text = rest;
        if name.is_empty() {
            found.push(before.to_vec());
            return;
        }
        let path = [before, &[name]].concat();
        match text.strip_prefix("::") {
            Some(rest) => {
                *text = rest;
                tree(text, &path, found);
            }
            None => found.push(path),
        }
    }
    let (mut text, mut found) = (text, Vec::new());
    tree(&mut text, &[], &mut found);
    found
}
