//! Linking by the 8-character code: the primary's side of `link_code_companion_reg`, mirror image of
//! `wacore::pair_code`.

use aes::cipher::{KeyIvInit, StreamCipher};
use ctr::Ctr128BE;
use wacore::crypto::hkdf_sha256_into;
use wacore::pair_code::PairCodeUtils;
use wacore_libsignal::crypto::aes_256_gcm_decrypt;
use wacore_libsignal::protocol::{KeyPair, PublicKey};

use super::keys::raw;
use super::link::{Answer, LinkAnswer};
use super::{Phone, PhoneError};

/// What the phone sends once its owner has typed the code: the children of the `primary_hello` notification, next to
/// the reference that the server gave for `companion_hello`.
pub struct PrimaryHello {
    /// Content of `<link_code_pairing_wrapped_primary_ephemeral_pub>`, 80 bytes.
    pub wrapped_ephemeral: Vec<u8>,
    /// Content of `<primary_identity_pub>`.
    pub identity: [u8; 32],
}

/// A code entered, until the companion finishes.
pub(super) struct PendingCode {
    ephemeral: KeyPair,
    companion_ephemeral: PublicKey,
}

impl Phone {
    /// The owner types `code` (a dash in the middle is fine); `wrapped_companion_ephemeral` is what the companion sent
    /// in its `companion_hello`. Slow by design: two PBKDF2 derivations of 131 072 rounds.
    ///
    /// A code that is wrong cannot be told here: the companion's answer will not open.
    ///
    /// # Errors
    /// [`PhoneError::BadCode`], [`PhoneError::BadCompanion`] when the wrapped key has another length.
    pub fn enter_code(
        &mut self,
        code: &str,
        wrapped_companion_ephemeral: &[u8],
    ) -> Result<PrimaryHello, PhoneError> {
        let code = code.replace('-', "").to_ascii_uppercase();
        if !PairCodeUtils::validate_code(&code) {
            return Err(PhoneError::BadCode);
        }
        // The wrapping is the same in both directions.
        let companion_ephemeral =
            PairCodeUtils::decrypt_primary_ephemeral_pub(wrapped_companion_ephemeral, &code)
                .map_err(|_| PhoneError::BadCompanion("its wrapped key is not 80 bytes long"))?;
        let ephemeral = KeyPair::generate(&mut self.dice.roll());
        let wrapped_ephemeral = self.wrap(&raw(&ephemeral.public_key), &code);
        self.pending_code = Some(PendingCode {
            ephemeral,
            companion_ephemeral: PublicKey::from_djb_public_key_bytes(&companion_ephemeral)?,
        });
        Ok(PrimaryHello {
            wrapped_ephemeral,
            identity: self.identity_key(),
        })
    }

    /// Answers the companion's `companion_finish`: `wrapped_bundle` and `companion_identity` are its children. The
    /// companion becomes `device` once it has confirmed; `now_s` is Unix time.
    ///
    /// # Errors
    /// [`PhoneError::NoCode`], [`PhoneError::WrongCode`], [`PhoneError::BadCompanion`] when the bundle binds other keys,
    /// and those of [`Phone::answer_qr`].
    pub fn finish_code(
        &mut self,
        wrapped_bundle: &[u8],
        companion_identity: [u8; 32],
        device: u16,
        now_s: u64,
        answer: Answer,
    ) -> Result<LinkAnswer, PhoneError> {
        let pending = self.pending_code.take().ok_or(PhoneError::NoCode)?;
        let Some((salt, iv, sealed)) = split_bundle(wrapped_bundle) else {
            return Err(PhoneError::BadCompanion("its key bundle is too short"));
        };
        let ephemeral_secret = pending
            .ephemeral
            .calculate_agreement(&pending.companion_ephemeral)?;
        let bundle_key = derive(
            &ephemeral_secret,
            Some(salt),
            b"link_code_pairing_key_bundle_encryption_key",
        );
        let mut bundle = Vec::with_capacity(96);
        aes_256_gcm_decrypt(&bundle_key, iv, b"", sealed, &mut bundle)
            .map_err(|_| PhoneError::WrongCode)?;
        let bound = [companion_identity, self.identity_key()].concat();
        let Some(random) = bundle.strip_prefix(&bound[..]) else {
            return Err(PhoneError::BadCompanion("its key bundle binds other keys"));
        };
        let identity_secret = self
            .keys
            .identity
            .calculate_agreement(&PublicKey::from_djb_public_key_bytes(&companion_identity)?)?;
        let secret = [&ephemeral_secret[..], &identity_secret[..], random].concat();
        let adv_secret = derive(&secret, None, b"adv_secret");
        self.link(companion_identity, &adv_secret, device, now_s, answer)
    }

