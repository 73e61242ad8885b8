//! Why a request is not granted: one variant a reason that a client can act on, one sentence for people.

use holdfast_core::{self as core, Hindrance};

use crate::history::HistoryError;
use crate::link::PasskeyRefused;
use crate::mail::MailError;

/// Why a request is not granted. Nothing was done, unless the sentence says so.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// An argument cannot be used.
    #[error("{0}")]
    InvalidArgument(String),
    /// The caller's role does not reach so far.
    #[error("The role of this caller does not allow it.")]
    NotAllowed,
    /// The consumer belongs to somebody else.
    #[error(
        "The consumers of this user are called {name}, or begin with {name}/. Use such a name; group holdfast-admin may acknowledge for any."
    )]
    NotYours {
        /// The caller.
        name: String,
    },
    /// The rooms are not open yet.
    #[error(
        "Holdfast is still starting: its messages and archives are not open yet. Try again in a moment."
    )]
    Starting,
    /// A fault keeps the rooms closed.
    #[error("{cause} {}", cause.action())]
    NotOpen {
        /// The fault.
        cause: core::Cause,
    },
    /// There is no account to send as.
    #[error(
        "Holdfast is not linked to a phone yet, so it has nobody to send as. Link it first: `holdfastctl link --show`."
    )]
    NotLinked,
    /// The request makes no sense in the present state.
    #[error("{0}")]
    NothingToDo(&'static str),
    /// Something must not be interrupted.
    #[error("{0}")]
    NotNow(&'static str),
    /// The token of a two-step request is wrong, used or too old.
    #[error("The token is wrong, was used before, or is too old. Start over.")]
    BadToken,
    /// A rate limit: another attempt now would harm the account.
    #[error("Another attempt so soon would harm the account. Try again in {seconds} s.")]
    TooSoon {
        /// When to try again, from now.
        seconds: u64,
    },
    /// The screen shows a QR or pairing code.
    #[error(
        "The screen shows a code that links a phone. Only group holdfast-admin may see it over the bus."
    )]
    CredentialShown,
    /// No message with this id is known.
    #[error("No message was accepted under this id, or it was so long ago that it is forgotten.")]
    UnknownMessage,
    /// There is no consumer of this name.
    #[error("There is no consumer of this name; `holdfastctl inbox consumers` lists them.")]
    UnknownConsumer,
    /// There is no archive of this name.
    #[error("{0}")]
    UnknownArchive(String),
    /// This archive must not, or cannot, run again.
    #[error("{0}")]
    NotRestorable(String),
    /// The passphrase does not open the file, or is too short to protect one.
    #[error("{0}")]
    BadPassphrase(String),
    /// The file is not a whole archive that this version can read.
    #[error("{0}")]
    BadFile(String),
    /// The disk did not take it; nothing was accepted.
    #[error("{0}")]
    Storage(String),
    /// There is no room for it: the data partition, or the outbox, is full; nothing was accepted.
    #[error("{0}")]
    Full(String),
    /// The daemon is shutting down.
    #[error("Holdfast is stopping and takes no more requests. Try again when it runs.")]
    Stopping,
    /// Holdfast itself failed.
    #[error("{0}")]
    Failed(String),
}

impl Refusal {
    /// The core has nothing to do for a command.
    const NOTHING_TO_DO: Self = Self::NothingToDo(
        "There is nothing to do for this in the present state; `holdfastctl status` shows it.",
    );
    /// No passkey is asked for.
    pub(super) const NO_PASSKEY: Self = Self::NothingToDo("WhatsApp asks for no passkey now.");
    /// A test was begun and has no result.
    pub(super) const NOT_TESTED: Self =
        Self::NothingToDo("The connection ended before the test did. Try again when it is back.");

    /// Nothing here boots from slots.
    pub(super) const NO_SLOTS: Self = Self::NothingToDo(
        "This installation cannot be updated so: the kernel's command line names no slot (rauc.slot=). Update it the way it was installed.",
    );
    /// There is no list of new versions.
    pub(super) const NO_INDEX: Self = Self::NothingToDo(
        "No list of new versions is configured (update.index): name a bundle, as a file or an https:// address.",
    );

