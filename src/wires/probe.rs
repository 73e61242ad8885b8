//! What answers on the buses, for an operator who wonders what is plugged in.

use std::path::Path;

use embedded_hal::i2c::I2c;

use super::{WireError, i2c, spi};

/// The addresses that displays come with.
const ADDRESSES: [u8; 2] = [0x3c, 0x3d];

/// An I2C bus, and what answers on it where displays are.
#[derive(Debug)]
pub struct Asked {
    /// Its device file.
    pub file: String,
    /// A name by which a board description finds it.
    pub name: String,
    /// Addresses that answered, each with the status byte.
    pub answers: Result<Vec<(u8, u8)>, WireError>,
}

/// Asks each I2C bus of the machine. It may be in use: what is asked comes between two transfers and changes nothing.
pub fn ask() -> Vec<Asked> {
    let buses = i2c::listed().into_iter();
    buses
        .map(|bus| Asked {
            answers: i2c::beside(Path::new(&bus.file)).map(|mut port| answers(&mut port)),
            name: bus.lasting_name(),
            file: bus.file,
        })
        .collect()
}

/// Lists the SPI devices that a display may be on: device file, and a name by which a board description finds the bus. None of them
/// answers anything.
pub fn unheard() -> Vec<(String, String)> {
    let devices = spi::listed().into_iter();
    devices
        .map(|device| (device.file.clone(), device.lasting_name()))
        .collect()
}

/// Asks for a status byte at each address of displays.
pub fn answers(port: &mut impl I2c) -> Vec<(u8, u8)> {
    let mut answer = |address| {
        let mut status = [0];
        // Whatever fails, nothing answers there.
        port.read(address, &mut status).ok()?;
        Some((address, status[0]))
    };
    ADDRESSES.into_iter().filter_map(&mut answer).collect()
}
