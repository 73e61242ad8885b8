//! From arguments and fragments to one configuration: who wins, what is said when something is wrong.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use clap::Parser;
use holdfast::config::{Args, Config, ConfigError, Places};
use holdfast::panel::Language;
use holdfast::wires::Board;
use holdfast_core::Limits;
use tracing::Level;

/// A machine with nothing on it but what a test writes.
struct Machine {
    root: tempfile::TempDir,
    places: Places,
}

impl Machine {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        let places = Places {
            fragments: vec![at("usr"), at("etc")],
            owner: vec![at("boot/holdfast.toml")],
            boards: at("boards"),
            models: Vec::new(),
            appliance_data: at("data/holdfast"),
            user_runtime: None,
            environment: HashMap::new(),
        };
        Self { root, places }
    }

    fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn load(&self, files: &[&Path]) -> Result<Config, ConfigError> {
        let args = Args {
            config: files.iter().map(|file| file.to_path_buf()).collect(),
            ..Args::default()
        };
        Config::load(&args, &self.places)
    }

    /// What is said about one bad file.
    fn complaint(&self, text: &str) -> String {
        let file = self.write("bad.toml", text);
        let said = self.load(&[&file]).expect_err(text).to_string();
        said.replace(&file.display().to_string(), "bad.toml")
    }
}

#[test]
fn a_bare_machine_has_a_whole_configuration() {
    let machine = Machine::new();
    let config = machine.load(&[]).unwrap();
    assert_eq!(config.data.root(), "holdfast-data");
    assert_eq!(config.runtime, Path::new("holdfast-data/run"));
    assert_eq!(config.settings.device_name, "Holdfast");
    assert_eq!(config.settings.log_level, Level::INFO);
    assert!(config.settings.server_url.is_none() && config.settings.pairing_phone.is_none());
    assert!(config.ignored.is_empty());
    let chats = config.settings.chats;
    assert!(chats.status && chats.newsletters && chats.groups);
    let file = machine.write("quiet.toml", "[inbox]\nstatus = false\ngroups = false\n");
    let chats = machine.load(&[&file]).unwrap().settings.chats;
    assert!(!chats.status && chats.newsletters && !chats.groups);
}

#[test]
fn directories_follow_the_machine_and_give_way_to_arguments() {
    let mut machine = Machine::new();
    machine.write("data/holdfast/keep", "");
    machine.places.user_runtime = Some("/run/user/1000".into());
    let config = machine.load(&[]).unwrap();
    assert_eq!(config.data.root(), machine.places.appliance_data);
    assert_eq!(config.runtime, Path::new("/run/user/1000/holdfast"));

    let args = [
        "holdfastd",
        "--data",
        "/d",
        "--runtime",
        "/r",
        "--board",
        "headless",
    ];
    let config = Config::load(&Args::parse_from(args), &machine.places).unwrap();
    assert_eq!(config.data.root(), "/d");
    assert_eq!(config.runtime, Path::new("/r"));
    assert_eq!(config.board, Board::Headless);
}

#[test]
fn later_wins_key_by_key() {
    let machine = Machine::new();
    machine.write(
        "usr/10-vendor.toml",
        "[device]\nname = \"vendor\"\n[log]\nlevel = \"error\"\n",
    );
    machine.write("usr/20-vendor.toml", "[server]\nversion = [2, 3000, 1]\n");
    machine.write("usr/notes.txt", "not ours");
    machine.write(
        "etc/10-site.toml",
        "[device]\nname = \"site\"\n[server]\nversion = [2, 3000, 0x10]\n",
    );
    machine.write(
        "boot/holdfast.toml",
        "[pairing]\nphone = \"+49 170 123-4567\"\n[log]\nlevel = \"warn\"\n",
    );
    let first = machine.write("first.toml", "[log]\nlevel = \"debug\"\n");
    let second = machine.write("second.toml", "log.level = \"trace\"\n");
    let settings = machine.load(&[&first, &second]).unwrap().settings;
    assert_eq!(settings.device_name, "site");
    assert_eq!(settings.server_version, Some([2, 3000, 16]));
    assert_eq!(settings.pairing_phone.unwrap().expose(), "491701234567");
    assert_eq!(settings.log_level, Level::TRACE);
}

