//! The section `[display]`.

use std::fmt;

use toml::de::DeValue;

use super::{
    LineName,
    value::{Wrong, lines, number, texts},
};

/// The address of most displays on I2C.
const ADDRESS: u8 = 0x3c;
/// A clock every SPI display of ours takes, with wires as long as a hand.
const CLOCK_HZ: u32 = 4_000_000;

/// A driver of displays, as far as a description has to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Driver {
    /// Its name in a description.
    pub name: &'static str,
    /// The wires without which its display does nothing.
    pub needs: &'static [Wire],
}

/// A wire of a display that not every display has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// An SPI bus, not an I2C one.
    Spi,
    /// The line that resets it.
    Reset,
    /// The line on which it says that it is busy.
    Busy,
}

/// A display: its driver and its wires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Display {
    /// The driver's name.
    pub driver: String,
    /// The bus it is on.
    pub bus: DisplayBus,
    /// The line that resets it while it is low, the first whose chip is there counts; empty where it has none.
    pub reset: Vec<LineName>,
    /// The line on which it says that it is busy, the first whose chip is there counts; empty where it has none.
    pub busy: Vec<LineName>,
    /// The line that gives it its supply while it is high, the first whose chip is there counts; empty where it always has it.
    pub power: Vec<LineName>,
    /// The line that lights it from behind while it is high, the first whose chip is there counts; empty where it has none.
    pub backlight: Vec<LineName>,
    /// It is mounted the wrong way up.
    pub upside_down: bool,
}

/// The bus of a display.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DisplayBus {
    /// Two wires and an address.
    I2c(I2cBus),
    /// A clock, data, a chip select, and a line that tells data from commands.
    Spi(SpiBus),
}

/// An address on an I2C bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct I2cBus {
    /// Ways to find the bus, the first that fits counts: its device file, or a part of its adapter's name or of its
    /// device-tree node's. Numbers of buses are not stable.
    pub buses: Vec<String>,
    /// On the bus, 7 bits.
    pub address: u8,
}

/// A chip select of an SPI bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpiBus {
    /// Ways to find the bus, the first that fits counts: its device file, or a part of its device-tree node's name.
    pub buses: Vec<String>,
    /// The number of the bus' chip select, as the kernel counts them. A GPIO line as chip select is the device tree's
    /// business (`cs-gpios`).
    pub chip_select: u8,
    /// The fastest clock, Hz.
    pub clock_hz: u32,
    /// The line that is high with data and low with commands, the first whose chip is there counts; never empty.
    pub data_command: Vec<LineName>,
}

impl fmt::Display for Display {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.driver.to_uppercase();
        match &self.bus {
            DisplayBus::I2c(bus) => write!(f, "{name} at {:#04x}", bus.address),
            DisplayBus::Spi(_) => write!(f, "{name} on SPI"),
        }
    }
}

/// The keys of the section, as far as they are there.
#[derive(Default)]
pub(super) struct Keys {
    driver: Option<String>,
    i2c: Option<Vec<String>>,
    address: Option<u8>,
    spi: Option<Vec<String>>,
    chip_select: Option<u8>,
    clock_hz: Option<u32>,
    data_command: Option<Vec<LineName>>,
    reset: Vec<LineName>,
    busy: Vec<LineName>,
    power: Vec<LineName>,
    backlight: Vec<LineName>,
    upside_down: bool,
}

