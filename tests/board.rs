//! Board descriptions: those every build has, one that an image brings, and what is said of a bad one.

use std::{fs, path::Path, time::Duration};

use clap::Parser;
use holdfast::{
    config::{Args, Config, Places},
    panel::glass,
    wires::{
        Backend, Board, Button, Description, Display, DisplayBus, Driver, I2cBus, LineName, Pull,
        SpiBus, Wire,
    },
};

/// A driver that needs nothing beside its bus, and one that needs every wire.
const DRIVERS: &[Driver] = &[
    Driver {
        name: "ssd1306",
        needs: &[],
    },
    Driver {
        name: "paper",
        needs: &[Wire::Spi, Wire::Reset, Wire::Busy],
    },
];

/// What is said of a bad description, by line.
fn complaints(text: &str) -> String {
    let problems = Description::parse("bad", DRIVERS, Path::new("bad.toml"), text).expect_err(text);
    let mut said: Vec<_> = problems
        .iter()
        .map(|problem| (problem.line, problem.to_string()))
        .collect();
    said.sort();
    let lines: Vec<_> = said.into_iter().map(|(_, text)| text).collect();
    lines.join("\n")
}

/// A machine that says what it is, with the boards an image brings.
fn machine(model: &str) -> (tempfile::TempDir, Places) {
    let dir = tempfile::tempdir().unwrap();
    let at = |path: &str| dir.path().join(path);
    fs::write(at("model"), format!("{model}\0")).unwrap();
    fs::create_dir(at("boards")).unwrap();
    let places = Places {
        fragments: Vec::new(),
        owner: vec![at("holdfast.toml")],
        boards: at("boards"),
        models: vec![at("no-such-file"), at("model")],
        appliance_data: at("data"),
        user_runtime: None,
        environment: std::collections::HashMap::new(),
    };
    (dir, places)
}

fn load(places: &Places, board: &[&str]) -> Result<Board, String> {
    let args = Args::parse_from([&["holdfastd"], board].concat());
    Config::load(&args, places)
        .map(|config| config.board)
        .map_err(|error| error.to_string())
}

#[test]
fn the_raspberry_pi_is_wired_as_the_documentation_says() {
    let board = Description::find(Path::new("/nonexistent"), &glass::drivers(), "raspberrypi");
    let line = |chip: &str| LineName {
        chip: chip.into(),
        number: 17,
    };
    let wanted = Description {
        name: "raspberrypi".into(),
        models: vec!["Raspberry Pi".into()],
        display: Some(Display {
            driver: "ssd1306".into(),
            bus: DisplayBus::I2c(I2cBus {
                buses: ["i2c@7e804000", "i2c@40074000", "i2c@74000"]
                    .map(str::to_owned)
                    .into(),
                address: 0x3c,
            }),
            reset: Vec::new(),
            busy: Vec::new(),
            power: Vec::new(),
            backlight: Vec::new(),
            upside_down: false,
        }),
        button: Some(Button {
            backends: vec![Backend::Cdev, Backend::Rppal],
            lines: ["pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1"]
                .map(line)
                .into(),
            also: Vec::new(),
            active_low: true,
            pull: Pull::Up,
            debounce: Duration::from_millis(20),
        }),
        led: None,
    };
    assert_eq!(board, Ok(Some(wanted)));
    let documented = include_str!("../docs/hardware.md");
    assert!(documented.contains("| Button | 11 | GPIO17 |"));
}

#[test]
fn every_built_in_board_is_sound() {
    let nowhere = Path::new("/nonexistent");
    for name in Description::names(nowhere) {
        let board = Description::find(nowhere, &glass::drivers(), &name)
            .unwrap()
            .unwrap();
        // Its models are told apart by nothing but what the owner writes.
        assert_eq!(board.models.is_empty(), name.contains('-'), "{name}");
        let display = board.display.unwrap();
        if let Some((_, model)) = name.split_once('-') {
            assert_eq!(display.driver, model, "{name}");
        }
        let way = board.button.map(|button| button.backends[0]);
        // The virtual e-paper's bridge has no button on it.
        let wanted = (name != "qemu-epd2in13-v4").then_some(Backend::Cdev);
        assert_eq!(way, wanted, "{name}: the kernel's way first");
    }
}

