//! Solomon Systech's SSD1680 and SSD1683 behind e-paper on SPI, by the crate `epdsi`. Numbers in brackets are commands of the
//! SSD1680's datasheet, revision 0.14; what a panel wants beside them is from its maker's example, as its row says.
//!
//! The paper keeps its picture without power, and the controller keeps two in its memory: the one that is shown, and the one before, by
//! which a partial refresh knows what changes. A full refresh writes both. Between two pictures the controller sleeps deeply and
//! keeps its memory; it is woken by its reset line.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use embedded_hal::{
    delay::DelayNs,
    digital::{ErrorType, InputPin},
};
use epdsi::{
    bus::{EpdBusError, SpiBusWrapper},
    controllers::{Ssd168xController, Ssd168xRefreshMode, Ssd168xVariant},
    traits::{ColorChannel, EpdController},
};
use linux_embedded_hal::Delay;

use super::{Glass, Model, Opened, Pace, owned::Owned};
use crate::{
    panel::{
        Picture,
        frame::{Format, Frame},
        ink::{Depth, Ground},
    },
    wires::{Display, DisplayBus, Driver, InputPort, OutputPort, SpiPort, Wire, WireError, Wires},
};

/// Waveshare's 2.13" V3. Its partial refresh is by a waveform that is sent to it (`EPD_2in13_V3.c`).
pub(super) const EPD2IN13_V3: Model = Model {
    driver: needing("epd2in13-v3"),
    open: |wires, display| {
        open(
            wires,
            display,
            Paper {
                native: (122, 250),
                landscape: false,
                variant: Ssd168xVariant::Ssd1680,
                partial: Partial::Sent(waveform(20, 0), [0x17, 0x41, 0x00, 0x32, 0x36]),
                longest: Duration::from_secs(3),
            },
        )
    },
    ..EPD2IN13_V4
};

/// Waveshare's 2.13" V4 (`EPD_2in13_V4.c`).
pub(super) const EPD2IN13_V4: Model = Model {
    driver: needing("epd2in13-v4"),
    format: Format {
        width: 250,
        height: 122,
        depth: Depth::One,
        pitch_um: 194,
        ground: Ground::Light,
    },
    pace: Pace {
        repaint: Duration::from_secs(1),
        // The maker asks for three minutes between refreshes; what is new is shown at once all the same, and rarely comes so often.
        count: Duration::from_secs(60),
        picture: Duration::from_secs(6),
    },
    keeps: true,
    dims: false,
    open: |wires, display| {
        open(
            wires,
            display,
            Paper {
                native: (122, 250),
                landscape: false,
                variant: Ssd168xVariant::Ssd1680,
                partial: Partial::Stored,
                longest: Duration::from_secs(3),
            },
        )
    },
};

/// Waveshare's 2.9" V2. As the 2.13" V3 (`EPD_2in9_V2.c`).
pub(super) const EPD2IN9_V2: Model = Model {
    driver: needing("epd2in9-v2"),
    format: Format {
        width: 296,
        height: 128,
        pitch_um: 227,
        ..EPD2IN13_V4.format
    },
    open: |wires, display| {
        open(
            wires,
            display,
            Paper {
                native: (128, 296),
                landscape: false,
                variant: Ssd168xVariant::Ssd1680,
                partial: Partial::Sent(waveform(10, 2), [0x17, 0x41, 0xb0, 0x32, 0x36]),
                longest: Duration::from_secs(3),
            },
        )
    },
    ..EPD2IN13_V4
};

/// Waveshare's 4.2" V2, with an SSD1683, whose commands are the same; its memory for a second colour has to be passed over in a full
/// refresh (`EPD_4in2_V2.c`).
pub(super) const EPD4IN2_V2: Model = Model {
    driver: needing("epd4in2-v2"),
    format: Format {
        width: 400,
        height: 300,
        pitch_um: 212,
        ..EPD2IN13_V4.format
    },
    open: |wires, display| {
        open(
            wires,
            display,
            Paper {
                native: (400, 300),
                landscape: true,
                variant: Ssd168xVariant::Ssd1681,
                partial: Partial::Stored,
                longest: Duration::from_secs(5),
            },
        )
    },
    ..EPD2IN13_V4
};