impl Keys {
    pub(super) fn set(
        &mut self,
        drivers: &[Driver],
        key: &str,
        value: &DeValue<'_>,
    ) -> Result<(), Wrong> {
        match key {
            "driver" => {
                let names: Vec<&str> = drivers.iter().map(|driver| driver.name).collect();
                let known = value.as_str().filter(|name| names.contains(name));
                let unknown = || format!("must be one of \"{}\"", names.join("\", \""));
                self.driver = Some(known.ok_or_else(unknown)?.to_owned());
            }
            "bus" => self.i2c = Some(texts(value)?),
            "address" => {
                let address = number(value).and_then(|address| u8::try_from(address).ok());
                // The others are reserved (I2C specification UM10204, 3.1.12).
                let address = address.filter(|address| (0x08..=0x77).contains(address));
                let wanted = "must be a 7-bit I2C address from 0x08 to 0x77, such as 0x3c";
                self.address = Some(address.ok_or(wanted)?);
            }
            "spi" => self.spi = Some(texts(value)?),
            "chip_select" => {
                let number = number(value).and_then(|number| u8::try_from(number).ok());
                let wanted = "must be the number of a chip select, such as 0";
                self.chip_select = Some(number.ok_or(wanted)?);
            }
            "clock_hz" => {
                let clock = number(value).filter(|hz| (10_000..=50_000_000).contains(hz));
                let wanted = "must be a number of Hz from 10000 to 50000000";
                self.clock_hz = Some(clock.ok_or(wanted)?);
            }
            "data_command" => self.data_command = Some(lines(value)?),
            "reset" => self.reset = lines(value)?,
            "busy" => self.busy = lines(value)?,
            "power" => self.power = lines(value)?,
            "backlight" => self.backlight = lines(value)?,
            "rotation" => {
                self.upside_down = match number(value) {
                    Some(0) => false,
                    Some(180) => true,
                    _ => return Err("must be 0 or 180 degrees".into()),
                };
            }
            _ => {
                return Err(
                    "no such key; known are driver, bus, address, spi, chip_select, clock_hz, data_command, reset, busy, power, backlight, rotation"
                        .into(),
                );
            }
        }
        Ok(())
    }

    /// Tells what the driver that is named does not find among the wires; `None` where there is nothing to say of it.
    pub(super) fn lacks(&self, drivers: &[Driver]) -> Option<String> {
        let name = self.driver.as_deref()?;
        let driver = drivers.iter().find(|driver| driver.name == name)?;
        let lacking = driver.needs.iter().find_map(|wire| match wire {
            Wire::Spi if self.spi.is_none() => Some(
                "is on SPI; add spi and data_command, such as spi = [\"spi@7e204000\"] and data_command = [\"pinctrl-bcm2835:25\"], in the \
                 place of bus",
            ),
            Wire::Reset if self.reset.is_empty() => {
                Some("is reset by a line; add it, such as reset = [\"pinctrl-bcm2835:17\"]")
            }
            Wire::Busy if self.busy.is_empty() => {
                Some("says on a line that it is busy; add it, such as busy = [\"pinctrl-bcm2835:24\"]")
            }
            _ => None,
        });
        lacking.map(|lacking| format!("`{name}` {lacking}"))
    }

    /// Puts the keys together; the first of `drivers` is meant where none is named.
    ///
    /// # Errors
    /// When they do not describe a display.
    pub(super) fn finish(self, drivers: &[Driver]) -> Result<Display, &'static str> {
        let on_spi =
            self.chip_select.is_some() || self.clock_hz.is_some() || self.data_command.is_some();
        let bus = match (self.i2c, self.spi) {
            (None, None) => {
                return Err("display.bus or display.spi is missing: which I2C or SPI bus the display is on");
            }
            (Some(_), Some(_)) => {
                return Err("display.bus and display.spi: a display is on one bus; remove the other");
            }
            (Some(_), None) if on_spi => {
                return Err("display.chip_select, clock_hz and data_command are for display.spi, not for display.bus, which is I2C; remove them");
            }
            (None, Some(_)) if self.address.is_some() => {
                return Err("display.address is for display.bus, which is I2C, not for display.spi; remove it");
            }
            (Some(buses), None) => DisplayBus::I2c(I2cBus {
                buses,
                address: self.address.unwrap_or(ADDRESS),
            }),
            (None, Some(buses)) => DisplayBus::Spi(SpiBus {
                buses,
                chip_select: self.chip_select.unwrap_or_default(),
                clock_hz: self.clock_hz.unwrap_or(CLOCK_HZ),
                data_command: self.data_command.ok_or(
                    "display.data_command is missing: which GPIO line tells an SPI display data from commands",
                )?,
            }),
        };
        let first = || {
            drivers
                .first()
                .map_or_else(String::new, |driver| driver.name.to_owned())
        };
        Ok(Display {
            driver: self.driver.unwrap_or_else(first),
            bus,
            reset: self.reset,
            busy: self.busy,
            power: self.power,
            backlight: self.backlight,
            upside_down: self.upside_down,
        })
    }
}
