//! Updates: the boot loader's slots, and those who look, install and mark.

use holdfast_core::{Booted, CauseCode, TRIAL_MS, UpdateStep};
use rand::RngExt;

use crate::world::{Answer, World};

impl World {
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
