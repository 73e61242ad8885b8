//! Linking a companion: what the phone signs (ADV), and what it verifies of the companion's answer.
//!
//! The prefixes and the order of the signed parts are those of `wacore::pair` and `wacore::adv`, which verify them.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use buffa::Message as _;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use wacore::adv::{AdvValidation, validate_adv_with_identity_key};
use wacore::companion_reg::NATIVE_CAMERA_DEEP_LINK_PREFIX;
use waproto::whatsapp as wa;

use super::blob::Blob;
use super::{Phone, PhoneError};

const ACCOUNT_SIGNATURE: &[u8] = &[6, 0];
const KEY_INDEX_LIST_SIGNATURE: &[u8] = &[6, 2];

/// What a linking QR says.
pub struct QrCode {
    /// The server's reference: it finds the connection that waits.
    pub reference: String,
    /// The companion's noise key, raw.
    pub noise_key: [u8; 32],
    /// The companion's identity key, raw.
    pub identity_key: [u8; 32],
    /// The secret that the answer is authenticated with.
    pub adv_secret: [u8; 32],
}

impl QrCode {
    /// Reads a QR with or without the `https://wa.me/settings/linked_devices#` prefix.
    ///
    /// # Errors
    /// [`PhoneError::BadQr`] says which field is wrong. Four fields are refused, as phones do today.
    pub fn parse(text: &str) -> Result<QrCode, PhoneError> {
        let body = text
            .strip_prefix(NATIVE_CAMERA_DEEP_LINK_PREFIX)
            .unwrap_or(text);
        let fields: Vec<&str> = body.split(',').collect();
        let [reference, noise, identity, adv, client_type] = fields[..] else {
            return Err(PhoneError::BadQr("it has not five fields"));
        };
        if reference.is_empty() || client_type.is_empty() {
            return Err(PhoneError::BadQr("a field is empty"));
        }
        Ok(QrCode {
            reference: reference.to_owned(),
            noise_key: key(noise).ok_or(PhoneError::BadQr("the noise key is no key"))?,
            identity_key: key(identity).ok_or(PhoneError::BadQr("the identity key is no key"))?,
            adv_secret: key(adv).ok_or(PhoneError::BadQr("the ADV secret is no key"))?,
        })
    }
}

impl fmt::Debug for QrCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QrCode(<secret>)")
    }
}

fn key(field: &str) -> Option<[u8; 32]> {
    BASE64_STANDARD.decode(field).ok()?.try_into().ok()
}

/// How the phone answers a companion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// As a phone does.
    Right,
    /// Authenticated with another secret: the companion reports a pair error (`hmac-mismatch`).
    WrongHmac,
    /// Signed by another account: the companion reports a pair error (`signature-mismatch`).
    WrongSignature,
}

/// The phone's answer to a companion, for `pair-success`.
pub struct LinkAnswer {
    /// The companion's identity key, raw.
    pub companion_identity: [u8; 32],
    /// The companion's key index, for device lists.
    pub key_index: u32,
    /// `ADVSignedDeviceIdentityHMAC`: the content of `<device-identity>` in `<pair-success>`.
    pub device_identity: Vec<u8>,
}

/// A companion that this phone linked.
#[derive(Serialize, Deserialize)]
pub struct Companion {
    key_index: u32,
    identity_key: [u8; 32],
    details: Blob,
    /// `None` until the companion's own signature came back and verified.
    signed_identity: Option<Blob>,
}

impl Companion {
    /// The key index, as device lists carry it.
    pub fn key_index(&self) -> u32 {
        self.key_index
    }

    /// The companion's identity key, raw.
    pub fn identity_key(&self) -> [u8; 32] {
        self.identity_key
    }

    /// The doubly signed `ADVSignedDeviceIdentity`, for bundles and the `<device-identity>` of pre-key messages; `None`
    /// until it was confirmed.
    pub fn signed_identity(&self) -> Option<&[u8]> {
        self.signed_identity.as_ref().map(|blob| blob.0.as_slice())
    }
}

