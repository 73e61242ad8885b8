//! The synced collections, which the phone keeps.

use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::reply;
use super::world::{DeviceId, World, now_s};
use crate::phone::PhoneError;
use crate::wire::stanza::NodeExt;

impl World {
    pub fn app_state(&mut self, from: &DeviceId, iq: &Node) -> Node {
        let asked = iq.child(&["sync"]).map(NodeExt::nodes).unwrap_or_default();
        let collections: Vec<Node> = asked
            .iter()
            .filter(|collection| collection.tag == "collection")
            .map(|collection| self.collection(from, collection))
            .collect();
        let sync = NodeBuilder::new("sync").children(collections).build();
        reply::result(iq, [sync])
    }

    fn collection(&mut self, from: &DeviceId, asked: &Node) -> Node {
        let name = asked.text("name");
        let version: u64 = asked.text("version").parse().unwrap_or_default();
        let reply = NodeBuilder::new("collection").attr("name", name.as_str());
        let refused = |code: u16, text: &'static str| {
            NodeBuilder::new("error")
                .attr("code", code)
                .attr("text", text)
                .build()
        };
        let patch = asked
            .child(&["patch"])
            .or_else(|| asked.child(&["patches", "patch"]));
        let Ok(account) = self.account_mut(&from.phone) else {
            return reply
                .attr("type", "error")
                .children([refused(404, "item-not-found")])
                .build();
        };
        let phone = &mut account.phone;
        if let Some(patch) = patch {
            return match phone.take_patch(&name, version, patch.bytes()) {
                Ok(version) => {
                    self.collection_changed(from, &name, version);
                    NodeBuilder::new("collection")
                        .attr("name", name.as_str())
                        .attr("version", version)
                        .build()
                }
                Err(PhoneError::Conflict { .. }) => {
                    let patches = self.patches(from, &name, version);
                    let reply = reply.attr("type", "error");
                    let error = refused(409, "conflict");
                    reply
                        .children(std::iter::once(error).chain(patches))
                        .build()
                }
                Err(_) => reply
                    .attr("type", "error")
                    .children([refused(400, "bad-request")])
                    .build(),
            };
        }
        let newest = phone.app_state_version(&name);
        reply
            .attr("version", newest)
            .children(self.patches(from, &name, version))
            .build()
    }

    /// The `<patches>` after version `since`; none when there are none.
    fn patches(&self, from: &DeviceId, collection: &str, since: u64) -> Option<Node> {
        let phone = &self.account(&from.phone).ok()?.phone;
        let patches: Vec<Node> = phone
            .app_state_patches(collection, since)
            .map(|patch| NodeBuilder::new("patch").bytes(patch).build())
            .collect();
        (!patches.is_empty()).then(|| NodeBuilder::new("patches").children(patches).build())
    }

    /// Tells the account's other devices to fetch a collection.
    fn collection_changed(&mut self, from: &DeviceId, name: &str, version: u64) {
        for to in self.devices_of(&from.phone) {
            if to.device == 0 || to == *from {
                continue;
            }
            let notification = NodeBuilder::new("notification")
                .attr("from", reply::server())
                .attr("type", "server_sync")
                .attr("id", self.next_id())
                .attr("t", now_s())
                .children([NodeBuilder::new("collection")
                    .attr("name", name)
                    .attr("version", version)
                    .build()])
                .build();
            self.deliver(&to, notification);
        }
    }
}
