//! What can go wrong on the bus, in D-Bus's own terms.

use std::fmt;

use holdfast_core::Refusal;
use zbus::DBusError;

use crate::history::HistoryError;
use crate::link::PasskeyRefused;
use crate::mail::MailError;

/// Why a call failed. The name on the wire is `org.holdfast.Error.` plus the variant; the text is one sentence for people.
#[derive(Debug, DBusError)]
#[zbus(prefix = "org.holdfast.Error", impl_display = false)]
pub enum Error {
    /// The call did not get through: the bus, the connection, or the other side's D-Bus library says so.
    #[zbus(error)]
    Bus(zbus::Error),
    /// An argument cannot be used.
    InvalidArgument(String),
    /// Holdfast is not linked to an account, so that there is nobody to send as.
    NotLinked(String),
    /// There is nothing to do: the call makes no sense in the present state.
    NothingToDo(String),
    /// The token of a two-step call is wrong, used or too old.
    BadToken(String),
    /// Asked too often: another attempt so soon would harm the account.
    TooSoon(String),
    /// The screen shows a QR or pairing code; see `FrameWithCredential`.
    CredentialShown(String),
    /// No message with this id is known.
    UnknownMessage(String),
    /// There is no archive of this name.
    UnknownArchive(String),
    /// This archive must not, or cannot, run again; the text says why.
    NotRestorable(String),
    /// The passphrase does not open the file, or is too short to protect one.
    BadPassphrase(String),
    /// The file is not a whole archive that this version can read.
    BadFile(String),
    /// The disk did not take it; nothing was accepted.
    Storage(String),
    /// The daemon is shutting down.
    Stopping(String),
}

impl Error {
    /// No passkey is asked for.
    pub(super) fn no_passkey() -> Self {
        Self::NothingToDo("WhatsApp asks for no passkey now.".into())
    }

    /// A test was begun and has no outcome.
    pub(super) fn not_tested() -> Self {
        Self::NothingToDo(
            "The connection ended before the test did. Try again when it is back.".into(),
        )
    }

    /// The daemon does not answer requests any more.
    pub(super) fn stopping() -> Self {
        Self::Stopping(
            "Holdfast is stopping and takes no more requests. Try again when it runs.".into(),
        )
    }
}

impl From<PasskeyRefused> for Error {
    fn from(refused: PasskeyRefused) -> Self {
        Self::InvalidArgument(refused.to_string())
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NothingToDo => {
                Self::NothingToDo("There is nothing to do for this in the present state; `holdfastctl status` shows it.".into())
            }
            Refusal::BadToken => Self::BadToken("The token is wrong, was used before, or is too old. Start over.".into()),
            Refusal::TooSoon { retry_ms } => {
                let seconds = retry_ms.div_ceil(1000);
                Self::TooSoon(format!("Another attempt so soon would harm the account. Try again in {seconds} s."))
            }
            Refusal::NoRoom => Self::Storage("The data partition is full; the link comes back when messages were read, or the card is larger.".into()),
            Refusal::Stopping => Self::stopping(),
        }
    }
}

impl From<MailError> for Error {
    fn from(error: MailError) -> Self {
        let text = error.to_string();
        match error {
            MailError::Io { .. } | MailError::Barrier(_) => Self::Storage(text),
            MailError::Closing => Self::stopping(),
            MailError::UnknownMessage => Self::UnknownMessage(text),
            MailError::TooLarge { .. }
            | MailError::ConsumerName { .. }
            | MailError::TooManyConsumers { .. }
            | MailError::NotYet { .. }
            | MailError::MessageId { .. }
            | MailError::IdTaken => Self::InvalidArgument(text),
        }
    }
}

impl From<HistoryError> for Error {
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
            HistoryError::Altered | HistoryError::Foreign | HistoryError::Newer { .. } => {
                Self::BadFile(text)
            }
            HistoryError::Io { .. }
            | HistoryError::Incidents(_)
            | HistoryError::LastWords(_)
            | HistoryError::Exists { .. }
            | HistoryError::Missing { .. }
            | HistoryError::Output(_)
            | HistoryError::Input(_)
            | HistoryError::Vault(_) => Self::Storage(text),
            HistoryError::Stopped(_) => Self::stopping(),
        }
    }
}

/// The kernel gave no random numbers; what needed them is not done.
pub(super) fn no_random(error: getrandom::Error) -> Error {
    zbus::Error::Failure(format!("no random numbers from the kernel: {error}")).into()
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bus(zbus::Error::MethodError(name, None, _)) => write!(f, "{name}"),
            Self::Bus(zbus::Error::MethodError(_, Some(text), _)) => f.write_str(text),
            Self::Bus(error) => write!(f, "{error}"),
            _ => f.write_str(DBusError::description(self).unwrap_or_default()),
        }
    }
}