    /// A message is final.
    pub(super) const NOT_PENDING: Self =
        Self::NothingToDo("The message does not wait any more: it was sent, or has failed.");

    /// The kernel gave no random numbers.
    pub(super) fn no_random(error: getrandom::Error) -> Self {
        Self::Failed(format!("no random numbers from the kernel: {error}"))
    }
}

impl From<core::Refusal> for Refusal {
    fn from(refusal: core::Refusal) -> Self {
        match refusal {
            core::Refusal::NothingToDo => Self::NOTHING_TO_DO,
            core::Refusal::BadToken => Self::BadToken,
            core::Refusal::TooSoon { retry_ms } => Self::TooSoon {
                seconds: retry_ms.div_ceil(1000),
            },
            core::Refusal::NoRoom => Self::Full(
                "The data partition is full; the link comes back when messages were read, or the card is larger.".into(),
            ),
            core::Refusal::NotNow(hindrance) => Self::NotNow(match hindrance {
                Hindrance::Repairing => {
                    "The keys are being opened or repaired. Try again in a minute."
                }
                Hindrance::Linking => {
                    "A phone is linking this device, or it is logging in. Try again when that is over."
                }
                Hindrance::GivingUp => {
                    "A link is being given up or brought back, or everything is being forgotten. Try again when that is over."
                }
                Hindrance::Saving => {
                    "An archive is being exported or imported. Try again when that is over."
                }
                Hindrance::Asking => {
                    "Somebody is asked something at the device. Try again in half a minute."
                }
                Hindrance::Updating => {
                    "An update is under way; `holdfastctl update status` shows how far it is."
                }
                Hindrance::Trial => {
                    "The version that runs is on trial: the one before is its only way back. Try again when `holdfastctl update status` calls it good."
                }
            }),
            core::Refusal::Stopping => Self::Stopping,
        }
    }
}

impl From<core::NotAName> for Refusal {
    fn from(error: core::NotAName) -> Self {
        Self::UnknownArchive(format!("No archive is called that: {error}."))
    }
}

impl From<PasskeyRefused> for Refusal {
    fn from(refused: PasskeyRefused) -> Self {
        Self::InvalidArgument(refused.to_string())
    }
}

impl From<MailError> for Refusal {
    fn from(error: MailError) -> Self {
        let text = error.to_string();
        match error {
            MailError::Io { .. } | MailError::Barrier(_) | MailError::Room(_) => {
                Self::Storage(text)
            }
            MailError::NoRoom { .. } | MailError::OutboxFull { .. } => Self::Full(text),
            MailError::Closing => Self::Stopping,
            MailError::UnknownMessage => Self::UnknownMessage,
            MailError::UnknownConsumer => Self::UnknownConsumer,
            MailError::TooLarge { .. }
            | MailError::ConsumerName { .. }
            | MailError::TooManyConsumers { .. }
            | MailError::NotYet { .. }
            | MailError::MessageId { .. }
            | MailError::IdTaken => Self::InvalidArgument(text),
        }
    }
}

impl From<HistoryError> for Refusal {
    fn from(error: HistoryError) -> Self {
        let text = error.to_string();
        match error {
            HistoryError::NoArchive { .. } => Self::UnknownArchive(text),
            HistoryError::NoManifest { .. }
            | HistoryError::NeverLinked { .. }
            | HistoryError::Revoked { .. }
            | HistoryError::Exported { .. }
            | HistoryError::Live { .. } => Self::NotRestorable(text),
            HistoryError::ShortPassphrase | HistoryError::Passphrase => Self::BadPassphrase(text),
            HistoryError::Altered
            | HistoryError::Foreign
            | HistoryError::TooLarge
            | HistoryError::Newer { .. } => Self::BadFile(text),
            HistoryError::Io { .. }
            | HistoryError::Incidents(_)
            | HistoryError::LastWords(_)
            | HistoryError::Exists { .. }
            | HistoryError::Missing { .. }
            | HistoryError::Output(_)
            | HistoryError::Input(_)
            | HistoryError::Keys(_)
            | HistoryError::NoRoom { .. }
            | HistoryError::Busy => Self::Storage(text),
            HistoryError::Stopped(_) => Self::Stopping,
        }
    }
}
