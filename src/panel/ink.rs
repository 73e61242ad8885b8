//! The inks that screens are drawn with: one drawing serves glasses of one, two and sixteen bits.

use embedded_graphics::pixelcolor::PixelColor;

/// Bits of a pixel: what a glass can show of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Dark or lit.
    One = 1,
    /// Dark, two greys, lit.
    Two = 2,
    /// Red, green and blue in 5, 6 and 5 bits.
    Sixteen = 16,
}

/// What a screen is drawn with. A glass without colours shows all that is not the ground, or black, alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// What is written on.
    Ground,
    /// What is written with.
    Text,
    /// Of a screen that says all is well.
    Good,
    /// Of a screen that asks for a human.
    Ask,
    /// Of a screen that says something is wrong.
    Bad,
    /// The modules of a QR, whatever the ground: many scanners read no light on dark.
    Black,
    /// What these stand on.
    White,
}

/// What a glass is while nothing is written on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// Pixels that give light: an OLED wears where it is lit.
    Dark,
    /// Paper: writing is black, and a lit pixel white.
    Light,
}

impl Depth {
    /// The level of a lit, or white, pixel.
    pub fn lit(self) -> u16 {
        match self {
            Self::One => 1,
            Self::Two => 3,
            Self::Sixteen => 0xffff,
        }
    }
}

impl Ink {
    /// The level of a pixel: 0 is dark, [`Depth::lit`] is lit or white.
    pub(super) fn level(self, depth: Depth, ground: Ground) -> u16 {
        let lit = match (self, ground) {
            (Self::Black, _) | (Self::Ground, Ground::Dark) => false,
            (Self::White, _) | (Self::Ground, Ground::Light) => true,
            (_, Ground::Dark) => true,
            (_, Ground::Light) => false,
        };
        match (self, depth) {
            (Self::Good, Depth::Sixteen) => color(70, 220, 110),
            (Self::Ask, Depth::Sixteen) => color(255, 190, 40),
            (Self::Bad, Depth::Sixteen) => color(255, 90, 80),
            _ if lit => depth.lit(),
            _ => 0,
        }
    }
}

/// A colour in 5, 6 and 5 bits. Each of ours is light enough for black writing on it.
const fn color(red: u16, green: u16, blue: u16) -> u16 {
    (red >> 3) << 11 | (green >> 2) << 5 | blue >> 3
}

impl PixelColor for Ink {
    type Raw = ();
}
