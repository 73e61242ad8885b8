//! An emulated e-paper with an SSD1680 or an SSD1683: commands and data in; a paper that keeps its picture, and two pictures in the
//! memory. After Solomon Systech's datasheets, the SSD1680's revision 0.14; numbers in brackets are its commands.

mod panel;
mod waveform;

use std::mem::take;

use holdfast::panel::{Depth, Format, Frame, Ground};

use self::panel::Panel;
use self::waveform::Waveform;
use super::bus::Chip;

pub use self::panel::{EPD2IN9_V2, EPD2IN13_V3, EPD2IN13_V4, EPD4IN2_V2};

/// How often the busy line is looked at until a refresh is over: time would pass by itself, whether a driver waits or not.
const FULL: u32 = 5;
/// See [`FULL`].
const PARTIAL: u32 = 3;
/// Any other work.
const WORK: u32 = 1;

/// The controller with its memories and its paper.
#[derive(Debug)]
pub struct Ssd168x {
    panel: Panel,
    /// The picture to show (0x24).
    new: Vec<u8>,
    /// The picture before it, or the second colour (0x26).
    old: Vec<u8>,
    /// A row a row, true is white.
    paper: Vec<bool>,
    /// The paper shows what was asked for, nowhere noise.
    drawn: bool,
    /// The pictures before it, since all of it was driven: of each some can be seen.
    left: Vec<Frame>,
    registers: Registers,
    /// The command whose arguments come, and those that came.
    pending: (u8, Vec<u8>),
    asleep: bool,
    /// Looks at the busy line until it is done with what it does.
    looks: u32,
    unknown: Vec<u8>,
}

/// The registers that commands set, with the values after a reset.
#[derive(Debug)]
struct Registers {
    /// Rows that are driven (0x01).
    rows: usize,
    /// The memory's pointer counts up: across, down; else down (0x11).
    up: (bool, bool),
    /// The window, bytes across (0x44) and rows (0x45).
    across: (u8, u8),
    down: (u16, u16),
    /// The pointer (0x4e, 0x4f).
    at: (u8, u16),
    /// What of the second memory counts, and which columns are driven (0x21).
    options: [u8; 2],
    /// What is done next (0x22).
    sequence: u8,
    clock: bool,
    voltages: bool,
    loaded: Option<Loaded>,
    /// Gate, source and VCOM have the voltages that were sent (0x03, 0x04, 0x2c), not those that are stored.
    levels: [bool; 3],
}

/// The waveform that a refresh takes: one that is stored in the panel, or one that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loaded {
    First,
    Second,
    Sent(Waveform),
}

impl Default for Registers {
    fn default() -> Self {
        Self {
            rows: 296,
            up: (true, true),
            across: (0, 0x15),
            down: (0, 0x127),
            at: (0, 0),
            options: [0, 0],
            sequence: 0xff,
            clock: false,
            voltages: false,
            loaded: None,
            levels: [false; 3],
        }
    }
}

impl Ssd168x {
    /// As it is when it comes out of its box: on the paper is some picture, in the memories noise.
    pub fn new(panel: Panel) -> Self {
        let (width, height) = panel.glass;
        let noise = |bytes: usize, by: usize| (0..bytes).map(move |at| (at * by % 251) as u8);
        let rows = height.max(296);
        let mut chip = Self {
            panel,
            new: noise(rows * panel.stride, 197).collect(),
            old: noise(rows * panel.stride, 89).collect(),
            paper: (0..width * height).map(|at| at % 7 < 3).collect(),
            drawn: false,
            left: Vec::new(),
            registers: Registers::default(),
            pending: (0x7f, Vec::new()),
            asleep: false,
            looks: 0,
            unknown: Vec::new(),
        };
        chip.left.push(chip.picture());
        chip
    }

    /// It hears nothing now.
    fn is_deaf(&self) -> bool {
        self.asleep || self.looks > 0
    }

