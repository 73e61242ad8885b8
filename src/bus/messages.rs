//! `org.holdfast.Messages1`: the mail of a bot. At least once both ways; duplicates have the same id.

use std::ops::Deref;
use std::sync::Arc;

use holdfast_medium::Secret;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zbus::{Connection, Signature, Type, interface, message::Header, object_server::SignalEmitter};

use super::{Error, PATH, caller::desk_for, text::text, unless_zero};
use crate::{
    desk::{self, Desk, Moved, Standing},
    mail::{OutState, Pending, Stub},
};

/// The longest `raw` on the wire, bytes: more than fits into a frame of WhatsApp's.
const LARGEST_RAW: usize = 16 << 20;

/// The most answers of `Read` on their way over one connection: who asks faster than answers are taken waits for his turn. Each may
/// be megabytes long.
const ANSWERS: usize = 4;

/// The messages object.
pub struct Messages1 {
    desk: Desk,
    answers: Arc<Semaphore>,
}

impl Messages1 {
    pub(super) fn new(desk: Desk) -> Self {
        Self {
            desk,
            answers: Arc::new(Semaphore::new(ANSWERS)),
        }
    }
}

/// A consumer on the wire.
#[derive(Clone, Deserialize, Serialize, Type)]
pub struct InboxConsumer {
    /// Its name.
    pub name: String,
    /// The last message it acknowledged.
    pub cursor: u64,
    /// How many messages wait for it.
    pub unread: u64,
    /// How long Holdfast has run while messages waited for it and it did not come, seconds.
    pub away: u64,
    /// It was away for too long: nothing is kept for it any more.
    pub forgotten: bool,
}

/// A received message on the wire. Its texts have U+FFFD for each NUL, with which there is no D-Bus string, and are cut at 2 MiB;
/// `raw` has them whole.
#[derive(Clone, Deserialize, Serialize, Type)]
pub struct InboxMessage {
    /// Its place in the inbox; grows by at least one.
    pub seq: u64,
    /// WhatsApp's id; the same message delivered twice has the same chat, sender and id.
    pub id: String,
    /// The JID of the chat.
    pub chat: String,
    /// The JID of the sender.
    pub sender: String,
    /// WhatsApp's timestamp, seconds since 1970.
    pub timestamp: i64,
    /// The name the sender goes by; empty when it has none.
    pub push_name: String,
    /// The text, or the caption; empty when there is none.
    pub text: String,
    /// The whole message: a `wa.Message` protobuf. Empty when it has more than 16 MiB, and in a stub.
    pub raw: Vec<u8>,
}

/// An answer of `Read`: received messages. zbus drops it once it is sent, and then the next may be read.
#[derive(Default)]
pub struct Batch {
    messages: Vec<InboxMessage>,
    _turn: Option<OwnedSemaphorePermit>,
}

impl Deref for Batch {
    type Target = [InboxMessage];

    fn deref(&self) -> &[InboxMessage] {
        &self.messages
    }
}

impl IntoIterator for Batch {
    type Item = InboxMessage;
    type IntoIter = std::vec::IntoIter<InboxMessage>;

    fn into_iter(self) -> Self::IntoIter {
        self.messages.into_iter()
    }
}

impl Type for Batch {
    const SIGNATURE: &'static Signature = Vec::<InboxMessage>::SIGNATURE;
}

impl Serialize for Batch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.messages.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Batch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self {
            messages: Vec::deserialize(deserializer)?,
            _turn: None,
        })
    }
}

/// A message that is not final, on the wire.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, Type)]
pub struct PendingMessage {
    /// Its place in the order of sending.
    pub seq: u64,
    /// Its id.
    pub id: String,
    /// The JID it goes to.
    pub to: String,
    /// `accepted` or `sent`.
    pub state: String,
    /// When it was accepted by the wall clock, seconds since 1970.
    pub since: i64,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it was not sent the last time, as the code of a state; empty when nothing went wrong yet.
    pub reason: String,
}

#[interface(
    name = "org.holdfast.Messages1",
    proxy(
        default_service = "org.holdfast.Holdfast1",
        default_path = "/org/holdfast/Holdfast1"
    )
)]
impl Messages1 {
    /// Accepts a text message for sending; it is on disk when this returns. `to` is a phone number with country code, or a JID.
    /// With an empty `id` Holdfast chooses one. An id used before means the same message: it is not sent again.
    #[zbus(out_args("id"))]
    async fn send(&self, to: &str, text: &str, id: &str) -> Result<String, Error> {
        let id = (!id.is_empty()).then(|| id.to_owned());
        Ok(self.desk.send(to, Secret::new(text.into()), id).await?)
    }

    /// How far a message accepted by `Send` is: `accepted`, `sent`, `acked` or `failed CODE`. The last two are final.
    #[zbus(out_args("state"))]
    async fn state(&self, id: &str) -> Result<String, Error> {
        Ok(state_name(&self.desk.message_state(id)?))
    }

