//! The session: the state machine of the link. It moves by the named transitions of [`Session`] only, and one row of
//! [`Phase::row`] says all there is to know of a phase.

mod codes;
mod phase;

use crate::ground::limits::{
    ANSWER_MS, CLOCK_MS, FAILED_MS, LOGIN_MS, PATIENCE_MS, SILENCE_MS, STOP_MS,
};
use crate::ground::{Cause, CauseCode, HOUR, Moments, Successor, Wait};
pub(crate) use codes::Code;
use codes::Codes;
pub use codes::PairingFace;
use phase::Stage;
pub(crate) use phase::{Due, Hurry, Phase, Then};

/// The purpose of a run of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    /// To link the device.
    Link,
    /// To log in.
    Login,
}

/// A run of the link that owes its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Run {
    /// Since when it is of use: logged in, or showing a code.
    usable_since: Option<u64>,
    /// WhatsApp's number in what ends it.
    said: Option<u16>,
}

impl Run {
    /// The cause with the number that WhatsApp gave, if it gave one.
    pub(crate) fn cause(self, code: CauseCode) -> Cause {
        Cause {
            code,
            number: self.said,
        }
    }

    /// How long it was of use, milliseconds.
    pub(crate) fn useful_ms(self, now: u64) -> u64 {
        self.usable_since
            .map_or(0, |since| now.saturating_sub(since))
    }
}

/// The state machine of the link, with all that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Session {
    phase: Phase,
    /// When the phase is over by itself; while codes are shown, they say.
    until: Option<u64>,
    /// The run that owes its end.
    run: Option<Run>,
    /// WhatsApp said once that we are logged out, and we have not been logged in since.
    suspected: bool,
    /// Why we are not Connected.
    cause: Option<Cause>,
    /// A wait that was cut short by a restart, or by a human who gave the link up, and until when.
    owed: Option<(Wait, u64)>,
    /// The retirement that a stop came into, and that finishes all the same.
    interrupted: Option<Successor>,
    /// A factory reset was confirmed: whoever leaves asks for the restart in which it is done.
    resets: bool,
    /// Which code is shown first where there are both.
    first: Code,
}

/// The questions.
impl Session {
    /// The session before anything happened.
    pub(crate) fn new() -> Self {
        Self {
            phase: Phase::Starting,
            until: None,
            run: None,
            suspected: false,
            cause: None,
            owed: None,
            interrupted: None,
            resets: false,
            first: Code::default(),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// When the phase is over by itself.
    pub(crate) fn deadline(&self) -> Option<u64> {
        match self.phase {
            Phase::Pairing(codes) => Some(codes.deadline()),
            _ => self.until,
        }
    }

    /// Whether the vault was not looked through yet.
    pub(crate) fn is_new(&self) -> bool {
        self.phase == Phase::Starting
    }

    pub(crate) fn is_starting(&self) -> bool {
        self.phase.row().stage == Stage::Starting
    }

    /// Whether no generation is being given up, and none is about to.
    pub(crate) fn is_settled(&self) -> bool {
        self.phase.row().stage == Stage::Settled
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.phase.row().stage == Stage::Leaving
    }

    pub(crate) fn is_stopping(&self) -> bool {
        matches!(self.phase, Phase::Stopping | Phase::Stopped)
    }

    /// Whether the daemon was told to leave.
    pub(crate) fn has_left(&self) -> bool {
        match self.phase {
            Phase::Failed(_) => self.until.is_none(),
            phase => phase == Phase::Stopped,
        }
    }

    /// Whether everything is about to be forgotten.
    pub(crate) fn resets(&self) -> bool {
        self.resets
    }

    pub(crate) fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Connected { .. })
    }

    /// Whether a run owes its end.
    pub(crate) fn is_running(&self) -> bool {
        self.run.is_some()
    }

    /// Since when the run is of use.
    pub(crate) fn usable_since(&self) -> Option<u64> {
        self.run.and_then(|run| run.usable_since)
    }

    /// The wait, and until when.
    pub(crate) fn waiting(&self) -> Option<(Wait, u64)> {
        match self.phase {
            Phase::Waiting(wait) => self.until.map(|until| (wait, until)),
            _ => None,
        }
    }

    /// The wait that the next start goes on with, and until when.
    pub(crate) fn lasting_wait(&self) -> Option<(Wait, u64)> {
        self.waiting()
            .or(self.owed)
            .filter(|(wait, _)| wait.lasting().is_some())
    }

    pub(crate) fn is_suspected(&self) -> bool {
        self.suspected
    }

