//! Board descriptions: which parts are on which wires, one TOML file each.

use std::{
    borrow::Cow,
    fmt, fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use toml::de::DeValue;

use crate::config::{Problem, walk};

/// The boards every build knows. A file of the same name in the boards directory wins.
const BUILT_IN: [(&str, &str); 2] = [
    ("qemu", include_str!("../../board/qemu/board.toml")),
    (
        "raspberrypi",
        include_str!("../../board/raspberrypi/board.toml"),
    ),
];

/// Why a key is not taken.
type Wrong = Cow<'static, str>;

/// A board's panel, and how to recognise the board. A part that is not described is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The board's name.
    pub name: String,
    /// How the machine's model begins, for machines that are this board.
    pub models: Vec<String>,
    /// The screen.
    pub display: Option<Display>,
    /// The button.
    pub button: Option<Button>,
}

/// A display on an I2C bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Display {
    /// The controller's name.
    pub driver: String,
    /// Ways to find the bus, the first that fits counts: its device file, or a part of its adapter's name or of its
    /// device-tree node's. Numbers of buses are not stable.
    pub buses: Vec<String>,
    /// On the bus, 7 bits.
    pub address: u8,
    /// It is mounted the wrong way up.
    pub upside_down: bool,
}

/// A button on a GPIO line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Button {
    /// Ways to the line, the first that opens it counts.
    pub backends: Vec<Backend>,
    /// The line, the first whose chip is there counts; never empty.
    pub lines: Vec<LineName>,
    /// The line is low while the button is down.
    pub active_low: bool,
    /// What holds the line while the button is up.
    pub pull: Pull,
    /// What is shorter is bouncing; zero where nothing bounces.
    pub debounce: Duration,
}

/// A GPIO line by its chip's label, as `gpiodetect` shows it: numbers of chips are not stable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineName {
    /// The chip's label.
    pub chip: String,
    /// The line's number on the chip; on a Raspberry Pi that is the GPIO number.
    pub number: u32,
}

/// A way to a GPIO line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// The kernel's GPIO character device: everywhere.
    Cdev,
    /// A Raspberry Pi's registers, where the vendor's kernel has `/dev/gpiomem`.
    Rppal,
}

/// A resistor in the chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pull {
    /// To the supply.
    Up,
    /// To ground.
    Down,
    /// None: there is one on the board.
    Off,
}

impl fmt::Display for LineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.chip, self.number)
    }
}

impl fmt::Display for Display {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:#04x}", self.driver.to_uppercase(), self.address)
    }
}

impl Description {
    /// Finds the board of this name, in `boards` or built in; `None` when there is none. A display's driver has to be one of
    /// `drivers`.
    ///
    /// # Errors
    /// With everything that is wrong in its file.
    pub fn find(boards: &Path, drivers: &[&str], name: &str) -> Result<Option<Self>, Vec<Problem>> {
        let file = boards.join(name).with_extension("toml");
        match fs::read_to_string(&file) {
            Ok(text) => return Self::parse(name, drivers, &file, &text).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(vec![Problem::unreadable(&file, &error)]),
        }
        let built_in = BUILT_IN.iter().find(|(known, _)| *known == name);
        built_in
            .map(|(_, text)| {
                Self::parse(
                    name,
                    drivers,
                    &Path::new("board").join(name).join("board.toml"),
                    text,
                )
            })
            .transpose()
    }

    /// Recognises this machine by the first line of one of the `models` files; `None` when it is no board we know.
    ///
    /// # Errors
    /// With everything that is wrong in a description.
    pub fn detect(
        boards: &Path,
        drivers: &[&str],
        models: &[PathBuf],
    ) -> Result<Option<Self>, Vec<Problem>> {
        let models: Vec<String> = models
            .iter()
            .filter_map(|file| fs::read_to_string(file).ok())
            .collect();
        for name in Self::names(boards) {
            let Some(board) = Self::find(boards, drivers, &name)? else {
                continue;
            };
            let is_it = |model: &String| board.models.iter().any(|start| model.starts_with(start));
            if models.iter().any(is_it) {
                return Ok(Some(board));
            }
        }
        Ok(None)
    }

