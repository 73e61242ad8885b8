//! Board descriptions: which parts are on which wires, one TOML file each.
//!
//! - `display`, `button`, `led`: their sections; `value`: what the keys have in common

mod button;
mod display;
mod led;
mod value;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

pub use self::{
    button::{Backend, Button, Pull},
    display::{Display, DisplayBus, Driver, I2cBus, SpiBus, Wire},
    led::Led,
};
use self::{
    display::Keys,
    value::{Wrong, texts},
};
use crate::sheet::{Problem, walk};

/// The boards every build knows. A file of the same name in the boards directory wins.
const BUILT_IN: &[(&str, &str)] = &[
    (
        "qemu",
        include_str!("../../../board/boards/qemu/board.toml"),
    ),
    built_in!("qemu", "epd2in13-v4"),
    (
        "raspberrypi",
        include_str!("../../../board/boards/raspberrypi/board.toml"),
    ),
    built_in!("raspberrypi", "ssd1309"),
    built_in!("raspberrypi", "sh1106"),
    built_in!("raspberrypi", "sh1107"),
    built_in!("raspberrypi", "st7789"),
    built_in!("raspberrypi", "epd2in13-v3"),
    built_in!("raspberrypi", "epd2in13-v4"),
    built_in!("raspberrypi", "epd2in9-v2"),
    built_in!("raspberrypi", "epd4in2-v2"),
];

/// A board with another display than the plain one's: name and text.
macro_rules! built_in {
    ($board:literal, $display:literal) => {
        (
            concat!($board, "-", $display),
            include_str!(concat!(
                "../../../board/boards/",
                $board,
                "/displays/",
                $display,
                ".toml"
            )),
        )
    };
}
use built_in;

/// A board's panel, and how to recognise the board. A part that is not described is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The board's name.
    pub name: String,
    /// Beginnings of the machine's model, for machines that are this board.
    pub models: Vec<String>,
    /// The screen.
    pub display: Option<Display>,
    /// The button.
    pub button: Option<Button>,
    /// The lamp for a board without a screen.
    pub led: Option<Led>,
}

/// A GPIO line by its chip's label, as `gpiodetect` shows it: numbers of chips are not stable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineName {
    /// The chip's label.
    pub chip: String,
    /// The line's number on the chip; on a Raspberry Pi that is the GPIO number.
    pub number: u32,
}

impl fmt::Display for LineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.chip, self.number)
    }
}

impl Description {
    /// Finds the board of this name, in `boards` or built in; `None` when there is none. A display's driver has to be one of
    /// `drivers`.
    ///
    /// # Errors
    /// With everything that is wrong in its file.
    pub fn find(
        boards: &Path,
        drivers: &[Driver],
        name: &str,
    ) -> Result<Option<Self>, Vec<Problem>> {
        let file = boards.join(format!("{name}.toml"));
        match fs::read_to_string(&file) {
            Ok(text) => return Self::parse(name, drivers, &file, &text).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(vec![Problem::unreadable(&file, &error)]),
        }
        let built_in = BUILT_IN.iter().find(|(known, _)| *known == name);
        built_in
            .map(|(_, text)| Self::parse(name, drivers, &built_in_file(name), text))
            .transpose()
    }

    /// Recognises this machine by the first line of one of the `models` files, or by what the image was made for where that is the kernel's
    /// command line (`holdfast.compatible=`): U-Boot tells a PC's kernel nothing of the machine. `None` when it is no board we know.
    ///
    /// # Errors
    /// With everything that is wrong in a description.
    pub fn detect(
        boards: &Path,
        drivers: &[Driver],
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
            let is_it = |model: &str| board.models.iter().any(|start| model.starts_with(start));
            let made_for = |line: &str| {
                let mut words = line.split_ascii_whitespace();
                words.find_map(|word| word.strip_prefix("holdfast.compatible=").map(is_it))
            };
            if models
                .iter()
                .any(|model| is_it(model) || made_for(model) == Some(true))
            {
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
            .chain(BUILT_IN.iter().map(|(name, _)| (*name).to_owned()))
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
        drivers: &[Driver],
        file: &Path,
        text: &str,
    ) -> Result<Self, Vec<Problem>> {
        let mut models = Vec::new();
        let mut display: Option<Keys> = None;
        let mut button: Option<Button> = None;
        let mut led: Option<Led> = None;
        let mut problems = walk(file, text, |section, key, value| {
            match section {
                "board" if key == "models" => models = texts(value)?,
                "display" => display.get_or_insert_default().set(drivers, key, value)?,
                "button" => button.get_or_insert_default().set(key, value)?,
                "led" => led.get_or_insert_default().set(key, value)?,
                _ => {
                    return Err(Wrong::from(
                        "no such key; known are board.models and the sections [display], [button] and [led]",
                    ));
                }
            }
            Ok(())
        });
        // Only then is it worth a word what is missing, or does not fit together.
        let mut board = Self {
            name: name.to_owned(),
            models,
            display: None,
            button,
            led,
        };
        if problems.is_empty() {
            let wrong = |what: &str| Problem {
                file: file.to_owned(),
                line: None,
                what: what.to_owned(),
            };
            let lacking = display.as_ref().and_then(|keys| keys.lacks(drivers));
            match (display, lacking) {
                // Where the driver is named it is known what for.
                (_, Some(what)) => {
                    problems.extend(walk(file, text, |section, key, _| match (section, key) {
                        ("display", "driver") => Err(what.clone()),
                        _ => Ok(()),
                    }))
                }
                (Some(keys), None) => match keys.finish(drivers) {
                    Ok(display) => board.display = Some(display),
                    Err(what) => problems.push(wrong(what)),
                },
                (None, None) => {}
            }
            let button = board.button.as_ref();
            problems.extend(button.and_then(Button::wrong).map(wrong));
            let led = board.led.as_ref();
            problems.extend(led.and_then(Led::missing).map(wrong));
        }
        if problems.is_empty() {
            Ok(board)
        } else {
            Err(problems)
        }
    }
}

/// The file of the source that a built-in board's text is from.
fn built_in_file(name: &str) -> PathBuf {
    match name.split_once('-') {
        None => format!("board/{name}/board.toml").into(),
        Some((board, display)) => format!("board/{board}/displays/{display}.toml").into(),
    }
}
