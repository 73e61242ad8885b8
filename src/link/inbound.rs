//! Commits messages to the inbox, durable before WhatsApp gets its ack.

use std::sync::Arc;

use holdfast_core::Event;
use holdfast_medium::Secret;
use tokio::sync::mpsc;
use wacore::types::call::{CallAction, IncomingCall, MissedCall};
use wacore::types::message::{MessageCategory, MessageInfo};
use wacore_binary::JidExt as _;
use whatsapp_rust::buffa::Message as _;
use whatsapp_rust::proto_helpers::MessageExt;
use whatsapp_rust::types::events::{InboundMessage, UndecryptableMessage};
use whatsapp_rust::{Client, InboundDurabilityHook, Jid};

use crate::config::Chats;
use crate::journal;
use crate::mail::{Inbox, MailError, Message, Stub};

/// What is for the inbox and passes the durability hook by.
pub(super) enum Intake {
    /// Newsletters, and what the phone sends in place of a message that could not be read.
    Messages(Vec<InboundMessage>),
    /// In place of a message that is not there.
    Stub(Stub, Message),
}

/// The library's durability hook: it acks a message only after this returned `Ok`.
pub(super) struct ToInbox {
    pub(super) inbox: Inbox,
    pub(super) events: mpsc::UnboundedSender<Event>,
    /// Of which chats the owner wants messages.
    pub(super) chats: Chats,
}

impl ToInbox {
    fn wants_stub(&self, message: &Message) -> bool {
        match message.chat.expose().parse::<Jid>() {
            Ok(chat) => wants(self.chats, &chat),
            Err(_) => true,
        }
    }

    /// Commits what passes the hook by, as it comes, until the mail fails.
    pub(super) async fn take_in(&self, mut intake: mpsc::UnboundedReceiver<Intake>) {
        while let Some(next) = intake.recv().await {
            let kept = match next {
                Intake::Messages(batch) => self.commit(&batch, true).await,
                Intake::Stub(_, message) if !self.wants_stub(&message) => Ok(()),
                Intake::Stub(stub, message) => self.inbox.commit_stub(stub, message).await,
            };
            if let Err(error) = kept {
                tracing::error!(%error, "mail could not be kept; the connection ends");
                return;
            }
        }
        std::future::pending().await
    }

    /// Commits the messages a human or program would want to read, atomically. `acked` ones WhatsApp no longer has.
    pub(super) async fn commit(
        &self,
        batch: &[InboundMessage],
        acked: bool,
    ) -> Result<(), MailError> {
        let messages: Vec<_> = batch
            .iter()
            .filter(|inbound| {
                is_mail(&inbound.info) && wants(self.chats, &inbound.info.source.chat)
            })
            .map(to_mail)
            .collect();
        if messages.is_empty() {
            return Ok(());
        }
        let count = messages.len();
        let committed = if acked {
            self.inbox.commit_last_copy(messages).await
        } else {
            self.inbox.commit(messages).await
        };
        if let Err(MailError::NoRoom { .. }) = &committed {
            let _ = self.events.send(Event::InboxFull);
        }
        committed?;
        journal::messages_accepted(count, *self.inbox.newest().borrow());
        Ok(())
    }
}

#[async_trait::async_trait]
impl InboundDurabilityHook for ToInbox {
    async fn on_messages(
        &self,
        _client: Arc<Client>,
        batch: &[InboundMessage],
    ) -> anyhow::Result<()> {
        Ok(self.commit(batch, false).await?)
    }
}

/// Peer messages of one's own are the phone talking to its devices (key shares, history): the library's business. Anybody else may
/// call his a peer message, too.
fn is_mail(info: &MessageInfo) -> bool {
    info.category != MessageCategory::Peer || !info.source.is_from_me
}

/// Whether a chat is kept.
fn wants(chats: Chats, chat: &Jid) -> bool {
    match chat {
        chat if chat.is_status_broadcast() => chats.status,
        chat if chat.is_newsletter() => chats.newsletters,
        chat if chat.is_group() => chats.groups,
        _ => true,
    }
}

