//! Groups: made, asked for and changed by members (`w:g2`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, JidExt as _, Node};

use super::LabError;
use super::fault::{Fault, SERVER_ERROR};
use super::reply;
use super::world::{DeviceId, Form, PhoneId, World, now_s};
use crate::wire::stanza::NodeExt;

/// A group; its members speak of each other by LID, as in WhatsApp's groups today.
#[derive(Serialize, Deserialize)]
pub(super) struct Group {
    pub subject: String,
    pub creator: PhoneId,
    /// Unix time in seconds.
    pub created: u64,
    /// Who belongs to it, and whether as an admin.
    pub members: BTreeMap<PhoneId, bool>,
}

impl World {
    /// Makes a group of `owner` and `members` and tells them.
    pub fn create_group(
        &mut self,
        owner: &PhoneId,
        subject: &str,
        members: &[PhoneId],
    ) -> Result<Jid, LabError> {
        for member in members.iter().chain([owner]) {
            self.account(member)?;
        }
        let created = now_s();
        // 18 digits beginning with 120363, like WhatsApp's.
        let id = Jid::group(format!(
            "120363{:012}",
            created * 100 + self.groups.len() as u64
        ));
        let mut all: BTreeMap<PhoneId, bool> = members
            .iter()
            .map(|member| (member.clone(), false))
            .collect();
        all.insert(owner.clone(), true);
        let group = Group {
            subject: subject.to_owned(),
            creator: owner.clone(),
            created,
            members: all,
        };
        self.groups.insert(id.to_string(), group);
        let change = NodeBuilder::new("create").children(self.group_node(&id));
        self.group_changed(&id, owner, change.build());
        Ok(id)
    }

    /// A question about groups, or a change.
    pub fn group_query(&mut self, from: &DeviceId, iq: &Node) -> Node {
        let Some(asked) = iq.nodes().first() else {
            return reply::error(iq, 400, "bad-request");
        };
        if self.faults.strikes(from, Fault::GroupError) {
            let (code, text) = SERVER_ERROR;
            return reply::error(iq, code, text);
        }
        let group = iq
            .jid("to")
            .filter(|to| to.is_group() && !to.user.is_empty());
        match (&*asked.tag, group) {
            ("create", _) => {
                let members: Vec<PhoneId> = asked
                    .nodes()
                    .iter()
                    .filter_map(|child| self.owner(&child.jid("jid")?))
                    .collect();
                match self.create_group(&from.phone, &asked.text("subject"), &members) {
                    Ok(id) => reply::result(iq, self.group_node(&id)),
                    Err(_) => reply::error(iq, 404, "item-not-found"),
                }
            }
            ("participating", _) => {
                let mine: Vec<Node> = self
                    .groups
                    .iter()
                    .filter(|(_, group)| group.members.contains_key(&from.phone))
                    .filter_map(|(id, _)| self.group_node(&id.parse().ok()?))
                    .collect();
                reply::result(iq, [NodeBuilder::new("groups").children(mine).build()])
            }
            ("query", Some(id)) => match self.member(from, &id) {
                true => reply::result(iq, self.group_node(&id)),
                false => reply::error(iq, 403, "forbidden"),
            },
            (change @ ("add" | "remove"), Some(id)) => self.change_members(from, iq, &id, change),
            ("subject", Some(id)) if self.member(from, &id) => {
                let subject = String::from_utf8_lossy(asked.bytes()).into_owned();
                if let Some(group) = self.groups.get_mut(&id.to_string()) {
                    group.subject.clone_from(&subject);
                }
                let change = NodeBuilder::new("subject")
                    .attr("subject", subject)
                    .attr("s_t", now_s());
                self.group_changed(&id, &from.phone, change.build());
                reply::result(iq, [])
            }
            _ => reply::error(iq, 501, "feature-not-implemented"),
        }
    }

    fn member(&self, from: &DeviceId, group: &Jid) -> bool {
        self.groups
            .get(&group.to_string())
            .is_some_and(|group| group.members.contains_key(&from.phone))
    }