    /// Carries out a command once its last argument is there.
    fn obey(&mut self) {
        let (command, arguments) = (self.pending.0, self.pending.1.clone());
        let registers = &mut self.registers;
        match (command, &arguments[..]) {
            (0x01, &[low, high, _]) => {
                registers.rows = usize::from(u16::from_le_bytes([low, high & 1])) + 1
            }
            (0x10, &[mode]) => {
                self.asleep = mode & 3 != 0;
                if mode & 3 == 3 {
                    let Self { new, old, .. } = Self::new(self.panel);
                    (self.new, self.old) = (new, old);
                }
            }
            (0x11, &[mode]) => {
                registers.up = (mode & 1 != 0, mode & 2 != 0);
                if mode & 4 != 0 {
                    self.unknown.extend([0x11, mode]);
                }
            }
            (0x12, []) => {
                self.registers = Registers::default();
                self.looks = WORK;
            }
            (0x20, []) => self.activate(),
            (0x21, &[memories, columns]) => registers.options = [memories, columns],
            (0x22, &[sequence]) => registers.sequence = sequence,
            (0x03, [_]) => registers.levels[0] = true,
            (0x04, [_, _, _]) => registers.levels[1] = true,
            (0x2c, [_]) => registers.levels[2] = true,
            (0x32, sent) => {
                let sent = <&[u8; waveform::BYTES]>::try_from(sent).ok();
                registers.loaded = sent.map(|sent| Loaded::Sent(Waveform::parse(sent)));
            }
            (0x44, &[first, last]) => registers.across = (first & 0x3f, last & 0x3f),
            (0x45, &[a, b, c, d]) => {
                registers.down = (
                    u16::from_le_bytes([a, b & 1]),
                    u16::from_le_bytes([c, d & 1]),
                );
            }
            (0x4e, &[across]) => registers.at.0 = across & 0x3f,
            (0x4f, &[low, high]) => registers.at.1 = u16::from_le_bytes([low, high & 1]),
            _ => {}
        }
    }

    /// Takes a byte for one of the memories, and moves the pointer on within the window.
    fn store(&mut self, byte: u8) {
        let Registers {
            up,
            across,
            down,
            at,
            ..
        } = &mut self.registers;
        let memory = if self.pending.0 == 0x24 {
            &mut self.new
        } else {
            &mut self.old
        };
        let place = usize::from(at.1) * self.panel.stride + usize::from(at.0);
        if usize::from(at.0) < self.panel.stride
            && let Some(stored) = memory.get_mut(place)
        {
            *stored = byte;
        }
        if at.0 != across.1 {
            at.0 = if up.0 {
                at.0.wrapping_add(1)
            } else {
                at.0.wrapping_sub(1)
            };
            return;
        }
        at.0 = across.0;
        at.1 = match at.1 {
            row if row == down.1 => down.0,
            row if up.1 => row.wrapping_add(1),
            row => row.wrapping_sub(1),
        };
    }

    /// Does what the sequence says, bit by bit from the highest (0x22).
    fn activate(&mut self) {
        let sequence = self.registers.sequence;
        let says = |bit: u8| sequence & bit != 0;
        let second = says(0x08);
        self.registers.clock |= says(0x80);
        self.registers.voltages |= says(0x40);
        if says(0x10) {
            let loaded = if second {
                Loaded::Second
            } else {
                Loaded::First
            };
            self.registers.loaded = Some(loaded);
            self.registers.levels = [false; 3];
        }
        let mut looks = WORK;
        if says(0x04) {
            looks = if second { PARTIAL } else { FULL };
            let powered = self.registers.clock && self.registers.voltages;
            match self.registers.loaded {
                Some(Loaded::Second) if !self.panel.partial => self.unknown.push(0x20),
                // With the voltages that are stored a waveform of others may do harm.
                Some(Loaded::Sent(_)) if self.registers.levels != [true; 3] => {
                    self.unknown.push(0x20);
                }
                Some(loaded) if powered => self.refresh(second, loaded),
                _ => self.unknown.push(0x20),
            }
        }
        self.registers.voltages &= !says(0x02);
        self.registers.clock &= !says(0x01);
        self.looks = looks;
    }

