//! An emulated ST7789 behind a square glass that is mounted turned by a quarter: commands and data in, a picture out. After Sitronix'
//! datasheet, version 1.4; numbers in brackets are its commands.

use holdfast::panel::{Depth, Format, Frame, Ground};

use super::bus::Chip;

/// Columns of the memory.
const COLUMNS: u16 = 240;
/// Rows of the memory, of which the glass shows the first 240.
const ROWS: u16 = 320;
/// Pixels of the glass in both directions.
const SIDE: u16 = 240;

/// The controller with its memory.
#[derive(Debug)]
pub struct St7789 {
    /// Row by row, 5 bits of red, 6 of green, 5 of blue.
    memory: Vec<u16>,
    /// The command whose arguments come, and those that came.
    pending: (u8, Vec<u8>),
    asleep: bool,
    on: bool,
    inverted: bool,
    /// How addresses become places (0x36).
    order: u8,
    /// Bits of a pixel (0x3a).
    pixel: u8,
    /// First and last column and row of the window (0x2a, 0x2b).
    columns: (u16, u16),
    rows: (u16, u16),
    at: (u16, u16),
    /// Pixels to be written before no noise can be left on the glass.
    noise: usize,
    unknown: Vec<u8>,
}

impl Default for St7789 {
    /// As it is after a reset: asleep and off, the memory full of noise.
    fn default() -> Self {
        let pixels = usize::from(COLUMNS) * usize::from(ROWS);
        Self {
            memory: (0..pixels)
                .map(|at| (at * 40_503 % 65_521) as u16)
                .collect(),
            pending: (0, Vec::new()),
            asleep: true,
            on: false,
            inverted: false,
            order: 0,
            pixel: 0x66,
            columns: (0, COLUMNS - 1),
            rows: (0, ROWS - 1),
            at: (0, 0),
            noise: usize::from(SIDE) * usize::from(SIDE),
            unknown: Vec::new(),
        }
    }
}

impl St7789 {
    /// The place in the memory of an address: exchanged, then from the other side, column and row.
    fn place(&self, (column, row): (u16, u16)) -> Option<usize> {
        let says = |bit: u8| self.order & bit != 0;
        let (x, y) = if says(0x20) {
            (row, column)
        } else {
            (column, row)
        };
        let x = if says(0x40) {
            (COLUMNS - 1).checked_sub(x)?
        } else {
            x
        };
        let y = if says(0x80) {
            (ROWS - 1).checked_sub(y)?
        } else {
            y
        };
        (x < COLUMNS && y < ROWS).then(|| usize::from(y) * usize::from(COLUMNS) + usize::from(x))
    }

    fn store(&mut self, pixel: u16) {
        if let Some(place) = self.place(self.at) {
            self.memory[place] = pixel;
        }
        self.noise = self.noise.saturating_sub(1);
        self.at = match self.at {
            (column, row) if column < self.columns.1 => (column + 1, row),
            (_, row) if row < self.rows.1 => (self.columns.0, row + 1),
            _ => (self.columns.0, self.rows.0),
        };
    }
}

impl Chip for St7789 {
    fn command(&mut self, byte: u8) {
        self.pending = (byte, Vec::new());
        match byte {
            0x01 => *self = Self::default(),
            0x10 | 0x11 => self.asleep = byte == 0x10,
            0x20 | 0x21 => self.inverted = byte == 0x21,
            0x28 | 0x29 => self.on = byte == 0x29,
            0x2c => self.at = (self.columns.0, self.rows.0),
            0x00 | 0x13 | 0x2a | 0x2b | 0x36 | 0x3a => {}
            _ => self.unknown.push(byte),
        }
    }

    fn data(&mut self, byte: u8) {
        self.pending.1.push(byte);
        match (self.pending.0, &self.pending.1[..]) {
            (0x2a | 0x2b, &[a, b, c, d]) => {
                let span = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
                if self.pending.0 == 0x2a {
                    self.columns = span;
                } else {
                    self.rows = span;
                }
            }
            (0x2c, &[high, low]) if self.pixel & 7 == 5 => {
                self.pending.1.clear();
                self.store(u16::from_be_bytes([high, low]));
            }
            (0x36, &[order]) => self.order = order,
            (0x3a, &[pixel]) => self.pixel = pixel,
            _ => {}
        }
    }

