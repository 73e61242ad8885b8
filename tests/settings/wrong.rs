//! What is nearly right: told, and never taken for something else.

use std::fmt::Write as _;

use crate::card::*;

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
fn aliases_of_aliases_are_no_bomb() {
    let mut text = String::from("#cloud-config\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    // A thousand million of them, were they all written out.
    for level in 1..9 {
        let ten = [format!("*a{}", level - 1).as_str(); 10].join(", ");
        let _ = writeln!(text, "a{level}: &a{level} [{ten}]");
    }
    let card = Card::new();
    card.put("boot/firmware/user-data", text);
    card.boot();
    assert_eq!(card.complaints(), ["6: is not YAML"], "the library's limit");
}

/// Until it is mended: at each boot once, and to the daemon, which has it in its status.
#[test]
fn a_mistake_is_told_at_every_boot_until_it_is_mended() {
    let card = Card::new();
    for _ in 0..2 {
        let log = card.boot_with("hostname = \"-\"\n");
        assert_eq!(log.matches("hostname: must be").count(), 1, "{log}");
        assert_eq!(card.complaints().len(), 1);
    }
    let log = card.boot_with("hostname = \"kelp\"\n");
    assert!(!log.contains("must be"), "{log}");
    assert_eq!(card.complaints(), [""; 0]);
}

/// The daemon's build may be another than this program's.
#[test]
fn whether_a_lab_may_be_talked_to_is_the_daemon_s_to_say() {
    let card = Card::new();
    let log = card.boot_with("[server]\nurl = \"ws://10.0.2.2:9/\"\nurll = 1\n");
    assert_eq!(log.matches("holdfast.toml:").count(), 1, "{log}");
    assert!(log.contains("server.urll: no such key"), "{log}");
}

/// The daemon starts more than once a boot: what is wrong with its own keys is said by the step.
#[test]
fn every_mistake_is_logged_once_a_boot_whoever_reads_the_key() {
    let card = Card::new();
    let log = card.boot_with(
        "hostname = \"-\"\nscribble\n[device]\nnam = \"kelp\"\n[panel]\nlanguage = \"xx\"\n",
    );
    for what in [
        "hostname: must be",
        "neither `[section]`",
        "device.nam: no such key",
        "panel.language: must be",
    ] {
        assert_eq!(log.matches(what).count(), 1, "{what}: {log}");
    }
}
