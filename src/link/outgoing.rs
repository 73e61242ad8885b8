//! Sends the outbox to WhatsApp, each message under the one id it was accepted with: a retry is idempotent.

use std::collections::HashSet;
use std::sync::Arc;

use whatsapp_rust::proto_helpers::MessageBuilderExt;
use whatsapp_rust::send::{SendError, SendOptions};
use whatsapp_rust::types::events::ServerAck;
use whatsapp_rust::waproto::whatsapp as wa;
use whatsapp_rust::{Client, Jid};

use crate::mail::{MailError, OutMessage, OutState, Outbox};

/// Sends the outbox's messages for as long as one connection lasts.
///
/// A message handed to a socket that died before the server's ack is sent again on the next connection, under the
/// same id, which is how WhatsApp and its recipient recognise it.
pub(super) struct Outgoing {
    outbox: Outbox,
    client: Arc<Client>,
    handed_over: HashSet<String>,
}

impl Outgoing {
    pub(super) fn new(outbox: Outbox, client: Arc<Client>) -> Self {
        Self {
            outbox,
            client,
            handed_over: HashSet::new(),
        }
    }

    /// Hands over all that is pending and was not handed over on this connection yet, in order.
    pub(super) async fn drain(&mut self) -> Result<(), MailError> {
        for (_, message) in self.outbox.pending().await? {
            if self.handed_over.contains(&message.id) {
                continue;
            }
            match self.send(&message).await {
                Ok(()) => {
                    self.outbox.mark(&message.id, OutState::Sent).await?;
                    self.handed_over.insert(message.id);
                }
                Err(SendError::InvalidRequest(_)) => {
                    let code = "invalid-recipient".to_owned();
                    self.outbox
                        .mark(&message.id, OutState::Failed { code })
                        .await?;
                }
                // The connection is gone or going: the next one starts over.
                Err(_) if !self.client.is_logged_in() => return Ok(()),
                // This recipient cannot be reached now (no keys, no device list): the next connection tries again.
                Err(_) => tracing::warn!("a message could not be sent; it stays in the outbox"),
            }
        }
        Ok(())
    }

    async fn send(&self, message: &OutMessage) -> Result<(), SendError> {
        let to: Jid = message
            .to
            .expose()
            .parse()
            .map_err(|_| SendError::InvalidRequest("no JID".to_owned()))?;
        let body = wa::Message::text(message.text.expose().as_str());
        let options = SendOptions::default().with_message_id(&message.id);
        self.client
            .send_message_with_options(to, body, options)
            .await
            .map(drop)
    }
}

/// Records WhatsApp's answer to a message. Acks of messages that are not from the outbox mean nothing here.
pub(super) async fn acked(outbox: &Outbox, ack: &ServerAck) -> Result<(), MailError> {
    if outbox.state(&ack.id).is_none() {
        return Ok(());
    }
    let state = match &ack.error {
        None => OutState::Acked,
        Some(code) => OutState::Failed { code: code.clone() },
    };
    outbox.mark(&ack.id, state).await
}