#[test]
fn every_display_that_is_driven_has_a_board_and_its_line_in_the_documentation() {
    let documented = include_str!("../docs/hardware.md");
    let names = Description::names(Path::new("/nonexistent"));
    for driver in glass::drivers() {
        let board = match driver.name {
            "ssd1306" => "raspberrypi".to_owned(),
            name => format!("raspberrypi-{name}"),
        };
        assert!(names.contains(&board), "{board}");
        let line = format!("`board = \"{board}\"`");
        assert!(documented.contains(&line), "{line}");
    }
}

#[test]
fn the_owner_s_line_names_the_board_and_a_wrong_one_is_ignored_with_its_line() {
    let (dir, places) = machine("Raspberry Pi 4 Model B Rev 1.4");
    let named = |text: &str| {
        fs::write(dir.path().join("holdfast.toml"), text).unwrap();
        let config = Config::load(&Args::parse_from(["holdfastd"]), &places).unwrap();
        let Board::Wired(board) = config.board else {
            panic!("{:?}", config.board);
        };
        let ignored: Vec<_> = config.ignored.iter().map(ToString::to_string).collect();
        (board.name, ignored.join("; "))
    };
    let line = "[panel]\nboard = \"raspberrypi-epd2in13-v4\"\n";
    let (board, ignored) = named(line);
    assert_eq!((&*board, &*ignored), ("raspberrypi-epd2in13-v4", ""));
    let (board, ignored) = named("[panel]\nboard = \"epaper\"\n");
    assert_eq!(board, "raspberrypi");
    assert!(
        ignored.contains(":2: panel.board: must be a board"),
        "{ignored}"
    );
    fs::write(dir.path().join("holdfast.toml"), line).unwrap();
    let argument = load(&places, &["--board", "qemu"]);
    assert!(matches!(argument, Ok(Board::Wired(board)) if board.name == "qemu"));
}

