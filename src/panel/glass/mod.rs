//! Displays behind one port. Nothing above knows a controller, its size or its bus: a glass has a [`Format`], a cadence, and
//! takes pictures.
//!
//! A controller is one file with a `Controller` in it, and its row in `CONTROLLERS`; docs/hardware.md says how to add one.
//!
//! - `follow`: the thread that keeps a glass showing the newest picture
//! - `oled`: commands, data and status of an OLED controller
//! - `terminal`: a workstation's glass
//! - every other file: a controller

mod follow;
mod oled;
mod sh1106;
mod ssd1306;
mod terminal;

use std::time::Duration;

pub use self::{follow::put, terminal::text};
pub(super) use self::{follow::spawn, terminal::spawn as spawn_in_terminal};
use super::{
    frame::{Depth, Format, Frame},
    ink::Ground,
};
use crate::wires::{Display, WireError, Wires};

/// Every controller this build drives; the first one is meant where a board description names none.
const CONTROLLERS: &[Controller] = &[ssd1306::CONTROLLER, sh1106::CONTROLLER];

/// The format of pictures for a glass without a size of its own: a terminal, or a board without a display, whose pictures
/// are seen over the bus.
pub const PLAIN: Format = Format {
    width: 128,
    height: 64,
    depth: Depth::One,
    pitch_um: 1000,
    ground: Ground::Dark,
};

/// A display controller: what is known of its glass before it is there, and how it is set up.
struct Controller {
    /// Its name in a board description.
    name: &'static str,
    format: Format,
    /// From one repaint to the next, at least.
    cadence: Duration,
    /// Sets the display up. One that shows a picture goes on showing it.
    open: fn(&dyn Wires, &Display) -> Opened,
}

/// A glass on wires, or why there is none.
type Opened = Result<Box<dyn Glass<Error = WireError>>, WireError>;

/// A glass that is set up.
trait Glass {
    /// Why it does not show a picture.
    type Error;

    /// Shows a picture in the place of the one before. Pixels that did not change need not be sent.
    fn show(&mut self, frame: &Frame) -> Result<(), Self::Error>;

    /// Fails when the glass has lost its picture.
    fn check(&mut self) -> Result<(), Self::Error>;
}

/// The names of all controllers, as board descriptions have them.
pub fn drivers() -> Vec<&'static str> {
    CONTROLLERS
        .iter()
        .map(|controller| controller.name)
        .collect()
}

/// The format of a display's pictures.
pub fn format(display: &Display) -> Format {
    controller(display).map_or(PLAIN, |controller| controller.format)
}

fn controller(display: &Display) -> Result<&'static Controller, WireError> {
    let named = |controller: &&Controller| controller.name == display.driver;
    let found = CONTROLLERS.iter().find(named);
    found.ok_or_else(|| WireError::NoDriver(display.driver.clone()))
}
