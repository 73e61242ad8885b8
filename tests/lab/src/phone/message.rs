//! One-to-one messages: encrypted for a set of devices, decrypted from any.

use std::fmt;
use std::future::Future;
use std::str::FromStr;

use futures_util::FutureExt as _;
use wacore::messages::{
    MessageUtils, decode_plaintext, is_sender_key_distribution_only, unwrap_device_sent,
    wrap_device_sent,
};
use wacore::types::jid::JidExt as _;
use wacore_binary::Jid;
use wacore_libsignal::protocol::{
    CiphertextMessage, PreKeySignalMessage, SignalMessage, SignalProtocolError, UsePQRatchet,
    message_decrypt, message_encrypt, process_prekey_bundle,
};
use waproto::whatsapp as wa;

use super::inbox::{Content, Received};
use super::keys::{Bundle, pre_key_bundle};
use super::store::{OneTimeKeys, SignedKey};
use super::{Phone, PhoneError};

pub use super::retry::retry_bundle;

/// The padding that `<enc v="2">` stands for.
const PADDING_VERSION: u8 = 2;

/// The `type` of an `<enc>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncKind {
    /// `pkmsg`: opens a session; a companion's carries its `<device-identity>` beside it.
    PreKey,
    /// `msg`: within a session.
    Message,
    /// `skmsg`: by the sender key of a group member.
    SenderKey,
}

impl EncKind {
    /// The attribute value.
    pub fn as_str(self) -> &'static str {
        match self {
            EncKind::PreKey => "pkmsg",
            EncKind::Message => "msg",
            EncKind::SenderKey => "skmsg",
        }
    }
}

impl FromStr for EncKind {
    type Err = PhoneError;

    fn from_str(value: &str) -> Result<Self, PhoneError> {
        match value {
            "pkmsg" => Ok(EncKind::PreKey),
            "msg" => Ok(EncKind::Message),
            "skmsg" => Ok(EncKind::SenderKey),
            _ => Err(PhoneError::BadMessage("the enc type is unknown".to_owned())),
        }
    }
}

impl fmt::Display for EncKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One `<enc>` for one device.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// The device it is for; for [`EncKind::SenderKey`] the group.
    pub to: Jid,
    /// The `type` attribute.
    pub kind: EncKind,
    /// The content.
    pub ciphertext: Vec<u8>,
}

impl Sealed {
    /// Flips a bit of the MAC: the recipient reports a Bad MAC and asks for a retry.
    pub fn corrupt(&mut self) {
        if let Some(last) = self.ciphertext.last_mut() {
            *last ^= 1;
        }
    }
}

/// One `<enc>` as it arrived at the phone.
pub struct Arrived<'a> {
    /// The message id.
    pub id: &'a str,
    /// The sending device.
    pub from: &'a Jid,
    /// The group; `None` for a one-to-one message.
    pub group: Option<&'a Jid>,
    /// The `type` attribute.
    pub kind: EncKind,
    /// The content.
    pub ciphertext: &'a [u8],
    /// When the server stamped it, Unix time in seconds.
    pub at: u64,
}

/// What an `<enc>` turned out to be.
#[derive(Debug)]
pub enum Opened {
    /// A message for people; it is in the inbox too.
    Message(Box<Received>),
    /// A message for people that the inbox had already.
    Repeated,
    /// A sender key, and nothing else.
    SenderKey,
    /// A message between devices of the account (`protocolMessage`), such as a request for app-state keys.
    Protocol(Box<wa::message::ProtocolMessage>),
}

impl Phone {
    /// Those of `devices` that need a bundle before anything can be encrypted for them.
    pub fn without_session(&self, devices: &[Jid]) -> Vec<Jid> {
        devices
            .iter()
            .filter(|device| !self.sessions.has(device))
            .cloned()
            .collect()
    }

    /// Opens a session with `device`, replacing an older one.
    ///
    /// # Errors
    /// [`PhoneError::Key`] or [`PhoneError::Signal`] when the bundle's keys or signature are wrong.
    pub fn open_session(&mut self, device: &Jid, bundle: &Bundle) -> Result<(), PhoneError> {
        let bundle = pre_key_bundle(bundle)?;
        self.sessions.forget(device);
        now(process_prekey_bundle(
            &device.to_protocol_address(),
            &mut self.sessions.sessions,
            &mut self.sessions.identities,
            &bundle,
            &mut self.dice.roll(),
            UsePQRatchet::No,
        ))?;
        Ok(())
    }

