//! The glass of a workstation: frames drawn in the terminal, square pixels kept square.

use std::{
    io::{self, Write},
    panic,
    sync::Once,
    thread,
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
use tokio::{
    runtime::Handle,
    sync::{oneshot, watch},
};

use super::{
    frame::{Frame, HEIGHT, WIDTH},
    glass::Picture,
};
use crate::{
    journal,
    wires::{Inputs, keyboard},
};

/// Draws the pictures until their sender is gone, in a thread of its own: a terminal that takes no more output holds up
/// nothing else.
pub(super) fn spawn(
    captions: Vec<String>,
    pictures: watch::Receiver<Picture>,
    inputs: Inputs,
    given_back: oneshot::Sender<()>,
) {
    let runtime = Handle::current();
    let run = move || {
        if run(&captions, pictures, inputs, &runtime).is_err() {
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

fn run(
    captions: &[String],
    mut pictures: watch::Receiver<Picture>,
    inputs: Inputs,
    runtime: &Handle,
) -> io::Result<()> {
    let mut terminal = Terminal::enter()?;
    let mut resized = keyboard::listen(inputs)?;
    loop {
        let frame = pictures.borrow_and_update().frame.clone();
        terminal.show(&frame, captions)?;
        let open = runtime.block_on(async {
            tokio::select! {
                changed = pictures.changed() => changed.is_ok(),
                Ok(()) = resized.changed() => true,
            }
        });
        if !open {
            return Ok(());
        }
    }
}

/// The terminal while it is ours; given back when dropped, and when the process panics.
struct Terminal {
    /// Columns and rows drawn for.
    size: (u16, u16),
    /// What each row shows.
    rows: Vec<String>,
}

impl Terminal {
    fn enter() -> io::Result<Self> {
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
            size: (0, 0),
            rows: Vec::new(),
        };
        execute!(io::stdout(), EnterAlternateScreen, Hide, DisableLineWrap)?;
        Ok(terminal)
    }

    /// Writes the rows that changed.
    fn show(&mut self, frame: &Frame, captions: &[String]) -> io::Result<()> {
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
            captions
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

/// The frame as rows of text for a terminal of this size: half blocks from 128x32, Braille from 64x16 (pixels are square in
/// both), else words that say so.
pub fn text(frame: &Frame, columns: u16, rows: u16) -> Vec<String> {
    let (columns, rows) = (u32::from(columns), u32::from(rows));
    let cells = |wide: u32, high: u32, cell: &dyn Fn(u32, u32) -> char| {
        (0..HEIGHT / high)
            .map(|y| {
                (0..WIDTH / wide)
                    .map(|x| cell(x * wide, y * high))
                    .collect()
            })
            .collect()
    };
    if columns >= WIDTH && rows >= HEIGHT / 2 {
        return cells(1, 2, &|x, y| match (frame.lit(x, y), frame.lit(x, y + 1)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        });
    }
    if columns >= WIDTH / 2 && rows >= HEIGHT / 4 {
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
    ["The panel needs", "128x32 letters,", "64x16 at least."]
        .map(str::to_owned)
        .to_vec()
}
