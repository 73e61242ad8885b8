//! GPIO lines by the kernel's character device, found by their chip's label.

use std::{path::PathBuf, time::Duration};

use embedded_hal::digital::{ErrorType, InputPin, OutputPin};
use gpiocdev::{
    Request,
    chip::{Chip, chips},
    line::{Bias, EdgeDetection, EdgeKind, Value},
    request::Builder,
};
use rustix::io::Errno;

use super::{
    Button, Edge, InputPort, Line, LineName, OutputPort, Pull, WireError,
    edge::{LONG, moment},
};

/// The kernel's word for a line that somebody else has requested.
const BUSY: gpiocdev_uapi::Errno = gpiocdev_uapi::Errno(Errno::BUSY.raw_os_error());

/// A requested line.
struct Cdev {
    line: LineName,
    request: Request,
}

impl Cdev {
    /// Requests the first of these lines whose chip is there, or all that `numbers` makes of it, configured by `configure`.
    fn request(
        lines: &[LineName],
        numbers: impl FnOnce(&LineName) -> Vec<u32>,
        configure: impl FnOnce(&mut Builder),
    ) -> Result<Self, WireError> {
        let (line, chip) = find(lines)?;
        let mut request = Request::builder();
        request
            .on_chip(chip)
            .with_consumer("holdfast")
            .with_lines(&numbers(line));
        configure(&mut request);
        Ok(Self {
            line: line.clone(),
            request: request.request().map_err(|error| match error {
                gpiocdev::Error::Uapi(_, gpiocdev_uapi::Error::Os(errno)) if errno == BUSY => {
                    WireError::Taken(line.to_string().into())
                }
                error => WireError::line(line, error),
            })?,
        })
    }

    fn failed(&self, error: gpiocdev::Error) -> WireError {
        WireError::line(&self.line, error)
    }
}

/// Finds the first of these lines whose chip is there, and the chip's device file.
fn find(lines: &[LineName]) -> Result<(&LineName, PathBuf), WireError> {
    let present: Vec<(String, PathBuf)> = chips()
        .into_iter()
        .flatten()
        .filter_map(|path| Chip::from_path(path).ok())
        .filter_map(|chip| Some((chip.info().ok()?.label, chip.path().to_owned())))
        .collect();
    let found = lines.iter().find_map(|line| {
        let (_, chip) = present.iter().find(|(label, _)| *label == line.chip)?;
        Some((line, chip.clone()))
    });
    found.ok_or_else(|| WireError::no_line(lines))
}

/// The line and no other.
fn alone(line: &LineName) -> Vec<u32> {
    vec![line.number]
}

/// Watches a button's lines, all in one request.
pub(super) fn watch(button: &Button) -> Result<Box<dyn Line>, WireError> {
    let keys = |line: &LineName| button.keys(line);
    let line = Cdev::request(&button.lines, keys, |request| {
        request
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
    })?;
    Ok(Box::new(line))
}

/// Opens a line as an output with this level.
pub(super) fn output(lines: &[LineName], high: bool) -> Result<OutputPort, WireError> {
    let level = if high { Value::Active } else { Value::Inactive };
    let line = Cdev::request(lines, alone, |request| {
        request.as_output(level);
    })?;
    Ok(Box::new(line))
}

/// Opens a line as an input.
pub(super) fn input(lines: &[LineName]) -> Result<InputPort, WireError> {
    let line = Cdev::request(lines, alone, |request| {
        request.as_input();
    })?;
    Ok(Box::new(line))
}

impl Line for Cdev {
    fn edge(&mut self) -> Result<Edge, WireError> {
        let read = || {
            // A reader is not woken when the chip goes away; one that waits is.
            while !self.request.wait_edge_event(LONG)? {}
            self.request.read_edge_event()
        };
        let event = read().map_err(|error| self.failed(error))?;
        Ok(Edge {
            key: event.offset,
            // Rising is from inactive to active, whichever level that is.
            down: event.kind == EdgeKind::Rising,
            at: moment(Duration::from_nanos(event.timestamp_ns)),
        })
    }
}

impl ErrorType for Cdev {
    type Error = WireError;
}

impl OutputPin for Cdev {
    fn set_low(&mut self) -> Result<(), WireError> {
        let set = self.request.set_lone_value(Value::Inactive);
        set.map_err(|error| self.failed(error))
    }

    fn set_high(&mut self) -> Result<(), WireError> {
        let set = self.request.set_lone_value(Value::Active);
        set.map_err(|error| self.failed(error))
    }
}

impl InputPin for Cdev {
    fn is_high(&mut self) -> Result<bool, WireError> {
        let value = self.request.lone_value();
        Ok(value.map_err(|error| self.failed(error))? == Value::Active)
    }

    fn is_low(&mut self) -> Result<bool, WireError> {
        self.is_high().map(|high| !high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_whose_chip_is_not_there_is_named() {
        let lines = ["no-such-chip:4", "nor-this:5"].map(|name| {
            let (chip, number) = name.split_once(':').unwrap();
            LineName {
                chip: chip.into(),
                number: number.parse().unwrap(),
            }
        });
        for failure in [output(&lines, true).err(), input(&lines).err()] {
            let said = failure.unwrap().to_string();
            assert!(said.contains("no-such-chip:4 or nor-this:5"), "{said}");
        }
    }
}
