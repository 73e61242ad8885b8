//! An emulated SSD1306, or SSD1309: commands and data in, a picture out. After Solomon Systech's datasheet, revision 1.5; numbers in
//! brackets are its chapters. The SSD1309 differs in what feeds it.

use holdfast::panel::Frame;

use super::bus::Chip;

/// Pixels of the glass.
const WIDTH: u32 = 128;
/// See [`WIDTH`].
const HEIGHT: u32 = 64;
/// Columns of the memory.
const COLUMNS: u8 = 128;
/// Pages of the memory, eight rows each.
const PAGES: u8 = 8;
/// In the status byte: the display is off (8.2).
const STATUS_OFF: u8 = 0x40;

/// The controller with its memory.
#[derive(Clone, Debug)]
pub struct Ssd1306 {
    /// One byte a column and page, the topmost row lowest (8.7).
    memory: [[u8; COLUMNS as usize]; PAGES as usize],
    /// A command that waits for more of its bytes.
    pending: Vec<u8>,
    registers: Registers,
    /// It has a charge pump, and is dark without; the SSD1309 gets its voltage from its module.
    pumps: bool,
    /// Bytes no command begins with: a driver's mistake, or ours.
    unknown: Vec<u8>,
    /// Bytes of the memory still to be written before no noise can be left in it.
    noise: usize,
}

/// The registers that commands set (10), with the values after a reset (8.5).
#[derive(Clone, Debug)]
struct Registers {
    on: bool,
    all_on: bool,
    inverted: bool,
    contrast: u8,
    charge_pump: bool,
    mode: Mode,
    column: u8,
    page: u8,
    columns: (u8, u8),
    pages: (u8, u8),
    start_line: u8,
    offset: u8,
    multiplex: u8,
    segment_remap: bool,
    com_reversed: bool,
}

/// Addressing mode: how the memory's pointer moves on (10.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Horizontal,
    Vertical,
    Page,
}

impl Default for Registers {
    fn default() -> Self {
        Self {
            on: false,
            all_on: false,
            inverted: false,
            contrast: 0x7f,
            charge_pump: false,
            mode: Mode::Page,
            column: 0,
            page: 0,
            columns: (0, COLUMNS - 1),
            pages: (0, PAGES - 1),
            start_line: 0,
            offset: 0,
            multiplex: 63,
            segment_remap: false,
            com_reversed: false,
        }
    }
}

impl Default for Ssd1306 {
    /// As it is when its power comes: the registers reset, the memory full of noise.
    fn default() -> Self {
        let mut memory = [[0; COLUMNS as usize]; PAGES as usize];
        for (at, byte) in memory.iter_mut().flatten().enumerate() {
            *byte = (at * 197 % 251) as u8;
        }
        Self {
            memory,
            pending: Vec::new(),
            registers: Registers::default(),
            pumps: true,
            unknown: Vec::new(),
            noise: usize::from(COLUMNS) * usize::from(PAGES),
        }
    }
}

impl Chip for Ssd1306 {
    fn command(&mut self, byte: u8) {
        self.take_command(byte);
    }

    fn data(&mut self, byte: u8) {
        self.take_data(byte);
    }

    fn status(&self) -> u8 {
        // The low bits are not in the datasheet; chips give 3, 6 or 7.
        if self.registers.on {
            0x03
        } else {
            0x03 | STATUS_OFF
        }
    }

    fn lose_power(&mut self) {
        *self = Self {
            pumps: self.pumps,
            ..Self::default()
        };
    }

    /// Nothing is seen without its charge pump, either.
    fn picture(&self) -> Frame {
        let mut bits = [0_u8; (WIDTH * HEIGHT / 8) as usize];
        for y in 0..HEIGHT as u8 {
            for x in 0..WIDTH as u8 {
                if self.lit(x, y) {
                    bits[usize::from(y) * 16 + usize::from(x) / 8] |= 0x80 >> (x % 8);
                }
            }
        }
        Frame::from_bits(WIDTH, HEIGHT, &bits).expect("there are as many bits as the glass has")
    }

    fn is_dark(&self) -> bool {
        let registers = &self.registers;
        let unlit = self.memory.iter().flatten().all(|byte| *byte == 0);
        !registers.on
            || self.pumps && !registers.charge_pump
            || unlit && !registers.inverted && !registers.all_on
    }

    fn is_drawn(&self) -> bool {
        let picture = self.picture();
        self.noise == 0 && picture != Frame::new(picture.format())
    }

    fn unknown(&self) -> &[u8] {
        &self.unknown
    }
}

impl Ssd1306 {
    /// An SSD1309.
    pub fn ssd1309() -> Self {
        Self {
            pumps: false,
            ..Self::default()
        }
    }

