//! The owner's phone: WhatsApp drops the devices linked to one that has been away for 14 days.

use crate::ground::{DAY, Moments};

/// How long the phone may be away (WhatsApp's help, "About linked devices").
const AWAY_MS: u64 = 14 * DAY;
/// From the tenth day on it is asked once a day whether it is there.
const ASKED: u8 = 4;
/// And from the twelfth its owner is warned.
const WARNED: u8 = 2;

/// The meaning of a day on which the phone is missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absence {
    /// It is asked whether it is there.
    Long,
    /// And its owner is warned.
    TooLong,
}

/// The phone's presence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Phone {
    /// When WhatsApp drops us, as far as we know, and how many days before that something is done next.
    drops: Option<(u64, u8)>,
}

impl Phone {
    pub(crate) fn deadline(&self) -> Option<u64> {
        let (at, days) = self.drops.filter(|(_, days)| *days > 0)?;
        Some(at.saturating_sub(u64::from(days) * DAY))
    }

    /// It shows itself. Noted once a day, or when it was missed.
    pub(crate) fn seen(&mut self, now: u64) {
        let at = now.saturating_add(AWAY_MS);
        let known = self.drops;
        if known.is_none_or(|(known, days)| days < ASKED || at - known.min(at) >= DAY) {
            self.drops = Some((at, ASKED));
        }
    }

    /// It was there when the link was made; of one that came back from the archive nobody knows.
    pub(crate) fn linked(&mut self, now: u64) {
        if self.drops.is_none() {
            self.seen(now);
        }
    }

    /// Takes the days on which it is missed, as far as they have come.
    pub(crate) fn missed(&mut self, now: u64) -> Option<Absence> {
        let mut absence = None;
        while self.deadline().is_some_and(|at| at <= now) {
            let warns = self.day_comes() == Some(WARNED) || absence == Some(Absence::TooLong);
            absence = Some(if warns {
                Absence::TooLong
            } else {
                Absence::Long
            });
        }
        absence
    }

    /// One more of the days before has come: which, counted from the end.
    fn day_comes(&mut self) -> Option<u8> {
        let (_, days) = self.drops.as_mut()?;
        let comes = *days;
        *days = comes.saturating_sub(1);
        Some(comes)
    }

    /// Its owner was warned, and it was not seen since.
    pub(crate) fn is_warned_of(&self) -> bool {
        self.drops.is_some_and(|(_, days)| days < WARNED)
    }

    pub(crate) fn rebase(&mut self, moments: Moments) {
        if let Some((at, _)) = &mut self.drops {
            moments.due(at);
        }
    }

    /// For how long it may still be away, milliseconds.
    pub(crate) fn left(&self, now: u64) -> Option<u64> {
        self.drops.map(|(at, _)| at.saturating_sub(now))
    }

    /// Goes on from what [`Phone::left`] said.
    pub(crate) fn resume(&mut self, left: u64, now: u64) {
        let left = left.min(AWAY_MS);
        // An overdue timer fires at once, and the warning comes again: it is a new start.
        let days = (left / DAY + 1).clamp(WARNED.into(), ASKED.into()) as u8;
        self.drops = Some((now.saturating_add(left), days));
    }
}