    /// Up to `max` (0: as many as fit) messages that are not final yet, in the order of sending, from the place `from` on (0: the first).
    #[zbus(out_args("messages"))]
    async fn pending(&self, from: u64, max: u32) -> Result<Vec<PendingMessage>, Error> {
        let messages = self.desk.pending(from, unless_zero(max)).await?;
        Ok(messages.into_iter().map(PendingMessage::from).collect())
    }

    /// Ends a message that is not final as `failed dropped`; durable when this returns. One that is just being handed over may arrive
    /// nevertheless.
    async fn drop_message(&self, id: &str) -> Result<(), Error> {
        Ok(self.desk.drop_message(id).await?)
    }

    /// Up to `max` (0: as many as fit) received messages, oldest first, from the place `from` on; 0 means the first one that `consumer` has not acknowledged.
    /// An answer has at most 128 messages and 4 MiB of them, or one larger message; only an empty one means that there are no more.
    /// Texts have U+FFFD for each NUL and are cut at 2 MiB; `raw` has them whole.
    #[zbus(out_args("messages"))]
    async fn read(&self, consumer: &str, from: u64, max: u32) -> Result<Batch, Error> {
        // It is never closed.
        let turn = Arc::clone(&self.answers).acquire_owned().await.ok();
        let from = (from != 0).then_some(from);
        let messages = self.desk.read(consumer, from, unless_zero(max)).await?;
        Ok(Batch {
            messages: messages.into_iter().map(InboxMessage::from).collect(),
            _turn: turn,
        })
    }

    /// The stubs among what `Read` answers from the place `from` on, up to `max` (0: as many as fit): place, kind, standing. A stub has no
    /// text and no `raw`; it stands for something that is not there. Kinds: `undecryptable` (its sender and the phone were asked for the
    /// message again), `phone-only` (WhatsApp shows it on the phone alone, such as what is to be viewed once), `call` (the id is the
    /// call's). Standing: `waiting`; `came` (the message is there, with the same chat and id, and `Read` leaves the stub out); `lost`
    /// (nothing came within 14 days); empty for what nothing follows.
    #[zbus(out_args("stubs"))]
    fn stubs(&self, from: u64, max: u32) -> Result<Vec<(u64, String, String)>, Error> {
        let stubs = self.desk.stubs(from, unless_zero(max))?;
        let told = |at: desk::StubAt| (at.seq, kind(at.stub).into(), standing(at.standing).into());
        Ok(stubs.into_iter().map(told).collect())
    }

