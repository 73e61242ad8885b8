//! Updates: when a new version is looked for, installed and started, and when it stays. None of that ever interrupts a repair, a linking,
//! a link that is given up or brought back, or an archive on its way: it waits.

use crate::effect::{Effect, Refusal, Reply};
use crate::ground::{CauseCode, DAY, HOUR};
use crate::parts::{
    Booted, Hindrance, Phase, Stage, Then, UpdateStep, Updates, Verdict, is_honest,
};
use crate::turn::Turn;

impl Turn<'_> {
    /// The process started, with these facts about updates.
    pub(crate) fn updates(&mut self, updates: Updates) {
        self.state.update.begin(updates, self.now);
        if updates.automatic {
            let first = self.state.jitter.around(HOUR);
            self.state.update.look_again(self.after(first));
        }
        if updates.booted == Booted::FellBack {
            self.report(CauseCode::UpdateFellBack);
            self.state.notices.fell_back(self.now);
        }
    }

    /// A client has handed a new version in.
    pub(crate) fn install_asked(&mut self) -> Reply {
        if let Some(hindrance) = self.hindrance() {
            return Reply::Refused(Refusal::NotNow(hindrance));
        }
        self.state.update.install_by_hand();
        self.effects.push(Effect::Install);
        Reply::Accepted
    }

    /// A client wants the newest version, now.
    pub(crate) fn look_asked(&mut self) -> Reply {
        if let Some(hindrance) = self.hindrance() {
            return Reply::Refused(Refusal::NotNow(hindrance));
        }
        self.state.update.look(true);
        self.effects.push(Effect::LookForUpdate);
        Reply::Accepted
    }

    /// WhatsApp refuses this version: a newer one is looked for at once, whatever the hour, a few times a day at most; one that is under way waits
    /// for its hour no longer.
    pub(crate) fn look_for_newer(&mut self) {
        let update = &mut self.state.update;
        match update.stage() {
            Stage::Idle if update.is_automatic() => self.look(true),
            Stage::Idle | Stage::Trial | Stage::Restarting => {}
            Stage::Looking | Stage::Found | Stage::Installing(_) | Stage::Installed => {
                update.hurry();
            }
        }
    }

    /// Asks the index, within the allowance. An outage of the network's is none of the index', and costs nothing.
    fn look(&mut self, at_once: bool) {
        let is_out = self.state.way.is_some_and(|way| way.cause().is_some());
        let blocked = self.state.allowances.looks.blocked_until(self.now);
        if is_out || blocked.is_some() {
            let again = blocked.unwrap_or(self.after(HOUR));
            return self.state.update.look_again(again);
        }
        self.state.allowances.looks.take(self.now);
        let again = self.state.jitter.around(DAY);
        self.state.update.look_again(self.after(again));
        self.state.update.look(at_once);
        self.effects.push(Effect::LookForUpdate);
    }

    /// Whoever carries it out tells how far it is.
    pub(crate) fn update_step(&mut self, step: UpdateStep) {
        if !self.state.updates_go_on() {
            return;
        }
        let looks = self.state.update.stage() == Stage::Looking;
        match step {
            UpdateStep::Going(percent) => self.state.update.go_on(percent),
            UpdateStep::Nothing | UpdateStep::Found { .. } if !looks => {}
            // What fell back once is tried again by a human alone, who hands it in.
            UpdateStep::Nothing | UpdateStep::Found { fell_back: true } => {
                self.state.update.give_up();
            }
            UpdateStep::Found { fell_back: false } => self.state.update.find(),
            UpdateStep::Installed => {
                self.state.update.finish();
            }
            UpdateStep::Failed(code) => {
                if self.state.update.give_up() {
                    self.report(code);
                    let again = self.after(HOUR);
                    self.state.update.look_again(again);
                }
            }
            UpdateStep::Kept => self.state.update.marked(true, self.now),
            UpdateStep::NotKept => self.state.update.marked(false, self.now),
        }
    }

    /// Goes on with the update as soon as nothing is in its way.
    pub(crate) fn update_due(&mut self) {
        self.state.update.pass(self.now);
        if !self.state.updates_go_on() {
            return;
        }
        match self.state.update.judge(self.is_well_enough(), self.now) {
            Verdict::Open => {}
            Verdict::Good => {
                self.state.update.mark();
                self.effects.push(Effect::MarkGood);
            }
            Verdict::Over if self.may_restart() => {
                self.restart_for_update(CauseCode::UpdateUnproved);
            }
            Verdict::Over => {}
        }
        if self.state.update.is_look_due(self.now) {
            self.look(false);
        }
        let goes_on = self.state.update.may_go_on();
        match self.state.update.stage() {
            Stage::Found if goes_on && self.in_the_way().is_none() => {
                self.state.update.install();
                self.effects.push(Effect::Install);
            }
            Stage::Installed if goes_on && self.may_restart() => {
                self.restart_for_update(CauseCode::UpdateInstalled);
            }
            _ => {}
        }
    }

    /// Whether the machine may restart now.
    fn may_restart(&self) -> bool {
        self.in_the_way().is_none() && !self.state.update.is_just_linked(self.now)
    }

    /// Ends the link in order, and has the machine restart.
    fn restart_for_update(&mut self, why: CauseCode) {
        self.state.update.restart();
        self.blame(why);
        match self.state.session.phase() {
            Phase::Failed(_) => self.exit(),
            _ => {
                // This is the middle of a step: what it did, and a wait that it began, are over once the session leaves.
                self.write_down();
                self.stop();
            }
        }
    }

    /// Whether all is well, or waits for what is no fault of the version's.
    fn is_well_enough(&self) -> bool {
        let session = &self.state.session;
        let waits = session.cause().is_some_and(|cause| is_honest(cause.code));
        session.is_connected() || session.is_settled() && waits
    }

    /// Why a client's update is not for now.
    fn hindrance(&self) -> Option<Hindrance> {
        match self.state.update.stage() {
            Stage::Idle => self.in_the_way(),
            Stage::Trial => Some(Hindrance::Trial),
            _ => Some(Hindrance::Updating),
        }
    }

    /// What must not be interrupted.
    fn in_the_way(&self) -> Option<Hindrance> {
        let session = &self.state.session;
        if self.state.update.saving() {
            return Some(Hindrance::Saving);
        }
        if self.state.gesture.asks().is_some() {
            return Some(Hindrance::Asking);
        }
        match session.phase() {
            Phase::Starting | Phase::Repairing | Phase::Closing(Then::Rebuild) => {
                Some(Hindrance::Repairing)
            }
            Phase::Pairing(_) | Phase::Connecting | Phase::Closing(Then::Pair) => {
                Some(Hindrance::Linking)
            }
            Phase::PasskeyNeeded if session.is_running() => Some(Hindrance::Linking),
            Phase::Closing(Then::Retire(_) | Then::Reset)
            | Phase::Retiring(_)
            | Phase::Resetting { .. } => Some(Hindrance::GivingUp),
            Phase::Connected { .. } if !self.state.todo.is_empty() => Some(Hindrance::Repairing),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