    /// Encrypts `message` to the account `chat` for each of `devices` and keeps it for retries. The account's own
    /// devices among them get it as a device-sent copy; the phone itself is passed over.
    ///
    /// # Errors
    /// [`PhoneError::NoSession`] when a device has none; nothing is kept then.
    pub fn seal(
        &mut self,
        id: &str,
        chat: &Jid,
        message: &wa::Message,
        devices: &[Jid],
    ) -> Result<Vec<Sealed>, PhoneError> {
        if !self.without_session(&self.others(devices)).is_empty() {
            return Err(PhoneError::NoSession);
        }
        let sealed = self
            .others(devices)
            .iter()
            .map(|device| self.seal_one(device, chat, message))
            .collect::<Result<_, _>>()?;
        self.keep_sent(id, chat, false, message);
        Ok(sealed)
    }

    /// Encrypts a message between devices of the account (`category="peer"`): no copy, no retry.
    ///
    /// # Errors
    /// [`PhoneError::NoSession`] when there is none with `device`.
    pub fn seal_peer(&mut self, device: &Jid, message: &wa::Message) -> Result<Sealed, PhoneError> {
        self.seal_pairwise(device, message)
    }

    /// Decrypts what arrived and keeps messages for people in the inbox. A sender key that it carries is taken up.
    ///
    /// # Errors
    /// Whatever [`PhoneError::retry_reason`] gives a reason for deserves a retry receipt: see [`Phone::ask_again`].
    /// [`PhoneError::Duplicate`] is a second delivery and deserves a plain receipt.
    pub fn open(&mut self, arrived: &Arrived) -> Result<Opened, PhoneError> {
        let padded = match (arrived.kind, arrived.group) {
            (EncKind::SenderKey, Some(group)) => {
                self.open_by_sender_key(group, arrived.from, arrived.ciphertext)?
            }
            (EncKind::SenderKey, None) => return Err(PhoneError::NoSenderKey),
            _ => self.open_pairwise(arrived)?,
        };
        let mut message = decode_plaintext(&padded, PADDING_VERSION)
            .map_err(|why| PhoneError::BadMessage(why.to_string()))?;
        let chat = self.chat_of(arrived, &message);
        if self.owns(arrived.from) {
            message = unwrap_device_sent(message);
        }
        let nothing_else = is_sender_key_distribution_only(&mut message);
        if let Some(distribution) = message.sender_key_distribution_message.take() {
            self.take_sender_key(arrived.from, &distribution)?;
        }
        if nothing_else {
            return Ok(Opened::SenderKey);
        }
        if self.owns(arrived.from)
            && let Some(protocol) = message.protocol_message.take()
        {
            return Ok(Opened::Protocol(Box::new(protocol)));
        }
        let from = arrived.from.to_string();
        if self.has_received(&chat, &from, arrived.id) {
            return Ok(Opened::Repeated);
        }
        let received = Received {
            id: arrived.id.to_owned(),
            from,
            chat,
            at: arrived.at,
            content: Content::of(&message),
        };
        self.inbox.push(received.clone());
        Ok(Opened::Message(Box::new(received)))
    }

    pub(super) fn seal_pairwise(
        &mut self,
        device: &Jid,
        message: &wa::Message,
    ) -> Result<Sealed, PhoneError> {
        let sealed = now(message_encrypt(
            &MessageUtils::encode_and_pad(message),
            &device.to_protocol_address(),
            &mut self.sessions.sessions,
            &mut self.sessions.identities,
        ))?;
        Ok(Sealed {
            to: device.clone(),
            kind: match sealed {
                CiphertextMessage::PreKeySignalMessage(_) => EncKind::PreKey,
                _ => EncKind::Message,
            },
            ciphertext: sealed.serialize().to_vec(),
        })
    }

    /// `devices` without the phone itself.
    pub(super) fn others(&self, devices: &[Jid]) -> Vec<Jid> {
        devices
            .iter()
            .filter(|device| device.device != 0 || !self.owns(device))
            .cloned()
            .collect()
    }

    pub(super) fn seal_one(
        &mut self,
        device: &Jid,
        chat: &Jid,
        message: &wa::Message,
    ) -> Result<Sealed, PhoneError> {
        if self.owns(device) {
            let copy = wrap_device_sent(message.clone(), chat.to_non_ad_string());
            self.seal_pairwise(device, &copy)
        } else {
            self.seal_pairwise(device, message)
        }
    }

