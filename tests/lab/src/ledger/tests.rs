use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use wacore_binary::builder::NodeBuilder;
use wacore_libsignal::protocol::error::Result;
use wacore_libsignal::protocol::{
    AliceSignalProtocolParameters, CiphertextMessage, Direction, IdentityChange, IdentityKey,
    IdentityKeyPair, IdentityKeyStore, KeyPair, PreKeySignalMessage, ProtocolAddress,
    SenderKeyName, SenderKeyRecord, SenderKeyStore, SessionRecord, SessionStore, SignalMessage,
    UsePQRatchet, create_sender_key_distribution_message, group_encrypt,
    initialize_alice_session_record, message_encrypt,
};

use super::*;

const ALICE: &str = "15550000001:1@s.whatsapp.net";
const BOB: &str = "15550000002:1@s.whatsapp.net";
const GROUP: &str = "120363000000000001@g.us";

/// The sending half of a device: real sessions and sender keys, in memory.
#[derive(Clone)]
struct Sender {
    sessions: Sessions,
    sender_keys: SenderKeys,
    identity: Identity,
    bob: ProtocolAddress,
}

#[derive(Clone, Default)]
struct Sessions(HashMap<ProtocolAddress, SessionRecord>);

#[derive(Clone, Default)]
struct SenderKeys(HashMap<SenderKeyName, SenderKeyRecord>);

#[derive(Clone)]
struct Identity(IdentityKeyPair);

#[async_trait]
impl SessionStore for Sessions {
    async fn load_session(&self, address: &ProtocolAddress) -> Result<Option<SessionRecord>> {
        Ok(self.0.get(address).cloned())
    }
    async fn has_session(&self, address: &ProtocolAddress) -> Result<bool> {
        Ok(self.0.contains_key(address))
    }
    async fn store_session(
        &mut self,
        address: &ProtocolAddress,
        record: SessionRecord,
    ) -> Result<()> {
        self.0.insert(address.clone(), record);
        Ok(())
    }
}

#[async_trait]
impl SenderKeyStore for SenderKeys {
    async fn store_sender_key(
        &mut self,
        name: &SenderKeyName,
        record: SenderKeyRecord,
    ) -> Result<()> {
        self.0.insert(name.clone(), record);
        Ok(())
    }
    async fn load_sender_key(&self, name: &SenderKeyName) -> Result<Option<SenderKeyRecord>> {
        Ok(self.0.get(name).cloned())
    }
}

#[async_trait]
impl IdentityKeyStore for Identity {
    async fn get_identity_key_pair(&self) -> Result<IdentityKeyPair> {
        Ok(self.0.clone())
    }
    async fn get_local_registration_id(&self) -> Result<u32> {
        Ok(7)
    }
    async fn save_identity(
        &mut self,
        _: &ProtocolAddress,
        _: &IdentityKey,
    ) -> Result<IdentityChange> {
        Ok(IdentityChange::from_changed(false))
    }
    async fn is_trusted_identity(
        &self,
        _: &ProtocolAddress,
        _: &IdentityKey,
        _: Direction,
    ) -> Result<bool> {
        Ok(true)
    }
    async fn get_identity(&self, _: &ProtocolAddress) -> Result<Option<IdentityKey>> {
        Ok(None)
    }
}

impl Sender {
    fn new() -> Self {
        let mut rng = rand::rng();
        let identity = IdentityKeyPair::generate(&mut rng);
        let base = KeyPair::generate(&mut rng);
        let bob_identity = IdentityKeyPair::generate(&mut rng);
        let bob_signed = KeyPair::generate(&mut rng);
        let parameters = AliceSignalProtocolParameters::new(
            identity.clone(),
            base,
            *bob_identity.identity_key(),
            bob_signed.public_key,
            bob_signed.public_key,
            UsePQRatchet::No,
        );
        let record = initialize_alice_session_record(&parameters, &mut rng).unwrap();
        let bob = ProtocolAddress::new("15550000002", 1.into());
        Sender {
            sessions: Sessions([(bob.clone(), record)].into()),
            sender_keys: SenderKeys::default(),
            identity: Identity(identity),
            bob,
        }
    }

    async fn encrypt(&mut self, text: &[u8]) -> SignalMessage {
        let sealed = message_encrypt(text, &self.bob, &mut self.sessions, &mut self.identity)
            .await
            .unwrap();
        match sealed {
            CiphertextMessage::SignalMessage(message) => message,
            CiphertextMessage::PreKeySignalMessage(message) => message.message().clone(),
            other => panic!("not a session message: {:?}", other.message_type()),
        }
    }