#[test]
fn errors_name_file_and_line_all_at_once() {
    let said = Machine::new().complaint(
        "top = 1\n[device]\nname = \"\"\ncolour = \"red\"\n\n[sever]\nurl = \"x\"\n[server]\nversion = [2, 3000]\n[log]\nlevel = 7\n",
    );
    let lines: Vec<&str> = said.lines().map(str::trim).collect();
    assert_eq!(lines[0], "the configuration cannot be used");
    let mut places: Vec<&str> = lines[1..]
        .iter()
        .map(|line| line.split(": ").next().unwrap())
        .collect();
    places.sort_unstable_by_key(|place| place.rsplit(':').next().unwrap().parse::<u32>().unwrap());
    assert_eq!(
        places,
        [
            "bad.toml:1",
            "bad.toml:3",
            "bad.toml:4",
            "bad.toml:7",
            "bad.toml:9",
            "bad.toml:11"
        ]
    );
    assert!(
        said.contains("bad.toml:4: device.colour: no such key; known are server.url"),
        "{said}"
    );
}

#[test]
fn broken_toml_names_its_line() {
    let said = Machine::new().complaint("[device]\nname = \"Holdfast\"\n[log\nlevel = \"info\"\n");
    assert!(said.contains("bad.toml:3: "), "{said}");
}

#[test]
fn a_file_that_is_not_there_is_an_error() {
    let machine = Machine::new();
    let said = machine
        .load(&[&machine.root.path().join("none.toml")])
        .unwrap_err()
        .to_string();
    assert!(said.contains("none.toml: cannot be read: "), "{said}");
}

#[test]
fn a_phone_number_never_shows_in_what_is_said() {
    let machine = Machine::new();
    for text in [
        "[pairing]\nphone = 491701234567\n",
        "[pairing]\nphone = \"0491701234567\"\n",
        "[pairing]\nphone = \"491701234567890123\"\n",
        "[pairing]\nphone = \"491701234567x\"\n",
        "[pairing]\nphone = [\"491701234567\"]\n",
        "[pairing]\nphone = \"491701234567\n",
        "[pairing]\nphone = 491701234567x\n",
        "[pairing]\nphone = 4917 01234567\n",
        "phone = 491701234567\n",
    ] {
        let said = machine.complaint(text);
        assert!(
            !said.contains("491") && !said.contains("01234567"),
            "{said}"
        );
    }
    let good = machine.write("good.toml", "[pairing]\nphone = \"491701234567\"\n");
    assert!(!format!("{:?}", machine.load(&[&good]).unwrap()).contains("4917"));
}

#[test]
fn half_a_pairing_is_said_and_names_what_it_takes() {
    let machine = Machine::new();
    for (text, said) in [
        (
            "[pairing]\ncode = true\n",
            "bad.toml:2: pairing.code: no such key; known are",
        ),
        ("[pairing]\nphone = \"\"\n", "bad.toml:2: pairing.phone: "),
        (
            "[pairing]\nphone = true\n",
            "bad.toml:2: pairing.phone: must be the international number",
        ),
        ("[pairing]\nphone =\n", "bad.toml:2: "),
        (
            "pairing = true\n",
            "bad.toml:1: `pairing` stands outside a section",
        ),
    ] {
        let complaint = machine.complaint(text);
        assert!(complaint.contains(said), "{text}: {complaint}");
    }
    // The number is all of it: there is nothing else that could be left out.
    let said = machine.complaint("pairing.code = true\n");
    let (_, known) = said.split_once("known are ").unwrap();
    let of_pairing = known.split(", ").filter(|key| key.starts_with("pairing."));
    assert_eq!(of_pairing.collect::<Vec<_>>(), ["pairing.phone"], "{said}");
}

