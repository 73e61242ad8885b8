//! Sitronix' ST7789 behind a colour display on SPI, by the crate `mipidsi`.
//!
//! Nothing comes back from it. It is dark from behind until its first picture is in its memory, where there is noise before.

use embedded_graphics::{
    pixelcolor::{Rgb565, raw::RawU16},
    prelude::*,
};
use linux_embedded_hal::Delay;
use mipidsi::{
    Builder, Display as Driven, InitError,
    interface::{Interface, InterfaceKind},
    models::ST7789,
    options::{ColorInversion, Orientation, Rotation},
};

use super::{Glass, Model, Opened, QUICK, owned::Owned};
use crate::{
    panel::{
        Picture,
        frame::{Format, Frame},
        ink::{Depth, Ground},
    },
    wires::{Display, DisplayBus, Driver, OutputPort, SpiPort, Wire, WireError, Wires},
};

/// Waveshare's 1.3inch LCD HAT.
pub(super) const LCD1IN3: Model = Model {
    driver: Driver {
        name: "st7789",
        needs: &[Wire::Spi, Wire::Reset],
    },
    format: Format {
        width: 240,
        height: 240,
        depth: Depth::Sixteen,
        pitch_um: 98,
        ground: Ground::Dark,
    },
    pace: QUICK,
    keeps: false,
    // Its light has a line and no more: on or off.
    dims: false,
    open,
};

struct Lcd {
    driven: Driven<Way, ST7789, Owned<OutputPort>>,
    shown: Option<Frame>,
    backlight: Option<OutputPort>,
}

fn open(wires: &dyn Wires, display: &Display) -> Opened {
    let DisplayBus::Spi(spi) = &display.bus else {
        return Err(WireError::Transfer("an ST7789 is on SPI".into()));
    };
    let backlight = match &display.backlight[..] {
        [] => None,
        lines => Some(wires.output(lines, false)?),
    };
    let way = Way {
        port: wires.spi(spi)?,
        data: wires.output(&spi.data_command, false)?,
    };
    // The glass lies on the HAT turned by a quarter (the maker's `LCD_1in3.c`), and is dark where it gets no voltage.
    let turned = if display.upside_down {
        Rotation::Deg270
    } else {
        Rotation::Deg90
    };
    let driven = Builder::new(ST7789, way)
        .display_size(240, 240)
        .invert_colors(ColorInversion::Inverted)
        .orientation(Orientation::new().rotate(turned))
        .reset_pin(Owned(wires.output(&display.reset, true)?))
        .init(&mut Delay)
        .map_err(|error| match error {
            InitError::Interface(error) | InitError::ResetPin(error) => error,
            other => WireError::Transfer(format!("{other:?}")),
        })?;
    Ok(Box::new(Lcd {
        driven,
        shown: None,
        backlight,
    }))
}

impl Glass for Lcd {
    type Error = WireError;

    fn show(&mut self, picture: &Picture) -> Result<(), WireError> {
        let new = &picture.frame;
        if let Some([left, top, right, bottom]) = difference(self.shown.as_ref(), new) {
            let points = (top..=bottom).flat_map(|y| (left..=right).map(move |x| (x, y)));
            let colours = points.map(|(x, y)| {
                let level = new.level(u32::from(x), u32::from(y));
                Rgb565::from(RawU16::new(level))
            });
            self.driven.set_pixels(left, top, right, bottom, colours)?;
        }
        self.shown = Some(new.clone());
        match self.backlight.as_mut() {
            Some(light) => light.set_high(),
            None => Ok(()),
        }
    }

    /// Nothing comes back from it.
    fn check(&mut self) -> Result<(), WireError> {
        Ok(())
    }
}

/// The smallest area that holds all that changes: left, top, right and bottom, all of them included.
fn difference(old: Option<&Frame>, new: &Frame) -> Option<[u16; 4]> {
    let size = new.size();
    let (width, height) = (size.width as u16, size.height as u16);
    let Some(old) = old else {
        return Some([0, 0, width - 1, height - 1]);
    };
    let differs = |x: u16, y: u16| {
        let (x, y) = (u32::from(x), u32::from(y));
        old.level(x, y) != new.level(x, y)
    };
    let changed = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    changed
        .filter(|&(x, y)| differs(x, y))
        .fold(None, |area, (x, y)| {
            let [left, top, right, bottom] = area.unwrap_or([x, y, x, y]);
            Some([left.min(x), top.min(y), right.max(x), bottom.max(y)])
        })
}

/// The crate's way to the controller. It has one of its own, whose buffer somebody else would have to keep.
struct Way {
    port: SpiPort,
    data: OutputPort,
}

impl Interface for Way {
    type Word = u8;
    type Error = WireError;

    const KIND: InterfaceKind = InterfaceKind::Serial4Line;

    fn send_command(&mut self, command: u8, arguments: &[u8]) -> Result<(), WireError> {
        self.data.set_low()?;
        self.port.write(&[command])?;
        self.data.set_high()?;
        self.port.write(arguments)
    }

    fn send_pixels<const N: usize>(
        &mut self,
        pixels: impl IntoIterator<Item = [u8; N]>,
    ) -> Result<(), WireError> {
        let bytes: Vec<u8> = pixels.into_iter().flatten().collect();
        self.port.write(&bytes)
    }

    fn send_repeated_pixel<const N: usize>(
        &mut self,
        pixel: [u8; N],
        count: u32,
    ) -> Result<(), WireError> {
        self.send_pixels((0..count).map(|_| pixel))
    }
}
