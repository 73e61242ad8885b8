//! A change of the network on trial: kept once it has led out for a while, taken back where it has not in time.

use crate::ground::{MINUTE, SECOND};

/// How long a change may take to lead out. A radio takes seconds to join, and a router up to one minute to answer it.
const TRIAL_MS: u64 = 2 * MINUTE;
/// How long it has to lead out without a break: right after a change the old address is still there.
const HELD_MS: u64 = 10 * SECOND;
/// How often it is looked whether it does.
const LOOK_MS: u64 = SECOND;

/// A change that nobody knows yet to lead anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    until: u64,
    since: Option<u64>,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// Look again after so long, milliseconds.
    Wait(u64),
    /// It leads out.
    Keep,
    /// It did not in time: back to what was.
    TakeBack,
}

impl Trial {
    /// Begins one, at a moment of any clock that counts milliseconds.
    pub fn begin(now: u64) -> Self {
        Self {
            until: now.saturating_add(TRIAL_MS),
            since: None,
        }
    }

    /// Judges it by whether what was changed leads out now. What leads out as the time ends may go on until it is known to hold.
    pub fn look(&mut self, now: u64, leads_out: bool) -> Tried {
        let since = leads_out.then(|| self.since.unwrap_or(now));
        self.since = since;
        match since {
            Some(since) if now.saturating_sub(since) >= HELD_MS => Tried::Keep,
            None if now >= self.until => Tried::TakeBack,
            _ => Tried::Wait(LOOK_MS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays a trial of a way that leads out in these seconds; when it ends, in seconds, and how.
    fn play(leads_out: impl Fn(u64) -> bool) -> (u64, Tried) {
        let mut now = 7_000;
        let mut trial = Trial::begin(now);
        loop {
            let second = (now - 7_000) / 1000;
            match trial.look(now, leads_out(second)) {
                Tried::Wait(ms) => now += ms,
                end => return (second, end),
            }
        }
    }

    #[test]
    fn what_leads_out_is_kept_and_what_does_not_is_taken_back_after_two_minutes() {
        assert_eq!(play(|_| true), (10, Tried::Keep));
        assert_eq!(play(|second| second >= 40), (50, Tried::Keep));
        assert_eq!(play(|_| false), (120, Tried::TakeBack));
    }

    #[test]
    fn what_is_left_of_the_old_network_counts_for_nothing() {
        assert_eq!(play(|second| second < 9), (120, Tried::TakeBack));
        assert_eq!(
            play(|second| !(9..=20).contains(&second)),
            (31, Tried::Keep),
            "from its own beginning"
        );
    }

    #[test]
    fn a_way_that_comes_last_of_all_is_seen_to_its_end() {
        assert_eq!(play(|second| second >= 119), (129, Tried::Keep));
        let flutters = |second| second >= 119 && second != 125;
        assert_eq!(play(flutters), (125, Tried::TakeBack));
        // One that never holds ends all the same.
        assert_eq!(play(|second| second % 2 == 0).1, Tried::TakeBack);
    }
}
