//! What the ledger says of one stanza.

use serde::{Deserialize, Serialize};
use wacore_binary::node::{Node, NodeRef};

/// The parts of a stanza the ledger keeps: never its contents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stanza {
    /// `message`, `receipt`, `iq`, ...
    pub tag: String,
    /// The stanza's id; empty when it has none.
    pub id: String,
    /// The other party: `to` of an accepted stanza, `from` of a delivered one, when the stanza names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// The `type` attribute: `text`, `retry`, `get`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The `xmlns` of an iq.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xmlns: Option<String>,
}

impl From<&NodeRef<'_>> for Stanza {
    fn from(node: &NodeRef<'_>) -> Self {
        let attr = |name| node.get_attr(name).map(|value| value.as_str().into_owned());
        Stanza {
            tag: node.tag.to_string(),
            id: attr("id").unwrap_or_default(),
            peer: attr("to").or_else(|| attr("from")),
            kind: attr("type"),
            xmlns: attr("xmlns"),
        }
    }
}

impl From<&Node> for Stanza {
    fn from(node: &Node) -> Self {
        Stanza::from(&node.as_node_ref())
    }
}

/// What happened to a stanza, or to the connection it travels on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case")]
pub enum Act {
    /// The device logged in with the key it was linked with.
    LoggedIn,
    /// The server turned the device away at login.
    Refused {
        /// The `reason` of the `<failure>`.
        reason: u16,
    },
    /// The device's connection ended, whoever ended it.
    Closed,
    /// The server took a stanza from the device.
    Accepted {
        /// The stanza.
        #[serde(flatten)]
        stanza: Stanza,
    },
    /// The server put a stanza into the device's queue.
    Routed {
        /// The stanza.
        #[serde(flatten)]
        stanza: Stanza,
    },
    /// The server wrote a stanza to the device's connection; a redelivery is a second entry.
    Delivered {
        /// The stanza.
        #[serde(flatten)]
        stanza: Stanza,
    },
    /// The device confirmed a stanza delivered to it, so its queue lets go of it.
    Acked {
        /// The id of the confirmed stanza.
        id: String,
        /// The device refused the stanza with this code.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<u16>,
    },
    /// The server confirmed a stanza the device sent.
    ServerAcked {
        /// The id of the confirmed stanza.
        id: String,
        /// The server refused the stanza with this code.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<u16>,
    },
}

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Position in the ledger, from 0.
    pub seq: u64,
    /// Wall clock of the server, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The device this is about, by its phone-number address (`15550000001:3@s.whatsapp.net`).
    pub device: String,
    /// What happened.
    #[serde(flatten)]
    pub act: Act,
}