    fn change_members(&mut self, from: &DeviceId, iq: &Node, id: &Jid, change: &str) -> Node {
        let admin = self
            .groups
            .get(&id.to_string())
            .and_then(|group| group.members.get(&from.phone));
        if admin != Some(&true) {
            return reply::error(iq, 403, "forbidden");
        }
        let named: Vec<(Jid, PhoneId)> = iq
            .child(&[change])
            .map(NodeExt::nodes)
            .unwrap_or_default()
            .iter()
            .filter_map(|child| child.jid("jid"))
            .filter_map(|jid| Some((jid.clone(), self.owner(&jid)?)))
            .collect();
        let builder = |tag: &str| match tag {
            "add" => NodeBuilder::new("add"),
            _ => NodeBuilder::new("remove"),
        };
        let participants = named
            .iter()
            .map(|(_, phone)| self.participant(phone, false));
        let told = builder(change).children(participants.collect::<Vec<_>>());
        // Whoever is removed is told too, whoever is added from now on.
        if change == "remove" {
            self.group_changed(id, &from.phone, told.build());
            self.set_members(id, &named, false);
        } else {
            self.set_members(id, &named, true);
            self.group_changed(id, &from.phone, told.build());
        }
        let done = named
            .into_iter()
            .map(|(jid, _)| NodeBuilder::new("participant").attr("jid", jid).build());
        reply::result(iq, [builder(change).children(done).build()])
    }

    fn set_members(&mut self, id: &Jid, named: &[(Jid, PhoneId)], present: bool) {
        if let Some(group) = self.groups.get_mut(&id.to_string()) {
            for (_, phone) in named {
                match present {
                    true => group.members.entry(phone.clone()).or_insert(false),
                    false => &mut group.members.remove(phone).unwrap_or_default(),
                };
            }
        }
    }

    /// Tells the companions of all members.
    fn group_changed(&mut self, id: &Jid, author: &PhoneId, change: Node) {
        let Some(group) = self.groups.get(&id.to_string()) else {
            return;
        };
        let author = DeviceId {
            phone: author.clone(),
            device: 0,
        };
        let members: Vec<PhoneId> = group.members.keys().cloned().collect();
        let devices: Vec<DeviceId> = members
            .iter()
            .flat_map(|member| self.devices_of(member))
            .collect();
        for to in devices {
            if to.device == 0 {
                continue;
            }
            let notification = NodeBuilder::new("notification")
                .attr("from", id.clone())
                .attr("participant", self.address(&author, Form::Lid))
                .attr("participant_pn", self.address(&author, Form::Pn))
                .attr("addressing_mode", "lid")
                .attr("type", "w:gp2")
                .attr("id", self.next_id())
                .attr("t", now_s())
                .children([change.clone()])
                .build();
            self.deliver(&to, notification);
        }
    }

    fn group_node(&self, id: &Jid) -> Option<Node> {
        let group = self.groups.get(&id.to_string())?;
        let creator = DeviceId {
            phone: group.creator.clone(),
            device: 0,
        };
        let participants = group
            .members
            .iter()
            .map(|(member, admin)| self.participant(member, *admin));
        let node = NodeBuilder::new("group")
            .attr("id", id.user.as_str())
            .attr("subject", group.subject.as_str())
            .attr("creation", group.created)
            .attr("creator", self.address(&creator, Form::Lid))
            .attr("creator_pn", self.address(&creator, Form::Pn))
            .attr("s_t", group.created)
            .attr("s_o", self.address(&creator, Form::Lid))
            .attr("addressing_mode", "lid")
            .attr("size", group.members.len())
            .children(participants)
            .build();
        Some(node)
    }

    fn participant(&self, phone: &PhoneId, admin: bool) -> Node {
        let id = DeviceId {
            phone: phone.clone(),
            device: 0,
        };
        let node = NodeBuilder::new("participant")
            .attr("jid", self.address(&id, Form::Lid))
            .attr("phone_number", self.address(&id, Form::Pn));
        match admin {
            true => node.attr("type", "superadmin").build(),
            false => node.build(),
        }
    }
}
