//! A HID device of our own making, by the kernel's `/dev/uhid`: its events are structs that are read and written, laid out
//! in `linux/uhid.h`, packed, in the machine's byte order.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

/// The most data an event has, and with its head the longest event there is.
const DATA_BYTES: usize = 4096;
const LONGEST: usize = 4 + 276 + DATA_BYTES;
/// The bus of a device that came by USB (`linux/input.h`).
const BUS_USB: u16 = 0x03;
/// `EIO`: the kernel hands it to whoever asked for the report.
const IO_ERROR: u16 = 5;

mod kind {
    pub const DESTROY: u32 = 1;
    pub const OUTPUT: u32 = 6;
    pub const GET_REPORT: u32 = 9;
    pub const GET_REPORT_REPLY: u32 = 10;
    pub const CREATE2: u32 = 11;
    pub const INPUT2: u32 = 12;
    pub const SET_REPORT: u32 = 13;
    pub const SET_REPORT_REPLY: u32 = 14;
}

/// A request of the kernel to the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// It sends an output report.
    Output(Vec<u8>),
    /// It asks for a feature report.
    Get {
        /// To be repeated in the answer.
        request: u32,
        /// The report's id.
        id: u8,
    },
    /// It sets a feature report.
    Set {
        /// To be repeated in the answer.
        request: u32,
        /// The report, its id first.
        report: Vec<u8>,
    },
    /// Started, stopped, opened, closed: nothing to do.
    Nothing,
}

/// An open `/dev/uhid`, which is one device.
#[derive(Debug)]
pub struct Uhid {
    file: File,
}

impl Uhid {
    /// Opens it; there is no device yet.
    ///
    /// # Errors
    /// When the kernel has none, or we may not.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Self { file })
    }

    /// A second handle for the same device.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            file: self.file.try_clone()?,
        })
    }

    /// Plugs a device in.
    ///
    /// # Errors
    /// The kernel's; among others when it is plugged in already.
    pub fn plug(&self, name: &str, usb_id: (u32, u32), descriptor: &[u8]) -> io::Result<()> {
        self.send(&plugged(name, usb_id, descriptor))
    }

    /// Unplugs it.
    ///
    /// # Errors
    /// The kernel's; among others when it is not plugged in.
    pub fn unplug(&self) -> io::Result<()> {
        self.send(&kind::DESTROY.to_ne_bytes())
    }

    /// Waits for the next request.
    ///
    /// # Errors
    /// The kernel's.
    pub fn next(&self) -> io::Result<Wanted> {
        let mut event = vec![0; LONGEST];
        let length = (&self.file).read(&mut event)?;
        event.truncate(length);
        Ok(wanted(&event))
    }

    /// Sends an input report.
    ///
    /// # Errors
    /// The kernel's.
    pub fn input(&self, report: &[u8]) -> io::Result<()> {
        self.send(&event(
            kind::INPUT2,
            &[&(report.len() as u16).to_ne_bytes(), report],
        ))
    }

    /// Answers [`Wanted::Get`]; `None` is an error.
    ///
    /// # Errors
    /// The kernel's.
    pub fn got(&self, request: u32, report: Option<&[u8]>) -> io::Result<()> {
        let error = if report.is_some() { 0 } else { IO_ERROR };
        let report = report.unwrap_or_default();
        self.send(&event(
            kind::GET_REPORT_REPLY,
            &[
                &request.to_ne_bytes(),
                &error.to_ne_bytes(),
                &(report.len() as u16).to_ne_bytes(),
                report,
            ],
        ))
    }

    /// Answers [`Wanted::Set`].
    ///
    /// # Errors
    /// The kernel's.
    pub fn set(&self, request: u32, taken: bool) -> io::Result<()> {
        let error = if taken { 0 } else { IO_ERROR };
        self.send(&event(
            kind::SET_REPORT_REPLY,
            &[&request.to_ne_bytes(), &error.to_ne_bytes()],
        ))
    }

    /// In one write: each is an event. A short one is filled up with zeros.
    fn send(&self, event: &[u8]) -> io::Result<()> {
        let written = (&self.file).write(event)?;
        if written == event.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::WriteZero.into())
        }
    }
}

