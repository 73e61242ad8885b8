//! The crates that others drive these displays with, as their own examples have it: all of a picture is drawn, and sent.

use anyhow::anyhow;
use embedded_graphics::pixelcolor::{BinaryColor, Rgb565, raw::RawU16};
use embedded_graphics::prelude::*;
use embedded_hal::delay::DelayNs;
use epdsi::prelude::{
    ColorChannel, EpdBuilder, EpdPanel as _, GDEM0213B74, SpiBusWrapper, Ssd1680Controller,
};
use holdfast::panel::{Frame, Picture};
use mipidsi::interface::SpiInterface;
use mipidsi::models::ST7789;
use ssd1306::mode::DisplayConfig as _;
use ssd1306::prelude::{DisplayRotation, DisplaySize128x64, SPIInterface, WriteOnlyDataCommand};
use ssd1306::{I2CDisplayInterface, Ssd1306};

use super::meter::Meter;

/// Shows a picture.
pub(super) type Show = Box<dyn FnMut(&Picture) -> anyhow::Result<()>>;

/// Which crate, which of our displays it is beside, and how it is set up on these wires.
pub(super) struct Plain {
    /// Its name and version, and the bus.
    pub(super) name: &'static str,
    /// The driver of ours of the same display, and whether on SPI.
    pub(super) beside: (&'static str, bool),
    /// What our ratios to it are called: bytes of a countdown's second and of another face, and processor time of the latter.
    pub(super) ratios: [&'static str; 3],
    /// Sets it up.
    pub(super) open: fn(Meter) -> anyhow::Result<Show>,
}

/// Those that are kept, and take the embedded-hal that we do.
pub(super) const ALL: [Plain; 4] = [
    Plain {
        name: "crate ssd1306 0.10 on I2C",
        beside: ("ssd1306", false),
        ratios: ["second_vs_ssd1306", "face_vs_ssd1306", "cpu_vs_ssd1306"],
        open: |meter| oled(I2CDisplayInterface::new(meter)),
    },
    Plain {
        name: "crate ssd1306 0.10 on SPI",
        beside: ("ssd1306", true),
        ratios: [
            "second_vs_ssd1306_spi",
            "face_vs_ssd1306_spi",
            "cpu_vs_ssd1306_spi",
        ],
        open: |meter| oled(SPIInterface::new(meter.clone(), meter)),
    },
    Plain {
        name: "crate mipidsi 0.10 on SPI",
        beside: ("st7789", true),
        ratios: ["second_vs_mipidsi", "face_vs_mipidsi", "cpu_vs_mipidsi"],
        open: lcd,
    },
    Plain {
        name: "crate epdsi 0.9 on SPI",
        beside: ("epd2in13-v4", true),
        ratios: ["second_vs_epdsi", "face_vs_epdsi", "cpu_vs_epdsi"],
        open: paper,
    },
];

/// Nothing has to be waited for.
struct NoDelay;

impl DelayNs for NoDelay {
    fn delay_ns(&mut self, _: u32) {}
}

fn oled(interface: impl WriteOnlyDataCommand + 'static) -> anyhow::Result<Show> {
    let failed = |error| anyhow!("ssd1306: {error:?}");
    let size = DisplaySize128x64;
    let mut driver =
        Ssd1306::new(interface, size, DisplayRotation::Rotate0).into_buffered_graphics_mode();
    driver.init().map_err(failed)?;
    Ok(Box::new(move |picture| {
        let frame: &Frame = &picture.frame;
        driver.clear_buffer();
        let area = frame.bounding_box();
        let pixels = area.points().map(|point| {
            let lit = frame.lit(point.x as u32, point.y as u32);
            Pixel(point, BinaryColor::from(lit))
        });
        driver
            .draw_iter(pixels)
            .and_then(|()| driver.flush())
            .map_err(failed)
    }))
}

/// In one piece, which is the least: what is drawn one after the other goes over the wires each time.
fn lcd(meter: Meter) -> anyhow::Result<Show> {
    // As large as in the crate's example; the display lives as long as the process.
    let buffer = Box::leak(Box::new([0; 512]));
    let interface = SpiInterface::new(meter.clone(), meter, buffer);
    let mut driver = mipidsi::Builder::new(ST7789, interface)
        .display_size(240, 240)
        .init(&mut NoDelay)
        .map_err(|error| anyhow!("mipidsi: {error:?}"))?;
    Ok(Box::new(move |picture| {
        let frame: &Frame = &picture.frame;
        let area = frame.bounding_box();
        let colours = area.points().map(|point| {
            let level = frame.level(point.x as u32, point.y as u32);
            Rgb565::from(RawU16::new(level))
        });
        driver
            .fill_contiguous(&area, colours)
            .map_err(|error| anyhow!("mipidsi: {error:?}"))
    }))
}

fn paper(meter: Meter) -> anyhow::Result<Show> {
    let bus = SpiBusWrapper::new(meter.clone(), meter.clone(), meter.clone(), meter);
    let controller = Ssd1680Controller::new(GDEM0213B74::WIDTH, GDEM0213B74::HEIGHT);
    let mut driver = EpdBuilder::<_, GDEM0213B74>::new(controller).build(bus);
    driver
        .init(&mut NoDelay)
        .map_err(|error| anyhow!("epdsi: {error:?}"))?;
    Ok(Box::new(move |picture| {
        let frame: &Frame = &picture.frame;
        let (columns, rows) = (GDEM0213B74::WIDTH, GDEM0213B74::HEIGHT);
        // It lies on its side.
        let byte = |first: u32, y: u32| {
            (first..first + 8).fold(0, |byte, x| {
                byte << 1 | u8::from(frame.lit(rows - 1 - y, x))
            })
        };
        let bytes: Vec<u8> = (0..rows)
            .flat_map(|y| (0..columns).step_by(8).map(move |x| byte(x, y)))
            .collect();
        driver
            .display_frame(ColorChannel::BlackWhite, &bytes, &mut NoDelay)
            .map_err(|error| anyhow!("epdsi: {error:?}"))
    }))
}