const fn needing(name: &'static str) -> Driver {
    Driver {
        name,
        needs: &[Wire::Spi, Wire::Reset, Wire::Busy],
    }
}

/// So many partial refreshes, then a full one takes away what they left.
const PARTIALS: u32 = 50;

/// An e-paper, and how it is driven.
struct Paper {
    /// Its columns and rows, as its controller counts them.
    native: (u32, u32),
    /// Its rows run from left to right as it lies before one; else from bottom to top.
    landscape: bool,
    /// The controller as the crate knows it; the SSD1683 is set up and refreshed as the SSD1681.
    variant: Ssd168xVariant,
    partial: Partial,
    /// A refresh takes no longer.
    longest: Duration,
}

/// Where the waveform of a partial refresh comes from.
enum Partial {
    /// The panel has it.
    Stored,
    /// It is sent (0x32), with its voltages: gate (0x03), three of the source (0x04), VCOM (0x2c).
    Sent([u8; 153], [u8; 5]),
}

/// The waveform of a partial refresh (6.7): what changes is driven to its new colour for so many `frames`, `again` and again, then for one
/// frame; what does not is let alone but for a touch that holds it.
const fn waveform(frames: u8, again: u8) -> [u8; 153] {
    let mut bytes = [0; 153];
    // What is done in the phases of the first two groups, for pixels that stay black, turn white, turn black, stay white: the highest two bits
    // are the first phase, 01 drives to black, 10 to white.
    let driven: [[u8; 2]; 4] = [[0x00, 0x40], [0x80, 0x80], [0x40, 0x40], [0x00, 0x80]];
    let mut at = 0;
    while at < driven.len() {
        bytes[at * 12] = driven[at][0];
        bytes[at * 12 + 1] = driven[at][1];
        at += 1;
    }
    // Twelve groups follow, of seven bytes: the first phase's frames first, repetitions last.
    bytes[60] = frames;
    bytes[66] = again;
    bytes[67] = 1;
    bytes[74] = 1;
    // The frame rate of each two groups.
    let mut at = 144;
    while at < 150 {
        bytes[at] = 0x22;
        at += 1;
    }
    bytes
}

type Bus = SpiBusWrapper<Owned<SpiPort>, Owned<OutputPort>, Owned<OutputPort>, Bounded>;

struct Epaper {
    bus: Bus,
    controller: Ssd168xController,
    paper: Paper,
    upside_down: bool,
    /// The panel was heard to be busy since the last full refresh began.
    heard: Rc<Cell<bool>>,
    /// The picture that is on the paper and in both memories, in native rows; `None` where it is not known.
    shown: Option<Vec<u8>>,
    /// It is confidential.
    confidential: bool,
    /// Partial refreshes since the last full one.
    partials: u32,
}

fn open(wires: &dyn Wires, display: &Display, paper: Paper) -> Opened {
    let DisplayBus::Spi(spi) = &display.bus else {
        return Err(WireError::Transfer("e-paper is on SPI".into()));
    };
    let heard = Rc::new(Cell::new(false));
    let busy = Bounded {
        line: wires.input(&display.busy)?,
        limit: paper.longest + Duration::from_secs(1),
        since: None,
        heard: Rc::clone(&heard),
    };
    let bus = SpiBusWrapper::new(
        Owned(wires.spi(spi)?),
        Owned(wires.output(&spi.data_command, false)?),
        Owned(wires.output(&display.reset, true)?),
        busy,
    );
    let (width, height) = paper.native;
    Ok(Box::new(Epaper {
        bus,
        controller: Ssd168xController::new(width, height, paper.variant),
        paper,
        upside_down: display.upside_down,
        heard,
        shown: None,
        confidential: false,
        partials: 0,
    }))
}

