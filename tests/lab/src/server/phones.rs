//! The phones' side: what device 0 does with what it receives, and how it sends.

use rand::RngExt as _;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, JidExt as _, Node};
use waproto::whatsapp as wa;
use waproto::whatsapp::message::protocol_message;

use super::LabError;
use super::world::{DeviceId, PhoneId, World, now_s};
use crate::phone::PhoneError;
use crate::phone::message::{Arrived, EncKind, Opened, Sealed, retry_bundle};
use crate::wire::stanza::NodeExt;

/// How often a phone asks for a message again.
const MAX_RETRIES: u8 = 5;

impl World {
    /// A stanza for a phone, which is always online.
    pub fn phone_receives(&mut self, phone: &PhoneId, node: &Node) {
        match (&*node.tag, node.text("type").as_str()) {
            ("message", _) => self.phone_opens(phone, node),
            ("receipt", "retry") => self.phone_repeats(phone, node),
            _ => {}
        }
    }

    fn phone_opens(&mut self, phone: &PhoneId, node: &Node) {
        let group = node.jid("from").filter(|from| from.is_group());
        let sender = if group.is_some() {
            "participant"
        } else {
            "from"
        };
        let Some(sender) = node.jid(sender).and_then(|jid| self.resolve(&jid)) else {
            return;
        };
        let id = node.text("id");
        let at = node.text("t").parse().unwrap_or_default();
        let from = sender.jid();
        let mut asked = Vec::new();
        let mut failed = None;
        let Ok(account) = self.account_mut(phone) else {
            return;
        };
        for enc in node.nodes().iter().filter(|child| child.tag == "enc") {
            let Ok(kind) = enc.text("type").parse::<EncKind>() else {
                continue;
            };
            let arrived = Arrived {
                id: &id,
                from: &from,
                group: group.as_ref(),
                kind,
                ciphertext: enc.bytes(),
                at,
            };
            match account.phone.open(&arrived) {
                Ok(Opened::Protocol(protocol)) => asked.push(protocol),
                Ok(Opened::Message(_) | Opened::Repeated | Opened::SenderKey) => {}
                Err(error) => {
                    if let Some(reason) = error.retry_reason() {
                        let count = account.asked_again.entry(id.clone()).or_default();
                        *count = count.saturating_add(1);
                        if *count <= MAX_RETRIES {
                            let count = *count;
                            failed = Some(account.phone.ask_again(&arrived, reason, count));
                        }
                    }
                }
            }
        }
        let mut receipt = NodeBuilder::new("receipt").attr("id", id);
        receipt = match group {
            Some(group) => receipt.attr("to", group).attr("participant", from),
            None => receipt.attr("to", from),
        };
        if let Some(recipient) = node.attrs.get("recipient") {
            receipt = receipt.attr("recipient", recipient.clone());
        }
        let receipt = match failed {
            Some(children) => receipt.attr("type", "retry").children(children),
            // What a companion sent is there (wacore `types/message.rs` waits for it).
            None if sender.phone == *phone => receipt.attr("type", "sender"),
            None => receipt,
        };
        let own = DeviceId {
            phone: phone.clone(),
            device: 0,
        };
        self.pass_on(&own, &receipt.build());
        for protocol in asked {
            self.phone_answers(&sender, &protocol);
        }
    }

    /// A companion asks its phone for something.
    fn phone_answers(&mut self, companion: &DeviceId, asked: &wa::message::ProtocolMessage) {
        if asked.r#type == Some(protocol_message::Type::APP_STATE_SYNC_KEY_REQUEST)
            && let Some(device) = self.device_mut(companion)
        {
            device.key_shared = false;
            self.share_app_state_key(companion);
        }
    }

    /// Shares the account's app-state key with a device that does not have it: after its first login, or when it asks.
    pub fn share_app_state_key(&mut self, to: &DeviceId) {
        let Some(device) = self.device_mut(to) else {
            return;
        };
        if std::mem::replace(&mut device.key_shared, true) {
            return;
        }
        if self.send_key_share(to).is_err()
            && let Some(device) = self.device_mut(to)
        {
            device.key_shared = false;
        }
    }

    fn send_key_share(&mut self, to: &DeviceId) -> Result<(), LabError> {
        let jid = to.jid();
        self.open_sessions(&to.phone, std::slice::from_ref(&jid))?;
        let phone = &mut self.account_mut(&to.phone)?.phone;
        let share = phone.app_state_key_share(now_s());
        let sealed = phone.seal_peer(&jid, &share)?;
        let message = NodeBuilder::new("message")
            .attr("id", message_id())
            .attr("to", jid)
            .attr("type", "protocol")
            .attr("category", "peer")
            .children([enc(&sealed)])
            .build();
        self.phone_posts(&to.phone, &message)
    }

