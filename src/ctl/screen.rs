//! `screen`, and the screen drawn while linking.

use std::{
    fmt,
    fs::{OpenOptions, Permissions},
    io::{self, IsTerminal, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Serialize;
use tokio::time;

use super::{
    Error, Output,
    daemon::Daemon,
    output::coloured,
    status::{CONNECTED, StatusOutput},
};
use crate::{
    bus,
    panel::{Frame, glass},
};

/// Pixels of the PNG for one of the screen.
const SCALE: u8 = 4;
/// How often the screen is fetched while it is followed.
const REFRESH: Duration = Duration::from_millis(500);

/// A written picture.
#[derive(Serialize)]
struct Written {
    png: PathBuf,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.png.display())
    }
}

/// A screen to be printed: as the panel draws it in a terminal, or `0` and `1` for programs.
#[derive(Serialize)]
struct Drawing {
    width: u32,
    height: u32,
    rows: Vec<String>,
    #[serde(skip)]
    frame: Frame,
    /// Whether it replaces what the terminal shows.
    #[serde(skip)]
    in_place: bool,
}

/// Shows the screen once: as a PNG in `png`, or here.
pub(super) async fn screen(
    daemon: &Daemon,
    png: Option<&Path>,
    output: &Output,
) -> Result<(), Error> {
    let frame = fetch(daemon).await?;
    match png {
        Some(path) => {
            write(path, &frame.to_png(SCALE)).map_err(|source| Error::File {
                path: path.into(),
                source,
            })?;
            Ok(output.say(&Written { png: path.into() })?)
        }
        None => Ok(output.draw(&Drawing::from(frame))?),
    }
}

/// Draws the screen here, again whenever it changes, until the session is connected.
pub(super) async fn follow(daemon: &Daemon, output: &Output) -> Result<(), Error> {
    let in_place = !output.json() && io::stdout().is_terminal();
    let mut shown = None;
    loop {
        let report = StatusOutput::read(daemon).await?;
        let frame = fetch(daemon).await?;
        if shown.as_ref() != Some(&frame) {
            output.draw(&Drawing {
                in_place,
                ..Drawing::from(frame.clone())
            })?;
            shown = Some(frame);
        }
        if report.state == CONNECTED {
            return Ok(output.draw(&report)?);
        }
        time::sleep(REFRESH).await;
    }
}

async fn fetch(daemon: &Daemon) -> Result<Frame, Error> {
    let panel = daemon.panel().await?;
    let (width, height, bits) = match panel.frame().await {
        Err(bus::Error::CredentialShown(_)) => panel.frame_with_credential().await,
        frame => frame,
    }?;
    Frame::from_bits(width, height, &bits).ok_or(Error::ForeignScreen)
}

/// Writes a file that only its owner can read, also where there was one already: the screen may show a QR.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    // A pipe, or /dev/stdout, is as it is.
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.set_len(0)?;
    }
    file.write_all(bytes)
}

impl From<Frame> for Drawing {
    fn from(frame: Frame) -> Self {
        let format = frame.format();
        let row = |y| {
            (0..format.width)
                .map(|x| if frame.lit(x, y) { '1' } else { '0' })
                .collect()
        };
        Self {
            width: format.width,
            height: format.height,
            rows: (0..format.height).map(row).collect(),
            frame,
            in_place: false,
        }
    }
}

impl fmt::Display for Drawing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Colours are set, not left to the terminal's theme: a QR must be dark on light.
        let (on, off) = if coloured() {
            ("\x1b[97;40m", "\x1b[0m")
        } else {
            ("", "")
        };
        let (columns, rows) = room();
        let lines = glass::text(&self.frame, columns, rows);
        let lines: Vec<_> = lines
            .iter()
            .map(|line| format!("{on}{line}{off}"))
            .collect();
        if self.in_place {
            // Home, and clear what is below.
            f.write_str("\x1b[H\x1b[J")?;
        }
        f.write_str(&lines.join("\n"))
    }
}

/// Columns and rows to draw in: the terminal's, or as many as it takes.
fn room() -> (u16, u16) {
    let terminal = io::stdout().is_terminal().then(crossterm::terminal::size);
    terminal
        .and_then(Result::ok)
        .unwrap_or((u16::MAX, u16::MAX))
}
