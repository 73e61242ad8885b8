//! A transcript of Linux' `drivers/hid/hid-cp2112.c`, step by step: the same reports, and the same reading of the
//! answers.

use super::bus::{Bus, Fault};
use super::cp2112::Cp2112;
use super::ssd1306::Ssd1306;

/// Times the driver asks how a transfer went (`XFER_STATUS_RETRIES`).
const TRIES: usize = 10;

/// An error of the driver's.
#[derive(Debug, PartialEq, Eq)]
enum Errno {
    TimedOut,
    Io,
}

struct Driver {
    chip: Cp2112,
}

impl Driver {
    /// `cp2112_probe`.
    fn probe() -> Self {
        let mut chip = Cp2112::new(Bus::new(0x3c, Box::<Ssd1306>::default()));
        let version = chip.feature(0x05).unwrap();
        assert_eq!(version.len(), 3);
        assert!(version[2] > 1, "the first revision has no repeated start");
        let mut config = chip.feature(0x06).unwrap();
        assert_eq!(config.len(), 14);
        config[12..].copy_from_slice(&1_u16.to_be_bytes());
        chip.set_feature(&config).unwrap();
        assert_eq!(chip.feature(0x06).unwrap(), config);
        assert_eq!(chip.feature(0x20).unwrap().len(), 2, "the lock byte");
        assert_eq!(
            chip.feature(0x21).unwrap().len(),
            10,
            "the USB configuration"
        );
        Self { chip }
    }

    /// `cp2112_i2c_xfer` of one write.
    fn write(&mut self, address: u8, bytes: &[u8]) -> Result<(), Errno> {
        assert!(bytes.len() <= 61);
        let head = [0x14, address << 1, bytes.len() as u8];
        self.transfer(&[&head, bytes].concat(), 0).map(drop)
    }

    /// `cp2112_i2c_xfer` of one read.
    fn read(&mut self, address: u8, length: u16) -> Result<Vec<u8>, Errno> {
        let [high, low] = length.to_be_bytes();
        self.transfer(&[0x10, address << 1, high, low], length)
    }

    /// `cp2112_i2c_xfer` of a write and a read with a repeated start between.
    fn write_read(&mut self, address: u8, bytes: &[u8], length: u16) -> Result<Vec<u8>, Errno> {
        let [high, low] = length.to_be_bytes();
        let head = [0x11, address << 1, high, low, bytes.len() as u8];
        self.transfer(&[&head, bytes].concat(), length)
    }

    fn transfer(&mut self, request: &[u8], length: u16) -> Result<Vec<u8>, Errno> {
        assert_eq!(self.chip.output(request), [] as [[u8; 64]; 0]);
        let done = (0..TRIES).find_map(|_| self.status());
        let Some(done) = done else {
            self.chip.output(&[0x17, 0x01]);
            return Err(Errno::TimedOut);
        };
        done?;
        let mut read = Vec::new();
        while read.len() < usize::from(length) {
            let wanted = (usize::from(length) - read.len()).min(61) as u16;
            let [high, low] = wanted.to_be_bytes();
            let [answer] = self.chip.output(&[0x12, high, low])[..] else {
                panic!("no answer to a forced read");
            };
            assert_eq!(answer[0], 0x13);
            let got = usize::from(answer[2]);
            assert!(got > 0 && got <= wanted.into());
            read.extend(&answer[3..3 + got]);
        }
        Ok(read)
    }

    /// `cp2112_xfer_status` and `cp2112_raw_event`; `None` is busy.
    fn status(&mut self) -> Option<Result<u16, Errno>> {
        let [answer] = self.chip.output(&[0x15, 0x01])[..] else {
            panic!("no answer to a status request");
        };
        assert_eq!(answer[0], 0x16);
        match (answer[1], answer[2]) {
            (0x01, _) => None,
            (0x02, _) => Some(Ok(u16::from_be_bytes([answer[5], answer[6]]))),
            (0x03, 0x00 | 0x01) => Some(Err(Errno::TimedOut)),
            _ => Some(Err(Errno::Io)),
        }
    }