fn event(kind: u32, fields: &[&[u8]]) -> Vec<u8> {
    let mut event = kind.to_ne_bytes().to_vec();
    fields
        .iter()
        .for_each(|field| event.extend_from_slice(field));
    event
}

fn plugged(name: &str, (vendor, product): (u32, u32), descriptor: &[u8]) -> Vec<u8> {
    // Names of 128, 64 and 64 bytes: the device's, its place's, its serial number's.
    let mut names = [0; 128 + 64 + 64];
    let bytes = name.len().min(127);
    names[..bytes].copy_from_slice(&name.as_bytes()[..bytes]);
    let (version, country) = (0x0101_u32, 0_u32);
    event(
        kind::CREATE2,
        &[
            &names,
            &(descriptor.len() as u16).to_ne_bytes(),
            &BUS_USB.to_ne_bytes(),
            &vendor.to_ne_bytes(),
            &product.to_ne_bytes(),
            &version.to_ne_bytes(),
            &country.to_ne_bytes(),
            descriptor,
        ],
    )
}

fn wanted(event: &[u8]) -> Wanted {
    parse(event).unwrap_or(Wanted::Nothing)
}

fn parse(event: &[u8]) -> Option<Wanted> {
    let (kind, rest) = event.split_first_chunk()?;
    let request = |rest: &[u8]| Some(u32::from_ne_bytes(*rest.first_chunk()?));
    Some(match u32::from_ne_bytes(*kind) {
        kind::OUTPUT => {
            let (data, size) = rest.split_at_checked(DATA_BYTES)?;
            let size = u16::from_ne_bytes(*size.first_chunk()?);
            Wanted::Output(data.get(..size.into())?.to_vec())
        }
        kind::GET_REPORT => Wanted::Get {
            request: request(rest)?,
            id: *rest.get(4)?,
        },
        kind::SET_REPORT => {
            let size = u16::from_ne_bytes(*rest.get(6..)?.first_chunk()?);
            Wanted::Set {
                request: request(rest)?,
                report: rest.get(8..)?.get(..size.into())?.to_vec(),
            }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An event of the kernel's: always whole.
    fn whole(kind: u32, fields: &[&[u8]]) -> Vec<u8> {
        let mut event = event(kind, fields);
        event.resize(LONGEST, 0);
        event
    }

    #[test]
    fn events_are_read_as_the_kernel_lays_them_out() {
        let data = [[0x14, 0x78, 1, 9].as_slice(), &[0; DATA_BYTES - 4]].concat();
        let output = whole(kind::OUTPUT, &[&data, &4_u16.to_ne_bytes(), &[1]]);
        assert_eq!(wanted(&output), Wanted::Output(vec![0x14, 0x78, 1, 9]));
        let get = whole(kind::GET_REPORT, &[&7_u32.to_ne_bytes(), &[0x05, 0]]);
        assert_eq!(wanted(&get), Wanted::Get { request: 7, id: 5 });
        let size = 3_u16.to_ne_bytes();
        let set = whole(
            kind::SET_REPORT,
            &[&8_u32.to_ne_bytes(), &[0x04, 0], &size, &[4, 0xff, 1]],
        );
        assert_eq!(
            wanted(&set),
            Wanted::Set {
                request: 8,
                report: vec![4, 0xff, 1]
            }
        );
        for kind in [2, 3, 4, 5] {
            assert_eq!(wanted(&whole(kind, &[])), Wanted::Nothing);
        }
        for cut in 0..output.len() {
            wanted(&output[..cut]);
        }
    }

    #[test]
    fn a_plugged_device_has_its_fields_where_the_kernel_looks() {
        let event = plugged("panel", (0x10c4, 0xea90), &[1, 2, 3]);
        assert_eq!(event[..4], 11_u32.to_ne_bytes());
        assert_eq!(event[4..10], *b"panel\0");
        assert_eq!(event[260..262], 3_u16.to_ne_bytes());
        assert_eq!(event[262..264], 3_u16.to_ne_bytes());
        assert_eq!(event[264..268], 0x10c4_u32.to_ne_bytes());
        assert_eq!(event[268..272], 0xea90_u32.to_ne_bytes());
        assert_eq!(event[280..], [1, 2, 3]);
    }
}
