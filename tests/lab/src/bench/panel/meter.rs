//! Wires that only count: a display that takes everything, and says that it is busy each time it is asked first.

use std::sync::Arc;

use embedded_hal::digital::{self, InputPin, OutputPin};
use embedded_hal::i2c::{self, I2c};
use embedded_hal::spi::{self, SpiDevice};
use holdfast::wires::{
    Button, I2cBus, I2cPort, InputPort, Line, LineName, OutputPort, SpiBus, SpiPort, WireError,
    Wires,
};
use parking_lot::Mutex;

/// What went over the wires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// With what an I2C bus adds: addresses.
    pub(super) bytes: u64,
    /// Clocks of the bus that they took.
    pub(super) clocks: u64,
}

/// The wires. Cheap to clone: all are the same ones.
#[derive(Clone, Default)]
pub(super) struct Meter {
    counted: Arc<Mutex<Counted>>,
    busy: bool,
}

impl Meter {
    /// What went over them since this was asked last.
    pub(super) fn take(&self) -> Counted {
        std::mem::take(&mut self.counted.lock())
    }

    fn count(&self, bytes: usize, clocks: usize) {
        let mut counted = self.counted.lock();
        counted.bytes += bytes as u64;
        counted.clocks += clocks as u64;
    }
}

impl i2c::ErrorType for Meter {
    type Error = WireError;
}

/// Every byte has an acknowledgement, and each transfer an address; a start, and a stop at the end, take a clock each (UM10204, 3.1).
impl I2c for Meter {
    fn transaction(
        &mut self,
        _: u8,
        operations: &mut [i2c::Operation<'_>],
    ) -> Result<(), WireError> {
        for operation in &mut *operations {
            let bytes = 1 + match operation {
                i2c::Operation::Write(bytes) => bytes.len(),
                // Zeros are the status of a display that is on.
                i2c::Operation::Read(bytes) => {
                    bytes.fill(0);
                    bytes.len()
                }
            };
            self.count(bytes, bytes * 9 + 1);
        }
        self.count(0, 1);
        Ok(())
    }
}

impl spi::ErrorType for Meter {
    type Error = WireError;
}

impl SpiDevice for Meter {
    fn transaction(&mut self, operations: &mut [spi::Operation<'_, u8>]) -> Result<(), WireError> {
        for operation in operations {
            if let spi::Operation::Write(bytes) = operation {
                self.count(bytes.len(), bytes.len() * 8);
            }
        }
        Ok(())
    }
}

impl digital::ErrorType for Meter {
    type Error = WireError;
}

impl OutputPin for Meter {
    fn set_low(&mut self) -> Result<(), WireError> {
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), WireError> {
        Ok(())
    }
}

impl InputPin for Meter {
    fn is_high(&mut self) -> Result<bool, WireError> {
        self.busy = !self.busy;
        Ok(self.busy)
    }

    fn is_low(&mut self) -> Result<bool, WireError> {
        self.is_high().map(|high| !high)
    }
}

impl Wires for Meter {
    fn i2c(&self, _: &I2cBus) -> Result<I2cPort, WireError> {
        Ok(Box::new(self.clone()))
    }

    fn spi(&self, _: &SpiBus) -> Result<SpiPort, WireError> {
        Ok(Box::new(self.clone()))
    }

    fn output(&self, _: &[LineName], _: bool) -> Result<OutputPort, WireError> {
        Ok(Box::new(self.clone()))
    }

    fn input(&self, _: &[LineName]) -> Result<InputPort, WireError> {
        Ok(Box::new(self.clone()))
    }

    fn button(&self, button: &Button) -> Result<Box<dyn Line>, WireError> {
        Err(WireError::NoLine(format!("{:?}", button.lines)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_takes_nine_clocks_on_i2c_with_its_address_and_eight_on_spi() {
        let mut meter = Meter::default();
        I2c::write(&mut meter, 0x3c, &[0; 3]).unwrap();
        let i2c = Counted {
            bytes: 4,
            clocks: 38,
        };
        assert_eq!(meter.take(), i2c);
        SpiDevice::write(&mut meter, &[0; 3]).unwrap();
        let spi = Counted {
            bytes: 3,
            clocks: 24,
        };
        assert_eq!((meter.take(), meter.take()), (spi, Counted::default()));
    }
}
