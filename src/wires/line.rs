//! GPIO lines of the machine, found by their chip's label.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use gpiocdev::{
    Request,
    chip::{Chip, chips},
    line::{Bias, EdgeDetection, EdgeKind},
};
use rppal::gpio::{Gpio, InputPin, Trigger};
use rustix::time::{ClockId, clock_gettime};

use super::{Backend, Button, Edge, Line, LineName, Pull, WireError};

/// Where the vendor's kernels let the registers be mapped: every Raspberry Pi but the 5, then the 5.
const GPIOMEM: [&str; 2] = ["/dev/gpiomem", "/dev/gpiomem0"];
/// Of a wait that nothing limits.
const LONG: Duration = Duration::from_secs(3600);

/// Opens a button's line by the first of its backends that can.
pub(super) fn open(button: &Button) -> Result<Box<dyn Line>, WireError> {
    let mut failure = WireError::NoLine(names(button));
    for backend in &button.backends {
        let line = match backend {
            Backend::Cdev => Cdev::open(button).map(|line| Box::new(line) as Box<dyn Line>),
            Backend::Rppal => RaspberryPi::open(button).map(|line| Box::new(line) as _),
        };
        match line {
            Ok(line) => return Ok(line),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn names(button: &Button) -> String {
    let names: Vec<String> = button.lines.iter().map(LineName::to_string).collect();
    names.join(" or ")
}

fn failed(
    line: impl ToString,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> WireError {
    WireError::Line {
        line: line.to_string(),
        source: source.into(),
    }
}

/// The moment of a time stamp, which the kernel takes on `CLOCK_MONOTONIC` (Documentation/userspace-api/gpio/chardev.rst).
fn moment(stamp: Duration) -> Instant {
    let now = clock_gettime(ClockId::Monotonic);
    let now = Duration::new(
        now.tv_sec.try_into().unwrap_or_default(),
        now.tv_nsec.try_into().unwrap_or_default(),
    );
    let at = Instant::now();
    at.checked_sub(now.saturating_sub(stamp)).unwrap_or(at)
}

/// A line of the GPIO character device.
struct Cdev {
    line: LineName,
    request: Request,
}

impl Cdev {
    fn open(button: &Button) -> Result<Self, WireError> {
        let present: Vec<(String, Chip)> = chips()
            .into_iter()
            .flatten()
            .filter_map(|path| Chip::from_path(path).ok())
            .filter_map(|chip| Some((chip.info().ok()?.label, chip)))
            .collect();
        let found = button.lines.iter().find_map(|line| {
            let (_, chip) = present.iter().find(|(label, _)| *label == line.chip)?;
            Some((line, chip))
        });
        let (line, chip) = found.ok_or_else(|| WireError::NoLine(names(button)))?;
        let mut request = Request::builder();
        request
            .on_chip(chip.path())
            .with_consumer("holdfast")
            .with_line(line.number)
            .with_edge_detection(EdgeDetection::BothEdges)
            .with_bias(match button.pull {
                Pull::Up => Bias::PullUp,
                Pull::Down => Bias::PullDown,
                Pull::Off => Bias::Disabled,
            });
        if button.active_low {
            request.as_active_low();
        }
        if !button.debounce.is_zero() {
            request.with_debounce_period(button.debounce);
        }
        Ok(Self {
            line: line.clone(),
            request: request.request().map_err(|error| failed(line, error))?,
        })
    }
}

impl Line for Cdev {
    fn edge(&mut self) -> Result<Edge, WireError> {
        let read = || {
            // A reader is not woken when the chip goes away; who waits is.
            while !self.request.wait_edge_event(LONG)? {}
            self.request.read_edge_event()
        };
        let event = read().map_err(|error: gpiocdev::Error| failed(&self.line, error))?;
        Ok(Edge {
            // Rising is from inactive to active, whichever level that is.
            down: event.kind == EdgeKind::Rising,
            at: moment(Duration::from_nanos(event.timestamp_ns)),
        })
    }
}

/// A line of a Raspberry Pi's registers.
struct RaspberryPi {
    pin: InputPin,
    active_low: bool,
}

impl RaspberryPi {
    fn open(button: &Button) -> Result<Self, WireError> {
        if !GPIOMEM.iter().any(|file| Path::new(file).exists()) {
            return Err(WireError::NoRegisters);
        }
        let number = button
            .lines
            .first()
            .and_then(|line| u8::try_from(line.number).ok())
            .ok_or_else(|| WireError::NoLine(names(button)))?;
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
        Ok(Self {
            pin: pin().map_err(|error: rppal::gpio::Error| failed(number, error))?,
            active_low: button.active_low,
        })
    }
}

impl Line for RaspberryPi {
    fn edge(&mut self) -> Result<Edge, WireError> {
        loop {
            let event = self
                .pin
                .poll_interrupt(false, Some(LONG))
                .map_err(|error| failed(self.pin.pin(), error))?;
            if let Some(event) = event {
                return Ok(Edge {
                    down: (event.trigger == Trigger::FallingEdge) == self.active_low,
                    at: moment(event.timestamp),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_maps_no_registers_is_named_unless_there_is_another_way() {
        let failure = |backends: &[Backend]| {
            let button = Button {
                backends: backends.into(),
                ..Button::default()
            };
            open(&button).err()
        };
        let alone = failure(&[Backend::Rppal]);
        assert!(matches!(alone, Some(WireError::NoRegisters)), "{alone:?}");
        let both = failure(&[Backend::Rppal, Backend::Cdev]);
        assert!(matches!(both, Some(WireError::NoLine(_))), "{both:?}");
    }

    #[test]
    fn a_stamp_is_a_moment_of_the_same_clock() {
        let now = clock_gettime(ClockId::Monotonic);
        let stamp = Duration::new(now.tv_sec as u64, now.tv_nsec as u32);
        let before = Instant::now();
        let age = before.saturating_duration_since(moment(stamp - Duration::from_secs(1)));
        assert!(
            (Duration::from_millis(900)..Duration::from_secs(30)).contains(&age),
            "{age:?}"
        );
        assert!(
            moment(Duration::MAX) <= Instant::now(),
            "never in the future"
        );
    }
}
