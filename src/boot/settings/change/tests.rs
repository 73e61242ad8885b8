//! Changes on a machine in a directory, whose services and network are the test's.

mod wrong;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use holdfast_medium::Secret;

use super::*;
use crate::boot::settings::{Door, NotAsked, import};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBm4kQp2dJ0h6mYhXW0n5mJ2Qq8V9G1o1d3nR7TfGk2Z kelp@shore";
const HOME: &str = "[wifi]\nssid = \"home\"\npassword = \"correct horse\"\n";
const SHORE: &str =
    "[wifi]\nssid = \"shore\"\npassword = \"battery staple\"\nsecurity = \"wpa2+wpa3\"\n";

/// Every file of a directory, and what is in it.
type Files = BTreeMap<String, String>;

struct Board {
    root: tempfile::TempDir,
    machine: Machine,
    now: u64,
    /// How far a way leads, by the network that is joined.
    lead: fn(&str) -> Lead,
    /// The ways that were looked at last, and who has to answer.
    ways: Vec<(Over, Vec<IpAddr>)>,
    told: Vec<String>,
    /// The data partition, at each moment in which somebody is told or asked something.
    moments: Vec<Files>,
}

impl Board {
    /// One that was booted with this `holdfast.toml`, and has a radio.
    fn booted(toml: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let board = Self {
            machine: Machine::at(root.path()),
            root,
            now: 0,
            lead: |_| Lead::Out,
            ways: Vec::new(),
            told: Vec::new(),
            moments: Vec::new(),
        };
        for directory in [
            "boot/firmware",
            "data/system/ssh",
            "data/system/wifi",
            "proc/sys/kernel",
            "run/holdfast",
            "sys/class/net/wlan0",
        ] {
            fs::create_dir_all(board.at(directory)).unwrap();
        }
        board.put("usr/share/zoneinfo/Europe/Berlin", "");
        board.boot_with(toml);
        board
    }

    fn at(&self, path: &str) -> std::path::PathBuf {
        self.root.path().join(path)
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap_or_default()
    }

    fn boot(&self) {
        import(&self.machine).unwrap();
    }

    fn boot_with(&self, toml: &str) {
        self.put("boot/firmware/holdfast.toml", toml);
        self.boot();
    }

    fn door(&self) -> Door {
        Door::new(self.machine.clone())
    }

    fn shown(&self) -> Shown {
        self.door().shown().unwrap()
    }

    /// Asks for a change as the daemon does, and has it carried out; what became of it.
    fn change(&mut self, settings: &str, leave: &[&str], force: bool) -> Tried {
        let hex = |name: &&str| hex::encode(name);
        let (door, sheet) = (self.door(), Secret::new(settings.to_owned()));
        let leave = leave.iter().map(hex).collect();
        door.ask(7, &sheet, leave, force).unwrap();
        let machine = self.machine.clone();
        self.told.clear();
        self.moments.clear();
        carry_out(&machine, self).unwrap();
        assert!(
            !self.at("run/holdfast/change.json").exists(),
            "it is taken once"
        );
        assert!(!self.at("data/system/before.json").exists());
        self.shown().change.expect("a change")
    }

    /// The networks that are joined, the first one first.
    fn networks(&self) -> Vec<String> {
        self.shown()
            .wifi
            .into_iter()
            .map(|network| network.ssid)
            .collect()
    }

    fn kept(&self) -> Files {
        files(&self.at("data/system"))
    }
}

fn files(directory: &Path) -> Files {
    let mut found = Files::new();
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        if path.is_dir() {
            let inner = files(&path).into_iter();
            found.extend(inner.map(|(inner, text)| (format!("{name}/{inner}"), text)));
        } else {
            found.insert(name, fs::read_to_string(path).unwrap());
        }
    }
    found
}

impl World for Board {
    fn tell(&mut self, command: &[&str]) {
        self.told.push(command.join(" "));
        let moment = self.kept();
        self.moments.push(moment);
    }

    fn lead(&mut self, ways: &[Way]) -> Lead {
        let ways = ways.iter().map(|way| (way.over, way.gateways.clone()));
        self.ways = ways.collect();
        let moment = self.kept();
        let lead = (self.lead)(&moment["wifi/wpa_supplicant.conf"]);
        self.moments.push(moment);
        lead
    }

    fn now(&mut self) -> u64 {
        self.now
    }

    fn wait(&mut self, ms: u64) {
        self.now += ms;
    }
}

fn names(ssid: &str) -> String {
    format!("ssid={}\n", hex::encode(ssid))
}

fn out_where(is_out: bool) -> Lead {
    match is_out {
        true => Lead::Out,
        false => Lead::Nowhere,
    }
}

