//! A face over time: it counts down by itself, and makes the picture of each moment.

use std::time::Duration;

use holdfast_core::Face;
use tokio::time::Instant;

use super::{Credential, Figures, Format, Frame, Language, Scene, screens};

/// A face for the panel to show. Its countdown runs on by itself, and its credential leaves the glass with it.
#[derive(Clone, Debug)]
pub struct Showing {
    face: Face,
    credential: Option<Credential>,
    named: Option<String>,
    figures: Figures,
    language: Language,
    since: Instant,
}

/// The picture of a moment, as it is on the glass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Its pixels.
    pub frame: Frame,
    /// They show a QR or a pairing code: only `holdfast-admin` may see them.
    pub confidential: bool,
}

impl Showing {
    /// Shows a face from now on.
    pub fn new(face: Face, credential: Option<Credential>) -> Self {
        Self {
            face,
            credential,
            named: None,
            figures: Figures::default(),
            language: Language::default(),
            since: Instant::now(),
        }
    }

    /// Has the screen of a fault name the file that it is about, and what the system said of it.
    pub fn naming(self, named: Option<String>) -> Self {
        Self { named, ..self }
    }

    /// Shows these figures where the glass has room.
    pub fn with(self, figures: Figures) -> Self {
        Self { figures, ..self }
    }

    /// Speaks this language.
    pub fn in_language(self, language: Language) -> Self {
        Self { language, ..self }
    }

    /// Draws the picture of a moment.
    pub fn picture(&self, format: Format, now: Instant) -> Picture {
        let mut face = self.face.clone();
        if let Some(left_ms) = screens::countdown(&mut face) {
            *left_ms = left_ms.saturating_sub(self.shown_ms(now));
        }
        let credential = self.credential.as_ref();
        let mut frame = Frame::new(format);
        let scene = Scene {
            face: &face,
            credential,
            figures: &self.figures,
            named: self.named.as_deref(),
            language: self.language,
        };
        let Ok(()) = scene.draw(format, &mut frame);
        Picture {
            frame,
            confidential: credential.is_some_and(|credential| credential.is_shown_by(&face)),
        }
    }

    /// Tells when the countdown shows another second; `None` when nothing will change by itself.
    pub fn next_change(&self, now: Instant) -> Option<Instant> {
        let left_ms =
            screens::countdown(&mut self.face.clone())?.checked_sub(self.shown_ms(now))?;
        let step_ms = left_ms - left_ms.saturating_sub(1) / 1000 * 1000;
        (left_ms > 0).then(|| now + Duration::from_millis(step_ms))
    }

    /// Tells when its countdown is over; `None` when it counts none down.
    pub(super) fn end(&self) -> Option<Instant> {
        let left_ms = *screens::countdown(&mut self.face.clone())?;
        self.since.checked_add(Duration::from_millis(left_ms))
    }

    fn shown_ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.since).as_millis()).unwrap_or(u64::MAX)
    }
}
