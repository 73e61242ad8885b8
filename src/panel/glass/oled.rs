//! An OLED controller on its wires, I2C or SPI: commands, data, and the status byte that tells whether it still has its power.

use std::{thread, time::Duration};

use crate::wires::{Display, DisplayBus, I2cPort, OutputPort, SpiPort, WireError, Wires};

/// In the status byte: the display is off, as it is after its power came back (SSD1306 datasheet, 8.2 "status read"; its kin have
/// the same).
const OFF: u8 = 0x40;
/// A command that does nothing (SSD1306 datasheet, table 9-1).
const NOTHING: u8 = 0xe3;
/// Before commands, in one I2C write (8.1.5.2).
const COMMANDS: u8 = 0x00;
/// Before data, in one I2C write.
const DATA: u8 = 0x40;
/// Bytes of data in one I2C write: every adapter takes so many.
const PIECE: usize = 32;
/// Length of a reset, and of the wait until the controller listens (8.9: microseconds).
const RESET: Duration = Duration::from_millis(1);

/// The way to a controller.
pub(super) struct Oled {
    bus: Bus,
    /// Held high as long as this is open.
    _reset: Option<OutputPort>,
    /// Its status can be read. SPI modules and some clones cannot be read from; the clones are only asked to acknowledge.
    tells_power: bool,
}

enum Bus {
    I2c { port: I2cPort, address: u8 },
    Spi { port: SpiPort, data: OutputPort },
}

impl Oled {
    /// Opens a display's wires. One with a reset line is reset, unless it says that it is on: then it shows a picture.
    pub(super) fn open(wires: &dyn Wires, display: &Display) -> Result<Self, WireError> {
        let mut bus = match &display.bus {
            DisplayBus::I2c(bus) => Bus::I2c {
                port: wires.i2c(bus)?,
                address: bus.address,
            },
            DisplayBus::Spi(bus) => Bus::Spi {
                port: wires.spi(bus)?,
                data: wires.output(&bus.data_command, false)?,
            },
        };
        let mut reset = None;
        if !display.reset.is_empty() {
            let line = reset.insert(wires.output(&display.reset, true)?);
            if !bus.is_on().unwrap_or(false) {
                line.set_low()?;
                thread::sleep(RESET);
                line.set_high()?;
                thread::sleep(RESET);
            }
        }
        Ok(Self {
            bus,
            _reset: reset,
            tells_power: false,
        })
    }

    /// Sends commands with their arguments.
    pub(super) fn command(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        match &mut self.bus {
            Bus::I2c { port, address } => port.write(*address, &[&[COMMANDS], bytes].concat()),
            Bus::Spi { port, data } => {
                data.set_low()?;
                port.write(bytes)
            }
        }
    }

    /// Sends bytes for the controller's memory.
    pub(super) fn data(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        match &mut self.bus {
            Bus::I2c { port, address } => bytes
                .chunks(PIECE)
                .try_for_each(|piece| port.write(*address, &[&[DATA], piece].concat())),
            Bus::Spi { port, data } => {
                data.set_high()?;
                port.write(bytes)
            }
        }
    }

    /// Finds out whether the status can be read; call it once the display is on.
    pub(super) fn ask_power(&mut self) {
        self.tells_power = self.bus.is_on().unwrap_or(false);
    }

    /// Fails when the controller is gone, or was without power.
    pub(super) fn check(&mut self) -> Result<(), WireError> {
        if !self.tells_power {
            return self.command(&[NOTHING]);
        }
        if self.bus.is_on()? {
            Ok(())
        } else {
            Err(WireError::Transfer("the display lost its power".into()))
        }
    }
}

impl Bus {
    /// Asks whether the display is on. On SPI none does: there is no wire for it.
    fn is_on(&mut self) -> Result<bool, WireError> {
        let Self::I2c { port, address } = self else {
            return Ok(false);
        };
        let mut status = [0];
        port.read(*address, &mut status)?;
        Ok(status[0] & OFF == 0)
    }
}
