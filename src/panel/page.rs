//! The layout of every screen but the QR: a big word, a line, a strong line, a footer.

use embedded_graphics::{
    mono_font::{
        MonoFont, MonoTextStyle,
        ascii::{FONT_5X8, FONT_6X10, FONT_7X13_BOLD, FONT_8X13_BOLD, FONT_10X20},
    },
    pixelcolor::BinaryColor,
    prelude::*,
    primitives::{Line, PrimitiveStyle},
    text::{Alignment, Baseline, Text, TextStyleBuilder},
};

/// The fonts that are read from near, the largest first.
pub(super) const SMALL: [&MonoFont<'static>; 3] = [&FONT_8X13_BOLD, &FONT_6X10, &FONT_5X8];

/// The text of one screen, each part centred in the largest font it fits in.
pub(super) struct Page {
    /// One word, to be read from a metre; up to 12 letters.
    pub(super) title: String,
    /// The line below the title; up to 25 letters.
    pub(super) line: String,
    /// The main line: a countdown, or what to do.
    pub(super) strong: String,
    /// Further lines.
    pub(super) foot: String,
}

/// The letters and lines of running text below the title.
const TEXT: (&MonoFont<'static>, usize) = (&FONT_5X8, 3);

impl Page {
    /// Draws the title and the main line, with running text between them. Of a text that is too long the end is drawn: of a path
    /// that is the file.
    pub(super) fn with_text<D: DrawTarget<Color = BinaryColor>>(
        &self,
        text: &str,
        target: &mut D,
    ) -> Result<(), D::Error> {
        let (font, most) = TEXT;
        let area = target.bounding_box();
        let (middle, top) = (area.center().x, area.top_left.y);
        big(&self.title, Point::new(middle, top + 14), target)?;
        let letters_a_line = (area.size.width / font.character_size.width).max(1) as usize;
        let all: Vec<char> = text.chars().collect();
        let shown = &all[all.len().saturating_sub(letters_a_line * most)..];
        for (at, line) in (0..).zip(shown.chunks(letters_a_line)) {
            let line: String = line.iter().collect();
            let place = Point::new(middle, top + 32 + at * 8);
            letters(&line, font, place, target)?;
        }
        let foot = Point::new(middle, top + 59);
        small(&self.strong, &SMALL[2..], area.size.width, foot, target)
    }

    pub(super) fn draw<D: DrawTarget<Color = BinaryColor>>(
        &self,
        target: &mut D,
    ) -> Result<(), D::Error> {
        let area = target.bounding_box();
        let middle = area.center().x;
        let rule = area.top_left.y + 29;
        big(
            &self.title,
            Point::new(middle, area.top_left.y + 14),
            target,
        )?;
        Line::new(
            Point::new(area.top_left.x, rule),
            Point::new(area.top_left.x + area.size.width as i32 - 1, rule),
        )
        .into_styled(PrimitiveStyle::with_stroke(BinaryColor::On, 1))
        .draw(target)?;
        let room = area.size.width;
        small(
            &self.line,
            &SMALL[1..],
            room,
            Point::new(middle, rule + 6),
            target,
        )?;
        small(
            &self.strong,
            &SMALL,
            room,
            Point::new(middle, rule + 19),
            target,
        )?;
        small(
            &self.foot,
            &SMALL[2..],
            room,
            Point::new(middle, rule + 30),
            target,
        )
    }
}

/// Draws up to 9 letters 26 pixels high, more of them 20.
fn big<D: DrawTarget<Color = BinaryColor>>(
    text: &str,
    at: Point,
    target: &mut D,
) -> Result<(), D::Error> {
    if 2 * width(text, &FONT_7X13_BOLD) <= target.bounding_box().size.width {
        letters(text, &FONT_7X13_BOLD, at / 2, &mut Doubled(target))
    } else {
        letters(text, &FONT_10X20, at, target)
    }
}

/// Draws text in the first of `fonts` that fits the room, else in the last.
pub(super) fn small<D: DrawTarget<Color = BinaryColor>>(
    text: &str,
    fonts: &[&MonoFont<'_>],
    room: u32,
    at: Point,
    target: &mut D,
) -> Result<(), D::Error> {
    match fonts
        .iter()
        .find(|font| width(text, font) <= room)
        .or(fonts.last())
    {
        Some(font) => letters(text, font, at, target),
        None => Ok(()),
    }
}

/// Draws text centred around a point.
fn letters<D: DrawTarget<Color = BinaryColor>>(
    text: &str,
    font: &MonoFont<'_>,
    at: Point,
    target: &mut D,
) -> Result<(), D::Error> {
    let style = TextStyleBuilder::new()
        .alignment(Alignment::Center)
        .baseline(Baseline::Middle)
        .build();
    Text::with_text_style(text, at, MonoTextStyle::new(font, BinaryColor::On), style)
        .draw(target)
        .map(drop)
}

fn width(text: &str, font: &MonoFont<'_>) -> u32 {
    u32::try_from(text.chars().count())
        .unwrap_or(u32::MAX)
        .saturating_mul(font.character_size.width)
}

/// Draws each pixel as two by two: the fonts end at 20 pixels.
struct Doubled<'a, D>(&'a mut D);

impl<D: Dimensions> Dimensions for Doubled<'_, D> {
    fn bounding_box(&self) -> embedded_graphics::primitives::Rectangle {
        let area = self.0.bounding_box();
        embedded_graphics::primitives::Rectangle::new(area.top_left / 2, area.size / 2)
    }
}

impl<D: DrawTarget<Color = BinaryColor>> DrawTarget for Doubled<'_, D> {
    type Color = BinaryColor;
    type Error = D::Error;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), D::Error>
    where
        I: IntoIterator<Item = Pixel<BinaryColor>>,
    {
        const CORNERS: [Point; 4] = [
            Point::new(0, 0),
            Point::new(1, 0),
            Point::new(0, 1),
            Point::new(1, 1),
        ];
        let four = |Pixel(point, color): Pixel<BinaryColor>| {
            CORNERS.map(|corner| Pixel(point * 2 + corner, color))
        };
        self.0.draw_iter(pixels.into_iter().flat_map(four))
    }
}
