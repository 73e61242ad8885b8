//! Storms: session keys are made anew in the middle of a life once a day at most, and only for messages of several people with whom
//! a session worked, who are more than those that can be read.

use std::collections::{BTreeSet, VecDeque};

use holdfast_core::Event;

use super::{forget, recent};
use crate::{DAY, MINUTE, SECOND};

/// So long after the last message it may take until the run is over.
const CLOSING: u64 = 70 * SECOND;
/// The window in which messages count together.
const WINDOW: u64 = 10 * MINUTE;
/// So many people, and so many messages: half of those that are needed, since each counts twice after a repair.
const FEWEST: (usize, usize) = (4, 32);

/// Who could be read, and who could not.
#[derive(Clone, Debug, Default)]
pub(super) struct Storms {
    garbled: VecDeque<(u64, u64)>,
    read: VecDeque<(u64, u64)>,
    /// Repairs of the session keys in the middle of a life, within a day.
    rebuilt: VecDeque<u64>,
}

impl Storms {
    pub(super) fn starts(&mut self) {
        self.garbled.clear();
        self.read.clear();
    }

    /// Forgets all that was written down.
    pub(super) fn forgets(&mut self) {
        self.rebuilt.clear();
    }

    pub(super) fn forgets_since(&mut self, since: u64) {
        forget(&mut self.rebuilt, since);
    }

    pub(super) fn happens(&mut self, now: u64, event: &Event) {
        match *event {
            Event::Undecrypted { peer, worked: true } => self.garbled.push_back((now, peer)),
            Event::Decrypted { peer } => self.read.push_back((now, peer)),
            _ => return,
        }
        for times in [&mut self.garbled, &mut self.read] {
            while times
                .front()
                .is_some_and(|(at, _)| at + WINDOW + CLOSING <= now)
            {
                times.pop_front();
            }
        }
    }

    /// The session keys are made anew, a while after the last message that counted.
    pub(super) fn rebuilds(&mut self, now: u64) -> Result<(), String> {
        let since = now.saturating_sub(WINDOW + CLOSING);
        let garbled = self.garbled.iter().filter(|(at, _)| *at >= since);
        let failing: BTreeSet<u64> = garbled.clone().map(|(_, peer)| *peer).collect();
        let (people, messages) = (failing.len(), garbled.count());
        if people < FEWEST.0 || messages < FEWEST.1 {
            return Err(format!(
                "made anew for {messages} messages of {people} people"
            ));
        }
        // These counted when it was decided, whenever that was.
        let counted = (now.saturating_sub(WINDOW - SECOND))..now.saturating_sub(CLOSING);
        let read = self.read.iter().filter(|(at, _)| counted.contains(at));
        let read: BTreeSet<u64> = read.map(|(_, peer)| *peer).collect();
        let read = read.difference(&failing).count();
        if read >= people {
            return Err(format!(
                "made anew for {people} people, while {read} can be read"
            ));
        }
        self.rebuilt.push_back(now);
        match recent(&mut self.rebuilt, now, DAY) {
            1 => Ok(()),
            times => Err(format!("made anew {times} times a day")),
        }
    }
}
