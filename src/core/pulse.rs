//! A sign of life a day. A companion that is available mutes the phone's notifications, so that this one never is; one that
//! never shows itself is taken for dead.

use crate::Effect;
use crate::ground::DAY;
use crate::ground::Moments;
use crate::step::Turn;

/// When we show ourselves next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Pulse {
    at: Option<u64>,
}

impl Pulse {
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.at
    }

    /// How long until then, milliseconds.
    pub(crate) fn left(&self, now: u64) -> Option<u64> {
        self.at.map(|at| at.saturating_sub(now))
    }

    /// Goes on from what [`Pulse::left`] said: one that is restarted daily shows itself as well.
    pub(crate) fn resume(&mut self, left: u64, now: u64) {
        self.at = Some(now.saturating_add(left.min(DAY)));
    }

    pub(crate) fn rebase(&mut self, moments: Moments) {
        if let Some(at) = &mut self.at {
            moments.due(at);
        }
    }
}

impl Turn<'_> {
    /// A day after we were first seen, and every day after that; while nobody would see it, it stays due.
    pub(crate) fn pulse_due(&mut self) {
        if !self.state.is_connected() {
            return;
        }
        let (now, next) = (self.now, self.after(DAY));
        let at = self.state.pulse.at.get_or_insert(next);
        if *at <= now {
            *at = next;
            self.effects.push(Effect::Pulse);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::Story;
    use crate::{CauseCode, Ending, Event};

    #[test]
    fn a_sign_of_life_a_day_while_connected() {
        let mut story = Story::connected();
        let mut pulses = |days: u64| {
            (0..days)
                .map(|_| story.wait(DAY))
                .filter(|effects| effects.contains(&Effect::Pulse))
                .count()
        };
        assert_eq!(pulses(5), 5);
        story.ended(Ending::Network(CauseCode::ConnectionLost.into()));
        assert!(
            !story.wait(DAY).contains(&Effect::Pulse),
            "nobody would see it"
        );
        story.ended(Ending::Asked);
        story.wait_for(Effect::Connect);
        assert_eq!(story.on(Event::LinkUp), [Effect::Pulse], "made up for");
    }
}