#[test]
fn a_network_is_joined_alone_first_and_the_others_stay() {
    let mut board = Board::booted(HOME);
    board.lead = |conf| out_where(conf.contains(&names("shore")) && !conf.contains(&names("home")));
    let tried = board.change(SHORE, &[], false);
    assert_eq!(tried.standing, Standing::Kept, "{:?}", tried.why);
    assert_eq!(board.now, 10_000, "it held for so long");
    assert_eq!(board.networks(), ["shore", "home"]);
    let restart = "systemctl restart wpa_supplicant@wlan0.service";
    let again = "systemctl kill --signal=HUP wpa_supplicant@wlan0.service";
    assert_eq!(board.told, [restart, again]);
    let kept = board.kept();
    board.boot();
    assert_eq!(board.kept(), kept, "the next boot has it so, too");
    assert_eq!(board.networks(), ["shore", "home"]);
    for file in kept
        .values()
        .chain([&board.read("run/holdfast-settings/shown.json")])
    {
        assert!(!file.contains("battery staple") && !file.contains("correct horse"));
    }
}

#[test]
fn one_that_does_not_come_up_is_taken_back_byte_for_byte() {
    let mut board = Board::booted(HOME);
    let before = board.kept();
    board.lead = |conf| out_where(conf.contains(&names("home")));
    let tried = board.change(SHORE, &[], false);
    assert_eq!(tried.standing, Standing::TakenBack);
    assert_eq!(
        (board.now, board.networks()),
        (120_000, vec!["home".to_owned()])
    );
    assert_eq!(board.kept(), before);
    let restart = "systemctl restart wpa_supplicant@wlan0.service";
    assert_eq!(board.told, [restart, restart]);
    board.boot();
    assert_eq!(board.kept(), before);
    // Where it is for another place nobody waits.
    let tried = board.change(SHORE, &[], true);
    assert_eq!((tried.standing, board.now), (Standing::Kept, 120_000));
}

#[test]
fn the_plug_pulled_at_any_moment_leaves_what_was_before() {
    let mut board = Board::booted(&format!(
        "hostname = \"kelp\"\n{HOME}[ssh]\nauthorized_keys = [\"{KEY}\"]\n"
    ));
    let before = board.kept();
    let tried = board.change(
        &format!("hostname = \"crab\"\n[ethernet]\naddress = \"192.168.7.20/24\"\ngateway = \"192.168.7.1\"\ndns = \"192.168.7.1\"\n{SHORE}"),
        &["home"],
        false,
    );
    assert_eq!(tried.standing, Standing::Kept, "{:?}", tried.why);
    let after = board.kept();
    assert_ne!(before, after);
    let moments = std::mem::take(&mut board.moments);
    let mut old = 0;
    for moment in moments {
        fs::remove_dir_all(board.at("data/system")).unwrap();
        for directory in ["ssh", "wifi"] {
            fs::create_dir_all(board.at("data/system").join(directory)).unwrap();
        }
        for (file, text) in &moment {
            board.put(&format!("data/system/{file}"), text);
        }
        board.boot();
        let kept = board.kept();
        assert!(kept == before || kept == after, "half of it: {kept:#?}");
        let is_fixed = board
            .at("run/systemd/network/20-wired.network.d/owner.conf")
            .exists();
        assert_eq!(is_fixed, kept == after);
        old += usize::from(kept == before);
    }
    assert!(old > 5, "the trial itself: {old}");
}

#[test]
fn a_step_that_was_killed_takes_its_change_back_when_it_begins_again() {
    let mut board = Board::booted(HOME);
    let before = board.kept();
    let shelf = Shelf::new(&board.machine);
    undo::begin(&shelf).unwrap();
    for file in ["wifi/wpa_supplicant.conf", "hostname", "settings.json"] {
        board.put(&format!("data/system/{file}"), "half");
    }
    let machine = board.machine.clone();
    let told = carry_out(&machine, &mut board).unwrap();
    assert!(told[0].contains("taken back"), "{told:?}");
    assert_eq!(board.kept(), before);
    assert!(
        board
            .told
            .contains(&"systemctl restart wpa_supplicant@wlan0.service".to_owned())
    );
}

