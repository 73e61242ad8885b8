//! An I2C bus with one device on it, and what can go wrong on it.

/// A device on an I2C bus.
pub trait Device {
    /// Takes the bytes of one write.
    fn write(&mut self, bytes: &[u8]);

    /// Fills the bytes of one read.
    fn read(&mut self, bytes: &mut [u8]);

    /// Its power went and came back.
    fn lose_power(&mut self);
}

/// What is wrong with the display's wires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Nothing acknowledges the address.
    Absent,
    /// The clock is held low: no transfer ends.
    Wedged,
}

/// Why a transfer did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody acknowledged the address.
    NoAcknowledge,
    /// The bus hangs.
    Hangs,
}

impl Refusal {
    /// What is said of it.
    fn text(self) -> &'static str {
        match self {
            Refusal::NoAcknowledge => "nothing acknowledges the address",
            Refusal::Hangs => "the bus hangs",
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

impl embedded_hal::i2c::Error for Refusal {
    fn kind(&self) -> embedded_hal::i2c::ErrorKind {
        use embedded_hal::i2c::{ErrorKind, NoAcknowledgeSource};
        match self {
            Refusal::NoAcknowledge => ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address),
            Refusal::Hangs => ErrorKind::Other,
        }
    }
}

/// The wires between a bus master and the device.
#[derive(Clone, Debug)]
pub struct Bus<D> {
    address: u8,
    fault: Fault,
    /// What hangs on it.
    pub device: D,
}

impl<D: Device> Bus<D> {
    /// A bus with a device at a 7-bit address.
    pub fn new(address: u8, device: D) -> Self {
        Self {
            address,
            fault: Fault::None,
            device,
        }
    }

    /// Breaks the wires, or mends them. A device that was absent had no power.
    pub fn set(&mut self, fault: Fault) {
        if fault == Fault::Absent {
            self.device.lose_power();
        }
        self.fault = fault;
    }

    /// One write.
    ///
    /// # Errors
    /// When nobody takes it.
    pub fn write(&mut self, address: u8, bytes: &[u8]) -> Result<(), Refusal> {
        self.answering(address)?.write(bytes);
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

    fn answering(&mut self, address: u8) -> Result<&mut D, Refusal> {
        match self.fault {
            Fault::Wedged => Err(Refusal::Hangs),
            Fault::None if address == self.address => Ok(&mut self.device),
            Fault::None | Fault::Absent => Err(Refusal::NoAcknowledge),
        }
    }
}