    pub(crate) fn cause(&self) -> Option<Cause> {
        self.cause
    }
}

/// The transitions.
impl Session {
    fn enter(&mut self, phase: Phase, until: impl Into<Option<u64>>) {
        (self.phase, self.until) = (phase, until.into());
    }

    /// The vault is repaired.
    pub(crate) fn repair(&mut self, now: u64) {
        self.enter(Phase::Repairing, now.saturating_add(PATIENCE_MS));
    }

    /// A run begins.
    pub(crate) fn start(&mut self, aim: Aim, now: u64) {
        self.run = Some(Run {
            usable_since: None,
            said: None,
        });
        match aim {
            Aim::Link => self.enter(Phase::Pairing(Codes::asked_for(self.first, now)), None),
            Aim::Login => self.log_in(now),
        }
    }

    /// The run logs in, with no more codes to show.
    pub(crate) fn log_in(&mut self, now: u64) {
        self.enter(Phase::Connecting, now.saturating_add(LOGIN_MS));
    }

    /// The run shows a code. Whether it is its first; `None` where there is nothing to be shown.
    pub(crate) fn show(&mut self, code: Code, valid_ms: u64, now: u64) -> Option<bool> {
        let Phase::Pairing(codes) = &mut self.phase else {
            return None;
        };
        codes.show(code, valid_ms, now);
        Some(self.begin_use(now))
    }

    /// A QR goes before a code to be typed in, or not.
    pub(crate) fn puts_first(&mut self, qr: bool) {
        self.first = if qr { Code::Qr } else { Code::Typed };
    }

    /// A human wants the other code.
    pub(crate) fn turn_code(&mut self) {
        if let Phase::Pairing(codes) = &mut self.phase {
            codes.turn();
        }
    }

    /// The codes are good for nothing any more. Whether there were any to be shown.
    pub(crate) fn withdraw_codes(&mut self) -> bool {
        match &mut self.phase {
            Phase::Pairing(codes) => {
                codes.withdraw();
                true
            }
            _ => false,
        }
    }

    /// Withdraws the codes whose time is over. Whether it is time to give up.
    pub(crate) fn expire_codes(&mut self, now: u64) -> bool {
        match &mut self.phase {
            Phase::Pairing(codes) => codes.expire(now),
            _ => false,
        }
    }

    /// From now on the run is of use. Whether it was not yet.
    pub(crate) fn begin_use(&mut self, now: u64) -> bool {
        match &mut self.run {
            Some(Run { usable_since, .. }) if usable_since.is_none() => {
                *usable_since = Some(now);
                true
            }
            _ => false,
        }
    }

    /// Codes help nobody: a passkey is needed.
    pub(crate) fn need_passkey(&mut self) {
        self.enter(Phase::PasskeyNeeded, None);
    }

    /// Nobody took a code, and no more are shown.
    pub(crate) fn pause_pairing(&mut self) {
        self.enter(Phase::PairingPaused, None);
    }

    /// The run is logged in.
    pub(crate) fn come_up(&mut self, now: u64) {
        let usable_since = Some(now);
        self.run = self.run.map(|_| Run {
            usable_since,
            said: None,
        });
        self.hear(now);
    }

    /// WhatsApp says why it ends the run.
    pub(crate) fn say(&mut self, number: u16) {
        if let Some(run) = &mut self.run {
            run.said = Some(number);
        }
    }

    /// The link was heard just now.
    pub(crate) fn hear(&mut self, now: u64) {
        let asked = false;
        self.enter(Phase::Connected { asked }, now.saturating_add(SILENCE_MS));
    }

    /// The link is silent: it is asked, and when that was in vain it is stale.
    pub(crate) fn fall_silent(&mut self, asked: bool, now: u64) {
        let phase = if asked {
            Phase::Stale
        } else {
            Phase::Connected { asked: true }
        };
        self.enter(phase, now.saturating_add(ANSWER_MS));
    }

    /// The run is told to end. Whether it was not told before.
    pub(crate) fn close(&mut self, then: Then, now: u64) -> bool {
        let newly = !matches!(self.phase, Phase::Closing(_));
        self.enter(Phase::Closing(then), now.saturating_add(PATIENCE_MS));
        newly
    }

    /// The run has ended.
    pub(crate) fn end_run(&mut self) -> Option<Run> {
        self.run.take()
    }

    /// The next step is planned.
    pub(crate) fn wait(&mut self, wait: Wait, until: u64) {
        self.enter(Phase::Waiting(wait), until);
    }

    /// The network has to set the clock.
    pub(crate) fn await_clock(&mut self, now: u64) {
        self.enter(Phase::AwaitingClock, now.saturating_add(CLOCK_MS));
    }

