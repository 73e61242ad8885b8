//! The reasons to wait before the next attempt.

use super::{Cause, CauseCode};

/// The reason to wait before the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Wait {
    /// The back-off after a failure.
    Reconnect,
    /// The attempt that confirms a logout.
    Confirm,
    /// WhatsApp's rate limit.
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
    const LASTING: [Wait; 6] = [
        Wait::Throttled,
        Wait::Replaced,
        Wait::Banned { told: true },
        Wait::Banned { told: false },
        Wait::Locked,
        Wait::Outdated,
    ];

    /// The name and the cause of a wait that outlives a restart; it is written down by its name. With a number, where WhatsApp
    /// has but one for it.
    pub(crate) fn lasting(self) -> Option<(&'static str, Cause)> {
        let numbered = |code, number| Cause::numbered(code, number);
        Some(match self {
            Self::Throttled => ("throttled", numbered(CauseCode::Throttled, 429)),
            Self::Replaced => ("replaced", CauseCode::Replaced.into()),
            Self::Banned { told: true } => ("banned", numbered(CauseCode::Banned, 402)),
            Self::Banned { told: false } => ("banned-untold", numbered(CauseCode::Banned, 402)),
            Self::Locked => ("locked", CauseCode::AccountLocked.into()),
            Self::Outdated => ("outdated", numbered(CauseCode::ClientOutdated, 405)),
            Self::Reconnect | Self::Confirm | Self::Retire => return None,
        })
    }

    /// The wait that is written down by this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::LASTING
            .into_iter()
            .find(|wait| wait.lasting().is_some_and(|(known, _)| known == name))
    }

    /// Whether a human may cut it short. A confirmation that comes at once proves nothing, and WhatsApp punishes
    /// impatience.
    pub(crate) fn yields_to_human(self) -> bool {
        !matches!(self, Self::Confirm | Self::Throttled | Self::Banned { .. })
    }
}
