//! Wires that make a right driver a wrong one: what it sends arrives otherwise.

use embedded_hal::{i2c, spi};
use holdfast::wires::{
    Button, I2cBus, I2cPort, InputPort, Line, LineName, OutputPort, SpiBus, SpiPort, WireError,
    Wires,
};

use crate::wires::simulated::Simulated;

/// How what is sent is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Twist {
    /// The pages of an SH1106 from the last to the first.
    Pages,
    /// Its columns one to the right.
    Columns,
    /// What is new of a part of an e-paper does not come.
    Stale,
    /// Nothing comes for the second memory of an e-paper.
    Kept,
}

/// Wires with a twist.
pub(super) struct Twisted {
    wires: Simulated,
    twist: Twist,
}

impl Twisted {
    pub(super) fn new(wires: Simulated, twist: Twist) -> Self {
        Self { wires, twist }
    }
}

impl Wires for Twisted {
    fn i2c(&self, bus: &I2cBus) -> Result<I2cPort, WireError> {
        Ok(Box::new(Port {
            port: self.wires.i2c(bus)?,
            twist: self.twist,
            command: 0,
        }))
    }

    fn spi(&self, bus: &SpiBus) -> Result<SpiPort, WireError> {
        Ok(Box::new(Port {
            port: self.wires.spi(bus)?,
            twist: self.twist,
            command: 0,
        }))
    }

    fn output(&self, lines: &[LineName], high: bool) -> Result<OutputPort, WireError> {
        self.wires.output(lines, high)
    }

    fn input(&self, lines: &[LineName]) -> Result<InputPort, WireError> {
        self.wires.input(lines)
    }

    fn button(&self, button: &Button) -> Result<Box<dyn Line>, WireError> {
        self.wires.button(button)
    }
}

/// A port with a twist.
struct Port<P> {
    port: P,
    twist: Twist,
    /// The command that was sent last to an e-paper.
    command: u8,
}

impl i2c::ErrorType for Port<I2cPort> {
    type Error = WireError;
}

impl i2c::I2c for Port<I2cPort> {
    fn transaction(
        &mut self,
        address: u8,
        operations: &mut [i2c::Operation<'_>],
    ) -> Result<(), WireError> {
        for operation in operations {
            match operation {
                i2c::Operation::Write([0x00, page @ 0xb0..=0xb7, low, high]) => {
                    let (page, low, high) = (*page, *low, *high);
                    let (page, low) = match self.twist {
                        Twist::Pages => (0xb0 | (7 - (page & 7)), low),
                        Twist::Columns => (page, (low + 1) & 0x0f),
                        Twist::Stale | Twist::Kept => (page, low),
                    };
                    self.port.write(address, &[0x00, page, low, high])?;
                }
                other => self
                    .port
                    .transaction(address, std::slice::from_mut(other))?,
            }
        }
        Ok(())
    }
}

impl spi::ErrorType for Port<SpiPort> {
    type Error = WireError;
}

/// Bytes of a whole picture of the smallest e-paper.
const WHOLE: usize = 4000;

impl spi::SpiDevice for Port<SpiPort> {
    fn transaction(&mut self, operations: &mut [spi::Operation<'_, u8>]) -> Result<(), WireError> {
        for operation in operations {
            if let spi::Operation::Write(bytes) = operation {
                let command = self.command;
                if let [byte] = **bytes {
                    self.command = byte;
                }
                let lost = match self.twist {
                    Twist::Stale => command == 0x24 && bytes.len() < WHOLE,
                    Twist::Kept => command == 0x26 && bytes.len() > 1,
                    Twist::Pages | Twist::Columns => false,
                };
                if lost {
                    continue;
                }
            }
            self.port.transaction(std::slice::from_mut(operation))?;
        }
        Ok(())
    }
}
