//! Displays behind one port. Nothing above knows a controller, its size or its bus: a glass has a [`Format`], a cadence, and
//! takes pictures.
//!
//! A display that is sold is a `Model`, a row in `MODELS`; displays of one family of controllers share a file. docs/hardware.md says
//! how to add one.
//!
//! - `follow`: the thread that keeps a glass showing the newest picture
//! - `lookalikes`: OLEDs that are sold for each other, and which one it is
//! - `oled`: commands, data and status of an OLED controller
//! - `owned`: ports for crates that own theirs
//! - `terminal`: a workstation's glass
//! - every other file: a family of controllers

mod follow;
mod lookalikes;
mod oled;
mod owned;
mod sh110x;
mod ssd1306;
mod ssd168x;
mod st7789;
mod terminal;

use std::time::Duration;

use holdfast_core::{CauseCode, Light};

pub use self::{follow::put, oled::Told, terminal::text};
pub(super) use self::{follow::spawn, terminal::spawn as spawn_in_terminal};
use super::{
    Picture,
    frame::{Format, PLAIN},
};
use crate::wires::{Display, Driver, OutputPort, WireError, Wires};

/// Every display this build drives; the first one is meant where a board description names none.
const MODELS: &[Model] = &[
    lookalikes::SSD1306,
    lookalikes::SSD1309,
    lookalikes::SH1106,
    sh110x::SH1107,
    st7789::LCD1IN3,
    ssd168x::EPD2IN13_V3,
    ssd168x::EPD2IN13_V4,
    ssd168x::EPD2IN9_V2,
    ssd168x::EPD4IN2_V2,
];

/// A display that is sold: what is known of its glass before it is there, and how it is set up.
struct Model {
    /// Its name in a board description, and the wires it needs.
    driver: Driver,
    format: Format,
    pace: Pace,
    /// It keeps its picture without power.
    keeps: bool,
    /// It has a light of its own that can be dimmed, and ages where it is lit.
    dims: bool,
    /// Sets the display up. One that shows a picture goes on showing it.
    open: fn(&dyn Wires, &Display) -> Opened,
}

/// How fast a glass is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// From one repaint to the next, at least.
    pub(super) repaint: Duration,
    /// From one number of a countdown to the next, at least: a glass that wears with each picture does not show every second.
    pub(super) count: Duration,
    /// What a picture takes, at most.
    pub(super) picture: Duration,
}

/// The pace of what shows a picture at once.
pub(super) const QUICK: Pace = Pace {
    repaint: Duration::from_millis(50),
    count: Duration::ZERO,
    picture: Duration::from_secs(1),
};

/// What is known of a display's glass before it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Size, depth and pitch.
    pub format: Format,
    /// It keeps its picture without power: what must not be seen then is wiped.
    pub keeps: bool,
    /// Its light can be dimmed.
    pub dims: bool,
}

/// A glass on wires, or why there is none.
pub type Opened = Result<Box<dyn Glass<Error = WireError>>, WireError>;

/// A glass that is set up.
pub trait Glass {
    /// Why it does not show a picture.
    type Error;

    /// Shows a picture in the place of the one before. Pixels that did not change need not be sent. A confidential picture leaves no
    /// trace once another one is shown.
    ///
    /// # Errors
    /// When the display does not answer, within the time that its slowest picture takes.
    fn show(&mut self, picture: &Picture) -> Result<(), Self::Error>;

    /// Makes the glass so bright; it was [`Light::Full`] when it was set up. One whose light cannot be changed stays as it is.
    ///
    /// # Errors
    /// When the display does not answer.
    fn light(&mut self, _: Light) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Looks whether the picture is still there.
    ///
    /// # Errors
    /// When the glass has lost it.
    fn check(&mut self) -> Result<(), Self::Error>;

    /// What is to be said of it though it works: it is another one than the description says.
    fn remark(&self) -> Option<CauseCode> {
        None
    }
}

/// All drivers, as board descriptions name them.
pub fn drivers() -> Vec<Driver> {
    MODELS.iter().map(|model| model.driver).collect()
}

/// The format of a display's pictures.
pub fn format(display: &Display) -> Format {
    model(display).map_or(PLAIN, |model| model.format)
}

/// What is known of a display's glass; `None` where nothing drives it.
pub fn facts(display: &Display) -> Option<Facts> {
    let model = model(display).ok()?;
    Some(Facts {
        format: model.format,
        keeps: model.keeps,
        dims: model.dims,
    })
}

/// Sets a board's display up.
///
/// # Errors
/// When there is no such display, or it does not answer.
pub fn open(wires: &dyn Wires, display: &Display) -> Opened {
    let model = model(display)?;
    if display.power.is_empty() {
        return (model.open)(wires, display);
    }
    let power = wires.output(&display.power, true)?;
    Ok(Box::new(Powered {
        glass: (model.open)(wires, display)?,
        _power: power,
    }))
}

/// A glass that has its supply by a line.
struct Powered {
    glass: Box<dyn Glass<Error = WireError>>,
    /// Held high as long as this is open.
    _power: OutputPort,
}

impl Glass for Powered {
    type Error = WireError;

    fn show(&mut self, picture: &Picture) -> Result<(), WireError> {
        self.glass.show(picture)
    }

    fn light(&mut self, light: Light) -> Result<(), WireError> {
        self.glass.light(light)
    }

    fn check(&mut self) -> Result<(), WireError> {
        self.glass.check()
    }

    fn remark(&self) -> Option<CauseCode> {
        self.glass.remark()
    }
}

/// How fast a display's glass is.
pub(super) fn pace(display: &Display) -> Pace {
    model(display).map_or(QUICK, |model| model.pace)
}

fn model(display: &Display) -> Result<&'static Model, WireError> {
    let named = |model: &&Model| model.driver.name == display.driver;
    let found = MODELS.iter().find(named);
    found.ok_or_else(|| WireError::NoDriver(display.driver.clone()))
}
