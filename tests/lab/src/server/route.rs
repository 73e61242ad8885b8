//! Routing: messages to every device they are encrypted for, receipts back to whom they concern.

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, JidExt as _, Node};

use super::fault::{self, Occasion};
use super::queue::Confirmation;
use super::reply;
use super::world::{DeviceId, Form, PhoneId, World, now_s};
use crate::wire::stanza::NodeExt;

/// The error for a message to no group: it does not exist, or the sender is no member.
const NOT_FOUND: u16 = 404;

/// One message on its way: what all its copies have in common.
struct Letter<'a> {
    sender: &'a DeviceId,
    stanza: &'a Node,
    /// The account or group it was sent to, without a device.
    chat: Jid,
    at: u64,
}

impl World {
    /// A message from a device: routed, then acknowledged.
    pub fn route_message(&mut self, serial: u64, sender: &DeviceId, node: &Node) {
        let id = node.text("id");
        let struck = self
            .faults
            .strike_at(&sender.clone().into(), Occasion::Send)
            .and_then(fault::nack);
        if struck == Some(fault::NO_NEW_CHATS) {
            let until = now_s() + fault::NO_NEW_CHATS_S;
            self.no_new_chats.insert(sender.phone.clone(), until);
        }
        let refused = struck.or_else(|| self.post(sender, node).err());
        self.ledger.server_acked(&sender.to_string(), &id, refused);
        let answer = match refused {
            Some(code) => reply::nack("message", node, code),
            None => reply::ack("message", node),
        };
        self.send(serial, answer);
    }

    /// Delivers a message, from a device or from a phone.
    ///
    /// # Errors
    /// The code of the nack.
    pub fn post(&mut self, sender: &DeviceId, node: &Node) -> Result<(), u16> {
        let to = node.jid("to").ok_or(NOT_FOUND)?;
        let letter = Letter {
            sender,
            stanza: node,
            chat: to.to_non_ad(),
            at: now_s(),
        };
        if to.is_group() {
            self.post_to_group(&letter)
        } else {
            // WhatsApp acks what is for nobody too, and the sender's own devices get it (tulir/whatsmeow#347).
            self.post_to_account(&letter, &to);
            Ok(())
        }
    }

    fn post_to_account(&mut self, letter: &Letter, to: &Jid) {
        for (jid, enc) in addressed(letter.stanza) {
            self.drop_off(letter, &jid, [enc.clone()]);
        }
        // Without participants it is for the one device it names: a message among own devices, or a retry.
        let bare: Vec<Node> = encs(letter.stanza).cloned().collect();
        if !bare.is_empty() {
            self.drop_off(letter, to, bare);
        }
    }

    fn post_to_group(&mut self, letter: &Letter) -> Result<(), u16> {
        let group = self.groups.get(&letter.chat.to_string()).ok_or(NOT_FOUND)?;
        if !group.members.contains_key(&letter.sender.phone) {
            return Err(NOT_FOUND);
        }
        let members: Vec<PhoneId> = group.members.keys().cloned().collect();
        let distributed = addressed(letter.stanza);
        let body: Vec<Node> = encs(letter.stanza).cloned().collect();
        for enc in body.iter().filter(|enc| enc.text("type") == "skmsg") {
            self.ledger.enc(
                &letter.sender.to_string(),
                &letter.chat.to_string(),
                "skmsg",
                enc.bytes(),
            );
        }
        // A retry is for one member's device alone.
        if let Some(only) = letter.stanza.jid("participant") {
            self.drop_off(letter, &only, body);
            return Ok(());
        }
        for member in members {
            for device in self.devices_of(&member) {
                if device == *letter.sender {
                    continue;
                }
                let key = distributed
                    .iter()
                    .find(|(jid, _)| self.resolve(jid).as_ref() == Some(&device))
                    .map(|(_, enc)| (*enc).clone());
                let jid = self.address(&device, Form::Lid);
                self.drop_off(letter, &jid, key.into_iter().chain(body.iter().cloned()));
            }
        }
        Ok(())
    }

