//! An emulated SH1106, or SH1107: commands and data in, a picture out. After Sino Wealth's datasheets, the SH1106's version 2.2 and
//! the SH1107's version 2.1; numbers in brackets are the SH1106's commands.

use std::collections::HashSet;

use holdfast::panel::Frame;

use super::bus::Chip;

/// Columns of the glass.
const WIDTH: u8 = 128;
/// In the status byte: the display is off (23).
const STATUS_OFF: u8 = 0x40;

/// Which of the two it is, and how its modules are wired.
#[derive(Debug)]
struct Kind {
    /// Columns of the memory.
    columns: u8,
    /// Pages of the memory, eight rows each.
    pages: u8,
    /// Segments left of the glass' first.
    offset: u8,
    /// Modules are upright with segments remapped and rows reversed.
    turned: bool,
    /// The row to begin with is of a command of two bytes (0xdc), and there are addressing modes.
    square: bool,
    /// What chips give in the status byte's low bits; the datasheets do not say.
    id: u8,
}

const SH1106: &Kind = &Kind {
    columns: 132,
    pages: 8,
    offset: 2,
    turned: true,
    square: false,
    id: 0x08,
};

const SH1107: &Kind = &Kind {
    columns: 128,
    pages: 16,
    offset: 0,
    turned: false,
    square: true,
    id: 0x07,
};

impl Kind {
    fn height(&self) -> u8 {
        self.pages * 8
    }

    /// The bits of a row's number.
    fn rows(&self) -> u8 {
        self.height() - 1
    }
}

/// The controller with its memory.
#[derive(Debug)]
pub struct Sh110x {
    kind: &'static Kind,
    /// Page by page, one byte a column, the topmost row lowest.
    memory: Vec<u8>,
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
    noise: HashSet<(u8, u8)>,
}

impl Sh110x {
    /// An SH1106 with 128x64 pixels.
    pub fn sh1106() -> Self {
        Self::new(SH1106)
    }

    /// An SH1107 with 128x128 pixels.
    pub fn sh1107() -> Self {
        Self::new(SH1107)
    }

    /// As it is when its power comes: the registers reset, the memory full of noise.
    fn new(kind: &'static Kind) -> Self {
        let bytes = usize::from(kind.columns) * usize::from(kind.pages);
        let seen = kind.offset..kind.offset + WIDTH;
        Self {
            kind,
            memory: (0..bytes).map(|at| (at * 197 % 251) as u8).collect(),
            pending: None,
            on: false,
            all_on: false,
            reversed: false,
            supply: true,
            page: 0,
            column: 0,
            start_line: 0,
            offset: 0,
            multiplex: kind.rows(),
            segment_remap: false,
            com_reversed: false,
            unknown: Vec::new(),
            noise: (0..kind.pages)
                .flat_map(|page| seen.clone().map(move |column| (page, column)))
                .collect(),
        }
    }

    fn place(&self, page: u8, column: u8) -> usize {
        usize::from(page) * usize::from(self.kind.columns) + usize::from(column)
    }
}

impl Chip for Sh110x {
    fn command(&mut self, byte: u8) {
        let Some(first) = self.pending.take() else {
            return self.begin(byte);
        };
        match (first, byte) {
            (0xa8, multiplex) => self.multiplex = multiplex & self.kind.rows(),
            (0xad, supply @ 0x8a..=0x8b) => self.supply = supply == 0x8b,
            (0xd3, offset) => self.offset = offset & self.kind.rows(),
            (0xdc, line) => self.start_line = line & self.kind.rows(),
            // Contrast, clock, pre-charge, pads and levels change nothing in the picture.
            (0x81 | 0xd5 | 0xd9 | 0xdb, _) | (0xda, 0x02 | 0x12) => {}
            unknown => self.unknown.extend([unknown.0, unknown.1]),
        }
    }

    /// The column counts up and stops at the last one: the page is left by a command alone.
    fn data(&mut self, byte: u8) {
        let last = self.kind.columns - 1;
        let (page, column) = (self.page, self.column.min(last));
        let place = self.place(page, column);
        self.memory[place] = byte;
        self.noise.remove(&(page, column));
        self.column = (column + 1).min(last);
    }

    fn status(&self) -> u8 {
        if self.on {
            self.kind.id
        } else {
            self.kind.id | STATUS_OFF
        }
    }

    fn lose_power(&mut self) {
        *self = Self::new(self.kind);
    }