    /// Drives the paper: every pixel, or those that differ between the memories.
    fn refresh(&mut self, differing: bool, loaded: Loaded) {
        let before = self.picture();
        let (width, height) = self.panel.glass;
        let [memories, columns] = self.registers.options;
        for y in 0..height.min(self.registers.rows) {
            for x in 0..width {
                let (new, old) = (
                    self.stored(&self.new, x, y, columns),
                    self.stored(&self.old, x, y, columns),
                );
                // A second memory that is passed over counts as empty.
                let old = old && memories & 0x40 == 0;
                let pixel = &mut self.paper[y * width + x];
                match (differing, loaded) {
                    (true, Loaded::Sent(waveform)) => {
                        // A grey is neither.
                        *pixel = waveform.settles(*pixel, old, new).unwrap_or(x % 2 == 0);
                    }
                    (true, _) if new != old => *pixel = new,
                    (true, _) => {}
                    // The second colour: neither black nor white, so it is what it should not be.
                    (false, Loaded::First) if self.panel.colours && old => *pixel = !new,
                    (false, Loaded::First) => *pixel = new,
                    (false, _) => *pixel = x % 2 == 0,
                }
            }
        }
        self.drawn |= !differing;
        if differing {
            self.left.push(before);
        } else {
            self.left.clear();
        }
    }

    /// What one of the memories has for a pixel of the glass.
    fn stored(&self, memory: &[u8], x: usize, y: usize, columns: u8) -> bool {
        // Without the option the first columns that are driven are those that the glass is not wired to.
        let x = x + if self.panel.shifted && columns & 0x80 == 0 {
            8
        } else {
            0
        };
        memory[y * self.panel.stride + x / 8] >> (7 - x % 8) & 1 == 1
    }

    /// A picture as it lies before one, of what a place of the glass has.
    fn seen(&self, white: impl Fn(usize, usize) -> bool) -> Frame {
        let (width, height) = self.panel.glass;
        let landscape = self.panel.landscape;
        let (across, down) = if landscape {
            (width, height)
        } else {
            (height, width)
        };
        let format = Format {
            width: across as u32,
            height: down as u32,
            depth: Depth::One,
            pitch_um: 200,
            ground: Ground::Light,
        };
        Frame::of_levels(format, |x, y| {
            let (x, y) = (x as usize, y as usize);
            let (x, y) = if landscape {
                (x, y)
            } else {
                (y, height - 1 - x)
            };
            u16::from(white(x, y))
        })
    }
}

/// Arguments of a command; `None` of one that it does not have.
fn arguments(command: u8) -> Option<usize> {
    Some(match command {
        0x12 | 0x20 | 0x7f => 0,
        0x03 | 0x10 | 0x11 | 0x18 | 0x22 | 0x2c | 0x3c | 0x3f | 0x4e => 1,
        0x1a | 0x21 | 0x44 | 0x4f => 2,
        0x01 | 0x04 => 3,
        0x0c | 0x45 => 4,
        0x37 => 10,
        0x32 => waveform::BYTES,
        // As many as come.
        0x24 | 0x26 => usize::MAX,
        _ => return None,
    })
}

impl Chip for Ssd168x {
    fn command(&mut self, byte: u8) {
        if self.is_deaf() || arguments(byte).is_none() {
            return self.unknown.push(byte);
        }
        self.pending = (byte, Vec::new());
        if arguments(byte) == Some(0) {
            self.obey();
        }
    }

    fn data(&mut self, byte: u8) {
        if self.is_deaf() {
            return self.unknown.push(byte);
        }
        match self.pending.0 {
            0x24 | 0x26 => self.store(byte),
            command => {
                self.pending.1.push(byte);
                match arguments(command) {
                    Some(all) if self.pending.1.len() == all => self.obey(),
                    Some(all) if self.pending.1.len() > all => self.unknown.push(byte),
                    _ => {}
                }
            }
        }
    }

    /// Nothing can be read from it here: modules have no wire for it.
    fn status(&self) -> u8 {
        0
    }

    /// High while it works, and while it sleeps deeply (0x10).
    fn busy(&mut self) -> bool {
        let is = self.is_deaf();
        self.looks = self.looks.saturating_sub(1);
        is
    }

