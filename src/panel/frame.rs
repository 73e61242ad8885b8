//! What is on the glass: 128x64 pixels, lit or not.

use std::{convert::Infallible, fmt};

use embedded_graphics::{Pixel, pixelcolor::BinaryColor, prelude::*};

/// Pixels from left to right.
pub const WIDTH: u32 = 128;
/// Pixels from top to bottom.
pub const HEIGHT: u32 = 64;
/// Eight pixels to the byte.
const BYTES: usize = (WIDTH * HEIGHT / 8) as usize;

/// One picture of the glass.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    bits: [u8; BYTES],
}

impl Frame {
    /// All pixels dark.
    pub fn new() -> Self {
        Self { bits: [0; BYTES] }
    }

    /// The picture [`Frame::bits`] was taken of; `None` unless it is 1024 bytes long.
    pub fn from_bits(bits: &[u8]) -> Option<Self> {
        Some(Self {
            bits: bits.try_into().ok()?,
        })
    }

    /// Row by row from the top, each from the left, the leftmost pixel in a byte's highest bit; 1 is lit.
    pub fn bits(&self) -> &[u8] {
        &self.bits
    }

    /// Whether a pixel is lit; outside of the glass none is.
    pub fn lit(&self, x: u32, y: u32) -> bool {
        Self::place(x, y).is_some_and(|(byte, mask)| self.bits[byte] & mask != 0)
    }

    /// A greyscale PNG with each pixel `scale` wide and high (0 counts as 1); lit is white.
    pub fn to_png(&self, scale: u8) -> Vec<u8> {
        let scale = u32::from(scale.max(1));
        let mut rows = Vec::with_capacity(BYTES * (scale * scale) as usize);
        for y in 0..HEIGHT * scale {
            rows.extend((0..WIDTH * scale / 8).map(|byte| {
                (0..8).fold(0, |bits, x| {
                    bits << 1 | u8::from(self.lit((byte * 8 + x) / scale, y / scale))
                })
            }));
        }
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, WIDTH * scale, HEIGHT * scale);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::One);
        encoder
            .write_header()
            .and_then(|mut writer| writer.write_image_data(&rows))
            .expect("memory takes every byte, and the rows are as long as the header says");
        file
    }

    fn place(x: u32, y: u32) -> Option<(usize, u8)> {
        (x < WIDTH && y < HEIGHT).then(|| ((y * WIDTH + x) as usize / 8, 0x80 >> (x % 8)))
    }
}

impl Default for Frame {
    fn default() -> Self {
        Self::new()
    }
}

/// A picture may show a QR, so it does not print itself.
impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Frame")
    }
}

impl OriginDimensions for Frame {
    fn size(&self) -> Size {
        Size::new(WIDTH, HEIGHT)
    }
}

impl DrawTarget for Frame {
    type Color = BinaryColor;
    type Error = Infallible;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Infallible>
    where
        I: IntoIterator<Item = Pixel<BinaryColor>>,
    {
        for Pixel(point, color) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(point.x), u32::try_from(point.y)) else {
                continue;
            };
            if let Some((byte, mask)) = Self::place(x, y) {
                match color {
                    BinaryColor::On => self.bits[byte] |= mask,
                    BinaryColor::Off => self.bits[byte] &= !mask,
                }
            }
        }
        Ok(())
    }
}
