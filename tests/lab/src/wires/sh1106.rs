//! An emulated SH1106: commands and data in, a picture out. After Sino Wealth's datasheet, version 2.2; numbers in
//! brackets are its commands.

use holdfast::panel::Frame;

use super::bus::Chip;

/// Columns of the memory.
const COLUMNS: u8 = 132;
/// Pages of the memory, eight rows each.
const PAGES: u8 = 8;
/// Pixels of the glass.
const WIDTH: u8 = 128;
/// See [`WIDTH`].
const HEIGHT: u8 = 64;
/// Segments left of the glass' first.
const OFFSET: u8 = 2;
/// In the status byte: the display is off (23).
const STATUS_OFF: u8 = 0x40;

/// The controller with its memory.
#[derive(Debug)]
pub struct Sh1106 {
    /// One byte a column and page, the topmost row lowest.
    memory: [[u8; COLUMNS as usize]; PAGES as usize],
    /// A command that waits for its argument.
    pending: Option<u8>,
    on: bool,
    all_on: bool,
    reversed: bool,
    supply: bool,
    page: u8,
    column: u8,
    start_line: u8,
    offset: u8,
    multiplex: u8,
    segment_remap: bool,
    com_reversed: bool,
    /// Bytes no command begins with: a driver's mistake, or ours.
    unknown: Vec<u8>,
    /// Bytes seen on the glass that still hold noise.
    noise: Vec<(u8, u8)>,
}

impl Default for Sh1106 {
    /// As it is when its power comes: the registers reset, the memory full of noise.
    fn default() -> Self {
        let mut memory = [[0; COLUMNS as usize]; PAGES as usize];
        for (at, byte) in memory.iter_mut().flatten().enumerate() {
            *byte = (at * 197 % 251) as u8;
        }
        let seen = OFFSET..OFFSET + WIDTH;
        Self {
            memory,
            pending: None,
            on: false,
            all_on: false,
            reversed: false,
            supply: true,
            page: 0,
            column: 0,
            start_line: 0,
            offset: 0,
            multiplex: 63,
            segment_remap: false,
            com_reversed: false,
            unknown: Vec::new(),
            noise: (0..PAGES)
                .flat_map(|page| seen.clone().map(move |column| (page, column)))
                .collect(),
        }
    }
}

impl Chip for Sh1106 {
    fn command(&mut self, byte: u8) {
        let Some(first) = self.pending.take() else {
            return self.begin(byte);
        };
        match (first, byte) {
            (0xa8, multiplex) => self.multiplex = multiplex & 0x3f,
            (0xad, supply @ 0x8a..=0x8b) => self.supply = supply == 0x8b,
            (0xd3, offset) => self.offset = offset & 0x3f,
            // Contrast, clock, pre-charge, pads and levels change nothing in the picture.
            (0x81 | 0xd5 | 0xd9 | 0xdb, _) | (0xda, 0x02 | 0x12) => {}
            unknown => self.unknown.extend([unknown.0, unknown.1]),
        }
    }

    /// The column counts up and stops at the last one: the page is left by a command alone.
    fn data(&mut self, byte: u8) {
        let (page, column) = (self.page, self.column.min(COLUMNS - 1));
        self.memory[usize::from(page)][usize::from(column)] = byte;
        self.noise.retain(|at| *at != (page, column));
        self.column = (column + 1).min(COLUMNS - 1);
    }

    fn status(&self) -> u8 {
        // The low bits are not in the datasheet; chips give 8.
        if self.on { 0x08 } else { 0x08 | STATUS_OFF }
    }

    fn lose_power(&mut self) {
        *self = Self::default();
    }

    fn picture(&self) -> Frame {
        let mut bits = vec![0_u8; usize::from(WIDTH) / 8 * usize::from(HEIGHT)];
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                if self.lit(x, y) {
                    bits[usize::from(y) * 16 + usize::from(x) / 8] |= 0x80 >> (x % 8);
                }
            }
        }
        Frame::from_bits(WIDTH.into(), HEIGHT.into(), &bits)
            .expect("there are as many bits as the glass has")
    }

    fn is_drawn(&self) -> bool {
        self.noise.is_empty() && self.picture().bits().iter().any(|byte| *byte != 0)
    }

    fn unknown(&self) -> &[u8] {
        &self.unknown
    }
}

