//! A display and a button without a kernel between, on the wires of a daemon under test.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use embedded_hal::digital::{self, InputPin, OutputPin};
use embedded_hal::i2c::{self, I2c};
use embedded_hal::spi::{self, SpiDevice};
use holdfast::panel::Frame;
use holdfast::wires::{
    Button, Edge, I2cBus, I2cPort, InputPort, Line, LineName, OutputPort, SpiBus, SpiPort,
    WireError, Wires,
};
use parking_lot::{Condvar, Mutex, MutexGuard};

use super::bus::{Bus, Chip, Fault, Refusal};

/// The kernel's timeout for a transfer that hangs.
const HANGS: Duration = Duration::from_secs(1);

/// The line that is high with data for the display on SPI, and low with commands.
pub const DATA_COMMAND: u32 = 1;
/// The line that resets the display while it is low.
pub const RESET: u32 = 2;
/// The line on which the display says that it is busy.
pub const BUSY: u32 = 3;
/// The line that gives the display its supply while it is high.
pub const POWER: u32 = 4;
/// The line that lights the display from behind while it is high.
pub const BACKLIGHT: u32 = 5;

/// All of these lines, and the bus, as the description of a board with a display on SPI names them.
pub const SPI: &str = r#"spi = ["simulated"]
data_command = ["simulated:1"]
reset = ["simulated:2"]
busy = ["simulated:3"]
power = ["simulated:4"]
backlight = ["simulated:5"]"#;

/// A simulated set of wires. Cheap to clone: all are the same one.
#[derive(Clone)]
pub struct Simulated {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Something was written, or broken, or mended.
    changed: Condvar,
}

struct State {
    bus: Bus,
    fault: Fault,
    /// Bytes written to the display.
    written: usize,
    /// A write made a glass dark that showed something.
    blinked: bool,
    /// The button's lines by their numbers, and who hears of their edges; `None` while there are none.
    line: Option<(Vec<u32>, mpsc::Sender<Edge>)>,
    plugged: bool,
    /// Levels of the lines by number, true is high.
    levels: [bool; 6],
    /// The display's busy line is held at this level, whatever the display says.
    held_busy: Option<bool>,
    /// The glass was lit from behind before it was drawn on.
    flashed: bool,
    /// Resets of the display.
    resets: usize,
}

