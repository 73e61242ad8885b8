//! What the phone has received.

use serde::{Deserialize, Serialize};
use waproto::whatsapp as wa;

use super::Phone;
use super::media::ImageReference;

/// A message that the phone received, or that another device of its account sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// The message id that its sender chose.
    pub id: String,
    /// The JID of the sending device, as the server named it.
    pub from: String,
    /// The JID of the chat: the other account, or the group.
    pub chat: String,
    /// When the server stamped it, Unix time in seconds.
    pub at: u64,
    /// What was said.
    pub content: Content,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// A text, plain or extended.
    Text(String),
    /// An image by reference.
    Image(ImageReference),
    /// Anything else: the name of the first set field that the lab knows, or `other`.
    Other(String),
}

impl Content {
    pub(super) fn of(message: &wa::Message) -> Content {
        if let Some(text) = &message.conversation {
            return Content::Text(text.clone());
        }
        if let Some(text) = message
            .extended_text_message
            .as_option()
            .and_then(|extended| extended.text.clone())
        {
            return Content::Text(text);
        }
        if let Some(image) = message.image_message.as_option() {
            return Content::Image(ImageReference::of(image));
        }
        let other = if message.protocol_message.is_set() {
            "protocol"
        } else if message.reaction_message.is_set() {
            "reaction"
        } else {
            "other"
        };
        Content::Other(other.to_owned())
    }
}

impl Phone {
    /// Everything received, oldest first, each message once.
    pub fn inbox(&self) -> &[Received] {
        &self.inbox
    }

    /// Whether this message was received before, by another delivery or another retry.
    pub(super) fn has_received(&self, chat: &str, from: &str, id: &str) -> bool {
        self.inbox
            .iter()
            .any(|seen| seen.id == id && seen.chat == chat && seen.from == from)
    }
}
