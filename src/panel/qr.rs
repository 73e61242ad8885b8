//! The QR as large as is good for a phone, dark on light: many scanners read no other.

use embedded_graphics::{
    geometry::AnchorPoint,
    prelude::*,
    primitives::{PrimitiveStyle, Rectangle},
};
use qrcode::{Color, EcLevel, QrCode};
use wacore::companion_reg::NATIVE_CAMERA_DEEP_LINK_PREFIX;

use super::{Format, ink::Ink};

/// Quiet zone a code needs on both sides together, in modules: 1.5 each decodes on small panels.
const LEAST_QUIET: u32 = 3;
/// Quiet zone of the standard (ISO 18004) on both sides together, in modules.
const FULL_QUIET: u32 = 8;
/// A module of this size is read from 15 cm, so that more of it helps less than a whole quiet zone does, micrometres.
const LARGE_UM: u32 = 350;
/// The least module that phones read from where they can focus, 8 cm and more, micrometres.
const LEAST_UM: u32 = 200;
/// The modules on a side of an ordinary payload, which is 239 letters: version 10.
const ORDINARY: u32 = 57;

/// A code, and how large its modules are drawn.
pub(super) struct Qr {
    modules: Vec<Color>,
    /// Modules on a side.
    width: u32,
    /// Pixels on the side of a module.
    scale: u32,
}

impl Qr {
    /// Makes the code for `payload` within `room` pixels in height, `pitch_um` micrometres from one to the next; `None` when it does
    /// not fit at any scale.
    ///
    /// WhatsApp's deep-link prefix helps only those who scan with the phone's camera app, and costs quiet zone or scale
    /// on every panel: it is dropped.
    pub(super) fn fit(payload: &str, room: u32, pitch_um: u32) -> Option<Self> {
        let bare = payload
            .strip_prefix(NATIVE_CAMERA_DEEP_LINK_PREFIX)
            .unwrap_or(payload);
        let code = QrCode::with_error_correction_level(bare, EcLevel::L).ok()?;
        let width = u32::try_from(code.width()).ok()?;
        Some(Self {
            modules: code.into_colors(),
            width,
            scale: scale(width, room, pitch_um)?,
        })
    }

    /// Pixels from the left edge to the end of the lit ground, when drawn.
    pub(super) fn right(&self) -> u32 {
        self.scale * (self.width + FULL_QUIET)
    }

    /// Lights the left of the target, over its whole height, and draws the code in it as dark pixels.
    pub(super) fn draw<D: DrawTarget<Color = Ink>>(&self, target: &mut D) -> Result<(), D::Error> {
        let area = target.bounding_box();
        let ground = Rectangle::new(
            area.top_left,
            Size::new(self.right().min(area.size.width), area.size.height),
        );
        ground
            .into_styled(PrimitiveStyle::with_fill(Ink::White))
            .draw(target)?;
        let side = self.width * self.scale;
        let code = ground.resized(Size::new(side, side), AnchorPoint::Center);
        let pixels = code.points().filter_map(|point| {
            let module = (point - code.top_left) / i32::try_from(self.scale).ok()?;
            let at = usize::try_from(module.y).ok()? * usize::try_from(self.width).ok()?
                + usize::try_from(module.x).ok()?;
            (self.modules.get(at) == Some(&Color::Dark)).then_some(Pixel(point, Ink::Black))
        });
        target.draw_iter(pixels)
    }
}

/// Tells whether phones read an ordinary QR on such a glass: each module of it is at least 0.2 mm wide. Where they do not, a
/// pairing code is the better way.
pub fn is_readable(format: Format) -> bool {
    let room = format.width.min(format.height);
    scale(ORDINARY, room, format.pitch_um).is_some_and(|scale| scale * format.pitch_um >= LEAST_UM)
}

/// Pixels of a module: the most with which it keeps the least quiet zone; but where modules are large without that, as many as
/// leave the standard's.
fn scale(width: u32, room: u32, pitch_um: u32) -> Option<u32> {
    let most = room / (width + LEAST_QUIET);
    let quiet = room / (width + FULL_QUIET);
    let is_large = quiet * pitch_um > LARGE_UM;
    let scale = if is_large { quiet } else { most };
    (scale > 0).then_some(scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panel::{Depth, Ground};

    /// A glass: its name, width, height and pitch; pixels of a module there, and whether phones read it.
    type Row = (&'static str, [u32; 3], Option<u32>, bool);

    const GLASSES: [Row; 10] = [
        ("0.91\"", [128, 32, 174], None, false),
        ("0.96\"", [128, 64, 170], Some(1), false),
        ("1.3\"", [128, 64, 230], Some(1), true),
        ("2.42\"", [128, 64, 430], Some(1), true),
        ("1.5\" SH1107", [128, 128, 210], Some(2), true),
        ("2.13\"", [250, 122, 194], Some(2), true),
        ("2.9\"", [296, 128, 227], Some(2), true),
        // The quiet zone wins over a fifth pixel,
        ("4.2\"", [400, 300, 212], Some(4), true),
        // but not where it would make small modules.
        ("1.3\" ST7789", [240, 240, 98], Some(4), true),
        ("none", [0, 0, 0], None, false),
    ];

    #[test]
    fn a_module_is_as_large_as_is_good_for_a_phone() {
        for (name, [width, height, pitch_um], wanted, readable) in GLASSES {
            let format = Format {
                width,
                height,
                depth: Depth::One,
                pitch_um,
                ground: Ground::Dark,
            };
            let scale = scale(ORDINARY, width.min(height), pitch_um);
            assert_eq!(scale, wanted, "{name}");
            assert_eq!(is_readable(format), readable, "{name}");
        }
    }
}