    fn open_pairwise(&mut self, arrived: &Arrived) -> Result<Vec<u8>, PhoneError> {
        let ciphertext = match arrived.kind {
            EncKind::PreKey => CiphertextMessage::PreKeySignalMessage(
                PreKeySignalMessage::try_from(arrived.ciphertext)?,
            ),
            _ => CiphertextMessage::SignalMessage(SignalMessage::try_from(arrived.ciphertext)?),
        };
        let signed = SignedKey::of(&self.keys);
        let opened = now(message_decrypt(
            &ciphertext,
            &arrived.from.to_protocol_address(),
            &mut self.sessions.sessions,
            &mut self.sessions.identities,
            &mut OneTimeKeys(&mut self.keys.one_time),
            &signed,
            &mut self.dice.roll(),
            UsePQRatchet::No,
        ))?;
        if let Some(used) = opened.consumed_prekey_id {
            self.keys.one_time.remove(&u32::from(used));
        }
        Ok(opened.plaintext)
    }

    /// The group, the account a device-sent copy went to, or else the sender's account.
    fn chat_of(&self, arrived: &Arrived, message: &wa::Message) -> String {
        let sent_to = message
            .device_sent_message
            .as_option()
            .and_then(|copy| copy.destination_jid.clone());
        match (arrived.group, sent_to) {
            (Some(group), _) => group.to_string(),
            (None, Some(chat)) if self.owns(arrived.from) => chat,
            _ => arrived.from.to_non_ad_string(),
        }
    }
}

