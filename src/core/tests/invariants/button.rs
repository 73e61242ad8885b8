//! What fingers and programs did with the button, and what that confirms.

use holdfast_core::{Face, Hand, Now, State, face};

use super::SECOND;

/// A question on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    Relink,
    Reset,
}

impl Asks {
    /// The question that an owner sees.
    pub fn of(state: &State, now: Now) -> Option<Self> {
        match face(state, now) {
            Face::ConfirmRelink { .. } => Some(Self::Relink),
            Face::ConfirmReset { .. } => Some(Self::Reset),
            _ => None,
        }
    }
}

/// A press under way.
#[derive(Clone, Copy, Debug)]
struct Press {
    /// Since when the hand is down.
    since: u64,
    /// When it pressed last, and which question stood: another hand may have been in between.
    again: u64,
    asks: Option<Asks>,
}

/// The button, with the memory of what was done with it.
#[derive(Debug, Default)]
pub struct Button {
    device: Option<Press>,
    bus: Option<Press>,
    /// A short press answered "re-link?".
    pub relink: bool,
    /// A short press of a finger at the device answered "factory reset?".
    pub reset: bool,
    asked: Option<Asks>,
    /// How long a finger at the device was down that was let go in this step: ticks may be late.
    held: Option<u64>,
}

impl Button {
    /// A hand presses, with this question on the screen.
    pub fn pressed(&mut self, hand: Hand, now: u64, asks: Option<Asks>) {
        let press = match hand {
            Hand::Device => &mut self.device,
            Hand::Bus => &mut self.bus,
        };
        *press = Some(Press {
            since: press.map_or(now, |press| press.since),
            again: now,
            asks,
        });
    }

    /// It lets go.
    pub fn released(&mut self, hand: Hand, now: u64) {
        let press = match hand {
            Hand::Device => self.device.take(),
            Hand::Bus => self.bus.take(),
        };
        let Some(Press { since, again, asks }) = press else {
            return;
        };
        self.held = (hand == Hand::Device).then_some(now - since);
        if now - again < 5 * SECOND {
            self.relink |= asks == Some(Asks::Relink);
            self.reset |= (asks, hand) == (Some(Asks::Reset), Hand::Device);
        }
    }

    pub fn is_down(&self) -> bool {
        self.device.is_some() || self.bus.is_some()
    }

    /// Only a finger that is at the device for so long is asked whether to forget everything.
    pub fn look(&mut self, now: u64, asks: Option<Asks>) {
        let is_new = std::mem::replace(&mut self.asked, asks) != asks;
        if is_new && asks == Some(Asks::Reset) {
            let held = self.device.map(|press| now - press.since).or(self.held);
            assert!(held >= Some(15 * SECOND), "asked after a hold of {held:?}");
        }
        self.held = None;
    }

    /// What was confirmed is done, or cannot be.
    pub fn forget(&mut self) {
        (self.relink, self.reset) = (false, false);
    }
}
