//! What devices ask (`<iq>`): a table of the questions, and the short answers.

use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::Lab;
use super::reply;
use super::world::{DeviceId, World};
use crate::wire::stanza::NodeExt;

/// The settings that clients read after login.
const PRIVACY: [(&str, &str); 9] = [
    ("last", "all"),
    ("online", "all"),
    ("profile", "all"),
    ("status", "all"),
    ("groupadd", "all"),
    ("readreceipts", "all"),
    ("calladd", "all"),
    ("messages", "all"),
    ("defense", "off"),
];

/// The question until when the account may write to nobody new (`WAWebMexFetchReachoutTimelockJobQuery`).
const REACH_OUT: &str = "23983697327930364";

impl World {
    /// Until when the account may write to nobody new.
    fn reach_out(&self, id: &DeviceId, iq: &Node) -> Node {
        let until = self.no_new_chats.get(&id.phone);
        let lock = serde_json::json!({ "data": { "xwa2_fetch_account_reachout_timelock": {
            "is_active": until.is_some(),
            "time_enforcement_ends": until.map(u64::to_string),
        } } });
        let result = NodeBuilder::new("result").bytes(lock.to_string().into_bytes());
        reply::result(iq, [result.build()])
    }

    /// A question from a device, and its answer.
    pub fn query(&mut self, serial: u64, id: &DeviceId, iq: &Node) {
        let kind = iq.text("type");
        if kind == "result" || kind == "error" {
            // The answer to a ping of ours, or to nothing.
            return;
        }
        let set = kind == "set";
        *self
            .questions
            .entry(id.clone())
            .or_default()
            .entry(iq.text("xmlns"))
            .or_default() += 1;
        let first = iq
            .nodes()
            .first()
            .map(|child| child.tag.to_string())
            .unwrap_or_default();
        let answer = match (iq.text("xmlns").as_str(), first.as_str()) {
            ("passive", "active") => {
                self.send(serial, reply::result(iq, []));
                return self.activate(serial, id);
            }
            ("passive", "passive") => {
                self.deactivate(serial);
                reply::result(iq, [])
            }
            ("encrypt", "count") => self.pre_key_count(id, iq),
            ("encrypt", "digest") => self.key_digest(id, iq),
            ("encrypt", "key") => self.bundles(iq),
            ("encrypt", "rotate") => self.rotate(id, iq),
            ("encrypt", _) if set => self.upload(id, iq),
            ("usync", "usync") => self.usync(id, iq),
            ("w:sync:app:state", "sync") => self.app_state(id, iq),
            ("w:g2", _) => self.group_query(id, iq),
            ("w:m", _) => reply::result(iq, [self.media_conn()]),
            ("w:mex", "query") if iq.nodes()[0].text("query_id") == REACH_OUT => {
                self.reach_out(id, iq)
            }
            ("md", "remove-companion-device") => {
                self.send(serial, reply::result(iq, []));
                self.unlink(id);
                return;
            }
            ("abt" | "w", "props") => {
                let props = NodeBuilder::new("props")
                    .attr("protocol", "1")
                    .attr("ab_key", "lab")
                    .attr("hash", "lab")
                    .attr("refresh", 86400)
                    .attr("refresh_id", 1)
                    .build();
                reply::result(iq, [props])
            }
            ("privacy", "privacy") if !set => {
                let categories = PRIVACY.map(|(name, value)| {
                    NodeBuilder::new("category")
                        .attr("name", name)
                        .attr("value", value)
                        .build()
                });
                let privacy = NodeBuilder::new("privacy").children(categories).build();
                reply::result(iq, [privacy])
            }
            ("blocklist", _) if !set => reply::result(iq, [NodeBuilder::new("list").build()]),
            ("w:p" | "urn:xmpp:ping", _) => reply::result(iq, []),
            ("w:profile:picture", _) if !set => reply::error(iq, 404, "item-not-found"),
            // Whatever else is told is noted, whatever else is asked is not known here.
            _ if set => reply::result(iq, []),
            _ => reply::error(iq, 501, "feature-not-implemented"),
        };
        self.send(serial, answer);
    }
}

impl Lab {
    /// How many questions of a namespace the device has put to the server, such as `w:g2` about groups.
    pub fn questions(&self, device: &DeviceId, namespace: &str) -> u64 {
        self.shared.look(|world| {
            let asked = world.questions.get(device);
            let count = asked.and_then(|asked| asked.get(namespace));
            count.copied().unwrap_or_default()
        })
    }
}
