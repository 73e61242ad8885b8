//! SPI devices of the machine, found by what their bus is.

use std::{fs::File, path::Path};

use embedded_hal::spi::{ErrorType, Operation, SpiDevice};
use linux_embedded_hal::{
    SpidevDevice,
    spidev::{SpiModeFlags, SpidevOptions},
};

use super::{
    SpiBus, SpiPort, WireError,
    device::{Listed, find, lock, numbered},
};

/// Bytes that spidev takes in one transfer, where its parameter `bufsiz` is not another (drivers/spi/spidev.c).
const PIECE: usize = 4096;

/// The kernel's list of devices on SPI that user space may drive (Documentation/spi/spidev.rst).
const DEVICES: &str = "/sys/class/spidev";

/// An open chip select of a bus.
struct Device {
    device: SpidevDevice,
    /// Its device file, locked as long as this is open.
    _alone: File,
}

/// Opens the chip select of the first bus that fits.
pub(super) fn open(bus: &SpiBus) -> Result<SpiPort, WireError> {
    let devices = devices(Path::new(DEVICES), bus.chip_select);
    let path = find(&devices, &bus.buses).ok_or_else(|| WireError::NoSpi {
        buses: bus.buses.clone(),
        chip_select: bus.chip_select,
    })?;
    let alone = lock(&path)?;
    let failed = |error: std::io::Error| WireError::bus(&path, error);
    let mut device = SpidevDevice::open(&path).map_err(|error| WireError::bus(&path, error))?;
    let options = SpidevOptions::new()
        .bits_per_word(8)
        .max_speed_hz(bus.clock_hz)
        .mode(SpiModeFlags::SPI_MODE_0)
        .build();
    device.configure(&options).map_err(failed)?;
    Ok(Box::new(Device {
        device,
        _alone: alone,
    }))
}

/// Lists the devices of the machine that user space may drive.
pub(super) fn listed() -> Vec<Listed> {
    let mut all = all(Path::new(DEVICES), |_| true);
    // A description names the bus, not the device on it.
    all.iter_mut().for_each(|listed| {
        listed.node.pop();
    });
    all
}

/// Lists the devices on this chip select, of all buses.
fn devices(directory: &Path, chip_select: u8) -> Vec<Listed> {
    all(directory, |select| select == u32::from(chip_select))
}

fn all(directory: &Path, of: impl Fn(u32) -> bool) -> Vec<Listed> {
    let numbers = numbered(directory, "spidev").into_iter();
    numbers
        .filter(|[_, select]| of(*select))
        .map(|[bus, select]| {
            let name = format!("spidev{bus}.{select}");
            let device = directory.join(&name).join("device");
            Listed::read(format!("/dev/{name}"), &device)
        })
        .collect()
}

impl ErrorType for Device {
    type Error = WireError;
}

impl SpiDevice for Device {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), WireError> {
        let mut transfer = |operations: &mut [Operation<'_, u8>]| {
            let done = self.device.transaction(operations);
            done.map_err(|error| WireError::Transfer(error.to_string()))
        };
        match operations {
            // No display minds that it is left alone for a moment within its data.
            [Operation::Write(bytes)] => bytes
                .chunks(PIECE)
                .try_for_each(|piece| transfer(&mut [Operation::Write(piece)])),
            others => transfer(others),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn a_chip_select_is_found_by_its_bus_node_or_file() {
        let dir = tempfile::tempdir().unwrap();
        for (device, node) in [
            ("spidev0.0", "soc/spi@7e204000/spidev@0"),
            ("spidev0.1", "soc/spi@7e204000/spidev@1"),
            ("spidev10.0", "soc/spi@7e215080/spidev@0"),
        ] {
            let entry = dir.path().join(device).join("device");
            fs::create_dir_all(&entry).unwrap();
            let base = Path::new("/sys/firmware/devicetree/base");
            symlink(base.join(node), entry.join("of_node")).unwrap();
        }
        let found = |wanted: &str, chip_select| {
            find(&devices(dir.path(), chip_select), &[wanted.to_owned()])
        };
        assert_eq!(found("spi@7e204000", 0), Some("/dev/spidev0.0".into()));
        assert_eq!(found("spi@7e204000", 1), Some("/dev/spidev0.1".into()));
        assert_eq!(found("spi@7e215080", 0), Some("/dev/spidev10.0".into()));
        assert_eq!(found("/dev/spidev0.1", 1), Some("/dev/spidev0.1".into()));
        assert_eq!(found("spi@7e215080", 1), None);
    }

    #[test]
    fn a_bus_that_is_not_there_is_named() {
        let bus = SpiBus {
            buses: vec!["no such bus".into()],
            chip_select: 1,
            clock_hz: 1_000_000,
            data_command: Vec::new(),
        };
        let said = open(&bus).err().unwrap().to_string();
        assert!(
            said.contains("\"no such bus\"") && said.contains("spidev"),
            "{said}"
        );
    }
}
