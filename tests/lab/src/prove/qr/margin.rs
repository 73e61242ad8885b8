//! From where phones read the QR of each display, and how that is tried.

use std::fmt;

use holdfast::panel::Frame;
use rand::rngs::StdRng;

use crate::camera::{Reader, Shot};
use crate::wires::displays::Board;

/// How near and how far a phone may be, millimetres: from everywhere between, each reader reads four photographs of five, and at the
/// ends nearly all. Measured by `prove qr --full`, which holds these against it.
const MARGINS: [(&str, u32, u32); 9] = [
    ("ssd1306", 80, 90),
    ("ssd1309", 80, 200),
    ("sh1106", 80, 120),
    ("sh1107", 80, 200),
    ("st7789", 80, 200),
    ("epd2in13-v3", 80, 150),
    ("epd2in13-v4", 80, 150),
    ("epd2in9-v2", 80, 200),
    ("epd4in2-v2", 80, 300),
];

/// From where a display's QR is read, millimetres.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Margin {
    /// No nearer than this.
    pub nearest: u32,
    /// No farther than this.
    pub farthest: u32,
}

impl fmt::Display for Margin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from {} to {} mm", self.nearest, self.farthest)
    }
}

impl Margin {
    /// What is recorded of a display; `None` for one that has no row.
    pub fn of(board: &Board) -> Option<Self> {
        let row = MARGINS
            .iter()
            .find(|(driver, ..)| *driver == board.display.driver);
        row.map(|&(_, nearest, farthest)| Self { nearest, farthest })
    }

    /// Tells whether a distance lies within, millimetres.
    pub fn covers(self, distance_mm: u32) -> bool {
        (self.nearest..=self.farthest).contains(&distance_mm)
    }

    /// Photographs a glass at both ends. Half of the photographs are enough: a phone takes thirty in a second, and what is read nearly
    /// always does not fall below a half by chance.
    pub fn holds(
        self,
        payload: &str,
        glass: &Frame,
        photos: u32,
        dice: &mut StdRng,
    ) -> Result<(), String> {
        for distance_mm in [self.nearest, self.farthest] {
            let rates = photographed(payload, glass, distance_mm, photos, dice)?;
            if !rates.reach(1, 2) {
                return Err(format!("of {distance_mm} mm {rates}"));
            }
        }
        Ok(())
    }
}

/// How many photographs each reader read.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    read: [u32; Reader::ALL.len()],
    photos: u32,
}

impl fmt::Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (reader, read) in Reader::ALL.iter().zip(self.read) {
            write!(f, "{reader:?} reads {read}, ")?;
        }
        write!(f, "of {} photographs", self.photos)
    }
}

impl Rates {
    /// Tells whether each reader read so many of so many.
    pub fn reach(self, many: u32, of: u32) -> bool {
        self.read.iter().all(|read| read * of >= self.photos * many)
    }
}

/// Takes photographs of a glass, and has each reader read each.
///
/// # Errors
/// A reader cannot be run, or reads what is not there.
pub fn photographed(
    payload: &str,
    glass: &Frame,
    distance_mm: u32,
    photos: u32,
    dice: &mut StdRng,
) -> Result<Rates, String> {
    let mut read = [0; Reader::ALL.len()];
    for _ in 0..photos {
        let photo = Shot { distance_mm }.take(glass, dice);
        for (reader, read) in Reader::ALL.iter().zip(&mut read) {
            match reader.read(&photo).map_err(|error| format!("{error:#}"))? {
                Some(seen) if seen == payload => *read += 1,
                Some(_) => {
                    return Err(format!("{reader:?} reads another text at {distance_mm} mm"));
                }
                None => {}
            }
        }
    }
    Ok(Rates { read, photos })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wires::displays::boards;

    #[test]
    fn owners_are_told_from_where_each_display_is_read() {
        let told = include_str!("../../../../../docs/hardware.md");
        for board in boards() {
            let driver = board.display.driver.clone();
            let margin = Margin::of(&board).expect("each display has a margin");
            let line = match driver.as_str() {
                "ssd1306" => "`board = \"raspberrypi\"`".to_owned(),
                driver => format!("`board = \"raspberrypi-{driver}\"`"),
            };
            let row = told.lines().find(|row| row.contains(&line));
            let pitch = (f64::from(board.format.pitch_um) / 10.0).round() / 100.0;
            let from = format!(
                "{pitch:.2} mm | {} to {} cm |",
                margin.nearest / 10,
                margin.farthest / 10
            );
            assert!(
                row.is_some_and(|row| row.contains(&from)),
                "{driver}: {from}"
            );
        }
    }
}
