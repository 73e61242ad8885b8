//! The Wi-Fi that comes of the owner's settings: wpa_supplicant takes it, and the kernel knows the country.

use std::process::Command;

use holdfast::boot::wifi;
use holdfast_medium::Machine;

use crate::card::{Card, PASSWORD};
use crate::tool::tool;

/// Where the kernel takes its table of radio rules from, and one with Germany and Great Britain.
const TABLE: (&str, &[u8]) = (
    "lib/firmware/regulatory.db",
    b"RGDB\0\0\0\x14DE\x05\x05GB\x05\xd4\0\0\0\0",
);

/// What wpa_supplicant says about a file, for an interface that is not there.
fn takes(card: &Card, file: &str) -> (bool, String) {
    let mut command = Command::new(tool("wpa_supplicant"));
    command.args(["-Dwired", "-inone", "-c"]).arg(card.at(file));
    let said = command.output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    // Only who has read its file gets as far as the interface.
    (said.contains("Failed to initialize driver"), said)
}

#[test]
fn wpa_supplicant_takes_every_kind_of_network() {
    const FILE: &str = "data/system/wifi/wpa_supplicant.conf";
    let card = Card::new();
    let network = |name: &str, rest: &str| format!("[[wifi]]\nssid = \"{name}\"\n{rest}\n");
    let locked = |security: &str| format!("password = \"{PASSWORD}\"\nsecurity = \"{security}\"");
    let toml = [
        network("two", &locked("wpa2")),
        network("three", &locked("wpa3")),
        network("Anna\u{2019}s \\\"}shore\\n", &locked("wpa2+wpa3")),
        network(
            "hidden",
            "security = \"open\"\nhidden = true\ncountry = \"DE\"",
        ),
    ];
    card.boot_with(toml.concat());
    assert_eq!(card.complaints(), [""; 0]);
    assert_eq!(card.wifi().matches("network={").count(), 4);
    let (taken, said) = takes(&card, FILE);
    assert!(taken, "{said}");
    // Without it WPA3 is joined by some access points alone.
    assert!(card.has("sae_pwe=2"), "{}", card.wifi());
    card.put("misspelt", card.wifi().replace("scan_ssid", "scan_sid"));
    let (taken, said) = takes(&card, "misspelt");
    assert!(!taken && said.contains("scan_sid"), "{said}");
}

#[test]
fn a_country_that_the_kernel_does_not_know_is_told_and_costs_nothing_else() {
    let (table, rows) = TABLE;
    let toml = format!("[wifi]\nssid = \"shore\"\npassword = \"{PASSWORD}\"\ncountry = \"UK\"\n");
    let supplicant = format!("country=UK\nnetwork={{\nssid=\"shore\"\npsk=\"{PASSWORD}\"\n}}\n");
    let netplan = format!(
        "network:\n  wifis:\n    wlan0:\n      regulatory-domain: UK\n      access-points:\n        shore:\n          password: {PASSWORD}\n"
    );
    for (file, text, line) in [
        ("holdfast.toml", toml, 4),
        ("wpa_supplicant.conf", supplicant, 1),
        ("network-config", netplan, 4),
    ] {
        for (asked, is_known) in [("UK", false), ("GB", true)] {
            let card = Card::new();
            card.put(table, rows);
            let path = format!("boot/firmware/{file}");
            card.put(&path, text.replace("UK", asked));
            card.boot();
            let told = card.complaints();
            assert_eq!(told.is_empty(), is_known, "{file}: {told:?}");
            let is_told = |told: &String| {
                told.starts_with(&format!("{line}: ")) && told.contains("no such country")
            };
            assert!(told.iter().all(is_told), "{file}: {told:?}");
            assert_eq!(card.has("country=GB"), is_known, "{file}");
            assert!(card.has("ssid=73686f7265"), "{file}: {}", card.wifi());
        }
    }
}

#[test]
fn the_daemon_is_told_whether_a_wifi_is_named() {
    let card = Card::new();
    let is_named = || wifi::is_named(&Machine::at(card.0.path()));
    assert!(!is_named(), "nobody has said so");
    card.boot_with("hostname = \"kelp\"\n");
    assert!(!is_named());
    card.boot_with(format!(
        "[wifi]\nssid = \"shore\"\npassword = \"{PASSWORD}\"\n"
    ));
    assert!(is_named());
    // Its file is gone, and what was taken over stays.
    card.boot_with("");
    assert!(is_named());
}
