//! The owner's settings, as the boot step takes them over from a card's files.

mod tool;

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
};

use holdfast::{boot::settings, sheet::Problem};
use holdfast_medium::{Age, Machine};
use tool::tool;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBm4kQp2dJ0h6mYhXW0n5mJ2Qq8V9G1o1d3nR7TfGk2Z kelp@shore";
const OTHER: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJm4kQp2dJ0h6mYhXW0n5mJ2Qq8V9G1o1d3nR7TfGk2Z";
const PASSWORD: &str = "correct horse";
/// PBKDF2-HMAC-SHA1 of the password and "Anna’s shore", as `wpa_passphrase` makes it.
const SSID_HEX: &str = "416e6e61e28099732073686f7265";

/// A card as the step meets it, in a directory.
struct Card(tempfile::TempDir);

impl Card {
    fn new() -> Self {
        let card = Self(tempfile::tempdir().unwrap());
        for dir in [
            "boot/firmware",
            "data/system/ssh",
            "data/system/wifi",
            "proc/sys/kernel",
        ] {
            fs::create_dir_all(card.at(dir)).unwrap();
        }
        card
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn put(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap_or_default()
    }

    /// One boot; what the step logged.
    fn boot(&self) -> String {
        let done = Command::new(env!("CARGO_BIN_EXE_holdfastd"))
            .args(["boot", "settings", "--root"])
            .arg(self.0.path())
            .env_remove("JOURNAL_STREAM")
            .output()
            .unwrap();
        let log = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.success(), "{log}");
        log
    }

    /// One boot with this `holdfast.toml`; what the step logged.
    fn boot_with(&self, toml: impl AsRef<[u8]>) -> String {
        self.put("boot/firmware/holdfast.toml", toml);
        self.boot()
    }

    fn problems(&self) -> Vec<Problem> {
        settings::ignored(&Machine::at(self.0.path()))
    }

    /// Lines and words of what was ignored.
    fn complaints(&self) -> Vec<String> {
        let line = |problem: &Problem| problem.line.unwrap_or_default();
        let problems = self.problems();
        problems
            .iter()
            .map(|problem| format!("{}: {}", line(problem), problem.what))
            .collect()
    }

    fn wifi(&self) -> String {
        self.read("data/system/wifi/wpa_supplicant.conf")
    }

    /// That everything of [`whole`] is there.
    fn assert_whole(&self, told: &str) {
        assert_eq!(self.read("data/system/hostname"), "kelp\n", "{told}");
        assert_eq!(self.read("proc/sys/kernel/hostname"), "kelp", "{told}");
        let keys = self.read("data/system/ssh/authorized_keys");
        assert_eq!(keys, format!("{KEY}\n{OTHER}\n"), "{told}");
        let wifi = self.wifi();
        for line in ["country=DE", &format!("ssid={SSID_HEX}"), "scan_ssid=1"] {
            assert!(wifi.lines().any(|own| own.trim() == line), "{told}: {wifi}");
        }
        assert!(!wifi.contains(PASSWORD), "{told}");
        assert!(
            !self.read("boot/firmware/holdfast.toml").contains(PASSWORD),
            "{told}"
        );
    }
}

fn whole() -> String {
    format!(
        "hostname = \"Kelp\"\n\n[wifi]\nssid = \"Anna\u{2019}s shore\"\npassword = \"{PASSWORD}\"\ncountry = \"de\"\nhidden = true\n\n[ssh]\nauthorized_keys = [\n  \"{KEY}\",\n  \"{OTHER}\",\n]\n\n[device]\nname = \"Kelp\"\n"
    )
}

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2], bom: bool) -> Vec<u8> {
    let bom = bom.then_some('\u{feff}');
    let text: String = bom.into_iter().chain(text.chars()).collect();
    text.encode_utf16().flat_map(bytes).collect()
}

#[test]
fn what_no_name_leads_to_any_more_holds_no_secret_either() {
    let card = Card::new();
    card.put("boot/firmware/holdfast.toml", whole());
    // As the clusters are on a FAT: there, though no file has them.
    fs::hard_link(card.at("boot/firmware/holdfast.toml"), card.at("clusters")).unwrap();
    let told = card.boot();
    card.assert_whole(&told);
    let left = fs::read(card.at("clusters")).unwrap();
    assert_eq!(left, vec![0; whole().len()]);
}

#[test]
fn the_audit_has_a_key_of_its_own_from_the_first_boot_on() {
    let card = Card::new();
    let log = card.boot();
    let key = card.read("boot/firmware/holdfast-audit.key");
    assert_eq!(key.trim_end().len(), 64, "{log}");
    assert!(!log.contains(key.trim_end()), "{log}");
    card.boot();
    assert_eq!(card.read("boot/firmware/holdfast-audit.key"), key);
}

#[test]
fn the_daemon_is_told_that_its_data_is_an_older_copy() {
    let card = Card::new();
    let [inside, outside, told] = [
        "data/holdfast/age",
        "boot/firmware/holdfast.age",
        "run/holdfast/age",
    ]
    .map(|path| card.at(path));
    fs::create_dir_all(inside.parent().unwrap()).unwrap();
    let age = |run, step| Age {
        life: "a".into(),
        run,
        generation: 1,
        step,
    };
    for further in [age(1, 10), age(1, 70), age(2, 3)] {
        further.keep(&inside).unwrap();
        card.boot();
        assert_eq!(Age::read(&outside), Some(further));
        assert_eq!(Age::read(&told), None);
    }
    age(1, 70).keep(&inside).unwrap();
    let log = card.boot();
    assert_eq!(Age::read(&told), Some(age(2, 3)), "{log}");
    assert_eq!(Age::read(&outside), Some(age(2, 3)));
}