    /// `cp2112_gpio_direction_input`.
    fn make_input(&mut self, line: u8) {
        let mut config = self.chip.feature(0x02).unwrap();
        assert_eq!(config.len(), 5);
        config[1] &= !(1 << line);
        config[2] = 0xff;
        self.chip.set_feature(&config).unwrap();
    }

    /// `cp2112_gpio_direction_output`.
    fn make_output(&mut self, line: u8, high: bool) {
        let mut config = self.chip.feature(0x02).unwrap();
        config[1] |= 1 << line;
        config[2] = 0xff;
        self.chip.set_feature(&config).unwrap();
        let value = if high { 0xff } else { 0 };
        self.chip.set_feature(&[0x04, value, 1 << line]).unwrap();
    }

    /// `cp2112_gpio_get_all`.
    fn levels(&self) -> u8 {
        let report = self.chip.feature(0x03).unwrap();
        assert_eq!(report.len(), 2);
        report[1]
    }
}

#[test]
fn a_display_is_written_to_and_read_from() {
    let mut driver = Driver::probe();
    assert_eq!(driver.read(0x3c, 1), Ok(vec![0x43]), "off");
    driver
        .write(0x3c, &[0x00, 0x8d, 0x14, 0xa1, 0xc8, 0x20, 0x00, 0xaf])
        .unwrap();
    assert_eq!(driver.read(0x3c, 1), Ok(vec![0x03]), "on");
    // A frame in pieces as large as the kernel takes.
    for piece in [0xff_u8; 1024].chunks(60) {
        driver.write(0x3c, &[&[0x40], piece].concat()).unwrap();
    }
    let picture = driver.chip.bus.chip.picture();
    assert!(picture.bits().iter().all(|&bits| bits == 0xff));
    driver.write(0x3c, &[]).unwrap();
    assert!(driver.chip.bus.chip.unknown().is_empty());
}

#[test]
fn long_reads_come_in_pieces() {
    let mut driver = Driver::probe();
    assert_eq!(driver.read(0x3c, 130).unwrap().len(), 130);
    assert_eq!(
        driver.write_read(0x3c, &[0x00, 0xe3], 62),
        Ok(vec![0x43; 62])
    );
    assert_eq!(driver.read(0x3c, 512).unwrap().len(), 512);
}

#[test]
fn what_does_not_answer_times_out() {
    let mut driver = Driver::probe();
    assert_eq!(driver.write(0x3d, &[0x00]), Err(Errno::TimedOut));
    for fault in [Fault::Absent, Fault::Wedged] {
        driver.chip.bus.set(fault);
        assert_eq!(driver.write(0x3c, &[0x00, 0xe3]), Err(Errno::TimedOut));
        assert_eq!(driver.read(0x3c, 1), Err(Errno::TimedOut));
        driver.chip.bus.set(Fault::None);
        assert_eq!(driver.write(0x3c, &[0x00, 0xe3]), Ok(()), "after {fault:?}");
    }
}

#[test]
fn lines_are_high_until_somebody_holds_them_low() {
    let mut driver = Driver::probe();
    driver.make_input(0);
    assert_eq!(driver.levels(), 0xff);
    driver.chip.hold_low(0, true);
    assert_eq!(driver.levels(), 0xfe);
    driver.chip.hold_low(0, false);
    driver.chip.hold_low(200, true);
    assert_eq!(driver.levels(), 0xff);
    driver.make_output(3, false);
    assert_eq!(driver.levels(), 0xf7);
    driver.make_output(3, true);
    assert_eq!(driver.levels(), 0xff);
}

#[test]
fn the_chip_bears_any_report() {
    let mut driver = Driver::probe();
    for id in 0..=u8::MAX {
        for length in [1, 2, 3, 4, 5, 6, 14, 64] {
            for fill in [0x00, 0x01, 0x78, 0xff] {
                let mut report = vec![fill; length];
                report[0] = id;
                driver.chip.output(&report);
                let _ = driver.chip.set_feature(&report);
                let _ = driver.chip.feature(id);
            }
        }
    }
    driver.chip.output(&[]);
    assert!(driver.chip.set_feature(&[]).is_err());
    driver.chip.bus.chip.read(&mut []);
}
