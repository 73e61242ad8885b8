//! What is on the glass: a face with all that belongs to it, drawn for a glass of any size.

use std::convert::Infallible;

use embedded_graphics::{prelude::*, primitives::Rectangle};
use holdfast_core::{Face, PairingFace};
use holdfast_medium::Secret;

use super::{
    Figures, Format, Frame, Language, beside,
    icon::Mood,
    ink::Ink,
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
                    Some(qr) => self.scan(&qr, target),
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

    /// The QR at the left, what to do with it at the right.
    fn scan<D: DrawTarget<Color = Ink>>(&self, qr: &Qr, target: &mut D) -> Result<(), D::Error> {
        qr.draw(target)?;
        let area = target.bounding_box();
        // This screen is never shifted: a pixel at the side is enough.
        let begin = Size::new(qr.right() + 1, MARGIN);
        let rest = area.size.saturating_sub(begin + Size::new(1, MARGIN));
        let rest = Rectangle::new(area.top_left + begin, rest);
        beside::draw(self.language.words(), self.left_ms(), rest, target)
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
