//! Answers members of a group who ask again for a message because there were no keys to encrypt for them when it went out.
//!
//! Where there are keys the library answers by itself. Where there are none it gives up, and nobody asks a third time.

use std::time::Duration;

use holdfast_core::setback::{Next, Setback};
use tokio::time::{Instant, sleep};
use wacore_binary::{JidExt as _, NodeRef};
use whatsapp_rust::{Client, Jid, MessageRetransmission};

use super::body::body;
use super::reach::has_session;
use crate::mail::Outbox;

/// A member of a group asks again for a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AskedAgain {
    group: Jid,
    member: Jid,
    id: String,
    count: u8,
}

impl AskedAgain {
    /// Reads a `<receipt type="retry">` of a group; `None` for any other stanza.
    pub(super) fn read(node: &NodeRef<'_>) -> Option<Self> {
        let attr = |node: &NodeRef<'_>, name: &str| {
            node.get_attr(name).map(|value| value.as_str().into_owned())
        };
        let tag: &str = node.tag.as_ref();
        if tag != "receipt" || attr(node, "type")? != "retry" {
            return None;
        }
        let group: Jid = attr(node, "from")?.parse().ok()?;
        let retry = node.get_optional_child("retry")?;
        group.is_group().then_some(Self {
            group,
            member: attr(node, "participant")?.parse().ok()?,
            id: attr(retry, "id")?,
            count: attr(retry, "count")
                .and_then(|count| count.parse().ok())
                .unwrap_or(1),
        })
    }

    /// Sends the message to the member's device alone once it has keys. It may get it twice then, under one id. Returns when that is
    /// done, or not to be done.
    pub(super) async fn answer(self, client: &Client, outbox: &Outbox, random: impl Fn() -> u64) {
        let device = std::slice::from_ref(&self.member);
        if !matches!(has_session(client, device).await, Ok(false)) {
            return;
        }
        let begun = Instant::now();
        for tries in 1.. {
            let age_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            let Next::Again { after_ms } = Setback::NoKeys.next(tries, age_ms, random()) else {
                return;
            };
            sleep(Duration::from_millis(after_ms)).await;
            // Whether it is a member is asked again each time: one that left in between has no claim.
            let Ok(group) = client.groups().query_info(&self.group).await else {
                continue;
            };
            // A group names its members by LID, and who asks may come as a number.
            let entry = client.get_lid_pn_entry(&self.member).await.ok().flatten();
            let lid = entry.as_ref().map(|entry| &*entry.lid);
            let is_asking =
                |member: &Jid| member.user == self.member.user || lid == Some(member.user.as_str());
            if !group.participants.iter().any(is_asking) {
                return;
            }
            if client.signal().assert_sessions(device).await.is_err()
                || !matches!(has_session(client, device).await, Ok(true))
            {
                continue;
            }
            let Ok(Some(message)) = outbox.message(&self.id).await else {
                return;
            };
            if *message.to.expose() != self.group.to_string() {
                return;
            }
            let again = MessageRetransmission::new(
                self.group.clone(),
                self.member.clone(),
                body(&message),
                self.id.clone(),
                self.count,
            );
            match client.retransmit_message(again).await {
                Ok(()) => return,
                Err(_) => {
                    tracing::warn!("a member of a group asked again, and could not be answered")
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use wacore_binary::builder::NodeBuilder;

    use super::*;

    #[test]
    fn a_retry_of_a_group_is_read_and_nothing_else_is() {
        let receipt = |kind: &'static str, from: &'static str| {
            NodeBuilder::new("receipt")
                .attr("id", "A1")
                .attr("type", kind)
                .attr("from", from)
                .attr("participant", "100000000000003@lid")
                .children([NodeBuilder::new("retry")
                    .attr("id", "A1")
                    .attr("count", "2")
                    .build()])
                .build()
        };
        let read = |kind, from| AskedAgain::read(&receipt(kind, from).as_node_ref());
        let asked = read("retry", "120363000000000001@g.us").unwrap();
        assert_eq!((asked.id.as_str(), asked.count), ("A1", 2));
        assert_eq!(asked.member.to_string(), "100000000000003@lid");
        assert_eq!(read("read", "120363000000000001@g.us"), None);
        assert_eq!(read("retry", "100000000000003@lid"), None);
        assert_eq!(
            AskedAgain::read(&NodeBuilder::new("receipt").build().as_node_ref()),
            None
        );
    }
}
