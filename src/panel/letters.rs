//! Letters: the fonts of the screens, how much room a text takes in them, and where it breaks.
//!
//! Helvetica as X11 has it, drawn pixel by pixel for each size: bold for what is read from afar. docs/fonts.md has its licence.

use embedded_graphics::{prelude::*, primitives::Rectangle};
use u8g2_fonts::{
    FontRenderer, fonts,
    types::{FontColor, VerticalPosition},
};

use super::ink::Ink;

/// A font, and its measures in pixels.
#[derive(Clone, Copy)]
pub(super) struct Font {
    renderer: fn() -> FontRenderer,
    /// The height of a capital letter.
    pub(super) capital: u32,
    /// The rows below the base line of its lowest letter.
    pub(super) below: u32,
}

macro_rules! fonts {
    ($($name:ident $font:ident $capital:literal $below:literal;)*) => {
        $(pub(super) const $name: Font = Font {
            renderer: || FontRenderer::new::<fonts::$font>().with_ignore_unknown_chars(true),
            capital: $capital,
            below: $below,
        };)*

        /// Every font that a screen uses, by its name.
        #[cfg(test)]
        const ALL: &[(&str, Font)] = &[$((stringify!($font), $name),)*];
    };
}

// B is bold, R is regular; the number is the height of a capital letter.
fonts! {
    B8 u8g2_font_helvB08_tf 8 2;
    B11 u8g2_font_helvB10_tf 11 3;
    B12 u8g2_font_helvB12_tf 12 4;
    B14 u8g2_font_helvB14_tf 14 5;
    B19 u8g2_font_helvB18_tf 19 5;
    B25 u8g2_font_helvB24_tf 25 7;
    R8 u8g2_font_helvR08_tf 8 2;
    R11 u8g2_font_helvR10_tf 11 3;
    R12 u8g2_font_helvR12_tf 12 4;
    R14 u8g2_font_helvR14_tf 14 4;
    R19 u8g2_font_helvR18_tf 19 5;
}

impl Font {
    /// Pixels from the left of a text to where the next one would begin.
    pub(super) fn width(self, text: &str) -> u32 {
        let font = (self.renderer)();
        let measured =
            font.get_rendered_dimensions(text, Point::zero(), VerticalPosition::Baseline);
        let advance = measured.map_or(0, |measured| measured.advance.x);
        u32::try_from(advance).unwrap_or(0)
    }

    /// The rows that letters of a text light, above and below its base line.
    pub(super) fn extent(self, text: &str) -> (u32, u32) {
        let font = (self.renderer)();
        let measured =
            font.get_rendered_dimensions(text, Point::zero(), VerticalPosition::Baseline);
        let lit = measured.ok().and_then(|measured| measured.bounding_box);
        lit.map_or((0, 0), |Rectangle { top_left, size }| {
            let above = u32::try_from(-top_left.y).unwrap_or(0);
            (above, size.height.saturating_sub(above))
        })
    }

    /// Draws a text from a point on its base line to the right.
    pub(super) fn draw<D: DrawTarget<Color = Ink>>(
        self,
        text: &str,
        at: Point,
        ink: Ink,
        target: &mut D,
    ) -> Result<(), D::Error> {
        let color = FontColor::Transparent(ink);
        let drawn = (self.renderer)().render(text, at, VerticalPosition::Baseline, color, target);
        match drawn {
            Err(u8g2_fonts::Error::DisplayError(error)) => Err(error),
            // A letter that it has not is left out, and its ground is never drawn.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Breaks a text into lines of this width, at spaces; `None` when a word is wider. No letter's place depends on the one before,
    /// so that every word is measured once.
    pub(super) fn wrap(self, text: &str, width: u32) -> Option<Vec<String>> {
        let space = self.width(" ");
        let (mut lines, mut used) = (Vec::<String>::new(), 0);
        for word in text.split_whitespace() {
            let wide = self.width(word);
            match lines.last_mut() {
                Some(line) if used + space + wide <= width => {
                    line.push(' ');
                    line.push_str(word);
                    used += space + wide;
                }
                _ if wide <= width => {
                    lines.push(word.to_owned());
                    used = wide;
                }
                _ => return None,
            }
        }
        Some(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panel::Language;

    /// What is written beside the words of the tables: numbers, times, names, addresses, files.
    const VALUES: &str =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.,:;-+_/%?!()<>'\"`";

    #[test]
    fn every_font_has_every_letter_of_every_language() {
        for (name, font) in ALL {
            let font = (font.renderer)().with_ignore_unknown_chars(false);
            let lacks = |letter: &char| {
                let at = Point::zero();
                let drawn = font.get_rendered_dimensions(*letter, at, VerticalPosition::Baseline);
                drawn.is_err()
            };
            assert_eq!(VALUES.chars().find(lacks), None, "{name}");
            for language in Language::ALL {
                let words = language.words().all();
                let letters = words.iter().flat_map(|text| text.chars());
                let lacking: String = letters.filter(lacks).collect();
                assert_eq!(lacking, "", "{name}, {}", language.code());
            }
            assert!(lacks(&'\u{4e00}'), "the control: one that it has not");
        }
    }

    #[test]
    fn measures_are_what_is_drawn() {
        for (name, font) in ALL {
            assert_eq!(font.extent("H"), (font.capital, 0), "{name}");
            assert_eq!(font.extent("gpqyç,").1, font.below, "{name}");
        }
        assert_eq!(
            R8.width("WhatsApp: ok"),
            R8.width("WhatsApp:") + R8.width(" ") + R8.width("ok")
        );
    }

    #[test]
    fn lines_break_at_spaces() {
        let wrap = |text, width| R8.wrap(text, width).map(|lines| lines.join("|"));
        let width = R8.width("one two");
        assert_eq!(wrap("one two three", width).unwrap(), "one two|three");
        assert_eq!(wrap("one two three", width - 1).unwrap(), "one|two|three");
        assert_eq!(wrap("one two three", R8.width("three") - 1), None);
        assert_eq!(wrap("", 0).unwrap(), "");
    }
}