    async fn encrypt_for_group(&mut self, text: &[u8]) -> Vec<u8> {
        let name = SenderKeyName::new(GROUP.to_owned(), ALICE.to_owned());
        create_sender_key_distribution_message(&name, &mut self.sender_keys, &mut rand::rng())
            .await
            .unwrap();
        let message = group_encrypt(&mut self.sender_keys, &name, text, &mut rand::rng())
            .await
            .unwrap();
        message.serialized().to_vec()
    }

    /// What a process that reads its store again does.
    fn restarted(&self) -> Self {
        let mut next = self.clone();
        for record in next.sessions.0.values_mut() {
            *record = SessionRecord::deserialize(&record.serialize().unwrap()).unwrap();
        }
        next
    }
}

/// The message as the first one of a session travels.
fn as_pre_key_message(message: &SignalMessage, identity: &Identity, pre_key: u32) -> Vec<u8> {
    PreKeySignalMessage::new(
        3,
        7,
        Some(pre_key.into()),
        1.into(),
        *message.sender_ratchet_key(),
        *identity.0.identity_key(),
        message.clone(),
    )
    .unwrap()
    .serialized()
    .to_vec()
}

#[tokio::test]
async fn an_honest_session_commits_no_crime_and_shows_every_counter() {
    let ledger = Ledger::new();
    let mut alice = Sender::new();
    for text in [b"one", b"two"] {
        ledger.enc(ALICE, BOB, "msg", alice.encrypt(text).await.serialized());
    }
    // After a restart the library burns the counters it may have used: a gap, never a reuse.
    let mut alice = alice.restarted();
    ledger.enc(
        ALICE,
        BOB,
        "msg",
        alice.encrypt(b"three").await.serialized(),
    );

    assert_eq!(ledger.crimes(), []);
    let dump = ledger.dump();
    assert_eq!(dump.chains.len(), 1);
    assert_eq!(dump.chains[0].counters.len(), 3);
    assert_eq!(dump.chains[0].counters[..2], [0, 1]);
    assert!(dump.chains[0].counters[2] > 1);
}

#[tokio::test]
async fn a_rolled_back_session_is_caught() {
    let ledger = Ledger::new();
    let mut alice = Sender::new();
    let mut rolled_back = alice.clone();
    ledger.enc(ALICE, BOB, "msg", alice.encrypt(b"one").await.serialized());
    let reuse = rolled_back.encrypt(b"another").await;
    ledger.enc(ALICE, BOB, "msg", reuse.serialized());

    let crimes = ledger.crimes();
    assert!(
        matches!(&crimes[..], [Crime::MessageKeyReused { sender, recipient, counter: 0, .. }]
            if sender == ALICE && recipient == BOB),
        "{crimes:?}"
    );
}

#[tokio::test]
async fn a_retransmission_is_no_crime_bare_or_wrapped_but_a_rewritten_one_is() {
    let ledger = Ledger::new();
    let mut alice = Sender::new();
    let mut rolled_back = alice.clone();
    let message = alice.encrypt(b"one").await;
    let wrapped = as_pre_key_message(&message, &alice.identity, 12);
    ledger.enc(ALICE, BOB, "pkmsg", &wrapped);
    ledger.enc(ALICE, BOB, "pkmsg", &wrapped);
    ledger.enc(ALICE, BOB, "msg", message.serialized());
    assert_eq!(ledger.crimes(), []);
    assert!(ledger.dump().pre_keys[BOB].used.contains(&12));

    let rewritten = rolled_back.encrypt(b"other").await;
    let wrapped = as_pre_key_message(&rewritten, &alice.identity, 12);
    ledger.enc(ALICE, BOB, "pkmsg", &wrapped);
    assert_eq!(ledger.crimes().len(), 1);
}

#[tokio::test]
async fn the_same_key_towards_another_device_is_another_chain() {
    let ledger = Ledger::new();
    let (mut alice, mut carol) = (Sender::new(), Sender::new());
    ledger.enc(ALICE, BOB, "msg", alice.encrypt(b"one").await.serialized());
    ledger.enc(BOB, ALICE, "msg", carol.encrypt(b"two").await.serialized());
    assert_eq!(ledger.crimes(), []);
    assert_eq!(ledger.dump().chains.len(), 2);
}