/// The stub of a message that could not be decrypted, or was not given to us.
pub(super) fn unread(message: &UndecryptableMessage) -> Option<(Stub, Message)> {
    let on_the_phone = message.is_unavailable && message.unavailable_type.is_unrecoverable_fanout();
    let stub = match on_the_phone {
        true => Stub::PhoneOnly,
        false => Stub::Undecryptable,
    };
    is_mail(&message.info).then(|| (stub, empty(&message.info)))
}

/// The stub of a call, when it is offered.
pub(super) fn call(call: &IncomingCall) -> Option<(Stub, Message)> {
    let is_offer = matches!(
        call.action,
        CallAction::Offer { .. } | CallAction::OfferNotice { .. }
    );
    is_offer.then(|| {
        let mut message = call_of(
            &call.from,
            call.action.call_id(),
            call.timestamp.timestamp(),
        );
        message.push_name = call.notify.clone().map(Secret::new);
        (Stub::Call, message)
    })
}

/// The stub of a call that was offered while nobody was there.
pub(super) fn missed_call(call: &MissedCall) -> (Stub, Message) {
    let message = call_of(&call.from, &call.call_id, call.timestamp.timestamp());
    (Stub::Call, message)
}

fn call_of(from: &Jid, id: &str, timestamp_s: i64) -> Message {
    let caller = Secret::new(from.to_non_ad().to_string());
    Message {
        id: id.to_owned(),
        chat: caller.clone(),
        sender: caller,
        timestamp_s,
        push_name: None,
        text: None,
        raw: Vec::new(),
    }
}

fn to_mail(inbound: &InboundMessage) -> Message {
    let text = inbound
        .message
        .text_content()
        .or_else(|| inbound.message.get_caption());
    Message {
        text: text.map(|text| Secret::new(text.to_owned())),
        raw: inbound.message.encode_to_vec(),
        ..empty(&inbound.info)
    }
}

/// A message without its content.
fn empty(info: &MessageInfo) -> Message {
    Message {
        id: info.id.to_string(),
        chat: Secret::new(info.source.chat.to_string()),
        sender: Secret::new(info.source.sender.to_string()),
        timestamp_s: info.timestamp.timestamp(),
        push_name: (!info.push_name.is_empty()).then(|| Secret::new(info.push_name.clone())),
        text: None,
        raw: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use wacore::types::message::MessageSource;

    use super::*;

    #[test]
    fn a_chat_that_nobody_wants_is_left_out() {
        let all = Chats {
            status: true,
            newsletters: true,
            groups: true,
        };
        let of = |jid: &str| jid.parse::<Jid>().unwrap();
        for (chats, chat) in [
            (
                Chats {
                    status: false,
                    ..all
                },
                "status@broadcast",
            ),
            (
                Chats {
                    newsletters: false,
                    ..all
                },
                "120363000000000001@newsletter",
            ),
            (
                Chats {
                    groups: false,
                    ..all
                },
                "120363000000000002@g.us",
            ),
        ] {
            assert!(!wants(chats, &of(chat)) && wants(all, &of(chat)), "{chat}");
            assert!(wants(chats, &of("15550000002@s.whatsapp.net")));
            assert!(wants(chats, &of("169129725123462@lid")));
        }
    }

    #[test]
    fn only_one_s_own_phone_has_peer_messages() {
        for (category, is_from_me, mail) in [
            (MessageCategory::Peer, true, false),
            (MessageCategory::Peer, false, true),
            (MessageCategory::Empty, true, true),
        ] {
            let source = MessageSource {
                is_from_me,
                ..MessageSource::default()
            };
            let info = MessageInfo {
                source,
                category,
                ..MessageInfo::default()
            };
            assert_eq!(is_mail(&info), mail);
        }
    }
}