impl Phone {
    /// Answers a scanned QR: the companion becomes `device` (1 to 99) once it has confirmed.
    ///
    /// `now_s` is Unix time. With a wrong `answer` nothing is remembered, since the companion will refuse.
    ///
    /// # Errors
    /// [`PhoneError::Device`] when `device` is the phone itself or linked already.
    pub fn answer_qr(
        &mut self,
        qr: &QrCode,
        device: u16,
        now_s: u64,
        answer: Answer,
    ) -> Result<LinkAnswer, PhoneError> {
        self.link(qr.identity_key, &qr.adv_secret, device, now_s, answer)
    }

    pub(super) fn link(
        &mut self,
        companion_identity: [u8; 32],
        adv_secret: &[u8; 32],
        device: u16,
        now_s: u64,
        answer: Answer,
    ) -> Result<LinkAnswer, PhoneError> {
        if device == 0 {
            return Err(PhoneError::Device(device, "is the phone itself"));
        }
        if self.companions.contains_key(&device) {
            return Err(PhoneError::Device(device, "is linked already"));
        }
        let key_index = self.last_key_index + 1;
        let details = wa::ADVDeviceIdentity {
            raw_id: Some(self.raw_id()),
            timestamp: Some(now_s),
            key_index: Some(key_index),
            account_type: Some(wa::ADVEncryptionType::E2EE),
            device_type: Some(wa::ADVEncryptionType::E2EE),
        }
        .encode_to_vec();
        let mut signature = self.sign(&[ACCOUNT_SIGNATURE, &details, &companion_identity])?;
        if answer == Answer::WrongSignature {
            signature[0] ^= 1;
        }
        let signed = wa::ADVSignedDeviceIdentity {
            details: Some(details.clone()),
            account_signature_key: Some(self.identity_key().to_vec()),
            account_signature: Some(signature.to_vec()),
            ..Default::default()
        }
        .encode_to_vec();
        let mut secret = *adv_secret;
        if answer == Answer::WrongHmac {
            secret[0] ^= 1;
        }
        let container = wa::ADVSignedDeviceIdentityHMAC {
            hmac: Some(authenticate(&secret, &signed)),
            details: Some(signed),
            ..Default::default()
        };
        if answer == Answer::Right {
            self.last_key_index = key_index;
            self.companions.insert(
                device,
                Companion {
                    key_index,
                    identity_key: companion_identity,
                    details: Blob(details),
                    signed_identity: None,
                },
            );
        }
        Ok(LinkAnswer {
            companion_identity,
            key_index,
            device_identity: container.encode_to_vec(),
        })
    }

    /// Verifies and keeps what the companion answered to `pair-success`: the content of `<device-identity>` in its
    /// `<pair-device-sign>`.
    ///
    /// # Errors
    /// [`PhoneError::Device`] when `device` is not linked, [`PhoneError::BadCompanion`] when a signature or the signed
    /// details are not the ones this phone made.
    pub fn confirm(&mut self, device: u16, signed_identity: &[u8]) -> Result<(), PhoneError> {
        let account = self.identity_key();
        let companion = self
            .companions
            .get_mut(&device)
            .ok_or(PhoneError::Device(device, "is not linked"))?;
        let mut signed = wa::ADVSignedDeviceIdentity::decode_from_slice(signed_identity)
            .map_err(|_| PhoneError::BadCompanion("its device identity does not parse"))?;
        if signed.details.as_deref() != Some(companion.details.0.as_slice()) {
            return Err(PhoneError::BadCompanion("it signed other details"));
        }
        // Baileys leaves the account's key out: the phone knows its own.
        let named = signed
            .account_signature_key
            .get_or_insert_with(|| account.to_vec());
        if *named != account {
            return Err(PhoneError::BadCompanion("it names another account"));
        }
        let signed_identity = signed.encode_to_vec();
        match validate_adv_with_identity_key(
            &signed_identity,
            &companion.identity_key,
            Some(&account),
        ) {
            AdvValidation::Valid => {}
            AdvValidation::Invalid | AdvValidation::NoAccountKey => {
                return Err(PhoneError::BadCompanion("a signature is wrong"));
            }
        }
        companion.signed_identity = Some(Blob(signed_identity));
        Ok(())
    }