    /// Ends deep sleep. The memories stay as they are.
    fn reset(&mut self) {
        self.asleep = false;
        self.looks = 0;
        self.registers = Registers::default();
        self.pending = (0x7f, Vec::new());
    }

    /// The paper keeps its picture.
    fn lose_power(&mut self) {
        let (paper, left) = (take(&mut self.paper), take(&mut self.left));
        *self = Self {
            paper,
            left,
            drawn: self.drawn,
            ..Self::new(self.panel)
        };
    }

    fn picture(&self) -> Frame {
        let width = self.panel.glass.0;
        self.seen(|x, y| self.paper[y * width + x])
    }

    /// Paper is seen by the light of others.
    fn is_dark(&self) -> bool {
        false
    }

    fn held(&self) -> Vec<Frame> {
        let memory = |memory| self.seen(|x, y| self.stored(memory, x, y, 0x80));
        vec![self.picture(), memory(&self.new), memory(&self.old)]
    }

    fn left(&self) -> Vec<Frame> {
        self.left.clone()
    }

    fn is_drawn(&self) -> bool {
        self.drawn
    }

    fn unknown(&self) -> &[u8] {
        &self.unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(chip: &mut Ssd168x, command: u8, data: &[u8]) {
        chip.looks = 0;
        chip.command(command);
        data.iter().for_each(|byte| chip.data(*byte));
    }

    fn ready(panel: Panel) -> Ssd168x {
        let mut chip = Ssd168x::new(panel);
        let last = panel.glass.1 as u16 - 1;
        let [low, high] = last.to_le_bytes();
        send(&mut chip, 0x12, &[]);
        send(&mut chip, 0x01, &[low, high, 0]);
        send(&mut chip, 0x11, &[0x03]);
        send(&mut chip, 0x21, &[0x00, 0x80]);
        send(&mut chip, 0x44, &[0, panel.glass.0.div_ceil(8) as u8 - 1]);
        send(&mut chip, 0x45, &[0, 0, low, high]);
        chip
    }

    fn fill(chip: &mut Ssd168x, memory: u8, byte: u8) {
        let (width, height) = chip.panel.glass;
        send(chip, 0x4e, &[0]);
        send(chip, 0x4f, &[0, 0]);
        send(chip, memory, &vec![byte; width.div_ceil(8) * height]);
    }

    fn whites(chip: &Ssd168x) -> usize {
        chip.paper.iter().filter(|white| **white).count()
    }

    #[test]
    fn a_full_refresh_shows_all_and_a_partial_one_what_differs() {
        let mut chip = ready(EPD2IN13_V4);
        fill(&mut chip, 0x24, 0xff);
        fill(&mut chip, 0x26, 0xff);
        assert!(!chip.is_drawn());
        send(&mut chip, 0x22, &[0xf7]);
        send(&mut chip, 0x20, &[]);
        assert!(chip.busy() && chip.is_drawn());
        assert_eq!((0..9).filter(|_| chip.busy()).count() as u32, FULL - 1);
        assert_eq!(whites(&chip), 122 * 250);
        // Black in both memories: nothing differs, so the paper stays white.
        for (old, wanted) in [(0x00, 122 * 250), (0xff, 0)] {
            fill(&mut chip, 0x24, 0x00);
            fill(&mut chip, 0x26, old);
            send(&mut chip, 0x22, &[0xff]);
            send(&mut chip, 0x20, &[]);
            assert_eq!(whites(&chip), wanted);
        }
        assert!(chip.unknown().is_empty());
    }

    #[test]
    fn a_window_bounds_what_is_written_and_the_first_byte_is_where_it_is_told() {
        let mut chip = ready(EPD2IN13_V4);
        fill(&mut chip, 0x24, 0x00);
        send(&mut chip, 0x44, &[2, 3]);
        send(&mut chip, 0x45, &[10, 0, 11, 0]);
        send(&mut chip, 0x4e, &[2]);
        send(&mut chip, 0x4f, &[10, 0]);
        send(&mut chip, 0x24, &[0x80, 0, 0, 0x01, 0x40]);
        send(&mut chip, 0x22, &[0xf7]);
        send(&mut chip, 0x20, &[]);
        let picture = chip.picture();
        let lit = |x: usize, y: usize| picture.lit((249 - y) as u32, x as u32);
        assert!(
            lit(17, 10) && lit(31, 11) && !lit(16, 10),
            "and the fifth byte over the first"
        );
        assert_eq!(whites(&chip), 2);
    }

    #[test]
    fn it_hears_nothing_while_it_works_or_sleeps() {
        let mut chip = ready(EPD2IN9_V2);
        chip.command(0x12);
        chip.command(0x11);
        assert_eq!(chip.unknown(), [0x11]);
        send(&mut chip, 0x10, &[0x01]);
        chip.command(0x12);
        assert!(chip.busy() && chip.unknown() == [0x11, 0x12]);
        chip.reset();
        assert!(!chip.busy());
    }

    #[test]
    fn a_panel_without_a_partial_waveform_wants_one_sent() {
        let mut chip = ready(EPD2IN9_V2);
        fill(&mut chip, 0x24, 0xff);
        fill(&mut chip, 0x26, 0x00);
        send(&mut chip, 0x22, &[0xff]);
        send(&mut chip, 0x20, &[]);
        assert_eq!(chip.unknown(), [0x20]);
        let mut sent = [0; waveform::BYTES];
        // To white for twenty frames what was black.
        (sent[12], sent[60]) = (0x80, 20);
        send(&mut chip, 0x32, &sent);
        let goes = |chip: &mut Ssd168x| {
            send(chip, 0x22, &[0xcf]);
            send(chip, 0x20, &[]);
            (chip.unknown().len(), whites(chip))
        };
        let noise = whites(&chip);
        assert_eq!(goes(&mut chip), (2, noise), "it has no voltages");
        send(&mut chip, 0x03, &[0x17]);
        send(&mut chip, 0x04, &[0x41, 0x00, 0x32]);
        send(&mut chip, 0x2c, &[0x36]);
        assert_eq!(goes(&mut chip), (2, 128 * 296));
        send(&mut chip, 0x32, &[0; waveform::BYTES]);
        fill(&mut chip, 0x24, 0x00);
        fill(&mut chip, 0x26, 0xff);
        assert_eq!(goes(&mut chip), (2, 128 * 296), "it drives nothing");
    }

    #[test]
    fn a_second_colour_is_shown_unless_it_is_passed_over_and_columns_may_be_others() {
        let shows = |panel, options: [u8; 2]| {
            let mut chip = ready(panel);
            send(&mut chip, 0x21, &options);
            fill(&mut chip, 0x24, 0xff);
            fill(&mut chip, 0x26, 0xff);
            send(&mut chip, 0x22, &[0xf7]);
            send(&mut chip, 0x20, &[]);
            whites(&chip)
        };
        assert_eq!(shows(EPD4IN2_V2, [0x40, 0]), 400 * 300);
        assert_eq!(shows(EPD4IN2_V2, [0x00, 0]), 0);
        assert_eq!(shows(EPD2IN13_V4, [0x00, 0x80]), 122 * 250);
        assert!(shows(EPD2IN13_V4, [0x00, 0x00]) < 122 * 250);
    }

    #[test]
    fn paper_keeps_its_picture_without_power_and_the_memories_do_not() {
        let mut chip = ready(EPD2IN13_V4);
        fill(&mut chip, 0x24, 0xff);
        fill(&mut chip, 0x26, 0xff);
        send(&mut chip, 0x22, &[0xf7]);
        send(&mut chip, 0x20, &[]);
        let [paper, new, old] = &chip.held()[..] else {
            panic!("three pictures");
        };
        assert!(paper == new && new == old);
        chip.reset();
        assert!(
            chip.held()[1] == chip.picture(),
            "a reset is no loss of power"
        );
        chip.lose_power();
        assert_eq!(whites(&chip), 122 * 250);
        assert!(chip.held()[1] != chip.picture() && chip.held()[2] != chip.picture());
    }
}
