//! A face over time: it counts down by itself, dims and walks as its lamp says, and makes the picture of each moment.

use std::time::Duration;

use holdfast_core::{Face, Glow, Light, Now};
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
    glow: Glow,
    since: Instant,
    /// The moment of `since` on the core's clock.
    core_since: Now,
}

/// The picture of a moment, as it is on the glass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Its pixels.
    pub frame: Frame,
    /// They show a QR or a pairing code: only `holdfast-admin` may see them.
    pub confidential: bool,
    /// How bright they are.
    pub light: Light,
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
            glow: Glow::Steady,
            since: Instant::now(),
            core_since: Now { mono_ms: 0 },
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

    /// Has the glass dim, and the picture walk, as this lamp says; it is `now` on the core's clock.
    pub fn lit(self, glow: Glow, now: Now) -> Self {
        Self {
            glow,
            core_since: now,
            ..self
        }
    }

    /// The face.
    pub(super) fn face(&self) -> &Face {
        &self.face
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
        let look = self.glow.look(self.moment(now));
        Picture {
            frame: frame.moved(look.shift),
            confidential: credential.is_some_and(|credential| credential.is_shown_by(&face)),
            light: look.light,
        }
    }

    /// Tells when the picture changes: the countdown shows another second, or the lamp another look; `None` when nothing will change by
    /// itself.
    pub fn next_change(&self, now: Instant) -> Option<Instant> {
        let counts = self.next_count(now);
        let moment = self.moment(now);
        let looks = self.glow.look(moment).until;
        let looks = looks.map(|at| now + Duration::from_millis(at.saturating_sub(moment.mono_ms)));
        counts.into_iter().chain(looks).min()
    }

    fn next_count(&self, now: Instant) -> Option<Instant> {
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

    fn moment(&self, now: Instant) -> Now {
        Now {
            mono_ms: self.core_since.mono_ms.saturating_add(self.shown_ms(now)),
        }
    }

    fn shown_ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.since).as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::panel::frame::PLAIN;

    const MINUTE: u64 = 60_000;

    /// The columns and rows from the first to the last that are lit.
    fn bounds(frame: &Frame) -> [u32; 4] {
        let Format { width, height, .. } = frame.format();
        let lit = |x: &u32, y: &u32| frame.lit(*x, *y);
        let mut columns = (0..width).filter(|x| (0..height).any(|y| lit(x, &y)));
        let mut rows = (0..height).filter(|y| (0..width).any(|x| lit(&x, y)));
        let (left, top) = (columns.next().unwrap(), rows.next().unwrap());
        [
            left,
            columns.next_back().unwrap(),
            top,
            rows.next_back().unwrap(),
        ]
    }

    #[tokio::test(start_paused = true)]
    async fn a_picture_is_dimmed_and_walks_when_its_lamp_says_so_and_nobody_wakes_before() {
        let begun = Now {
            mono_ms: 7 * MINUTE + 30_000,
        };
        let glow = Glow::Rests {
            bright_until: 9 * MINUTE,
            then: Light::Faint,
        };
        let face = Face::Connected {
            account: None,
            fault: None,
        };
        let still = Showing::new(face.clone(), None);
        assert_eq!(still.next_change(Instant::now()), None);
        let [left, _, top, _] = bounds(&still.picture(PLAIN, Instant::now()).frame);
        let showing = Showing::new(face, None).lit(glow, begun);
        let mut seen = Vec::new();
        for _ in 0..3 {
            let now = Instant::now();
            let picture = showing.picture(PLAIN, now);
            let [x, _, y, _] = bounds(&picture.frame);
            let moved = (
                i64::from(x) - i64::from(left),
                i64::from(y) - i64::from(top),
            );
            seen.push((showing.shown_ms(now), moved, picture.light));
            let next = showing.next_change(now).expect("it walks on");
            advance(next - now).await;
        }
        let wanted = [
            (0, (1, -1), Light::Full),
            (30_000, (1, 0), Light::Full),
            (90_000, (1, 1), Light::Faint),
        ];
        assert_eq!(seen, wanted);
    }
}
