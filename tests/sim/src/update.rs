//! Updates: the boot loader's slots, and those who look, install and mark.

use holdfast_core::{Booted, CauseCode, Event, TRIAL_MS, UpdateStep};
use rand::RngExt;

use crate::world::{Answer, What, World};
use crate::{DAY, HOUR};

/// The hours of updates, of each day.
const HOURS: [u64; 2] = [3, 5];

impl World {
    /// Whether new versions come by themselves in this life.
    pub(crate) fn is_automatic(&self) -> bool {
        self.seed.is_multiple_of(3)
    }

    /// Whether it is the hour of updates, which nobody tells where they do not come by themselves.
    pub(crate) fn is_update_hour(&self) -> bool {
        let hour = self.now / HOUR % 24;
        self.is_automatic() && (HOURS[0]..HOURS[1]).contains(&hour)
    }

    /// The hours of updates begin, or are over; and when that is so again.
    pub(crate) fn update_hour(&mut self) {
        self.tell(Event::UpdateHour(self.is_update_hour()));
        self.expect_update_hour();
    }

    pub(crate) fn expect_update_hour(&mut self) {
        if self.is_automatic() {
            let until = HOURS.map(|hour| DAY - (self.now + DAY - hour * HOUR) % DAY);
            self.after(until[0].min(until[1]), What::UpdateHour);
        }
    }

    /// Whether the boot loader counts the starts of the slot that runs, though it is not new: it panicked.
    pub(crate) fn counted(&mut self) -> bool {
        self.board.flash.counted |= self.dice.random_ratio(1, 20);
        self.board.flash.counted
    }

    /// What this boot is to an update; the boot loader goes back after three tries.
    pub(crate) fn booted(&mut self) -> Booted {
        const TRIES: u32 = 3;
        let boot = self.board.boots;
        let up = self.now - self.board.booted_at;
        let Some(fresh) = &mut self.board.flash.fresh else {
            return Booted::Usual;
        };
        if fresh.installed_in == boot {
            return Booted::Installed;
        }
        if fresh.tried_in != boot {
            (fresh.tried_in, fresh.tries) = (boot, fresh.tries + 1);
        }
        if fresh.tries > TRIES {
            self.board.flash.fresh = None;
            return Booted::FellBack;
        }
        Booted::Trial {
            left_ms: TRIAL_MS.saturating_sub(up),
        }
    }

    /// Somebody else does a part of an update, and says so later.
    pub(crate) fn updates(&mut self, within: u64, done: UpdateStep) {
        let fails = !self.fair && self.dice.random_ratio(1, 4);
        let step = match (fails, done) {
            (false, done) => done,
            (true, UpdateStep::Kept) => UpdateStep::NotKept,
            (true, UpdateStep::Found { .. }) => UpdateStep::Nothing,
            (true, _) => UpdateStep::Failed(CauseCode::UpdateRefused),
        };
        self.answer_within(within, Answer::Update(step));
    }
}