    /// Nothing goes on until there is room.
    pub(crate) fn await_room(&mut self) {
        self.enter(Phase::AwaitingRoom, None);
    }

    /// The vault retires the generation.
    pub(crate) fn retire(&mut self, successor: Successor, now: u64) {
        self.enter(Phase::Retiring(successor), now.saturating_add(PATIENCE_MS));
    }

    /// The phase takes longer, and is given as much time again.
    pub(crate) fn extend(&mut self, now: u64) {
        self.until = Some(now.saturating_add(PATIENCE_MS));
    }

    /// The data partition cannot be used; that is shown for a while.
    pub(crate) fn fail(&mut self, code: CauseCode, now: u64) {
        self.resets = false;
        self.enter(Phase::Failed(code), now.saturating_add(FAILED_MS));
    }

    /// It was shown long enough. Whether the daemon was not told yet to leave.
    pub(crate) fn leave_failed(&mut self) -> bool {
        matches!(self.phase, Phase::Failed(_)) && self.until.take().is_some()
    }

    /// A human confirmed a factory reset.
    pub(crate) fn want_reset(&mut self) {
        self.resets = true;
    }

    /// Nothing comes of the factory reset.
    pub(crate) fn refuse_reset(&mut self) {
        self.resets = false;
    }

    /// The factory reset is written down. Who was told to stop waits no longer for that than for anything else.
    pub(crate) fn reset(&mut self, now: u64) {
        let stops = self.phase == Phase::Stopping;
        let until = self.until.filter(|_| stops);
        let until = until.unwrap_or(now.saturating_add(PATIENCE_MS));
        self.enter(Phase::Resetting { stops }, until);
    }

    /// Stops, once everything under way has ended or the timeout is over.
    pub(crate) fn stop(&mut self, now: u64) {
        if matches!(self.phase, Phase::Resetting { .. }) {
            let until = self.until.map(|at| at.min(now.saturating_add(STOP_MS)));
            return self.enter(Phase::Resetting { stops: true }, until);
        }
        if let Phase::Retiring(successor) = self.phase {
            self.interrupted = Some(successor);
        }
        self.enter(Phase::Stopping, now.saturating_add(STOP_MS));
    }

    /// Takes the retirement that a stop came into.
    pub(crate) fn take_interrupted(&mut self) -> Option<Successor> {
        self.interrupted.take()
    }

    /// Nothing is under way any more.
    pub(crate) fn exit(&mut self) {
        self.interrupted = None;
        self.enter(Phase::Stopped, None);
    }
}

/// Suspicion, cause, and the wait that is owed.
impl Session {
    /// WhatsApp says that we are logged out. Whether it said so before.
    pub(crate) fn suspect(&mut self) -> bool {
        core::mem::replace(&mut self.suspected, true)
    }

    /// We are not logged out.
    pub(crate) fn clear_suspicion(&mut self) {
        self.suspected = false;
    }

    /// Sets the cause. Whether it is a new one.
    pub(crate) fn blame(&mut self, cause: Cause) -> bool {
        self.cause.replace(cause) != Some(cause)
    }

    /// Nothing is wrong.
    pub(crate) fn clear_cause(&mut self) {
        self.cause = None;
    }

    /// The present wait, if any, is owed: it goes on when what comes between fails.
    pub(crate) fn owe_wait(&mut self) {
        self.owed = self.waiting().or(self.owed);
    }

    /// This wait, written down before a restart, is owed; or none is any more.
    pub(crate) fn owe(&mut self, owed: Option<(Wait, u64)>) {
        self.owed = owed;
    }

    /// Whether a wait is owed.
    pub(crate) fn owes_wait(&self) -> bool {
        self.owed.is_some()
    }

    /// Goes on with the wait that is owed, if it is not over; which.
    pub(crate) fn pay_wait(&mut self, now: u64) -> Option<Wait> {
        let (wait, until) = self.owed.take().filter(|(_, until)| *until > now)?;
        self.wait(wait, until);
        Some(wait)
    }

    pub(crate) fn rebase(&mut self, moments: Moments) {
        if let Phase::Pairing(codes) = &mut self.phase {
            codes.rebase(moments);
        }
        if let Some(until) = &mut self.until {
            moments.due(until);
        }
        if let Some(Run {
            usable_since: Some(since),
            ..
        }) = &mut self.run
        {
            moments.since(since, HOUR);
        }
        if let Some((_, until)) = &mut self.owed {
            moments.due(until);
        }
    }
}
