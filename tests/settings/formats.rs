//! What Imager, netplan and others write, and what becomes of it.

use std::{fs, os::unix::fs::MetadataExt, path::Path, process::Command};

use crate::card::*;
use crate::tool::tool;

#[test]
fn imager_s_single_account_is_understood_and_its_hash_goes() {
    // Imager 2.0.9 and later (src/customization_generator.cpp of rpi-imager).
    let user_data = format!(
        "manage_resolv_conf: false\n\nhostname: kelp\nmanage_etc_hosts: true\npackages:\n- avahi-daemon\napt:\n  preserve_sources_list: true\n  conf: |\n    Acquire {{\n      Check-Date \"false\";\n    }};\ntimezone: Europe/Berlin\nkeyboard:\n  model: pc105\n  layout: \"de\"\nuser:\n  name: anna\n  shell: /bin/bash\n  lock_passwd: false\n  passwd: \"{HASH}\"\n  ssh_authorized_keys:\n    - \"{KEY}\"\n    - \"{OTHER}\"\n  sudo: null\n\nssh_pwauth: false\n\nruncmd:\n  - [ systemctl, enable, --now, ssh ]\n  - [ sh, -c, \"echo 'anna ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/010_anna-nopasswd\" ]\n  - [ chmod, '0440', '/etc/sudoers.d/010_anna-nopasswd' ]\n  - [ rfkill, unblock, wifi ]\n  - [ sh, -c, \"for f in /var/lib/systemd/rfkill/*:wlan; do echo 0 > \\\"$f\\\"; done\" ]\n"
    );
    let card = Card::with(&[("user-data", &user_data)]);
    card.assert_told(&[]);
    assert_eq!(card.read("data/system/hostname"), "kelp\n");
    let zone = fs::read_link(card.at("run/localtime")).unwrap();
    assert_eq!(zone, Path::new("/usr/share/zoneinfo/Europe/Berlin"));
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
    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/root/etc/systemd/network");
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
