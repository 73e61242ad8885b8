//! The ladder of the radio: where it is the only way out, and nothing comes of it, more and more is done about it.

use crate::ground::{HOUR, MINUTE, Moments};

/// What is done about a radio of which nothing comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rung {
    /// The network is joined anew, from the beginning: program, interface, access point.
    Rejoin,
    /// The machine restarts, and the radio with it.
    Restart,
}

/// The rungs, and how long after the one before each is climbed, milliseconds. At the top it begins anew.
const RUNGS: [(u64, Rung); 4] = [
    (3 * MINUTE, Rung::Rejoin),
    (12 * MINUTE, Rung::Rejoin),
    (45 * MINUTE, Rung::Rejoin),
    (2 * HOUR, Rung::Restart),
];

/// The radio, as far as it is known to be the way out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Radio {
    /// No cable leads anywhere, and the owner named a network that it could join.
    is_alone: bool,
    /// While nothing comes of it, the rung that comes next, and when.
    next: Option<(usize, u64)>,
    /// The machine restarts for its sake.
    restarts: bool,
}

impl Radio {
    /// It is the only way out now, or is not.
    pub(crate) fn alone(&mut self, is_alone: bool) {
        self.is_alone = is_alone;
    }

    /// Notes whether there is no way out now. Where the radio is not the only one, it is not the radio's fault.
    pub(crate) fn watch(&mut self, is_out: bool, now: u64) {
        self.next = (is_out && self.is_alone).then(|| self.next.unwrap_or(rung(0, now)));
    }

    /// When the next rung is climbed.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.next.map(|(_, at)| at)
    }

    /// Climbs the next rung.
    pub(crate) fn climb(&mut self, now: u64) -> Option<Rung> {
        let (at, _) = self.next?;
        self.next = Some(rung(at + 1, now));
        Some(RUNGS[at].1)
    }

    /// The machine restarts for its sake.
    pub(crate) fn restart(&mut self) {
        self.restarts = true;
    }

    /// Whether the machine restarts for its sake.
    pub(crate) fn restarts(&self) -> bool {
        self.restarts
    }

    pub(crate) fn rebase(&mut self, moments: Moments) {
        if let Some((_, at)) = &mut self.next {
            moments.due(at);
        }
    }
}

/// The rung of this number, and when it is climbed.
fn rung(number: usize, now: u64) -> (usize, u64) {
    let number = number % RUNGS.len();
    (number, now.saturating_add(RUNGS[number].0))
}
