//! The short answers.

use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::node::NodeValue;

use super::world::now_s;

const SERVER: &str = "s.whatsapp.net";

/// Whom the answer comes from: whom the question went to.
fn from(asked: &Node) -> NodeValue {
    asked
        .attrs
        .get("to")
        .cloned()
        .unwrap_or_else(|| SERVER.into())
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
