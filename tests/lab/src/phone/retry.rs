//! Retry receipts: what is sent when a message does not open, and what answers it.

use std::str::FromStr as _;

use serde::{Deserialize, Serialize};
use wacore::iq::prekeys::{OneTimePreKeyNode, SignedPreKeyNode};
use wacore::protocol::ProtocolNode as _;
use wacore::protocol::retry::{
    MIN_RETRY_COUNT_FOR_KEYS, RetryReason, extract_registration_id_from_node_ref,
};
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node, NodeRef};
use waproto::whatsapp as wa;

use super::blob::Blob;
use super::keys::Bundle;
use super::message::{Arrived, Sealed};
use super::{Phone, PhoneError};

/// How many sent messages are kept for retries.
const SENT_KEPT: usize = 1000;

/// A message sent, kept for retries.
#[derive(Serialize, Deserialize)]
pub(super) struct Sent {
    id: String,
    chat: String,
    /// The group, when the chat is one.
    group: bool,
    message: Blob,
}

impl Phone {
    /// The children of a retry receipt for `arrived`, which failed for `reason`. `count` is how often this message was
    /// asked for, from 1; from the second time on the phone's keys go with it.
    pub fn ask_again(&mut self, arrived: &Arrived, reason: RetryReason, count: u8) -> Vec<Node> {
        let retry = NodeBuilder::new("retry")
            .attr("v", "1")
            .attr("id", arrived.id)
            .attr("t", arrived.at)
            .attr("count", count)
            .attr("error", reason as u8)
            .build();
        let registration = NodeBuilder::new("registration")
            .bytes(self.registration_id().to_be_bytes().to_vec())
            .build();
        let mut children = vec![retry, registration];
        if count >= MIN_RETRY_COUNT_FOR_KEYS {
            children.push(self.retry_keys());
        }
        children
    }

    /// Answers a retry receipt from `device` for message `id`: the message again, for that device alone. A group message
    /// comes one-to-one with the sender key in it, so the stanza still names the group.
    ///
    /// `bundle` is the one in the receipt (see [`retry_bundle`]), or one fetched from the server; with it the session is
    /// opened anew.
    ///
    /// # Errors
    /// [`PhoneError::UnknownMessage`], [`PhoneError::NoSession`], and those of [`Phone::open_session`].
    pub fn send_again(
        &mut self,
        id: &str,
        device: &Jid,
        bundle: Option<&Bundle>,
    ) -> Result<Sealed, PhoneError> {
        let sent = self
            .sent
            .iter()
            .rfind(|sent| sent.id == id)
            .ok_or(PhoneError::UnknownMessage)?;
        let mut message = waproto::codec::message_decode(&sent.message.0)
            .map_err(|why| PhoneError::BadMessage(why.to_string()))?;
        let chat = Jid::from_str(&sent.chat)
            .map_err(|_| PhoneError::BadMessage("its chat does not parse".to_owned()))?;
        let group = sent.group;
        if let Some(bundle) = bundle {
            self.open_session(device, bundle)?;
        }
        if group {
            message.sender_key_distribution_message = self.distribution(&chat)?.into();
            self.seal_pairwise(device, &message)
        } else {
            self.seal_one(device, &chat, &message)
        }
    }

    pub(super) fn keep_sent(&mut self, id: &str, chat: &Jid, group: bool, message: &wa::Message) {
        if self.sent.len() == SENT_KEPT {
            self.sent.remove(0);
        }
        self.sent.push(Sent {
            id: id.to_owned(),
            chat: chat.to_string(),
            group,
            message: Blob(waproto::codec::message_to_vec(message)),
        });
    }
}

/// The bundle in a retry receipt from `device`; `None` when the receipt carries no keys, or not whole.
pub fn retry_bundle(device: &Jid, receipt: &NodeRef<'_>) -> Option<Bundle> {
    let keys = receipt.get_optional_child("keys")?;
    let bytes = |tag: &str| {
        keys.get_optional_child(tag)
            .and_then(|node| node.content_bytes())
            .map(<[u8]>::to_vec)
    };
    Some(Bundle {
        jid: device.clone(),
        registration_id: extract_registration_id_from_node_ref(receipt)?,
        identity_key: bytes("identity")?,
        signed_pre_key: SignedPreKeyNode::try_from_node_ref(keys.get_optional_child("skey")?)
            .ok()?,
        one_time_pre_key: keys
            .get_optional_child("key")
            .and_then(|key| OneTimePreKeyNode::try_from_node_ref(key).ok()),
        device_identity: bytes("device-identity"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::message::EncKind;
    use super::super::testing::{arrived, linked, said, say};
    use super::*;

    #[test]
    fn a_bad_mac_heals_by_a_retry_receipt_with_keys() {
        let (mut ann, mut ben) = linked();
        let (from, to_ben) = (ann.pn(), ben.pn());
        let mut sealed = say(&mut ann, &to_ben, "A1", "hello");
        sealed.corrupt();
        let broken = arrived("A1", &from, &sealed);
        let reason = ben.open(&broken).unwrap_err().retry_reason().unwrap();
        assert_eq!(reason, RetryReason::BadMac);

        let receipt = |children| NodeBuilder::new("receipt").children(children).build();
        let first = receipt(ben.ask_again(&broken, reason, 1));
        assert!(retry_bundle(&to_ben, &first.as_node_ref()).is_none());
        let second = receipt(ben.ask_again(&broken, reason, 2));
        let bundle = retry_bundle(&to_ben, &second.as_node_ref()).unwrap();

        let again = ann.send_again("A1", &to_ben, Some(&bundle)).unwrap();
        assert_eq!(again.kind, EncKind::PreKey);
        assert_eq!(said(&mut ben, "A1", &ann, &again), "hello");
    }

    #[test]
    fn only_what_was_sent_is_sent_again() {
        let (mut ann, ben) = linked();
        assert!(matches!(
            ann.send_again("nothing", &ben.pn(), None),
            Err(PhoneError::UnknownMessage)
        ));
    }
}
