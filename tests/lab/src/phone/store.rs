//! The phone's Signal records, in memory: what the library's store traits ask for.
//!
//! Records stay decoded while the phone lives: each decoding of a saved record skips the counters it had reserved, which is
//! right after a restart and would be waste before every message.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use wacore::types::jid::JidExt as _;
use wacore_binary::Jid;
use wacore_libsignal::protocol::error::Result;
use wacore_libsignal::protocol::{
    Direction, GenericSignedPreKey as _, IdentityChange, IdentityKey, IdentityKeyPair,
    IdentityKeyStore, KeyPair, PreKeyId, PreKeyRecord, PreKeyStore, ProtocolAddress, SenderKeyName,
    SenderKeyRecord, SenderKeyStore, SessionRecord, SessionStore, SignalProtocolError,
    SignedPreKeyId, SignedPreKeyRecord, SignedPreKeyStore, Timestamp,
};

use super::blob::Blob;
use super::keys::{Keys, SIGNED_PRE_KEY_ID};

/// Sessions, the peers' identities and the sender keys.
#[derive(Serialize, Deserialize)]
pub(super) struct Sessions {
    pub(super) sessions: SessionTable,
    pub(super) identities: IdentityTable,
    pub(super) sender_keys: SenderKeyTable,
}

impl Sessions {
    pub(super) fn new(own: KeyPair, registration_id: u32) -> Sessions {
        Sessions {
            sessions: SessionTable::default(),
            identities: IdentityTable {
                own,
                registration_id,
                peers: BTreeMap::new(),
            },
            sender_keys: SenderKeyTable::default(),
        }
    }

    pub(super) fn has(&self, device: &Jid) -> bool {
        self.sessions
            .0
            .contains_key(device.to_protocol_address().as_str())
    }

    pub(super) fn forget(&mut self, device: &Jid) {
        self.sessions
            .0
            .remove(device.to_protocol_address().as_str());
    }
}

/// Sessions by protocol address.
#[derive(Default)]
pub(super) struct SessionTable(BTreeMap<String, SessionRecord>);

#[async_trait]
impl SessionStore for SessionTable {
    async fn load_session(&self, address: &ProtocolAddress) -> Result<Option<SessionRecord>> {
        Ok(self.0.get(address.as_str()).cloned())
    }

    async fn has_session(&self, address: &ProtocolAddress) -> Result<bool> {
        Ok(self.0.contains_key(address.as_str()))
    }

    async fn store_session(
        &mut self,
        address: &ProtocolAddress,
        record: SessionRecord,
    ) -> Result<()> {
        self.0.insert(address.as_str().to_owned(), record);
        Ok(())
    }
}

impl Serialize for SessionTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Saved<S> {
        save(&self.0, SessionRecord::serialize, serializer)
    }
}

impl<'de> Deserialize<'de> for SessionTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        load(SessionRecord::deserialize, deserializer).map(SessionTable)
    }
}

/// The phone's own identity, and the peers' by protocol address.
#[derive(Serialize, Deserialize)]
pub(super) struct IdentityTable {
    own: KeyPair,
    registration_id: u32,
    peers: BTreeMap<String, Blob>,
}

#[async_trait]
impl IdentityKeyStore for IdentityTable {
    async fn get_identity_key_pair(&self) -> Result<IdentityKeyPair> {
        Ok(IdentityKeyPair::from(self.own.clone()))
    }

    async fn get_local_registration_id(&self) -> Result<u32> {
        Ok(self.registration_id)
    }

    async fn save_identity(
        &mut self,
        address: &ProtocolAddress,
        identity: &IdentityKey,
    ) -> Result<IdentityChange> {
        let new = identity.serialize().to_vec();
        let old = self
            .peers
            .insert(address.as_str().to_owned(), Blob(new.clone()));
        Ok(IdentityChange::from_changed(
            old.is_some_and(|old| old.0 != new),
        ))
    }

    /// A phone's owner accepts every change of a peer's security code.
    async fn is_trusted_identity(
        &self,
        _: &ProtocolAddress,
        _: &IdentityKey,
        _: Direction,
    ) -> Result<bool> {
        Ok(true)
    }

