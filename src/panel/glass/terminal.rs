//! A workstation's terminal as a glass: square pixels are kept square.

use std::{
    io::{self, Write},
    panic,
    sync::Once,
    thread,
    time::Duration,
};

use crossterm::{
    Command,
    cursor::{Hide, MoveTo, Show},
    event::PopKeyboardEnhancementFlags,
    execute,
    style::{Color, Colors, ResetColor, SetColors},
    terminal::{
        self, Clear, ClearType, DisableLineWrap, EnableLineWrap, EnterAlternateScreen,
        LeaveAlternateScreen,
    },
};
use tokio::sync::{oneshot, watch};

use super::{Glass, follow::Follower};
use crate::{
    journal,
    panel::{Frame, Picture},
    wires::{Inputs, keyboard},
};

/// From one repaint to the next, at least.
const CADENCE: Duration = Duration::from_millis(20);

/// Draws the pictures until their sender is gone, in a thread of its own: a terminal that takes no more output holds up
/// nothing else.
pub(in crate::panel) fn spawn(
    captions: Vec<String>,
    pictures: watch::Receiver<Picture>,
    inputs: Inputs,
    given_back: oneshot::Sender<()>,
) {
    let (nudge, nudges) = watch::channel(());
    let mut follower = Follower::new(pictures, Some(nudges));
    let run = move || -> io::Result<()> {
        let mut terminal = Terminal::enter(captions)?;
        keyboard::listen(inputs, nudge)?;
        follower.keep(&mut terminal, CADENCE, |_| {})
    };
    let run = move || {
        if run().is_err() {
            journal::facility_missing(
                "terminal to draw in",
                "the panel is seen with `holdfastctl screen` alone",
            );
        }
        drop(given_back);
    };
    if thread::Builder::new()
        .name("panel".into())
        .spawn(run)
        .is_err()
    {
        journal::facility_missing(
            "thread for the panel",
            "it is seen with `holdfastctl screen` alone",
        );
    }
}

/// The terminal while it is ours; given back when dropped, and when the process panics.
struct Terminal {
    /// Lines below the glass.
    captions: Vec<String>,
    shown: Option<Frame>,
    /// Columns and rows drawn for.
    size: (u16, u16),
    /// The text of each row.
    rows: Vec<String>,
}

impl Terminal {
    fn enter(captions: Vec<String>) -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                give_back();
                before(info);
            }));
        });
        terminal::enable_raw_mode()?;
        let terminal = Self {
            captions,
            shown: None,
            size: (0, 0),
            rows: Vec::new(),
        };
        execute!(io::stdout(), EnterAlternateScreen, Hide, DisableLineWrap)?;
        Ok(terminal)
    }

    /// Writes the rows that changed.
    fn draw(&mut self, frame: &Frame) -> io::Result<()> {
        let size = terminal::size()?;
        let mut output = String::new();
        if size != self.size {
            self.size = size;
            self.rows.clear();
            ansi(&Clear(ClearType::All), &mut output);
        }
        let mut rows = text(frame, size.0, size.1);
        let room = usize::from(size.1).saturating_sub(rows.len());
        let glass = rows.len();
        rows.extend(
            self.captions
                .iter()
                .take(room)
                .map(|caption| caption.chars().take(size.0.into()).collect()),
        );
        for (at, row) in rows
            .iter()
            .enumerate()
            .filter(|(at, row)| self.rows.get(*at) != Some(row))
        {
            ansi(
                &MoveTo(0, u16::try_from(at).unwrap_or(u16::MAX)),
                &mut output,
            );
            if at < glass {
                // Named, not the default: a light theme must not turn the QR around.
                ansi(
                    &SetColors(Colors::new(Color::White, Color::Black)),
                    &mut output,
                );
            }
            output.push_str(row);
            ansi(&ResetColor, &mut output);
            ansi(&Clear(ClearType::UntilNewLine), &mut output);
        }
        self.rows = rows;
        flush(&output)
    }
}

impl Glass for Terminal {
    type Error = io::Error;

    fn show(&mut self, picture: &Picture) -> io::Result<()> {
        self.draw(&picture.frame)?;
        self.shown = Some(picture.frame.clone());
        Ok(())
    }

    /// Draws the picture again where the terminal has another size.
    fn check(&mut self) -> io::Result<()> {
        match self.shown.take() {
            Some(frame) if terminal::size()? != self.size => {
                self.draw(&frame)?;
                self.shown = Some(frame);
            }
            shown => self.shown = shown,
        }
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
    }
}

fn ansi(command: &impl Command, output: &mut String) {
    // Writing to a string cannot fail.
    let _ = command.write_ansi(output);
}

/// In one write, so that nothing else comes between.
fn flush(output: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(output.as_bytes())?;
    stdout.flush()
}

/// Harmless when done twice. There is nobody to tell of a failure.
fn give_back() {
    let _ = execute!(
        io::stdout(),
        PopKeyboardEnhancementFlags,
        ResetColor,
        EnableLineWrap,
        LeaveAlternateScreen,
        Show
    );
    let _ = terminal::disable_raw_mode();
}

/// Draws a frame as rows of text for a terminal of this size, pixels square: half blocks where there is room, else Braille
/// (two by four pixels a letter), else words that say how much room is needed.
pub fn text(frame: &Frame, columns: u16, rows: u16) -> Vec<String> {
    let format = frame.format();
    let (wide, high) = (format.width, format.height);
    let (columns, rows) = (u32::from(columns), u32::from(rows));
    let cells = |cell_wide: u32, cell_high: u32, cell: &dyn Fn(u32, u32) -> char| {
        let row = |y| {
            let row = (0..wide).step_by(cell_wide as usize);
            row.map(|x| cell(x, y)).collect()
        };
        (0..high).step_by(cell_high as usize).map(row).collect()
    };
    if columns >= wide && rows >= high.div_ceil(2) {
        return cells(1, 2, &|x, y| match (frame.lit(x, y), frame.lit(x, y + 1)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        });
    }
    let braille = (wide.div_ceil(2), high.div_ceil(4));
    if columns >= braille.0 && rows >= braille.1 {
        // Unicode numbers the eight dots by columns of three, then the lowest row.
        const DOTS: [(u32, u32); 8] = [
            (0, 0),
            (0, 1),
            (0, 2),
            (1, 0),
            (1, 1),
            (1, 2),
            (0, 3),
            (1, 3),
        ];
        return cells(2, 4, &|x, y| {
            let dots = DOTS.iter().rev().fold(0, |dots, (dx, dy)| {
                dots << 1 | u32::from(frame.lit(x + dx, y + dy))
            });
            char::from_u32(0x2800 + dots).unwrap_or(' ')
        });
    }
    vec![
        "The panel needs".into(),
        format!("{wide}x{} letters,", high.div_ceil(2)),
        format!("{}x{} at least.", braille.0, braille.1),
    ]
}
