//! What is on the glass: a face with all that belongs to it, drawn for a glass of any size.

use std::convert::Infallible;

use embedded_graphics::{
    prelude::*,
    primitives::{PrimitiveStyle, Rectangle},
};
use holdfast_core::{Face, PairingFace};
use holdfast_medium::Secret;

use super::{
    Figures, Format, Frame, Language,
    icon::Mood,
    ink::Ink,
    letters::{B8, B11, B14, B19, B25, Font, R8, R11, R12, R14},
    page::{MARGIN, Page},
    qr::{Qr, is_readable},
    screens::{countdown, duration, filled, page, said},
    words::Words,
};

/// The secret that links a phone; on the glass only while it is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The text of the QR.
    Qr(Secret<String>),
    /// The 8 letters of the pairing code.
    Code(Secret<String>),
}

impl Credential {
    /// Tells whether a face shows it: the face is about it, and it is still valid.
    pub fn is_shown_by(&self, face: &Face) -> bool {
        match (self, face) {
            (Self::Qr(_), Face::Pairing(PairingFace::Qr { left_ms }))
            | (Self::Code(_), Face::Pairing(PairingFace::Code { left_ms })) => *left_ms > 0,
            _ => false,
        }
    }
}

/// A face with all that belongs to it.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// What the owner meets.
    pub face: &'a Face,
    /// The code that it shows; another is not drawn.
    pub credential: Option<&'a Credential>,
    /// What is known beside it.
    pub figures: &'a Figures,
    /// The file that a fault is about, and what the system said of it.
    pub named: Option<&'a str>,
    /// The language of its words.
    pub language: Language,
}

/// Draws the screen of a face over a whole picture, in English, with nothing known beside it.
///
/// # Errors
/// None comes: a picture takes every pixel.
pub fn draw(
    face: &Face,
    credential: Option<&Credential>,
    frame: &mut Frame,
) -> Result<(), Infallible> {
    let scene = Scene {
        face,
        credential,
        figures: &Figures::default(),
        named: None,
        language: Language::English,
    };
    scene.draw(frame.format(), frame)
}

impl Scene<'_> {
    /// Draws it over a whole target, for a glass of this format.
    ///
    /// # Errors
    /// The target's own.
    pub fn draw<D: DrawTarget<Color = Ink>>(
        &self,
        format: Format,
        target: &mut D,
    ) -> Result<(), D::Error> {
        target.clear(Ink::Ground)?;
        let words = self.language.words();
        match self
            .credential
            .filter(|credential| credential.is_shown_by(self.face))
        {
            Some(Credential::Qr(text)) => {
                let Size { width, height } = target.bounding_box().size;
                match Qr::fit(text.expose(), width.min(height), format.pitch_um) {
                    Some(qr) => self.scan(&qr, words, target),
                    None => said(Mood::Bad, &words.too_big).draw(target),
                }
            }
            Some(Credential::Code(code)) => self.enter(code.expose(), words).draw(target),
            None => self.page(format).draw(target),
        }
    }

    fn page(&self, format: Format) -> Page {
        let page = page(
            self.face,
            self.figures,
            self.language.words(),
            is_readable(format),
        );
        match (self.face, self.named) {
            (Face::StorageFault { .. }, Some(named)) => Page {
                named: named.to_owned(),
                ..page
            },
            _ => page,
        }
    }

    fn left_ms(&self) -> u64 {
        countdown(&mut self.face.clone()).map_or(0, |left_ms| *left_ms)
    }

    /// The QR at the left, what to do with it at the right: a square glass has the QR alone.
    fn scan<D: DrawTarget<Color = Ink>>(
        &self,
        qr: &Qr,
        words: &Words,
        target: &mut D,
    ) -> Result<(), D::Error> {
        /// The validity of a pairing's first code; the bar is full then.
        const LONGEST_MS: u64 = 60_000;
        /// The least for words beside the QR, pixels.
        const LEAST_ROOM: u32 = 52;
        const GAP: u32 = 4;
        const BAR: u32 = 3;
        qr.draw(target)?;
        let area = target.bounding_box();
        let begin = qr.right() + GAP;
        let width = area.size.width.saturating_sub(begin + MARGIN);
        if width < LEAST_ROOM {
            return Ok(());
        }
        let corner = area.top_left + Size::new(begin, MARGIN);
        let height = area.size.height.saturating_sub(2 * MARGIN);
        let time = duration(self.left_ms());
        let fonts: [[Font; 2]; 3] = match (width, height) {
            (..90, _) => [[B11, B8], [R8, R8], [B8, B8]],
            (_, ..200) => [[B19, B14], [R11, R8], [B14, B11]],
            _ => [[B25, B19], [R14, R12], [B25, B19]],
        };
        let mut down = 0;
        for (text, fonts, lines) in [
            (words.scan, fonts[0], 1),
            (words.scan_where, fonts[1], 4),
            (&time, fonts[2], 1),
        ] {
            let wrap = |font: &Font| {
                let wrapped = font.wrap(text, width)?;
                (wrapped.len() <= lines).then_some((*font, wrapped))
            };
            let Some((font, wrapped)) = fonts.iter().find_map(wrap) else {
                continue;
            };
            if text == time {
                down = down.max(height.saturating_sub(font.capital + BAR + GAP));
            }
            for line in wrapped {
                let base = corner + Size::new(0, down + font.capital);
                font.draw(&line, base, Ink::Text, target)?;
                down += font.capital + font.below + 1;
            }
            down += font.capital / 4;
        }
        let filled = u64::from(width) * self.left_ms().min(LONGEST_MS) / LONGEST_MS;
        Rectangle::new(
            corner + Size::new(0, height.saturating_sub(BAR)),
            Size::new(u32::try_from(filled).unwrap_or(width), BAR),
        )
        .into_styled(PrimitiveStyle::with_fill(Ink::Text))
        .draw(target)
    }

    /// The pairing code as `XXXX-XXXX`, and where to enter it.
    fn enter(&self, code: &str, words: &Words) -> Page {
        let mut code: String = code.chars().filter(|letter| *letter != '-').collect();
        if let Some((middle, _)) = code.char_indices().nth(4) {
            code.insert(middle, '-');
        }
        Page {
            title: code,
            time: filled(words.left, [duration(self.left_ms())]),
            ..said(Mood::Code, &words.enter)
        }
    }
}
