//! The outbox as the keeper of what was sent: a peer who could not read a message gets it from there again, and the vault need not
//! keep a copy of each. Those would fill a card: the library lets go of them after two hours only.

use crate::link::encoded;
use crate::mail::Outbox;
use crate::vault::KeepsSent;

/// What the outbox holds.
pub(super) struct SentMail(pub(super) Outbox);

#[async_trait::async_trait]
impl KeepsSent for SentMail {
    fn has(&self, id: &str) -> bool {
        self.0.state(id).is_some()
    }

    async fn payload(&self, id: &str) -> Option<Vec<u8>> {
        match self.0.message(id).await {
            Ok(message) => message.as_ref().map(encoded),
            Err(error) => {
                tracing::warn!(%error, "a message that is asked for again cannot be read");
                None
            }
        }
    }
}
