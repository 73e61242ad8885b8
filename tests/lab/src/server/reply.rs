//! The short answers.

use wacore_binary::builder::NodeBuilder;
use wacore_binary::node::NodeValue;
use wacore_binary::{Jid, Node, Server};

use super::world::now_s;
use crate::wire::stanza::NodeExt;

/// The server's own address, a JID with an empty user. As text it would mean the same to whatsapp-rust and Baileys, but
/// whatsmeow takes an address from a JID alone, and passes over whatever comes from none.
pub(super) fn server() -> Jid {
    Jid::new("", Server::Pn)
}

/// Whom the answer comes from: whom the question went to, as an address even where that was text.
fn from(asked: &Node) -> Jid {
    asked.jid("to").unwrap_or_else(server)
}

fn id(asked: &Node) -> NodeValue {
    asked.attrs.get("id").cloned().unwrap_or_default()
}

/// `<iq type="result">`.
pub(super) fn result(iq: &Node, children: impl IntoIterator<Item = Node>) -> Node {
    let builder = NodeBuilder::new("iq")
        .attr("from", from(iq))
        .attr("id", id(iq))
        .attr("type", "result");
    let children: Vec<Node> = children.into_iter().collect();
    if children.is_empty() {
        builder.build()
    } else {
        builder.children(children).build()
    }
}

/// `<iq type="error">`.
pub(super) fn error(iq: &Node, code: u16, text: &'static str) -> Node {
    NodeBuilder::new("iq")
        .attr("from", from(iq))
        .attr("id", id(iq))
        .attr("type", "error")
        .children([NodeBuilder::new("error")
            .attr("code", code)
            .attr("text", text)
            .build()])
        .build()
}

/// `<ack>`: the server has the stanza.
pub(super) fn ack(class: &'static str, node: &Node) -> Node {
    let mut builder = NodeBuilder::new("ack")
        .attr("class", class)
        .attr("id", id(node))
        .attr("from", from(node))
        .attr("t", now_s());
    for attribute in ["type", "participant"] {
        if let Some(value) = node.attrs.get(attribute)
            && class != "message"
        {
            builder = builder.attr(attribute, value.clone());
        }
    }
    builder.build()
}

/// `<ack error>`: the server refuses the stanza.
pub(super) fn nack(class: &'static str, node: &Node, error: u16) -> Node {
    let mut ack = ack(class, node);
    ack.attrs.insert("error", error);
    ack
}

#[cfg(test)]
mod tests {
    use wacore_binary::marshal;

    use super::*;

    /// `from="s.whatsapp.net"` as WhatsApp writes it: the token of `from`, JID_PAIR, an empty user, and the token of the server.
    const FROM_SERVER: [u8; 4] = [6, 250, 0, 3];

    #[test]
    fn whatever_the_server_says_itself_comes_from_an_address() {
        let asked = || NodeBuilder::new("iq").attr("id", "1");
        let unaddressed = asked().build();
        let in_text = asked().attr("to", "s.whatsapp.net").build();
        let addressed = asked().attr("to", server()).build();
        for asked in [unaddressed, in_text, addressed] {
            for answer in [
                result(&asked, []),
                error(&asked, 404, "item-not-found"),
                ack("receipt", &asked),
                nack("message", &asked, 479),
            ] {
                let bytes = marshal(&answer).unwrap();
                let written = bytes.windows(4).filter(|written| *written == FROM_SERVER);
                assert_eq!(written.count(), 1, "{answer:?} is {bytes:?}");
            }
        }
    }
}