    /// Forgets a companion and its session: logged out by the phone, or logged out by itself.
    ///
    /// # Errors
    /// [`PhoneError::Device`] when `device` is not linked.
    pub fn unlink(&mut self, device: u16) -> Result<(), PhoneError> {
        self.companions
            .remove(&device)
            .ok_or(PhoneError::Device(device, "is not linked"))?;
        self.sessions.forget(&self.pn().with_device(device));
        Ok(())
    }

    /// The companion linked as `device`.
    pub fn companion(&self, device: u16) -> Option<&Companion> {
        self.companions.get(&device)
    }

    /// The numbers of the linked companions, in order, the phone itself left out.
    pub fn devices(&self) -> impl Iterator<Item = u16> {
        self.companions.keys().copied()
    }

    /// `ADVSignedKeyIndexList`: which companions count, for `<key-index-list>` in usync replies and device
    /// notifications. `now_s` is Unix time and belongs into the `ts` attribute too.
    ///
    /// # Errors
    /// [`PhoneError::Key`] when the signature cannot be made.
    pub fn key_index_list(&mut self, now_s: u64) -> Result<Vec<u8>, PhoneError> {
        let details = wa::ADVKeyIndexList {
            raw_id: Some(self.raw_id()),
            timestamp: Some(now_s),
            current_index: Some(self.last_key_index),
            valid_indexes: std::iter::once(0)
                .chain(self.companions.values().map(Companion::key_index))
                .collect(),
            account_type: Some(wa::ADVEncryptionType::E2EE),
        }
        .encode_to_vec();
        let signature = self.sign(&[KEY_INDEX_LIST_SIGNATURE, &details])?;
        Ok(wa::ADVSignedKeyIndexList {
            details: Some(details),
            account_signature: Some(signature.to_vec()),
            account_signature_key: Some(self.identity_key().to_vec()),
        }
        .encode_to_vec())
    }

    /// Names this ADV chain: constant for the account's life.
    fn raw_id(&self) -> u32 {
        self.keys.registration_id
    }

    fn sign(&mut self, parts: &[&[u8]]) -> Result<[u8; 64], PhoneError> {
        let mut rng = self.dice.roll();
        Ok(self
            .keys
            .identity
            .calculate_signature(&parts.concat(), &mut rng)?)
    }
}

