//! What is being done about the link.

use crate::pairing::Codes;
use crate::{ArchiveId, Cause, CauseCode, Trigger};

/// What is being done about the link.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Session {
    /// The vault is not open yet.
    Starting,
    /// The vault is being repaired.
    Repairing { until: u64 },
    /// A run is linking the device.
    Pairing(Codes),
    /// A run is logging in.
    Connecting { until: u64 },
    /// A run is logged in. `until` it need not be heard, or, `asked`, it may take to answer.
    Connected { asked: bool, until: u64 },
    /// A run is logged in, and WhatsApp does not answer; given up then.
    Stale { until: u64 },
    /// A run was told to end.
    Closing { then: Then, until: u64 },
    /// No run; the next step is planned.
    Waiting { wait: Wait, until: u64 },
    /// No run; the network has to set the clock.
    AwaitingClock { until: u64 },
    /// No run; only a human goes on.
    PairingPaused,
    /// Only a human goes on; the run may still go on showing codes nobody can use.
    PasskeyNeeded,
    /// No run; the data partition has no room for what it would bring.
    AwaitingRoom,
    /// The data partition cannot be used; until then this is shown. `None`: the daemon was told to leave.
    Failed { code: CauseCode, until: Option<u64> },
    /// The vault is retiring the generation.
    Retiring { successor: Successor, until: u64 },
    /// Waiting for a run, or the vault, to finish.
    Stopping { until: u64 },
    /// The daemon was told to leave.
    Stopped,
}

/// Why a run was told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Then {
    /// It was of no use any more, and why.
    Retry(CauseCode),
    /// A human wants a new code.
    Pair,
    /// There is no room for what it brings.
    AwaitRoom,
    /// The session keys are of no use.
    Rebuild,
    /// A human gives the link up.
    Retire(Successor),
}

/// What comes after a generation that is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Successor {
    /// A new link, because of this.
    Fresh(Trigger),
    /// An archived one, wanted over the bus.
    Archived(ArchiveId),
}

impl Successor {
    /// Who wanted it.
    pub(crate) fn trigger(self) -> Trigger {
        match self {
            Self::Fresh(trigger) => trigger,
            Self::Archived(_) => Trigger::Bus,
        }
    }
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Wait {
    /// The next attempt by the schedule.
    Reconnect,
    /// The attempt that confirms a logout.
    Confirm,
    /// WhatsApp's patience.
    Throttled,
    /// The other copy to go away.
    Replaced,
    /// The end of the ban; whether WhatsApp said when that is.
    Banned { told: bool },
    /// The owner to unlock the account.
    Locked,
    /// WhatsApp to accept this version again.
    Outdated,
    /// The next attempt to retire revoked keys.
    Retire,
}

impl Wait {
    /// The waits that outlive a restart.
    pub(crate) const LASTING: [Wait; 6] = [
        Wait::Throttled,
        Wait::Replaced,
        Wait::Banned { told: true },
        Wait::Banned { told: false },
        Wait::Locked,
        Wait::Outdated,
    ];

    /// The name a wait that outlives a restart is written down by, and its cause.
    pub(crate) fn lasting(self) -> Option<(&'static str, Cause)> {
        let (name, code, number) = match self {
            Self::Throttled => ("throttled", CauseCode::Throttled, 429),
            Self::Replaced => ("replaced", CauseCode::Replaced, 440),
            Self::Banned { told: true } => ("banned", CauseCode::Banned, 402),
            Self::Banned { told: false } => ("banned-untold", CauseCode::Banned, 402),
            Self::Locked => ("locked", CauseCode::AccountLocked, 403),
            Self::Outdated => ("outdated", CauseCode::ClientOutdated, 405),
            Self::Reconnect | Self::Confirm | Self::Retire => return None,
        };
        Some((name, Cause::numbered(code, number)))
    }

    /// Whether a human may cut it short. A confirmation that comes at once proves nothing, and WhatsApp punishes
    /// impatience.
    pub(crate) fn yields_to_human(self) -> bool {
        !matches!(self, Self::Confirm | Self::Throttled | Self::Banned { .. })
    }
}
