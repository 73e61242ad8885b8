//! What an update may do, and what it must leave alone.

use holdfast_core::{Booted, CauseCode, Command, Effect, Event, Outcome, UpdateStep, Updates};

use super::{Around, SECOND};

/// What is known of updates around the core.
#[derive(Default)]
pub(super) struct Update {
    /// A version is on trial.
    trial: bool,
    /// The slot that runs is to be called good.
    counted: bool,
    automatic: bool,
    /// Archives are on their way.
    saving: bool,
    /// A client handed a version in, or the index named one, since the last that was installed.
    offered: bool,
    /// The run of the link was logged in, or was told to end.
    run_settled: bool,
    /// The machine restarts for it.
    pub(super) restarts: bool,
}

impl Update {
    pub(super) fn new(updates: Updates) -> Self {
        Self {
            trial: matches!(updates.booted, Booted::Trial { .. }),
            counted: updates.counted,
            offered: matches!(updates.booted, Booted::Installing | Booted::Installed),
            automatic: updates.automatic,
            ..Self::default()
        }
    }

    /// Notes what an event changes.
    pub(super) fn expect(&mut self, event: &Event) {
        match event {
            Event::Saving(saving) => self.saving = *saving,
            Event::Update(UpdateStep::Found { fell_back: false }) => self.offered = true,
            Event::Command {
                command: Command::Install,
                ..
            } => self.offered = true,
            Event::LinkUp => self.run_settled = true,
            _ => {}
        }
    }

    /// A run of the link begins.
    pub(super) fn dials(&mut self) {
        self.run_settled = false;
    }

    /// A run of the link is told to end.
    pub(super) fn hangs_up(&mut self) {
        self.run_settled = true;
    }

    /// Checks one effect.
    pub(super) fn does(&mut self, effect: &Effect, event: &Event) {
        match effect {
            Effect::LookForUpdate => assert!(
                self.automatic || matches!(event, Event::Command { .. }),
                "the owner has not allowed it"
            ),
            Effect::Install => assert!(self.offered, "nobody offered a version"),
            Effect::Report(cause) if cause.code == CauseCode::UpdateUnproved => {
                assert!(self.trial, "a version that is not new is left");
            }
            Effect::MarkGood => assert!(self.trial || self.counted, "nothing is on trial"),
            _ => {}
        }
    }
}

impl Around {
    /// An update never interrupts a repair, a linking, a generation that is given up or brought back, an archive on its way, or a human
    /// who is asked something.
    pub(super) fn interrupts_nothing(&mut self, outcome: &Outcome) {
        let effects = outcome.effects.iter();
        let restarts = effects.clone().position(|effect| {
            let Effect::Report(cause) = effect else {
                return false;
            };
            matches!(
                cause.code,
                CauseCode::UpdateInstalled | CauseCode::UpdateUnproved
            )
        });
        self.update.restarts |= restarts.is_some();
        let installs = effects
            .clone()
            .position(|effect| *effect == Effect::Install);
        let Some(at) = restarts.or(installs) else {
            return;
        };
        // What was told to end in the same step, before, is over, too.
        let ended = effects.take(at).any(|effect| *effect == Effect::Disconnect);
        let settled = self.update.run_settled || ended;
        assert!(!self.update.saving, "an archive is on its way");
        assert!(self.repaired, "the vault is not open");
        let owed = self.owed.as_ref();
        assert!(owed.is_none_or(|owed| owed.is_empty()), "a repair goes on");
        assert_eq!((self.retiring, self.resetting), (None, false), "given up");
        assert!(
            self.run.is_none() || settled,
            "a phone links the device, or it logs in"
        );
        let code = self.qr_until.max(self.code_until);
        let shows = self.run.is_some() && code > self.now + SECOND && !settled;
        assert!(!shows, "a code is on the glass");
    }
}
