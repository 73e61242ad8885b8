//! A button's lines by a Raspberry Pi's registers, for kernels of the vendor's that do not give them by the character device.

use std::path::Path;

use rppal::gpio::{Gpio, InputPin, Trigger};

use super::{
    Button, Edge, Line, Pull, WireError,
    edge::{LONG, moment},
};

/// The files by which the vendor's kernels let the registers be mapped: every Raspberry Pi but the 5, then the 5.
const GPIOMEM: [&str; 2] = ["/dev/gpiomem", "/dev/gpiomem0"];

/// Lines of the registers.
struct RaspberryPi {
    gpio: Gpio,
    pins: Vec<InputPin>,
    active_low: bool,
}

/// Watches a button's lines.
pub(super) fn watch(button: &Button) -> Result<Box<dyn Line>, WireError> {
    if !GPIOMEM.iter().any(|file| Path::new(file).exists()) {
        return Err(WireError::NoRegisters);
    }
    let no_line = || WireError::no_line(&button.lines);
    let keys = button.keys(button.lines.first().ok_or_else(no_line)?);
    let keys = keys
        .into_iter()
        .map(u8::try_from)
        .collect::<Result<Vec<_>, _>>();
    let keys = keys.map_err(|_| no_line())?;
    let failed = |error| WireError::line(&button.lines[0], error);
    let gpio = Gpio::new().map_err(failed)?;
    let pin = |number: u8| {
        let pin = gpio.get(number)?;
        let mut pin = match button.pull {
            Pull::Up => pin.into_input_pullup(),
            Pull::Down => pin.into_input_pulldown(),
            Pull::Off => pin.into_input(),
        };
        let debounce = Some(button.debounce).filter(|debounce| !debounce.is_zero());
        pin.set_interrupt(Trigger::Both, debounce)?;
        Ok(pin)
    };
    let pin = |number: u8| {
        pin(number).map_err(|error: rppal::gpio::Error| WireError::line(number, error))
    };
    let pins = keys.into_iter().map(pin).collect::<Result<_, _>>()?;
    Ok(Box::new(RaspberryPi {
        gpio,
        pins,
        active_low: button.active_low,
    }))
}

impl Line for RaspberryPi {
    fn edge(&mut self) -> Result<Edge, WireError> {
        let pins: Vec<_> = self.pins.iter().collect();
        loop {
            let event = self
                .gpio
                .poll_interrupts(&pins, false, Some(LONG))
                .map_err(|error| WireError::line("of the registers", error))?;
            if let Some((pin, event)) = event {
                return Ok(Edge {
                    key: pin.pin().into(),
                    down: (event.trigger == Trigger::FallingEdge) == self.active_low,
                    at: moment(event.timestamp),
                });
            }
        }
    }
}
