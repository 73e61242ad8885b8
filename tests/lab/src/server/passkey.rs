//! The passkey that WhatsApp wants of some new clients: asked for, and an assertion taken. What the phone does after that is
//! not played: a client that has come so far is not linked by it.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::linking::new_reference;
use super::reply;
use super::world::{World, now_s};
use crate::wire::stanza::NodeExt;

/// What has to be signed.
const CHALLENGE: &str = "aG9sZGZhc3QtbGFi";

impl World {
    /// The request, as the library's `passkey/flow.rs` takes it.
    pub(super) fn passkey_request(&mut self) -> Node {
        let options = serde_json::json!({
            "publicKey": {
                "challenge": CHALLENGE,
                "rpId": "whatsapp.com",
                "allowCredentials": [],
                "userVerification": "required",
                "timeout": 60000,
            }
        });
        NodeBuilder::new("notification")
            .attr("from", reply::server())
            .attr("type", "passkey_prologue_request")
            .attr("id", self.next_id())
            .attr("t", now_s())
            .children([NodeBuilder::new("passkey_request_options")
                .bytes(options.to_string().into_bytes())
                .build()])
            .build()
    }
}

/// The answer to what a client says of a passkey; `None` when it says nothing of one.
pub(super) fn answer(iq: &Node) -> Option<Node> {
    if iq.child(&["ref"]).is_some() {
        let reference = NodeBuilder::new("ref").bytes(new_reference().into_bytes());
        return Some(reply::result(iq, [reference.build()]));
    }
    let prologue = iq.child(&["passkey_prologue"])?;
    Some(if is_signed(prologue) {
        reply::result(iq, [])
    } else {
        reply::error(iq, 400, "bad-request")
    })
}

/// Whether it carries an assertion of the credential that it names, and what the phone would go on with. Nobody checks the signature:
/// there is no account with a passkey here.
fn is_signed(prologue: &Node) -> bool {
    let bytes = |tag: &str| prologue.child(&[tag]).map(NodeExt::bytes);
    let assertion = bytes("webauthn_assertion").unwrap_or_default();
    let assertion: serde_json::Value = serde_json::from_slice(assertion).unwrap_or_default();
    let named = assertion["rawId"].as_str();
    let named = named.and_then(|id| BASE64_URL_SAFE_NO_PAD.decode(id).ok());
    let payload = bytes("prologue_payload").unwrap_or_default();
    named.as_deref() == bytes("credential_id") && named.is_some() && !payload.is_empty()
}