#[test]
fn each_key_stands_in_the_documentation_with_its_use_and_no_other() {
    let said = Machine::new().complaint("log.none = 1\n");
    let (_, known) = said.split_once("known are ").unwrap();
    let mut known: Vec<&str> = known.trim().split(", ").collect();
    let page = include_str!("../docs/operating.md");
    let (_, table) = page.split_once("| key | means |\n|---|---|\n").unwrap();
    let rows = table.lines().map_while(|line| line.strip_prefix("| `"));
    let mut documented = Vec::new();
    for row in rows {
        let (keys, means) = row.split_once(" | ").unwrap();
        assert!(means.len() > 20, "{keys} has no use");
        documented.extend(keys.split(", ").map(|key| key.trim_matches('`')));
    }
    known.sort_unstable();
    documented.sort_unstable();
    assert_eq!(documented, known);
}

#[test]
fn the_owner_s_file_warns_and_keeps_what_is_good() {
    let machine = Machine::new();
    machine.write("etc/site.toml", "[log]\nlevel = \"warn\"\n");
    machine.write(
        "boot/holdfast.toml",
        "hostname = \"kelp\"\n[wifi]\nssid = \"shore\"\n[ssh]\nkeys = []\n[device]\nname = \"kelp\"\n[log]\nlevel = \"loud\"\n[sever]\nurl = 1\n",
    );
    let config = machine.load(&[]).unwrap();
    assert_eq!(config.settings.device_name, "kelp");
    assert_eq!(config.settings.log_level, Level::WARN);
    let ignored: Vec<String> = config.ignored.iter().map(ToString::to_string).collect();
    assert_eq!(ignored.len(), 2, "{ignored:?}");
    assert!(
        ignored[0].contains("holdfast.toml:9: log.level: must be"),
        "{ignored:?}"
    );
    assert!(
        ignored[1].contains("holdfast.toml:11: sever.url: no such key"),
        "{ignored:?}"
    );
}

#[test]
fn the_owner_s_file_never_stops_the_start() {
    let machine = Machine::new();
    for text in ["device]\n", "[[device]]", "[device]\nname = \"", "= = ="] {
        machine.write("boot/holdfast.toml", text);
        assert_eq!(machine.load(&[]).unwrap().ignored.len(), 1, "{text:?}");
    }
    for bytes in [&[0xff, 0xfe][..], b"\0", b"[device\n", b""] {
        fs::write(&machine.places.owner[0], bytes).unwrap();
        assert!(machine.load(&[]).unwrap().ignored.is_empty(), "{bytes:?}");
    }
    fs::remove_file(&machine.places.owner[0]).unwrap();
    fs::create_dir(&machine.places.owner[0]).unwrap();
    assert_eq!(machine.load(&[]).unwrap().ignored.len(), 1);
}

// In a build of the whole workspace the feature is on: `.ci/run` asks the released program the same.
#[cfg(not(feature = "lab"))]
#[test]
fn only_a_lab_build_talks_to_another_server() {
    let said = Machine::new().complaint("[server]\nurl = \"ws://127.0.0.1:1/ws/chat\"\n");
    assert!(
        said.contains("bad.toml:2: server.url: needs a build with the cargo feature `lab`"),
        "{said}"
    );
}

#[cfg(feature = "lab")]
#[test]
fn a_lab_build_talks_to_another_server() {
    let machine = Machine::new();
    let file = machine.write("lab.toml", "[server]\nurl = \"ws://127.0.0.1:1/ws/chat\"\n");
    let config = machine.load(&[&file]).unwrap();
    assert_eq!(
        config.settings.server_url.as_deref(),
        Some("ws://127.0.0.1:1/ws/chat")
    );
    assert!(
        machine
            .complaint("[server]\nurl = \"http://127.0.0.1\"\n")
            .contains("must be a WebSocket address")
    );
}

#[test]
fn no_variable_of_the_environment_names_another_server() {
    let mut machine = Machine::new();
    for name in [
        "WHATSAPP_WS_URL",
        "SERVER_URL",
        "HOLDFAST_SERVER_URL",
        "server.url",
    ] {
        let url = "ws://127.0.0.1:1/ws/chat".into();
        machine.places.environment.insert(name.into(), url);
    }
    let settings = machine.load(&[]).unwrap().settings;
    assert_eq!(
        (settings.server_url.as_deref(), settings.proxy()),
        (None, None)
    );
}

