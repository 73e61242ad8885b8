//! A display and a button's line without a kernel between: what hangs on a daemon's wires in its tests.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use embedded_hal::i2c::{ErrorType, I2c, Operation};
use holdfast::panel::Frame;
use holdfast::wires::{Button, Edge, I2cPort, Line, WireError, Wires};
use parking_lot::{Condvar, Mutex, MutexGuard};

use super::bus::{Bus, Chip, Fault};

/// How long the kernel lets a transfer hang.
const HANGS: Duration = Duration::from_secs(1);

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
    /// Where edges go; `None` while there is no line.
    line: Option<mpsc::Sender<Edge>>,
    plugged: bool,
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
        if let Some(line) = &self.state().line {
            let _ = line.send(Edge { down, at });
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

    /// What is on the glass.
    pub fn picture(&self) -> Frame {
        self.state().bus.chip.picture()
    }

    /// Bytes written to the display so far.
    pub fn written(&self) -> usize {
        self.state().written
    }

    /// Whether a picture was ever taken off the glass without another in its place.
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

    fn transfer(&self, address: u8, operation: &mut Operation<'_>) -> Result<(), WireError> {
        let mut state = self.state();
        if state.fault == Fault::Wedged {
            let wedged = |state: &mut State| state.fault == Fault::Wedged;
            self.shared
                .changed
                .wait_while_for(&mut state, wedged, HANGS);
        }
        let done = match operation {
            Operation::Write(bytes) => {
                state.written += bytes.len();
                let is_dark = |bus: &Bus| !bus.chip.picture().bits().iter().any(|byte| *byte != 0);
                let showed = !is_dark(&state.bus);
                let done = state.bus.write(address, bytes);
                state.blinked |= showed && is_dark(&state.bus);
                done
            }
            Operation::Read(bytes) => state.bus.read(address, bytes),
        };
        self.shared.changed.notify_all();
        done.map_err(|refusal| WireError::Transfer(refusal.to_string()))
    }
}

impl ErrorType for Simulated {
    type Error = WireError;
}

impl I2c for Simulated {
    fn transaction(
        &mut self,
        address: u8,
        operations: &mut [Operation<'_>],
    ) -> Result<(), WireError> {
        operations
            .iter_mut()
            .try_for_each(|operation| self.transfer(address, operation))
    }
}

impl Wires for Simulated {
    fn i2c(&self, buses: &[String]) -> Result<I2cPort, WireError> {
        if self.state().plugged {
            Ok(Box::new(self.clone()))
        } else {
            Err(WireError::NoBus(buses.into()))
        }
    }

    fn button(&self, button: &Button) -> Result<Box<dyn Line>, WireError> {
        let mut state = self.state();
        if !state.plugged {
            return Err(WireError::NoLine(button.lines[0].to_string()));
        }
        let (line, edges) = mpsc::channel();
        state.line = Some(line);
        self.shared.changed.notify_all();
        Ok(Box::new(SimulatedLine { edges }))
    }
}

/// The line of a simulated button.
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
