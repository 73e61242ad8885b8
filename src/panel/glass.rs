//! What is shown at a moment, and the picture it makes.

use std::time::Duration;

use holdfast_core::Face;
use tokio::time::Instant;

use super::{
    frame::Frame,
    screens::{self, Credential},
};

/// What the panel is told to show. Its countdown runs on by itself, and its credential leaves the glass with it.
#[derive(Clone, Debug)]
pub struct Showing {
    face: Face,
    credential: Option<Credential>,
    since: Instant,
}

/// What is on the glass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// Its pixels.
    pub frame: Frame,
    /// They show a QR or a pairing code: only `holdfast-admin` may see them.
    pub confidential: bool,
}

impl Showing {
    /// A face as it is now.
    pub fn new(face: Face, credential: Option<Credential>) -> Self {
        Self {
            face,
            credential,
            since: Instant::now(),
        }
    }

    /// The picture at a moment.
    pub fn picture(&self, now: Instant) -> Picture {
        let mut face = self.face.clone();
        if let Some(left_ms) = screens::countdown(&mut face) {
            *left_ms = left_ms.saturating_sub(self.shown_ms(now));
        }
        let credential = self.credential.as_ref();
        let mut frame = Frame::new();
        let Ok(()) = screens::draw(&face, credential, &mut frame);
        Picture {
            frame,
            confidential: credential.is_some_and(|credential| credential.is_shown_by(&face)),
        }
    }

    /// When the countdown shows another second; `None` when nothing will change by itself.
    pub fn next_change(&self, now: Instant) -> Option<Instant> {
        let left_ms =
            screens::countdown(&mut self.face.clone())?.checked_sub(self.shown_ms(now))?;
        let step_ms = left_ms - left_ms.saturating_sub(1) / 1000 * 1000;
        (left_ms > 0).then(|| now + Duration::from_millis(step_ms))
    }

    fn shown_ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.since).as_millis()).unwrap_or(u64::MAX)
    }
}