impl Simulated {
    /// A display at an address and a line, both plugged in.
    pub fn new(address: u8, display: Box<dyn Chip>) -> Self {
        let state = State {
            bus: Bus::new(address, display),
            fault: Fault::None,
            written: 0,
            blinked: false,
            line: None,
            plugged: true,
            // Without a supply until somebody gives it one.
            levels: [true, true, true, true, false, true],
            held_busy: None,
            flashed: false,
            resets: 0,
        };
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                changed: Condvar::new(),
            }),
        }
    }

    /// Breaks the display's wires, or mends them.
    pub fn set(&self, fault: Fault) {
        let mut state = self.state();
        state.fault = fault;
        state.bus.set(fault);
        self.shared.changed.notify_all();
    }

    /// Takes the bus and the line away, or brings them back.
    pub fn plug(&self, plugged: bool) {
        let mut state = self.state();
        state.plugged = plugged;
        if !plugged {
            state.line = None;
            state.bus.set(Fault::Absent);
        } else {
            let fault = state.fault;
            state.bus.set(fault);
        }
        self.shared.changed.notify_all();
    }

    /// The display's power goes and comes back.
    pub fn lose_power(&self) {
        let mut state = self.state();
        state.bus.set(Fault::Absent);
        state.bus.set(Fault::None);
        self.shared.changed.notify_all();
    }

    /// Moves the button, at a moment that may have passed. Lost where no line is open.
    pub fn press(&self, down: bool, at: Instant) {
        self.press_key(0, down, at);
    }

    /// The same by one of several keys, by the number of its line. Lost where that line is not open.
    pub fn press_key(&self, key: u32, down: bool, at: Instant) {
        if let Some((keys, line)) = &self.state().line
            && keys.contains(&key)
        {
            let _ = line.send(Edge { key, down, at });
        }
    }

    /// Waits until a line is open, or there is none; false when `limit` has passed.
    pub fn wait_for_line(&self, open: bool, limit: Duration) -> bool {
        self.wait_for(limit, |state| state.line.is_some() == open)
    }

    /// Waits until the glass shows this; false when `limit` has passed.
    pub fn wait_for_picture(&self, frame: &Frame, limit: Duration) -> bool {
        self.wait_for(limit, |state| state.bus.chip.picture() == *frame)
    }

    /// Returns the picture on the glass.
    pub fn picture(&self) -> Frame {
        self.state().bus.chip.picture()
    }

    /// Counts resets of the display by its line.
    pub fn resets(&self) -> usize {
        self.state().resets
    }

    /// Returns every picture that the display holds: on its glass, and in its memories.
    pub fn held(&self) -> Vec<Frame> {
        self.state().bus.chip.held()
    }

    /// Tells whether what was on the glass before is gone without a trace.
    pub fn is_clean(&self) -> bool {
        self.left().is_empty()
    }

    /// Returns every picture of which there is a trace on the glass beside what it shows.
    pub fn left(&self) -> Vec<Frame> {
        self.state().bus.chip.left()
    }

    /// Holds the busy line at a level, or leaves it to the display.
    pub fn busy(&self, held: Option<bool>) {
        self.state().held_busy = held;
    }

    /// Tells whether noise was ever lit from behind.
    pub fn flashed(&self) -> bool {
        self.state().flashed
    }

    /// Tells the level of a line.
    pub fn is_high(&self, line: u32) -> bool {
        let mut state = self.state();
        match line {
            BUSY => {
                let says = state.bus.chip.busy() && state.fault != Fault::Absent;
                state.held_busy.unwrap_or(says)
            }
            line => state.levels.get(line as usize).is_some_and(|high| *high),
        }
    }

    /// Sets the level of a line from the display's other side; one that there is not stays what it is.
    pub fn drive(&self, line: u32, high: bool) {
        let mut state = self.state();
        let Some(level) = state.levels.get_mut(line as usize) else {
            return;
        };
        let before = std::mem::replace(level, high);
        if line == RESET && before && !high {
            state.resets += 1;
            state.bus.chip.reset();
        }
        state.flashed |= line == BACKLIGHT && high && !state.bus.chip.is_drawn();
        self.shared.changed.notify_all();
    }

    /// Bytes written to the display so far.
    pub fn written(&self) -> usize {
        self.state().written
    }

    /// Tells whether a picture was ever taken off the glass without another in its place.
    pub fn blinked(&self) -> bool {
        self.state().blinked
    }

    /// Bytes that began no command the display knows.
    pub fn unknown(&self) -> Vec<u8> {
        self.state().bus.chip.unknown().to_vec()
    }

    fn wait_for(&self, limit: Duration, wanted: impl Fn(&State) -> bool) -> bool {
        let mut state = self.state();
        let waiting = |state: &mut State| !wanted(state);
        let waited = self
            .shared
            .changed
            .wait_while_for(&mut state, waiting, limit);
        !waited.timed_out()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock()
    }

    /// Has bytes moved, once the display's wires no longer hang.
    fn on_the_bus(
        &self,
        moves: impl FnOnce(&mut State) -> Result<(), Refusal>,
    ) -> Result<(), WireError> {
        let mut state = self.state();
        if state.fault == Fault::Wedged {
            let wedged = |state: &mut State| state.fault == Fault::Wedged;
            self.shared
                .changed
                .wait_while_for(&mut state, wedged, HANGS);
        }
        let is_dark = |state: &State| state.bus.chip.is_dark();
        let showed = !is_dark(&state);
        let done = moves(&mut state);
        state.blinked |= showed && is_dark(&state);
        self.shared.changed.notify_all();
        done.map_err(|refusal| WireError::Transfer(refusal.to_string()))
    }

    fn is_plugged(&self) -> bool {
        self.state().plugged
    }

    fn level(&self, lines: &[LineName]) -> Result<Level, WireError> {
        let number = lines.first().map(|line| line.number);
        let known = number.filter(|number| (DATA_COMMAND..=BACKLIGHT).contains(number));
        match known {
            Some(number) if self.is_plugged() => Ok(Level {
                wires: self.clone(),
                number,
            }),
            _ => Err(WireError::NoLine(format!("{lines:?}"))),
        }
    }
}

