//! The server's keys and the certificate chain that vouches for them.

use std::time::{SystemTime, UNIX_EPOCH};

use buffa::Message as _;
use serde::{Deserialize, Serialize};
use wacore_libsignal::protocol::{CurveError, KeyPair};
use waproto::whatsapp as wa;
use waproto::whatsapp::cert_chain::{NoiseCertificate, noise_certificate};

/// The root signs certificate 1, which signs certificate 2, the server's static key: the serials that clients check.
const ROOT_SERIAL: u32 = 0;
const INTERMEDIATE_SERIAL: u32 = 1;
const LEAF_SERIAL: u32 = 2;

/// Clients cache the chain and forget it when it is out of date.
const VALID_FOR_S: u64 = 10 * 365 * 24 * 3600;

/// The server's keys: a root of its own, an intermediate, and the static key of the Noise handshakes.
#[derive(Clone, Serialize, Deserialize)]
pub struct Authority {
    root: KeyPair,
    intermediate: KeyPair,
    server: KeyPair,
}

impl Authority {
    /// New keys.
    pub fn generate() -> Authority {
        let mut rng = rand::rng();
        Authority {
            root: KeyPair::generate(&mut rng),
            intermediate: KeyPair::generate(&mut rng),
            server: KeyPair::generate(&mut rng),
        }
    }

    /// The root's public key, for clients that check the chain against a key they can be told.
    pub fn root_key(&self) -> [u8; 32] {
        raw(&self.root)
    }

    /// The static key of the Noise handshakes.
    pub fn server_key(&self) -> &KeyPair {
        &self.server
    }

    /// The `CertChain` that the server presents, valid from a day ago.
    ///
    /// # Errors
    /// [`CurveError`] when a signature cannot be made.
    pub fn chain(&self) -> Result<Vec<u8>, CurveError> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let from = now.saturating_sub(24 * 3600);
        let certificate = |serial, issuer_serial, key: &KeyPair, issuer: &KeyPair| {
            let details = noise_certificate::Details {
                serial: Some(serial),
                issuer_serial: Some(issuer_serial),
                key: Some(raw(key).to_vec()),
                not_before: Some(from),
                not_after: Some(now + VALID_FOR_S),
            }
            .encode_to_vec();
            let signature = issuer
                .private_key
                .calculate_signature(&details, &mut rand::rng())?;
            Ok::<_, CurveError>(NoiseCertificate {
                details: Some(details),
                signature: Some(signature.to_vec()),
            })
        };
        let chain = wa::CertChain {
            intermediate: buffa::MessageField::some(certificate(
                INTERMEDIATE_SERIAL,
                ROOT_SERIAL,
                &self.intermediate,
                &self.root,
            )?),
            leaf: buffa::MessageField::some(certificate(
                LEAF_SERIAL,
                INTERMEDIATE_SERIAL,
                &self.server,
                &self.intermediate,
            )?),
        };
        Ok(chain.encode_to_vec())
    }
}

/// A public key without its type byte.
pub(super) fn raw(pair: &KeyPair) -> [u8; 32] {
    let mut key = [0; 32];
    key.copy_from_slice(pair.public_key.public_key_bytes());
    key
}

#[cfg(test)]
mod tests {
    use wacore_libsignal::protocol::PublicKey;

    use super::*;

    /// What a client that trusts the root checks.
    #[test]
    fn every_step_of_the_chain_is_signed_by_the_one_above() {
        let authority = Authority::generate();
        let chain = wa::CertChain::decode_from_slice(&authority.chain().unwrap()).unwrap();
        let intermediate = chain.intermediate.into_option().unwrap();
        let leaf = chain.leaf.into_option().unwrap();
        let signed_by = |certificate: &NoiseCertificate, key: &[u8; 32]| {
            PublicKey::from_djb_public_key_bytes(key)
                .unwrap()
                .verify_signature(
                    certificate.details.as_deref().unwrap(),
                    certificate.signature.as_deref().unwrap(),
                )
        };
        assert!(signed_by(&intermediate, &authority.root_key()));
        assert!(signed_by(&leaf, &raw(&authority.intermediate)));
        assert!(!signed_by(&leaf, &authority.root_key()));
    }
}
