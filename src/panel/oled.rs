//! The glass of an appliance: an SSD1306 on an I2C bus, in a thread of its own, so that a bus that hangs holds up nothing
//! else.
//!
//! When it ends the last picture stays on the glass: it says that the plug may be pulled.

use std::{cell::RefCell, io, sync::Arc, thread, time::Duration};

use embedded_graphics::{Pixel, pixelcolor::BinaryColor, prelude::*};
use embedded_hal::i2c::{ErrorType, I2c, Operation};
use holdfast_core::Part;
use ssd1306::{
    I2CDisplayInterface, Ssd1306,
    mode::{BufferedGraphicsMode, DisplayConfig},
    prelude::*,
};
use tokio::{
    runtime::Handle,
    sync::{oneshot, watch},
    time::{sleep, timeout},
};

use super::{
    frame::{Frame, HEIGHT, WIDTH},
    glass::Picture,
};
use crate::wires::{Display, Inputs, WireError, Wires, health::Health};

/// How often a display whose picture does not change is asked whether it still shows it.
const LOOK: Duration = Duration::from_secs(5);
/// In the status byte: the display is off, as it is after its power came back (SSD1306 datasheet, 8.2 "status read").
const OFF: u8 = 0x40;
/// A command that does nothing (SSD1306 datasheet, table 9-1), after the control byte for commands.
const NOTHING: [u8; 2] = [0x00, 0xe3];
/// The command that switches the display off.
const SWITCH_OFF: [u8; 2] = [0x00, 0xae];

/// Draws the pictures until their sender is gone.
pub(super) fn spawn<W: Wires>(
    wires: Arc<W>,
    display: Display,
    pictures: watch::Receiver<Picture>,
    inputs: Inputs,
    given_back: oneshot::Sender<()>,
) {
    let mut glass = Glass {
        wires,
        display,
        pictures,
        health: Health::new(Part::Display, inputs),
        runtime: Handle::current(),
    };
    let run = move || {
        glass.run();
        drop(given_back);
    };
    let started: io::Result<_> = thread::Builder::new().name("panel".into()).spawn(run);
    if let Err(error) = started {
        tracing::warn!("{}", WireError::Thread(error));
    }
}

struct Glass<W> {
    wires: Arc<W>,
    display: Display,
    pictures: watch::Receiver<Picture>,
    health: Health,
    runtime: Handle,
}

/// Puts one picture on a board's display, where it stays.
///
/// # Errors
/// When there is no such display, or it does not answer.
pub fn put<W: Wires>(wires: &W, display: &Display, frame: &Frame) -> Result<(), WireError> {
    let wire = Wire::new(wires.bus(display)?);
    wire.set_up(display)?.show(&Frame::new(), frame)
}

/// What to do after a while.
enum Next {
    Draw,
    Look,
    End,
}

impl<W: Wires> Glass<W> {
    /// Shows the pictures, again from the start whenever the display fails.
    fn run(&mut self) {
        while let Err(error) = self.show() {
            let pause = self.health.failed(&error);
            let pictures = &mut self.pictures;
            let ended = async { while pictures.changed().await.is_ok() {} };
            if self
                .runtime
                .block_on(async { timeout(pause, ended).await })
                .is_ok()
            {
                return;
            }
        }
    }

    /// Sets the display up and keeps it showing the picture, until there are no more.
    fn show(&mut self) -> Result<(), WireError> {
        let wire = Wire::new(self.wires.bus(&self.display)?);
        let mut display = wire.set_up(&self.display)?;
        let mut shown = Frame::new();
        let mut tells_power = None;
        loop {
            let frame = self.pictures.borrow_and_update().frame.clone();
            display.show(&shown, &frame)?;
            shown = frame;
            self.health.works();
            // Some clones cannot be read from; those are only asked to acknowledge.
            let tells_power = *tells_power
                .get_or_insert_with(|| wire.status(self.display.address).is_ok_and(is_on));
            loop {
                match self.runtime.block_on(next(&mut self.pictures)) {
                    Next::Draw => break,
                    Next::Look => wire.look(self.display.address, tells_power)?,
                    Next::End => return Ok(()),
                }
            }
        }
    }
}

