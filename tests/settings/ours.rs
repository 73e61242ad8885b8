//! The owner's own file, and what a boot does with all of them.

use std::{fs, os::unix::fs::MetadataExt, process::Command};

use holdfast_medium::Age;

use crate::card::*;

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
        "9: ssh.authorized_keys: number 1 is no public key",
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
        let done = Command::new(env!("CARGO_BIN_EXE_holdfast-boot"))
            .args(["settings", "--root"])
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

#[test]
fn a_bare_card_boots_under_its_own_name() {
    let card = Card::new();
    assert_eq!(card.boot(), "");
    assert_eq!(card.read("proc/sys/kernel/hostname"), "holdfast");
    assert!(card.problems().is_empty());
}
