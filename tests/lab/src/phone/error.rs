//! What can go wrong on a phone, and what a retry receipt calls it.

use wacore::protocol::retry::RetryReason;
use wacore_libsignal::protocol::{CurveError, SignalProtocolError};

/// Why a phone could not do what it was asked. No text names an account.
#[derive(Debug, thiserror::Error)]
pub enum PhoneError {
    /// The number is not an international one.
    #[error("a phone number is 7 to 15 digits with the country code and no leading zero or sign")]
    BadNumber,
    /// The scanned text is not a linking QR.
    #[error("this is not a linking QR: {0}")]
    BadQr(&'static str),
    /// The code entered is not 8 characters of the alphabet.
    #[error("a pairing code is 8 characters of 1-9 and A-Z without I, O and U")]
    BadCode,
    /// A `companion_finish` came without a code having been entered.
    #[error("no pairing code was entered on this phone")]
    NoCode,
    /// The companion's key bundle does not open: it shows another code.
    #[error("the pairing code is not the one that the companion shows")]
    WrongCode,
    /// A device number is already linked, or none is linked under it.
    #[error("device {0} {1}")]
    Device(u16, &'static str),
    /// A signature or a bound key of the companion does not verify.
    #[error("the companion's answer does not verify: {0}")]
    BadCompanion(&'static str),
    /// There is no session with the device: fetch its bundle first.
    #[error("there is no Signal session with the device: fetch its bundle first")]
    NoSession,
    /// The group message needs a sender key that never arrived.
    #[error("the sender key of this group member never arrived")]
    NoSenderKey,
    /// The message was opened before; a transport may deliver twice.
    #[error("the message was already opened")]
    Duplicate,
    /// The retry receipt names a message that this phone did not send.
    #[error("the retry receipt names a message that this phone did not send")]
    UnknownMessage,
    /// The plaintext is no message.
    #[error("the decrypted message does not parse: {0}")]
    BadMessage(String),
    /// A media file fails its checks.
    #[error("the media file does not verify: {0}")]
    BadMedia(String),
    /// A patch of a synced collection fails its checks.
    #[error("the app-state patch does not verify: {0}")]
    BadPatch(String),
    /// The patch builds on a version that is not the newest (the server's 409).
    #[error("the app-state patch builds on version {base}, the collection is at {newest}")]
    Conflict {
        /// The version that the patch builds on.
        base: u64,
        /// The collection's newest version.
        newest: u64,
    },
    /// A key has the wrong form.
    #[error("a key has the wrong form: {0}")]
    Key(#[from] CurveError),
    /// Any other failure of the Signal protocol.
    #[error("the Signal protocol refused it: {0}")]
    Signal(SignalProtocolError),
}

impl From<SignalProtocolError> for PhoneError {
    /// Errors that carry an address become ones that do not.
    fn from(error: SignalProtocolError) -> Self {
        match error {
            SignalProtocolError::SessionNotFound(_) => PhoneError::NoSession,
            SignalProtocolError::NoSenderKeyState(_) => PhoneError::NoSenderKey,
            SignalProtocolError::DuplicatedMessage(..) => PhoneError::Duplicate,
            other => PhoneError::Signal(other),
        }
    }
}

impl PhoneError {
    /// The reason that a retry receipt gives for this failure; `None` where a retry would not help.
    pub fn retry_reason(&self) -> Option<RetryReason> {
        match self {
            PhoneError::NoSession | PhoneError::NoSenderKey => Some(RetryReason::NoSession),
            PhoneError::Signal(SignalProtocolError::BadMac(_)) => Some(RetryReason::BadMac),
            PhoneError::Signal(
                SignalProtocolError::InvalidPreKeyId | SignalProtocolError::InvalidSignedPreKeyId,
            ) => Some(RetryReason::InvalidKeyId),
            PhoneError::Signal(SignalProtocolError::SignatureValidationFailed) => {
                Some(RetryReason::InvalidSignature)
            }
            PhoneError::Signal(SignalProtocolError::InvalidMessage(..)) => {
                Some(RetryReason::InvalidMessage)
            }
            PhoneError::Signal(_) | PhoneError::BadMessage(_) => Some(RetryReason::UnknownError),
            _ => None,
        }
    }
}
