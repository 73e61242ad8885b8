//! Each display that is driven, on each bus that it may be on: its driver on simulated wires, its emulated controller behind them.

use std::fmt;

use holdfast::panel::glass::{self, Glass};
use holdfast::panel::{Format, Frame};
use holdfast::wires::{Description, Display, Driver, Wire, WireError, Wires};

use super::{
    ADDRESS, display,
    simulated::{SPI, Simulated},
};

/// A display on a bus.
#[derive(Clone)]
pub struct Board {
    /// As a board description names it.
    pub display: Display,
    /// Size, depth and pitch of its pictures.
    pub format: Format,
    /// On SPI, and not on I2C.
    pub spi: bool,
}

impl fmt::Display for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bus = if self.spi { "SPI" } else { "I2C" };
        let turned = if self.display.upside_down {
            ", turned"
        } else {
            ""
        };
        write!(f, "{} on {bus}{turned}", self.display.driver)
    }
}

/// Each display that is driven, on each bus that it may be on.
pub fn boards() -> Vec<Board> {
    let drivers = glass::drivers();
    let board = |driver: &Driver, wires: &str| {
        let text = format!("[display]\ndriver = \"{}\"\n{wires}\n", driver.name);
        let board = Description::parse("lab", &drivers, "lab.toml".as_ref(), &text);
        let display = board.expect("it is complete").display.expect("it has one");
        Board {
            format: glass::format(&display),
            spi: wires == SPI,
            display,
        }
    };
    drivers
        .iter()
        .flat_map(|driver| {
            let i2c = (!driver.needs.contains(&Wire::Spi)).then_some("bus = [\"simulated\"]");
            i2c.into_iter()
                .chain([SPI])
                .map(|wires| board(driver, wires))
        })
        .collect()
}

impl Board {
    /// The same one, mounted upside down or not.
    pub fn turned(&self, upside_down: bool) -> Self {
        let mut turned = self.clone();
        turned.display.upside_down = upside_down;
        turned
    }

    /// It keeps its picture without power.
    pub fn is_paper(&self) -> bool {
        glass::facts(&self.display).is_some_and(|facts| facts.keeps)
    }

    /// New wires, with the emulated display on them.
    pub fn wires(&self) -> Simulated {
        let chip = display(&self.display.driver).expect("each display that is driven is emulated");
        Simulated::new(ADDRESS, chip)
    }

    /// Has its driver set it up.
    ///
    /// # Errors
    /// What the driver says.
    pub fn open(&self, wires: &dyn Wires) -> Result<Box<dyn Glass<Error = WireError>>, String> {
        glass::open(wires, &self.display).map_err(|error| error.to_string())
    }

    /// What was drawn as the emulated glass has it, which is never turned itself.
    pub fn wanted(&self, drawn: &Frame) -> Frame {
        if !self.display.upside_down {
            return drawn.clone();
        }
        let Format { width, height, .. } = self.format;
        Frame::of_levels(self.format, |x, y| {
            drawn.level(width - 1 - x, height - 1 - y)
        })
    }
}
