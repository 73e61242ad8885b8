//! Pictures: pixels in the size and the depth of the glass they are for.

use std::{convert::Infallible, fmt};

use embedded_graphics::{Pixel, prelude::*};
use holdfast_core::Shift;

use super::ink::{Depth, Ground, Ink};

/// What is known of a glass before it is there, and of the pictures for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
    /// Bits of a pixel.
    pub depth: Depth,
    /// From one pixel to the next, micrometres: what a phone can read of a QR follows from it.
    pub pitch_um: u32,
    /// What a screen is written on.
    pub ground: Ground,
}

/// The format of pictures for a glass without a size of its own: a terminal, or a board without a display, whose pictures
/// are seen over the bus.
pub const PLAIN: Format = Format {
    width: 128,
    height: 64,
    depth: Depth::One,
    pitch_um: 1000,
    ground: Ground::Dark,
};

/// A picture in memory.
#[derive(Clone)]
pub struct Frame {
    format: Format,
    /// Row by row from the top, from left to right.
    levels: Vec<u16>,
}

impl Frame {
    /// Makes a picture with all pixels dark.
    pub fn new(format: Format) -> Self {
        Self {
            format,
            levels: vec![0; format.width as usize * format.height as usize],
        }
    }

    /// Makes a picture of each pixel's level, by its column and row.
    pub fn of_levels(format: Format, level: impl Fn(u32, u32) -> u16) -> Self {
        let points = (0..format.height).flat_map(|y| (0..format.width).map(move |x| (x, y)));
        Self {
            format,
            levels: points.map(|(x, y)| level(x, y)).collect(),
        }
    }

    /// Makes the picture again that [`Frame::bits`] was taken of; `None` when there are not as many bits, or none.
    pub fn from_bits(width: u32, height: u32, bits: &[u8]) -> Option<Self> {
        let row = u64::from(width.div_ceil(8));
        let fits = row.checked_mul(height.into()) == Some(bits.len() as u64) && !bits.is_empty();
        let lit = |x: u32, y: u32| {
            let at = (y * width.div_ceil(8) + x / 8) as usize;
            u16::from(bits[at] >> (7 - x % 8) & 1)
        };
        fits.then(|| Self {
            format: Format {
                width,
                height,
                depth: Depth::One,
                ..PLAIN
            },
            levels: (0..height)
                .flat_map(|y| (0..width).map(move |x| (x, y)))
                .map(|(x, y)| lit(x, y))
                .collect(),
        })
    }

    /// Moves the picture by so many pixels; what leaves the glass is gone, and what comes in is the ground.
    pub fn moved(&self, by: Shift) -> Self {
        if by == Shift::default() {
            return self.clone();
        }
        let ground = Ink::Ground.level(self.format.depth, self.format.ground);
        Self::of_levels(self.format, |x, y| {
            let from_x = x.checked_add_signed(-i32::from(by.x));
            let from_y = y.checked_add_signed(-i32::from(by.y));
            let from = from_x.zip(from_y).and_then(|(x, y)| self.place(x, y));
            from.map_or(ground, |at| self.levels[at])
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

    /// Tells the level of a pixel, from 0 to [`Depth::lit`], with 16 bits its colour; outside of the picture all are dark.
    pub fn level(&self, x: u32, y: u32) -> u16 {
        self.place(x, y).map_or(0, |at| self.levels[at])
    }

    /// Tells whether a pixel is nearer to lit than to dark.
    pub fn lit(&self, x: u32, y: u32) -> bool {
        let level = u32::from(self.level(x, y));
        match self.format.depth {
            Depth::One | Depth::Two => level * 2 > u32::from(self.format.depth.lit()),
            Depth::Sixteen => luma(level) > 127,
        }
    }

    /// Encodes a PNG with each pixel `scale` wide and high (0 counts as 1): greys, lit is white, or with 16 bits colours.
    pub fn to_png(&self, scale: u8) -> Vec<u8> {
        let scale = u32::from(scale.max(1));
        let (width, height) = (self.format.width * scale, self.format.height * scale);
        let level = |x: u32, y: u32| self.level(x / scale, y / scale);
        let (color, depth, bytes) = match self.format.depth {
            Depth::One | Depth::Two => {
                let bits = self.format.depth as u32;
                // No level of these has more than two bits.
                let rows = pack(width, height, bits, |x, y| level(x, y) as u8);
                let depth = match self.format.depth {
                    Depth::One => png::BitDepth::One,
                    _ => png::BitDepth::Two,
                };
                (png::ColorType::Grayscale, depth, rows)
            }
            Depth::Sixteen => {
                let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
                let bytes = pixels.flat_map(|(x, y)| rgb(level(x, y).into()));
                (png::ColorType::Rgb, png::BitDepth::Eight, bytes.collect())
            }
        };
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(color);
        encoder.set_depth(depth);
        encoder
            .write_header()
            .and_then(|mut writer| writer.write_image_data(&bytes))
            .expect("memory takes every byte, and the rows are as long as the header says");
        file
    }

    fn place(&self, x: u32, y: u32) -> Option<usize> {
        let Format { width, height, .. } = self.format;
        (x < width && y < height).then(|| y as usize * width as usize + x as usize)
    }
}

/// Red, green and blue of a colour of 16 bits, 0 to 255 each.
fn rgb(level: u32) -> [u8; 3] {
    let part = |shift: u32, bits: u32| {
        let most = (1 << bits) - 1;
        u8::try_from((level >> shift & most) * 255 / most).unwrap_or(u8::MAX)
    };
    [part(11, 5), part(5, 6), part(0, 5)]
}

/// How bright a colour of 16 bits looks, 0 to 255 (ITU-R BT.601).
fn luma(level: u32) -> u32 {
    let [red, green, blue] = rgb(level).map(u32::from);
    (299 * red + 587 * green + 114 * blue) / 1000
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

/// Two pictures are the same when every pixel is: on which glass they are does not matter.
impl PartialEq for Frame {
    fn eq(&self, other: &Self) -> bool {
        let of = |frame: &Self| {
            let Format {
                width,
                height,
                depth,
                ..
            } = frame.format;
            (width, height, depth)
        };
        of(self) == of(other) && self.levels == other.levels
    }
}

impl Eq for Frame {}

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
    type Color = Ink;
    type Error = Infallible;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Infallible>
    where
        I: IntoIterator<Item = Pixel<Ink>>,
    {
        for Pixel(point, ink) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(point.x), u32::try_from(point.y)) else {
                continue;
            };
            if let Some(at) = self.place(x, y) {
                self.levels[at] = ink.level(self.format.depth, self.format.ground);
            }
        }
        Ok(())
    }
}
