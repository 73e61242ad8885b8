//! Ports for crates that want to own theirs: embedded-hal has its traits for references, and not for boxes.

use embedded_hal::{
    digital::{self, OutputPin},
    spi::{self, Operation, SpiDevice},
};

use crate::wires::{OutputPort, SpiPort, WireError};

/// A port of its own.
pub(super) struct Owned<P>(pub(super) P);

impl spi::ErrorType for Owned<SpiPort> {
    type Error = WireError;
}

impl SpiDevice for Owned<SpiPort> {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), WireError> {
        self.0.transaction(operations)
    }
}

impl digital::ErrorType for Owned<OutputPort> {
    type Error = WireError;
}

impl OutputPin for Owned<OutputPort> {
    fn set_low(&mut self) -> Result<(), WireError> {
        self.0.set_low()
    }

    fn set_high(&mut self) -> Result<(), WireError> {
        self.0.set_high()
    }
}
