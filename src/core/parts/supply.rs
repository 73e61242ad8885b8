//! The power supply: a voltage that is too low for a while, or again and again, is a fault; one dip is none, for something may just have been
//! plugged in.

use crate::ground::{CauseCode, HOUR, Moments, SECOND};

/// How long the voltage is low in one piece before that is a fault.
const HELD_MS: u64 = 5 * SECOND;
/// So many dips are a fault, however short they are.
const DIPS: u32 = 3;
/// The supply is sound once there was no dip for so long.
const SOUND_MS: u64 = HOUR;

/// The supply, since it was last sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Supply {
    /// How often the voltage fell too low.
    dips: u32,
    /// Since when it is too low, while it is.
    low_since: Option<u64>,
    /// Since when it is high enough again.
    up_since: Option<u64>,
    /// It is called too weak.
    is_weak: bool,
}

impl Supply {
    /// The voltage is too low now, or high enough. Only a change counts.
    pub(crate) fn voltage(&mut self, low: bool, now: u64) {
        if low == self.low_since.is_some() || !low && self.dips == 0 {
            return;
        }
        (self.low_since, self.up_since) = if low {
            self.dips = self.dips.saturating_add(1);
            (Some(now), None)
        } else {
            (None, Some(now))
        };
    }

    /// When time alone changes what it is called.
    pub(crate) fn deadline(&self) -> Option<u64> {
        match self.low_since {
            Some(_) if self.is_weak => None,
            Some(since) => Some(since.saturating_add(HELD_MS)),
            None => self.up_since.map(|since| since.saturating_add(SOUND_MS)),
        }
    }

    /// Takes what has become of it. Whether it is newly too weak.
    pub(crate) fn judge(&mut self, now: u64) -> bool {
        let is_due = self.deadline().is_some_and(|at| at <= now);
        if is_due && self.low_since.is_none() {
            *self = Self::default();
        }
        let newly = !self.is_weak && (self.dips >= DIPS || is_due && self.low_since.is_some());
        self.is_weak |= newly;
        newly
    }

    /// Its fault, and how often the voltage fell too low.
    pub(crate) fn fault(&self) -> Option<(CauseCode, u32)> {
        self.is_weak.then_some((CauseCode::UnderVoltage, self.dips))
    }

    pub(crate) fn rebase(&mut self, moments: Moments) {
        self.dips = self.dips.min(DIPS);
        let marks = [
            (&mut self.low_since, HELD_MS),
            (&mut self.up_since, SOUND_MS),
        ];
        for (mark, counts_ms) in marks {
            if let Some(since) = mark {
                moments.since(since, counts_ms);
            }
        }
    }
}
