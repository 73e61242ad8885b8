//! Commits messages to the inbox, durable before WhatsApp gets its ack.

use std::sync::Arc;

use holdfast_core::Event;
use holdfast_medium::Secret;
use tokio::sync::mpsc;
use wacore::types::message::MessageCategory;
use whatsapp_rust::buffa::Message as _;
use whatsapp_rust::proto_helpers::MessageExt;
use whatsapp_rust::types::events::InboundMessage;
use whatsapp_rust::{Client, InboundDurabilityHook};

use crate::journal;
use crate::mail::{Inbox, MailError, Message};

/// The library's durability hook: it acks a message only after this returned `Ok`.
pub(super) struct ToInbox {
    pub(super) inbox: Inbox,
    pub(super) events: mpsc::UnboundedSender<Event>,
}

impl ToInbox {
    /// Commits the messages a human or program would want to read, atomically. `acked` ones WhatsApp no longer has.
    pub(super) async fn commit(
        &self,
        batch: &[InboundMessage],
        acked: bool,
    ) -> Result<(), MailError> {
        let messages: Vec<_> = batch
            .iter()
            .filter(|inbound| is_mail(inbound))
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
fn is_mail(inbound: &InboundMessage) -> bool {
    let info = &inbound.info;
    info.category != MessageCategory::Peer || !info.source.is_from_me
}

fn to_mail(inbound: &InboundMessage) -> Message {
    let info = &inbound.info;
    let text = inbound
        .message
        .text_content()
        .or_else(|| inbound.message.get_caption());
    Message {
        id: info.id.to_string(),
        chat: Secret::new(info.source.chat.to_string()),
        sender: Secret::new(info.source.sender.to_string()),
        timestamp_s: info.timestamp.timestamp(),
        push_name: (!info.push_name.is_empty()).then(|| Secret::new(info.push_name.clone())),
        text: text.map(|text| Secret::new(text.to_owned())),
        raw: inbound.message.encode_to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use wacore::types::message::{MessageInfo, MessageSource};

    use super::*;

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
            let info = Arc::new(MessageInfo {
                source,
                category,
                ..MessageInfo::default()
            });
            let inbound = InboundMessage::builder().message(Arc::default()).info(info);
            assert_eq!(is_mail(&inbound.build()), mail);
        }
    }
}