    async fn get_identity(&self, address: &ProtocolAddress) -> Result<Option<IdentityKey>> {
        self.peers
            .get(address.as_str())
            .map(|identity| IdentityKey::decode(&identity.0))
            .transpose()
    }
}

/// Sender keys by group and sender, own ones included.
#[derive(Default)]
pub(super) struct SenderKeyTable(BTreeMap<String, SenderKeyRecord>);

impl SenderKeyTable {
    pub(super) fn forget(&mut self, name: &SenderKeyName) {
        self.0.remove(name.cache_key());
    }
}

#[async_trait]
impl SenderKeyStore for SenderKeyTable {
    async fn store_sender_key(
        &mut self,
        name: &SenderKeyName,
        record: SenderKeyRecord,
    ) -> Result<()> {
        self.0.insert(name.cache_key().to_owned(), record);
        Ok(())
    }

    async fn load_sender_key(&self, name: &SenderKeyName) -> Result<Option<SenderKeyRecord>> {
        Ok(self.0.get(name.cache_key()).cloned())
    }
}

impl Serialize for SenderKeyTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Saved<S> {
        save(&self.0, SenderKeyRecord::serialize, serializer)
    }
}

impl<'de> Deserialize<'de> for SenderKeyTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        load(SenderKeyRecord::deserialize, deserializer).map(SenderKeyTable)
    }
}

/// The one-time pre-keys of [`Keys`], as the library asks for them.
pub(super) struct OneTimeKeys<'a>(pub(super) &'a mut BTreeMap<u32, KeyPair>);

#[async_trait]
impl PreKeyStore for OneTimeKeys<'_> {
    async fn get_pre_key(&self, id: PreKeyId) -> Result<PreKeyRecord> {
        self.0
            .get(&u32::from(id))
            .map(|pair| PreKeyRecord::new(id, pair))
            .ok_or(SignalProtocolError::InvalidPreKeyId)
    }

    async fn save_pre_key(&mut self, id: PreKeyId, record: &PreKeyRecord) -> Result<()> {
        self.0.insert(id.into(), record.key_pair()?);
        Ok(())
    }

    async fn remove_pre_key(&mut self, id: PreKeyId) -> Result<()> {
        self.0.remove(&u32::from(id));
        Ok(())
    }
}

/// The signed pre-key of [`Keys`], as the library asks for it.
pub(super) struct SignedKey(SignedPreKeyRecord);

impl SignedKey {
    pub(super) fn of(keys: &Keys) -> SignedKey {
        SignedKey(SignedPreKeyRecord::new(
            SIGNED_PRE_KEY_ID.into(),
            Timestamp::from_epoch_millis(0),
            &keys.signed_pre_key,
            keys.signature(),
        ))
    }
}

#[async_trait]
impl SignedPreKeyStore for SignedKey {
    async fn get_signed_pre_key(&self, id: SignedPreKeyId) -> Result<SignedPreKeyRecord> {
        if id == SignedPreKeyId::from(SIGNED_PRE_KEY_ID) {
            Ok(self.0.clone())
        } else {
            Err(SignalProtocolError::InvalidSignedPreKeyId)
        }
    }

    async fn save_signed_pre_key(
        &mut self,
        _: SignedPreKeyId,
        record: &SignedPreKeyRecord,
    ) -> Result<()> {
        self.0 = record.clone();
        Ok(())
    }
}

/// What a [`Serializer`] returns.
type Saved<S> = std::result::Result<<S as Serializer>::Ok, <S as Serializer>::Error>;

fn save<T, S: Serializer>(
    records: &BTreeMap<String, T>,
    encode: fn(&T) -> Result<Vec<u8>>,
    serializer: S,
) -> Saved<S> {
    let mut blobs = BTreeMap::new();
    for (name, record) in records {
        blobs.insert(name, Blob(encode(record).map_err(ser::Error::custom)?));
    }
    blobs.serialize(serializer)
}

fn load<'de, T, D: Deserializer<'de>>(
    decode: fn(&[u8]) -> Result<T>,
    deserializer: D,
) -> std::result::Result<BTreeMap<String, T>, D::Error> {
    BTreeMap::<String, Blob>::deserialize(deserializer)?
        .into_iter()
        .map(|(name, blob)| Ok((name, decode(&blob.0).map_err(de::Error::custom)?)))
        .collect()
}
