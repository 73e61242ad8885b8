//! The table: for every method of the library's store traits, what it touches and what its return promises; for
//! every kind of record, what a bad one reads as and what a restore does with it.
//!
//! The backend decides by it alone how long a write is awaited; the conformance suite iterates it.

/// How much a record matters, and whether it may ever be used again when old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Without it the device must be linked again. In two slots outside the store.
    Identity,
    /// Worth keeping, harmless when somewhat old.
    Kept,
    /// Rewritten all the time, never valid when old: an old ratchet is a security hole.
    Ratchet,
    /// A cache that the network gives back.
    Rebuildable,
}

/// The library's view of an unreadable record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// As if it had never been written; the library has a way to get it back. An error would make it tell the
    /// server to drop the message in hand.
    Absent,
    /// An error that stops the start: absent would begin a new identity over the old one.
    Refused,
}

/// The fate of a record when an archived generation is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restore {
    /// It comes back.
    Keep,
    /// It stays in the archive.
    Drop,
}

impl Tier {
    /// The stable name for machines.
    pub fn as_str(self) -> &'static str {
        match self {
            Tier::Identity => "identity",
            Tier::Kept => "kept",
            Tier::Ratchet => "ratchet",
            Tier::Rebuildable => "rebuildable",
        }
    }

    /// Tells what a restore does with the records of this tier.
    pub fn restore(self) -> Restore {
        match self {
            Tier::Identity | Tier::Kept => Restore::Keep,
            Tier::Ratchet | Tier::Rebuildable => Restore::Drop,
        }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $tag:literal: $tier:ident, $bad:ident;)*) => {
        /// A kind of record. The number is its tag on the medium and never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum RecordKind { $($(#[$doc])* $kind = $tag,)* }

        impl RecordKind {
            /// Every kind, by tag.
            pub const ALL: &[RecordKind] = &[$(RecordKind::$kind),*];

            /// How much it matters.
            pub fn tier(self) -> Tier {
                match self { $(RecordKind::$kind => Tier::$tier,)* }
            }

            /// Tells what an unreadable one reads as.
            pub fn bad(self) -> Bad {
                match self { $(RecordKind::$kind => Bad::$bad,)* }
            }

            /// The kind with this tag.
            pub fn from_tag(tag: u8) -> Option<RecordKind> {
                match tag { $($tag => Some(RecordKind::$kind),)* _ => None }
            }
        }
    };
}

kinds! {
    /// The device row: keys, account, watermarks of the pre-keys.
    Device = 1: Identity, Refused;
    /// Rotated signed pre-keys.
    SignedPreKey = 2: Identity, Refused;
    /// Keys of the app state.
    SyncKey = 3: Identity, Refused;

    /// Peers' identity keys.
    PeerIdentity = 16: Kept, Absent;
    /// LID to phone number.
    LidMapping = 17: Kept, Absent;
    /// Phone number to LID, an index of the former.
    PnIndex = 18: Kept, Absent;
    /// Trusted-contact tokens.
    TcToken = 19: Kept, Absent;
    /// Message secrets: polls, edits, reactions.
    MsgSecret = 20: Kept, Absent;
    /// Versions of the app state's collections.
    AppStateVersion = 21: Kept, Absent;
    /// MACs of the app state's mutations.
    MutationMac = 22: Kept, Absent;
    /// Sent messages, for peers who ask again.
    SentMessage = 23: Kept, Absent;
    /// Received messages on their way to the inbox.
    PendingInbound = 24: Kept, Absent;

    /// Signal sessions.
    Session = 32: Ratchet, Absent;
    /// Sender keys of groups.
    SenderKey = 33: Ratchet, Absent;
    /// Which devices have our sender key; worthless without it.
    SenderKeyDevice = 34: Ratchet, Absent;
    /// One-time pre-keys.
    PreKey = 35: Ratchet, Absent;
    /// Base keys of sessions, to notice a peer who begins anew.
    BaseKey = 36: Ratchet, Absent;

    /// Device lists of users.
    DeviceList = 48: Rebuildable, Absent;
    /// Metadata of groups.
    GroupMetadata = 49: Rebuildable, Absent;
}