#[tokio::test]
async fn a_rolled_back_sender_key_is_caught_and_a_retransmission_is_not() {
    let ledger = Ledger::new();
    let mut alice = Sender::new();
    let first = alice.encrypt_for_group(b"one").await;
    let mut rolled_back = alice.clone();
    let second = alice.encrypt_for_group(b"two").await;
    for message in [&first, &second, &second] {
        ledger.enc(ALICE, GROUP, "skmsg", message);
    }
    assert_eq!(ledger.crimes(), []);
    assert_eq!(ledger.dump().sender_keys[0].iterations, [0, 1]);

    let reuse = rolled_back.encrypt_for_group(b"three").await;
    ledger.enc(ALICE, GROUP, "skmsg", &reuse);
    let crimes = ledger.crimes();
    assert!(
        matches!(
            crimes[..],
            [Crime::SenderKeyIterationReused { iteration: 1, .. }]
        ),
        "{crimes:?}"
    );
}

#[test]
fn a_ciphertext_that_does_not_parse_is_named() {
    let ledger = Ledger::new();
    for kind in ["msg", "pkmsg", "skmsg"] {
        ledger.enc(ALICE, BOB, kind, b"\x33garbage");
        ledger.enc(ALICE, BOB, kind, b"");
    }
    assert_eq!(ledger.crimes().len(), 6);
    ledger.enc(ALICE, BOB, "msmsg", b"not a ratchet message");
    assert_eq!(ledger.crimes().len(), 6);
}

#[test]
fn pre_key_ids_and_identity_are_held_to_what_was_published_first() {
    let ledger = Ledger::new();
    ledger.linked(ALICE, &[1; 32]);
    ledger.pre_keys_uploaded(ALICE, &[1; 32], [(1, vec![11; 32]), (2, vec![12; 32])]);
    ledger.pre_keys_uploaded(ALICE, &[1; 32], [(2, vec![12; 32]), (3, vec![13; 32])]);
    ledger.pre_key_handed_out(ALICE, 2);
    assert_eq!(ledger.crimes(), []);

    ledger.pre_keys_uploaded(ALICE, &[1; 32], [(2, vec![99; 32])]);
    ledger.pre_keys_uploaded(ALICE, &[9; 32], [(4, vec![14; 32])]);
    assert_eq!(
        ledger.crimes(),
        [
            Crime::PreKeyIdReusedWithAnotherKey {
                device: ALICE.to_owned(),
                id: 2
            },
            Crime::IdentityChanged {
                device: ALICE.to_owned()
            },
        ]
    );
    let published = &ledger.dump().pre_keys[ALICE];
    assert_eq!(published.keys.len(), 4);
    assert!(published.handed_out.contains(&2));

    for (id, key) in [(1, 21), (1, 21), (2, 22), (2, 23)] {
        ledger.signed_pre_key_published(ALICE, id, &[key; 32]);
    }
    let signed = Crime::SignedPreKeyIdReusedWithAnotherKey {
        device: ALICE.to_owned(),
        id: 2,
    };
    assert_eq!(ledger.crimes()[2..], [signed]);

    // Linked anew, the address begins with a clean sheet.
    ledger.linked(ALICE, &[9; 32]);
    ledger.pre_keys_uploaded(ALICE, &[9; 32], [(2, vec![99; 32])]);
    ledger.signed_pre_key_published(ALICE, 2, &[24; 32]);
    assert_eq!(ledger.crimes().len(), 3);
}

#[tokio::test]
async fn entries_are_waited_for_and_dumped_as_json() {
    let ledger = Ledger::new();
    let node = NodeBuilder::new("message")
        .attr("id", "3EB0")
        .attr("to", "15550000002@s.whatsapp.net")
        .attr("type", "text")
        .build();
    let writer = ledger.clone();
    let waiting = tokio::spawn(async move {
        ledger
            .wait_for(
                0,
                Duration::from_secs(10),
                |entry| matches!(&entry.act, Act::Acked { id, .. } if id == "3EB0"),
            )
            .await
    });
    writer.accepted(ALICE, &node);
    writer.server_acked(ALICE, "3EB0", None);
    writer.routed(BOB, &node);
    writer.delivered(BOB, &node);
    writer.acked(BOB, "3EB0", Some(500));
    let found = waiting.await.unwrap().unwrap();
    assert_eq!((found.seq, found.device.as_str()), (4, BOB));

    let json = serde_json::to_value(writer.dump()).unwrap();
    assert_eq!(json["entries"][0]["act"], "accepted");
    assert_eq!(json["entries"][0]["peer"], "15550000002@s.whatsapp.net");
    assert_eq!(json["entries"][4]["error"], 500);
    let back: Vec<Entry> = serde_json::from_value(json["entries"].clone()).unwrap();
    assert_eq!(back, writer.entries(0));

    let never = writer.wait_for(5, Duration::ZERO, |_| true).await;
    assert_eq!(never, None);
}
