//! What the image's builder decides, asked of its own shell functions.

mod tool;

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");

/// Runs words for bash in `place`, with the builder's way to fail and what `parts` of it define.
fn bash(place: &Path, parts: &[&str], script: &str) -> Output {
    let mut whole = String::from(
        "set -euo pipefail; shopt -s inherit_errexit; fail() { echo \"$*\" >&2; exit 1; }\n",
    );
    for part in parts {
        whole += &format!(". {PROJECT}/board/image/{part}\n");
    }
    Command::new("bash")
        .args(["-c", &(whole + script)])
        .current_dir(place)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A line of modules.list is for the architectures it names, and what their kernel does not know ends the build: a name in vain
/// is a driver that a board lacks in silence.
#[test]
fn a_module_that_the_kernel_does_not_know_fails_the_build() {
    for name in ["modprobe", "depmod"] {
        tool::tool(name);
    }
    let dir = tempfile::tempdir().unwrap();
    let kernel = dir.path().join("lib/modules/6.0");
    fs::create_dir_all(&kernel).unwrap();
    fs::create_dir_all(dir.path().join("board/image")).unwrap();
    // A module inside the kernel is known, and there is no file to load.
    fs::write(
        kernel.join("modules.builtin"),
        "kernel/sea/kelp.ko\nkernel/sea/holdfast.ko\n",
    )
    .unwrap();
    for empty in ["modules.order", "modules.builtin.modinfo"] {
        fs::write(kernel.join(empty), "").unwrap();
    }
    let of = |arch: &str, list: &str| {
        fs::write(dir.path().join("board/image/modules.list"), list).unwrap();
        let script = format!(
            "arch={arch}; depmod -b . 6.0; echo everywhere $(listed_modules); echo early $(listed_modules initrd)
            modules_for . 6.0 $(listed_modules)"
        );
        bash(dir.path(), &["root.sh"], &script)
    };
    let list = "# Everywhere\nkelp\n\ninitrd holdfast\narm64 wrack\ninitrd arm64 dulse\n";
    let amd64 = of("amd64", list);
    assert!(amd64.status.success(), "{}", text(&amd64.stderr));
    assert_eq!(
        text(&amd64.stdout),
        "everywhere kelp holdfast\nearly holdfast\n"
    );
    let arm64 = of("arm64", list);
    assert_eq!(
        text(&arm64.stdout),
        "everywhere kelp holdfast wrack dulse\nearly holdfast dulse\n"
    );
    assert!(!arm64.status.success());
    assert_eq!(
        text(&arm64.stderr),
        "modules.list has what the kernel 6.0 does not know: wrack dulse\n"
    );
}

/// The features of a program are read out of its bytes, where any other text may follow: the compiler puts constants side by side,
/// so that a build had `none` before `[a-z]` and was refused.
#[test]
fn a_programs_features_are_read_whatever_follows_them() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("holdfastd");
    for (bytes, features) in [
        (
            &b"\x7fELF\0\xff0.1.0\nfeatures: nonebyte index\0"[..],
            "none\n",
        ),
        (b"\x7fELF\0\xff0.1.0\nfeatures: labholdfastd", "lab\n"),
        (b"\x7fELF\0\xff0.1.0\nfeatures: none", "none\n"),
        (b"\x7fELF\0\xff0.1.0\nfeatures: ", ""),
        (b"\x7fELF", ""),
    ] {
        std::fs::write(&program, bytes).unwrap();
        let said = Command::new("bash")
            .args(["-c", ". board/image/root.sh; program_features \"$1\"", "-"])
            .arg(&program)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&said.stdout), features);
    }
}

/// What an entry of a list for Raspberry Pi Imager has to have: the required fields of an operating system and their types, in
/// doc/json-schema/os-list-schema.json of rpi-imager (2026-08-17); `website` and others may be missing.
const TEXTS: [&str; 6] = [
    "name",
    "description",
    "icon",
    "url",
    "extract_sha256",
    "release_date",
];
const NUMBERS: [&str; 2] = ["extract_size", "image_download_size"];
/// The values of `init_format` there.
const FORMATS: [&str; 6] = [
    "",
    "systemd",
    "cloudinit",
    "cloudinit-rpi",
    "rpi-preseed",
    "none",
];

/// Why Imager's schema refuses a list; `None` where it does not.
fn refused(list: &Value) -> Option<String> {
    let Some([entry]) = list["os_list"].as_array().map(Vec::as_slice) else {
        return Some("no list of one".to_owned());
    };
    if let Some(key) = TEXTS.into_iter().find(|key| !entry[*key].is_string()) {
        return Some(format!("{key} is no text"));
    }
    if let Some(key) = NUMBERS.into_iter().find(|key| !entry[*key].is_u64()) {
        return Some(format!("{key} is no number"));
    }
    let devices = entry["devices"].as_array();
    if !devices.is_some_and(|tags| tags.iter().all(Value::is_string)) {
        return Some("devices is no list of texts".to_owned());
    }
    let format = entry["init_format"].as_str().unwrap_or_default();
    (!FORMATS.contains(&format)).then(|| format!("there is no format {format}"))
}

#[test]
fn the_list_for_imager_is_one_that_it_takes() {
    for name in ["jq", "zstd"] {
        tool::tool(name);
    }
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("card.img.zst");
    let script = "set -euo pipefail; . board/image/papers.sh; out=/out name=holdfast SOURCE_DATE_EPOCH=1750000000
        printf 'a card' | zstd -q -o \"$1\"; imager_entry \"$1\"";
    let said = Command::new("bash")
        .args(["-c", script, "-"])
        .arg(&image)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(said.status.success(), "{said:?}");
    let list: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(refused(&list), None, "{list:#}");
    let entry = &list["os_list"][0];
    assert_eq!(entry["extract_size"], 6);
    assert_eq!(entry["release_date"], "2025-06-15");
    assert_eq!(
        (&entry["url"], &entry["icon"]),
        (
            &"file:///out/holdfast.img.zst".into(),
            &"file:///out/holdfast.png".into()
        )
    );
    // The same question about a list that lacks anything has to fail.
    for key in TEXTS.iter().chain(&NUMBERS).chain(&["devices"]) {
        let mut list = list.clone();
        list["os_list"][0].as_object_mut().unwrap().remove(*key);
        assert!(refused(&list).is_some(), "{key}");
    }
    let icon = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/board/imager.png")).unwrap();
    assert!(icon.starts_with(b"\x89PNG\r\n\x1a\n"));
}