    /// `salt (32) ‖ iv (16) ‖ encrypted ephemeral public key (32)`.
    fn wrap(&mut self, ephemeral: &[u8; 32], code: &str) -> Vec<u8> {
        let salt: [u8; 32] = self.dice.bytes();
        let iv: [u8; 16] = self.dice.bytes();
        let key = PairCodeUtils::derive_key(code, &salt);
        let mut ciphertext = *ephemeral;
        Ctr128BE::<aes::Aes256>::new(&key.into(), &iv.into()).apply_keystream(&mut ciphertext);
        [&salt[..], &iv[..], &ciphertext[..]].concat()
    }
}

/// `salt (32) ‖ iv (12) ‖ AES-GCM of (companion identity ‖ primary identity ‖ random)`.
fn split_bundle(wrapped: &[u8]) -> Option<(&[u8; 32], &[u8; 12], &[u8])> {
    let (salt, rest) = wrapped.split_first_chunk()?;
    let (iv, sealed) = rest.split_first_chunk()?;
    Some((salt, iv, sealed))
}

fn derive(secret: &[u8], salt: Option<&[u8]>, info: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    hkdf_sha256_into(secret, salt, info, &mut key).expect("HKDF-SHA256 gives up to 8160 bytes");
    key
}

#[cfg(test)]
mod tests {
    use super::super::testing::Client;
    use super::*;

    const NOW: u64 = 1_800_000_000;

    /// The companion's side by the library: shows `shown`, while the owner types `typed`.
    fn run(
        phone: &mut Phone,
        client: &mut Client,
        shown: &str,
        typed: &str,
    ) -> Result<LinkAnswer, PhoneError> {
        let ephemeral = client.ephemeral();
        let wrapped = PairCodeUtils::encrypt_ephemeral_pub(&raw(&ephemeral.public_key), shown);
        let hello = phone.enter_code(typed, &wrapped)?;
        let primary =
            PairCodeUtils::decrypt_primary_ephemeral_pub(&hello.wrapped_ephemeral, shown).unwrap();
        let (bundle, adv_secret) = PairCodeUtils::prepare_key_bundle(
            &ephemeral,
            &primary,
            &hello.identity,
            &client.0.identity_key,
        )
        .unwrap();
        client.0.adv_secret_key = adv_secret;
        let identity = raw(&client.0.identity_key.public_key);
        phone.finish_code(&bundle, identity, 3, NOW, Answer::Right)
    }

    #[test]
    fn the_library_links_by_the_code() {
        let mut phone = Phone::new("15550000001", "Ann", 1).unwrap();
        let mut client = Client::new(7);
        let answer = run(&mut phone, &mut client, "ABCD1234", "abcd-1234").unwrap();
        let (signed, _) = client.pair(&answer.device_identity).unwrap();
        phone.confirm(3, &signed).unwrap();
    }

    #[test]
    fn a_wrong_code_links_nothing() {
        let mut phone = Phone::new("15550000001", "Ann", 1).unwrap();
        let mut client = Client::new(7);
        let refused = run(&mut phone, &mut client, "ABCD1234", "ABCD1235");
        assert!(matches!(refused, Err(PhoneError::WrongCode)));
        assert!(phone.companion(3).is_none());
        // The code is spent: the companion starts again.
        let late = phone.finish_code(&[0; 156], [0; 32], 3, NOW, Answer::Right);
        assert!(matches!(late, Err(PhoneError::NoCode)));
    }

    #[test]
    fn what_is_no_code_is_refused_at_once() {
        let mut phone = Phone::new("15550000001", "Ann", 1).unwrap();
        for wrong in ["", "ABCD123", "ABCD-12345", "OOOO0000"] {
            assert!(matches!(
                phone.enter_code(wrong, &[0; 80]),
                Err(PhoneError::BadCode)
            ));
        }
        assert!(matches!(
            phone.enter_code("ABCD1234", &[0; 79]),
            Err(PhoneError::BadCompanion(_))
        ));
    }
}
