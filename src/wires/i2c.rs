//! I2C buses of the machine, found by what they are.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use embedded_hal::i2c::{ErrorType, I2c, Operation};
use linux_embedded_hal::{I2cdev, i2cdev::linux::LinuxI2CError};

use super::{I2cPort, WireError};

/// Where the kernel lists its adapters (Documentation/ABI/testing/sysfs-bus-i2c*).
const ADAPTERS: &str = "/sys/bus/i2c/devices";

/// A bus that no other process of ours draws on: two pictures at a time would be none.
struct Bus {
    device: I2cdev,
    /// Its device file, locked as long as this is open.
    _alone: File,
}

/// Opens the first bus that fits one of `wanted`.
pub(super) fn open(wanted: &[String]) -> Result<I2cPort, WireError> {
    let path = find(Path::new(ADAPTERS), wanted).ok_or_else(|| WireError::NoBus(wanted.into()))?;
    let alone = match lock(&path) {
        Ok(Some(alone)) => alone,
        Ok(None) => return Err(WireError::Taken(path)),
        Err(error) => {
            let source = LinuxI2CError::from(error);
            return Err(WireError::Bus { path, source });
        }
    };
    match I2cdev::new(&path) {
        Ok(device) => Ok(Box::new(Bus {
            device,
            _alone: alone,
        })),
        Err(source) => Err(WireError::Bus { path, source }),
    }
}

/// Opens and locks a file; `None` when another process has it locked.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let file = File::options().read(true).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
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

/// Finds the device file of the first adapter, by number, that fits the first of `wanted` that any fits: its device file, or a
/// part of its name or of its device-tree node's.
fn find(adapters: &Path, wanted: &[String]) -> Option<PathBuf> {
    let mut numbers: Vec<u32> = fs::read_dir(adapters)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            entry
                .file_name()
                .to_str()?
                .strip_prefix("i2c-")?
                .parse()
                .ok()
        })
        .collect();
    numbers.sort_unstable();
    let known = numbers.into_iter().map(|number| {
        let adapter = adapters.join(format!("i2c-{number}"));
        let node = fs::read_link(adapter.join("of_node")).unwrap_or_default();
        let name = fs::read_to_string(adapter.join("name")).unwrap_or_default();
        (format!("/dev/i2c-{number}"), name, node)
    });
    let known: Vec<_> = known.collect();
    wanted.iter().find_map(|wanted| {
        let fits = |(file, name, node): &&(String, String, PathBuf)| {
            file == wanted
                || name.contains(wanted.as_str())
                || node
                    .to_str()
                    .is_some_and(|node| node.contains(wanted.as_str()))
        };
        known.iter().find(fits).map(|(file, ..)| file.into())
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// The adapters of a Raspberry Pi 3 and a Pi 5 in one, with a CP2112 plugged in.
    fn adapters() -> tempfile::TempDir {
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
        let adapters = adapters();
        let found = |wanted: &[&str]| {
            let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
            find(adapters.path(), &wanted)
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
    fn a_bus_is_one_s_alone_until_it_is_given_back() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let alone = lock(file.path()).unwrap();
        assert!(alone.is_some() && lock(file.path()).unwrap().is_none());
        drop(alone);
        assert!(lock(file.path()).unwrap().is_some());
    }

    #[test]
    fn a_bus_that_is_not_there_is_named() {
        let error = open(&["no such bus".into()]).err().unwrap();
        assert!(error.to_string().contains("\"no such bus\""), "{error}");
    }
}