async fn next(pictures: &mut watch::Receiver<Picture>) -> Next {
    tokio::select! {
        changed = pictures.changed() => if changed.is_ok() { Next::Draw } else { Next::End },
        () = sleep(LOOK) => Next::Look,
    }
}

/// The pixels in which `new` differs: the driver sends the rows and columns that hold them.
fn difference(old: &Frame, new: &Frame) -> impl Iterator<Item = Pixel<BinaryColor>> {
    let points = (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x, y)));
    points
        .filter(|&(x, y)| old.lit(x, y) != new.lit(x, y))
        .map(|(x, y)| Pixel(Point::new(x as i32, y as i32), new.lit(x, y).into()))
}

/// A display that is set up.
struct Lit<'a, B: I2c<Error: std::fmt::Display>> {
    driver: Ssd1306<
        I2CInterface<&'a Wire<B>>,
        DisplaySize128x64,
        BufferedGraphicsMode<DisplaySize128x64>,
    >,
    wire: &'a Wire<B>,
}

impl<B: I2c<Error: std::fmt::Display>> Lit<'_, B> {
    /// Shows a picture after another; the first after a dark one, all of it.
    fn show(&mut self, shown: &Frame, frame: &Frame) -> Result<(), WireError> {
        self.driver
            .draw_iter(difference(shown, frame))
            .and_then(|()| self.driver.flush())
            .map_err(|_| self.wire.failure())
    }
}

fn is_on(status: u8) -> bool {
    status & OFF == 0
}

/// The display's bus, which remembers why a transfer failed: the driver does not say.
struct Wire<B> {
    bus: RefCell<B>,
    failure: RefCell<String>,
}

impl<B: I2c<Error: std::fmt::Display>> Wire<B> {
    fn new(bus: B) -> Self {
        Self {
            bus: RefCell::new(bus),
            failure: RefCell::default(),
        }
    }

    /// Sets the display up. One that shows a picture goes on showing it.
    fn set_up(&self, display: &Display) -> Result<Lit<'_, B>, WireError> {
        let rotation = if display.upside_down {
            DisplayRotation::Rotate180
        } else {
            DisplayRotation::Rotate0
        };
        let interface = I2CDisplayInterface::new_custom_address(self, display.address);
        let mut driver =
            Ssd1306::new(interface, DisplaySize128x64, rotation).into_buffered_graphics_mode();
        driver.init().map_err(|_| self.failure())?;
        Ok(Lit { driver, wire: self })
    }

    fn failure(&self) -> WireError {
        WireError::Transfer(self.failure.borrow().clone())
    }

    fn status(&self, address: u8) -> Result<u8, WireError> {
        let mut status = [0];
        match (&*self).read(address, &mut status) {
            Ok(()) => Ok(status[0]),
            Err(_) => Err(self.failure()),
        }
    }

    /// Fails when the display is gone, or was.
    fn look(&self, address: u8, tells_power: bool) -> Result<(), WireError> {
        if tells_power {
            return match self.status(address)? {
                status if is_on(status) => Ok(()),
                _ => Err(WireError::Transfer("the display lost its power".into())),
            };
        }
        (&*self)
            .write(address, &NOTHING)
            .map_err(|_| self.failure())
    }
}

impl<B: I2c> ErrorType for &Wire<B> {
    type Error = B::Error;
}

impl<B: I2c<Error: std::fmt::Display>> I2c for &Wire<B> {
    fn transaction(
        &mut self,
        address: u8,
        operations: &mut [Operation<'_>],
    ) -> Result<(), B::Error> {
        // The driver's set-up begins with it, and the picture of whoever was here before us would blink.
        if matches!(operations, [Operation::Write(bytes)] if *bytes == SWITCH_OFF) {
            return Ok(());
        }
        let done = self.bus.borrow_mut().transaction(address, operations);
        done.inspect_err(|error| *self.failure.borrow_mut() = error.to_string())
    }
}