impl Glass for Epaper {
    type Error = WireError;

    /// Fully where the picture before is not known, at the first and after the last of those that must leave no trace, and where partial
    /// refreshes have left enough of one; else only what changed.
    fn show(&mut self, picture: &Picture) -> Result<(), WireError> {
        let new = self.rows(&picture.frame);
        let known = self
            .shown
            .take()
            .filter(|_| picture.confidential == self.confidential && self.partials < PARTIALS);
        match known {
            Some(old) => {
                if let Some(area) = self.difference(&old, &new) {
                    self.heard(|paper| paper.partially(&new, area))?;
                    self.partials += 1;
                }
            }
            None => {
                self.heard(|paper| paper.fully(&new))?;
                self.partials = 0;
            }
        }
        self.confidential = picture.confidential;
        self.shown = Some(new);
        Ok(())
    }

    /// Nothing comes back from it, and it sleeps.
    fn check(&mut self) -> Result<(), WireError> {
        Ok(())
    }
}

/// Bytes of a row and rows, from and to, both included.
type Area = ((u32, u32), (u32, u32));

impl Epaper {
    /// Brings a picture into the controller's order: its rows, a bit a pixel, 1 is white.
    fn rows(&self, frame: &Frame) -> Vec<u8> {
        let (width, height) = self.paper.native;
        let lit = |x: u32, y: u32| {
            let (x, y) = match self.upside_down {
                true => (width - 1 - x, height - 1 - y),
                false => (x, y),
            };
            match self.paper.landscape {
                true => frame.lit(x, y),
                false => frame.lit(height - 1 - y, x),
            }
        };
        let byte = |first: u32, y: u32| {
            (first..first + 8).fold(0, |byte, x| byte << 1 | u8::from(x < width && lit(x, y)))
        };
        (0..height)
            .flat_map(|y| (0..self.row_bytes()).map(move |at| (at * 8, y)))
            .map(|(x, y)| byte(x, y))
            .collect()
    }

    fn row_bytes(&self) -> u32 {
        self.paper.native.0.div_ceil(8)
    }

    /// The smallest area that holds all that changes.
    fn difference(&self, old: &[u8], new: &[u8]) -> Option<Area> {
        let row_bytes = self.row_bytes();
        let changed = || {
            let pairs = (0..).zip(old.iter().zip(new));
            let differ = pairs.filter(|(_, (old, new))| old != new);
            differ.map(move |(at, _): (u32, _)| (at % row_bytes, at / row_bytes))
        };
        let columns = (
            changed().map(|at| at.0).min()?,
            changed().map(|at| at.0).max()?,
        );
        let rows = (
            changed().map(|at| at.1).min()?,
            changed().map(|at| at.1).max()?,
        );
        Some((columns, rows))
    }

    /// Has the paper show something, which it has to say it is busy with: one that is not there takes everything.
    fn heard(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<(), Failure>,
    ) -> Result<(), WireError> {
        self.heard.set(false);
        work(self).map_err(failure)?;
        match self.heard.get() {
            true => Ok(()),
            false => Err(WireError::NeverBusy),
        }
    }

    /// Shows a picture whatever was on the paper, and leaves no other in the controller.
    fn fully(&mut self, new: &[u8]) -> Result<(), Failure> {
        self.wake()?;
        if self.paper.variant == Ssd168xVariant::Ssd1681 {
            // The second colour's memory counts as empty (0x21).
            self.bus.send_command_with_data(0x21, &[0x40, 0x00])?;
        }
        let everything = ((0, self.row_bytes() - 1), (0, self.paper.native.1 - 1));
        self.write(ColorChannel::BlackWhite, new, everything)?;
        self.write(ColorChannel::Red, new, everything)?;
        self.controller.set_refresh_mode(Ssd168xRefreshMode::Full);
        self.controller.trigger_refresh(&mut self.bus, &mut Delay)?;
        self.controller.sleep(&mut self.bus, &mut Delay)
    }