#[test]
fn the_version_names_the_features() {
    let said = Args::try_parse_from(["holdfastd", "--version"])
        .unwrap_err()
        .to_string();
    let features = if cfg!(feature = "lab") { "lab" } else { "none" };
    assert_eq!(
        said,
        format!(
            "holdfastd {}\nfeatures: {features}\n",
            env!("CARGO_PKG_VERSION")
        )
    );
}

const MIB: u64 = 1 << 20;

#[test]
fn the_screens_speak_the_owner_s_language() {
    let machine = Machine::new();
    assert_eq!(
        machine.load(&[]).unwrap().settings.language,
        Language::English
    );
    for language in Language::ALL {
        let text = format!("[panel]\nlanguage = \"{}\"\n", language.code());
        machine.write("boot/holdfast.toml", &text);
        let config = machine.load(&[]).unwrap();
        assert_eq!(
            (config.settings.language, config.ignored.len()),
            (language, 0)
        );
    }
    machine.write("boot/holdfast.toml", "[panel]\nlanguage = \"fr\"\n");
    let config = machine.load(&[]).unwrap();
    assert_eq!(config.settings.language, Language::English);
    let said = config.ignored[0].to_string();
    assert!(
        said.ends_with("holdfast.toml:2: panel.language: must be \"en\", \"de\", \"es\" or \"pt\""),
        "{said}"
    );
    let said = machine.complaint("[panel]\nlanguage = 1\n");
    assert!(
        said.contains("bad.toml:2: panel.language: must be"),
        "{said}"
    );
}

#[test]
fn limits_of_the_card_can_be_set() {
    let machine = Machine::new();
    let file = machine.write(
        "limits.toml",
        "[storage]\nwarn_below = \"1 GiB\"\ngive_back_below = \"300MiB\"\nlink_below = \"100 MiB\"\nwarn_records = 70_000\n\
         [inbox]\nwarn_messages = 5\nforget_after = \"2 days\"\n[outbox]\nmost = \"64 MiB\"\n",
    );
    let limits = machine.load(&[&file]).unwrap().settings.limits;
    let set = Limits {
        little_bytes: Some(1024 * MIB),
        scarce_bytes: Some(300 * MIB),
        none_bytes: Some(100 * MIB),
        outgoing_bytes: Some(64 * MIB),
        forget_after_ms: Some(48 * 3_600_000),
        unread: Some(5),
        records: Some(70_000),
    };
    assert_eq!(limits, set);
}

#[test]
fn updates_are_off_until_the_owner_says_so() {
    let machine = Machine::new();
    let settings = machine.load(&[]).unwrap().settings;
    assert!(!settings.update_automatic && settings.update_index.is_none());
    let key = "MCowBQYDK2VwAyEA".to_owned() + &"A".repeat(43) + "=";
    let file = machine.write(
        "updates.toml",
        &format!(
            "[update]\nautomatic = true\nindex = \"https://example.org/index.toml\"\nkey = \"{key}\"\nhours = \"02:00-03:00 +01:00\"\n"
        ),
    );
    let settings = machine.load(&[&file]).unwrap().settings;
    assert!(settings.update_automatic);
    assert_eq!(
        (settings.update_index.as_deref(), settings.update_key),
        (Some("https://example.org/index.toml"), Some(key))
    );
    assert_eq!(Ok(settings.update_hours), "01:00-02:00".parse());
    for wrong in [
        "automatic = \"yes\"",
        "index = \"http://example.org/index.toml\"",
        "key = \"short\"",
        "hours = 3",
    ] {
        let said = machine.complaint(&format!("[update]\n{wrong}\n"));
        assert!(said.contains("bad.toml:2: update."), "{said}");
    }
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    let machine = Machine::new();
    for (text, said) in [
        (
            "storage.warn_below = 256",
            "bad.toml:1: storage.warn_below: must be a size",
        ),
        ("storage.warn_below = \"256\"", "must be a size"),
        ("storage.warn_below = \"256 MB\"", "must be a size"),
        ("storage.warn_below = \"0 MiB\"", "must be a size"),
        (
            "outbox.most = \"99999999999999999999 GiB\"",
            "must be a size",
        ),
        ("outbox.most = \"99999999999999 GiB\"", "must be a size"),
        ("storage.link_below = \"11 MiB\"", "at least \"12 MiB\""),
        ("inbox.forget_after = \"soon\"", "must be a time"),
        ("inbox.forget_after = \"0 days\"", "must be a time"),
        ("inbox.forget_after = \"2 weeks\"", "must be a time"),
        ("inbox.warn_messages = 0", "at least 1"),
        ("inbox.warn_messages = \"many\"", "at least 1"),
        (
            "storage.link_below = \"50 MiB\"\nstorage.warn_below = \"50 MiB\"",
            "bad.toml: storage.link_below must be less",
        ),
    ] {
        let complaint = machine.complaint(text);
        assert!(complaint.contains(said), "{text}: {complaint}");
    }
}

