//! The nerves: buses and lines as a board description names them, and what the owner's hand does on them. On a workstation
//! the space bar is the button.
//!
//! - `board`: board descriptions, from `board/*/board.toml`
//! - `i2c`, `line`: the machine's own buses and GPIO lines, behind [`Wires`], which tests simulate
//! - `button`: edges of the button's line; `keyboard` and `space_bar`: the same for a terminal
//! - `health`: a part that fails is retried and reported

mod board;
pub(crate) mod button;
pub(crate) mod health;
mod i2c;
pub(crate) mod keyboard;
mod line;
mod space_bar;

use std::{io, path::PathBuf, time::Instant};

use embedded_hal::i2c::{self as hal_i2c, I2c};
use holdfast_core::{CauseCode, Part};
use linux_embedded_hal::i2cdev::linux::LinuxI2CError;
use thiserror::Error;
use tokio::sync::mpsc;

pub use board::{Backend, Button, Description, Display, LineName, Pull};

/// An event of the panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The button went down.
    Pressed,
    /// The button came up.
    Released,
    /// `q` or Ctrl-C in the panel's terminal: stop in order.
    Stop,
    /// A part works, or fails.
    Health {
        /// Which.
        part: Part,
        /// Why it fails; `None` when it works.
        fault: Option<CauseCode>,
    },
}

/// Takes the events of the panel, each with the moment it happened: a press is as long as the finger was down, however
/// busy the machine is.
pub type Inputs = mpsc::UnboundedSender<(Instant, Input)>;

/// An open I2C bus.
pub type I2cPort = Box<dyn I2c<Error = WireError>>;

/// The wires of a panel: the machine's own buses and lines, or simulated ones. Every call may block, so that the panel
/// has threads of its own for them.
pub trait Wires: Send + Sync + 'static {
    /// Opens the first I2C bus that fits one of these names.
    ///
    /// # Errors
    /// When there is no such bus, or it cannot be opened.
    fn i2c(&self, buses: &[String]) -> Result<I2cPort, WireError>;

    /// Opens the line a button is on.
    ///
    /// # Errors
    /// When there is no such line, or it is taken.
    fn button(&self, button: &Button) -> Result<Box<dyn Line>, WireError>;
}

/// A line that is watched.
pub trait Line {
    /// Waits for the next edge. A finger that was down before the line was opened makes none.
    ///
    /// # Errors
    /// When the line is gone.
    fn edge(&mut self) -> Result<Edge, WireError>;
}

/// The button's line changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The button is down now.
    pub down: bool,
    /// When that happened, by the kernel.
    pub at: Instant,
}

/// The wires of the machine we run on.
#[derive(Clone, Copy, Debug)]
pub struct Machine;

impl Wires for Machine {
    fn i2c(&self, buses: &[String]) -> Result<I2cPort, WireError> {
        i2c::open(buses)
    }

    fn button(&self, button: &Button) -> Result<Box<dyn Line>, WireError> {
        line::open(button)
    }
}

/// A wire is not there, or not to be had.
#[derive(Debug, Error)]
pub enum WireError {
    /// This build has no driver of this name.
    #[error("this build drives no display `{0}`")]
    NoDriver(String),
    /// No bus fits the description.
    #[error(
        "no I2C bus matches {0:?}: is I2C switched on for this board, and the kernel module i2c-dev loaded?"
    )]
    NoBus(Vec<String>),
    /// The bus does not open.
    #[error("{path}: {source}; the daemon's user must be allowed to read and write it")]
    Bus {
        /// Its device file.
        path: PathBuf,
        /// What the system says.
        source: LinuxI2CError,
    },
    /// Another process of ours draws on the display.
    #[error("{0}: another process draws on its display")]
    Taken(PathBuf),
    /// A transfer failed: nothing answers at the address, or the bus hangs.
    #[error("no transfer to the display: {0}")]
    Transfer(String),
    /// No chip fits the description.
    #[error("no GPIO chip that may be opened has the line {0}")]
    NoLine(String),
    /// The kernel lets nobody map the registers of its GPIO lines.
    #[error(
        "this kernel has no /dev/gpiomem, which rppal needs: add \"cdev\" to the board's button.backends"
    )]
    NoRegisters,
    /// The line does not open, or is gone.
    #[error("the button's line {line}: {source}")]
    Line {
        /// Chip and number.
        line: String,
        /// What the system says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no thread to be had.
    #[error("no thread for a part of the panel: {0}")]
    Thread(io::Error),
}

impl hal_i2c::Error for WireError {
    fn kind(&self) -> hal_i2c::ErrorKind {
        hal_i2c::ErrorKind::Other
    }
}