    /// Shows what changes within an area; the memories are the same before, and afterwards again.
    fn partially(&mut self, new: &[u8], area: Area) -> Result<(), Failure> {
        self.wake()?;
        self.write(ColorChannel::BlackWhite, new, area)?;
        // The border is let alone (0x3c).
        self.bus.send_command_with_data(0x3c, &[0x80])?;
        match self.paper.partial {
            Partial::Stored => {
                if self.paper.variant == Ssd168xVariant::Ssd1681 {
                    self.bus.send_command_with_data(0x21, &[0x00, 0x00])?;
                }
                // All of it, with the second waveform (0x22).
                self.activate(0xff)?;
            }
            Partial::Sent(waveform, [gate, source @ .., vcom]) => {
                self.bus.send_command_with_data(0x32, &waveform)?;
                self.bus.send_command_with_data(0x3f, &[0x22])?;
                self.bus.send_command_with_data(0x03, &[gate])?;
                self.bus.send_command_with_data(0x04, &source)?;
                self.bus.send_command_with_data(0x2c, &[vcom])?;
                // Clock and voltages on; then the second waveform, without loading another, and both off.
                self.activate(0xc0)?;
                self.activate(0x0f)?;
            }
        }
        self.write(ColorChannel::Red, new, area)?;
        self.controller.sleep(&mut self.bus, &mut Delay)
    }

    /// Wakes the controller, whose memory is what it was, and sets it up.
    fn wake(&mut self) -> Result<(), Failure> {
        self.controller.init_sequence(&mut self.bus, &mut Delay)
    }

    /// Writes an area of a picture into one of the memories.
    fn write(
        &mut self,
        memory: ColorChannel,
        picture: &[u8],
        ((left, right), (top, bottom)): Area,
    ) -> Result<(), Failure> {
        let row_bytes = self.row_bytes();
        let bytes: Vec<u8> = (top..=bottom)
            .flat_map(|row| {
                let row = row * row_bytes;
                &picture[(row + left) as usize..=(row + right) as usize]
            })
            .copied()
            .collect();
        let (controller, bus) = (&mut self.controller, &mut self.bus);
        controller.set_window(bus, left * 8, top, right * 8, bottom)?;
        controller.set_cursor(bus, left * 8, top)?;
        controller.write_frame(bus, memory, &bytes)
    }

    /// Has the controller do what this byte says (0x22, 0x20), and waits until it is done.
    fn activate(&mut self, what: u8) -> Result<(), Failure> {
        self.bus.send_command_with_data(0x22, &[what])?;
        self.bus.send_command(0x20)?;
        Delay.delay_ms(1);
        self.bus.wait_busy_with_delay(&mut Delay, true)
    }
}

type Failure = EpdBusError<WireError, WireError, WireError, WireError>;

fn failure(failure: Failure) -> WireError {
    match failure {
        Failure::Spi(error) | Failure::Dc(error) | Failure::Reset(error) | Failure::Busy(error) => {
            error
        }
        other => WireError::Transfer(format!("{other:?}")),
    }
}

/// The busy line, high while the panel works; one that stays high is an error in time. The crate alone would wait a minute.
struct Bounded {
    line: InputPort,
    limit: Duration,
    /// High since then.
    since: Option<Instant>,
    heard: Rc<Cell<bool>>,
}

impl ErrorType for Bounded {
    type Error = WireError;
}

impl InputPin for Bounded {
    fn is_high(&mut self) -> Result<bool, WireError> {
        if !self.line.is_high()? {
            self.since = None;
            return Ok(false);
        }
        self.heard.set(true);
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed() > self.limit {
            return Err(WireError::StaysBusy(self.limit));
        }
        Ok(true)
    }

    fn is_low(&mut self) -> Result<bool, WireError> {
        self.is_high().map(|high| !high)
    }
}
