//! A phone's camera in front of a panel: photographs the glass ([`Shot`]), and reads the QR on it ([`Reader`]); and its owner's eye, which
//! knows a screen again.

mod optics;
mod reader;

use holdfast::panel::{Frame, PLAIN, draw};
use holdfast_core::Face;

pub use self::optics::{Photo, Shot};
pub use self::reader::{Reader, missing};

/// How many camera pixels one panel pixel becomes, and how much bezel stands around the glass.
const ZOOM: u32 = 4;
const BEZEL: u32 = 16;

/// The rows of a picture, from the top, that say what it is about; those below count down.
const ABOUT: usize = 41;

/// Whether the screen of a face is on the plain glass, as far as it does not count down.
pub fn is_of(frame: &Frame, face: &Face) -> bool {
    let mut wanted = Frame::new(PLAIN);
    let Ok(()) = draw(face, None, &mut wanted);
    let about = |frame: &Frame| frame.bits()[..ABOUT * PLAIN.width as usize / 8].to_vec();
    frame.format() == PLAIN && about(frame) == about(&wanted)
}

/// The text of a QR on a glass, if one can be read: by a camera that is straight before it, sharp and without noise.
pub fn read(glass: &Frame) -> Option<String> {
    let format = glass.format();
    let inside = |at: u32| at.checked_sub(BEZEL).map(|at| at / ZOOM);
    let side = |pixels: u32| pixels * ZOOM + 2 * BEZEL;
    // Outside of the glass nothing is lit: the bezel is dark.
    let lit = |x: u32, y: u32| {
        inside(x)
            .zip(inside(y))
            .is_some_and(|(x, y)| glass.lit(x, y))
    };
    let photo = Photo::of(side(format.width), side(format.height), |x, y| {
        if lit(x, y) { 255 } else { 0 }
    });
    Reader::Zxing.read(&photo).ok().flatten()
}
