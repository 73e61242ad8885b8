//! Delivery: each device has a queue that holds a stanza until the device has confirmed it.

use serde::{Deserialize, Serialize};
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node, NodeContent, OwnedNodeRef};
use wacore_libsignal::protocol::PreKeySignalMessage;

use super::fault::Fault;
use super::reply;
use super::world::{DeviceId, Out, Peer, World};
use crate::wire::stanza::NodeExt;

/// A stanza that waits for its confirmation.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Marshalled", into = "Marshalled")]
pub(super) struct Queued(pub Node);

/// The wire form, which is what survives a restart.
#[derive(Serialize, Deserialize)]
struct Marshalled(Vec<u8>);

impl From<Queued> for Marshalled {
    fn from(queued: Queued) -> Self {
        // What cannot be marshalled could not have been sent either.
        Marshalled(wacore_binary::marshal(&queued.0).unwrap_or_default())
    }
}

impl TryFrom<Marshalled> for Queued {
    type Error = wacore_binary::BinaryError;

    fn try_from(marshalled: Marshalled) -> Result<Self, Self::Error> {
        let body = wacore_binary::util::unpack(&marshalled.0)?.into_owned();
        Ok(Queued(OwnedNodeRef::new(body)?.to_owned_node()))
    }
}

/// What a device confirms.
pub(super) struct Confirmation<'a> {
    /// `message`, `receipt` or `notification`.
    pub class: &'a str,
    pub id: &'a str,
    /// Whom the device answers, when it says so.
    pub to: Option<Jid>,
    pub error: Option<u16>,
}

impl World {
    /// Hands a stanza to a device: at once when it takes deliveries, and again after each login until it confirms.
    pub fn deliver(&mut self, to: &DeviceId, node: Node) {
        self.ledger.routed(&to.to_string(), &node);
        if to.device == 0 {
            self.phone_receives(&to.phone, &node);
            return;
        }
        let Some(device) = self.device_mut(to) else {
            return;
        };
        device.queue.push_back(Queued(node.clone()));
        if let Some(serial) = self.connection_of(to)
            && self.is_active(serial)
        {
            self.write(serial, to, node);
        }
    }

    /// Delivers everything that waits, between the two `<ib>` that frame it.
    pub fn deliver_offline(&mut self, serial: u64, to: &DeviceId) {
        let waiting: Vec<Node> = self
            .device_mut(to)
            .map(|device| device.queue.iter().map(|queued| queued.0.clone()).collect())
            .unwrap_or_default();
        if !waiting.is_empty() {
            let count = |tag: &str| waiting.iter().filter(|node| node.tag == tag).count();
            let preview = NodeBuilder::new("offline_preview")
                .attr("count", waiting.len())
                .attr("message", count("message"))
                .attr("receipt", count("receipt"))
                .attr("notification", count("notification"))
                .attr("appdata", 0)
                .attr("call", 0)
                .build();
            self.send(serial, ib(preview));
        }
        let count = waiting.len();
        for mut node in waiting {
            node.attrs.insert("offline", "1");
            self.write(serial, to, node);
        }
        match self.connections.get_mut(&serial) {
            Some(connection) if self.times.drain_ends_confirmed && count > 0 => {
                connection.draining = Some(count);
            }
            _ => self.end_drain(serial, count),
        }
    }

    fn end_drain(&self, serial: u64, count: usize) {
        let done = NodeBuilder::new("offline").attr("count", count).build();
        self.send(serial, ib(done));
    }

    /// Takes a confirmed stanza out of the device's queue.
    pub fn confirm(&mut self, from: &DeviceId, confirmation: &Confirmation) {
        let peer = confirmation.to.as_ref().map(|to| self.peer_of(to));
        let matches = |world: &World, node: &Node| {
            node.tag == confirmation.class
                && node.text("id") == confirmation.id
                && peer.as_ref().is_none_or(|peer| {
                    node.jid("from")
                        .is_none_or(|from| world.peer_of(&from) == *peer)
                })
        };
        let at = self
            .accounts
            .get(&from.phone)
            .and_then(|account| account.devices.get(&from.device))
            .and_then(|device| {
                device
                    .queue
                    .iter()
                    .position(|queued| matches(self, &queued.0))
            });
        if let Some(at) = at
            && let Some(device) = self.device_mut(from)
        {
            device.queue.remove(at);
            let is_empty = device.queue.is_empty();
            self.ledger
                .acked(&from.to_string(), confirmation.id, confirmation.error);
            if is_empty
                && let Some(serial) = self.connection_of(from)
                && let Some(connection) = self.connections.get_mut(&serial)
                && let Some(count) = connection.draining.take()
            {
                self.end_drain(serial, count);
            }
        }
    }

    /// The account or group behind an address, so that both forms compare equal.
    fn peer_of(&self, jid: &Jid) -> String {
        match self.owner(jid) {
            Some(phone) => phone.0,
            None => jid.to_non_ad_string(),
        }
    }

    fn is_active(&self, serial: u64) -> bool {
        self.connections
            .get(&serial)
            .is_some_and(|connection| matches!(connection.peer, Peer::Device { active: true, .. }))
    }

    /// Writes one queued stanza, after the faults that change what a device receives.
    fn write(&mut self, serial: u64, to: &DeviceId, mut node: Node) {
        let mut twice = false;
        let mut hold = false;
        if node.tag == "message" {
            if self.faults.strikes(to, Fault::BadMac) {
                corrupt(&mut node);
            }
            twice = self.faults.strikes(to, Fault::DuplicateDelivery);
            hold = self.faults.strikes(to, Fault::OutOfOrderDelivery);
        }
        let address = to.to_string();
        let Some(connection) = self.connections.get_mut(&serial) else {
            return;
        };
        if connection.mute {
            return;
        }
        if hold && connection.held.is_none() {
            connection.held = Some(node);
            return;
        }
        let mut batch = vec![node.clone()];
        if twice {
            batch.push(node);
        }
        batch.extend(connection.held.take());
        for node in batch {
            self.ledger.delivered(&address, &node);
            connection.out.send(Out::Stanza(node)).ok();
        }
    }
}

/// Flips a bit in the last byte of each ciphertext, which belongs to its MAC or signature. One that opens a session is around
/// the message that has the MAC.
fn corrupt(message: &mut Node) {
    let Some(NodeContent::Nodes(children)) = &mut message.content else {
        return;
    };
    for child in children.iter_mut().filter(|child| child.tag == "enc") {
        if let Some(NodeContent::Bytes(ciphertext)) = &mut child.content {
            let end = end_of_inner(ciphertext).unwrap_or(ciphertext.len());
            if let Some(last) = ciphertext[..end].last_mut() {
                *last ^= 1;
            }
        }
    }
}

/// Where the message ends in one that opens a session with it.
fn end_of_inner(ciphertext: &[u8]) -> Option<usize> {
    let outer = PreKeySignalMessage::try_from(ciphertext).ok()?;
    let inner = outer.message().serialized();
    let mut places = ciphertext.windows(inner.len());
    Some(places.position(|place| place == inner)? + inner.len())
}

fn ib(child: Node) -> Node {
    NodeBuilder::new("ib")
        .attr("from", reply::server())
        .children([child])
        .build()
}
