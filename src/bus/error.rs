//! D-Bus errors: the desk's refusals by their names on the wire.

use std::fmt;

use holdfast_medium::Stopped;
use zbus::DBusError;

use crate::desk::Refusal;

/// Why a call failed. The name on the wire is `org.holdfast.Error.` plus the variant; the text is one sentence for people.
#[derive(Debug, DBusError)]
#[zbus(prefix = "org.holdfast.Error", impl_display = false)]
pub enum Error {
    /// The call did not get through: the bus, the connection, or the other side's D-Bus library says so.
    #[zbus(error)]
    Bus(zbus::Error),
    /// An argument cannot be used.
    InvalidArgument(String),
    /// The caller may not do this; the text says who may.
    NotAllowed(String),
    /// Holdfast is still starting, and what the call needs is not open yet.
    Starting(String),
    /// Holdfast is not linked to an account, so that there is nobody to send as.
    NotLinked(String),
    /// There is nothing to do: the call makes no sense in the present state.
    NothingToDo(String),
    /// Something must not be interrupted; the text says what.
    NotNow(String),
    /// The token of a two-step call is wrong, used or too old.
    BadToken(String),
    /// Asked too often: another attempt so soon would harm the account.
    TooSoon(String),
    /// The screen shows a QR or pairing code; see `FrameWithCredential`.
    CredentialShown(String),
    /// No message with this id is known.
    UnknownMessage(String),
    /// There is no consumer of this name.
    UnknownConsumer(String),
    /// There is no archive of this name.
    UnknownArchive(String),
    /// This archive must not, or cannot, run again; the text says why.
    NotRestorable(String),
    /// The passphrase does not open the file, or is too short to protect one.
    BadPassphrase(String),
    /// The file is not a whole archive that this version can read.
    BadFile(String),
    /// The disk did not take it, or cannot be opened; nothing was accepted.
    Storage(String),
    /// There is no room for it, on the data partition or in the outbox; nothing was accepted.
    Full(String),
    /// The daemon is shutting down.
    Stopping(String),
}

impl From<Stopped> for Error {
    fn from(_: Stopped) -> Self {
        Refusal::Stopping.into()
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let text = refusal.to_string();
        match refusal {
            Refusal::InvalidArgument(_) => Self::InvalidArgument(text),
            Refusal::NotAllowed | Refusal::NotYours { .. } => Self::NotAllowed(text),
            Refusal::Starting => Self::Starting(text),
            Refusal::NotLinked => Self::NotLinked(text),
            Refusal::NothingToDo(_) => Self::NothingToDo(text),
            Refusal::NotNow(_) => Self::NotNow(text),
            Refusal::BadToken => Self::BadToken(text),
            Refusal::TooSoon { .. } => Self::TooSoon(text),
            Refusal::CredentialShown => Self::CredentialShown(text),
            Refusal::UnknownMessage => Self::UnknownMessage(text),
            Refusal::UnknownConsumer => Self::UnknownConsumer(text),
            Refusal::UnknownArchive(_) => Self::UnknownArchive(text),
            Refusal::NotRestorable(_) => Self::NotRestorable(text),
            Refusal::BadPassphrase(_) => Self::BadPassphrase(text),
            Refusal::BadFile(_) => Self::BadFile(text),
            Refusal::NotOpen { .. } | Refusal::Storage(_) => Self::Storage(text),
            Refusal::Full(_) => Self::Full(text),
            Refusal::Stopping => Self::Stopping(text),
            Refusal::Failed(_) => zbus::Error::Failure(text).into(),
        }
    }
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
