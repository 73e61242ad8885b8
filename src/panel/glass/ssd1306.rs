//! Solomon Systech's SSD1306 with 128x64 pixels, and the SSD1309, which understands the same commands.

use std::{cell::RefCell, rc::Rc};

use display_interface::{DataFormat, DisplayError, WriteOnlyDataCommand};
use embedded_graphics::{Pixel, pixelcolor::BinaryColor, prelude::*};
use holdfast_core::{CauseCode, Light};
use ssd1306::{
    Ssd1306 as Chip,
    mode::{BufferedGraphicsMode, DisplayConfig},
    rotation::DisplayRotation,
    size::DisplaySize128x64,
};

use super::{Glass, Opened, oled::Oled};
use crate::{
    panel::{
        Picture,
        frame::{Frame, PLAIN},
    },
    wires::{Display, WireError},
};

/// The command that switches the display off.
const SWITCH_OFF: u8 = 0xae;

struct Ssd1306 {
    driver: Chip<Bus, DisplaySize128x64, BufferedGraphicsMode<DisplaySize128x64>>,
    bus: Bus,
    shown: Frame,
    remark: Option<CauseCode>,
}

/// Sets it up on its way; with a remark where something else was expected there.
pub(super) fn set_up(oled: Oled, display: &Display, remark: Option<CauseCode>) -> Opened {
    let rotation = if display.upside_down {
        DisplayRotation::Rotate180
    } else {
        DisplayRotation::Rotate0
    };
    let bus = Bus::new(oled);
    let mut driver =
        Chip::new(bus.clone(), DisplaySize128x64, rotation).into_buffered_graphics_mode();
    driver.init().map_err(|error| bus.failure(error))?;
    bus.0.borrow_mut().oled.ask_power();
    Ok(Box::new(Ssd1306 {
        driver,
        bus,
        // The driver sends all of its memory once; then what changed.
        shown: Frame::new(PLAIN),
        remark,
    }))
}

impl Glass for Ssd1306 {
    type Error = WireError;

    fn show(&mut self, picture: &Picture) -> Result<(), WireError> {
        self.driver
            .draw_iter(difference(&self.shown, &picture.frame))
            .and_then(|()| self.driver.flush())
            .map_err(|error| self.bus.failure(error))?;
        self.shown = picture.frame.clone();
        Ok(())
    }

    fn light(&mut self, light: Light) -> Result<(), WireError> {
        // The crate's own levels; the first is what it sets up with.
        self.bus.0.borrow_mut().oled.contrast(match light {
            Light::Full => 0x5f,
            Light::Dim => 0x2f,
            Light::Faint => 0x00,
        })
    }

    fn check(&mut self) -> Result<(), WireError> {
        self.bus.0.borrow_mut().oled.check()
    }

    fn remark(&self) -> Option<CauseCode> {
        self.remark
    }
}

/// The pixels in which `new` differs: the driver sends the rows and columns that hold them.
fn difference(old: &Frame, new: &Frame) -> impl Iterator<Item = Pixel<BinaryColor>> {
    let area = new.bounding_box();
    area.points().filter_map(|point| {
        let (x, y) = (u32::try_from(point.x).ok()?, u32::try_from(point.y).ok()?);
        (old.lit(x, y) != new.lit(x, y)).then(|| Pixel(point, new.lit(x, y).into()))
    })
}

/// The crate's way to the controller, shared with us. It remembers why a transfer failed: the crate does not say.
#[derive(Clone)]
struct Bus(Rc<RefCell<Remembering>>);

struct Remembering {
    oled: Oled,
    failure: Option<WireError>,
}

impl Bus {
    fn new(oled: Oled) -> Self {
        Self(Rc::new(RefCell::new(Remembering {
            oled,
            failure: None,
        })))
    }

    fn failure(&self, error: DisplayError) -> WireError {
        let remembered = self.0.borrow_mut().failure.take();
        remembered.unwrap_or_else(|| WireError::Transfer(format!("{error:?}")))
    }

    fn send(
        &self,
        bytes: DataFormat<'_>,
        send: impl FnOnce(&mut Oled, &[u8]) -> Result<(), WireError>,
    ) -> Result<(), DisplayError> {
        let DataFormat::U8(bytes) = bytes else {
            return Err(DisplayError::DataFormatNotImplemented);
        };
        let mut shared = self.0.borrow_mut();
        send(&mut shared.oled, bytes).map_err(|error| {
            shared.failure = Some(error);
            DisplayError::BusWriteError
        })
    }
}

impl WriteOnlyDataCommand for Bus {
    fn send_commands(&mut self, commands: DataFormat<'_>) -> Result<(), DisplayError> {
        // The driver's set-up begins with it, and the picture of the process before us would blink.
        if matches!(commands, DataFormat::U8(&[SWITCH_OFF])) {
            return Ok(());
        }
        self.send(commands, Oled::command)
    }

    fn send_data(&mut self, data: DataFormat<'_>) -> Result<(), DisplayError> {
        self.send(data, Oled::data)
    }
}
