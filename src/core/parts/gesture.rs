//! The button: a state machine that turns presses into meanings.
//!
//! Short: on with it, or to the next page. Held for [`HOLD_MS`]: "re-link?", or a new pairing when nothing is linked. Held on until
//! [`RESET_MS`], by a finger at the device: "factory reset?". While a question stands a short press is yes; a long one, or [`ASK_MS`] of
//! silence, is no.

use crate::ground::Moments;

/// How long a hold lasts, milliseconds.
const HOLD_MS: u64 = 5_000;
/// How long the hold for a factory reset lasts, milliseconds.
const RESET_MS: u64 = 15_000;
/// How long a question stands, milliseconds.
const ASK_MS: u64 = 30_000;

/// Whose finger it is. What a finger at the device may ask for, a program may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hand {
    /// A finger at the device's own button.
    Device,
    /// A press over the bus.
    Bus,
}

/// A question that a second press answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Question {
    /// Give this link up for a new one?
    Relink,
    /// Forget everything?
    Reset,
}

/// Where the finger is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Gesture {
    #[default]
    Up,
    Down(Down),
    /// Down for so long that it has done its part; held on, it asks for more.
    Held(Down),
    /// Down, and means nothing any more, or was down through boot.
    Spent,
    /// A question stands.
    Asking {
        question: Question,
        until: u64,
        press: Press,
    },
}

/// A finger that is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Down {
    since: u64,
    hand: Hand,
}

impl Down {
    fn is_hold_at(self) -> u64 {
        self.since.saturating_add(HOLD_MS)
    }

    /// When it asks for a factory reset; never over the bus.
    fn resets_at(self) -> Option<u64> {
        (self.hand == Hand::Device).then(|| self.since.saturating_add(RESET_MS))
    }

    /// Whether another hand's press goes before it: the one at the device does.
    fn yields_to(self, hand: Hand) -> bool {
        (self.hand, hand) == (Hand::Bus, Hand::Device)
    }
}

/// The finger while a question stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Press {
    /// Still the hold that raised it.
    Opening(Down),
    Up,
    Down(Down),
}

/// The meaning of a press.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Meaning {
    Short,
    Hold,
    /// Held on for a factory reset, at the device.
    LongHold,
    Confirm(Question),
}

impl Gesture {
    pub(crate) fn pressed(&mut self, hand: Hand, now: u64) {
        let down = Down { since: now, hand };
        match self {
            Self::Up => *self = Self::Down(down),
            Self::Down(before) | Self::Held(before) if before.yields_to(hand) => {
                *self = Self::Down(down);
            }
            // Nobody but a finger at the device answers that.
            Self::Asking {
                question: Question::Reset,
                ..
            } if hand == Hand::Bus => {}
            Self::Asking {
                question,
                press,
                until,
            } => match press {
                // Raised in this very moment, by a hold that was noticed late: nobody has read it;
                Press::Opening(_) if *until == now.saturating_add(ASK_MS) => {}
                // nor did who let go meanwhile, and there everything is at stake.
                Press::Up
                    if *until == now.saturating_add(ASK_MS) && *question == Question::Reset => {}
                Press::Opening(before) | Press::Down(before) if !before.yields_to(hand) => {}
                Press::Opening(_) | Press::Down(_) | Press::Up => *press = Press::Down(down),
            },
            Self::Down(_) | Self::Held(_) | Self::Spent => {}
        }
    }

    /// The press that a hand began ends with that hand.
    pub(crate) fn released(&mut self, hand: Hand) -> Option<Meaning> {
        match *self {
            Self::Spent => *self = Self::Up,
            Self::Down(down) if down.hand == hand => {
                *self = Self::Up;
                return Some(Meaning::Short);
            }
            Self::Held(down) if down.hand == hand => *self = Self::Up,
            Self::Asking {
                question,
                press: Press::Down(down),
                ..
            } if down.hand == hand => {
                *self = Self::Up;
                return Some(Meaning::Confirm(question));
            }
            Self::Asking {
                question,
                until,
                press: Press::Opening(down),
            } if down.hand == hand => {
                let press = Press::Up;
                *self = Self::Asking {
                    question,
                    until,
                    press,
                };
            }
            Self::Up | Self::Down(_) | Self::Held(_) | Self::Asking { .. } => {}
        }
        None
    }