impl Sh1106 {
    /// Takes the first byte of a command.
    fn begin(&mut self, byte: u8) {
        match byte {
            0x00..=0x0f => self.column = self.column & 0xf0 | byte,
            0x10..=0x1f => self.column = self.column & 0x0f | byte << 4,
            0x40..=0x7f => self.start_line = byte & 0x3f,
            0xa0 | 0xa1 => self.segment_remap = byte == 0xa1,
            0xa4 | 0xa5 => self.all_on = byte == 0xa5,
            0xa6 | 0xa7 => self.reversed = byte == 0xa7,
            0xae | 0xaf => self.on = byte == 0xaf,
            0xb0..=0xb7 => self.page = byte & 7,
            0xc0..=0xcf => self.com_reversed = byte & 8 != 0,
            0x81 | 0xa8 | 0xad | 0xd3 | 0xd5 | 0xd9 | 0xda | 0xdb => self.pending = Some(byte),
            // The pump's voltage (3), and what does nothing (21).
            0x30..=0x33 | 0xe3 => {}
            unknown => self.unknown.push(unknown),
        }
    }

    /// Tells whether a pixel is lit on a glass mounted as modules have it: with segments remapped and rows reversed the picture is
    /// upright.
    fn lit(&self, x: u8, y: u8) -> bool {
        if !self.on || !self.supply {
            return false;
        }
        let com = HEIGHT - 1 - y;
        let row = if self.com_reversed {
            self.multiplex.checked_sub(com)
        } else {
            Some(com).filter(|com| *com <= self.multiplex)
        };
        let Some(row) = row else { return false };
        let row = (row + self.offset + self.start_line) % 64;
        let segment = x + OFFSET;
        let column = if self.segment_remap {
            segment
        } else {
            COLUMNS - 1 - segment
        };
        let stored = self.memory[usize::from(row / 8)][usize::from(column)] >> (row % 8) & 1 == 1;
        (stored != self.reversed) || self.all_on
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Upright and on, with a dark memory.
    fn ready() -> Sh1106 {
        let mut chip = Sh1106::default();
        chip.write(&[0x00, 0xa1, 0xc8, 0xaf]);
        for page in 0..PAGES {
            chip.write(&[0x00, 0xb0 | page, 0x00, 0x10]);
            chip.write(&[[0x40].as_slice(), &[0; COLUMNS as usize]].concat());
        }
        chip
    }

    fn lit(chip: &Sh1106) -> Vec<(u32, u32)> {
        let picture = chip.picture();
        let points = (0..64).flat_map(|y| (0..128).map(move |x| (x, y)));
        points.filter(|&(x, y)| picture.lit(x, y)).collect()
    }

    #[test]
    fn the_glass_shows_the_middle_columns_whichever_way_it_is_turned() {
        for (turn, wanted) in [([0xa1, 0xc8], (0, 8)), ([0xa0, 0xc0], (127, 55))] {
            let mut chip = ready();
            chip.write(&[0x00, turn[0], turn[1]]);
            // Columns 1 and 2 of page 1: the first is not seen.
            chip.write(&[0x00, 0xb1, 0x01, 0x10]);
            chip.write(&[0x40, 0x01, 0x01]);
            assert_eq!(lit(&chip), [wanted]);
        }
    }

    #[test]
    fn the_column_stays_in_its_page_and_stops_at_the_last() {
        let mut chip = ready();
        chip.write(&[0x00, 0xb3, 0x01, 0x18]);
        chip.write(&[0x40, 0x80, 0x80, 0x80, 0x80, 0x00]);
        assert_eq!(
            lit(&chip),
            [(127, 31)],
            "column 129, and none in the next page"
        );
    }

    #[test]
    fn it_knows_no_windows_and_no_addressing_modes() {
        let mut chip = ready();
        chip.write(&[0x00, 0x20, 0x21, 0x22, 0x8d]);
        assert_eq!(chip.unknown(), [0x20, 0x21, 0x22, 0x8d]);
    }

    #[test]
    fn without_a_driver_the_glass_is_dark_and_says_so() {
        let mut chip = Sh1106::default();
        assert_eq!(
            (lit(&chip).len(), chip.status() & STATUS_OFF),
            (0, STATUS_OFF)
        );
        chip.write(&[0x00, 0xaf]);
        assert!(lit(&chip).len() > 1000 && !chip.is_drawn(), "noise");
        assert_eq!(chip.status() & STATUS_OFF, 0);
        chip.write(&[0x00, 0xad, 0x8a]);
        assert_eq!(lit(&chip).len(), 0, "no supply, no light");
        let mut chip = ready();
        assert!(!chip.is_drawn());
        chip.write(&[0x40, 0x01]);
        chip.write(&[0x00, 0xa7]);
        assert!(chip.is_drawn() && lit(&chip).len() > 8000);
        chip.lose_power();
        assert!(lit(&chip).is_empty());
    }
}