    fn picture(&self) -> Frame {
        let height = self.kind.height();
        let mut bits = vec![0_u8; usize::from(WIDTH) / 8 * usize::from(height)];
        for y in 0..height {
            for x in 0..WIDTH {
                if self.lit(x, y) {
                    bits[usize::from(y) * 16 + usize::from(x) / 8] |= 0x80 >> (x % 8);
                }
            }
        }
        Frame::from_bits(WIDTH.into(), height.into(), &bits)
            .expect("there are as many bits as the glass has")
    }

    fn is_dark(&self) -> bool {
        let unlit = self.memory.iter().all(|byte| *byte == 0) && !self.reversed && !self.all_on;
        !self.on || !self.supply || unlit
    }

    fn is_drawn(&self) -> bool {
        self.noise.is_empty() && self.picture().bits().iter().any(|byte| *byte != 0)
    }

    fn unknown(&self) -> &[u8] {
        &self.unknown
    }
}

impl Sh110x {
    /// Takes the first byte of a command.
    fn begin(&mut self, byte: u8) {
        match byte {
            0x00..=0x0f => self.column = self.column & 0xf0 | byte,
            0x10..=0x1f => self.column = self.column & 0x0f | byte << 4,
            0x40..=0x7f if !self.kind.square => self.start_line = byte & 0x3f,
            // Pages are addressed one by one.
            0x20 if self.kind.square => {}
            0xa0 | 0xa1 => self.segment_remap = byte == 0xa1,
            0xa4 | 0xa5 => self.all_on = byte == 0xa5,
            0xa6 | 0xa7 => self.reversed = byte == 0xa7,
            0xae | 0xaf => self.on = byte == 0xaf,
            0xb0..=0xbf if byte & 0x0f < self.kind.pages => self.page = byte & 0x0f,
            0xc0..=0xcf => self.com_reversed = byte & 8 != 0,
            0xdc if self.kind.square => self.pending = Some(byte),
            0x81 | 0xa8 | 0xad | 0xd3 | 0xd5 | 0xd9 | 0xda | 0xdb => self.pending = Some(byte),
            // The pump's voltage (3), and what does nothing (21).
            0x30..=0x33 if !self.kind.square => {}
            0xe3 => {}
            unknown => self.unknown.push(unknown),
        }
    }

    /// Tells whether a pixel is lit on a glass mounted as modules have it.
    fn lit(&self, x: u8, y: u8) -> bool {
        if !self.on || !self.supply {
            return false;
        }
        let kind = self.kind;
        let com = if kind.turned { kind.rows() - y } else { y };
        let row = if self.com_reversed {
            self.multiplex.checked_sub(com)
        } else {
            Some(com).filter(|com| *com <= self.multiplex)
        };
        let Some(row) = row else { return false };
        let row = (u16::from(row) + u16::from(self.offset) + u16::from(self.start_line)) as u8
            & kind.rows();
        let segment = x + kind.offset;
        let column = if self.segment_remap == kind.turned {
            segment
        } else {
            kind.columns - 1 - segment
        };
        let stored = self.memory[self.place(row / 8, column)] >> (row % 8) & 1 == 1;
        (stored != self.reversed) || self.all_on
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Upright and on, with a dark memory.
    fn ready() -> Sh110x {
        let mut chip = Sh110x::sh1106();
        chip.write(&[0x00, 0xa1, 0xc8, 0xaf]);
        for page in 0..8 {
            chip.write(&[0x00, 0xb0 | page, 0x00, 0x10]);
            chip.write(&[[0x40].as_slice(), &[0; 132]].concat());
        }
        chip
    }

    fn lit(chip: &Sh110x) -> Vec<(u32, u32)> {
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
        let mut chip = Sh110x::sh1106();
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

    #[test]
    fn the_square_one_is_upright_as_it_comes_and_has_sixteen_pages() {
        let mut chip = Sh110x::sh1107();
        chip.write(&[0x00, 0x20, 0xdc, 0x00, 0xaf]);
        for page in 0..16 {
            chip.write(&[0x00, 0xb0 | page, 0x00, 0x10]);
            chip.write(&[[0x40].as_slice(), &[0; 128]].concat());
        }
        chip.write(&[0x00, 0xbf, 0x0f, 0x17, 0x40, 0x80]);
        assert_eq!(chip.unknown(), [0x40, 0x80], "no such start line");
        chip.write(&[0x00, 0xbf, 0x0f, 0x17]);
        chip.write(&[0x40, 0x80]);
        let picture = chip.picture();
        assert_eq!(picture.format().height, 128);
        assert!(picture.lit(127, 127) && !picture.lit(0, 0));
        chip.write(&[0x00, 0xa1, 0xc8]);
        assert!(chip.picture().lit(0, 0));
        assert_eq!(chip.status(), 0x07);
    }
}