#[test]
fn the_owner_s_limits_are_ignored_where_they_contradict_each_other() {
    let machine = Machine::new();
    machine.write("etc/limits.toml", "storage.link_below = \"50 MiB\"");
    machine.write("boot/holdfast.toml", "[storage]\nwarn_below = \"40 MiB\"\n");
    let config = machine.load(&[]).unwrap();
    assert_eq!(config.settings.limits.little_bytes, None);
    assert_eq!(config.settings.limits.none_bytes, Some(50 * MIB));
    assert_eq!(config.ignored.len(), 1);
}

#[test]
fn a_proxy_comes_from_a_file_or_else_from_the_environment() {
    let mut machine = Machine::new();
    let proxy = |machine: &Machine, files: &[&Path]| {
        let config = machine.load(files).unwrap();
        config.settings.proxy().map(ToString::to_string)
    };
    assert_eq!(proxy(&machine, &[]), None);
    let mut set = |name: &str, value: &str| {
        let environment = &mut machine.places.environment;
        environment.insert(name.into(), value.into());
    };
    set("HTTPS_PROXY", "http://anna:tidepool@10.0.0.1:3128");
    let environment = Some("http://10.0.0.1:3128".to_owned());
    assert_eq!(proxy(&machine, &[]), environment);
    let named = machine.write("named.toml", "[network]\nproxy = \"socks5://p\"\n");
    let none = machine.write("none.toml", "[network]\nproxy = \"none\"\n");
    assert_eq!(proxy(&machine, &[&named]), Some("socks5://p:1080".into()));
    assert_eq!(proxy(&machine, &[&named, &none]), None);
    let whole = format!("{:?}", machine.load(&[]).unwrap());
    assert!(!whole.contains("tidepool"), "{whole}");
}

#[test]
fn a_proxy_that_is_not_spoken_is_an_error_wherever_it_is_named() {
    let mut machine = Machine::new();
    for (value, said) in [
        ("\"https://p:1\"", "over TLS is not supported"),
        ("\"socks4://p:1\"", "SOCKS4 is not supported"),
        (
            "\"gopher://anna:tidepool@p\"",
            "must be the address of an HTTP or SOCKS5 proxy",
        ),
        ("3128", "must stand in quotes"),
    ] {
        let complaint = machine.complaint(&format!("[network]\nproxy = {value}\n"));
        let begins = "bad.toml:2: network.proxy: ";
        assert!(
            complaint.contains(begins) && complaint.contains(said),
            "{complaint}"
        );
        assert!(!complaint.contains("tidepool"), "{complaint}");
    }
    let environment = &mut machine.places.environment;
    environment.insert("ALL_PROXY".into(), "https://anna:tidepool@p".into());
    let complaint = machine.load(&[]).unwrap_err().to_string();
    assert!(
        complaint.contains("$ALL_PROXY: a proxy that is itself"),
        "{complaint}"
    );
    assert!(!complaint.contains("tidepool"), "{complaint}");
    // A file says how WhatsApp is reached: then nobody asks the environment.
    let none = machine.write("none.toml", "[network]\nproxy = \"none\"\n");
    machine.load(&[&none]).unwrap();
}
