//! The nerves: buses and lines as a board description names them, and what the owner's hand does on them. On a workstation
//! the space bar is the button.
//!
//! - `board`: board descriptions, from `board/*/board.toml`; `choice`: which panel this process has
//! - [`Wires`]: what opens them; tests have simulated ones
//! - `i2c`, `spi`: the machine's own buses, by `device` files
//! - `line`: a button's lines, by the character device (`cdev`, for outputs and inputs, too) or by `registers`; `edge`: their time stamps
//! - `button`: what the edges of its lines are to the button; `keyboard` and `space_bar`: the same for a terminal
//! - [`probe`]: what answers on the buses
//! - `health`: a part that fails is retried and reported

mod board;
pub(crate) mod button;
mod cdev;
mod choice;
mod device;
mod edge;
pub(crate) mod health;
mod i2c;
pub(crate) mod keyboard;
mod line;
pub mod probe;
mod registers;
mod space_bar;
mod spi;

use std::{
    error, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use embedded_hal::{
    digital::{self, InputPin, OutputPin},
    i2c::{self as hal_i2c, I2c},
    spi::{self as hal_spi, SpiDevice},
};
use holdfast_core::{CauseCode, Part};
use thiserror::Error;
use tokio::sync::mpsc;

pub use board::{
    Backend, Button, Description, Display, DisplayBus, Driver, I2cBus, Led, LineName, Pull, SpiBus,
    Wire,
};
pub use choice::Board;

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
/// An open device on an SPI bus.
pub type SpiPort = Box<dyn SpiDevice<Error = WireError>>;
/// An open line that we set.
pub type OutputPort = Box<dyn OutputPin<Error = WireError>>;
/// An open line that we read.
pub type InputPort = Box<dyn InputPin<Error = WireError>>;

/// The wires of a panel: the machine's own buses and lines, or simulated ones. Every call may block, so that the panel
/// has threads of its own for them.
pub trait Wires: Send + Sync + 'static {
    /// Opens an I2C bus.
    ///
    /// # Errors
    /// When there is no such bus, or it cannot be opened.
    fn i2c(&self, bus: &I2cBus) -> Result<I2cPort, WireError>;

    /// Opens a device on an SPI bus.
    ///
    /// # Errors
    /// When there is no such device, or it cannot be opened.
    fn spi(&self, bus: &SpiBus) -> Result<SpiPort, WireError>;

    /// Opens the first of these lines whose chip is there, as an output that is high or low at once.
    ///
    /// # Errors
    /// When there is no such line, or it is taken.
    fn output(&self, lines: &[LineName], high: bool) -> Result<OutputPort, WireError>;

    /// Opens the first of these lines whose chip is there, as an input.
    ///
    /// # Errors
    /// When there is no such line, or it is taken.
    fn input(&self, lines: &[LineName]) -> Result<InputPort, WireError>;

    /// Watches the lines a button is on.
    ///
    /// # Errors
    /// When there is no such line, or it is taken.
    fn button(&self, button: &Button) -> Result<Box<dyn Line>, WireError>;
}

/// A button's lines, which are watched.
pub trait Line {
    /// Waits for the next edge of any of them. A finger that was down before they were opened makes none.
    ///
    /// # Errors
    /// When the line is gone.
    fn edge(&mut self) -> Result<Edge, WireError>;
}

/// One of the button's lines changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The line's number.
    pub key: u32,
    /// The key on it is down now.
    pub down: bool,
    /// The moment of it, by the kernel.
    pub at: Instant,
}

/// The wires of the machine we run on.
#[derive(Clone, Copy, Debug)]
pub struct MachineWires;

impl Wires for MachineWires {
    fn i2c(&self, bus: &I2cBus) -> Result<I2cPort, WireError> {
        i2c::open(&bus.buses)
    }

    fn spi(&self, bus: &SpiBus) -> Result<SpiPort, WireError> {
        spi::open(bus)
    }

    fn output(&self, lines: &[LineName], high: bool) -> Result<OutputPort, WireError> {
        cdev::output(lines, high)
    }

    fn input(&self, lines: &[LineName]) -> Result<InputPort, WireError> {
        cdev::input(lines)
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
    NoI2c(Vec<String>),
    /// No device fits the description.
    #[error(
        "no SPI device matches {buses:?} with chip select {chip_select}: is SPI switched on for this board, is there a spidev node \
         in its device tree, and is the kernel module spidev loaded?"
    )]
    NoSpi {
        /// Names of the bus.
        buses: Vec<String>,
        /// The number on it.
        chip_select: u8,
    },
    /// The bus does not open.
    #[error("{path}: {source}; the daemon's user must be allowed to read and write it")]
    Bus {
        /// Its device file.
        path: PathBuf,
        /// The system's error.
        source: Box<dyn error::Error + Send + Sync>,
    },
    /// Another process has the bus or a line: most likely one of ours, which draws on the display.
    #[error("{0}: another process has it, and draws on its display")]
    Taken(PathBuf),
    /// A transfer failed: nothing answers at the address, or the bus hangs.
    #[error("no transfer to the display: {0}")]
    Transfer(String),
    /// The display's busy line stays high.
    #[error(
        "the display says that it is busy, and after {0:?} still; are its busy and reset lines the ones of the description?"
    )]
    StaysBusy(Duration),
    /// The display's busy line stays low.
    #[error(
        "the display never says that it is busy: it is not there, or its busy line is another one"
    )]
    NeverBusy,
    /// No chip fits the description.
    #[error("no GPIO chip that may be opened has the line {0}")]
    NoLine(String),
    /// The kernel lets nobody map the registers of its GPIO lines.
    #[error(
        "this kernel has no /dev/gpiomem, which rppal needs: add \"cdev\" to the board's button.backends"
    )]
    NoRegisters,
    /// The line does not open, or is gone.
    #[error("the line {line}: {source}")]
    Line {
        /// Chip and number.
        line: String,
        /// The system's error.
        source: Box<dyn error::Error + Send + Sync>,
    },
    /// There is no thread to be had.
    #[error("no thread for a part of the panel: {0}")]
    Thread(io::Error),
}

impl WireError {
    fn bus(path: &Path, source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        Self::Bus {
            path: path.to_owned(),
            source: source.into(),
        }
    }

    fn no_line(lines: &[LineName]) -> Self {
        let names: Vec<String> = lines.iter().map(LineName::to_string).collect();
        Self::NoLine(names.join(" or "))
    }

    fn line(line: impl ToString, source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        Self::Line {
            line: line.to_string(),
            source: source.into(),
        }
    }
}

impl hal_i2c::Error for WireError {
    fn kind(&self) -> hal_i2c::ErrorKind {
        hal_i2c::ErrorKind::Other
    }
}

impl hal_spi::Error for WireError {
    fn kind(&self) -> hal_spi::ErrorKind {
        hal_spi::ErrorKind::Other
    }
}

impl digital::Error for WireError {
    fn kind(&self) -> digital::ErrorKind {
        digital::ErrorKind::Other
    }
}
