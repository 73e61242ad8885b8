//! The face of Holdfast: from what an owner meets to pixels, and the glass they appear on.
//!
//! - [`Scene`]: a pure function from a face, and what belongs to it, to pixels of a glass of any size
//! - `screens`: the words and figures of each face, in the owner's [`Language`] (`words`); `page` is their layout, `qr` the code, `beside` its words
//! - [`Frame`]: the pixels, in the [`Format`] of the glass; [`Ink`] is what is drawn with, `letters` and `icon` what is
//! - [`Showing`] and [`Picture`]: a face over time, and its picture at a moment
//! - [`glass`]: the displays, one file per controller; `led`: a lamp for boards without one
//! - [`Panel`]: the task that paints

mod beside;
mod figures;
mod frame;
pub mod glass;
mod icon;
mod ink;
mod led;
mod letters;
mod page;
mod qr;
mod scene;
mod screens;
mod showing;
mod words;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{oneshot, watch},
    time::{Instant, sleep_until, timeout},
};

use self::glass::{Facts, Pace, QUICK};
pub use self::{
    figures::Figures,
    frame::{Format, Frame, PLAIN},
    ink::{Depth, Ground, Ink},
    qr::is_readable,
    scene::{Credential, Scene, draw},
    showing::{Picture, Showing},
    words::Language,
};
use crate::wires::{Board, Description, Inputs, MachineWires, Wires, button};
pub use holdfast_core::Light;

/// Timeout for a glass that hangs at the end of the daemon: the slowest one may be at a picture, and the last comes after it.
pub(crate) const LAST_PICTURE: Duration = Duration::from_secs(12);

/// The running panel. A dead display never stops it: the pictures go on.
pub struct Panel {
    pictures: watch::Receiver<Picture>,
    painter: tokio::task::JoinHandle<()>,
    /// Answers, by closing, when the glass is given back.
    glass: oneshot::Receiver<()>,
    pace: Pace,
}

impl Panel {
    /// Shows what `showings` holds on the board's glass until [`Panel::stop`], or until its sender is gone.
    ///
    /// `captions` stand below a glass drawn in a terminal: where the log is, settings ignored. What the owner does with
    /// button and keys goes to `inputs`.
    pub fn start(
        board: &Board,
        captions: Vec<String>,
        showings: watch::Receiver<Showing>,
        inputs: Inputs,
    ) -> Self {
        match board {
            Board::Terminal => Self::show(PLAIN, QUICK, showings, |pictures, given_back| {
                glass::spawn_in_terminal(captions, pictures, inputs, given_back);
            }),
            Board::Headless => Self::show(PLAIN, QUICK, showings, |_, _| {}),
            Board::Wired(board) => Self::start_on(MachineWires, board, showings, inputs),
        }
    }

    /// As [`Panel::start`], on the display and the button that a board has on these wires.
    pub fn start_on(
        wires: impl Wires,
        board: &Description,
        showings: watch::Receiver<Showing>,
        inputs: Inputs,
    ) -> Self {
        let wires: Arc<dyn Wires> = Arc::new(wires);
        if let Some(button) = board.button.clone() {
            button::listen(Arc::clone(&wires), button, inputs.clone());
        }
        if let Some(led) = board.led.clone() {
            led::follow(Arc::clone(&wires), led, showings.clone(), inputs.clone());
        }
        let Some(display) = board.display.clone() else {
            return Self::show(PLAIN, QUICK, showings, |_, _| {});
        };
        Self::show(
            glass::format(&display),
            glass::pace(&display),
            showings,
            |pictures, given_back| {
                glass::spawn(wires, display, pictures, inputs, given_back);
            },
        )
    }

    /// Paints what `showings` holds in a format, on the glass that `spawn` starts.
    fn show(
        format: Format,
        pace: Pace,
        showings: watch::Receiver<Showing>,
        spawn: impl FnOnce(watch::Receiver<Picture>, oneshot::Sender<()>),
    ) -> Self {
        let first = showings.borrow().picture(format, Instant::now());
        let (painted, pictures) = watch::channel(first);
        let (given_back, glass) = oneshot::channel();
        spawn(pictures.clone(), given_back);
        Self {
            pictures,
            painter: tokio::spawn(paint(format, pace.count, showings, painted)),
            glass,
            pace,
        }
    }

    /// Tells the picture on the glass, now and from now on.
    pub fn pictures(&self) -> watch::Receiver<Picture> {
        self.pictures.clone()
    }

    /// Ends the painting, once what was shown last is on the glass, and gives the glass back; waits no longer than the glass may take for
    /// two pictures.
    pub async fn stop(mut self) {
        // The end of what is shown is the painter's, and that the glass's; one that hangs is left behind.
        let ended = async {
            let _ = (&mut self.painter).await;
            let _ = self.glass.await;
        };
        let limit = (self.pace.picture * 2).min(LAST_PICTURE);
        let _ = timeout(limit, ended).await;
        self.painter.abort();
    }
}

/// Publishes each new picture: on a new showing, when a countdown shows another number, `count` after the one before at the earliest,
/// and when it ends.
async fn paint(
    format: Format,
    count: Duration,
    mut showings: watch::Receiver<Showing>,
    pictures: watch::Sender<Picture>,
) {
    loop {
        let now = Instant::now();
        let (picture, next) = {
            let showing = showings.borrow_and_update();
            let next = showing.next_change(now).map(|next| {
                let slow = next.max(now + count);
                showing.end().map_or(slow, |end| slow.min(end.max(next)))
            });
            (showing.picture(format, now), next)
        };
        pictures.send_if_modified(|shown| {
            let new = *shown != picture;
            *shown = picture;
            new
        });
        tokio::select! {
            changed = showings.changed() => if changed.is_err() { return },
            () = sleep_until(next.unwrap_or(now)), if next.is_some() => {}
        }
    }
}

/// Whether the light of a board's glass can be dimmed.
pub fn dims(board: &Board) -> bool {
    facts(board).is_some_and(|facts| facts.dims)
}

/// Whether phones read a QR from a board's glass.
pub fn shows_readable_qr(board: &Board) -> bool {
    is_readable(facts(board).map_or(PLAIN, |facts| facts.format))
}

fn facts(board: &Board) -> Option<Facts> {
    match board {
        Board::Terminal | Board::Headless => None,
        Board::Wired(board) => glass::facts(board.display.as_ref()?),
    }
}

#[cfg(test)]
mod tests {
    use holdfast_core::{Face, PairingFace};
    use holdfast_medium::Secret;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_slow_glass_counts_in_its_own_steps_and_takes_a_code_off_on_time() {
        let left_ms = 150_000;
        let code = Credential::Code(Secret::new("ABCD2345".into()));
        let face = Face::Pairing(PairingFace::Code { left_ms });
        let (_show, showings) = watch::channel(Showing::new(face, Some(code)));
        let first = showings.borrow().picture(PLAIN, Instant::now());
        let (painted, mut pictures) = watch::channel(first);
        let begun = Instant::now();
        let minute = Duration::from_secs(60);
        let painter = tokio::spawn(paint(PLAIN, minute, showings, painted));
        let mut seen = Vec::new();
        while seen.last().is_none_or(|(_, confidential)| *confidential) {
            pictures.changed().await.unwrap();
            let confidential = pictures.borrow_and_update().confidential;
            seen.push((begun.elapsed().as_secs(), confidential));
        }
        assert_eq!(seen, [(60, true), (120, true), (150, false)]);
        painter.abort();
    }
}
