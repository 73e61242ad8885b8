//! A card as the settings step meets it, and what tests lay on it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use holdfast::{boot::settings, sheet::Problem};
use holdfast_medium::Machine;

pub const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBm4kQp2dJ0h6mYhXW0n5mJ2Qq8V9G1o1d3nR7TfGk2Z kelp@shore";
pub const OTHER: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJm4kQp2dJ0h6mYhXW0n5mJ2Qq8V9G1o1d3nR7TfGk2Z";
pub const PASSWORD: &str = "correct horse";
/// PBKDF2-HMAC-SHA1 of the password and "Anna’s shore", as `wpa_passphrase` makes it.
pub const SSID_HEX: &str = "416e6e61e28099732073686f7265";

/// A card as the step meets it, in a directory.
pub struct Card(pub tempfile::TempDir);

impl Card {
    pub fn new() -> Self {
        let card = Self(tempfile::tempdir().unwrap());
        for dir in [
            "boot/firmware",
            "data/system/ssh",
            "data/system/wifi",
            "proc/sys/kernel",
        ] {
            fs::create_dir_all(card.at(dir)).unwrap();
        }
        for zone in ["Europe/Berlin", "Europe/London"] {
            card.put(&format!("usr/share/zoneinfo/{zone}"), "");
        }
        card
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub fn put(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap_or_default()
    }

    /// One boot; what the step logged.
    pub fn boot(&self) -> String {
        let done = Command::new(env!("CARGO_BIN_EXE_holdfast-boot"))
            .args(["settings", "--root"])
            .arg(self.0.path())
            .env_remove("JOURNAL_STREAM")
            .output()
            .unwrap();
        let log = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.success(), "{log}");
        log
    }

    /// One boot with this `holdfast.toml`; what the step logged.
    pub fn boot_with(&self, toml: impl AsRef<[u8]>) -> String {
        self.put("boot/firmware/holdfast.toml", toml);
        self.boot()
    }

    pub fn problems(&self) -> Vec<Problem> {
        settings::ignored(&Machine::at(self.0.path()))
    }

    /// Lines and words of what was ignored.
    pub fn complaints(&self) -> Vec<String> {
        let line = |problem: &Problem| problem.line.unwrap_or_default();
        let problems = self.problems();
        problems
            .iter()
            .map(|problem| format!("{}: {}", line(problem), problem.what))
            .collect()
    }

    pub fn wifi(&self) -> String {
        self.read("data/system/wifi/wpa_supplicant.conf")
    }

    /// That everything of [`whole`] is there.
    pub fn assert_whole(&self, told: &str) {
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

pub fn whole() -> String {
    format!(
        "hostname = \"Kelp\"\n\n[wifi]\nssid = \"Anna\u{2019}s shore\"\npassword = \"{PASSWORD}\"\ncountry = \"de\"\nhidden = true\n\n[ssh]\nauthorized_keys = [\n  \"{KEY}\",\n  \"{OTHER}\",\n]\n\n[device]\nname = \"Kelp\"\n"
    )
}

pub fn utf16(text: &str, bytes: fn(u16) -> [u8; 2], bom: bool) -> Vec<u8> {
    let bom = bom.then_some('\u{feff}');
    let text: String = bom.into_iter().chain(text.chars()).collect();
    text.encode_utf16().flat_map(bytes).collect()
}

pub fn make_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The files of a card, by name.
pub type Files<'a> = &'a [(&'a str, &'a str)];

impl Card {
    /// A card with these files, after one boot. The second finds nothing to do.
    pub fn with(files: Files<'_>) -> Self {
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

    pub fn left(&self, name: &str) -> String {
        self.read(&format!("boot/firmware/{name}"))
    }

    /// Whether a line of the kept networks is this.
    pub fn has(&self, line: &str) -> bool {
        self.wifi().lines().any(|own| own.trim() == line)
    }

    /// That nothing was said but this, and of these files.
    pub fn assert_told(&self, told: &[(&str, &str)]) {
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

pub const PSK: &str = "aaaa0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab";
pub const HASH: &str = "$y$j9T$abcdefghijklmnop$0123456789012345678901234567890123456789012";

/// `network-config` of a radio with these lines below `access-points:`.
pub fn radio(points: &str) -> String {
    format!(
        "network:\n  version: 2\n  ethernets:\n    eth0:\n      dhcp4: true\n      dhcp6: true\n      optional: true\n  wifis:\n    wlan0:\n      dhcp4: true\n      regulatory-domain: \"DE\"\n      access-points:\n{points}      optional: true\n"
    )
}

pub fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

pub const WIRED: &str = "run/systemd/network/20-wired.network.d/owner.conf";
pub const WIRELESS: &str = "run/systemd/network/30-wireless.network.d/owner.conf";

/// That no network is kept open, or at all, and what is told of it; the file is as it was.
pub fn assert_not_joined(name: &str, text: &str, told: &[&str]) {
    let card = Card::with(&[(name, text)]);
    assert_eq!(card.wifi(), "", "{text}");
    let complaints = card.complaints();
    assert_eq!(complaints.len(), told.len(), "{text}: {complaints:?}");
    for (complaint, words) in complaints.iter().zip(told) {
        assert!(complaint.contains(words), "{complaint}: {words}");
    }
    assert_eq!(card.left(name), text);
}
