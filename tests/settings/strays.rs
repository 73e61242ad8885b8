//! Files that are not read, and secrets that must go or stay.

use std::{fs, process::Command};

use crate::card::*;

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

#[test]
fn a_file_that_keeps_its_secrets_stops_nothing_else() {
    let card = Card::new();
    let text = format!("[wifi]\nssid = \"a\"\npassword = \"{PASSWORD}\"\nmisspelt = 1\n");
    card.put("boot/firmware/holdfast.toml", &text);
    card.put("boot/firmware/userconf.txt", format!("anna:{HASH}\n"));
    // As no room, or a card that cannot be written, is in its way.
    fs::create_dir(card.at("boot/firmware/.holdfast-redact.holdfast.toml")).unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_holdfast-boot"))
        .args(["settings", "--root"])
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
