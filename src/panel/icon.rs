//! Icons: good is told from bad at a glance, from further away than a title is read.

use embedded_graphics::{
    prelude::*,
    primitives::{Circle, Line, PrimitiveStyle, PrimitiveStyleBuilder, StrokeAlignment},
};

use super::ink::Ink;

/// How a screen stands to its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    /// All is well.
    Good,
    /// Holdfast is at work, and needs nobody.
    Work,
    /// A human should do something.
    Ask,
    /// Something is wrong.
    Bad,
    /// Somebody looks something up: no icon.
    Page,
    /// A code to be typed in, as large as can be: no icon.
    Code,
}

impl Mood {
    /// Its colour on a glass that has some.
    pub(super) fn ink(self) -> Ink {
        match self {
            Self::Good => Ink::Good,
            Self::Work | Self::Page | Self::Code => Ink::Text,
            Self::Ask => Ink::Ask,
            Self::Bad => Ink::Bad,
        }
    }

    /// Whether its title stands dark on a bar.
    pub(super) fn is_loud(self) -> bool {
        matches!(self, Self::Ask | Self::Bad)
    }

    /// Draws its icon in a square: a tick, a clock, an exclamation mark or a cross, in a disc.
    pub(super) fn draw<D: DrawTarget<Color = Ink>>(
        self,
        at: Point,
        side: u32,
        target: &mut D,
    ) -> Result<(), D::Error> {
        let ink = if self.is_loud() {
            Ink::Ground
        } else {
            self.ink()
        };
        let stroke = (side / 6).max(2);
        let disc = Circle::new(at, side);
        let outlined = PrimitiveStyleBuilder::new()
            .stroke_color(ink)
            .stroke_width(stroke.min(side / 9 + 1))
            .stroke_alignment(StrokeAlignment::Inside)
            .build();
        let filled = PrimitiveStyle::with_fill(ink);
        // Of the marks' lines, in sixteenths of the side.
        let (lines, mark): (&[[i32; 4]], Ink) = match self {
            Self::Page | Self::Code => return Ok(()),
            Self::Good => (&[[4, 8, 7, 12], [7, 12, 12, 5]], Ink::Ground),
            Self::Work => (&[[8, 4, 8, 8], [8, 8, 11, 10]], ink),
            Self::Ask => (&[[8, 3, 8, 9], [8, 12, 8, 12]], self.ink()),
            Self::Bad => (&[[4, 4, 12, 12], [12, 4, 4, 12]], self.ink()),
        };
        match self {
            Self::Work => disc.into_styled(outlined).draw(target)?,
            _ => disc.into_styled(filled).draw(target)?,
        }
        let place = |x: i32, y: i32| {
            let side = i32::try_from(side).unwrap_or(0);
            at + Point::new(x * (side - 1), y * (side - 1)) / 16
        };
        for &[x, y, to_x, to_y] in lines {
            let (from, to) = (place(x, y), place(to_x, to_y));
            if from == to {
                let dot = Circle::with_center(from, stroke + 1);
                dot.into_styled(PrimitiveStyle::with_fill(mark))
                    .draw(target)?;
            } else {
                let line = Line::new(from, to);
                line.into_styled(PrimitiveStyle::with_stroke(mark, stroke))
                    .draw(target)?;
            }
        }
        Ok(())
    }
}
