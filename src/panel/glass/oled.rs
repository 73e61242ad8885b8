//! An OLED controller on its wires, I2C or SPI: commands, data, and the status byte that tells whether it still has its power.

use std::{thread, time::Duration};

use crate::wires::{Display, DisplayBus, I2cPort, OutputPort, SpiPort, WireError, Wires};

/// In the status byte: the display is off, as it is after its power came back (SSD1306 datasheet, 8.2 "status read"; its kin have
/// the same).
const OFF: u8 = 0x40;
/// A command that does nothing (SSD1306 datasheet, table 9-1).
const NOTHING: u8 = 0xe3;
/// The command before a level of contrast.
const CONTRAST: u8 = 0x81;
/// Before commands, in one I2C write (8.1.5.2).
const COMMANDS: u8 = 0x00;
/// Before data, in one I2C write.
const DATA: u8 = 0x40;
/// Bytes of data in one I2C write: with the byte before them as many as a CP2112 takes, which is the least of the adapters that are known
/// (`hid-cp2112.c`: 61). With fewer the addresses between them would make up a tenth of the bus' time.
const PIECE: usize = 60;
/// Length of a reset, and of the wait until the controller listens (8.9: microseconds).
const RESET: Duration = Duration::from_millis(1);

/// What the low bits of a status byte tell of the controller. The datasheets leave them open; these are what chips were seen to give
/// (bitbank2's library ss_oled, `oledInit`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// An SH1106.
    Sh1106,
    /// An SSD1306.
    Ssd1306,
    /// Nothing: an SH1107 and some an SSD1306 give the same, and clones anything.
    Nothing,
}

impl Told {
    /// Reads a status byte.
    pub fn by(status: u8) -> Self {
        match status & 0x0f {
            0x08 => Self::Sh1106,
            0x03 | 0x06 => Self::Ssd1306,
            _ => Self::Nothing,
        }
    }
}

/// The way to a controller.
pub(super) struct Oled {
    bus: Bus,
    /// Held high as long as this is open.
    _reset: Option<OutputPort>,
    /// Its status can be read. SPI modules and some clones cannot be read from; the clones are only asked to acknowledge.
    tells_power: bool,
    /// What it says it is.
    pub(super) told: Told,
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
        let status = bus.status().ok();
        let mut reset = None;
        if !display.reset.is_empty() {
            let line = reset.insert(wires.output(&display.reset, true)?);
            if !status.is_some_and(is_on) {
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
            told: status.map_or(Told::Nothing, Told::by),
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

    /// Sets the contrast, which is the light of an OLED (SSD1306 datasheet, 10.1.7; its kin have the same).
    pub(super) fn contrast(&mut self, level: u8) -> Result<(), WireError> {
        self.command(&[CONTRAST, level])
    }

    /// Finds out whether the status can be read; call it once the display is on.
    pub(super) fn ask_power(&mut self) {
        self.tells_power = self.bus.status().is_ok_and(is_on);
    }

    /// Fails when the controller is gone, or was without power.
    pub(super) fn check(&mut self) -> Result<(), WireError> {
        if !self.tells_power {
            return self.command(&[NOTHING]);
        }
        if is_on(self.bus.status()?) {
            Ok(())
        } else {
            Err(WireError::Transfer("the display lost its power".into()))
        }
    }
}

impl Bus {
    /// Reads the status. On SPI there is no wire for it.
    fn status(&mut self) -> Result<u8, WireError> {
        let Self::I2c { port, address } = self else {
            return Err(WireError::Transfer("nothing comes back on SPI".into()));
        };
        let mut status = [0];
        port.read(*address, &mut status)?;
        Ok(status[0])
    }
}

fn is_on(status: u8) -> bool {
    status & OFF == 0
}