fn authenticate(secret: &[u8; 32], signed: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.update(signed);
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::super::keys::raw;
    use super::super::testing::Client;
    use super::*;
    use wacore::adv::{decode_key_index_list, is_key_index_valid};

    const NOW: u64 = 1_800_000_000;

    fn ann() -> Phone {
        Phone::new("15550000001", "Ann", 1).unwrap()
    }

    fn scan(phone: &mut Phone, client: &Client, device: u16, answer: Answer) -> LinkAnswer {
        let qr = QrCode::parse(&client.qr("2@ref")).unwrap();
        phone.answer_qr(&qr, device, NOW, answer).unwrap()
    }

    #[test]
    fn both_forms_of_a_qr_are_read() {
        let client = Client::new(7);
        let plain = client.qr("2@ref");
        for text in [
            plain.clone(),
            format!("{NATIVE_CAMERA_DEEP_LINK_PREFIX}{plain}"),
        ] {
            let qr = QrCode::parse(&text).unwrap();
            assert_eq!(qr.reference, "2@ref");
            assert_eq!(qr.noise_key, raw(&client.0.noise_key.public_key));
            assert_eq!(qr.identity_key, raw(&client.0.identity_key.public_key));
            assert_eq!(qr.adv_secret, client.0.adv_secret_key);
        }
        let four = plain.rsplit_once(',').unwrap().0;
        for wrong in ["", "hello", four, ",,,,", "2@ref,AA,AA,AA,1"] {
            assert!(
                matches!(QrCode::parse(wrong), Err(PhoneError::BadQr(_))),
                "{wrong}"
            );
        }
    }

    #[test]
    fn the_library_accepts_the_answer_and_the_phone_its_confirmation() {
        let (mut phone, client) = (ann(), Client::new(7));
        let answer = scan(&mut phone, &client, 5, Answer::Right);
        let (signed, key_index) = client.pair(&answer.device_identity).unwrap();
        assert_eq!(key_index, answer.key_index);
        assert!(phone.companion(5).unwrap().signed_identity().is_none());
        phone.confirm(5, &signed).unwrap();
        assert_eq!(
            phone.companion(5).unwrap().signed_identity(),
            Some(&signed[..])
        );
        assert_eq!(phone.devices().collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn the_library_refuses_a_wrong_answer() {
        for (answer, text) in [
            (Answer::WrongHmac, "hmac-mismatch"),
            (Answer::WrongSignature, "signature-mismatch"),
        ] {
            let (mut phone, client) = (ann(), Client::new(7));
            let answer = scan(&mut phone, &client, 5, answer);
            assert_eq!(client.pair(&answer.device_identity).unwrap_err().text, text);
            assert!(phone.companion(5).is_none());
        }
    }

    #[test]
    fn a_forged_confirmation_is_refused() {
        let (mut phone, client) = (ann(), Client::new(7));
        let answer = scan(&mut phone, &client, 5, Answer::Right);
        let (signed, _) = client.pair(&answer.device_identity).unwrap();
        let mut flipped = signed.clone();
        *flipped.last_mut().unwrap() ^= 1;
        let other = ann().answer_other(&client);
        for forged in [&flipped[..], &other[..], b"garbage", b""] {
            assert!(matches!(
                phone.confirm(5, forged),
                Err(PhoneError::BadCompanion(_))
            ));
        }
        assert!(matches!(
            phone.confirm(6, &signed),
            Err(PhoneError::Device(6, _))
        ));
        phone.confirm(5, &signed).unwrap();
    }

    impl Phone {
        /// A confirmation of other details, all signatures right.
        fn answer_other(mut self, client: &Client) -> Vec<u8> {
            scan(&mut self, &Client::new(8), 4, Answer::Right);
            let answer = scan(&mut self, client, 5, Answer::Right);
            client.pair(&answer.device_identity).unwrap().0
        }
    }

    #[test]
    fn the_key_index_list_names_who_is_linked() {
        let mut phone = ann();
        let first = scan(&mut phone, &Client::new(7), 5, Answer::Right).key_index;
        let second = scan(&mut phone, &Client::new(8), 6, Answer::Right).key_index;
        phone.unlink(5).unwrap();
        let third = scan(&mut phone, &Client::new(9), 5, Answer::Right).key_index;
        assert!(first < second && second < third, "an index is used once");
        let list = phone.key_index_list(NOW).unwrap();
        let list = decode_key_index_list(&list).unwrap();
        assert_eq!(list.timestamp, NOW);
        assert!(!is_key_index_valid(Some(first), &list));
        assert!(is_key_index_valid(Some(second), &list));
        assert!(is_key_index_valid(Some(third), &list));
    }

    #[test]
    fn a_device_number_is_free_or_refused() {
        let (mut phone, client) = (ann(), Client::new(7));
        scan(&mut phone, &client, 5, Answer::Right);
        let qr = QrCode::parse(&client.qr("2@ref")).unwrap();
        for taken in [0, 5] {
            assert!(matches!(
                phone.answer_qr(&qr, taken, NOW, Answer::Right),
                Err(PhoneError::Device(..))
            ));
        }
        assert!(matches!(phone.unlink(6), Err(PhoneError::Device(6, _))));
    }
}