    /// Answers a retry receipt.
    fn phone_repeats(&mut self, phone: &PhoneId, node: &Node) {
        let group = node.jid("from").filter(|from| from.is_group());
        let asker = if group.is_some() {
            "participant"
        } else {
            "from"
        };
        let Some(asker) = node.jid(asker).and_then(|jid| self.resolve(&jid)) else {
            return;
        };
        let id = node.text("id");
        let jid = asker.jid();
        let given = retry_bundle(&jid, &node.as_node_ref());
        let Ok(account) = self.account_mut(phone) else {
            return;
        };
        let sealed = match account.phone.send_again(&id, &jid, given.as_ref()) {
            Err(PhoneError::NoSession) => {
                let Some(fetched) = self.bundle(&asker) else {
                    return;
                };
                let Ok(account) = self.account_mut(phone) else {
                    return;
                };
                account.phone.send_again(&id, &jid, Some(&fetched))
            }
            done => done,
        };
        // A message that the phone did not send, or no longer has, stays unanswered.
        let Ok(sealed) = sealed else { return };
        let mut message = NodeBuilder::new("message")
            .attr("id", id)
            .attr("type", "text");
        message = match group {
            Some(group) => message.attr("to", group).attr("participant", jid),
            None => message.attr("to", jid),
        };
        if let Some(recipient) = node.attrs.get("recipient") {
            message = message.attr("recipient", recipient.clone());
        }
        let count = node
            .child(&["retry"])
            .map(|retry| retry.text("count"))
            .unwrap_or_default();
        let mut enc = enc(&sealed);
        enc.attrs.insert("count", count);
        self.phone_posts(phone, &message.children([enc]).build())
            .ok();
    }

    /// A phone sends a message to an account or a group. Gives the message's id.
    pub fn phone_sends(
        &mut self,
        phone: &PhoneId,
        to: &Jid,
        message: &wa::Message,
    ) -> Result<String, LabError> {
        let id = message_id();
        let kind = if message.image_message.is_set() {
            "media"
        } else {
            "text"
        };
        let mut stanza = NodeBuilder::new("message")
            .attr("id", id.as_str())
            .attr("to", to.clone())
            .attr("type", kind);
        let own = self.devices_of(phone);
        if to.is_group() {
            let group = self
                .groups
                .get(&to.to_string())
                .filter(|group| group.members.contains_key(phone))
                .ok_or(LabError::NoSuchGroup)?;
            let members: Vec<PhoneId> = group.members.keys().cloned().collect();
            let devices = jids(members.iter().flat_map(|member| self.devices_of(member)));
            let lacking = self
                .account(phone)?
                .phone
                .without_group_session(to, &devices);
            self.open_sessions(phone, &lacking)?;
            let account = self.account_mut(phone)?;
            let sealed = account.phone.seal_group(&id, to, message, &devices)?;
            let participants = participants(&sealed.distribution);
            stanza = stanza.children(participants.into_iter().chain([enc(&sealed.body)]));
        } else {
            let recipient = self.owner(to).ok_or(LabError::NoSuchPhone)?;
            let others = (recipient != *phone).then(|| self.devices_of(&recipient));
            let devices = jids(others.into_iter().flatten().chain(own));
            self.open_sessions(phone, &devices)?;
            let account = self.account_mut(phone)?;
            let sealed = account.phone.seal(&id, to, message, &devices)?;
            stanza = stanza.children(participants(&sealed));
        }
        self.phone_posts(phone, &stanza.build())?;
        Ok(id)
    }

    fn phone_posts(&mut self, phone: &PhoneId, message: &Node) -> Result<(), LabError> {
        let own = DeviceId {
            phone: phone.clone(),
            device: 0,
        };
        self.post(&own, message).map_err(LabError::Refused)
    }

    /// Opens the sessions that a phone lacks.
    fn open_sessions(&mut self, phone: &PhoneId, devices: &[Jid]) -> Result<(), LabError> {
        let lacking = self.account(phone)?.phone.without_session(devices);
        for jid in lacking {
            let Some(device) = self.resolve(&jid) else {
                continue;
            };
            if device.phone == *phone && device.device == 0 {
                continue;
            }
            if let Some(bundle) = self.bundle(&device) {
                self.account_mut(phone)?.phone.open_session(&jid, &bundle)?;
            }
        }
        Ok(())
    }
}

fn jids(devices: impl IntoIterator<Item = DeviceId>) -> Vec<Jid> {
    devices.into_iter().map(|device| device.jid()).collect()
}

fn participants(sealed: &[Sealed]) -> Option<Node> {
    let to: Vec<Node> = sealed
        .iter()
        .map(|sealed| {
            NodeBuilder::new("to")
                .attr("jid", sealed.to.clone())
                .children([enc(sealed)])
                .build()
        })
        .collect();
    (!to.is_empty()).then(|| NodeBuilder::new("participants").children(to).build())
}

fn enc(sealed: &Sealed) -> Node {
    NodeBuilder::new("enc")
        .attr("v", "2")
        .attr("type", sealed.kind.as_str())
        .bytes(sealed.ciphertext.clone())
        .build()
}

/// An id as phones choose them.
fn message_id() -> String {
    let mut bytes = [0; 9];
    rand::rng().fill(&mut bytes);
    format!("3A{}", hex::encode_upper(bytes))
}
