//! Who has which devices, and under which names (`usync`).

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use super::reply;
use super::world::{DeviceId, Form, PhoneId, World, now_s};
use crate::wire::stanza::NodeExt;

impl World {
    pub fn usync(&mut self, from: &DeviceId, iq: &Node) -> Node {
        let Some(usync) = iq.child(&["usync"]) else {
            return reply::error(iq, 400, "bad-request");
        };
        let protocols: Vec<String> = usync
            .child(&["query"])
            .map(NodeExt::nodes)
            .unwrap_or_default()
            .iter()
            .map(|protocol| protocol.tag.to_string())
            .collect();
        let asked = usync
            .child(&["list"])
            .map(NodeExt::nodes)
            .unwrap_or_default();
        let users: Vec<Node> = asked
            .iter()
            .filter_map(|user| self.user(from, user, &protocols))
            .collect();
        let result = protocols
            .iter()
            .map(|protocol| NodeBuilder::new_dynamic(protocol.clone()).build());
        let mut answer = NodeBuilder::new("usync").children([
            NodeBuilder::new("result").children(result).build(),
            NodeBuilder::new("list").children(users).build(),
        ]);
        for attribute in ["sid", "index", "last", "mode", "context"] {
            if let Some(value) = usync.attrs.get(attribute) {
                answer = answer.attr(attribute, value.clone());
            }
        }
        reply::result(iq, [answer.build()])
    }

    /// One `<user>` of the answer; `None` when the question names nobody.
    fn user(&mut self, from: &DeviceId, asked: &Node, protocols: &[String]) -> Option<Node> {
        let contact = asked.child(&["contact"]);
        let jid = asked
            .jid("jid")
            .or_else(|| whom(std::str::from_utf8(contact?.bytes()).ok()?))?;
        let Some(phone) = self.owner(&jid) else {
            let out = NodeBuilder::new("contact").attr("type", "out").build();
            let user = NodeBuilder::new("user").attr("jid", jid.to_non_ad());
            return Some(user.children([out]).build());
        };
        if let Ok(account) = self.account_mut(&phone) {
            account.known_to.insert(from.phone.clone());
        }
        let own = DeviceId {
            phone: phone.clone(),
            device: 0,
        };
        let mut answers = Vec::new();
        for protocol in protocols {
            let answer = match protocol.as_str() {
                "devices" => Some(self.device_list(&phone)),
                "lid" => Some(
                    NodeBuilder::new("lid")
                        .attr("val", self.address(&own, Form::Lid))
                        .build(),
                ),
                "contact" => {
                    let mut found = NodeBuilder::new("contact").attr("type", "in");
                    if let Some(contact) = contact {
                        found = found.bytes(contact.bytes().to_vec());
                    }
                    Some(found.build())
                }
                "status" => Some(
                    NodeBuilder::new("status")
                        .attr("t", 0)
                        .bytes(Vec::new())
                        .build(),
                ),
                _ => None,
            };
            answers.extend(answer);
        }
        let mut user = NodeBuilder::new("user").attr("jid", jid.to_non_ad());
        if jid.is_lid() {
            user = user.attr("pn_jid", self.address(&own, Form::Pn));
        }
        Some(user.children(answers).build())
    }

    fn device_list(&mut self, phone: &PhoneId) -> Node {
        let now = now_s();
        let Some(account) = self.accounts.get_mut(phone) else {
            return NodeBuilder::new("devices").build();
        };
        let mut devices = vec![NodeBuilder::new("device").attr("id", 0).build()];
        for number in account.devices.keys() {
            let mut device = NodeBuilder::new("device").attr("id", *number);
            if let Some(companion) = account.phone.companion(*number) {
                device = device.attr("key-index", companion.key_index());
            }
            devices.push(device.build());
        }
        let mut children = vec![NodeBuilder::new("device-list").children(devices).build()];
        if !account.devices.is_empty()
            && let Ok(list) = account.phone.key_index_list(now)
        {
            let list = NodeBuilder::new("key-index-list")
                .attr("ts", now)
                .bytes(list);
            children.push(list.build());
        }
        NodeBuilder::new("devices").children(children).build()
    }
}

/// Whom a `<contact>` means: a number, with or without `+`, or an address. whatsmeow asks for `+15550000001@c.us`.
fn whom(contact: &str) -> Option<Jid> {
    let (user, server) = contact.split_once('@').unwrap_or((contact, "c.us"));
    let user = user.trim_start_matches('+');
    let is_number = !user.is_empty() && user.bytes().all(|byte| byte.is_ascii_digit());
    match server {
        _ if !is_number => None,
        "c.us" | "s.whatsapp.net" => Some(Jid::pn(user)),
        "lid" => Some(Jid::lid(user)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::slice;

    use wacore_binary::node::NodeValue;
    use wacore_binary::{OwnedNodeRef, marshal, util};

    use super::super::world::Times;
    use super::*;
    use crate::ledger::Ledger;

    const NUMBER: &str = "15550000009";

    /// What is answered to a question about this contact, over the wire: the addresses of its users.
    fn told(contact: &str) -> Vec<NodeValue> {
        let asked = NodeBuilder::new("contact").bytes(contact.as_bytes().to_vec());
        let user = NodeBuilder::new("user").children([asked.build()]).build();
        let query = NodeBuilder::new("query").children([NodeBuilder::new("contact").build()]);
        let list = NodeBuilder::new("list").children([user]);
        let usync = NodeBuilder::new("usync").children([query.build(), list.build()]);
        let iq = NodeBuilder::new("iq").children([usync.build()]).build();
        let asks = DeviceId {
            phone: PhoneId("15550000001".to_owned()),
            device: 1,
        };
        let answer = World::new(Times::default(), Ledger::new()).usync(&asks, &iq);
        let wire = util::unpack_bytes(marshal(&answer).unwrap()[..].into()).unwrap();
        let read = OwnedNodeRef::new(wire).unwrap().to_owned_node();
        let users = read.child(&["usync", "list"]).unwrap().nodes();
        let jid = |user: &Node| user.attrs.get("jid").unwrap().clone();
        users.iter().map(jid).collect()
    }

    #[test]
    fn a_contact_is_answered_by_one_address_however_it_was_asked_for() {
        let number = NodeValue::from(Jid::pn(NUMBER));
        for asked in ["", "+"].map(|plus| format!("{plus}{NUMBER}")) {
            for server in ["", "@c.us", "@s.whatsapp.net"] {
                assert_eq!(told(&format!("{asked}{server}")), slice::from_ref(&number));
            }
        }
        assert_eq!(
            told("169129725123462@lid"),
            [NodeValue::from(Jid::lid("169129725123462"))]
        );
        for nobody in ["", "@c.us", "1@2@c.us", "you@c.us", "1@example.org"] {
            assert!(told(nobody).is_empty(), "{nobody}");
        }
    }
}
