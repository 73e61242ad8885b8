//! Pictures: pixels in the size and the depth of the glass they are for.

use std::{convert::Infallible, fmt};

use embedded_graphics::{Pixel, pixelcolor::BinaryColor, prelude::*};

/// Bits of a pixel: how many levels of grey a glass has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Dark or lit.
    One = 1,
    /// Dark, two greys, lit.
    Two = 2,
}

/// Size and depth of a glass, and of the pictures for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
    /// Bits of a pixel.
    pub depth: Depth,
}

/// A picture in memory, packed as PNG has it.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    format: Format,
    /// Row by row from the top; each row begins with a byte of its own, the leftmost pixel in its highest bits.
    bytes: Vec<u8>,
}

impl Depth {
    /// The level of a lit pixel.
    pub fn lit(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Two => 3,
        }
    }

    fn bits(self) -> u32 {
        self as u32
    }
}

impl Format {
    fn row_bytes(self) -> u32 {
        (self.width * self.depth.bits()).div_ceil(8)
    }
}

impl Frame {
    /// Makes a picture with all pixels dark.
    pub fn new(format: Format) -> Self {
        let bytes = format.row_bytes() as usize * format.height as usize;
        Self {
            format,
            bytes: vec![0; bytes],
        }
    }

    /// Makes the picture again that [`Frame::bits`] was taken of; `None` when there are not as many bits, or none.
    pub fn from_bits(width: u32, height: u32, bits: &[u8]) -> Option<Self> {
        let row = u64::from(width.div_ceil(8));
        let fits = row.checked_mul(height.into()) == Some(bits.len() as u64) && !bits.is_empty();
        let format = Format {
            width,
            height,
            depth: Depth::One,
        };
        fits.then(|| Self {
            format,
            bytes: bits.to_vec(),
        })
    }

    /// Its size and depth.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Packs the pixels, one bit each whatever the depth, 1 is lit: row by row from the top, each beginning with a byte of its own,
    /// the leftmost pixel in a byte's highest bit.
    pub fn bits(&self) -> Vec<u8> {
        pack(self.format.width, self.format.height, 1, |x, y| {
            u8::from(self.lit(x, y))
        })
    }

    /// Tells the brightness of a pixel, from 0 to [`Depth::lit`]; outside of the picture all are dark.
    pub fn level(&self, x: u32, y: u32) -> u8 {
        self.place(x, y).map_or(0, |(at, shift)| {
            self.bytes[at] >> shift & self.format.depth.lit()
        })
    }

    /// Tells whether a pixel is nearer to lit than to dark.
    pub fn lit(&self, x: u32, y: u32) -> bool {
        self.level(x, y) * 2 > self.format.depth.lit()
    }

    /// Encodes a greyscale PNG with each pixel `scale` wide and high (0 counts as 1); lit is white.
    pub fn to_png(&self, scale: u8) -> Vec<u8> {
        let scale = u32::from(scale.max(1));
        let (width, height) = (self.format.width * scale, self.format.height * scale);
        let rows = pack(width, height, self.format.depth.bits(), |x, y| {
            self.level(x / scale, y / scale)
        });
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(match self.format.depth {
            Depth::One => png::BitDepth::One,
            Depth::Two => png::BitDepth::Two,
        });
        encoder
            .write_header()
            .and_then(|mut writer| writer.write_image_data(&rows))
            .expect("memory takes every byte, and the rows are as long as the header says");
        file
    }

    /// Locates a pixel: its byte, and how far its bits are from the byte's lowest.
    fn place(&self, x: u32, y: u32) -> Option<(usize, u32)> {
        let Format {
            width,
            height,
            depth,
        } = self.format;
        (x < width && y < height).then(|| {
            let bit = x * depth.bits();
            let at = (y * self.format.row_bytes() + bit / 8) as usize;
            (at, 8 - depth.bits() - bit % 8)
        })
    }
}

/// Packs rows of pixels of so many bits, each row filled up to a whole byte.
fn pack(width: u32, height: u32, bits: u32, level: impl Fn(u32, u32) -> u8) -> Vec<u8> {
    let in_a_byte = 8 / bits;
    let byte = |first: u32, y: u32| {
        (first..first + in_a_byte).fold(0, |byte, x| {
            byte << bits | if x < width { level(x, y) } else { 0 }
        })
    };
    (0..height)
        .flat_map(|y| (0..width).step_by(in_a_byte as usize).map(move |x| (x, y)))
        .map(|(x, y)| byte(x, y))
        .collect()
}

/// A picture may show a QR, so it does not print itself.
impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Frame")
    }
}

impl OriginDimensions for Frame {
    fn size(&self) -> Size {
        Size::new(self.format.width, self.format.height)
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
            if let Some((at, shift)) = self.place(x, y) {
                let lit = self.format.depth.lit() << shift;
                match color {
                    BinaryColor::On => self.bytes[at] |= lit,
                    BinaryColor::Off => self.bytes[at] &= !lit,
                }
            }
        }
        Ok(())
    }
}
