//! Codes as the panel draws none, for controls.

use holdfast::panel::{Format, Frame};
use qrcode::{Color, EcLevel, QrCode};

/// What is wrong with a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Nothing: it is as the panel's own.
    Nothing,
    /// It is light on dark.
    Inverted,
    /// It ends where the dark begins.
    NoQuiet,
    /// It spends its modules on being legible when damaged, and so they are smaller.
    LevelH,
}

/// Modules that are left free on both sides together.
const QUIET: u32 = 3;

/// Draws a code in the middle of a glass, as large as fits.
pub fn code(payload: &str, format: Format, wrong: Wrong) -> Frame {
    let level = match wrong {
        Wrong::LevelH => EcLevel::H,
        _ => EcLevel::L,
    };
    let code = QrCode::with_error_correction_level(payload, level).expect("a payload has a code");
    let width = code.width() as u32;
    let side = format.width.min(format.height);
    let scale = side / (width + QUIET);
    let margin = |of: u32| (of - width * scale) / 2;
    let module = |at: u32, of: u32| {
        at.checked_sub(margin(of))
            .map(|at| at / scale)
            .filter(|at| *at < width)
    };
    let modules = code.to_colors();
    let is_light = |x: u32, y: u32| {
        let place = module(x, format.width).zip(module(y, format.height));
        let color = place.map(|(x, y)| modules[(y * width + x) as usize]);
        color.map_or(wrong != Wrong::NoQuiet, |color| color == Color::Light)
    };
    Frame::of_levels(format, |x, y| {
        if is_light(x, y) == (wrong != Wrong::Inverted) {
            format.depth.lit()
        } else {
            0
        }
    })
}
