//! What large screens and their pages show beside the face, and the core does not know: looked at with each measurement of the data
//! partition, so that nothing wakes for it.

use std::time::Duration;

use holdfast_medium::{Machine, Stopped, blocking};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::rooms::Rooms;
use crate::boot::settings;
use crate::network::{self, Whereabouts};

/// What is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) whereabouts: Whereabouts,
    pub(super) has_key: Option<bool>,
    pub(super) unread: u64,
    pub(super) unsent: u64,
    /// When the newest message came in; `None`: before this run.
    pub(super) newest: Option<Instant>,
}

/// Remembers the newest message between two looks.
#[derive(Debug, Default)]
pub(super) struct Lookout(Mutex<Option<(u64, Option<Instant>)>>);

impl Lookout {
    /// Looks at the machine and at the rooms.
    pub(super) async fn look(&self, machine: Machine, rooms: &Rooms) -> Known {
        let looked = blocking(move || {
            let has_key = settings::lets_in(&machine);
            Ok::<_, Stopped>((network::whereabouts(&machine), has_key))
        });
        let (whereabouts, has_key) = looked.await.unwrap_or_default();
        Known {
            whereabouts,
            has_key,
            unread: rooms.inbox.unread().messages,
            unsent: rooms.outbox.waiting(),
            newest: self.came(*rooms.inbox.newest().borrow()),
        }
    }

    /// Tells when the message with this number was seen first.
    fn came(&self, newest: u64) -> Option<Instant> {
        let mut seen = self.0.lock();
        let at = match *seen {
            Some((before, at)) if before == newest => at,
            Some(_) => Some(Instant::now()),
            None => None,
        };
        *seen = Some((newest, at));
        at
    }
}

/// How long ago that was, whole minutes in milliseconds: less is not shown, and would have the screen drawn anew.
pub(super) fn minutes_since(at: Instant) -> u64 {
    let minutes = at.elapsed().as_secs() / 60;
    u64::try_from(Duration::from_secs(minutes * 60).as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_message_is_as_old_as_when_it_was_first_seen() {
        let lookout = Lookout::default();
        assert_eq!(lookout.came(7), None, "from before this run");
        assert_eq!(lookout.came(7), None);
        let at = lookout.came(8).unwrap();
        tokio::time::advance(Duration::from_secs(119)).await;
        assert_eq!(lookout.came(8), Some(at));
        assert_eq!(minutes_since(at), 60_000);
    }
}
