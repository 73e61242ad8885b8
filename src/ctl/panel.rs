//! `panel probe`: what answers on the buses, and what to write of it.

use std::fmt;

use clap::Subcommand;
use serde::Serialize;

use super::{Error, Output};
use crate::{
    panel::glass::Told,
    wires::probe::{self, Asked},
};

/// The I2C address of most displays, and of those that a board's name means.
const USUAL: u8 = 0x3c;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Tell what answers on this machine's buses, and the lines to write. Needs no daemon, and harms none; needs access to the buses.
    Probe,
}

/// All that was found.
#[derive(Serialize)]
struct Probed {
    i2c: Vec<Bus>,
    spi: Vec<Device>,
}

#[derive(Serialize)]
struct Bus {
    file: String,
    name: String,
    displays: Vec<Display>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// A display that answered.
#[derive(Serialize)]
struct Display {
    address: u8,
    status: u8,
    /// Its controller; `None` where it does not tell.
    driver: Option<&'static str>,
}

/// A device on SPI, where nothing answers.
#[derive(Serialize)]
struct Device {
    file: String,
    name: String,
}

/// Looks, and says what is there.
pub(super) fn run(command: &Command, output: &Output) -> Result<(), Error> {
    let Command::Probe = command;
    let devices = probe::unheard().into_iter();
    Ok(output.say(&Probed {
        i2c: probe::ask().into_iter().map(Bus::from).collect(),
        spi: devices.map(|(file, name)| Device { file, name }).collect(),
    })?)
}

impl From<Asked> for Bus {
    fn from(asked: Asked) -> Self {
        let (answers, error) = match asked.answers {
            Ok(answers) => (answers, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        let display = |(address, status)| Display {
            address,
            status,
            driver: match Told::by(status) {
                Told::Sh1106 => Some("sh1106"),
                Told::Ssd1306 => Some("ssd1306"),
                Told::Nothing => None,
            },
        };
        Self {
            file: asked.file,
            name: asked.name,
            displays: answers.into_iter().map(display).collect(),
            error,
        }
    }
}

impl fmt::Display for Probed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.i2c.is_empty() {
            f.write_str("No I2C bus: is I2C switched on for this board, and the kernel module i2c-dev loaded?")?;
        }
        for (at, bus) in self.i2c.iter().enumerate() {
            let line = if at == 0 { "" } else { "\n" };
            write!(f, "{line}{bus}")?;
        }
        match &self.spi[..] {
            [] => f.write_str("\nNo SPI device: without an overlay that brings a spidev there is none."),
            devices => devices.iter().try_for_each(|device| {
                let Device { file, name } = device;
                write!(f, "\n{file} ({name}): no display tells what it is here; docs/hardware.md has the line for each")
            }),
        }
    }
}

impl fmt::Display for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, name, .. } = self;
        write!(f, "{file} ({name}): ")?;
        match (&self.error, &self.displays[..]) {
            (Some(error), _) => write!(f, "not asked: {error}"),
            (None, []) => f.write_str("nothing answers where displays are (0x3c, 0x3d)"),
            (None, displays) => displays.iter().enumerate().try_for_each(|(at, display)| {
                let between = if at == 0 { "" } else { "; " };
                write!(f, "{between}{display}")?;
                write!(
                    f,
                    "\n    [display]\n    driver = \"{}\"",
                    display.driver.unwrap_or("ssd1306")
                )?;
                write!(
                    f,
                    "\n    bus = [\"{name}\"]\n    address = {:#04x}",
                    display.address
                )
            }),
        }
    }
}

impl fmt::Display for Display {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            address, status, ..
        } = self;
        write!(f, "at {address:#04x} ")?;
        // Those lines are of displays at the usual address.
        let is_usual = *address == USUAL;
        match self.driver {
            Some("sh1106") if is_usual => f.write_str("an SH1106. On a Raspberry Pi: board = \"raspberrypi-sh1106\""),
            Some(_) if is_usual => f.write_str("an SSD1306, or an SSD1309, which tells the same. On a Raspberry Pi: board = \"raspberrypi\", or \"raspberrypi-ssd1309\""),
            Some("sh1106") => f.write_str("an SH1106, for a board description of your own with these lines"),
            Some(_) => f.write_str("an SSD1306, or an SSD1309, which tells the same, for a board description of your own with these lines"),
            None => write!(f, "something that does not tell what it is (status {status:#04x}): an SH1107 if it is square, else try the drivers ssd1306 and sh1106 in turn"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(answers: &[(u8, u8)]) -> String {
        let asked = Asked {
            file: "/dev/i2c-1".into(),
            name: "i2c@7e804000".into(),
            answers: Ok(answers.to_vec()),
        };
        let device = Device {
            file: "/dev/spidev0.0".into(),
            name: "spi@7e204000".into(),
        };
        Probed {
            i2c: vec![asked.into()],
            spi: vec![device],
        }
        .to_string()
    }

    #[test]
    fn what_answers_is_named_with_the_lines_to_write_and_what_is_not_known_is_said() {
        insta::assert_snapshot!(said(&[(0x3c, 0x48)]), @r#"
        /dev/i2c-1 (i2c@7e804000): at 0x3c an SH1106. On a Raspberry Pi: board = "raspberrypi-sh1106"
            [display]
            driver = "sh1106"
            bus = ["i2c@7e804000"]
            address = 0x3c
        /dev/spidev0.0 (spi@7e204000): no display tells what it is here; docs/hardware.md has the line for each
        "#);
        insta::assert_snapshot!(said(&[(0x3d, 0x43)]), @r#"
        /dev/i2c-1 (i2c@7e804000): at 0x3d an SSD1306, or an SSD1309, which tells the same, for a board description of your own with these lines
            [display]
            driver = "ssd1306"
            bus = ["i2c@7e804000"]
            address = 0x3d
        /dev/spidev0.0 (spi@7e204000): no display tells what it is here; docs/hardware.md has the line for each
        "#);
        insta::assert_snapshot!(said(&[(0x3c, 0x07)]), @r#"
        /dev/i2c-1 (i2c@7e804000): at 0x3c something that does not tell what it is (status 0x07): an SH1107 if it is square, else try the drivers ssd1306 and sh1106 in turn
            [display]
            driver = "ssd1306"
            bus = ["i2c@7e804000"]
            address = 0x3c
        /dev/spidev0.0 (spi@7e204000): no display tells what it is here; docs/hardware.md has the line for each
        "#);
        insta::assert_snapshot!(said(&[]), @r#"
        /dev/i2c-1 (i2c@7e804000): nothing answers where displays are (0x3c, 0x3d)
        /dev/spidev0.0 (spi@7e204000): no display tells what it is here; docs/hardware.md has the line for each
        "#);
    }
}
