//! The QR string and the pairing code by which a phone links this device: secrets that live on the glass and nowhere else.

use holdfast_medium::Secret;

/// The latest QR and pairing code; each is gone the moment it is not valid.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// The QR's text: it contains the ADV secret.
    pub qr: Option<Secret<String>>,
    /// The pairing code, eight characters.
    pub code: Option<Secret<String>>,
    /// The challenge that WhatsApp wants signed with a passkey: `PublicKeyCredentialRequestOptions` as JSON.
    pub passkey: Option<Secret<String>>,
    /// The code that the phone has to show too, once the passkey was used; empty when there is no need to compare.
    pub passkey_code: Option<Secret<String>>,
}
