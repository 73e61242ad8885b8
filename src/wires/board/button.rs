//! The section `[button]`.

use std::{collections::BTreeSet, iter, time::Duration};

use toml::de::DeValue;

use super::{
    LineName,
    value::{Wrong, lines, number, numbers, texts},
};

/// A button: a key on a GPIO line, or several that are the same button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Button {
    /// Ways to the line, the first that opens it counts.
    pub backends: Vec<Backend>,
    /// The line, the first whose chip is there counts; never empty.
    pub lines: Vec<LineName>,
    /// Lines of the same chip on which further keys are, each as good as the first: their numbers.
    pub also: Vec<u32>,
    /// The line is low while the button is down.
    pub active_low: bool,
    /// The resistor that holds the line while the button is up.
    pub pull: Pull,
    /// The debounce time: a shorter edge is bouncing; zero where nothing bounces.
    pub debounce: Duration,
}

/// A way to a GPIO line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// The kernel's GPIO character device: everywhere.
    Cdev,
    /// A Raspberry Pi's registers, where the vendor's kernel has `/dev/gpiomem`.
    Rppal,
}

/// A resistor in the chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pull {
    /// To the supply.
    Up,
    /// To ground.
    Down,
    /// None: there is one on the board.
    Off,
}

impl Default for Button {
    fn default() -> Self {
        Self {
            backends: vec![Backend::Cdev],
            lines: Vec::new(),
            also: Vec::new(),
            active_low: true,
            pull: Pull::Up,
            debounce: Duration::from_millis(20),
        }
    }
}

impl Button {
    pub(super) fn set(&mut self, key: &str, value: &DeValue<'_>) -> Result<(), Wrong> {
        match key {
            "backends" => {
                let backend = |name: &String| match name.as_str() {
                    "cdev" => Some(Backend::Cdev),
                    "rppal" => Some(Backend::Rppal),
                    _ => None,
                };
                let backends = texts(value)?.iter().map(backend).collect::<Option<_>>();
                self.backends = backends.ok_or("must be made of \"cdev\" and \"rppal\"")?;
            }
            "lines" => self.lines = lines(value)?,
            "also" => self.also = numbers(value)?,
            "active_low" => self.active_low = value.as_bool().ok_or("must be true or false")?,
            "pull" => {
                self.pull = match value.as_str() {
                    Some("up") => Pull::Up,
                    Some("down") => Pull::Down,
                    Some("off") => Pull::Off,
                    _ => return Err("must be \"up\", \"down\" or \"off\"".into()),
                };
            }
            "debounce_ms" => {
                let ms = number(value).filter(|ms| *ms <= 1000);
                self.debounce = Duration::from_millis(
                    ms.ok_or("must be a number of milliseconds from 0 to 1000")?
                        .into(),
                );
            }
            _ => {
                return Err(
                    "no such key; known are backends, lines, also, active_low, pull, debounce_ms"
                        .into(),
                );
            }
        }
        Ok(())
    }

    /// Tells which key the section lacks, or names for nothing.
    pub(super) fn wrong(&self) -> Option<&'static str> {
        if self.lines.is_empty() {
            return Some("button.lines is missing: which GPIO line the button is on");
        }
        let is_twice = |line: &LineName| {
            let keys = self.keys(line);
            keys.iter().collect::<BTreeSet<_>>().len() < keys.len()
        };
        self.lines
            .iter()
            .any(is_twice)
            .then_some("button.also names a line twice; the one of button.lines is no further key")
    }

    /// The numbers of its lines on a chip: that of the line that was found there, and of the further keys.
    pub fn keys(&self, line: &LineName) -> Vec<u32> {
        iter::once(line.number)
            .chain(self.also.iter().copied())
            .collect()
    }
}
