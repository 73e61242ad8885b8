//! The update: how far a new version of the device is, from the look for one to the trial in which it proves itself.

use crate::ground::{CauseClass, CauseCode, DAY, MINUTE, Moments};

/// How long a new version has to do well in one go before it stays, milliseconds.
const GOOD_MS: u64 = 5 * MINUTE;
/// How long after its boot a new version may try for that, milliseconds; one that does well just then is let finish.
pub const TRIAL_MS: u64 = 20 * MINUTE;
/// When a mark that failed is tried again, milliseconds.
const AGAIN_MS: u64 = MINUTE;
/// How long after a linking the machine does not restart, milliseconds: the phone sends what it has, once.
const LINKED_MS: u64 = 3 * MINUTE;

/// What this boot is to the update before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Booted {
    /// Nothing new.
    #[default]
    Usual,
    /// A new version is being installed, since before the process started.
    Installing,
    /// A new version is installed; the machine was not restarted since.
    Installed,
    /// The new version runs, and is not known to be good.
    Trial {
        /// How much of its time is left, milliseconds: [`TRIAL_MS`] less the uptime.
        left_ms: u64,
    },
    /// The new version did not stay: the one before runs again.
    FellBack,
}

/// The facts of a start about updates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Updates {
    /// New versions are looked for and installed by themselves: the owner said so, and this installation can.
    pub automatic: bool,
    /// What this boot is.
    pub booted: Booted,
    /// The boot loader counts the starts of the slot that runs, until somebody calls it good: it is new, or it panicked.
    pub counted: bool,
}

/// One step of an update, as those who carry it out tell of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpdateStep {
    /// There is no newer version.
    Nothing,
    /// There is a newer version.
    Found {
        /// It was tried, and did not stay.
        fell_back: bool,
    },
    /// So much of the fetch and the installation is done, percent.
    Going(u8),
    /// It is installed: the next boot is a trial of it.
    Installed,
    /// The look, the fetch or the installation failed; what runs is untouched.
    Failed(CauseCode),
    /// An [`crate::Effect::MarkGood`] is carried out.
    Kept,
    /// An [`crate::Effect::MarkGood`] failed.
    NotKept,
}

/// The stage of an update, for those who look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Nothing is under way.
    #[default]
    Idle,
    /// The index is asked for a newer version.
    Looking,
    /// There is one, and it waits for its hour.
    Found,
    /// It is fetched and installed, so many percent.
    Installing(u8),
    /// It is installed, and the restart waits for what must not be interrupted, or for its hour.
    Installed,
    /// The machine restarts.
    Restarting,
    /// It runs, and has to prove itself.
    Trial,
}

impl Stage {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Looking => "looking",
            Self::Found => "found",
            Self::Installing(_) => "installing",
            Self::Installed => "installed",
            Self::Restarting => "restarting",
            Self::Trial => "trial",
        }
    }
}

/// The reason why an update, or its restart, is not for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hindrance {
    /// The vault is opened, or its keys are repaired.
    Repairing,
    /// A phone is linking the device, or the device logs in.
    Linking,
    /// A link is being given up, brought back, or everything forgotten.
    GivingUp,
    /// An archive is being written out or taken in.
    Saving,
    /// A human is asked something at the device.
    Asking,
    /// An update is under way.
    Updating,
    /// The version that runs has not proved itself yet.
    Trial,
}

/// What a trial comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing yet.
    Open,
    /// It did well for long enough.
    Good,
    /// Its time is over.
    Over,
}

/// The trial of what runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Trial {
    /// It is a new version's, which is left when its time is over; else a slot's that has to be called good once more, and stays in any case.
    ends: bool,
    /// When its time is over; `None` once it is, and where it does not end.
    until: Option<u64>,
    /// Since when it has been doing well in one go.
    well_since: Option<u64>,
    /// It is being marked as good.
    marking: bool,
}

/// The update under way, and what is known for the next one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Update {
    automatic: bool,
    stage: Stage,
    /// Nobody waits for the hour of updates.
    at_once: bool,
    /// It is that hour.
    is_hour: bool,
    /// Archives are written out or taken in.
    saving: bool,
    /// When the index is asked again.
    look_at: Option<u64>,
    /// Until when a phone that has just linked is left in peace.
    linked_until: Option<u64>,
    trial: Option<Trial>,
}

