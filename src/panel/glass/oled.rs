//! An OLED controller on its bus: commands, data, and the status byte that tells whether it still has its power.

use crate::wires::{Display, I2cPort, WireError, Wires};

/// In the status byte: the display is off, as it is after its power came back (SSD1306 datasheet, 8.2 "status read"; SH1106
/// datasheet, command 13).
const OFF: u8 = 0x40;
/// A command that does nothing (SSD1306 datasheet, table 9-1).
const NOTHING: u8 = 0xe3;
/// Before commands, in one I2C write (8.1.5.2).
const COMMANDS: u8 = 0x00;
/// Before data, in one I2C write.
const DATA: u8 = 0x40;
/// Bytes of data in one I2C write: every adapter takes so many.
const PIECE: usize = 32;

/// The way to a controller.
pub(super) struct Oled {
    bus: I2cPort,
    address: u8,
    /// Its status can be read. Some clones cannot be read from; those are only asked to acknowledge.
    tells_power: bool,
}

impl Oled {
    pub(super) fn open(wires: &dyn Wires, display: &Display) -> Result<Self, WireError> {
        Ok(Self {
            bus: wires.i2c(&display.buses)?,
            address: display.address,
            tells_power: false,
        })
    }

    /// Sends one command with its arguments.
    pub(super) fn command(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        self.bus.write(self.address, &[&[COMMANDS], bytes].concat())
    }

    /// Sends bytes for the controller's memory.
    pub(super) fn data(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        bytes
            .chunks(PIECE)
            .try_for_each(|piece| self.bus.write(self.address, &[&[DATA], piece].concat()))
    }

    /// Finds out whether the status can be read; call it once the display is on.
    pub(super) fn is_set_up(&mut self) {
        self.tells_power = self.is_on().unwrap_or(false);
    }

    /// Fails when the controller is gone, or was without power.
    pub(super) fn check(&mut self) -> Result<(), WireError> {
        if !self.tells_power {
            return self.command(&[NOTHING]);
        }
        if self.is_on()? {
            Ok(())
        } else {
            Err(WireError::Transfer("the display lost its power".into()))
        }
    }

    fn is_on(&mut self) -> Result<bool, WireError> {
        let mut status = [0];
        self.bus.read(self.address, &mut status)?;
        Ok(status[0] & OFF == 0)
    }
}