#[test]
fn the_last_word_wins_key_by_key() {
    let toml = format!("hostname = \"kelp\"\n[panel]\nlanguage = \"de\"\n{HOME}");
    let mut board = Board::booted(&toml);
    let both = "hostname = \"crab\"\ntime_zone = \"Europe/Berlin\"\n[panel]\nlanguage = \"es\"\n";
    assert_eq!(board.change(both, &[], false).standing, Standing::Kept);
    assert_eq!(
        board.told, [""; 0],
        "the daemon looks for its language by itself"
    );
    let spoken = || crate::boot::settings::spoken(&board.machine);
    assert_eq!(spoken(), Some(crate::panel::Language::Spanish));
    board.boot();
    let name = |board: &Board| board.read("proc/sys/kernel/hostname");
    let language = |board: &Board| board.read("run/holdfast-settings/config.toml");
    assert_eq!(
        (name(&board).as_str(), language(&board).as_str()),
        ("crab", "[panel]\nlanguage = \"es\"\n")
    );
    let zone = fs::read_link(board.at("run/localtime")).unwrap();
    assert_eq!(zone, Path::new("/usr/share/zoneinfo/Europe/Berlin"));
    // An owner who edits one thing says nothing of another.
    let edited = toml.replace("\"de\"", "\"pt\"");
    board.boot_with(&edited);
    assert_eq!(
        (name(&board).as_str(), language(&board).as_str()),
        ("crab", "")
    );
    board.boot_with(&edited.replace("kelp", "reef"));
    assert_eq!(name(&board), "reef");
    board.boot_with(&edited);
    assert_eq!(name(&board), "kelp", "what is void stays so");
    // And one who takes the line away does not say otherwise.
    assert_eq!(
        board.change("hostname = \"crab\"\n", &[], false).standing,
        Standing::Kept
    );
    board.boot_with("");
    assert_eq!(name(&board), "crab");
}

#[test]
fn a_network_that_was_left_stays_away_until_the_card_tells_of_it_anew() {
    let mut board = Board::booted(HOME);
    assert_eq!(board.change("", &["home"], false).standing, Standing::Kept);
    assert_eq!(board.networks(), [""; 0]);
    board.boot();
    assert_eq!(board.networks(), [""; 0]);
    board.boot_with(HOME);
    assert_eq!(board.networks(), ["home"], "with its password");
}

#[test]
fn what_would_lock_its_owner_out_is_refused_with_the_reason() {
    let mut board = Board::booted(&format!("[ssh]\nauthorized_keys = [\"{KEY}\"]\n"));
    let nobody = "[ssh]\nauthorized_keys = []\n";
    let before = board.kept();
    fs::remove_dir(board.at("sys/class/net/wlan0")).unwrap();
    for (sheet, why) in [
        (nobody, "Nobody could come in"),
        (SHORE, "no Wi-Fi"),
        ("time_zone = \"Europe/Atlantis\"\n", "no such time zone"),
        ("[wifi]\nssid = \"shore\"\n", "wifi.password is missing"),
        ("hostname = \"-\"\n", "hostname: must be"),
        ("[device]\nname = \"x\"\n", "device.name: no such key"),
        ("just words\n", "neither"),
    ] {
        let tried = board.change(sheet, &[], false);
        assert_eq!(tried.standing, Standing::Refused, "{sheet}");
        assert!(
            tried.why.join(" ").contains(why),
            "{sheet}: {:?}",
            tried.why
        );
        assert_eq!((board.kept(), &board.told), (before.clone(), &Vec::new()));
    }
    let tried = board.change(nobody, &[], true);
    assert_eq!(
        (tried.standing, board.shown().authorized_keys),
        (Standing::Kept, Vec::new())
    );
}

#[test]
fn one_change_is_tried_at_a_time_and_none_where_no_boot_reads_them() {
    let board = Board::booted(HOME);
    let sheet = Secret::new(SHORE.to_owned());
    board.door().ask(1, &sheet, Vec::new(), false).unwrap();
    let busy = board.door().ask(2, &sheet, Vec::new(), false);
    assert!(matches!(busy, Err(NotAsked::Busy)));
    let elsewhere = tempfile::tempdir().unwrap();
    let door = Door::new(Machine::at(elsewhere.path()));
    assert!(matches!(
        door.ask(1, &sheet, Vec::new(), false),
        Err(NotAsked::NotOurs)
    ));
}

#[test]
fn a_request_that_leads_elsewhere_is_not_followed() {
    let mut board = Board::booted(HOME);
    let request = board.at("run/holdfast/change.json");
    board.put(
        "secret",
        "{\"id\":1,\"settings\":\"hostname = 'crab'\",\"leave\":[],\"force\":true}",
    );
    std::os::unix::fs::symlink(board.at("secret"), &request).unwrap();
    let machine = board.machine.clone();
    assert!(carry_out(&machine, &mut board).is_err());
    assert!(fs::symlink_metadata(request).is_err() && board.at("secret").exists());
    assert_eq!(board.read("data/system/hostname"), "");
}
