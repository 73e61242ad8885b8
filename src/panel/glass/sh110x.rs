//! Sino Wealth's SH1106 with 128x64 pixels and SH1107 with 128x128. Numbers in brackets are commands of the SH1106's datasheet,
//! version 2.2; the SH1107's, version 2.1, has the same but where it is said.
//!
//! Their memory is addressed by page alone. The SH1106's is four columns wider than the glass, which shows the middle ones.

use std::ops::RangeInclusive;

use holdfast_core::{CauseCode, Light};

use super::{Glass, Model, Opened, QUICK, oled::Oled};
use crate::{
    panel::{
        Picture,
        frame::{Format, Frame, PLAIN},
    },
    wires::{Display, Driver, WireError},
};

/// Sets an SH1106 up on its way; with a remark where something else was expected there.
pub(super) fn sh1106(oled: Oled, display: &Display, remark: Option<CauseCode>) -> Opened {
    let commands: &[&[u8]] = &[
        &[0xd5, 0x80],        // clock (15)
        &[0xa8, 0x3f],        // 64 rows (9)
        &[0xd3, 0x00],        // no offset (14)
        &[0x40],              // from row 0 (4)
        &[0xad, 0x8b],        // its own supply (10)
        &[0xda, 0x12],        // rows alternate between the sides (17)
        &[0x81, SH1106_FULL], // contrast (5)
        &[0xd9, 0x22],        // pre-charge (16)
        &[0xdb, 0x35],        // level between pixels (18)
    ];
    // Segments (6) and rows (13) in the order that modules have them.
    let turned = if display.upside_down {
        [0xa0, 0xc0]
    } else {
        [0xa1, 0xc8]
    };
    set_up(oled, 2, SH1106_FULL, commands, turned, remark)
}

/// 1.5", square.
pub(super) const SH1107: Model = Model {
    driver: Driver {
        name: "sh1107",
        needs: &[],
    },
    format: Format {
        height: 128,
        pitch_um: 210,
        ..PLAIN
    },
    pace: QUICK,
    keeps: false,
    dims: true,
    open: |wires, display| {
        let commands: &[&[u8]] = &[
            &[0xd5, 0x51],        // clock
            &[0x20],              // page addressing
            &[0xa8, 0x7f],        // 128 rows
            &[0xd3, 0x00],        // no offset
            &[0xdc, 0x00],        // from row 0; of two bytes here
            &[0x81, SH1107_FULL], // contrast
            &[0xd9, 0x22],        // pre-charge
            &[0xdb, 0x35],        // level between pixels
        ];
        // Its modules have segments and rows the other way round.
        let turned = if display.upside_down {
            [0xa1, 0xc8]
        } else {
            [0xa0, 0xc0]
        };
        let oled = Oled::open(wires, display)?;
        set_up(oled, 0, SH1107_FULL, commands, turned, None)
    },
};

/// The contrast by day.
const SH1106_FULL: u8 = 0x80;
const SH1107_FULL: u8 = 0x4f;

/// Columns of the glass.
const COLUMNS: usize = 128;

/// A band of eight rows as it lies in the memory: a byte a column, the topmost row lowest.
type Page = [u8; COLUMNS];

struct Sh110x {
    oled: Oled,
    /// Columns of the memory left of those that the glass shows.
    offset: usize,
    /// The contrast of [`Light::Full`].
    full: u8,
    /// The pages that were sent; none before the first picture, when the memory may hold anything.
    sent: Vec<Page>,
    remark: Option<CauseCode>,
}

fn set_up(
    mut oled: Oled,
    offset: usize,
    full: u8,
    commands: &[&[u8]],
    turned: [u8; 2],
    remark: Option<CauseCode>,
) -> Opened {
    // Pixels as in the memory (7), a 1 is lit (8).
    let last = [turned[0], turned[1], 0xa4, 0xa6].map(|command| [command]);
    commands
        .iter()
        .copied()
        .chain(last.iter().map(<[u8; 1]>::as_slice))
        .try_for_each(|command| oled.command(command))?;
    Ok(Box::new(Sh110x {
        oled,
        offset,
        full,
        sent: Vec::new(),
        remark,
    }))
}

impl Glass for Sh110x {
    type Error = WireError;

    fn show(&mut self, picture: &Picture) -> Result<(), WireError> {
        let height = picture.frame.format().height;
        let pages: Vec<Page> = (0..height / 8)
            .map(|at| page(&picture.frame, at * 8))
            .collect();
        for (at, new) in pages.iter().enumerate() {
            if let Some(columns) = difference(self.sent.get(at), new) {
                let first = columns.start() + self.offset;
                // Page (12), then the lower and the upper half of the column (1, 2).
                self.oled.command(&[
                    0xb0 | at as u8,
                    first as u8 & 0x0f,
                    0x10 | (first >> 4) as u8,
                ])?;
                self.oled.data(&new[columns])?;
            }
        }
        let first = self.sent.is_empty();
        self.sent = pages;
        // The glass is lit only now (11): until then there is noise in the memory.
        if first {
            self.oled.command(&[0xaf])?;
            self.oled.ask_power();
        }
        Ok(())
    }

    fn light(&mut self, light: Light) -> Result<(), WireError> {
        self.oled.contrast(match light {
            Light::Full => self.full,
            Light::Dim => self.full / 2,
            Light::Faint => 0x00,
        })
    }

    fn check(&mut self) -> Result<(), WireError> {
        self.oled.check()
    }

    fn remark(&self) -> Option<CauseCode> {
        self.remark
    }
}

/// The band whose topmost row is `top`.
fn page(frame: &Frame, top: u32) -> Page {
    std::array::from_fn(|x| {
        let lit = |row: u32| frame.lit(x as u32, top + row);
        (0..8).fold(0, |byte, row| byte | u8::from(lit(row)) << row)
    })
}

/// The columns from the first to the last that differ; all of them when nothing was sent.
fn difference(old: Option<&Page>, new: &Page) -> Option<RangeInclusive<usize>> {
    let Some(old) = old else {
        return Some(0..=COLUMNS - 1);
    };
    let differs = |column: &usize| old[*column] != new[*column];
    let first = (0..COLUMNS).find(differs)?;
    let last = (0..COLUMNS).rfind(differs)?;
    Some(first..=last)
}
