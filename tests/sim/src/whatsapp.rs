//! The truth about the account, and what WhatsApp says of it.

use holdfast_core::Ending;

use crate::{DAY, HOUR};

/// What WhatsApp knows and has decided. Times are the world's, until when something holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct WhatsApp {
    /// The live generation's device is linked.
    pub(crate) valid: bool,
    /// The next word is a logout that is not meant.
    pub(crate) errs: bool,
    pub(crate) banned_until: u64,
    /// Whether it says until when.
    pub(crate) ban_told: bool,
    pub(crate) locked_until: u64,
    pub(crate) outdated_until: u64,
    pub(crate) throttling_until: u64,
    pub(crate) refusing_until: u64,
    pub(crate) restarting_until: u64,
    /// It takes connections and says nothing.
    pub(crate) hanging_until: u64,
    /// Another copy of the device is running.
    pub(crate) copy_until: u64,
    /// How soon it takes the session back.
    pub(crate) copy_within: u64,
    /// The phone that the device is linked to is off.
    pub(crate) phone_away_until: u64,
    /// Linking takes a passkey.
    pub(crate) gated_until: u64,
}

/// What a login comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Login {
    Up,
    Hangs,
    Ends(Ending),
}

impl WhatsApp {
    pub(crate) fn login(&mut self, now: u64) -> Login {
        if self.hanging_until > now {
            return Login::Hangs;
        }
        Login::Ends(if self.refusing_until > now {
            Ending::Refused { code: 503 }
        } else if self.throttling_until > now {
            Ending::Throttled
        } else if self.outdated_until > now {
            Ending::ClientOutdated
        } else if std::mem::take(&mut self.errs) || !self.valid {
            Ending::LoggedOut
        } else if self.banned_until > now {
            Ending::Banned {
                expires_ms: self.ban_told.then(|| self.banned_until - now),
            }
        } else if self.locked_until > now {
            Ending::AccountLocked
        } else if self.restarting_until > now {
            Ending::RestartRequired
        } else {
            return Login::Up;
        })
    }

    /// What a device that wants to be linked is refused with.
    pub(crate) fn refuses_linking(&self, now: u64) -> Option<Login> {
        if self.hanging_until > now {
            return Some(Login::Hangs);
        }
        let ending = if self.refusing_until > now {
            Ending::Refused { code: 503 }
        } else if self.throttling_until > now {
            Ending::Throttled
        } else if self.outdated_until > now {
            Ending::ClientOutdated
        } else {
            return None;
        };
        Some(Login::Ends(ending))
    }

    /// Whatever ends by itself ends. A ban ends when it was said to.
    pub(crate) fn turns_fair(&mut self, now: u64) {
        let (valid, banned_until, ban_told) = (self.valid, self.banned_until, self.ban_told);
        *self = Self {
            valid,
            banned_until: if ban_told {
                banned_until.min(now + 29 * DAY)
            } else {
                banned_until.min(now + HOUR)
            },
            ban_told,
            ..Self::default()
        };
    }
}