/// Whether a cause says nothing against the version that runs: what is before the first byte of ours on the wire, the supply, what WhatsApp, a human
/// or the owner's network decided, and a card that is full. All else may be the new version's own fault.
pub(crate) fn is_honest(code: CauseCode) -> bool {
    match code.class() {
        CauseClass::Account | CauseClass::Clock | CauseClass::Power => true,
        CauseClass::Network => matches!(
            code,
            CauseCode::NoLink
                | CauseCode::NoAddress
                | CauseCode::NoRoute
                | CauseCode::DnsFailed
                | CauseCode::DialFailed
                | CauseCode::ProxyFailed
        ),
        CauseClass::Session => matches!(
            code,
            CauseCode::NotLinked
                | CauseCode::Revoked
                | CauseCode::Relinked
                | CauseCode::LogoutSuspected
                | CauseCode::QrExhausted
                | CauseCode::PairingBudget
                | CauseCode::PasskeyNeeded
                | CauseCode::PasskeyUnanswered
                | CauseCode::Replaced
                | CauseCode::Throttled
        ),
        CauseClass::Storage => matches!(
            code,
            CauseCode::NoSpace | CauseCode::OutboxFull | CauseCode::LittleSpace
        ),
        CauseClass::System | CauseClass::Panel | CauseClass::Update => false,
    }
}

/// The questions.
impl Update {
    /// The stage, for those who look.
    pub(crate) fn stage(&self) -> Stage {
        match self.stage {
            Stage::Idle if self.is_on_trial() => Stage::Trial,
            stage => stage,
        }
    }

    pub(crate) fn is_automatic(&self) -> bool {
        self.automatic
    }

    pub(crate) fn saving(&self) -> bool {
        self.saving
    }

    /// Whether the machine restarts for it.
    pub(crate) fn restarts(&self) -> bool {
        self.stage == Stage::Restarting
    }

    /// Whether what waits for its hour need not wait.
    pub(crate) fn may_go_on(&self) -> bool {
        self.at_once || self.is_hour
    }

    /// Whether the version that runs has not proved itself yet.
    pub(crate) fn is_on_trial(&self) -> bool {
        self.trial.as_ref().is_some_and(|trial| trial.ends)
    }

    /// Whether a phone has just linked.
    pub(crate) fn is_just_linked(&self, now: u64) -> bool {
        self.linked_until.is_some_and(|until| until > now)
    }

    /// Whether the index is to be asked by itself now.
    pub(crate) fn is_look_due(&self, now: u64) -> bool {
        self.stage() == Stage::Idle && self.look_at.is_some_and(|at| at <= now)
    }

    /// When its trial is over if nothing better comes, the monotonic millisecond.
    pub(crate) fn trial_ends(&self) -> Option<u64> {
        self.trial.as_ref()?.until
    }

    pub(crate) fn deadline(&self) -> Option<u64> {
        let trial = self.trial.as_ref().filter(|trial| !trial.marking);
        let trial = trial.and_then(|trial| match trial.well_since {
            Some(since) => Some(since.saturating_add(GOOD_MS)),
            None => trial.until,
        });
        let look = self.look_at.filter(|_| self.stage() == Stage::Idle);
        [trial, look, self.linked_until].into_iter().flatten().min()
    }
}

/// The transitions.
impl Update {
    /// The process started, and this is known.
    pub(crate) fn begin(&mut self, updates: Updates, now: u64) {
        self.automatic = updates.automatic;
        let until = match updates.booted {
            Booted::Trial { left_ms } => Some(now.saturating_add(left_ms.min(TRIAL_MS))),
            _ => None,
        };
        self.trial = (until.is_some() || updates.counted).then_some(Trial {
            ends: until.is_some(),
            until,
            well_since: None,
            marking: false,
        });
        match updates.booted {
            Booted::Usual | Booted::FellBack | Booted::Trial { .. } => {}
            Booted::Installing => self.install_by_hand(),
            Booted::Installed => (self.stage, self.at_once) = (Stage::Installed, true),
        }
    }

    /// It is the hour of updates, or is so no more.
    pub(crate) fn hour(&mut self, is_hour: bool) {
        self.is_hour = is_hour;
    }

