//! A CP2112, Silicon Labs' bridge from USB HID to I2C with eight GPIO lines: what its reports do. After Silicon Labs' AN495,
//! whose chapters are in brackets, and Linux' `drivers/hid/hid-cp2112.c`, which is who talks to it here.

use super::bus::{Bus, Refusal};

/// USB vendor and product.
pub const USB_ID: (u32, u32) = (0x10c4, 0xea90);
/// Bytes of every input and output report, its id included.
pub const REPORT_BYTES: usize = 64;
/// Bytes of data in one report.
const DATA_BYTES: usize = 61;
/// The most that can be read at once (5.1).
const LONGEST_READ: usize = 512;

/// The feature report in which the kernel reads every line (4.3).
pub(super) const LEVELS: u8 = 0x03;

mod report {
    pub const GPIO_CONFIG: u8 = 0x02;
    pub const GPIO_SET: u8 = 0x04;
    pub const VERSION: u8 = 0x05;
    pub const SMBUS_CONFIG: u8 = 0x06;
    pub const READ: u8 = 0x10;
    pub const WRITE_READ: u8 = 0x11;
    pub const READ_FORCE_SEND: u8 = 0x12;
    pub const READ_RESPONSE: u8 = 0x13;
    pub const WRITE: u8 = 0x14;
    pub const STATUS: u8 = 0x15;
    pub const STATUS_RESPONSE: u8 = 0x16;
    pub const CANCEL: u8 = 0x17;
    pub const LOCK: u8 = 0x20;
    pub const USB_CONFIG: u8 = 0x21;
}

/// Results of the last transfer, as the status response has them (5.8): state, detail.
mod status {
    pub const IDLE: [u8; 2] = [0x00, 0x00];
    pub const BUSY: [u8; 2] = [0x01, 0x00];
    pub const COMPLETE: [u8; 2] = [0x02, 0x05];
    pub const NOT_ACKNOWLEDGED: [u8; 2] = [0x03, 0x00];
}

/// The chip with its registers, and the bus behind it.
#[derive(Debug)]
pub struct Cp2112 {
    /// The bus it is master of.
    pub bus: Bus,
    /// Bits of 1 are outputs.
    directions: u8,
    push_pull: u8,
    special: u8,
    clock_divider: u8,
    /// Levels that outputs are set to.
    latch: u8,
    /// Bits of 1 are lines something holds low.
    held_low: u8,
    smbus: [u8; 14],
    status: [u8; 2],
    /// Bytes that were read and not fetched.
    read: Vec<u8>,
    /// Bytes of the last transfer.
    moved: u16,
}

/// A report the chip does not have, or not in that form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSuchReport;

impl Cp2112 {
    /// After a reset, with every line an input pulled up (4.1).
    pub fn new(bus: Bus) -> Self {
        Self {
            bus,
            directions: 0,
            push_pull: 0,
            special: 0,
            clock_divider: 0,
            latch: 0xff,
            held_low: 0,
            // 100 kHz, own address 2, no automatic answers, no time-outs, no limit on retries (4.6).
            smbus: [0x06, 0x00, 0x01, 0x86, 0xa0, 0x02, 0, 0, 0, 0, 0, 0, 0, 0],
            status: status::IDLE,
            read: Vec::new(),
            moved: 0,
        }
    }

    /// Holds a line low from outside, or lets it go up. A line has a number from 0 to 7.
    pub fn hold_low(&mut self, line: u8, low: bool) {
        let bit = 1_u8.checked_shl(line.into()).unwrap_or(0);
        if low {
            self.held_low |= bit;
        } else {
            self.held_low &= !bit;
        }
    }

    /// Answers a request for a feature report.
    ///
    /// # Errors
    /// When there is none of this id.
    pub fn feature(&self, id: u8) -> Result<Vec<u8>, NoSuchReport> {
        Ok(match id {
            report::GPIO_CONFIG => vec![
                id,
                self.directions,
                self.push_pull,
                self.special,
                self.clock_divider,
            ],
            LEVELS => vec![id, self.levels()],
            // Part number, and the third revision of the chip: the first without repeated starts is long gone (4.5).
            report::VERSION => vec![id, 0x0c, 0x03],
            report::SMBUS_CONFIG => self.smbus.to_vec(),
            // Nothing may be programmed any more (6.1).
            report::LOCK => vec![id, 0x00],
            // Vendor and product, 100 mA in units of 2, from the bus, version 1.0 (6.2).
            report::USB_CONFIG => vec![id, 0xc4, 0x10, 0x90, 0xea, 50, 0, 1, 0, 0],
            _ => return Err(NoSuchReport),
        })
    }

    /// Takes a feature report, its id first.
    ///
    /// # Errors
    /// When there is none of this id, or it is too short.
    pub fn set_feature(&mut self, report: &[u8]) -> Result<(), NoSuchReport> {
        match *report {
            [
                report::GPIO_CONFIG,
                directions,
                push_pull,
                special,
                divider,
                ..,
            ] => {
                self.directions = directions;
                self.push_pull = push_pull;
                self.special = special;
                self.clock_divider = divider;
            }
            [report::GPIO_SET, levels, mask, ..] => {
                self.latch = self.latch & !mask | levels & mask;
            }
            [report::SMBUS_CONFIG, ..] if report.len() >= self.smbus.len() => {
                let bytes = self.smbus.len();
                self.smbus.copy_from_slice(&report[..bytes]);
            }
            _ => return Err(NoSuchReport),
        }
        Ok(())
    }

