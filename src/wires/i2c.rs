//! I2C buses of the machine, found by what they are.

use std::{fs::File, path::Path};

use embedded_hal::i2c::{ErrorType, I2c, Operation};
use linux_embedded_hal::I2cdev;

use super::{
    I2cPort, WireError,
    device::{Listed, find, lock, numbered},
};

/// The kernel's list of adapters (Documentation/ABI/testing/sysfs-bus-i2c*).
const ADAPTERS: &str = "/sys/bus/i2c/devices";

/// An open bus.
struct Bus {
    device: I2cdev,
    /// Its device file, locked as long as this is open.
    _alone: File,
}

/// Opens the first bus that fits one of `wanted`.
pub(super) fn open(wanted: &[String]) -> Result<I2cPort, WireError> {
    let path = find(&listed(), wanted).ok_or_else(|| WireError::NoI2c(wanted.into()))?;
    let alone = lock(&path)?;
    let device = I2cdev::new(&path).map_err(|error| WireError::bus(&path, error))?;
    Ok(Box::new(Bus {
        device,
        _alone: alone,
    }))
}

/// Lists the adapters of the machine.
pub(super) fn listed() -> Vec<Listed> {
    adapters(Path::new(ADAPTERS))
}

/// Opens a bus beside whoever else has it open, for a question between two transfers of theirs.
pub(super) fn beside(path: &Path) -> Result<I2cdev, WireError> {
    I2cdev::new(path).map_err(|error| WireError::bus(path, error))
}

fn adapters(directory: &Path) -> Vec<Listed> {
    let numbers = numbered(directory, "i2c-").into_iter();
    numbers
        .map(|[number]| {
            let entry = directory.join(format!("i2c-{number}"));
            Listed::read(format!("/dev/i2c-{number}"), &entry)
        })
        .collect()
}

impl ErrorType for Bus {
    type Error = WireError;
}

impl I2c for Bus {
    fn transaction(
        &mut self,
        address: u8,
        operations: &mut [Operation<'_>],
    ) -> Result<(), WireError> {
        let done = self.device.transaction(address, operations);
        done.map_err(|error| WireError::Transfer(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    /// The adapters of a Raspberry Pi 3 and a Pi 5 in one, with a CP2112 plugged in.
    fn listed() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (number, name, node) in [
            (0, "bcm2835 (i2c@7e205000)", None),
            (1, "Synopsys DesignWare I2C adapter", Some("rp1/i2c@74000")),
            (10, "CP2112 SMBus Bridge on hidraw0", None),
            (2, "bcm2835 (i2c@7e804000)", Some("soc/i2c@7e804000")),
        ] {
            let adapter = dir.path().join(format!("i2c-{number}"));
            fs::create_dir(&adapter).unwrap();
            fs::write(adapter.join("name"), format!("{name}\n")).unwrap();
            if let Some(node) = node {
                symlink(
                    Path::new("/sys/firmware/devicetree/base").join(node),
                    adapter.join("of_node"),
                )
                .unwrap();
            }
        }
        // A device on a bus, not a bus.
        fs::create_dir(dir.path().join("1-003c")).unwrap();
        dir
    }

    #[test]
    fn a_bus_is_found_by_name_node_or_file_and_the_first_wanted_wins() {
        let listed = listed();
        let found = |wanted: &[&str]| {
            let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
            find(&adapters(listed.path()), &wanted)
        };
        assert_eq!(found(&["CP2112"]), Some("/dev/i2c-10".into()));
        assert_eq!(found(&["i2c@74000"]), Some("/dev/i2c-1".into()));
        assert_eq!(
            found(&["no-such", "i2c@7e804000", "i2c@74000"]),
            Some("/dev/i2c-2".into())
        );
        assert_eq!(found(&["/dev/i2c-1"]), Some("/dev/i2c-1".into()));
        assert_eq!(found(&["bcm2835"]), Some("/dev/i2c-0".into()), "the lowest");
        assert_eq!(found(&["/dev/i2c-3"]), None);
    }

    #[test]
    fn a_bus_that_is_not_there_is_named() {
        let error = open(&["no such bus".into()]).err().unwrap();
        assert!(error.to_string().contains("\"no such bus\""), "{error}");
    }
}