    /// Says that `consumer` is done with every message up to and including `seq`. That it is waited for is durable when this returns, how
    /// far it is within seconds: what a power cut takes of that is read again. A caller in group holdfast-bot acknowledges for consumers
    /// that are called like its user, alone or before a slash.
    async fn acknowledge(
        &self,
        consumer: &str,
        seq: u64,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Error> {
        let desk = desk_for(&self.desk, connection, &header).await?;
        Ok(desk.acknowledge(consumer, seq).await?)
    }

    /// The last message `consumer` has acknowledged; 0 when none.
    #[zbus(out_args("seq"))]
    async fn cursor(&self, consumer: &str) -> Result<u64, Error> {
        Ok(self.desk.cursor(consumer)?)
    }

    /// Every consumer: its name, the last message it acknowledged, how many wait for it, for how long it has been away while they did
    /// (seconds), and whether it is no longer waited for.
    #[zbus(out_args("consumers"))]
    async fn consumers(&self) -> Result<Vec<InboxConsumer>, Error> {
        let consumers = self.desk.consumers()?.into_iter();
        Ok(consumers.map(InboxConsumer::from).collect())
    }

    /// Forgets a consumer: nothing is kept for it any more, and its name starts over; durable when this returns. A caller in group
    /// holdfast-bot forgets consumers that are called like its user.
    async fn forget_consumer(
        &self,
        consumer: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Error> {
        let desk = desk_for(&self.desk, connection, &header).await?;
        Ok(desk.forget_consumer(consumer).await?)
    }

    /// A message is in the inbox; `seq` is the newest. Several at once may be announced by one signal.
    #[zbus(signal)]
    async fn received(emitter: &SignalEmitter<'_>, seq: u64) -> zbus::Result<()>;

    /// A message accepted by `Send` got further; the states are those of `State`.
    #[zbus(signal)]
    async fn outbox_changed(emitter: &SignalEmitter<'_>, id: &str, state: &str)
    -> zbus::Result<()>;
}

/// Emits the two signals. Returns when the mail is gone.
pub(super) async fn announce(connection: &Connection, desk: &Desk) -> zbus::Result<()> {
    let emitter = SignalEmitter::new(connection, PATH)?;
    let Some(mut changes) = desk.mail_changes().await else {
        return Ok(());
    };
    while let Some(moved) = changes.next().await {
        match moved {
            Moved::In { newest } => Messages1::received(&emitter, newest).await?,
            Moved::Out { id, state } => {
                Messages1::outbox_changed(&emitter, &id, &state_name(&state)).await?;
            }
        }
    }
    Ok(())
}

fn kind(stub: Stub) -> &'static str {
    match stub {
        Stub::Undecryptable => "undecryptable",
        Stub::PhoneOnly => "phone-only",
        Stub::Call => "call",
    }
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Waiting => "waiting",
        Standing::Came => "came",
        Standing::Lost => "lost",
        Standing::Final => "",
    }
}

fn state_name(state: &OutState) -> String {
    match state {
        OutState::Accepted => "accepted".into(),
        OutState::Sent => "sent".into(),
        OutState::Acked => "acked".into(),
        OutState::Failed { code } => text(format!("failed {code}")),
    }
}

impl From<desk::Waiting> for InboxConsumer {
    fn from(desk::Waiting { consumer, unread }: desk::Waiting) -> Self {
        Self {
            name: consumer.name,
            cursor: consumer.cursor,
            unread,
            away: consumer.away.as_secs(),
            forgotten: consumer.forgotten,
        }
    }
}

impl From<Pending> for PendingMessage {
    fn from(pending: Pending) -> Self {
        Self {
            seq: pending.seq,
            id: pending.message.id,
            to: pending.message.to.into_exposed(),
            state: state_name(&pending.state),
            since: pending.since_s.try_into().unwrap_or(i64::MAX),
            attempts: pending.tries,
            reason: pending.why.as_deref().unwrap_or_default().to_owned(),
        }
    }
}

impl From<desk::Received> for InboxMessage {
    fn from(desk::Received { seq, message }: desk::Received) -> Self {
        let told = |secret: Secret<String>| text(secret.into_exposed());
        let raw = message.raw;
        Self {
            seq,
            id: text(message.id),
            chat: told(message.chat),
            sender: told(message.sender),
            timestamp: message.timestamp_s,
            push_name: message.push_name.map(told).unwrap_or_default(),
            text: message.text.map(told).unwrap_or_default(),
            raw: if raw.len() > LARGEST_RAW {
                Vec::new()
            } else {
                raw
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zbus::wire::{self, Endian, serialized::Context};

    use super::*;
    use crate::mail::Message;

    /// What a message bus takes at once: the system bus's `max_message_size`.
    const BUS_LIMIT: usize = 32 << 20;

    fn received(texts: [String; 5], timestamp_s: i64, raw: Vec<u8>) -> desk::Received {
        let [id, chat, sender, push_name, text] = texts;
        desk::Received {
            seq: 1,
            message: Message {
                id,
                chat: Secret::new(chat),
                sender: Secret::new(sender),
                timestamp_s,
                push_name: Some(Secret::new(push_name)),
                text: Some(Secret::new(text)),
                raw,
            },
        }
    }

    /// As an answer of `Read`, there and back.
    fn over_the_wire(message: InboxMessage) -> (Vec<InboxMessage>, usize) {
        let context = Context::new(Endian::Little, 0);
        let bytes = wire::to_bytes(context, &vec![message]).unwrap();
        let messages: (Vec<InboxMessage>, usize) = bytes.deserialize().unwrap();
        (messages.0, bytes.len())
    }

    proptest! {
        #[test]
        fn whatever_a_contact_sends_is_told(
            texts in prop::array::uniform5("(\\PC|[\0-\u{20}\u{7f}-\u{9f}])*"),
            timestamp_s in any::<i64>(),
            raw in any::<Vec<u8>>(),
        ) {
            let expected = texts.clone().map(|text| text.replace('\0', "\u{fffd}"));
            let (messages, _) = over_the_wire(received(texts, timestamp_s, raw.clone()).into());
            let [told] = messages.try_into().ok().unwrap();
            let InboxMessage { seq: _, id, chat, sender, timestamp, push_name, text, raw: told } = told;
            prop_assert_eq!([id, chat, sender, push_name, text], expected);
            prop_assert_eq!((timestamp, told), (timestamp_s, raw));
        }
    }

    #[test]
    fn the_largest_message_fits_through_a_message_bus() {
        for sign in ["\0", "€", "a"] {
            let texts = std::array::from_fn(|_| sign.repeat(LARGEST_RAW));
            let message = InboxMessage::from(received(texts, 0, vec![1; LARGEST_RAW]));
            let (messages, bytes) = over_the_wire(message);
            assert!(bytes < BUS_LIMIT * 9 / 10, "{bytes}");
            assert_eq!(messages[0].raw.len(), LARGEST_RAW);
            assert!(messages[0].text.len() > (2 << 20) - 3);
        }
        let larger = received(Default::default(), 0, vec![1; LARGEST_RAW + 1]);
        assert!(InboxMessage::from(larger).raw.is_empty());
    }
}