    /// Takes an output report, its id first; what the chip sends in answer. What it does not know it ignores, as the chip
    /// does.
    pub fn output(&mut self, report: &[u8]) -> Vec<[u8; REPORT_BYTES]> {
        match *report {
            [report::READ, address, high, low, ..] => {
                self.transfer(address, &[], u16::from_be_bytes([high, low]));
            }
            [
                report::WRITE_READ,
                address,
                high,
                low,
                length,
                ref target @ ..,
            ] => {
                let target = &target[..target.len().min(length.min(16).into())];
                self.transfer(address, target, u16::from_be_bytes([high, low]));
            }
            [report::WRITE, address, length, ref data @ ..] => {
                let data = &data[..data.len().min(length.into())];
                self.transfer(address, data, 0);
            }
            [report::STATUS, 0x01, ..] => {
                let [high, low] = self.moved.to_be_bytes();
                let [state, detail] = self.status;
                return vec![padded(&[
                    report::STATUS_RESPONSE,
                    state,
                    detail,
                    0,
                    0,
                    high,
                    low,
                ])];
            }
            [report::READ_FORCE_SEND, high, low, ..] => {
                let wanted = usize::from(u16::from_be_bytes([high, low]));
                let now = wanted.min(DATA_BYTES).min(self.read.len());
                let left = self.read.split_off(now);
                let data = std::mem::replace(&mut self.read, left);
                let [state, _] = self.status;
                let head = [report::READ_RESPONSE, state, data.len() as u8];
                return vec![padded(&[head.as_slice(), &data].concat())];
            }
            [report::CANCEL, 0x01, ..] => self.status = status::IDLE,
            _ => {}
        }
        Vec::new()
    }

    /// Writes, then reads; addresses are in the upper seven bits.
    fn transfer(&mut self, address: u8, written: &[u8], wanted: u16) {
        let address = address >> 1;
        let mut read = vec![0; usize::from(wanted).min(LONGEST_READ)];
        let mut done = Ok(());
        if !written.is_empty() || wanted == 0 {
            done = self.bus.write(address, written);
        }
        if !read.is_empty() && done.is_ok() {
            done = self.bus.read(address, &mut read);
        }
        self.moved = if wanted > 0 {
            wanted
        } else {
            written.len() as u16
        };
        self.read = Vec::new();
        match done {
            Ok(()) => {
                self.read = read;
                self.status = status::COMPLETE;
            }
            Err(Refusal::NoAcknowledge | Refusal::Broken) => self.status = status::NOT_ACKNOWLEDGED,
            Err(Refusal::Hangs) => self.status = status::BUSY,
        }
    }

    /// The level of every line: outputs as set, inputs high unless held low.
    fn levels(&self) -> u8 {
        (self.directions & self.latch | !self.directions) & !self.held_low
    }
}

fn padded(bytes: &[u8]) -> [u8; REPORT_BYTES] {
    let mut report = [0; REPORT_BYTES];
    report[..bytes.len()].copy_from_slice(bytes);
    report
}

/// The HID report descriptor (AN495, 3): every report of its length, opaque.
pub fn descriptor() -> Vec<u8> {
    const FEATURES: [(u8, u8); 10] = [
        (report::GPIO_CONFIG, 4),
        (LEVELS, 1),
        (report::GPIO_SET, 2),
        (report::VERSION, 2),
        (report::SMBUS_CONFIG, 13),
        (report::LOCK, 1),
        (report::USB_CONFIG, 9),
        // The strings, which nobody here asks for.
        (0x22, 62),
        (0x23, 62),
        (0x24, 62),
    ];
    const INPUTS: [u8; 2] = [report::READ_RESPONSE, report::STATUS_RESPONSE];
    const OUTPUTS: [u8; 6] = [
        report::READ,
        report::WRITE_READ,
        report::READ_FORCE_SEND,
        report::WRITE,
        report::STATUS,
        report::CANCEL,
    ];
    // Vendor page 0xff00, usage 1, one application collection; fields of 8 bits from 0 to 255.
    let mut bytes = vec![
        0x06, 0x00, 0xff, 0x09, 0x01, 0xa1, 0x01, 0x15, 0x00, 0x26, 0xff, 0x00, 0x75, 0x08,
    ];
    // Report id, count, usage, then the kind of item: data, variable.
    let mut item = |id: u8, count: u8, kind: u8| {
        bytes.extend([0x85, id, 0x95, count, 0x09, 0x01, kind, 0x02]);
    };
    FEATURES
        .iter()
        .for_each(|&(id, count)| item(id, count, 0xb1));
    INPUTS
        .iter()
        .for_each(|&id| item(id, REPORT_BYTES as u8 - 1, 0x81));
    OUTPUTS
        .iter()
        .for_each(|&id| item(id, REPORT_BYTES as u8 - 1, 0x91));
    bytes.push(0xc0);
    bytes
}
