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

/// Device trees with what the overlays and descriptions touch, as mainline has it: a 3B's, a 4B's, a Pi 5's.
const TREES: [(&str, &str); 3] = [
    (
        "bcm2837",
        r#"compatible = "raspberrypi,3-model-b", "brcm,bcm2837";
        soc {
            gpio: gpio@7e200000 { compatible = "brcm,bcm2835-gpio"; pins: i2c1 { }; };
            i2c@7e804000 { pinctrl-0 = <&pins>; clock-frequency = <100000>; status = "okay"; };
            spi@7e204000 { status = "disabled"; };
        };"#,
    ),
    (
        "bcm2711",
        r#"compatible = "raspberrypi,4-model-b", "brcm,bcm2711";
        soc {
            gpio: gpio@7e200000 { compatible = "brcm,bcm2711-gpio"; pins: i2c1 { }; };
            i2c@7e804000 { pinctrl-0 = <&pins>; clock-frequency = <100000>; status = "okay"; };
            spi@7e204000 { status = "disabled"; };
        };"#,
    ),
    (
        "bcm2712",
        r#"compatible = "raspberrypi,5-model-b", "brcm,bcm2712";
        bus {
            rp1_gpio: pinctrl@400d0000 { compatible = "raspberrypi,rp1-gpio"; };
            rp1_i2c1: i2c@40074000 { status = "disabled"; };
        };"#,
    ),
];