    /// Nothing can be read from it here: modules have no wire for it.
    fn status(&self) -> u8 {
        0
    }

    fn lose_power(&mut self) {
        *self = Self::default();
    }

    fn picture(&self) -> Frame {
        let format = Format {
            width: SIDE.into(),
            height: SIDE.into(),
            depth: Depth::Sixteen,
            pitch_um: 98,
            ground: Ground::Dark,
        };
        let lit = self.on && !self.asleep;
        Frame::of_levels(format, |x, y| {
            // Turned by a quarter. A pixel without voltage is dark, so that the colours are the right ones where they are inverted.
            let (column, row) = (SIDE as usize - 1 - y as usize, x as usize);
            let pixel = self.memory[row * usize::from(COLUMNS) + column];
            match (lit, self.inverted) {
                (false, _) => 0,
                (true, true) => pixel,
                (true, false) => !pixel,
            }
        })
    }

    fn is_dark(&self) -> bool {
        !self.on || self.asleep
    }

    fn is_drawn(&self) -> bool {
        self.noise == 0 && self.picture().bits().iter().any(|byte| *byte != 0)
    }

    fn unknown(&self) -> &[u8] {
        &self.unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(chip: &mut St7789, command: u8, data: &[u8]) {
        chip.command(command);
        data.iter().for_each(|byte| chip.data(*byte));
    }

    fn ready(order: u8) -> St7789 {
        let mut chip = St7789::default();
        for (command, data) in [
            (0x11, &[][..]),
            (0x36, &[order]),
            (0x21, &[]),
            (0x3a, &[0x55]),
            (0x29, &[]),
        ] {
            send(&mut chip, command, data);
        }
        chip.memory.fill(0);
        chip
    }

    #[test]
    fn windows_are_turned_as_they_are_told_and_the_glass_lies_on_its_side() {
        // Without any turn column 5, row 7; exchanged and mirrored it is upright; the other way round it is from the memory's other end.
        for (order, offset, wanted) in [
            (0x00, 0, (7, 234)),
            (0x60, 0, (5, 7)),
            (0xa0, 80, (234, 232)),
        ] {
            let mut chip = ready(order);
            let column = 5 + offset;
            send(&mut chip, 0x2a, &[0, column, 0, column]);
            send(&mut chip, 0x2b, &[0, 7, 0, 7]);
            send(&mut chip, 0x2c, &[0xf8, 0x00]);
            let picture = chip.picture();
            assert_eq!(picture.level(wanted.0, wanted.1), 0xf800, "{order:#x}");
            let lit = (0..240).flat_map(|y| (0..240).map(move |x| (x, y)));
            assert_eq!(lit.filter(|&(x, y)| picture.level(x, y) != 0).count(), 1);
        }
    }

    #[test]
    fn a_pixel_after_the_last_is_the_first_again() {
        let mut chip = ready(0x60);
        send(&mut chip, 0x2a, &[0, 1, 0, 2]);
        send(&mut chip, 0x2b, &[0, 3, 0, 3]);
        send(&mut chip, 0x2c, &[0, 1, 0, 2, 0, 3]);
        let picture = chip.picture();
        assert_eq!((picture.level(1, 3), picture.level(2, 3)), (3, 2));
    }

    #[test]
    fn asleep_or_off_it_is_dark_and_without_inversion_wrong() {
        let mut chip = ready(0x60);
        assert!(!chip.is_drawn());
        chip.memory.fill(0xffff);
        assert!(chip.picture().lit(0, 0));
        for dark in [0x10, 0x28, 0x20] {
            let mut chip = ready(0x60);
            chip.memory.fill(0xffff);
            chip.command(dark);
            assert!(!chip.picture().lit(0, 0), "{dark:#x}");
        }
        chip.command(0xb2);
        assert_eq!(chip.unknown(), [0xb2]);
    }
}
