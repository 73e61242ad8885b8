//! What a message of the outbox is to WhatsApp: a `wa::Message`.

use whatsapp_rust::buffa::Message as _;
use whatsapp_rust::proto_helpers::MessageBuilderExt;
use whatsapp_rust::waproto::whatsapp as wa;

use crate::mail::OutMessage;

pub(super) fn body(message: &OutMessage) -> wa::Message {
    wa::Message::text(message.text.expose().as_str())
}

/// A message as it is sent, before it is encrypted: protobuf.
pub fn encoded(message: &OutMessage) -> Vec<u8> {
    body(message).encode_to_vec()
}
