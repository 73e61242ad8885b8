//! The radio: it is joined anew, or the machine restarts for it, only where it is the only way out, nothing has come of it for long enough, and
//! nothing is under way; and the machine does so once a day at most.

use std::collections::VecDeque;

use holdfast_core::{Effect, Event};

use super::{forget, recent};
use crate::{DAY, HOUR, MINUTE};

/// What is known of the radio.
#[derive(Clone, Debug, Default)]
pub(super) struct Radio {
    alone: bool,
    /// When something came of it last, or the daemon began to wait for that.
    well_at: u64,
    rejoined: VecDeque<u64>,
    restarts: VecDeque<u64>,
}

impl Radio {
    pub(super) fn starts(&mut self, now: u64) {
        (self.alone, self.well_at) = (false, now);
    }

    /// Forgets all that was written down.
    pub(super) fn forgets(&mut self) {
        self.forgets_since(0);
    }

    pub(super) fn forgets_since(&mut self, since: u64) {
        forget(&mut self.rejoined, since);
        forget(&mut self.restarts, since);
    }

    pub(super) fn happens(&mut self, now: u64, event: &Event) {
        match event {
            Event::Radio { alone } => self.alone = *alone,
            Event::LinkUp => self.well_at = now,
            _ => {}
        }
    }

    /// Something is done about it.
    pub(super) fn does(&mut self, now: u64, effect: &Effect, running: bool) -> Result<(), String> {
        let (done, after, most, within) = match effect {
            Effect::Rejoin => (&mut self.rejoined, 3 * MINUTE, 4, HOUR),
            _ => (&mut self.restarts, 3 * HOUR, 1, DAY),
        };
        if !self.alone || running || now < self.well_at + after {
            return Err(format!(
                "{effect:?}, and the radio is not to blame for long"
            ));
        }
        done.push_back(now);
        match recent(done, now, within) {
            times if times <= most => Ok(()),
            times => Err(format!("{effect:?} {times} times within {within} ms")),
        }
    }
}