impl i2c::ErrorType for Simulated {
    type Error = WireError;
}

impl I2c for Simulated {
    fn transaction(
        &mut self,
        address: u8,
        operations: &mut [i2c::Operation<'_>],
    ) -> Result<(), WireError> {
        operations.iter_mut().try_for_each(|operation| {
            self.on_the_bus(|state: &mut State| match operation {
                i2c::Operation::Write(bytes) => {
                    state.written += bytes.len();
                    state.bus.write(address, bytes)
                }
                i2c::Operation::Read(bytes) => state.bus.read(address, bytes),
            })
        })
    }
}

impl spi::ErrorType for Simulated {
    type Error = WireError;
}

/// Nobody acknowledges anything here: a display that is absent is written to all the same.
impl SpiDevice for Simulated {
    fn transaction(&mut self, operations: &mut [spi::Operation<'_, u8>]) -> Result<(), WireError> {
        operations.iter_mut().try_for_each(|operation| {
            let spi::Operation::Write(bytes) = operation else {
                return Err(WireError::Transfer("the display has no data out".into()));
            };
            self.on_the_bus(|state: &mut State| {
                state.written += bytes.len();
                let (data, listens) = (
                    state.levels[DATA_COMMAND as usize],
                    state.levels[RESET as usize]
                        && state.levels[POWER as usize]
                        && matches!(state.fault, Fault::None | Fault::Short),
                );
                let heard = if state.fault == Fault::Short {
                    bytes.len() / 2
                } else {
                    bytes.len()
                };
                for &byte in bytes[..heard].iter().filter(|_| listens) {
                    if data {
                        state.bus.chip.data(byte);
                    } else {
                        state.bus.chip.command(byte);
                    }
                }
                if state.fault == Fault::Short {
                    return Err(Refusal::Broken);
                }
                Ok(())
            })
        })
    }
}

/// A line of the display's.
struct Level {
    wires: Simulated,
    number: u32,
}

impl digital::ErrorType for Level {
    type Error = WireError;
}

impl OutputPin for Level {
    fn set_low(&mut self) -> Result<(), WireError> {
        self.wires.drive(self.number, false);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), WireError> {
        self.wires.drive(self.number, true);
        Ok(())
    }
}

impl InputPin for Level {
    fn is_high(&mut self) -> Result<bool, WireError> {
        Ok(self.wires.is_high(self.number))
    }

    fn is_low(&mut self) -> Result<bool, WireError> {
        self.is_high().map(|high| !high)
    }
}

impl Wires for Simulated {
    fn i2c(&self, bus: &I2cBus) -> Result<I2cPort, WireError> {
        if self.is_plugged() {
            Ok(Box::new(self.clone()))
        } else {
            Err(WireError::NoI2c(bus.buses.clone()))
        }
    }

    fn spi(&self, bus: &SpiBus) -> Result<SpiPort, WireError> {
        if self.is_plugged() {
            Ok(Box::new(self.clone()))
        } else {
            Err(WireError::NoSpi {
                buses: bus.buses.clone(),
                chip_select: bus.chip_select,
            })
        }
    }

    fn output(&self, lines: &[LineName], high: bool) -> Result<OutputPort, WireError> {
        let line = self.level(lines)?;
        self.drive(line.number, high);
        Ok(Box::new(line))
    }

    fn input(&self, lines: &[LineName]) -> Result<InputPort, WireError> {
        Ok(Box::new(self.level(lines)?))
    }

    fn button(&self, button: &Button) -> Result<Box<dyn Line>, WireError> {
        let mut state = self.state();
        if !state.plugged {
            return Err(WireError::NoLine(button.lines[0].to_string()));
        }
        let (line, edges) = mpsc::channel();
        state.line = Some((button.keys(&button.lines[0]), line));
        self.shared.changed.notify_all();
        Ok(Box::new(SimulatedLine { edges }))
    }
}

/// The lines of a simulated button.
struct SimulatedLine {
    edges: mpsc::Receiver<Edge>,
}

impl Line for SimulatedLine {
    fn edge(&mut self) -> Result<Edge, WireError> {
        self.edges.recv().map_err(|gone| WireError::Line {
            line: "simulated:0".into(),
            source: Box::new(gone),
        })
    }
}