    /// From 0 to 255.
    pub fn contrast(&self) -> u8 {
        self.registers.contrast
    }

    /// Tells whether a pixel is lit on a glass mounted as modules have it: with segments remapped and rows reversed the picture
    /// is upright.
    fn lit(&self, x: u8, y: u8) -> bool {
        let registers = &self.registers;
        if !registers.on || self.pumps && !registers.charge_pump {
            return false;
        }
        // The row's COM line, of which there are as many as multiplexed (10.1.11).
        let com = HEIGHT as u8 - 1 - y;
        let row = if registers.com_reversed {
            registers.multiplex.checked_sub(com)
        } else {
            Some(com).filter(|com| *com <= registers.multiplex)
        };
        let Some(row) = row else { return false };
        let row = (row + registers.offset + registers.start_line) % 64;
        let column = if registers.segment_remap {
            x
        } else {
            COLUMNS - 1 - x
        };
        let stored = self.memory[usize::from(row / 8)][usize::from(column)] >> (row % 8) & 1 == 1;
        (stored != registers.inverted) || registers.all_on
    }

    fn take_data(&mut self, byte: u8) {
        self.noise = self.noise.saturating_sub(1);
        let registers = &mut self.registers;
        self.memory[usize::from(registers.page)][usize::from(registers.column)] = byte;
        let (first_column, last_column) = registers.columns;
        let (first_page, last_page) = registers.pages;
        let on = |at: u8, last: u8, size: u8| (at != last).then(|| (at + 1) % size);
        match registers.mode {
            Mode::Page => registers.column = (registers.column + 1) % COLUMNS,
            Mode::Horizontal => match on(registers.column, last_column, COLUMNS) {
                Some(next) => registers.column = next,
                None => {
                    registers.column = first_column;
                    registers.page = on(registers.page, last_page, PAGES).unwrap_or(first_page);
                }
            },
            Mode::Vertical => match on(registers.page, last_page, PAGES) {
                Some(next) => registers.page = next,
                None => {
                    registers.page = first_page;
                    registers.column =
                        on(registers.column, last_column, COLUMNS).unwrap_or(first_column);
                }
            },
        }
    }

    /// Takes one more byte of a command (9).
    fn take_command(&mut self, byte: u8) {
        self.pending.push(byte);
        let wanted = match self.pending[0] {
            0x20 | 0x81 | 0x8d | 0xa8 | 0xad | 0xd3 | 0xd5 | 0xd9 | 0xda | 0xdb => 2,
            0x21 | 0x22 | 0xa3 => 3,
            0x29 | 0x2a => 6,
            0x26 | 0x27 => 7,
            _ => 1,
        };
        if self.pending.len() < wanted {
            return;
        }
        let command = std::mem::take(&mut self.pending);
        let registers = &mut self.registers;
        match command[..] {
            [low @ 0x00..=0x0f] => registers.column = registers.column & 0x70 | low,
            [high @ 0x10..=0x1f] => {
                registers.column = registers.column & 0x0f | (high & 0x07) << 4;
            }
            [0x20, mode] => {
                registers.mode = match mode & 3 {
                    0 => Mode::Horizontal,
                    1 => Mode::Vertical,
                    _ => Mode::Page,
                };
            }
            [0x21, first, last] => {
                registers.columns = (first & 0x7f, last & 0x7f);
                registers.column = first & 0x7f;
            }
            [0x22, first, last] => {
                registers.pages = (first & 7, last & 7);
                registers.page = first & 7;
            }
            [line @ 0x40..=0x7f] => registers.start_line = line & 0x3f,
            [0x81, contrast] => registers.contrast = contrast,
            [0x8d, pump] => registers.charge_pump = pump & 4 != 0,
            [remap @ 0xa0..=0xa1] => registers.segment_remap = remap == 0xa1,
            [all @ 0xa4..=0xa5] => registers.all_on = all == 0xa5,
            [invert @ 0xa6..=0xa7] => registers.inverted = invert == 0xa7,
            [0xa8, multiplex] => registers.multiplex = (multiplex & 0x3f).max(15),
            [on @ 0xae..=0xaf] => registers.on = on == 0xaf,
            [page @ 0xb0..=0xb7] => registers.page = page & 7,
            [scan @ 0xc0..=0xcf] => registers.com_reversed = scan & 8 != 0,
            [0xd3, offset] => registers.offset = offset & 0x3f,
            // Scrolling, current, clock, pre-charge, pins and levels change nothing in the picture of a still frame;
            // 0xe3 does nothing at all.
            [
                0x26 | 0x27 | 0x29 | 0x2a | 0xa3 | 0xad | 0xd5 | 0xd9 | 0xda | 0xdb,
                ..,
            ]
            | [0x2e | 0x2f | 0xe3] => {}
            _ => self.unknown.extend(command),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Set up as drivers do, with a dark memory, and with segments and rows so that the picture is upright.
    fn ready(mode: u8) -> Ssd1306 {
        let mut chip = Ssd1306::default();
        chip.write(&[0x00, 0xae, 0x8d, 0x14, 0xa1, 0xc8, 0x20, 0x00]);
        chip.write(&[[0x40].as_slice(), &[0; 1024]].concat());
        chip.write(&[0x00, 0x20, mode, 0xaf]);
        chip
    }

    fn lit(chip: &Ssd1306) -> Vec<(u32, u32)> {
        let picture = chip.picture();
        let points = (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x, y)));
        points.filter(|&(x, y)| picture.lit(x, y)).collect()
    }