/// The durability that a method's return promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// It only reads: what was written before, durable or not.
    Read,
    /// It is on the medium.
    Awaited,
    /// It will be on the medium before anything written later, soon.
    Ordered,
    /// It will be on the medium before anything written later, when there is occasion.
    Lazy,
    /// A write that raises or changes a lease on message counters is awaited: the counters may be used when it
    /// returns. Any other is ordered. In doubt it is awaited.
    ByLease,
    /// A change of nothing but what each login counts is ordered: lost, it is counted again. Any other is awaited.
    ByContent,
    /// Nothing is written: nothing could ever be read back through the trait.
    Nothing,
}

/// One method of the library's store traits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The library's trait.
    pub store: &'static str,
    /// Its method.
    pub method: &'static str,
    /// The kind of record it touches.
    pub kind: RecordKind,
    /// The durability its return promises.
    pub promise: Promise,
}

macro_rules! rules {
    ($($store:ident { $($method:ident: $kind:ident, $promise:ident;)* })*) => {
        /// One constant per method, named like it, so that a misspelt rule does not compile.
        #[allow(non_upper_case_globals)]
        pub(super) mod rule {
            use super::{RecordKind, Promise, Rule};
            $($(
                pub const $method: Rule = Rule {
                    store: stringify!($store),
                    method: stringify!($method),
                    kind: RecordKind::$kind,
                    promise: Promise::$promise,
                };
            )*)*
        }

        /// The table.
        pub const RULES: &[Rule] = &[$($(rule::$method,)*)*];
    };
}

/// Methods that touch no record and are left to the library's own defaults: a debugging aid that it compiles out,
/// and a report of the memory used.
pub const UNTOUCHED: &[&str] = &["snapshot_db", "resource_report"];

