//! What a phone can link us by: secrets that live on the glass and nowhere else.

use crate::journal::Secret;

/// The latest QR and pairing code; each is gone the moment it is not valid.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// The QR's text: it contains the ADV secret.
    pub qr: Option<Secret<String>>,
    /// The pairing code, eight characters.
    pub code: Option<Secret<String>>,
}