/// Asks of each tree, in a shell that has the builder's functions, the project as its place and the trees in `$1`.
fn ask_trees(script: &str) -> String {
    for name in ["dtc", "fdtoverlay"] {
        tool::tool(name);
    }
    let dir = tempfile::tempdir().unwrap();
    for (chip, body) in TREES {
        let reserved = "reserved-memory { #address-cells = <1>; #size-cells = <1>; ranges; };";
        let source = format!("/dts-v1/; / {{ {body} {reserved} }};");
        fs::write(dir.path().join(format!("{chip}.dts")), source).unwrap();
    }
    // A kernel that knows what the overlays call a display; the test's, so that a longer name of it does not count.
    fs::write(dir.path().join("kernel"), "rohm,dh2228fvx\0rohm,dh2228fv\0").unwrap();
    let script = format!(
        "own=board/boards/raspberrypi
        faults() {{ tree_faults \"$1\" {place}/kernel $own/board.toml $own/displays/*.toml | sort -u; }}
        for chip in bcm2837 bcm2711 bcm2712; do
            tree={place}/$chip.dtb
            dtc -@ -q -I dts -O dtb -o $tree {place}/$chip.dts
            {script}
        done",
        place = dir.path().display()
    );
    let said = bash(Path::new(PROJECT), &["trees.sh"], &script);
    assert!(said.status.success(), "{}", text(&said.stderr));
    text(&said.stdout).to_owned()
}

#[test]
fn each_overlay_makes_its_chips_trees_fit_the_descriptions() {
    assert_eq!(ask_trees("overlay $own/overlays $tree; faults $tree"), "");
    // Without them the trees do not fit, and each thing is said.
    let header = "/soc/i2c@7e804000 does not run at 400 kHz
/soc/spi@7e204000 has no device for spidev at chip select 0
/soc/spi@7e204000 has no device for spidev at chip select 1
/soc/spi@7e204000 has no pins
/soc/spi@7e204000 has not two chip selects
/soc/spi@7e204000 is off
";
    let rp1 = "/bus/i2c@40074000 does not run at 400 kHz
/bus/i2c@40074000 has no pins
/bus/i2c@40074000 is off
";
    assert_eq!(ask_trees("faults $tree"), [header, header, rp1].concat());
}

#[test]
fn a_tree_that_names_things_otherwise_is_told_of() {
    let changed = |words: &str| {
        ask_trees(&format!(
            "overlay $own/overlays $tree
            dtc -q -I dtb -O dts $tree | sed '{words}' | dtc -@ -q -I dts -O dtb -o $tree.new
            faults $tree.new | sed 's/^[a-z0-9-]*.toml/NAME/' | sort -u"
        ))
    };
    assert_eq!(changed("s/i2c@/i3c@/"), "NAME: no node of bus\n".repeat(3));
    // A Pi 5 has none.
    assert_eq!(
        changed("s/spi@7/spi@9/"),
        "NAME: no node of spi\n".repeat(2)
    );
    let device = "/soc/spi@7e204000 has no device for spidev at chip select";
    assert_eq!(
        changed("s/rohm,dh2228fv/rohm,dh2228f/"),
        format!("{device} 0\n{device} 1\n").repeat(2)
    );
    assert_eq!(
        changed("s/-gpio\"/-lines\"/"),
        "no lines of a header\n".repeat(3)
    );
    let undescribed =
        "overlay $own/overlays $tree; sed s/pinctrl-rp1:/pinctrl-rp2:/ $own/board.toml >$tree.toml
        tree_faults $tree ${tree%/*}/kernel $tree.toml";
    assert_eq!(
        ask_trees(undescribed),
        "bcm2712.dtb.toml: lines names no line of pinctrl-rp1\n"
    );
    let new = changed("s/pinctrl@400d0000 {/spi@40050000 {}; &/");
    assert!(
        new.contains("a Pi 5 has SPI now, and docs/hardware.md says that it has none"),
        "{new}"
    );
}

/// What is missing for a board's radio is said by the board; what Debian has not is documented.
#[test]
fn each_radio_has_its_firmware_or_is_documented() {
    let dir = tempfile::tempdir().unwrap();
    let list = Path::new(PROJECT).join("board/boards/raspberrypi/radios.list");
    let ask = || {
        let script = format!(
            "modinfo() {{ printf 'brcm/brcmfmac%s-sdio.bin\\n' 43430 43430b0 43455 43456; }}
            radio_faults {} . driver",
            list.display()
        );
        let said = bash(dir.path(), &["pi.sh"], &script);
        assert!(said.status.success(), "{}", text(&said.stderr));
        text(&said.stdout).to_owned()
    };
    let give = |name: &str| fs::write(dir.path().join(format!("brcmfmac{name}")), "").unwrap();
    for chip in ["43430", "43455", "43456"] {
        give(&format!("{chip}-sdio.bin"));
        give(&format!("{chip}-sdio.txt"));
    }
    assert_eq!(ask(), "");
    // A board's own counts.
    fs::remove_file(dir.path().join("brcmfmac43456-sdio.txt")).unwrap();
    assert_eq!(
        ask(),
        "raspberrypi,400: brcmfmac43456-sdio.txt is missing\n"
    );
    give("43456-sdio.raspberrypi,400.txt");
    assert_eq!(ask(), "");
    let documented = fs::read_to_string(Path::new(PROJECT).join("docs/hardware.md")).unwrap();
    let listed = fs::read_to_string(&list).unwrap();
    let absent: Vec<_> = listed
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(|line| line.split(' ').filter_map(|chip| chip.strip_prefix('-')))
        .collect();
    assert_eq!(absent, ["43430b0"]);
    assert!(absent.iter().all(|chip| documented.contains(chip)));
}

#[test]
fn firmware_that_is_brought_along_is_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join("brcm").join(name);
    fs::create_dir(at("")).unwrap();
    let ask = || {
        let said = bash(dir.path(), &["root.sh"], "radio_files .");
        (
            said.status.success(),
            text(&[said.stdout, said.stderr].concat()).to_owned(),
        )
    };
    let nothing = ". has neither brcmfmac43430b0-sdio.bin nor brcmfmac43436-sdio.bin\n";
    assert_eq!(ask(), (false, nothing.into()));
    let real = "\x00\x01code\x0043436b0-roml/sdio-g-pool Version: 9.88 CRC: 1 FWID 01-3b307371\n";
    for other in [
        "<html>not found</html>",
        &real.replace("43436b0", "43455c0"),
    ] {
        fs::write(at("brcmfmac43436-sdio.bin"), other).unwrap();
        let (taken, said) = ask();
        assert!(!taken && said.contains("no firmware for a 43436"), "{said}");
    }
    fs::write(at("brcmfmac43436-sdio.bin"), real).unwrap();
    let (taken, said) = ask();
    assert!(!taken && said.contains("how the radio is tuned"), "{said}");
    fs::write(
        at("brcmfmac43436-sdio.txt"),
        "manfid=0x2d0\nboardtype=0x0726\n",
    )
    .unwrap();
    let wanted = "./brcm/brcmfmac43436-sdio.bin\tbrcmfmac43430b0-sdio.bin\n\
        ./brcm/brcmfmac43436-sdio.txt\tbrcmfmac43430b0-sdio.txt\n";
    assert_eq!(ask(), (true, wanted.into()));
    // Under the name that the kernel asks for, and for the board, it is the better one.
    for kind in ["bin", "txt"] {
        let from = at(&format!("brcmfmac43436-sdio.{kind}"));
        let name = format!("brcmfmac43430b0-sdio.raspberrypi,model-zero-2-w.{kind}");
        fs::copy(from, at(&name)).unwrap();
    }
    let (taken, said) = ask();
    assert!(
        taken && said.contains("zero-2-w.bin\tbrcmfmac43430b0-sdio.bin\n"),
        "{said}"
    );
}

#[test]
fn the_key_of_the_list_is_a_public_one() {
    let dir = tempfile::tempdir().unwrap();
    let openssl = tool::tool("openssl");
    let make = |words: &[&str]| {
        let done = Command::new(&openssl)
            .args(words)
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    make(&["genpkey", "-algorithm", "ed25519", "-out", "private"]);
    make(&["pkey", "-in", "private", "-pubout", "-out", "public"]);
    make(&["genpkey", "-algorithm", "x25519", "-out", "other"]);
    make(&["pkey", "-in", "other", "-pubout", "-out", "foreign"]);
    let taken = |name: &str| bash(dir.path(), &["root.sh"], &format!("is_public_key {name}"));
    assert!(taken("public").status.success());
    for name in ["private", "foreign", "missing"] {
        let refused = taken(name);
        let said = text(&refused.stderr);
        assert!(
            !refused.status.success() && said.contains("no public Ed25519 key"),
            "{said}"
        );
    }
}

/// The list of parts has what something was taken from, for this board.
#[test]
fn the_papers_name_what_is_in_the_image() {
    let dir = tempfile::tempdir().unwrap();
    let all = [
        "kernel-linux-image",
        "kernel-linux-modules",
        "wifi",
        "boot",
        "u-boot",
        "u-boot-pi",
    ];
    for name in all {
        fs::write(dir.path().join(format!("{name}.deb")), "").unwrap();
    }
    for (board, arch, parts) in [
        (
            "qemu",
            "amd64",
            &["kernel-linux-image", "kernel-linux-modules", "u-boot"][..],
        ),
        (
            "qemu",
            "arm64",
            &[
                "kernel-linux-image",
                "kernel-linux-modules",
                "boot",
                "wifi",
                "u-boot",
            ],
        ),
        (
            "raspberrypi",
            "arm64",
            &[
                "kernel-linux-image",
                "kernel-linux-modules",
                "boot",
                "wifi",
                "u-boot-pi",
            ],
        ),
    ] {
        let said = bash(
            dir.path(),
            &["papers.sh"],
            &format!("board={board} arch={arch}; debs_beside ."),
        );
        let wanted: String = parts.iter().map(|part| format!("./{part}.deb\n")).collect();
        assert_eq!(text(&said.stdout), wanted, "{board} {arch}");
    }
}

/// A Pi 5's tree, as far as its two steppings differ, with what differs.
fn stepping(letter: &str, sizes: [&str; 2], interrupt: u8, width: u8) -> String {
    format!(
        r#"/dts-v1/; / {{ compatible = "raspberrypi,5-model-b", "brcm,bcm2712"; soc {{
        pinctrl: pinctrl@7d504100 {{ compatible = "brcm,bcm2712{letter}0-pinctrl"; reg = <0x7d504100 {}>; }};
        pinctrl_aon: pinctrl@7d510700 {{ compatible = "brcm,bcm2712{letter}0-aon-pinctrl"; reg = <0x7d510700 {}>; }};
        uart10: serial@7d001000 {{ interrupts = <0 {interrupt} 4>; }};
        gio_aon: gpio@7d517c00 {{ brcm,gpio-bank-widths = <{width} 6>; }}; }}; }};"#,
        sizes[0], sizes[1]
    )
}

/// Firmware and U-Boot ask for files by name; a Pi 5 of either stepping gets its tree.
#[test]
fn what_firmware_and_u_boot_ask_for_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir_all(at("firmware/overlays")).unwrap();
    fs::create_dir_all(at("slot/broadcom")).unwrap();
    fs::write(at("c.dts"), stepping("c", ["0x30", "0x20"], 121, 17)).unwrap();
    fs::write(at("d.dts"), stepping("d", ["0x20", "0x1c"], 120, 15)).unwrap();
    for name in [
        "bootcode.bin",
        "start_cd.elf",
        "fixup_cd.dat",
        "start4cd.elf",
        "fixup4cd.dat",
        "boot.scr",
        "uboot.env",
    ] {
        fs::write(at("firmware").join(name), "x").unwrap();
    }
    let asked = "\0broadcom/bcm2835-rpi-b.dtb\0broadcom/bcm2712-rpi-5-b.dtb\0broadcom/bcm2711-rpi-4-b.dtb\0";
    fs::write(at("firmware/u-boot.bin"), asked).unwrap();
    let overlay = format!("{PROJECT}/board/boards/raspberrypi/bcm2712d0.dts");
    let config = format!("{PROJECT}/board/boards/raspberrypi/config.txt");
    let made = bash(
        dir.path(),
        &[],
        &format!(
            "dtb() {{ dtc -@ -q -I dts -O dtb -o \"$2\" \"$1\"; }}
            dtb {overlay} firmware/overlays/bcm2712d0.dtbo; cp {config} firmware
            dtb c.dts firmware/bcm2712-rpi-5-b.dtb; dtb d.dts firmware/bcm2712-d-rpi-5-b.dtb
            cp firmware/bcm2712-rpi-5-b.dtb firmware/bcm2711-rpi-4-b.dtb; cp firmware/*.dtb slot/broadcom"
        ),
    );
    assert!(made.status.success(), "{}", text(&made.stderr));
    let ask = || {
        let said = bash(dir.path(), &["pi.sh"], "chain_faults firmware slot");
        assert!(said.status.success(), "{}", text(&said.stderr));
        text(&said.stdout).to_owned()
    };
    assert_eq!(ask(), "");
    for (name, fault) in [
        (
            "firmware/start4cd.elf",
            "the firmware's start4cd.elf is missing",
        ),
        (
            "slot/broadcom/bcm2711-rpi-4-b.dtb",
            "U-Boot's broadcom/bcm2711-rpi-4-b.dtb is not in the slot",
        ),
        (
            "slot/broadcom/bcm2712-d-rpi-5-b.dtb",
            "U-Boot's broadcom/bcm2712-d-rpi-5-b.dtb is not in the slot",
        ),
        (
            "firmware/bcm2711-rpi-4-b.dtb",
            "the tree bcm2711-rpi-4-b.dtb is not beside the firmware",
        ),
    ] {
        let kept = fs::read(at(name)).unwrap();
        fs::remove_file(at(name)).unwrap();
        assert_eq!(ask(), format!("{fault}\n"));
        fs::write(at(name), kept).unwrap();
    }
    fs::write(
        at("firmware/config.txt"),
        "kernel=u-boot.bin\ngpu_mem=16\narm_64bit=1\n",
    )
    .unwrap();
    assert_eq!(ask(), "config.txt lacks upstream_kernel=1\n");
    fs::copy(config, at("firmware/config.txt")).unwrap();
    fs::copy(
        at("firmware/bcm2711-rpi-4-b.dtb"),
        at("firmware/bcm2712-d-rpi-5-b.dtb"),
    )
    .unwrap();
    assert_eq!(
        ask(),
        "bcm2712d0.dtbo does not make bcm2712-d-rpi-5-b.dtb\n"
    );
}