rules! {
    SignalStore {
        put_identity: PeerIdentity, Ordered;
        put_identities_batch: PeerIdentity, Ordered;
        load_identity: PeerIdentity, Read;
        delete_identity: PeerIdentity, Ordered;

        get_session: Session, Read;
        put_session: Session, ByLease;
        put_sessions_batch: Session, ByLease;
        // A deleted session that comes back still carries its lease: no counter is used twice.
        delete_session: Session, Ordered;
        has_session: Session, Read;
        has_signal_state_for_user: Session, Read;

        // The private keys must be there before the public ones are offered.
        store_prekey: PreKey, Awaited;
        store_prekeys_batch: PreKey, Awaited;
        load_prekey: PreKey, Read;
        load_prekeys_batch: PreKey, Read;
        // The flag has no reader in the trait; what is uploaded is known by the watermarks in the device row.
        mark_prekeys_uploaded: PreKey, Nothing;
        // Called after the session that used it was put, and so on the medium after it.
        remove_prekey: PreKey, Ordered;
        get_max_prekey_id: PreKey, Read;

        store_signed_prekey: SignedPreKey, Awaited;
        load_signed_prekey: SignedPreKey, Read;
        load_all_signed_prekeys: SignedPreKey, Read;
        remove_signed_prekey: SignedPreKey, Awaited;

        put_sender_key: SenderKey, ByLease;
        put_sender_keys_batch: SenderKey, ByLease;
        get_sender_key: SenderKey, Read;
        delete_sender_key: SenderKey, Ordered;
    }
    AppSyncStore {
        get_sync_key: SyncKey, Read;
        set_sync_key: SyncKey, Awaited;
        get_version: AppStateVersion, Read;
        set_version: AppStateVersion, Ordered;
        put_mutation_macs: MutationMac, Ordered;
        get_mutation_mac: MutationMac, Read;
        get_mutation_macs: MutationMac, Read;
        delete_mutation_macs: MutationMac, Ordered;
        clear_mutation_macs: MutationMac, Ordered;
        get_latest_sync_key_id: SyncKey, Read;
    }
    ProtocolStore {
        get_sender_key_devices: SenderKeyDevice, Read;
        set_sender_key_status: SenderKeyDevice, Ordered;
        clear_sender_key_devices: SenderKeyDevice, Ordered;
        delete_sender_key_device_rows: SenderKeyDevice, Ordered;
        clear_all_sender_key_devices: SenderKeyDevice, Ordered;

        get_lid_mapping: LidMapping, Read;
        get_pn_mapping: LidMapping, Read;
        put_lid_mapping: LidMapping, Ordered;
        put_lid_mappings: LidMapping, Ordered;
        get_all_lid_mappings: LidMapping, Read;

        save_base_key: BaseKey, Lazy;
        has_same_base_key: BaseKey, Read;
        delete_base_key: BaseKey, Lazy;

        update_device_list: DeviceList, Lazy;
        update_device_lists: DeviceList, Lazy;
        get_devices: DeviceList, Read;
        delete_devices: DeviceList, Lazy;

        get_group_metadata: GroupMetadata, Read;
        put_group_metadata: GroupMetadata, Lazy;
        delete_group_metadata: GroupMetadata, Lazy;

        get_tc_token: TcToken, Read;
        put_tc_token: TcToken, Ordered;
        delete_tc_token: TcToken, Ordered;
        get_all_tc_token_jids: TcToken, Read;
        delete_expired_tc_tokens: TcToken, Lazy;
        touch_tc_token_sender_timestamp: TcToken, Lazy;
        store_received_tc_token: TcToken, Ordered;

        // On the medium before the outbox says "acked": that mark takes everything queued along.
        store_sent_message: SentMessage, Lazy;
        take_sent_message: SentMessage, Lazy;
        delete_expired_sent_messages: SentMessage, Lazy;

        // Before the ratchet that it consumed, by the order of the queue; the inbox's commit is the barrier.
        store_pending_inbound: PendingInbound, Ordered;
        store_pending_inbound_batch: PendingInbound, Ordered;
        get_pending_inbound: PendingInbound, Read;
        delete_pending_inbound: PendingInbound, Lazy;
        delete_pending_inbound_batch: PendingInbound, Lazy;
        delete_expired_pending_inbound: PendingInbound, Lazy;
    }
    MsgSecretStore {
        put_msg_secret: MsgSecret, Ordered;
        put_msg_secrets: MsgSecret, Ordered;
        get_msg_secret: MsgSecret, Read;
        get_msg_secret_with_ts: MsgSecret, Read;
        delete_expired_msg_secrets: MsgSecret, Lazy;
    }
    DeviceStore {
        save: Device, ByContent;
        load: Device, Read;
        exists: Device, Read;
        create: Device, Awaited;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_name_their_kinds_and_tiers_decide_restores() {
        for kind in RecordKind::ALL {
            assert_eq!(RecordKind::from_tag(*kind as u8), Some(*kind));
            assert_eq!(
                kind.bad() == Bad::Refused,
                kind.tier() == Tier::Identity,
                "{kind:?}"
            );
        }
        assert_eq!(RecordKind::from_tag(0), None, "0 is the store's own record");
        assert_eq!(RecordKind::Session.tier().restore(), Restore::Drop);
        assert_eq!(RecordKind::LidMapping.tier().restore(), Restore::Keep);
    }

    #[test]
    fn nothing_of_the_identity_is_ever_only_queued() {
        for rule in RULES
            .iter()
            .filter(|rule| rule.kind.tier() == Tier::Identity)
        {
            assert!(
                matches!(
                    rule.promise,
                    Promise::Read | Promise::Awaited | Promise::ByContent
                ),
                "{rule:?}"
            );
        }
    }
}
