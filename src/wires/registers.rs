//! A button's line by a Raspberry Pi's registers, for kernels of the vendor's that do not give it by the character device.

use std::path::Path;

use rppal::gpio::{Gpio, InputPin, Trigger};

use super::{
    Button, Edge, Line, Pull, WireError,
    edge::{LONG, moment},
};

/// The files by which the vendor's kernels let the registers be mapped: every Raspberry Pi but the 5, then the 5.
const GPIOMEM: [&str; 2] = ["/dev/gpiomem", "/dev/gpiomem0"];

/// A line of the registers.
struct RaspberryPi {
    pin: InputPin,
    active_low: bool,
}

/// Watches a button's line.
pub(super) fn watch(button: &Button) -> Result<Box<dyn Line>, WireError> {
    if !GPIOMEM.iter().any(|file| Path::new(file).exists()) {
        return Err(WireError::NoRegisters);
    }
    let number = button
        .lines
        .first()
        .and_then(|line| u8::try_from(line.number).ok())
        .ok_or_else(|| WireError::no_line(&button.lines))?;
    let pin = || {
        let pin = Gpio::new()?.get(number)?;
        let mut pin = match button.pull {
            Pull::Up => pin.into_input_pullup(),
            Pull::Down => pin.into_input_pulldown(),
            Pull::Off => pin.into_input(),
        };
        let debounce = Some(button.debounce).filter(|debounce| !debounce.is_zero());
        pin.set_interrupt(Trigger::Both, debounce)?;
        Ok(pin)
    };
    let pin = pin().map_err(|error: rppal::gpio::Error| WireError::line(number, error))?;
    Ok(Box::new(RaspberryPi {
        pin,
        active_low: button.active_low,
    }))
}

impl Line for RaspberryPi {
    fn edge(&mut self) -> Result<Edge, WireError> {
        loop {
            let event = self
                .pin
                .poll_interrupt(false, Some(LONG))
                .map_err(|error| WireError::line(self.pin.pin(), error))?;
            if let Some(event) = event {
                return Ok(Edge {
                    down: (event.trigger == Trigger::FallingEdge) == self.active_low,
                    at: moment(event.timestamp),
                });
            }
        }
    }
}
