//! A link that a human gave up is logged out, beside the live one.

use holdfast_core::ArchiveId;
use holdfast_medium::barrier::Barrier;

use super::Daemon;
use crate::history::{Archive, Audit, HistoryError};
use crate::journal;
use crate::link::Farewell;

impl Daemon {
    /// It reads a whole archive and talks to WhatsApp: the loop goes on meanwhile.
    pub(super) fn farewell(&self, id: ArchiveId) {
        let (archive, audit) = (self.archive.clone(), self.audit.clone());
        let (barrier, farewell) = (self.barrier.clone(), self.link.farewell());
        tokio::spawn(async move {
            match say(&archive, &audit, &barrier, &farewell, id).await {
                Ok(true) => journal::logged_out(id),
                Ok(false) => tracing::warn!(
                    "{id} could not be logged out; remove it on the phone, under \"Linked devices\""
                ),
                // It was brought back meanwhile: what the phone shows is the one in use.
                Err(error @ HistoryError::Live { .. }) => {
                    tracing::warn!("{id} is not logged out: {error}");
                }
                Err(error) => tracing::warn!(
                    "{id} could not be logged out: {error}; remove it on the phone, under \"Linked devices\""
                ),
            }
        });
    }
}

async fn say(
    archive: &Archive,
    audit: &Audit,
    barrier: &Barrier,
    farewell: &Farewell,
    id: ArchiveId,
) -> Result<bool, HistoryError> {
    let departing = archive.depart(audit, barrier, id).await?;
    let said = farewell.say(departing.backend()).await;
    departing.end(said).await?;
    Ok(said)
}
