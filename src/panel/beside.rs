//! What stands beside a QR: what to do with it, and how long it is valid. A square glass has no room for that.

use embedded_graphics::{
    prelude::*,
    primitives::{PrimitiveStyle, Rectangle},
};

use super::{
    ink::Ink,
    letters::{B8, B11, B14, B19, B25, Font, R8, R11, R12, R14},
    screens::duration,
    words::Words,
};

/// The validity of a pairing's first code, milliseconds; the bar is full then.
const LONGEST_MS: u64 = 60_000;
/// The height of that bar, and what is left free above it, pixels.
const BAR: u32 = 3;

/// Draws the words and the time left into an area of the target, where they have room.
pub(super) fn draw<D: DrawTarget<Color = Ink>>(
    words: &Words,
    left_ms: u64,
    area: Rectangle,
    target: &mut D,
) -> Result<(), D::Error> {
    let Size { width, height } = area.size;
    let Some(blocks) = lay(words, &duration(left_ms), area.size) else {
        return Ok(());
    };
    let mut down = 0;
    for (at, (font, lines)) in blocks.iter().enumerate() {
        if at == blocks.len() - 1 {
            down = foot(*font, height);
        }
        for line in lines {
            let base = area.top_left + Size::new(0, down + font.capital);
            font.draw(line, base, Ink::Text, target)?;
            down += pitch(*font);
        }
        down += font.capital / 8;
    }
    let filled = u64::from(width) * left_ms.min(LONGEST_MS) / LONGEST_MS;
    let bar = Size::new(u32::try_from(filled).unwrap_or(width), BAR);
    Rectangle::new(
        area.top_left + Size::new(0, height.saturating_sub(BAR)),
        bar,
    )
    .into_styled(PrimitiveStyle::with_fill(Ink::Text))
    .draw(target)
}

/// Gives what to do, where, and the time left their fonts and lines; `None` when one of them has no room.
fn lay(words: &Words, time: &str, room: Size) -> Option<[(Font, Vec<String>); 3]> {
    let [strong, plain, timed]: [&[Font]; 3] = match (room.width, room.height) {
        (..90, _) => [&[B8], &[R8], &[B8]],
        (_, ..200) => [&[B19, B14], &[R11, R8], &[B14, B11]],
        _ => [&[B25, B19, B14], &[R14, R12], &[B25, B19]],
    };
    let fit = |text: &str, fonts: &[Font], most: usize| {
        fonts.iter().find_map(|font| {
            let lines = font.wrap(text, room.width)?;
            (lines.len() <= most).then_some((*font, lines))
        })
    };
    let blocks = [
        fit(words.scan, strong, 1)?,
        fit(words.scan_where, plain, 3)?,
        fit(time, timed, 1)?,
    ];
    let [words @ .., (timed, _)] = &blocks;
    let height = |(font, lines): &(Font, Vec<String>)| {
        let lines = u32::try_from(lines.len()).unwrap_or(u32::MAX);
        lines * pitch(*font) + font.capital / 8
    };
    let needed: u32 = words.iter().map(height).sum();
    (needed <= foot(*timed, room.height)).then_some(blocks)
}

/// How far down the time stands, above its bar.
fn foot(font: Font, height: u32) -> u32 {
    height.saturating_sub(font.capital + 2 * BAR)
}

fn pitch(font: Font) -> u32 {
    font.capital + font.below + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panel::Language;

    #[test]
    fn every_language_has_room_beside_the_qr() {
        // Beside the longest and an ordinary payload on 128x64, on 250x122 and on 400x300.
        for (width, height) in [(57, 60), (61, 60), (118, 118), (138, 296)] {
            for language in Language::ALL {
                let laid = lay(language.words(), "0:42", Size::new(width, height));
                assert!(laid.is_some(), "{} in {width}x{height}", language.code());
            }
        }
        let square = lay(Language::English.words(), "0:42", Size::new(8, 124));
        assert!(square.is_none());
    }
}