    #[test]
    fn without_a_driver_the_glass_is_dark_and_says_so() {
        let mut chip = Ssd1306::default();
        let mut status = [0];
        chip.read(&mut status);
        assert_eq!((lit(&chip).len(), status[0] & STATUS_OFF), (0, STATUS_OFF));
        chip.write(&[0x00, 0xaf]);
        assert_eq!(lit(&chip).len(), 0, "no charge pump, no light");
        chip.write(&[0x00, 0x8d, 0x14]);
        assert!(lit(&chip).len() > 1000, "noise");
        assert!(!chip.is_drawn() && ready(0x00).noise == 0);
        chip.read(&mut status);
        assert_eq!(status[0] & STATUS_OFF, 0);
        chip.lose_power();
        assert_eq!(lit(&chip).len(), 0);
    }

    #[test]
    fn windows_bound_what_is_written_in_either_direction() {
        for (mode, wanted) in [
            (0x00, [(10, 8), (11, 8), (10, 16), (11, 16), (10, 9)]),
            (0x01, [(10, 8), (10, 16), (11, 8), (11, 16), (10, 9)]),
        ] {
            let mut chip = ready(mode);
            chip.write(&[0x00, 0x21, 10, 11, 0x22, 1, 2]);
            for (at, (x, y)) in wanted.into_iter().enumerate() {
                chip.write(&[0x40, if at < 4 { 0x01 } else { 0x03 }]);
                assert!(
                    chip.picture().lit(x, y),
                    "mode {mode}, byte {at} at {x},{y}"
                );
            }
            assert_eq!(lit(&chip).len(), 5, "and nothing outside the window");
        }
    }

    #[test]
    fn page_addressing_starts_where_it_is_told_and_stays_in_its_page() {
        let mut chip = ready(0x02);
        chip.write(&[0x00, 0xb3, 0x0e, 0x17]);
        chip.write(&[0x40, 0x80, 0x80, 0x80]);
        assert_eq!(lit(&chip), [(0, 31), (126, 31), (127, 31)]);
    }

    #[test]
    fn a_control_byte_may_announce_one_byte_alone() {
        let mut chip = ready(0x00);
        chip.write(&[0x80, 0xa7, 0xc0, 0x01, 0x80, 0xa6, 0x40, 0x02]);
        assert_eq!(lit(&chip), [(0, 0), (1, 1)]);
        assert!(chip.unknown().is_empty());
    }

    #[test]
    fn commands_turn_shift_and_invert_the_picture() {
        let mut chip = ready(0x00);
        chip.write(&[0x40, 0x01]);
        for (command, wanted) in [
            ([0xa0, 0xc8], (127, 0)),
            ([0xa0, 0xc0], (127, 63)),
            ([0xa1, 0xc0], (0, 63)),
            ([0xa1, 0xc8], (0, 0)),
        ] {
            chip.write(&[0x00, command[0], command[1]]);
            assert_eq!(lit(&chip), [wanted]);
        }
        chip.write(&[0x00, 0x41]);
        assert_eq!(lit(&chip), [(0, 63)], "a start line of 1 moves all up");
        chip.write(&[0x00, 0x40, 0xd3, 0x02]);
        assert_eq!(lit(&chip), [(0, 62)], "so does an offset");
        chip.write(&[0x00, 0xd3, 0x00, 0xa7]);
        assert_eq!(lit(&chip).len(), 128 * 64 - 1);
        chip.write(&[0x00, 0xa6, 0xa5]);
        assert_eq!(lit(&chip).len(), 128 * 64);
        chip.write(&[0x00, 0xa4, 0x81, 0x33]);
        assert_eq!((lit(&chip).len(), chip.contrast()), (1, 0x33));
    }

    #[test]
    fn a_command_may_be_split_and_an_unknown_one_is_kept_for_whoever_asks() {
        let mut chip = ready(0x00);
        chip.write(&[0x00, 0x81]);
        chip.write(&[0x00, 0x44, 0xff]);
        assert_eq!((chip.contrast(), chip.unknown()), (0x44, &[0xff][..]));
    }
}
