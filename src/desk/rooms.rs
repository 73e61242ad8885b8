//! The rooms that are open only once the data partition is found good, or repaired.

use holdfast_medium::Lane;

use super::{Desk, Refusal};
use crate::history::{Archive, Audit};
use crate::mail::{Inbox, Outbox};

/// The rooms a client's question may lead to. Cheap to clone.
#[derive(Clone)]
pub struct Rooms {
    /// Received messages.
    pub inbox: Inbox,
    /// Messages to be sent.
    pub outbox: Outbox,
    /// Retired generations.
    pub archive: Archive,
    /// The log of who had them retired.
    pub audit: Audit,
    /// The queue of deeds on the disk, which the daemon's own are in, too.
    pub lane: Lane,
}

impl Desk {
    /// The rooms.
    ///
    /// # Errors
    /// Until they are open: whether they will be, or why they cannot.
    pub(super) fn rooms(&self) -> Result<Rooms, Refusal> {
        let rooms = self.lines.rooms.borrow().clone();
        rooms.ok_or_else(|| self.lines.status.borrow().not_open())
    }

    /// Waits for the rooms; `None` when the daemon ends without them.
    pub(super) async fn opened(&self) -> Option<Rooms> {
        let mut rooms = self.lines.rooms.clone();
        let opened = rooms.wait_for(Option::is_some).await.ok()?;
        opened.clone()
    }
}
