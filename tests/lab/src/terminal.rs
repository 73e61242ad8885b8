//! A terminal with a finger on its space bar: the button of a workstation, held as long as a test wants.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::thread;

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// What a program asks a terminal first, and what one answers that tells of releases: "Detection of support for this protocol" in
/// sw.kovidgoyal.net/kitty/keyboard-protocol.
const WHAT_ARE_YOU: &[u8] = b"\x1b[?u";
const ONE_THAT_TELLS_OF_RELEASES: &[u8] = b"\x1b[?0u\x1b[?62c";
/// The space bar, as such a terminal tells of it ("Event types", the same document).
const DOWN: &[u8] = b"\x1b[32;1:1u";
const UP: &[u8] = b"\x1b[32;1:3u";

/// A terminal. What is drawn on it nobody reads.
pub struct Terminal {
    keys: File,
    program: OwnedFd,
}

impl Terminal {
    /// Opens a new one, which answers from now on.
    ///
    /// # Errors
    /// The system has none to give.
    pub fn open() -> io::Result<Self> {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        let name = ptsname(&ours, Vec::new())?;
        let program = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlags::NOCTTY.bits().cast_signed())
            .open(std::ffi::OsStr::from_bytes(name.to_bytes()))?;
        let size = Winsize {
            ws_row: 80,
            ws_col: 160,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&ours, size)?;
        let keys = File::from(ours);
        let (drawn, answers) = (keys.try_clone()?, keys.try_clone()?);
        thread::Builder::new().spawn(move || answer(drawn, answers))?;
        Ok(Self {
            keys,
            program: program.into(),
        })
    }

    /// The side that a program sits at.
    ///
    /// # Errors
    /// Too many files are open.
    pub fn side(&self) -> io::Result<OwnedFd> {
        self.program.try_clone()
    }

    /// Puts the finger down.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn press(&mut self) -> io::Result<()> {
        self.keys.write_all(DOWN)
    }

    /// Lifts it.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn release(&mut self) -> io::Result<()> {
        self.keys.write_all(UP)
    }
}

/// Takes what is drawn, and answers what is asked, until nobody is at the terminal any more.
fn answer(drawn: File, mut answers: File) {
    let mut drawn = BufReader::new(drawn);
    let mut piece = Vec::new();
    while drawn
        .read_until(b'u', &mut piece)
        .is_ok_and(|read| read > 0)
    {
        if piece.ends_with(WHAT_ARE_YOU) && answers.write_all(ONE_THAT_TELLS_OF_RELEASES).is_err() {
            return;
        }
        piece.clear();
    }
}