#[test]
fn everything_wrong_is_said_at_once_with_file_and_line() {
    let said = complaints(
        r#"top = 1
[board]
models = "Raspberry Pi"
colour = "green"
[display]
driver = "hd44780"
bus = [1]
address = 0x78
rotation = 90
size = 1.3
spi = []
chip_select = -1
clock_hz = 1
data_command = ["25"]
reset = "27"
busy = [24]
[button]
backends = ["cdev", "sysfs"]
lines = ["pinctrl-bcm2835"]
also = ["20"]
active_low = 1
pull = "sideways"
debounce_ms = 5000
chord = true
[led]
line = 1
"#,
    );
    insta::assert_snapshot!(said, @r#"
    bad.toml:1: `top` stands outside a section, such as [device]
    bad.toml:3: board.models: must be a list of texts in quotes, such as ["one", "two"]
    bad.toml:4: board.colour: no such key; known are board.models and the sections [display], [button] and [led]
    bad.toml:6: display.driver: must be one of "ssd1306", "paper"
    bad.toml:7: display.bus: must be a list of texts in quotes, such as ["one", "two"]
    bad.toml:8: display.address: must be a 7-bit I2C address from 0x08 to 0x77, such as 0x3c
    bad.toml:9: display.rotation: must be 0 or 180 degrees
    bad.toml:10: display.size: no such key; known are driver, bus, address, spi, chip_select, clock_hz, data_command, reset, busy, power, backlight, rotation
    bad.toml:11: display.spi: must be a list of texts in quotes, such as ["one", "two"]
    bad.toml:12: display.chip_select: must be the number of a chip select, such as 0
    bad.toml:13: display.clock_hz: must be a number of Hz from 10000 to 50000000
    bad.toml:14: display.data_command: must name chip and line, such as ["pinctrl-bcm2835:17"]
    bad.toml:15: display.reset: must be a list of texts in quotes, such as ["one", "two"]
    bad.toml:16: display.busy: must be a list of texts in quotes, such as ["one", "two"]
    bad.toml:18: button.backends: must be made of "cdev" and "rppal"
    bad.toml:19: button.lines: must name chip and line, such as ["pinctrl-bcm2835:17"]
    bad.toml:20: button.also: must be a list of numbers of lines, such as [20, 16]
    bad.toml:21: button.active_low: must be true or false
    bad.toml:22: button.pull: must be "up", "down" or "off"
    bad.toml:23: button.debounce_ms: must be a number of milliseconds from 0 to 1000
    bad.toml:24: button.chord: no such key; known are backends, lines, also, active_low, pull, debounce_ms
    bad.toml:26: led.line: no such key; known are lines, active_low
    "#);
}

#[test]
fn what_is_missing_is_said() {
    insta::assert_snapshot!(complaints("[display]\nrotation = 180\n[button]\npull = \"off\"\n"), @r"
    bad.toml: button.lines is missing: which GPIO line the button is on
    bad.toml: display.bus or display.spi is missing: which I2C or SPI bus the display is on
    ");
    insta::assert_snapshot!(complaints("[led]\nactive_low = true\n"), @"bad.toml: led.lines is missing: which GPIO line the lamp is on");
    let combined = |keys: &str| complaints(&format!("[display]\n{keys}\n"));
    insta::assert_snapshot!(combined("bus = [\"a\"]\nspi = [\"b\"]"), @"bad.toml: display.bus and display.spi: a display is on one bus; remove the other");
    insta::assert_snapshot!(combined("bus = [\"a\"]\nclock_hz = 1000000"), @"bad.toml: display.chip_select, clock_hz and data_command are for display.spi, not for display.bus, which is I2C; remove them");
    insta::assert_snapshot!(combined("spi = [\"a\"]\ndata_command = [\"a:1\"]\naddress = 0x3c"), @"bad.toml: display.address is for display.bus, which is I2C, not for display.spi; remove it");
    insta::assert_snapshot!(combined("spi = [\"a\"]"), @"bad.toml: display.data_command is missing: which GPIO line tells an SPI display data from commands");
    for (keys, wanted) in [
        (
            "bus = [\"a\"]",
            "`paper` is on SPI; add spi and data_command, such as spi = [\"spi@7e204000\"]",
        ),
        (
            "spi = [\"a\"]\ndata_command = [\"a:1\"]",
            "`paper` is reset by a line; add it, such as reset = [\"pinctrl-bcm2835:17\"]",
        ),
        (
            "spi = [\"a\"]\nreset = [\"a:2\"]\ndata_command = [\"a:1\"]",
            "`paper` says on a line that it is busy; add it, such as busy = [\"pinctrl-bcm2835:24\"]",
        ),
    ] {
        let said = combined(&format!("{keys}\ndriver = \"paper\""));
        let line = keys.lines().count() + 2;
        let wanted = format!("bad.toml:{line}: display.driver: {wanted}");
        assert!(said.starts_with(&wanted), "{said}");
    }
    insta::assert_snapshot!(complaints("[display\n"), @"bad.toml:1: unclosed table, expected `]`");
}

#[test]
fn a_button_may_have_several_keys_and_each_has_a_line_of_its_own() {
    let button = |text: &str| {
        let text = format!("[button]\n{text}\n");
        Description::parse("keys", DRIVERS, Path::new("keys.toml"), &text)
            .map(|board| board.button.unwrap())
    };
    let all =
        button("lines = [\"pinctrl-bcm2835:21\", \"pinctrl-rp1:21\"]\nalso = [20, 16]").unwrap();
    for line in &all.lines {
        assert_eq!(all.keys(line), [21, 20, 16], "{line}");
    }
    let one = button("lines = [\"a:21\"]").unwrap();
    assert_eq!(one.keys(&one.lines[0]), [21]);
    for twice in ["[20, 20]", "[16, 7]"] {
        let text = format!("[button]\nlines = [\"a:21\", \"b:7\"]\nalso = {twice}\n");
        let said = complaints(&text);
        assert_eq!(
            said,
            "bad.toml: button.also names a line twice; the one of button.lines is no further key"
        );
    }
}

#[test]
fn a_display_may_be_on_spi_with_lines_of_its_own() {
    let text = r#"[display]
spi = ["spi@7e204000"]
chip_select = 1
data_command = ["pinctrl-bcm2835:25", "pinctrl-rp1:25"]
reset = ["pinctrl-bcm2835:27"]
busy = ["pinctrl-bcm2835:24"]
rotation = 180
"#;
    let board = Description::parse("spi", DRIVERS, Path::new("spi.toml"), text).unwrap();
    let line = |chip: &str, number| LineName {
        chip: chip.into(),
        number,
    };
    let wanted = Display {
        driver: "ssd1306".into(),
        bus: DisplayBus::Spi(SpiBus {
            buses: vec!["spi@7e204000".into()],
            chip_select: 1,
            clock_hz: 4_000_000,
            data_command: vec![line("pinctrl-bcm2835", 25), line("pinctrl-rp1", 25)],
        }),
        reset: vec![line("pinctrl-bcm2835", 27)],
        busy: vec![line("pinctrl-bcm2835", 24)],
        power: Vec::new(),
        backlight: Vec::new(),
        upside_down: true,
    };
    assert_eq!(wanted.to_string(), "SSD1306 on SPI");
    assert_eq!(board.display, Some(wanted));
}

#[test]
fn a_machine_is_recognised_and_an_argument_wins() {
    let (_dir, places) = machine("Raspberry Pi 4 Model B Rev 1.4");
    let name = |board| match board {
        Ok(Board::Wired(board)) => board.name,
        other => panic!("{other:?}"),
    };
    assert_eq!(name(load(&places, &[])), "raspberrypi");
    assert_eq!(name(load(&places, &["--board", "qemu"])), "qemu");
    assert_eq!(load(&places, &["--board", "headless"]), Ok(Board::Headless));
    for (line, found) in [
        ("quiet holdfast.compatible=holdfast-qemu-amd64 gpt", true),
        ("quiet holdfast.compatible=holdfast-kelp-amd64 gpt", false),
        ("quiet compatible=holdfast-qemu-amd64 gpt", false),
    ] {
        let (_dir, places) = machine(line);
        let is_it = matches!(load(&places, &[]), Ok(Board::Wired(board)) if board.name == "qemu");
        assert_eq!(is_it, found, "{line}");
    }
    let (_dir, places) = machine("Some other computer");
    assert_eq!(load(&places, &[]), Ok(Board::Headless));
}

#[test]
fn an_image_brings_boards_of_its_own_and_corrects_ours() {
    let (dir, places) = machine("Kelp One");
    let own = "[board]\nmodels = [\"Kelp\"]\n[button]\nlines = [\"gpio:3\"]\n";
    fs::write(dir.path().join("boards/kelp.toml"), own).unwrap();
    let Ok(Board::Wired(board)) = load(&places, &[]) else {
        panic!("not recognised");
    };
    assert_eq!((board.name.as_str(), board.display), ("kelp", None));

    fs::write(dir.path().join("boards/qemu.toml"), "[display]\nbus = 1\n").unwrap();
    let said = load(&places, &["--board", "qemu"]).unwrap_err();
    assert!(
        said.contains("boards/qemu.toml:2: display.bus: must be"),
        "{said}"
    );
}

#[test]
fn an_unknown_board_is_refused_with_the_known_ones() {
    let (_dir, places) = machine("Some other computer");
    let said = load(&places, &["--board", "abacus"]).unwrap_err();
    assert!(
        said.contains(
            "--board: no board `abacus`; known are terminal, headless, qemu, qemu-epd2in13-v4, raspberrypi, raspberrypi-epd2in13-v3"
        ),
        "{said}"
    );
}
