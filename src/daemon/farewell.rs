//! A link that a human gave up is logged out, beside the live one.

use std::time::Duration;

use holdfast_core::{ArchiveId, Event};
use holdfast_medium::{Lane, barrier::Barrier};

use super::hands::Hands;
use super::rooms::Rooms;
use crate::history::{Departing, HistoryError, KeysError};
use crate::journal;
use crate::link::Farewell;
use crate::vault::Vault;

/// How long a farewell may take.
const LIMIT: Duration = Duration::from_secs(120);

impl Hands {
    /// Logs an archived link out. Its deeds on the disk are the lane's. The call to WhatsApp holds the lane up no longer than a
    /// deed waits for its turn at the archive, which is nobody else's until the outcome is noted.
    pub(super) fn farewell(&self, id: ArchiveId) {
        let Some(open) = &self.open else { return };
        let events = self.events.clone();
        let (rooms, farewell) = (open.rooms.clone(), open.link.farewell());
        let (lane, barrier) = (self.lane.clone(), self.barrier.clone());
        tokio::spawn(async move {
            match say(&lane, rooms, barrier, &farewell, id).await {
                Ok(true) => journal::logged_out(id),
                Ok(false) => tracing::warn!(
                    "{id} could not be logged out; remove it on the phone, under \"Linked devices\""
                ),
                // It was brought back meanwhile, so that the phone shows the one in use; or it is gone already.
                Err(error @ (HistoryError::Live { .. } | HistoryError::Revoked { .. })) => {
                    tracing::warn!("{id} is not logged out: {error}");
                }
                Err(error) => tracing::warn!(
                    "{id} could not be logged out: {error}; remove it on the phone, under \"Linked devices\""
                ),
            }
            // The next one is told by the next start, where no loop hears of it.
            let _ = events.send(Event::FarewellSaid);
        });
    }
}

async fn say(
    lane: &Lane,
    rooms: Rooms,
    barrier: Barrier,
    farewell: &Farewell,
    id: ArchiveId,
) -> Result<bool, HistoryError> {
    let leaving = lane.run(Leaving::begin(rooms, barrier, id)).await??;
    let (departing, said) = leaving.say(farewell, LIMIT).await?;
    lane.run(departing.end(said)).await??;
    Ok(said)
}

/// An archived link that is about to be logged out: a copy of it, open.
pub(super) struct Leaving {
    departing: Departing,
    vault: Vault,
}

impl Leaving {
    /// Copies it, after its entry in the audit, and opens the copy.
    pub(super) async fn begin(
        rooms: Rooms,
        barrier: Barrier,
        id: ArchiveId,
    ) -> Result<Self, HistoryError> {
        let departing = rooms.archive.depart(&rooms.audit, id).await?;
        let vault = Vault::open(departing.dir().clone(), barrier).await;
        let vault = vault.map_err(KeysError::from)?;
        Ok(Self { departing, vault })
    }

    /// Logs it out, for so long at most, and closes the copy; whether it is.
    pub(super) async fn say(
        self,
        farewell: &Farewell,
        limit: Duration,
    ) -> Result<(Departing, bool), HistoryError> {
        let said = farewell.say(self.vault.backend(), limit).await;
        self.vault.close().await.map_err(KeysError::from)?;
        Ok((self.departing, said))
    }
}
