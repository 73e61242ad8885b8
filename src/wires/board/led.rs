//! The section `[led]`.

use toml::de::DeValue;

use super::{
    LineName,
    value::{Wrong, lines},
};

/// A lamp on a GPIO line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Led {
    /// The line, the first whose chip is there counts; never empty.
    pub lines: Vec<LineName>,
    /// It is lit while the line is low.
    pub active_low: bool,
}

impl Led {
    pub(super) fn set(&mut self, key: &str, value: &DeValue<'_>) -> Result<(), Wrong> {
        match key {
            "lines" => self.lines = lines(value)?,
            "active_low" => self.active_low = value.as_bool().ok_or("must be true or false")?,
            _ => return Err("no such key; known are lines, active_low".into()),
        }
        Ok(())
    }

    /// Tells which key the section lacks.
    pub(super) fn missing(&self) -> Option<&'static str> {
        self.lines
            .is_empty()
            .then_some("led.lines is missing: which GPIO line the lamp is on")
    }
}