/// The result of an operation whose stores are all in memory.
pub(super) fn now<T>(
    operation: impl Future<Output = Result<T, SignalProtocolError>>,
) -> Result<T, PhoneError> {
    let result = operation
        .now_or_never()
        .expect("the library waits for its stores alone, and these are in memory");
    Ok(result?)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{arrived, linked, pair, said, say, text};
    use super::*;
    use wacore::protocol::retry::RetryReason;

    #[test]
    fn two_phones_talk() {
        let (mut ann, mut ben) = pair();
        let (to_ben, to_ann) = (ben.pn(), ann.pn());
        let only_ben = [ben.pn()];
        assert_eq!(ann.without_session(&only_ben), only_ben);
        assert!(matches!(
            ann.seal("A0", &to_ben, &text("no"), &only_ben),
            Err(PhoneError::NoSession)
        ));
        ann.open_session(&to_ben, &ben.bundle()).unwrap();

        let first = say(&mut ann, &to_ben, "A1", "hello");
        assert_eq!(first.kind, EncKind::PreKey);
        assert_eq!(said(&mut ben, "A1", &ann, &first), "hello");

        let reply = say(&mut ben, &to_ann, "B1", "hi");
        assert_eq!(reply.kind, EncKind::Message);
        assert_eq!(said(&mut ann, "B1", &ben, &reply), "hi");

        let second = say(&mut ann, &to_ben, "A2", "bye");
        assert_eq!(second.kind, EncKind::Message);
        assert_eq!(said(&mut ben, "A2", &ann, &second), "bye");

        let ids: Vec<_> = ben.inbox().iter().map(|got| got.id.as_str()).collect();
        assert_eq!(ids, ["A1", "A2"]);
        assert_eq!(ben.inbox()[0].chat, "15550000001@s.whatsapp.net");
    }

    #[test]
    fn a_one_time_pre_key_opens_one_session() {
        let (mut ann, mut ben) = pair();
        let to_ben = ben.pn();
        let bundle = ben.bundle();
        for id in ["A1", "A2"] {
            ann.open_session(&to_ben, &bundle).unwrap();
            let sealed = say(&mut ann, &to_ben, id, "x");
            let opened = ben.open(&arrived(id, &ann.pn(), &sealed));
            match id {
                "A1" => drop(opened.unwrap()),
                _ => assert_eq!(
                    opened.unwrap_err().retry_reason(),
                    Some(RetryReason::InvalidKeyId)
                ),
            }
        }
    }

    #[test]
    fn a_second_delivery_is_told_and_not_kept() {
        let (mut ann, mut ben) = linked();
        let to_ben = ben.pn();
        let sealed = say(&mut ann, &to_ben, "A1", "x");
        said(&mut ben, "A1", &ann, &sealed);
        let again = ben.open(&arrived("A1", &ann.pn(), &sealed));
        assert!(matches!(again, Err(PhoneError::Duplicate)));
        assert_eq!(ben.inbox().len(), 1);
    }

    #[test]
    fn a_message_sent_twice_is_kept_once() {
        let (mut ann, mut ben) = linked();
        let to_ben = ben.pn();
        for _ in 0..2 {
            let sealed = say(&mut ann, &to_ben, "A1", "x");
            ben.open(&arrived("A1", &ann.pn(), &sealed)).unwrap();
        }
        assert_eq!(ben.inbox().len(), 1);
    }

    #[test]
    fn messages_out_of_order_open() {
        let (mut ann, mut ben) = linked();
        let to_ben = ben.pn();
        let sealed = ["A1", "A2", "A3"].map(|id| say(&mut ann, &to_ben, id, id));
        for (at, id) in [(2, "A3"), (0, "A1"), (1, "A2")] {
            assert_eq!(said(&mut ben, id, &ann, &sealed[at]), id);
        }
    }

    #[test]
    fn own_devices_get_a_device_sent_copy() {
        let (mut ann, mut ben) = pair();
        // A second phone plays a companion of the first.
        let mut companion = Phone::new("15550000001", "Ann", 9).unwrap();
        let own = ann.pn().with_device(4);
        let to_ben = ben.pn();
        ann.open_session(&own, &companion.bundle()).unwrap();
        ann.open_session(&to_ben, &ben.bundle()).unwrap();
        let devices = [ann.pn(), own.clone(), to_ben.clone()];
        let sealed = ann.seal("A1", &to_ben, &text("hello"), &devices).unwrap();
        let to: Vec<_> = sealed.iter().map(|sealed| sealed.to.clone()).collect();
        assert_eq!(to, [own, to_ben.clone()], "the phone itself is passed over");

        companion
            .open(&arrived("A1", &ann.pn(), &sealed[0]))
            .unwrap();
        let copy = &companion.inbox()[0];
        assert_eq!(copy.chat, to_ben.to_string());
        assert_eq!(copy.content, Content::Text("hello".to_owned()));
        assert_eq!(said(&mut ben, "A1", &ann, &sealed[1]), "hello");
    }

    #[test]
    fn a_peer_message_is_no_message_for_people() {
        let (mut ann, _) = pair();
        let mut companion = Phone::new("15550000001", "Ann", 9).unwrap();
        let own = ann.pn().with_device(4);
        ann.open_session(&own, &companion.bundle()).unwrap();
        let share = ann.app_state_key_share(1_800_000_000);
        let sealed = ann.seal_peer(&own, &share).unwrap();
        let opened = companion.open(&arrived("P1", &ann.pn(), &sealed)).unwrap();
        let Opened::Protocol(protocol) = opened else {
            panic!("{opened:?}");
        };
        assert!(protocol.app_state_sync_key_share.is_set());
        assert!(companion.inbox().is_empty());
    }

    #[test]
    fn a_saved_phone_goes_on_where_it_was() {
        let (mut ann, mut ben) = linked();
        let to_ben = ben.pn();
        let before = say(&mut ann, &to_ben, "A1", "before");
        let saved = serde_json::to_string(&ann).unwrap();
        let mut ann: Phone = serde_json::from_str(&saved).unwrap();
        let after = say(&mut ann, &to_ben, "A2", "after");
        assert_eq!(after.kind, EncKind::Message);
        assert_eq!(said(&mut ben, "A1", &ann, &before), "before");
        assert_eq!(said(&mut ben, "A2", &ann, &after), "after");
        let mut ben: Phone = serde_json::from_str(&serde_json::to_string(&ben).unwrap()).unwrap();
        assert_eq!(ben.inbox().len(), 2);
        let reply = say(&mut ben, &ann.pn(), "B1", "still here");
        assert_eq!(said(&mut ann, "B1", &ben, &reply), "still here");
    }

    #[test]
    fn garbage_is_an_error() {
        let (_, mut ben) = linked();
        let from = Jid::pn("15550000001");
        for kind in [EncKind::PreKey, EncKind::Message, EncKind::SenderKey] {
            for ciphertext in [vec![], vec![0x33], vec![0xff; 80]] {
                let sealed = Sealed {
                    to: ben.pn(),
                    kind,
                    ciphertext,
                };
                ben.open(&arrived("G", &from, &sealed)).unwrap_err();
            }
        }
    }
}
