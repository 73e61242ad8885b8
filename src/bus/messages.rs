//! `org.holdfast.Messages1`: the mail of a bot. At least once both ways; duplicates have the same id.

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::RecvError;
use wacore_binary::{Jid, Server};
use zbus::{Connection, Type, interface, object_server::SignalEmitter};

use super::{Error, Handle, PATH, error::no_random};
use crate::{
    journal::Secret,
    mail::{Message, OutMessage, OutState, fresh_id},
};

/// The most messages one `Read` returns.
const MOST_MESSAGES: u32 = 128;

/// The messages object.
pub struct Messages {
    handle: Handle,
}

impl Messages {
    pub(super) fn new(handle: Handle) -> Self {
        Self { handle }
    }
}

/// A received message on the wire.
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
    /// The whole message: a `wa.Message` protobuf.
    pub raw: Vec<u8>,
}

#[interface(
    name = "org.holdfast.Messages1",
    proxy(
        default_service = "org.holdfast.Holdfast1",
        default_path = "/org/holdfast/Holdfast1"
    )
)]
impl Messages {
    /// Accepts a text message for sending; it is on disk when this returns. `to` is a phone number with country code, or a JID.
    /// With an empty `id` Holdfast chooses one. An id used before means the same message: it is not sent again.
    #[zbus(out_args("id"))]
    async fn send(&self, to: &str, text: &str, id: &str) -> Result<String, Error> {
        if self.handle.status.borrow().linked.account.is_none() {
            return Err(Error::NotLinked("Holdfast is not linked to a phone yet, so it has nobody to send as. Link it first: `holdfastctl link --show`.".into()));
        }
        if text.is_empty() {
            return Err(Error::InvalidArgument(
                "The text is empty; WhatsApp takes no empty message.".into(),
            ));
        }
        let message = OutMessage {
            id: if id.is_empty() {
                fresh_id().map_err(no_random)?
            } else {
                id.into()
            },
            to: recipient(to)?,
            text: Secret::new(text.into()),
        };
        let id = message.id.clone();
        self.handle.outbox.accept(message).await?;
        Ok(id)
    }

    /// How far a message accepted by `Send` is: `accepted`, `sent`, `acked` or `failed CODE`. The last two are final.
    #[zbus(out_args("state"))]
    async fn state(&self, id: &str) -> Result<String, Error> {
        self.handle.outbox.state(id).map(|state| state_name(&state)).ok_or_else(|| {
            Error::UnknownMessage("No message was accepted under this id, or it was so long ago that it is forgotten.".into())
        })
    }

    /// Up to `max` (0: as many as fit) received messages, oldest first, from the place `from` on; 0 means the first one that `consumer` has not acknowledged.
    #[zbus(out_args("messages"))]
    async fn read(&self, consumer: &str, from: u64, max: u32) -> Result<Vec<InboxMessage>, Error> {
        let from = if from == 0 {
            self.handle.inbox.cursor(consumer) + 1
        } else {
            from
        };
        let max = if max == 0 {
            MOST_MESSAGES
        } else {
            max.min(MOST_MESSAGES)
        };
        let messages = self.handle.inbox.read(from, max as usize)?;
        Ok(messages
            .into_iter()
            .map(|(seq, message)| on_the_wire(seq, message))
            .collect())
    }

    /// Says that `consumer` is done with every message up to and including `seq`; durable when this returns.
    async fn acknowledge(&self, consumer: &str, seq: u64) -> Result<(), Error> {
        Ok(self.handle.inbox.acknowledge(consumer, seq).await?)
    }

    /// The last message `consumer` has acknowledged; 0 when none.
    #[zbus(out_args("seq"))]
    async fn cursor(&self, consumer: &str) -> Result<u64, Error> {
        Ok(self.handle.inbox.cursor(consumer))
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
pub(super) async fn announce(connection: &Connection, handle: &Handle) -> zbus::Result<()> {
    let emitter = SignalEmitter::new(connection, PATH)?;
    let (mut newest, mut moves) = (handle.inbox.newest(), handle.outbox.moves());
    loop {
        tokio::select! {
            alive = newest.changed() => {
                if alive.is_err() {
                    return Ok(());
                }
                let seq = *newest.borrow_and_update();
                Messages::received(&emitter, seq).await?;
            }
            moved = moves.recv() => match moved {
                Ok((id, state)) => Messages::outbox_changed(&emitter, &id, &state_name(&state)).await?,
                // Too far behind to name each: who waits for one asks for its state.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            }
        }
    }
}

fn state_name(state: &OutState) -> String {
    match state {
        OutState::Accepted => "accepted".into(),
        OutState::Sent => "sent".into(),
        OutState::Acked => "acked".into(),
        OutState::Failed { code } => format!("failed {code}"),
    }
}

fn on_the_wire(seq: u64, message: Message) -> InboxMessage {
    let text =
        |secret: Option<Secret<String>>| secret.map(Secret::into_exposed).unwrap_or_default();
    InboxMessage {
        seq,
        id: message.id,
        chat: message.chat.into_exposed(),
        sender: message.sender.into_exposed(),
        timestamp: message.timestamp_s,
        push_name: text(message.push_name),
        text: text(message.text),
        raw: message.raw,
    }
}

/// The JID a message goes to, from a phone number or a JID. Errors do not repeat what was given: it may be somebody's number.
fn recipient(to: &str) -> Result<Secret<String>, Error> {
    let unusable = || {
        Error::InvalidArgument("The recipient is neither a phone number with country code (such as +49 151 …) nor the JID of a person or group.".into())
    };
    if to.contains('@') {
        let jid: Jid = to.parse().map_err(|_| unusable())?;
        let reachable = matches!(jid.server, Server::Pn | Server::Lid | Server::Group)
            && !jid.user.is_empty()
            && jid.device == 0;
        return reachable
            .then(|| Secret::new(jid.to_string()))
            .ok_or_else(unusable);
    }
    let digits: String = to.chars().filter(|c| !" +-()".contains(*c)).collect();
    // E.164: at most 15 digits with the country code.
    let number = (7..=15).contains(&digits.len())
        && digits.bytes().all(|digit| digit.is_ascii_digit())
        && !digits.starts_with('0');
    number
        .then(|| Secret::new(format!("{digits}@s.whatsapp.net")))
        .ok_or_else(unusable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipient_is_a_number_as_people_write_it_or_a_jid() {
        let jid = |to| recipient(to).unwrap().into_exposed();
        assert_eq!(jid("+49 (151) 000-00001"), "4915100000001@s.whatsapp.net");
        assert_eq!(jid("4915100000001"), "4915100000001@s.whatsapp.net");
        assert_eq!(
            jid("4915100000001@s.whatsapp.net"),
            "4915100000001@s.whatsapp.net"
        );
        assert_eq!(jid("100000000000001@lid"), "100000000000001@lid");
        assert_eq!(jid("120363000000000001@g.us"), "120363000000000001@g.us");
    }
}