#[test]
fn everything_is_taken_over_and_the_secret_leaves_the_boot_partition() {
    let card = Card::new();
    let log = card.boot_with(whole());
    card.assert_whole("plain");
    assert_eq!(card.complaints(), Vec::<String>::new());
    assert!(log.contains("the secrets are gone from"), "{log}");
    let left = card.read("boot/firmware/holdfast.toml");
    assert_eq!(left, whole().replace(PASSWORD, ""));
    for path in [
        "data/system/wifi/wpa_supplicant.conf",
        "data/system/ssh/authorized_keys",
    ] {
        assert_eq!(fs::metadata(card.at(path)).unwrap().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_boot_with_nothing_new_writes_nothing() {
    let card = Card::new();
    card.boot_with(whole());
    let files = [
        "boot/firmware/holdfast.toml",
        "data/system/hostname",
        "data/system/ssh/authorized_keys",
        "data/system/wifi/wpa_supplicant.conf",
    ];
    // Every replacement is a new file.
    let inodes = || files.map(|file| fs::metadata(card.at(file)).unwrap().ino());
    let before = inodes();
    let log = card.boot();
    assert_eq!(inodes(), before, "{log}");
    assert_eq!(log, "");
    card.assert_whole("again");
}

#[test]
fn no_editor_s_manners_stand_in_the_way() {
    let text = whole();
    let curly = text
        .replace("\"Kelp\"", "\u{201c}Kelp\u{201d}")
        .replace(
            &format!("\"{PASSWORD}\""),
            &format!("\u{201e}{PASSWORD}\u{201c}"),
        )
        .replace("\"de\"", "\u{2018}de\u{2019}")
        .replace(&format!("\"{KEY}\""), &format!("\u{ab}{KEY}\u{bb}"));
    let bare = text.replace("\"Kelp\"", "Kelp").replace("\"de\"", "DE");
    let spaces = text
        .replace(" = ", "\u{a0}=\u{a0} ")
        .replace('\n', " \t \n");
    let manners: Vec<(&str, Vec<u8>)> = vec![
        ("CRLF", text.replace('\n', "\r\n").into()),
        ("CR", text.replace('\n', "\r").into()),
        ("BOM", format!("\u{feff}{text}").into()),
        ("UTF-16LE", utf16(&text, u16::to_le_bytes, true)),
        ("UTF-16BE", utf16(&text, u16::to_be_bytes, true)),
        (
            "UTF-16LE without BOM",
            utf16(&text, u16::to_le_bytes, false),
        ),
        ("curly quotes", curly.into()),
        ("no quotes", bare.into()),
        ("other spaces", spaces.into()),
        ("no bracket", text.replace("[wifi]", "[wifi").into()),
        ("no end", text.trim_end().into()),
    ];
    for (manner, bytes) in manners {
        let card = Card::new();
        card.boot_with(bytes);
        card.assert_whole(manner);
    }
}

#[test]
fn a_mistake_costs_its_line_and_is_told_by_line_and_key() {
    let card = Card::new();
    let log = card.boot_with(format!(
        "hostname = \"two words\"\n[wifi]\nssid = \"shore\"\npassword = \"short\"\ncountry = \"Germany\"\nhidden = 1\ncolour = \"red\"\n[ssh]\nauthorized_keys = [\"me\", \"{KEY}\"]\npassword_authentication = true\n"
    ));
    let told = card.complaints();
    let starts = [
        "1: hostname: must be 1 to 63 letters",
        "4: wifi.password: must be 8 to 63",
        "5: wifi.country: must be a country's",
        "6: wifi.hidden: must be true or false",
        "7: wifi.colour: no such key; known are hostname",
        "10: ssh.password_authentication: nobody comes in by password",
        "3: wifi.ssid: wifi.password is missing",
    ];
    assert_eq!(told.len(), starts.len(), "{told:?}");
    for (told, start) in told.iter().zip(starts) {
        assert!(told.starts_with(start), "{told}");
    }
    assert_eq!(log.matches("holdfast.toml:").count(), starts.len(), "{log}");
    for value in ["short", "Germany", "two words", "red"] {
        assert!(!log.contains(value), "{log}");
    }
    assert_eq!(
        card.read("data/system/ssh/authorized_keys"),
        format!("{KEY}\n")
    );
    assert!(
        card.read("boot/firmware/holdfast.toml")
            .contains("\"short\"")
    );
}

#[test]
fn a_password_with_no_network_stays_until_it_has_one() {
    let card = Card::new();
    let text = format!("[wifi]\npassword = \"{PASSWORD}\"\n");
    card.boot_with(&text);
    assert_eq!(card.read("boot/firmware/holdfast.toml"), text);
    assert_eq!(card.complaints().len(), 1);
    card.boot_with(text + "ssid = \"shore\"\n");
    assert!(card.wifi().contains("ssid=73686f7265\n"));
    assert!(!card.read("boot/firmware/holdfast.toml").contains(PASSWORD));
}

#[test]
fn the_key_that_was_made_stays_with_its_network_alone() {
    let card = Card::new();
    card.boot_with(whole());
    let before = card.wifi();
    let left = card.read("boot/firmware/holdfast.toml");
    card.boot_with(left.replace("\"de\"", "\"AT\""));
    assert_eq!(card.wifi(), before.replace("DE", "AT"));
    card.boot_with(left.replace("shore\"", "harbour\""));
    assert_eq!(
        card.wifi(),
        before.replace("DE", "AT"),
        "the last good network stays"
    );
    assert!(card.complaints()[0].contains("wifi.password is missing"));
}

#[test]
fn custom_toml_is_understood_and_gives_way_to_ours() {
    let card = Card::new();
    let custom = format!(
        "config_version = 1\n[system]\nhostname = \"imager\"\n[user]\nname = \"pi\"\npassword = \"$5$hash\"\npassword_encrypted = true\n[ssh]\nenabled = true\npassword_authentication = false\nauthorized_keys = [ \"{KEY}\" ]\n[wlan]\nssid = \"shore\"\npassword = \"{}\"\npassword_encrypted = true\nhidden = false\ncountry = \"GB\"\n[locale]\nkeymap = \"gb\"\ntimezone = \"Europe/London\"\n",
        "AB".repeat(32)
    );
    card.put("boot/firmware/custom.toml", &custom);
    card.boot_with("hostname = \"ours\"\n");
    assert_eq!(card.complaints(), Vec::<String>::new());
    assert_eq!(card.read("data/system/hostname"), "ours\n");
    assert!(card.wifi().contains(&"ab".repeat(32)));
    assert!(card.read("data/system/ssh/authorized_keys").contains(KEY));
    let left = card.read("boot/firmware/custom.toml");
    assert!(!left.contains("ABAB") && !left.contains("$5$"), "{left}");
}

#[test]
fn what_imager_writes_is_understood() {
    let card = Card::new();
    let key = "0123456789abcdef".repeat(4);
    // As src/customization_generator.cpp of rpi-imager puts it together.
    let user_data = format!(
        "hostname: kelp\nmanage_etc_hosts: true\npackages:\n- avahi-daemon\napt:\n  conf: |\n    Acquire {{\n      Check-Date \"false\";\n    }};\ntimezone: Europe/Berlin\nkeyboard:\n  model: pc105\n  layout: \"de\"\nenable_ssh: true\nusers:\n- name: pi\n  groups: users,sudo\n  shell: /bin/bash\n  lock_passwd: false\n  passwd: $5$salt$hash\n  ssh_authorized_keys:\n    - {KEY}\n    - {OTHER}\n  sudo: ALL=(ALL) NOPASSWD:ALL\n"
    );
    let network = format!(
        "network:\n  version: 2\n  wifis:\n    wlan0:\n      dhcp4: true\n      regulatory-domain: \"DE\"\n      access-points:\n        \"Anna\u{2019}s shore\":\n          hidden: true\n          password: \"{key}\"\n      optional: true\n"
    );
    card.put("boot/firmware/user-data", &user_data);
    card.put("boot/firmware/network-config", &network);
    for boot in ["first", "second"] {
        let log = card.boot();
        assert_eq!(card.complaints(), Vec::<String>::new(), "{boot}");
        assert_eq!(log.is_empty(), boot == "second", "{log}");
        card.assert_whole(boot);
        assert!(card.wifi().contains(&key));
    }
    let left = card.read("boot/firmware/user-data") + &card.read("boot/firmware/network-config");
    let whole = user_data.replace("$5$salt$hash", "\"\"") + &network.replace(&key, "");
    assert_eq!(left, whole);
}

#[test]
fn imager_s_mistakes_are_told_too() {
    let card = Card::new();
    card.put(
        "boot/firmware/user-data",
        "hostname: two words\nssh_pwauth: true\n",
    );
    card.put("boot/firmware/network-config", "network: [\n");
    card.boot();
    let told = card.complaints();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].starts_with("1: hostname: must be"), "{told:?}");
    assert!(told[1].starts_with("2: ssh_pwauth: nobody"), "{told:?}");
    assert!(told[2].ends_with("is not YAML"), "{told:?}");
}

#[test]
fn without_a_card_to_keep_them_on_the_files_are_left_alone() {
    let card = Card::new();
    card.put("run/holdfast/set-aside.json", "\"it is not mounted\"");
    card.boot_with(whole());
    assert_eq!(card.read("boot/firmware/holdfast.toml"), whole());
    assert!(card.read("data/system/ssh/authorized_keys").contains(KEY));
}

#[test]
fn the_boot_partition_is_writable_for_that_one_write() {
    let card = Card::new();
    // From the first boot on.
    card.put("boot/firmware/holdfast-audit.key", "made before");
    card.put(
        "proc/self/mountinfo",
        "1 0 179:1 / /boot/firmware ro - vfat /dev/mmcblk0p1 ro\n",
    );
    let mount = card.at("bin/mount");
    let log = card.at("mounts");
    card.put(
        "bin/mount",
        format!("#!/bin/sh\necho \"$@\" >>{}\n", log.display()),
    );
    make_executable(&mount);
    card.put("boot/firmware/holdfast.toml", whole());
    for _ in 0..2 {
        let done = Command::new(env!("CARGO_BIN_EXE_holdfastd"))
            .args(["boot", "settings", "--root"])
            .arg(card.0.path())
            .env("PATH", card.at("bin"))
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
    }
    let place = card.at("boot/firmware");
    let place = place.display();
    let mounts = card.read("mounts");
    assert_eq!(
        mounts,
        format!("-o remount,rw {place}\n-o remount,ro {place}\n")
    );
}

fn make_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_bare_card_boots_under_its_own_name() {
    let card = Card::new();
    assert_eq!(card.boot(), "");
    assert_eq!(card.read("proc/sys/kernel/hostname"), "holdfast");
    assert!(card.problems().is_empty());
}

/// The files of a card, by name.
type Files<'a> = &'a [(&'a str, &'a str)];

impl Card {
    /// A card with these files, after one boot. The second finds nothing to do.
    fn with(files: Files<'_>) -> Self {
        let card = Self::new();
        for (name, text) in files {
            card.put(&format!("boot/firmware/{name}"), text);
        }
        let log = card.boot();
        let (complaints, kept) = (card.complaints(), card.wifi());
        let again = card.boot();
        assert!(
            !again.contains("taken over") && !again.contains("gone from"),
            "{log} {again}"
        );
        assert_eq!(
            (card.complaints(), card.wifi()),
            (complaints, kept),
            "{log}"
        );
        card
    }

    fn left(&self, name: &str) -> String {
        self.read(&format!("boot/firmware/{name}"))
    }

    /// Whether a line of the kept networks is this.
    fn has(&self, line: &str) -> bool {
        self.wifi().lines().any(|own| own.trim() == line)
    }

    /// That nothing was said but this, and of these files.
    fn assert_told(&self, told: &[(&str, &str)]) {
        let problems = self.problems();
        assert_eq!(problems.len(), told.len(), "{problems:?}");
        for (problem, (place, words)) in problems.iter().zip(told) {
            let line = problem.to_string();
            assert!(
                line.contains(&format!("boot/firmware/{place}: ")),
                "{line}: {place}"
            );
            assert!(line.contains(words), "{line}: {words}");
            // Three lines of a terminal: it is read on a screen, too.
            assert!(problem.what.len() <= 200, "{line}");
        }
    }
}

const PSK: &str = "aaaa0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab";
const HASH: &str = "$y$j9T$abcdefghijklmnop$0123456789012345678901234567890123456789012";

/// `network-config` of a radio with these lines below `access-points:`.
fn radio(points: &str) -> String {
    format!(
        "network:\n  version: 2\n  ethernets:\n    eth0:\n      dhcp4: true\n      dhcp6: true\n      optional: true\n  wifis:\n    wlan0:\n      dhcp4: true\n      regulatory-domain: \"DE\"\n      access-points:\n{points}      optional: true\n"
    )
}

#[test]
fn imager_s_single_account_is_understood_and_its_hash_goes() {
    // Imager 2.0.9 and later (src/customization_generator.cpp of rpi-imager).
    let user_data = format!(
        "manage_resolv_conf: false\n\nhostname: kelp\nmanage_etc_hosts: true\npackages:\n- avahi-daemon\napt:\n  preserve_sources_list: true\n  conf: |\n    Acquire {{\n      Check-Date \"false\";\n    }};\ntimezone: Europe/Berlin\nkeyboard:\n  model: pc105\n  layout: \"de\"\nuser:\n  name: anna\n  shell: /bin/bash\n  lock_passwd: false\n  passwd: \"{HASH}\"\n  ssh_authorized_keys:\n    - \"{KEY}\"\n    - \"{OTHER}\"\n  sudo: null\n\nssh_pwauth: false\n\nruncmd:\n  - [ systemctl, enable, --now, ssh ]\n  - [ sh, -c, \"echo 'anna ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/010_anna-nopasswd\" ]\n  - [ chmod, '0440', '/etc/sudoers.d/010_anna-nopasswd' ]\n  - [ rfkill, unblock, wifi ]\n  - [ sh, -c, \"for f in /var/lib/systemd/rfkill/*:wlan; do echo 0 > \\\"$f\\\"; done\" ]\n"
    );
    let card = Card::with(&[("user-data", &user_data)]);
    card.assert_told(&[]);
    assert_eq!(card.read("data/system/hostname"), "kelp\n");
    let keys = card.read("data/system/ssh/authorized_keys");
    assert_eq!(keys, format!("{KEY}\n{OTHER}\n"));
    assert_eq!(card.left("user-data"), user_data.replace(HASH, ""));
}

#[test]
fn a_name_that_imager_wrote_byte_by_byte_is_those_bytes() {
    for (written, hex) in [
        // rpi-imager issue 1743.
        ("\"Caf\\xc3\\xa9\"", "436166c3a9"),
        (
            "\"Anna\\xe2\\x80\\x99s iPhone\"",
            "416e6e61e2809973206950686f6e65",
        ),
        // A router that speaks Latin-1.
        ("\"Caf\\xe9\"", "436166e9"),
        ("\"Café\"", "436166c3a9"),
        ("Café", "436166c3a9"),
        ("\"Caf\\u00e9\"", "436166c3a9"),
        ("12345678", "3132333435363738"),
    ] {
        let points = format!("        {written}:\n          password: \"{PSK}\"\n");
        let card = Card::with(&[("network-config", &radio(&points))]);
        card.assert_told(&[]);
        assert!(
            card.has(&format!("ssid={hex}")),
            "{written}: {}",
            card.wifi()
        );
        assert!(!card.left("network-config").contains(PSK));
    }
}

#[test]
fn a_network_without_a_password_is_joined() {
    for (name, text) in [
        (
            "network-config",
            radio(
                "        \"harbour-guest\":\n          auth:\n            key-management: none\n",
            ),
        ),
        ("network-config", radio("        harbour-guest: {}\n")),
        (
            "rpi-preseed.toml",
            "config_version = \"1.0\"\n[wlan]\nssid = \"harbour-guest\"\nhidden = false\n".into(),
        ),
        (
            "rpi-preseed.toml",
            "[wlan]\nssid_hex = \"686172626f75722d6775657374\"\nkey_mgmt = \"none\"\n".into(),
        ),
        (
            "wpa_supplicant.conf",
            "network={\n\tssid=\"harbour-guest\"\n\tkey_mgmt=NONE\n}\n".into(),
        ),
        (
            "holdfast.toml",
            "[wifi]\nssid = \"harbour-guest\"\nsecurity = \"open\"\n".into(),
        ),
    ] {
        let card = Card::with(&[(name, &text)]);
        card.assert_told(&[]);
        assert!(
            card.has(&format!("ssid={}", hex("harbour-guest"))),
            "{text}"
        );
        assert!(card.has("key_mgmt=NONE"), "{text}");
    }
}

#[test]
fn a_line_that_is_gone_does_not_open_a_network_that_had_a_password() {
    let point = "        kelp-bay:\n          password: tidepool99\n";
    let card = Card::with(&[("network-config", &radio(point))]);
    let before = card.wifi();
    let left = card.left("network-config");
    card.put(
        "boot/firmware/network-config",
        left.replace("          password: \"\"\n", "          hidden: off\n"),
    );
    card.boot();
    card.assert_told(&[]);
    assert_eq!(card.wifi(), before);
}

#[test]
fn what_is_of_another_kind_is_told() {
    let first = "version: 1\nconfig:\n  - type: wifi\n    name: wlan0\n    password: tidepool99\n";
    let card = Card::with(&[("network-config", first), ("id_ed25519.pub", KEY)]);
    card.assert_told(&[
        ("network-config:3", "config: version 1 is not read"),
        (
            "id_ed25519.pub",
            "is not read; write the key into holdfast.toml",
        ),
    ]);
    assert!(!card.left("network-config").contains("tidepool99"));
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_network_that_does_not_tell_its_name_is_looked_for_however_that_is_written() {
    for (written, digit) in [
        ("yes", 1),
        ("on", 1),
        ("\"true\"", 1),
        ("True", 1),
        ("y", 1),
        ("true", 1),
        ("no", 0),
        ("off", 0),
        ("'false'", 0),
    ] {
        let points = format!(
            "        kelp-bay:\n          hidden: {written}\n          password: tidepool99\n"
        );
        let card = Card::with(&[("network-config", &radio(&points))]);
        card.assert_told(&[]);
        assert!(card.has(&format!("scan_ssid={digit}")), "{written}");
    }
    let card = Card::with(&[(
        "network-config",
        &radio("        kelp-bay:\n          hidden: maybe\n          password: tidepool99\n"),
    )]);
    card.assert_told(&[("network-config:14", "hidden: must be true or false")]);
}

#[test]
fn the_long_form_of_netplan_is_as_good_as_the_short_one() {
    let short = Card::with(&[(
        "network-config",
        &radio("        kelp-bay:\n          password: tidepool99\n"),
    )]);
    let points = "        \"kelp-bay\":\n          auth:\n            key-management: psk\n            password: \"tidepool99\"\n";
    let card = Card::with(&[("network-config", &radio(points))]);
    card.assert_told(&[]);
    assert_eq!(card.wifi(), short.wifi());
    assert!(card.has(&format!("ssid={}", hex("kelp-bay"))));
    assert!(!card.wifi().contains("sae_password"));
    assert_eq!(
        card.left("network-config"),
        radio(points).replace("tidepool99", "")
    );
}

#[test]
fn wpa3_is_joined_with_the_password_itself() {
    for (name, text) in [
        ("network-config", radio("        kelp-bay:\n          auth:\n            key-management: sae\n            password: \"tidepool99\"\n")),
        ("rpi-preseed.toml", "[wlan]\nssid = \"kelp-bay\"\npassword = \"tidepool99\"\nkey_mgmt = \"sae\"\n".into()),
        ("wpa_supplicant.conf", "network={\n\tssid=\"kelp-bay\"\n\tkey_mgmt=SAE\n\tsae_password=\"tidepool99\"\n\tieee80211w=2\n}\n".into()),
        ("holdfast.toml", "[wifi]\nssid = \"kelp-bay\"\npassword = \"tidepool99\"\nsecurity = \"wpa3\"\n".into()),
    ] {
        let card = Card::with(&[(name, &text)]);
        card.assert_told(&[]);
        for line in ["key_mgmt=SAE", "ieee80211w=2", &format!("sae_password={}", hex("tidepool99"))] {
            assert!(card.has(line), "{name}: {}", card.wifi());
        }
        assert!(!card.wifi().contains("\tpsk="), "{name}");
        assert!(!card.left(name).contains("tidepool99"), "{name}");
        let kept = card.at("data/system/wifi/wpa_supplicant.conf");
        assert_eq!(fs::metadata(kept).unwrap().mode() & 0o777, 0o600);
    }
    let both = "network={\n\tssid=\"kelp-bay\"\n\tkey_mgmt=WPA-PSK SAE\n\tpsk=\"tidepool99\"\n}\n";
    let card = Card::with(&[("wpa_supplicant.conf", both)]);
    assert!(card.has("key_mgmt=SAE WPA-PSK WPA-PSK-SHA256") && card.has("ieee80211w=1"));
    assert!(card.wifi().contains("psk=") && card.wifi().contains("sae_password="));
}

#[test]
fn wpa3_with_the_key_that_imager_makes_is_told_and_the_key_goes() {
    let points = format!(
        "        kelp-bay:\n          auth:\n            key-management: sae\n            password: \"{PSK}\"\n"
    );
    let card = Card::new();
    card.put("boot/firmware/network-config", radio(&points));
    card.boot();
    card.assert_told(&[(
        "network-config:16",
        "WPA3 needs the password, not the key that Raspberry Pi Imager makes",
    )]);
    card.boot();
    card.assert_told(&[(
        "network-config:13",
        "password is missing: WPA3 needs it itself, not the key",
    )]);
    assert!(!card.left("network-config").contains(PSK));
    assert_eq!(card.wifi(), "");
}

#[test]
fn every_network_is_kept_and_the_later_file_s_goes_first() {
    let points = format!(
        "        kelp-bay:\n          password: tidepool99\n        shore:\n          password: \"{PSK}\"\n"
    );
    let second =
        "    wlan1:\n      access-points:\n        harbour:\n          password: anchor chain\n";
    let card = Card::with(&[
        ("network-config", &(radio(&points) + second)),
        (
            "holdfast.toml",
            "[[wifi]]\nssid = \"home\"\npassword = \"correct horse\"\n[[wifi]]\nssid = \"office\"\npassword = \"battery staple\"\n",
        ),
    ]);
    card.assert_told(&[]);
    let wifi = card.wifi();
    let names: Vec<_> = wifi
        .lines()
        .filter_map(|line| line.trim().strip_prefix("ssid="))
        .collect();
    assert_eq!(
        names,
        ["home", "office", "kelp-bay", "shore", "harbour"].map(hex)
    );
    let ranks: Vec<_> = wifi
        .lines()
        .filter_map(|line| line.trim().strip_prefix("priority="))
        .collect();
    assert!(
        ranks[0] == ranks[1] && ranks[1] > ranks[2] && ranks[2] == ranks[4],
        "{wifi}"
    );
    for (name, secrets) in [
        ("network-config", vec!["tidepool99", PSK, "anchor chain"]),
        ("holdfast.toml", vec!["correct horse", "battery staple"]),
    ] {
        for secret in secrets {
            assert!(!card.left(name).contains(secret), "{name}");
        }
    }
}

#[test]
fn what_a_later_file_says_otherwise_leaves_no_password_behind() {
    let card = Card::with(&[
        (
            "network-config",
            &radio("        kelp-bay:\n          password: tidepool99\n"),
        ),
        (
            "holdfast.toml",
            "[wifi]\nssid = \"kelp-bay\"\npassword = \"correct horse\"\nhidden = true\n",
        ),
    ]);
    card.assert_told(&[]);
    let left = card.left("network-config") + &card.left("holdfast.toml");
    assert!(
        !left.contains("tidepool99") && !left.contains("correct horse"),
        "{left}"
    );
    assert_eq!(card.wifi().matches("network={").count(), 1);
    assert!(card.has("scan_ssid=1"));
}

#[test]
fn rpi_preseed_toml_is_understood() {
    // src/customization_generator.cpp of rpi-imager, 2.0.11 and later.
    let text = format!(
        "config_version = \"1.0\"\n\n[system]\nhostname = \"kelp\"\n\n[user]\nname = \"anna\"\npassword = \"{HASH}\"\npassword_encrypted = true\ngroups = [\"sudo\"]\n\n[ssh]\nenabled = true\npassword_authentication = false\nauthorized_keys = [\n  \"{KEY}\",\n]\n\n[wlan]\nssid = \"kelp-bay\"\npassword = \"{PSK}\"\npassword_encrypted = true\nhidden = false\ncountry = \"DE\"\n\n[locale]\nkeymap = \"de\"\ntimezone = \"Europe/Berlin\"\n\n[interfaces]\ni2c = true\n"
    );
    let card = Card::with(&[("rpi-preseed.toml", &text)]);
    card.assert_told(&[]);
    assert_eq!(card.read("data/system/hostname"), "kelp\n");
    assert_eq!(
        card.read("data/system/ssh/authorized_keys"),
        format!("{KEY}\n")
    );
    assert!(card.has(&format!("psk={PSK}")) && card.has("country=DE"));
    assert_eq!(
        card.left("rpi-preseed.toml"),
        text.replace(HASH, "").replace(PSK, "")
    );
    let more = "[connect]\nenabled = true\ntoken = \"rpoak_2bXkZ9\"\n[packages]\ninstall = [\"vim\"]\n[runcmd]\nlate = [\"echo pi:keelhaul | chpasswd\"]\n[ethernet]\nmethod = \"static\"\naddress = \"192.168.7.20/24\"\ngateway = \"192.168.7.1\"\ndns = [\"192.168.7.1\"]\n[ssh]\nssh_import_id = [\"gh:anna\"]\npassword_authentication = true\n";
    let card = Card::with(&[("rpi-preseed.toml", more)]);
    card.assert_told(&[
        (
            "rpi-preseed.toml:2",
            "connect.enabled: Raspberry Pi Connect is not here",
        ),
        (
            "rpi-preseed.toml:5",
            "packages.install: nothing is installed",
        ),
        ("rpi-preseed.toml:7", "runcmd.late: nothing is installed"),
        ("rpi-preseed.toml:14", "no key is fetched"),
        ("rpi-preseed.toml:15", "nobody comes in by password"),
    ]);
    assert!(!card.left("rpi-preseed.toml").contains("rpoak_"));
    assert!(!card.left("rpi-preseed.toml").contains("keelhaul"));
    assert!(card.read(WIRED).contains("Address=192.168.7.20/24\n"));
}

const WIRED: &str = "run/systemd/network/20-wired.network.d/owner.conf";
const WIRELESS: &str = "run/systemd/network/30-wireless.network.d/owner.conf";

#[test]
fn a_fixed_address_is_laid_over_the_image_s_own_network() {
    let netplan = "network:\n  version: 2\n  ethernets:\n    eth0:\n      dhcp4: false\n      addresses: [192.168.7.20/24]\n      routes:\n        - to: default\n          via: 192.168.7.1\n      nameservers:\n        addresses: [192.168.7.1]\n";
    let wired = "[Network]\nDHCP=no\nAddress=192.168.7.20/24\nDNS=192.168.7.1\n\n[Route]\nGateway=192.168.7.1\nMetric=100\n";
    for (name, text) in [
        ("network-config", netplan.to_owned()),
        ("network-config", netplan.replace("routes:\n        - to: default\n          via:", "gateway4:")),
        ("holdfast.toml", "[ethernet]\naddress = \"192.168.7.20/24\"\ngateway = \"192.168.7.1\"\ndns = \"192.168.7.1\"\n".into()),
    ] {
        let card = Card::with(&[(name, &text)]);
        card.assert_told(&[]);
        let own = card.read(WIRED);
        assert!(own.starts_with('#') && own.ends_with(wired), "{own}");
        assert_eq!(card.read(WIRELESS), "");
        // A line that is gone gives the address back.
        fs::remove_file(card.at("boot/firmware").join(name)).unwrap();
        card.boot();
        assert!(!card.at(WIRED).exists());
    }
    let wireless = "      addresses: [\"10.1.1.7/16\", \"fd00::7/64\"]\n      routes: [{to: default, via: 10.1.0.1}, {to: \"::/0\", via: \"fd00::1\", metric: 50, on-link: yes}, {to: 10.9.0.0/16, via: 10.1.0.9}]\n      nameservers: {addresses: [10.1.0.1], search: [home.arpa]}\n";
    let card = Card::with(&[(
        "network-config",
        &(radio("        kelp-bay: {password: tidepool99}\n") + wireless),
    )]);
    card.assert_told(&[]);
    let expected = "[Network]\nDHCP=ipv4\nAddress=10.1.1.7/16\nAddress=fd00::7/64\nDNS=10.1.0.1\nDomains=home.arpa\n\n[Route]\nGateway=10.1.0.1\nMetric=600\n\n[Route]\nGateway=fd00::1\nGatewayOnLink=yes\nMetric=50\n\n[Route]\nGateway=10.1.0.9\nDestination=10.9.0.0/16\nMetric=600\n";
    assert!(
        card.read(WIRELESS).ends_with(expected),
        "{}",
        card.read(WIRELESS)
    );
    assert_eq!(card.read(WIRED), "");
}

#[test]
fn networkd_finds_the_fixed_address_where_it_is_laid() {
    let card = Card::with(&[(
        "holdfast.toml",
        "[ethernet]\naddress = \"192.168.7.20/24\"\ngateway = \"192.168.7.1\"\ndns = \"192.168.7.1\"\n[wifi]\nssid = \"shore\"\npassword = \"correct horse\"\naddress = \"10.1.1.7/16\"\ndns = \"10.1.0.1\"\n",
    )]);
    card.assert_told(&[]);
    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("board/rootfs/etc/systemd/network");
    for (name, address) in [
        ("20-wired.network", "192.168.7.20/24"),
        ("30-wireless.network", "10.1.1.7/16"),
    ] {
        let own = fs::read_to_string(image.join(name)).unwrap();
        card.put(&format!("etc/systemd/network/{name}"), own);
        let merged = Command::new(tool("systemd-analyze"))
            .arg(format!("--root={}", card.0.path().display()))
            .args(["cat-config", &format!("systemd/network/{name}")])
            .output()
            .unwrap();
        let merged = String::from_utf8(merged.stdout).unwrap();
        let (dhcp, fixed) = (
            merged.find("DHCP=yes"),
            merged.find(&format!("Address={address}")),
        );
        assert!(dhcp.is_some() && dhcp < fixed, "{merged}");
    }
}

#[test]
fn what_is_no_address_is_told() {
    let text = "network:\n  ethernets:\n    eth0:\n      addresses: [192.168.7.20, 192.168.7.21/24]\n      mtu: 9000\n      routes:\n        - to: default\n          via: gateway\n        - {to: 10.0.0.0/8, via: 10.1.1.1, table: 7}\n    eth1:\n      addresses: [10.1.1.1/8]\n      nameservers: {addresses: [10.1.1.2]}\n  bridges:\n    br0: {interfaces: [eth0]}\n";
    let card = Card::with(&[("network-config", text)]);
    card.assert_told(&[
        ("network-config:5", "mtu: not taken here"),
        (
            "network-config:4",
            "addresses: must be an address with its network's bits",
        ),
        ("network-config:8", "routes: must be an address"),
        (
            "network-config:9",
            "routes: only to, via, metric and on-link",
        ),
        ("network-config:4", "nameservers: no DNS server is named"),
        (
            "network-config:10",
            "ethernets: one fixed address is taken, the first",
        ),
        ("network-config:14", "bridges: not set up here"),
    ]);
    assert!(card.read(WIRED).contains("Address=192.168.7.21/24"));
    let card = Card::with(&[(
        "holdfast.toml",
        "[ethernet]\naddress = \"192.168.7.20\"\nspeed = 100\n[wifi]\ndns = \"router\"\naddress = \"10.1.1.7/16\"\n",
    )]);
    card.assert_told(&[
        ("holdfast.toml:2", "ethernet.address: must be an address"),
        ("holdfast.toml:3", "ethernet.speed: no such key"),
        ("holdfast.toml:5", "wifi.dns: must be an address"),
        ("holdfast.toml:6", "wifi.address: no DNS server is named"),
    ]);
}

#[test]
fn a_wpa_supplicant_conf_is_understood() {
    let text = "country=DE\nctrl_interface=DIR=/var/run/wpa_supplicant GROUP=netdev\nupdate_config=1\nnetwork={\n\tssid=\"kelp-bay\"\n\t#psk=\"tidepool99\"\n\tpsk=\"tidepool99\"\n}\nnetwork={\n  ssid=73686f7265 # shore\n  psk=PSK\n  scan_ssid=1\n}\n".replace("PSK", PSK);
    let card = Card::with(&[("wpa_supplicant.conf", &text), ("ssh", "")]);
    card.assert_told(&[("ssh", "SSH is on as soon as there is a key to come in with")]);
    assert!(card.has("country=DE") && card.has("scan_ssid=1") && card.has(&format!("psk={PSK}")));
    assert!(card.has(&format!("ssid={}", hex("kelp-bay"))) && card.has("ssid=73686f7265"));
    let left = text.replace("\"tidepool99\"", "\"\"").replace(PSK, "\"\"");
    assert_eq!(card.left("wpa_supplicant.conf"), left);
    // Where somebody may come in the marker asks for what is so.
    let card = Card::with(&[
        ("ssh", ""),
        (
            "holdfast.toml",
            &format!("[ssh]\nauthorized_keys = [\"{KEY}\"]\n"),
        ),
    ]);
    card.assert_told(&[]);
}

#[test]
fn a_network_with_user_names_is_told_and_its_passwords_go() {
    let eap = "        campus:\n          auth:\n            key-management: eap\n            method: peap\n            identity: anna\n            password: tidepool99\n            client-key-password: keelhaul\n";
    let wired = "  ethernets:\n    eth0:\n      auth:\n        key-management: 802.1x\n        password: tidepool99\n";
    let conf = "network={\n\tssid=\"campus\"\n\tkey_mgmt=WPA-EAP\n\tidentity=\"anna\"\n\tpassword=\"tidepool99\"\n\tprivate_key_passwd=\"keelhaul\"\n}\nnetwork={\n\tssid=\"old\"\n\tkey_mgmt=NONE\n\twep_key0=\"keelhaul\"\n}\n";
    for (name, text, told) in [
        (
            "network-config",
            radio(eap),
            vec![(
                "network-config:15",
                "key-management: a network with user names is not joined here",
            )],
        ),
        (
            "network-config",
            format!("network:\n{wired}"),
            vec![("network-config:5", "auth: 802.1X is not supported")],
        ),
        (
            "wpa_supplicant.conf",
            conf.into(),
            vec![
                ("wpa_supplicant.conf:3", "a network with user names"),
                ("wpa_supplicant.conf:11", "WEP is not joined"),
            ],
        ),
    ] {
        let card = Card::with(&[(name, &text)]);
        card.assert_told(&told);
        let left = card.left(name);
        assert!(
            !left.contains("tidepool99") && !left.contains("keelhaul"),
            "{left}"
        );
        assert_eq!(card.wifi(), "");
    }
}

#[test]
fn imager_1_s_program_is_named_and_its_secrets_go() {
    let text = format!(
        "#!/bin/bash\n\nset +e\n\nif [ -f /usr/lib/raspberrypi-sys-mods/imager_custom ]; then\n   /usr/lib/raspberrypi-sys-mods/imager_custom set_hostname kelp\nfi\nFIRSTUSER=`getent passwd 1000 | cut -d: -f1`\nif [ -f /usr/lib/userconf-pi/userconf ]; then\n   /usr/lib/userconf-pi/userconf 'anna' '{HASH}'\nelse\n   echo \"$FIRSTUSER:\"'{HASH}' | chpasswd -e\nfi\nif true; then\n   /usr/lib/raspberrypi-sys-mods/imager_custom set_wlan  -h  'kelp bay' '{PSK}' 'DE'\nelse\ncat >/etc/wpa_supplicant/wpa_supplicant.conf <<'WPAEOF'\nnetwork={{\n\tssid=\"kelp bay\"\n\tpsk={PSK}\n}}\nWPAEOF\nfi\nexit 0\n"
    );
    let card = Card::with(&[
        ("firstrun.sh", &text),
        ("userconf.txt", &format!("anna:{HASH}\n")),
    ]);
    card.assert_told(&[
        (
            "firstrun.sh",
            "not run here; write holdfast.toml. Passwords in the forms known here are taken out",
        ),
        (
            "userconf.txt",
            "nobody comes in by password, the hash is taken out",
        ),
    ]);
    let left = card.left("firstrun.sh");
    assert!(!left.contains(HASH) && !left.contains(PSK), "{left}");
    for stays in [
        "set_hostname kelp",
        "userconf 'anna' \"\"",
        "'kelp bay' \"\" 'DE'",
        "cut -d: -f1",
        "exit 0\n",
    ] {
        assert!(left.contains(stays), "{left}: {stays}");
    }
    assert_eq!(card.left("userconf.txt"), "anna:\"\"\n");
}

#[test]
fn a_file_under_nearly_the_right_name_is_named_and_left() {
    let text = format!("[wifi]\nssid = \"shore\"\npassword = \"{PASSWORD}\"\n");
    for (name, right) in [
        ("holdfast.toml.txt", "holdfast.toml"),
        ("Holdfast.toml", "holdfast.toml"),
        ("HOLDFAST.TXT", "holdfast.toml"),
        ("holdfast (1).toml", "holdfast.toml"),
        ("network-config.yaml", "network-config"),
        ("wpa_supplicant.conf.txt", "wpa_supplicant.conf"),
    ] {
        let card = Card::with(&[(name, &text)]);
        card.assert_told(&[(
            name,
            &format!("is not read, and keeps its passwords; it must be called {right}"),
        )]);
        // It is the owner's only copy.
        assert_eq!(card.left(name), text);
    }
    for name in [
        "holdfast-audit.key",
        "config.txt",
        "cmdline.txt",
        "meta-data",
        "overlays.txt",
    ] {
        Card::with(&[(name, "made before")]).assert_told(&[]);
    }
}

#[test]
fn logins_by_password_are_told_and_no_password_of_theirs_stays() {
    let text = format!(
        "#cloud-config\npassword: keelhaul1\nchpasswd:\n  expire: false\n  list: |\n    pi:keelhaul2\n  users:\n    - {{name: pi, password: keelhaul3, type: text}}\nssh_pwauth: yes\nusers:\n  - default\n  - name: anna\n    plain_text_passwd: keelhaul4\n    hashed_passwd: {HASH}\n    ssh_import_id: [gh:anna]\nssh_keys:\n  ed25519_private: |\n    keelhaul5\nruncmd:\n  - nmcli dev wifi connect shore password keelhaul6\n  - [sh, -c, \"echo pi:keelhaul8 | chpasswd\"]\nwrite_files:\n  - path: /etc/x\n    content: |\n      psk=keelhaul7\nlocale: de_DE.UTF-8\nntp: {{servers: [ntp.shore]}}\n"
    );
    let card = Card::with(&[("user-data", &text)]);
    card.assert_told(&[
        ("user-data:9", "ssh_pwauth: nobody comes in by password"),
        ("user-data:15", "ssh_import_id: no key is fetched"),
        ("user-data:4", "chpasswd: nobody comes in by password"),
        ("user-data:27", "ntp: the time comes from Debian's servers"),
        ("user-data:2", "password: nobody comes in by password"),
        ("user-data:20", "runcmd: nothing is run"),
        (
            "user-data:17",
            "ssh_keys: this card makes a host key of its own",
        ),
        ("user-data:23", "write_files: nothing is run"),
    ]);
    let left = card.left("user-data");
    assert!(!left.contains("keelhaul") && !left.contains(HASH), "{left}");
    let script = "#!/bin/sh\nwpa_passphrase shore keelhaul >/etc/wpa.conf\n";
    let card = Card::with(&[("user-data", script)]);
    card.assert_told(&[("user-data:1", "is a script")]);
    assert_eq!(card.left("user-data"), script.replace("keelhaul", "\"\""));
}

/// That no network is kept open, or at all, and what is told of it; the file is as it was.
fn assert_not_joined(name: &str, text: &str, told: &[&str]) {
    let card = Card::with(&[(name, text)]);
    assert_eq!(card.wifi(), "", "{text}");
    let complaints = card.complaints();
    assert_eq!(complaints.len(), told.len(), "{text}: {complaints:?}");
    for (complaint, words) in complaints.iter().zip(told) {
        assert!(complaint.contains(words), "{complaint}: {words}");
    }
    assert_eq!(card.left(name), text);
}

#[test]
fn a_network_whose_password_is_misspelt_is_not_an_open_one() {
    let missing = "password is missing";
    for (point, told) in [
        (
            "a:\n          auth: {key-management: psk, psk: tidepool99}\n",
            vec!["psk: no such key", missing],
        ),
        ("a:\n          auth: {key-management: sae}\n", vec![missing]),
        ("a:\n          auth: {}\n", vec![missing]),
        (
            "a:\n          auth: {passwort: tidepool99}\n",
            vec!["passwort: no such key", missing],
        ),
        (
            "a:\n          auth: tidepool99\n",
            vec!["auth: must hold lines"],
        ),
        ("a: tidepool99\n", vec!["access-points: must hold lines"]),
        (
            "a:\n          password:\"tidepool99\"\n",
            vec!["access-points: must hold lines"],
        ),
        (
            "a:\n          passwort: tidepool99\n",
            vec!["passwort: no such key", missing],
        ),
        (
            "a:\n          Password: tidepool99\n          hidden: yes\n",
            vec!["Password: no such key", missing],
        ),
        (
            "a:\n          psk: tidepool99\n",
            vec!["psk: no such key", missing],
        ),
        (
            "- a:\n            password: tidepool99\n",
            vec!["access-points: must hold lines"],
        ),
    ] {
        assert_not_joined("network-config", &radio(&format!("        {point}")), &told);
    }
    for (text, told) in [
        (
            "[wlan]\nssid = \"a\"\npasword = \"tidepool99\"\n",
            vec!["wlan.pasword: no such key", "wlan.password is missing"],
        ),
        (
            "[wlan]\nssid = \"a\"\npassword: \"tidepool99\"\n",
            vec!["is neither", "wlan.password is missing"],
        ),
        (
            "[wlan]\nssid = \"a\"\nkey_mgmt = \"wpa-psk\"\n",
            vec!["wlan.password is missing"],
        ),
        (
            "[wlan]\nssid = \"a\"\nkey_mgmt = \"sae\"\n",
            vec!["wlan.password is missing"],
        ),
        (
            "[wlan]\nssid = \"a\"\npassword_encrypted = true\n",
            vec!["wlan.password is missing"],
        ),
    ] {
        assert_not_joined("rpi-preseed.toml", text, &told);
    }
    assert_not_joined(
        "wpa_supplicant.conf",
        "network={\n\tssid=\"a\"\n\tkey_mgmt=WPA-PSK\n\tpassphrase=\"tidepool99\"\n}\n",
        &["psk is missing"],
    );
    // What one file leaves open another one may lock, and then it has to say how.
    let card = Card::with(&[
        ("network-config", &radio("        a: {}\n")),
        (
            "holdfast.toml",
            "[wifi]\nssid = \"a\"\npasword = \"tidepool99\"\n",
        ),
    ]);
    assert_eq!(card.wifi(), "");
    assert!(card.left("holdfast.toml").contains("tidepool99"));
}

#[test]
fn what_yaml_merges_is_as_good_as_what_is_written_there() {
    let base = "x: &base\n  password: tidepool99\n  hidden: no\n";
    let point = "        a:\n          <<: *base\n          hidden: yes\n";
    let several = "        a:\n          <<: [{hidden: yes}, *base]\n";
    let whole = "w: &w\n  access-points: {a: {password: tidepool99, hidden: yes}}\nnetwork:\n  wifis:\n    wlan0:\n      <<: *w\n";
    for text in [
        format!("{base}{}", radio(point)),
        format!("{base}{}", radio(several)),
        whole.to_owned(),
    ] {
        let card = Card::with(&[("network-config", &text)]);
        card.assert_told(&[]);
        assert!(card.has("ssid=61") && card.has("scan_ssid=1"), "{text}");
        assert!(card.has("key_mgmt=WPA-PSK WPA-PSK-SHA256"), "{text}");
        assert_eq!(
            card.left("network-config"),
            text.replace("tidepool99", "\"\"")
        );
    }
    let text = format!(
        "#cloud-config\nx: &u\n  passwd: {HASH}\n  ssh_authorized_keys: [\"{KEY}\"]\nusers:\n  - <<: *u\n    name: anna\n"
    );
    let card = Card::with(&[("user-data", &text)]);
    card.assert_told(&[]);
    let keys = card.read("data/system/ssh/authorized_keys");
    assert_eq!(keys, format!("{KEY}\n"));
    assert_eq!(card.left("user-data"), text.replace(HASH, "\"\""));
}

#[test]
fn a_password_under_a_key_that_nobody_knows_is_the_only_copy() {
    for (text, told) in [
        (
            "wlan0:\n  access-points:\n    a: {password: tidepool99}\n",
            "wlan0: not taken here, and keeps its passwords",
        ),
        (
            "x: &base\n  password: tidepool99\n",
            "x: not taken here, and keeps its passwords",
        ),
        ("- a\n- password: tidepool99\n", "must hold lines"),
        ("#include\nhttps://shore/x\n", "must hold lines"),
        ("network: tidepool99\n", "network: must hold lines"),
        (
            "network:\n  wifis: [tidepool99]\n",
            "wifis: must hold lines",
        ),
    ] {
        for name in ["network-config", "user-data"] {
            assert_not_joined(name, text, &[told]);
        }
    }
}

#[test]
fn both_passwords_of_an_access_point_go() {
    let point = "        a:\n          password: tidepool99\n          auth: {key-management: psk, password: tidepool88}\n";
    let card = Card::with(&[("network-config", &radio(point))]);
    card.assert_told(&[]);
    assert!(!card.left("network-config").contains("tidepool"));
}

#[test]
fn a_wpa_supplicant_conf_of_another_hand_is_understood() {
    for text in [
        "network=\n{\nssid=\"a\"\npsk=\"tidepool99\"\n}\n",
        "network={ ssid=\"a\" psk=\"tidepool99\" }\n",
        "network = {\n\tssid = \"a\"\n\tpsk = \"tidepool99\"\n\tdisabled=0\n\tmode=0\n}\n",
        "network={\n\tssid=\"a\"\n\tpsk=\"tidepool99\" }\n",
    ] {
        let card = Card::with(&[("wpa_supplicant.conf", text)]);
        card.assert_told(&[]);
        assert!(card.has("ssid=61") && card.has("ieee80211w=1"), "{text}");
        assert_eq!(
            card.left("wpa_supplicant.conf"),
            text.replace("\"tidepool99\"", "\"\"")
        );
    }
}

#[test]
fn what_of_a_wpa_supplicant_conf_is_not_joined_is_told_and_left() {
    for (lines, told) in [
        (
            "psk=\"tidepool99\"\n\tdisabled=1",
            "disabled: a network that is switched off",
        ),
        (
            "psk=\"tidepool99\"\n\tkey_mgmt=OWE",
            "key_mgmt: enhanced open (OWE)",
        ),
        (
            "psk=\"tidepool99\"\n\tkey_mgmt=DPP",
            "key_mgmt: Easy Connect (DPP)",
        ),
        (
            "psk=\"tidepool99\"\n\tkey_mgmt=WPA_PSK",
            "key_mgmt: must be WPA-PSK, SAE or NONE",
        ),
        ("psk=P\"tide\\x70ool99\"", "psk: P\"...\" is not read"),
        ("psk=ext:mine", "psk: what lies elsewhere is not here"),
        (
            "#psk=\"tidepool99\"\n\tpsk=\"short\"",
            "psk: must be 8 to 63",
        ),
    ] {
        let text = format!("network={{\n\tssid=\"a\"\n\t{lines}\n}}\n");
        assert_not_joined("wpa_supplicant.conf", &text, &[told]);
    }
    for comment in [
        "{\n\tssid=\"a\"\n\t#psk=\"tidepool99\"\n}",
        "{ ssid=\"a\" # psk=\"tidepool99\"",
    ] {
        let text = format!("network={comment}\n");
        assert_not_joined("wpa_supplicant.conf", &text, &["psk is missing"]);
    }
    assert_not_joined(
        "wpa_supplicant.conf",
        "ssid=\"a\"\npsk=\"tidepool99\"\n",
        &["psk: stands in no network={ }"],
    );
    let text = "network={\n\tssid=\"a\"\n\tmode=2\n\tpsk=\"tidepool99\"\n}\n";
    let card = Card::with(&[("wpa_supplicant.conf", text)]);
    card.assert_told(&[("wpa_supplicant.conf:3", "mode: a Wi-Fi of its own")]);
    assert_eq!(card.wifi(), "");
}

#[test]
fn a_file_that_keeps_its_secrets_stops_nothing_else() {
    let card = Card::new();
    let text = format!("[wifi]\nssid = \"a\"\npassword = \"{PASSWORD}\"\nmisspelt = 1\n");
    card.put("boot/firmware/holdfast.toml", &text);
    card.put("boot/firmware/userconf.txt", format!("anna:{HASH}\n"));
    // As no room, or a card that cannot be written, is in its way.
    fs::create_dir(card.at("boot/firmware/.holdfast-redact.holdfast.toml")).unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_holdfastd"))
        .args(["boot", "settings", "--root"])
        .arg(card.0.path())
        .output()
        .unwrap();
    assert!(!done.status.success());
    let complaints = card.complaints();
    let told = [
        "wifi.misspelt: no such key",
        "its secrets could not be taken out: ",
        "the hash is taken out",
    ];
    for words in told {
        assert!(
            complaints.iter().any(|line| line.contains(words)),
            "{words}: {complaints:?}"
        );
    }
    assert_eq!(card.left("holdfast.toml"), text);
    assert_eq!(card.left("userconf.txt"), "anna:\"\"\n");
    assert!(card.has("ssid=61"));
    assert!(card.at("boot/firmware/holdfast-audit.key").exists());
}

#[test]
fn networks_in_one_line_are_taken_as_in_sections() {
    let text = "wifi = [{ssid = \"a\", password = \"tidepool99\"}, {ssid = \"b\", password = \"tidepool88\"}]\nhostname = \"kelp\"\n";
    let card = Card::with(&[("holdfast.toml", text)]);
    card.assert_told(&[]);
    assert!(card.has("ssid=61") && card.has("ssid=62"));
    assert!(!card.left("holdfast.toml").contains("tidepool"));
    assert_eq!(card.read("data/system/hostname"), "kelp\n");
    let card = Card::with(&[("holdfast.toml", "wifi = \"a\"\n")]);
    card.assert_told(&[("holdfast.toml:1", "wifi: no such key")]);
}

#[test]
fn a_misspelt_name_is_named_and_so_is_a_key_but_not_by_hundreds() {
    for (name, told) in [
        ("holdfast.tml", "it must be called holdfast.toml"),
        ("holdfast.toml.new", "it must be called holdfast.toml"),
        (
            "wpa-supplicant.conf",
            "it must be called wpa_supplicant.conf",
        ),
        ("network_config", "it must be called network-config"),
        ("authorized_keys.txt", "write the key into holdfast.toml"),
        ("id_ed25519", "may be a private key"),
        ("id_rsa", "may be a private key"),
    ] {
        let card = Card::with(&[(name, "tidepool99")]);
        card.assert_told(&[(name, told)]);
        assert_eq!(card.left(name), "tidepool99");
    }
    let card = Card::new();
    for number in 0..300 {
        card.put(&format!("boot/firmware/holdfast.toml.{number}"), "x");
    }
    card.boot();
    let complaints = card.complaints();
    assert_eq!(complaints.len(), 9, "{complaints:?}");
    assert!(
        complaints[8].contains("holds 292 more files"),
        "{complaints:?}"
    );
}

#[test]
fn secrets_of_every_other_form_go() {
    let commands = "#cloud-config\nruncmd:\n- [nmcli, dev, wifi, connect, a, password, keelhaul1]\n- [raspi-config, nonint, do_wifi_ssid_passphrase, a, \"keel haul2\"]\nwrite_files:\n- encoding: b64\n  content: keelhaul3\n";
    let connection = "[wifi-security]\nkey-mgmt=wpa-psk\npsk=keelhaul1\nwep-key0=keelhaul2\nleap-password=keelhaul3\n[802-1x]\nprivate-key-password=keelhaul4\n[wireguard]\nprivate-key=keelhaul5\n[vpn-secrets]\nsecret=keelhaul6\n";
    let script = "#!/bin/bash\nraspi-config nonint do_wifi_ssid_passphrase a keelhaul1\nsudo chpasswd <<EOF\npi:keelhaul2\nEOF\nnmcli c modify x +wifi-sec.psk keelhaul3\nusermod -p keelhaul4 pi\nWIFIPW=keelhaul5\necho done: ok\n";
    let commented = "[wifi]\nssid = \"a\"\n#password = \"keelhaul1\"\npassword = \"keelhaul2\"\n";
    let netplan =
        radio("        b:\n          # password: keelhaul1\n          password: keelhaul2\n");
    for (name, text, stays) in [
        ("user-data", commands, "nonint"),
        ("home.nmconnection", connection, "key-mgmt=wpa-psk"),
        ("firstrun.sh", script, "echo done: ok"),
        ("holdfast.toml", commented, "ssid = \"a\""),
        ("network-config", &netplan, "dhcp4: true"),
    ] {
        let left = Card::with(&[(name, text)]).left(name);
        assert!(
            !left.contains("keelhaul") && !left.contains("haul2"),
            "{left}"
        );
        assert!(left.contains(stays), "{left}");
    }
}

#[test]
fn an_owner_s_own_file_of_a_like_name_is_left() {
    let text = "[wifi]\nssid = \"a\"\npassword = \"tidepool99\"\n";
    for files in [
        vec![
            ("holdfast.toml.new", text),
            ("holdfast.toml", "hostname = \"kelp\"\n"),
        ],
        vec![("holdfast.toml.new", text)],
        vec![("holdfast.toml.new", text), ("holdfast.toml", "")],
    ] {
        let card = Card::with(&files);
        assert_eq!(card.left("holdfast.toml.new"), text);
        assert_eq!(card.wifi(), "");
    }
    // What an older version left half done is finished.
    let card = Card::new();
    card.put("boot/firmware/holdfast.toml", [0; 30]);
    card.put("boot/firmware/holdfast.toml.new", "hostname = \"kelp\"\n");
    card.boot();
    assert_eq!(card.left("holdfast.toml"), "hostname = \"kelp\"\n");
    assert_eq!(card.read("data/system/hostname"), "kelp\n");
}

#[test]
fn a_file_beyond_any_owner_s_patience_is_named_and_a_long_line_is_no_work() {
    let card = Card::with(&[("firstrun.sh", &"x=\"".repeat(100_000))]);
    let complaints = card.complaints();
    assert!(
        complaints
            .iter()
            .any(|line| line.contains("is larger than 256 KiB"))
    );
    let begun = std::time::Instant::now();
    for line in ["x=\"", "password x ", "chpasswd a:b ", "x="] {
        Card::with(&[("firstrun.sh", &line.repeat((200 << 10) / line.len()))]);
    }
    // Two boots of each; a line that is read over for each of its words takes minutes.
    assert!(begun.elapsed() < std::time::Duration::from_secs(60));
}