    /// Lists every name that [`Description::find`] knows, sorted.
    pub fn names(boards: &Path) -> Vec<String> {
        let installed = fs::read_dir(boards).into_iter().flatten().flatten();
        let mut names: Vec<String> = installed
            .filter_map(|entry| {
                let name = entry.file_name();
                Some(name.to_str()?.strip_suffix(".toml")?.to_owned())
            })
            .chain(BUILT_IN.map(|(name, _)| name.to_owned()))
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// Reads the text of a description; `file` is what is blamed.
    ///
    /// # Errors
    /// With everything that is wrong in it.
    pub fn parse(
        name: &str,
        drivers: &[&str],
        file: &Path,
        text: &str,
    ) -> Result<Self, Vec<Problem>> {
        let mut board = Self {
            name: name.to_owned(),
            models: Vec::new(),
            display: None,
            button: None,
        };
        let mut problems = walk(file, text, |section, key, value| {
            board.set(drivers, section, key, value)
        });
        // Only then is what is missing worth a word.
        if problems.is_empty() {
            let missing = board.missing();
            problems.extend(missing.into_iter().map(|what| Problem {
                file: file.to_owned(),
                line: None,
                what: what.to_owned(),
            }));
        }
        if problems.is_empty() {
            Ok(board)
        } else {
            Err(problems)
        }
    }

    fn set(
        &mut self,
        drivers: &[&str],
        section: &str,
        key: &str,
        value: &DeValue<'_>,
    ) -> Result<(), Wrong> {
        match section {
            "board" if key == "models" => self.models = texts(value)?,
            "display" => {
                let display = self.display.get_or_insert_with(|| Display::of(drivers));
                display.set(drivers, key, value)?;
            }
            "button" => self.button.get_or_insert_default().set(key, value)?,
            _ => {
                return Err(
                    "no such key; known are board.models and the sections [display] and [button]"
                        .into(),
                );
            }
        }
        Ok(())
    }

    fn missing(&self) -> Vec<&'static str> {
        let display = self.display.as_ref();
        let button = self.button.as_ref();
        let needs = [
            (
                display.is_some_and(|display| display.buses.is_empty()),
                "display.bus is missing: which I2C bus the display is on",
            ),
            (
                button.is_some_and(|button| button.lines.is_empty()),
                "button.lines is missing: which GPIO line the button is on",
            ),
        ];
        needs
            .into_iter()
            .filter_map(|(missing, what)| missing.then_some(what))
            .collect()
    }
}

impl Display {
    /// A display of the first driver, at the usual address.
    fn of(drivers: &[&str]) -> Self {
        Self {
            driver: drivers.first().copied().unwrap_or_default().to_owned(),
            buses: Vec::new(),
            address: 0x3c,
            upside_down: false,
        }
    }

    fn set(&mut self, drivers: &[&str], key: &str, value: &DeValue<'_>) -> Result<(), Wrong> {
        match key {
            "driver" => {
                let known = value.as_str().filter(|name| drivers.contains(name));
                let unknown = || format!("must be one of \"{}\"", drivers.join("\", \""));
                self.driver = known.ok_or_else(unknown)?.to_owned();
            }
            "bus" => self.buses = texts(value)?,
            "address" => {
                let address = number(value).and_then(|address| u8::try_from(address).ok());
                // The others are reserved (I2C specification UM10204, 3.1.12).
                self.address = address
                    .filter(|address| (0x08..=0x77).contains(address))
                    .ok_or("must be a 7-bit I2C address from 0x08 to 0x77, such as 0x3c")?;
            }
            "rotation" => {
                self.upside_down = match number(value) {
                    Some(0) => false,
                    Some(180) => true,
                    _ => return Err("must be 0 or 180 degrees".into()),
                };
            }
            _ => return Err("no such key; known are driver, bus, address, rotation".into()),
        }
        Ok(())
    }
}

impl Default for Button {
    fn default() -> Self {
        Self {
            backends: vec![Backend::Cdev],
            lines: Vec::new(),
            active_low: true,
            pull: Pull::Up,
            debounce: Duration::from_millis(20),
        }
    }
}

impl Button {
    fn set(&mut self, key: &str, value: &DeValue<'_>) -> Result<(), Wrong> {
        match key {
            "backends" => {
                let backend = |name: &String| match name.as_str() {
                    "cdev" => Some(Backend::Cdev),
                    "rppal" => Some(Backend::Rppal),
                    _ => None,
                };
                let backends = texts(value)?.iter().map(backend).collect::<Option<_>>();
                self.backends = backends.ok_or("must be made of \"cdev\" and \"rppal\"")?;
            }
            "lines" => {
                let line = |text: &String| {
                    let (chip, number) = text.rsplit_once(':')?;
                    Some(LineName {
                        chip: Some(chip).filter(|chip| !chip.is_empty())?.to_owned(),
                        number: number.parse().ok()?,
                    })
                };
                let lines = texts(value)?.iter().map(line).collect::<Option<_>>();
                self.lines =
                    lines.ok_or("must name chip and line, such as [\"pinctrl-bcm2835:17\"]")?;
            }
            "active_low" => self.active_low = value.as_bool().ok_or("must be true or false")?,
            "pull" => {
                self.pull = match value.as_str() {
                    Some("up") => Pull::Up,
                    Some("down") => Pull::Down,
                    Some("off") => Pull::Off,
                    _ => return Err("must be \"up\", \"down\" or \"off\"".into()),
                };
            }
            "debounce_ms" => {
                let ms = number(value).filter(|ms| *ms <= 1000);
                self.debounce = Duration::from_millis(
                    ms.ok_or("must be a number of milliseconds from 0 to 1000")?
                        .into(),
                );
            }
            _ => {
                return Err(
                    "no such key; known are backends, lines, active_low, pull, debounce_ms".into(),
                );
            }
        }
        Ok(())
    }
}

fn number(value: &DeValue<'_>) -> Option<u32> {
    let number = value.as_integer()?;
    u32::from_str_radix(number.as_str(), number.radix()).ok()
}

/// A list of texts, not empty and none of them empty.
fn texts(value: &DeValue<'_>) -> Result<Vec<String>, &'static str> {
    let texts = value.as_array().and_then(|values| {
        values
            .iter()
            .map(|text| text.get_ref().as_str().filter(|text| !text.is_empty()))
            .map(|text| text.map(str::to_owned))
            .collect::<Option<Vec<_>>>()
    });
    texts
        .filter(|texts| !texts.is_empty())
        .ok_or("must be a list of texts in quotes, such as [\"one\", \"two\"]")
}
