//! What the phone's tests share: the other side, played by the library or by another phone.

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use wacore::companion_reg::CompanionWebClientType;
use wacore::pair::{DeviceState, PairCryptoError, PairUtils};
use wacore_binary::Jid;
use wacore_libsignal::protocol::KeyPair;
use waproto::whatsapp as wa;

use super::Phone;
use super::inbox::Content;
use super::message::{Arrived, Opened, Sealed};

/// A companion before its login, as the library plays it.
pub(super) struct Client(pub(super) DeviceState, StdRng);

impl Client {
    pub(super) fn new(seed: u64) -> Client {
        let mut rng = StdRng::seed_from_u64(seed);
        let device = DeviceState {
            identity_key: KeyPair::generate(&mut rng),
            noise_key: KeyPair::generate(&mut rng),
            adv_secret_key: [u8::try_from(seed).unwrap(); 32],
        };
        Client(device, rng)
    }

    pub(super) fn qr(&self, reference: &str) -> String {
        PairUtils::make_qr_data(&self.0, reference, CompanionWebClientType::Chrome)
    }

    pub(super) fn ephemeral(&mut self) -> KeyPair {
        KeyPair::generate(&mut self.1)
    }

    /// The library's check of `pair-success`: what it answers, and its key index.
    pub(super) fn pair(&self, device_identity: &[u8]) -> Result<(Vec<u8>, u32), PairCryptoError> {
        PairUtils::do_pair_crypto(&self.0, device_identity)
    }
}

/// Two accounts that never met.
pub(super) fn pair() -> (Phone, Phone) {
    (
        Phone::new("15550000001", "Ann", 1).unwrap(),
        Phone::new("15550000002", "Ben", 1).unwrap(),
    )
}

/// Two accounts with a session that both have used.
pub(super) fn linked() -> (Phone, Phone) {
    let (mut ann, mut ben) = pair();
    ann.open_session(&ben.pn(), &ben.bundle()).unwrap();
    let hello = say(&mut ann, &ben.pn(), "0", "?");
    said(&mut ben, "0", &ann, &hello);
    let hello = say(&mut ben, &ann.pn(), "0", "!");
    said(&mut ann, "0", &ben, &hello);
    ann.inbox.clear();
    ben.inbox.clear();
    (ann, ben)
}

/// A text for one device.
pub(super) fn say(from: &mut Phone, to: &Jid, id: &str, words: &str) -> Sealed {
    let to_one = std::slice::from_ref(to);
    from.seal(id, to, &text(words), to_one).unwrap().remove(0)
}

pub(super) fn text(text: &str) -> wa::Message {
    wa::Message {
        conversation: Some(text.to_owned()),
        ..Default::default()
    }
}

pub(super) fn arrived<'a>(id: &'a str, from: &'a Jid, sealed: &'a Sealed) -> Arrived<'a> {
    Arrived {
        id,
        from,
        group: None,
        kind: sealed.kind,
        ciphertext: &sealed.ciphertext,
        at: 1_800_000_000,
    }
}

/// What `to` reads in a one-to-one text from `from`.
pub(super) fn said(to: &mut Phone, id: &str, from: &Phone, sealed: &Sealed) -> String {
    match to.open(&arrived(id, &from.pn(), sealed)).unwrap() {
        Opened::Message(received) => match received.content {
            Content::Text(text) => text,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}
