//! The QR as large as the glass allows, dark on light: many scanners read no other.

use embedded_graphics::{
    pixelcolor::BinaryColor,
    prelude::*,
    primitives::{PrimitiveStyle, Rectangle},
};
use qrcode::{Color, EcLevel, QrCode};
use wacore::companion_reg::NATIVE_CAMERA_DEEP_LINK_PREFIX;

/// Quiet zone a code needs on both sides together, in modules: 1.5 each decodes on small panels.
const LEAST_QUIET: u32 = 3;
/// Quiet zone of the standard (ISO 18004) on both sides together, in modules.
const FULL_QUIET: u32 = 8;

/// A code, and how large its modules are drawn.
pub(super) struct Qr {
    modules: Vec<Color>,
    /// Modules on a side.
    width: u32,
    /// Pixels on the side of a module.
    scale: u32,
}

impl Qr {
    /// Makes the largest code for `payload` within `room` pixels in height; `None` when it does not fit at any scale.
    ///
    /// WhatsApp's deep-link prefix helps only those who scan with the phone's camera app, and costs quiet zone or scale
    /// on every panel: it is dropped.
    pub(super) fn fit(payload: &str, room: u32) -> Option<Self> {
        let bare = payload
            .strip_prefix(NATIVE_CAMERA_DEEP_LINK_PREFIX)
            .unwrap_or(payload);
        let code = QrCode::with_error_correction_level(bare, EcLevel::L).ok()?;
        let width = u32::try_from(code.width()).ok()?;
        let scale = room / (width + LEAST_QUIET);
        (scale > 0).then(|| Self {
            modules: code.into_colors(),
            width,
            scale,
        })
    }

    /// Pixels from the left edge to the end of the lit ground, when drawn.
    pub(super) fn right(&self) -> u32 {
        self.scale * (self.width + FULL_QUIET)
    }

    /// Lights the left of the target, over its whole height, and draws the code in it as dark pixels.
    pub(super) fn draw<D: DrawTarget<Color = BinaryColor>>(
        &self,
        target: &mut D,
    ) -> Result<(), D::Error> {
        let area = target.bounding_box();
        let ground = Rectangle::new(
            area.top_left,
            Size::new(self.right().min(area.size.width), area.size.height),
        );
        ground
            .into_styled(PrimitiveStyle::with_fill(BinaryColor::On))
            .draw(target)?;
        let side = self.width * self.scale;
        let code = ground.resized(
            Size::new(side, side),
            embedded_graphics::geometry::AnchorPoint::Center,
        );
        let pixels = code.points().filter_map(|point| {
            let module = (point - code.top_left) / i32::try_from(self.scale).ok()?;
            let at = usize::try_from(module.y).ok()? * usize::try_from(self.width).ok()?
                + usize::try_from(module.x).ok()?;
            (self.modules.get(at) == Some(&Color::Dark)).then_some(Pixel(point, BinaryColor::Off))
        });
        target.draw_iter(pixels)
    }
}
