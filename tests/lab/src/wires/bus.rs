//! An I2C bus with a display on it, and what can go wrong on it.

use std::fmt;

use holdfast::panel::Frame;

/// A display controller with its glass. Every one of them takes commands and data, and tells a status byte.
pub trait Chip: fmt::Debug + Send {
    /// Takes one byte of a command.
    fn command(&mut self, byte: u8);

    /// Takes one byte for its memory.
    fn data(&mut self, byte: u8);

    /// Tells its status.
    fn status(&self) -> u8;

    /// Tells whether it says on its busy line, which is looked at, that it is busy. Most have none.
    fn busy(&mut self) -> bool {
        false
    }

    /// Its reset line is low. To most that is as if they had lost their power.
    fn reset(&mut self) {
        self.lose_power();
    }

    /// Loses its power, and gets it back: the registers are reset, the memory is full of noise.
    fn lose_power(&mut self);

    /// Shows its glass: nothing while it is off.
    fn picture(&self) -> Frame;

    /// Tells whether nothing is seen on its glass.
    fn is_dark(&self) -> bool;

    /// Shows every picture that it holds: on its glass, and in its memories. An OLED has one.
    fn held(&self) -> Vec<Frame> {
        vec![self.picture()]
    }

    /// Shows every picture that was on its glass and left a trace there: those since paper was driven as a whole.
    fn left(&self) -> Vec<Frame> {
        Vec::new()
    }

    /// Tells whether it was drawn on: something is seen, and it is no noise.
    fn is_drawn(&self) -> bool;

    /// Bytes that began no command it knows, or that it did not hear: it slept, or was busy.
    fn unknown(&self) -> &[u8];

    /// Takes one I2C write. Each control byte says what follows: one byte or all the rest, commands or data (SSD1306
    /// datasheet, 8.1.5.2).
    fn write(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let [control, following @ ..] = rest {
            let only_one = control & 0x80 != 0;
            let (taken, left) = following.split_at(if only_one {
                following.len().min(1)
            } else {
                following.len()
            });
            for &byte in taken {
                if control & 0x40 == 0 {
                    self.command(byte);
                } else {
                    self.data(byte);
                }
            }
            rest = left;
        }
    }

    /// Answers one I2C read: its status, again and again.
    fn read(&mut self, bytes: &mut [u8]) {
        bytes.fill(self.status());
    }
}

/// A fault of the display's wires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Nothing acknowledges the address.
    Absent,
    /// The clock is held low: no transfer ends.
    Wedged,
    /// Each write breaks off in its middle.
    Short,
}

/// Why a transfer did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody acknowledged the address.
    NoAcknowledge,
    /// The bus hangs.
    Hangs,
    /// The transfer broke off.
    Broken,
}

impl Refusal {
    /// Its text for a human.
    fn text(self) -> &'static str {
        match self {
            Refusal::NoAcknowledge => "nothing acknowledges the address",
            Refusal::Hangs => "the bus hangs",
            Refusal::Broken => "the transfer broke off",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// The wires between a bus master and the display.
#[derive(Debug)]
pub struct Bus {
    address: u8,
    fault: Fault,
    /// The display on it.
    pub chip: Box<dyn Chip>,
}

impl Bus {
    /// A bus with a display at a 7-bit address.
    pub fn new(address: u8, chip: Box<dyn Chip>) -> Self {
        Self {
            address,
            fault: Fault::None,
            chip,
        }
    }

    /// Breaks the wires, or mends them. A display that was absent had no power.
    pub fn set(&mut self, fault: Fault) {
        if fault == Fault::Absent {
            self.chip.lose_power();
        }
        self.fault = fault;
    }

    /// One write.
    ///
    /// # Errors
    /// When nobody takes it.
    pub fn write(&mut self, address: u8, bytes: &[u8]) -> Result<(), Refusal> {
        let short = self.fault == Fault::Short;
        let chip = self.answering(address)?;
        if short {
            chip.write(&bytes[..bytes.len() / 2]);
            return Err(Refusal::Broken);
        }
        chip.write(bytes);
        Ok(())
    }

    /// One read.
    ///
    /// # Errors
    /// When nobody answers.
    pub fn read(&mut self, address: u8, bytes: &mut [u8]) -> Result<(), Refusal> {
        self.answering(address)?.read(bytes);
        Ok(())
    }

    fn answering(&mut self, address: u8) -> Result<&mut dyn Chip, Refusal> {
        match self.fault {
            Fault::Wedged => Err(Refusal::Hangs),
            Fault::None | Fault::Short if address == self.address => Ok(&mut *self.chip),
            Fault::None | Fault::Short | Fault::Absent => Err(Refusal::NoAcknowledge),
        }
    }
}