    /// A phone has linked the device.
    pub(crate) fn linked(&mut self, now: u64) {
        self.linked_until = Some(now.saturating_add(LINKED_MS));
    }

    /// The device is logged in: what follows a linking begins only now.
    pub(crate) fn link_up(&mut self, now: u64) {
        if self.is_just_linked(now) {
            self.linked(now);
        }
    }

    /// Time goes on.
    pub(crate) fn pass(&mut self, now: u64) {
        self.linked_until.take_if(|until| *until <= now);
    }

    /// Nobody waits for the hour of what is under way.
    pub(crate) fn hurry(&mut self) {
        self.at_once = true;
    }

    /// Archives are written out or taken in, or are so no more.
    pub(crate) fn save(&mut self, saving: bool) {
        self.saving = saving;
    }

    /// The index is asked: for a human, or because WhatsApp refuses this version, `at_once`.
    pub(crate) fn look(&mut self, at_once: bool) {
        (self.stage, self.at_once) = (Stage::Looking, at_once);
    }

    /// The next look is then.
    pub(crate) fn look_again(&mut self, at: u64) {
        self.look_at = Some(at).filter(|_| self.automatic);
    }

    /// There is a newer version.
    pub(crate) fn find(&mut self) {
        self.stage = Stage::Found;
    }

    /// It is fetched and installed.
    pub(crate) fn install(&mut self) {
        self.stage = Stage::Installing(0);
    }

    /// What a human handed in is installed, at once.
    pub(crate) fn install_by_hand(&mut self) {
        (self.stage, self.at_once) = (Stage::Installing(0), true);
    }

    /// So much is done.
    pub(crate) fn go_on(&mut self, percent: u8) {
        if let Stage::Installing(done) = &mut self.stage {
            *done = percent.min(100);
        }
    }

    /// It is installed. Whether one was being installed.
    pub(crate) fn finish(&mut self) -> bool {
        let installing = matches!(self.stage, Stage::Installing(_));
        if installing {
            self.stage = Stage::Installed;
        }
        installing
    }

    /// Nothing came of it. Whether something was under way.
    pub(crate) fn give_up(&mut self) -> bool {
        let under_way = matches!(
            self.stage,
            Stage::Looking | Stage::Found | Stage::Installing(_)
        );
        if under_way {
            (self.stage, self.at_once) = (Stage::Idle, false);
        }
        under_way
    }

    /// The machine restarts for it.
    pub(crate) fn restart(&mut self) {
        (self.stage, self.trial) = (Stage::Restarting, None);
    }

    /// Looks at the trial: whether all is well now, or waits for what is no fault of the version's.
    pub(crate) fn judge(&mut self, well: bool, now: u64) -> Verdict {
        let Some(trial) = &mut self.trial else {
            return Verdict::Open;
        };
        if trial.marking {
            return Verdict::Open;
        }
        match well {
            true => {
                trial.well_since.get_or_insert(now);
            }
            false => trial.well_since = None,
        }
        trial.until.take_if(|until| *until <= now);
        match (trial.well_since, trial.until) {
            (Some(since), _) if now.saturating_sub(since) >= GOOD_MS => Verdict::Good,
            (None, None) if trial.ends => Verdict::Over,
            _ => Verdict::Open,
        }
    }

    /// It is being marked as good.
    pub(crate) fn mark(&mut self) {
        self.trial.iter_mut().for_each(|trial| trial.marking = true);
    }

    /// The mark is made, or is tried again in a while.
    pub(crate) fn marked(&mut self, kept: bool, now: u64) {
        if kept {
            self.trial.take_if(|trial| trial.marking);
        } else if let Some(trial) = self.trial.as_mut().filter(|trial| trial.marking) {
            trial.marking = false;
            trial.well_since = Some(now.saturating_sub(GOOD_MS - AGAIN_MS));
        }
    }

    pub(crate) fn rebase(&mut self, moments: Moments) {
        self.look_at.iter_mut().for_each(|at| moments.due(at));
        moments.counts(&mut self.linked_until);
        if let Some(trial) = &mut self.trial {
            trial.until.iter_mut().for_each(|at| moments.due(at));
            if let Some(since) = &mut trial.well_since {
                moments.since(since, DAY);
            }
        }
    }
}
