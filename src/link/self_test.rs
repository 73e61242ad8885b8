//! Tests whether a message gets through: pings WhatsApp and, where that is allowed, writes a message to oneself.

use std::sync::Arc;
use std::time::Duration;

use holdfast_core::{Event, Tested};
use holdfast_medium::Secret;
use tokio::time::timeout;
use whatsapp_rust::Client;

use super::Parts;
use super::hearing::{self, Answer};
use super::observer::Observer;
use crate::mail::{OutMessage, fresh_id};

/// Timeout of WhatsApp's answer.
pub(crate) const TEST_ANSWER: Duration = Duration::from_secs(15);
/// Timeout of a message to the phone and back.
pub(crate) const ECHO: Duration = Duration::from_secs(30);

/// Tests the run and reports the result to the core.
pub(super) async fn self_test(parts: &Parts, client: &Arc<Client>, observer: &Observer) {
    let answered = hearing::ask(client, TEST_ANSWER).await == Answer::Came;
    let echoed = match parts.settings.self_test_own_chat {
        true => Some(answered && echo(parts, client, observer).await),
        false => None,
    };
    let _ = parts
        .events
        .send(Event::SelfTested(Tested { answered, echoed }));
}

/// Writes into the chat with oneself. The phone sends a receipt, as it does for all that its companions send
/// (`<receipt type="sender">`, wacore `types/message.rs`).
async fn echo(parts: &Parts, client: &Arc<Client>, observer: &Observer) -> bool {
    let (Some(own), Ok(id)) = (client.pn(), fresh_id()) else {
        return false;
    };
    let mut receipts = observer.receipts();
    let message = OutMessage {
        id: id.clone(),
        to: Secret::new(own.to_non_ad().to_string()),
        text: Secret::new("Holdfast: this is a test, nothing is wrong.".to_owned()),
    };
    if let Err(error) = parts.outbox.accept(message).await {
        tracing::warn!("a test message cannot be written: {error}");
        return false;
    }
    let seen = async {
        while let Ok(ids) = receipts.recv().await {
            if ids.contains(&id) {
                return true;
            }
        }
        false
    };
    timeout(ECHO, seen).await.unwrap_or(false)
}