    /// One copy, for one device.
    fn drop_off(&mut self, letter: &Letter, to: &Jid, encs: impl IntoIterator<Item = Node>) {
        let Some(recipient) = self.resolve(to) else {
            return;
        };
        let form = Form::of(to);
        let sender = self.address(letter.sender, form);
        let sender_alt = self.address(letter.sender, form.other());
        let mut builder = NodeBuilder::new("message")
            .attr("id", letter.stanza.text("id"))
            .attr("t", letter.at);
        for attribute in ["type", "edit", "category"] {
            if let Some(value) = letter.stanza.attrs.get(attribute) {
                builder = builder.attr(attribute, value.clone());
            }
        }
        if let Ok(account) = self.account(&letter.sender.phone) {
            builder = builder.attr("notify", account.phone.push_name());
        }
        builder = if letter.chat.is_group() {
            let (mode, alt) = match form {
                Form::Lid => ("lid", "participant_pn"),
                Form::Pn => ("pn", "participant_lid"),
            };
            builder
                .attr("from", letter.chat.clone())
                .attr("participant", sender)
                .attr("addressing_mode", mode)
                .attr(alt, sender_alt.to_non_ad())
        } else {
            let alt = match form {
                Form::Lid => "sender_pn",
                Form::Pn => "sender_lid",
            };
            let own = recipient.phone == letter.sender.phone;
            let peer = letter.stanza.text("category") == "peer";
            if own && !peer {
                // A retry names the chat apart, since it is addressed to a device.
                let chat = letter.stanza.jid("recipient");
                builder = builder.attr("recipient", chat.unwrap_or_else(|| letter.chat.clone()));
            }
            builder
                .attr("from", sender)
                .attr(alt, sender_alt.to_non_ad())
        };
        let mut children: Vec<Node> = encs.into_iter().collect();
        for enc in children.iter().filter(|enc| enc.text("type") != "skmsg") {
            self.ledger.enc(
                &letter.sender.to_string(),
                &recipient.to_string(),
                &enc.text("type"),
                enc.bytes(),
            );
        }
        for tag in ["device-identity", "meta"] {
            children.extend(letter.stanza.child(&[tag]).cloned());
        }
        self.deliver(&recipient, builder.children(children).build());
    }

    /// A receipt from a device: it confirms, and is passed on. One that asks again confirms nothing: the ack of what could
    /// not be read follows it, and must not be taken for the ack of what is sent again under the same id.
    pub fn route_receipt(&mut self, serial: u64, from: &DeviceId, node: &Node) {
        let items = node
            .child(&["list"])
            .map(NodeExt::nodes)
            .unwrap_or_default()
            .iter()
            .map(|item| item.text("id"));
        let again = node.text("type") == "retry";
        let ids = std::iter::once(node.text("id")).chain(items);
        for id in ids.filter(|_| !again) {
            self.confirm(
                from,
                &Confirmation {
                    class: "message",
                    id: &id,
                    to: node.jid("to"),
                    error: None,
                },
            );
        }
        self.send(serial, reply::ack("receipt", node));
        self.pass_on(from, node);
    }

    /// Passes a receipt on, from a device or from a phone.
    pub fn pass_on(&mut self, from: &DeviceId, node: &Node) {
        let kind = node.text("type");
        let Some(to) = node.jid("to") else { return };
        let to_device = match (to.is_group(), node.jid("participant")) {
            (true, Some(participant)) => participant,
            (true, None) => return,
            (false, _) => to.clone(),
        };
        let Some(author) = self.resolve(&to_device) else {
            return;
        };
        let recipients = match kind.as_str() {
            "retry" | "sender" => vec![author],
            // What a device tells its own account concerns the other devices of it.
            "read-self" | "played-self" => self.devices_of(&from.phone),
            "peer_msg" | "hist_sync" | "inactive" => return,
            _ if author.phone == from.phone => return,
            _ => self.devices_of(&author.phone),
        };
        let reader = self.address(from, Form::of(&to_device));
        let mut builder = NodeBuilder::new("receipt")
            .attr("id", node.text("id"))
            .attr("t", now_s());
        for attribute in ["type", "recipient", "category"] {
            if let Some(value) = node.attrs.get(attribute) {
                builder = builder.attr(attribute, value.clone());
            }
        }
        builder = if to.is_group() {
            builder.attr("from", to).attr("participant", reader)
        } else {
            builder.attr("from", reader)
        };
        let receipt = builder.apply_content(node.content.clone()).build();
        for recipient in recipients.into_iter().filter(|device| device != from) {
            self.deliver(&recipient, receipt.clone());
        }
    }
}

/// The `<to>` of `<participants>` with their `<enc>`.
fn addressed(message: &Node) -> Vec<(Jid, &Node)> {
    message
        .child(&["participants"])
        .map(NodeExt::nodes)
        .unwrap_or_default()
        .iter()
        .filter_map(|to| Some((to.jid("jid")?, to.child(&["enc"])?)))
        .collect()
}

/// The `<enc>` directly in the message.
fn encs(message: &Node) -> impl Iterator<Item = &Node> {
    message.nodes().iter().filter(|child| child.tag == "enc")
}
