//! An e-paper that a virtual board has on its kernel's own SPI bus and lines: behind an LJCA on its USB, which is in this process.

use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread;

use anyhow::Context;

use super::machine::Machine;
use crate::wires::ljca::{self, Ljca};
use crate::wires::simulated::Simulated;
use crate::wires::{self, usbredir};

/// The board's name: `board/boards/qemu/displays/epd2in13-v4.toml`.
pub const BOARD: &str = "qemu-epd2in13-v4";
/// Its display's driver.
const DRIVER: &str = "epd2in13-v4";

/// The e-paper, plugged in or not.
pub struct Paper {
    /// Its glass, its memories and its wires.
    pub glass: Simulated,
    plugged: Option<UnixStream>,
}

impl Paper {
    /// A new one that nothing was drawn on.
    ///
    /// # Errors
    /// Nothing emulates it.
    pub fn new() -> anyhow::Result<Paper> {
        let chip = wires::display(DRIVER).context("nothing emulates the e-paper")?;
        Ok(Paper {
            glass: Simulated::new(0, chip),
            plugged: None,
        })
    }

    /// Plugs its bridge into a board, whose power it gets.
    ///
    /// # Errors
    /// The board is off.
    pub fn plug(&mut self, machine: &Machine) -> anyhow::Result<()> {
        self.unplug();
        let stream = UnixStream::connect(machine.usb()).context("the board has no USB")?;
        self.plugged = Some(stream.try_clone()?);
        self.glass.plug(true);
        let mut bridge = Ljca::new(self.glass.clone());
        thread::Builder::new().name("ljca".into()).spawn(move || {
            // It ends with the connection, whoever closes it.
            if let Err(error) = usbredir::serve(stream, ljca::USB_ID, |asked| bridge.message(asked))
            {
                eprintln!("holdfast-lab: the bridge: {error}");
            }
        })?;
        Ok(())
    }

    /// Pulls its bridge out, or the board's power is gone: it loses what is not on the paper.
    pub fn unplug(&mut self) {
        if let Some(stream) = self.plugged.take() {
            // The other side may have closed it before.
            let _ = stream.shutdown(Shutdown::Both);
            self.glass.plug(false);
        }
    }
}

impl Drop for Paper {
    fn drop(&mut self) {
        self.unplug();
    }
}
