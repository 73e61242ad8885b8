//! The outbox as the keeper of what was sent: a peer who could not read a message gets it from there again, and the vault need not
//! keep a copy of each. Those would fill a card: the library lets go of them after two hours only.

use crate::link::encoded;
use crate::mail::Outbox;
use crate::vault::KeepsSent;

/// What the outbox holds.
pub(super) struct SentMail(pub(super) Outbox);

#[async_trait::async_trait]
impl KeepsSent for SentMail {
    fn place(&self, id: &str) -> Option<u64> {
        self.0.place(id)
    }

    async fn payload(&self, id: &str, place: u64) -> Option<Vec<u8>> {
        match self.0.message_at(place).await {
            // Of another outbox, under whose numbers an archive was kept, nothing is given out here.
            Ok(message) => message
                .filter(|message| message.id == id)
                .as_ref()
                .map(encoded),
            Err(error) => {
                tracing::warn!(%error, "a message that is asked for again cannot be read");
                None
            }
        }
    }
}
