//! The outbox's share of the room: what its messages take, with what will still be noted of them.

use holdfast_medium::push::BLOCK;

use super::Inner;
use crate::mail::frame::{self, HEADER};
use crate::mail::letter::Stored;
use crate::mail::{MailError, to_cbor};

/// What is still written of a message once it is accepted, bytes: that it was sent, and how it ended.
const NOTES: u64 = 2 * BLOCK as u64;
impl Inner {
    /// Refuses a message for which there is no room, with what will be noted of all that are not final: that can always be.
    pub(super) async fn admit(&self, stored: &Stored<'_>) -> Result<(), MailError> {
        let room = frame::room(HEADER + to_cbor(stored).len());
        let messages = self.queue.lock().count_open();
        let promises = notes(messages + 1);
        let taken = self.taken().saturating_add(room).saturating_add(NOTES);
        self.room.admit_share(messages, taken)?;
        let growth = || self.reader.growth(room);
        self.room.admit_out(growth, promises).await
    }

    /// Whether one more note finds room beside those that can always be written.
    pub(super) fn has_room_for_a_note(&self) -> bool {
        let promises = notes(self.queue.lock().count_open());
        let growth = self.reader.growth(BLOCK as u64);
        self.room.has_room_out(growth, promises)
    }

    /// What the messages that are not final take, with what will be noted of them, bytes.
    pub(super) fn taken(&self) -> u64 {
        let (oldest, open) = {
            let queue = self.queue.lock();
            let oldest = queue.all_open().next().map(|(seq, _)| seq);
            (oldest, queue.count_open())
        };
        let written = oldest.map_or(0, |oldest| self.reader.bytes_from(oldest));
        written.saturating_add(notes(open))
    }

    /// Keeps room for what will be noted.
    pub(super) fn promise(&self) {
        self.room.promise(notes(self.queue.lock().count_open()));
    }
}

/// What is still written of so many messages, bytes.
fn notes(messages: usize) -> u64 {
    NOTES.saturating_mul(messages as u64)
}
