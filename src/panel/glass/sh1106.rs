//! Sino Wealth's SH1106 with 128x64 pixels. Numbers in brackets are commands of its datasheet, version 2.2.
//!
//! Its memory is four columns wider than the glass, which shows the middle ones, and is addressed by page alone.

use std::{array, ops::RangeInclusive, time::Duration};

use super::{Controller, Glass, Opened, oled::Oled};
use crate::{
    panel::{
        frame::{Depth, Format, Frame},
        ink::Ground,
    },
    wires::{Display, WireError, Wires},
};

pub(super) const CONTROLLER: Controller = Controller {
    name: "sh1106",
    format: Format {
        width: COLUMNS as u32,
        height: PAGES as u32 * 8,
        depth: Depth::One,
        pitch_um: 230,
        ground: Ground::Dark,
    },
    cadence: Duration::from_millis(50),
    open,
};

/// Columns of the glass.
const COLUMNS: usize = 128;
/// Columns of the memory left of those that the glass shows.
const OFFSET: usize = 2;
/// Bands of eight rows.
const PAGES: usize = 8;

/// A band as it lies in the memory: a byte a column, the topmost row lowest.
type Page = [u8; COLUMNS];

struct Sh1106 {
    oled: Oled,
    /// The pages that were sent; `None` before the first picture, when the memory may hold anything.
    sent: Option<[Page; PAGES]>,
}

fn open(wires: &dyn Wires, display: &Display) -> Opened {
    let mut oled = Oled::open(wires, display)?;
    // Segments (6) and rows (13) in the order that modules have them.
    let (segments, rows) = if display.upside_down {
        (0xa0, 0xc0)
    } else {
        (0xa1, 0xc8)
    };
    let set_up: [&[u8]; 13] = [
        &[0xd5, 0x80], // clock (15)
        &[0xa8, 0x3f], // 64 rows (9)
        &[0xd3, 0x00], // no offset (14)
        &[0x40],       // from row 0 (4)
        &[0xad, 0x8b], // its own supply (10)
        &[segments],
        &[rows],
        &[0xda, 0x12], // rows alternate between the sides (17)
        &[0x81, 0x80], // contrast (5)
        &[0xd9, 0x22], // pre-charge (16)
        &[0xdb, 0x35], // level between pixels (18)
        &[0xa4],       // pixels as in the memory (7)
        &[0xa6],       // a 1 is lit (8)
    ];
    set_up
        .iter()
        .try_for_each(|command| oled.command(command))?;
    Ok(Box::new(Sh1106 { oled, sent: None }))
}

impl Glass for Sh1106 {
    type Error = WireError;

    fn show(&mut self, frame: &Frame) -> Result<(), WireError> {
        let pages = array::from_fn(|at| page(frame, at));
        for (at, new) in pages.iter().enumerate() {
            let old = self.sent.as_ref().map(|sent| &sent[at]);
            if let Some(columns) = difference(old, new) {
                let first = columns.start() + OFFSET;
                // Page (12), then the lower and the upper half of the column (1, 2).
                self.oled.command(&[
                    0xb0 | at as u8,
                    first as u8 & 0x0f,
                    0x10 | (first >> 4) as u8,
                ])?;
                self.oled.data(&new[columns])?;
            }
        }
        // The glass is lit only now (11): until then there is noise in the memory.
        if self.sent.replace(pages).is_none() {
            self.oled.command(&[0xaf])?;
            self.oled.ask_power();
        }
        Ok(())
    }

    fn check(&mut self) -> Result<(), WireError> {
        self.oled.check()
    }
}

fn page(frame: &Frame, at: usize) -> Page {
    array::from_fn(|x| {
        let lit = |row: usize| frame.lit(x as u32, (at * 8 + row) as u32);
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