    /// The moment something changes without the finger moving.
    pub(crate) fn deadline(&self) -> Option<u64> {
        match *self {
            Self::Up | Self::Spent => None,
            Self::Down(down) => Some(down.is_hold_at()),
            Self::Held(down) => down.resets_at(),
            Self::Asking {
                until,
                press: Press::Down(down),
                ..
            } => Some(until.min(down.is_hold_at())),
            Self::Asking { until, .. } => Some(self.resets_at().map_or(until, |at| until.min(at))),
        }
    }

    /// When the hold under way asks for a factory reset.
    pub(crate) fn resets_at(&self) -> Option<u64> {
        match *self {
            Self::Held(down)
            | Self::Asking {
                question: Question::Relink,
                press: Press::Opening(down),
                ..
            } => down.resets_at(),
            Self::Up | Self::Down(_) | Self::Spent | Self::Asking { .. } => None,
        }
    }

    pub(crate) fn rebase(&mut self, moments: Moments) {
        // Over the bus a hold asks for nothing more, however long it is.
        let hold = |down: &mut Down, bus_ms| {
            let counts_ms = down.resets_at().map_or(bus_ms, |_| RESET_MS);
            moments.since(&mut down.since, counts_ms);
        };
        match self {
            Self::Up | Self::Spent => {}
            Self::Down(down) => hold(down, HOLD_MS),
            Self::Held(down) => hold(down, 0),
            Self::Asking { until, press, .. } => {
                moments.due(until);
                match press {
                    Press::Opening(down) => hold(down, 0),
                    Press::Down(down) => moments.since(&mut down.since, HOLD_MS),
                    Press::Up => {}
                }
            }
        }
    }

    /// A press that is under way means nothing, nor does a question that stands.
    pub(crate) fn spend(&mut self) {
        *self = Self::Spent;
    }

    /// The question that stands, and until when.
    pub(crate) fn asks(&self) -> Option<(Question, u64)> {
        match *self {
            Self::Asking {
                question, until, ..
            } => Some((question, until)),
            Self::Up | Self::Down(_) | Self::Held(_) | Self::Spent => None,
        }
    }

    /// To be called when the deadline has come.
    pub(crate) fn due(&mut self, now: u64) -> Option<Meaning> {
        if let Self::Down(down) = *self {
            *self = Self::Held(down);
            return Some(Meaning::Hold);
        }
        let resets = self.resets_at().is_some_and(|at| at <= now);
        self.drop_question();
        if resets {
            *self = Self::Spent;
        }
        resets.then_some(Meaning::LongHold)
    }

    /// Raises a question; the finger is still down.
    pub(crate) fn ask(&mut self, question: Question, now: u64) {
        let down = match *self {
            Self::Held(down) => down,
            _ => Down {
                since: now,
                hand: Hand::Device,
            },
        };
        *self = Self::Asking {
            question,
            until: now.saturating_add(ASK_MS),
            press: Press::Opening(down),
        };
    }

    /// The question makes no sense any more.
    pub(crate) fn drop_question(&mut self) {
        match self {
            Self::Asking {
                press: Press::Up, ..
            } => *self = Self::Up,
            Self::Asking { .. } => *self = Self::Spent,
            Self::Up | Self::Down(_) | Self::Held(_) | Self::Spent => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_press_in_the_moment_in_which_a_question_is_raised_answers_nothing() {
        let asked = |pressed_at| {
            let mut gesture = Gesture::Up;
            gesture.pressed(Hand::Bus, 0);
            assert_eq!(gesture.due(HOLD_MS), Some(Meaning::Hold));
            gesture.ask(Question::Relink, HOLD_MS);
            gesture.pressed(Hand::Device, pressed_at);
            gesture.released(Hand::Device)
        };
        assert_eq!(asked(HOLD_MS), None);
        let yes = Meaning::Confirm(Question::Relink);
        assert_eq!(asked(HOLD_MS + 1), Some(yes));

        // Let go and pressed again, all of it taken late: nobody has seen the question.
        let late = RESET_MS + 5_000;
        let mut gesture = Gesture::Up;
        gesture.pressed(Hand::Device, 0);
        assert_eq!(gesture.due(late), Some(Meaning::Hold));
        assert_eq!(gesture.due(late), Some(Meaning::LongHold));
        gesture.ask(Question::Reset, late);
        for _ in 0..2 {
            assert_eq!(gesture.released(Hand::Device), None);
            gesture.pressed(Hand::Device, late);
        }
        assert_eq!(gesture.released(Hand::Device), None);
    }
}
