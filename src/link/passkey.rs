//! The relay for a linking that takes a passkey: it hands on an assertion that was signed elsewhere, where the passkey is.
//!
//! The steps are the library's (`whatsapp_rust::passkey`): WhatsApp's request options, the assertion that answers them
//! (WebAuthn Level 3, 5.1.4), a code to compare with the phone's, and the confirmation that it is the same.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use holdfast_medium::Secret;
use serde::Deserialize;
use tokio::sync::oneshot;
use whatsapp_rust::Client;
use whatsapp_rust::passkey::{Assertion, PasskeyError};

/// A human's step, and the channel for its outcome.
pub struct PasskeyStep {
    /// The step.
    pub what: PasskeyAnswer,
    /// Takes the outcome. It is dropped when no linking is under way.
    pub reply: oneshot::Sender<Result<(), PasskeyRefused>>,
}

/// A human's answer to a passkey request.
pub enum PasskeyAnswer {
    /// The assertion, as JSON: `id`, `rawId`, `type`, `response`.
    Assertion(Secret<String>),
    /// The code is the one that the phone shows.
    SameCode,
}

/// A refused answer.
#[derive(Debug, thiserror::Error)]
pub enum PasskeyRefused {
    /// It is no WebAuthn assertion.
    #[error("this is not a WebAuthn assertion in JSON with a `rawId` in base64url")]
    NotAnAssertion,
    /// The library, or WhatsApp, does not take it.
    #[error("the passkey step was refused: {0}")]
    Refused(#[from] PasskeyError),
}

/// Hands an answer to the library.
pub(super) async fn answer(client: &Arc<Client>, step: PasskeyStep) {
    let done = match step.what {
        PasskeyAnswer::Assertion(json) => assert(client, json).await,
        PasskeyAnswer::SameCode => client.send_passkey_confirmation().await.map_err(Into::into),
    };
    // The client may have gone away.
    let _ = step.reply.send(done);
}

async fn assert(client: &Arc<Client>, json: Secret<String>) -> Result<(), PasskeyRefused> {
    let assertion = read(json).ok_or(PasskeyRefused::NotAnAssertion)?;
    Ok(client.send_passkey_response(assertion).await?)
}

fn read(json: Secret<String>) -> Option<Assertion> {
    #[derive(Deserialize)]
    struct Credential {
        #[serde(rename = "rawId")]
        raw_id: String,
    }
    let json = json.into_exposed();
    let credential: Credential = serde_json::from_str(&json).ok()?;
    let id = credential.raw_id.trim_end_matches('=');
    Some(Assertion {
        credential_id: BASE64_URL_SAFE_NO_PAD.decode(id).ok()?,
        assertion_json: json.into_bytes(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assertion_is_handed_on_as_it_is_with_its_credential() {
        let json = r#"{"id":"AQID","rawId":"AQID","type":"public-key","response":{}}"#;
        let assertion = read(Secret::new(json.to_owned())).unwrap();
        assert_eq!(assertion.credential_id, [1, 2, 3]);
        assert_eq!(assertion.assertion_json, json.as_bytes());
        for other in ["", "{}", r#"{"rawId":"?"}"#, r#"{"rawId":1}"#] {
            assert!(read(Secret::new(other.to_owned())).is_none(), "{other:?}");
        }
    }
}
