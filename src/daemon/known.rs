//! What large screens and their pages show beside the face, and the core does not know: looked at with each measurement of the data
//! partition, so that nothing wakes for it.

use holdfast_medium::{Machine, Stamp, Stopped, blocking};
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
    /// How long ago an archive left whole, milliseconds; `Some(None)`: never.
    pub(super) export_ms: Option<Option<u64>>,
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
        let archive = rooms.archive.clone();
        let looked = blocking(move || {
            let exported = archive.last_export().ok();
            let now = Stamp::now();
            Ok::<_, Stopped>(Known {
                whereabouts: network::whereabouts(&machine),
                has_key: settings::lets_in(&machine),
                export_ms: exported.map(|last| last.map(|last| whole_minutes(now.since(&last.at)))),
                ..Known::default()
            })
        });
        let looked = looked.await.unwrap_or_default();
        Known {
            unread: rooms.inbox.unread().messages,
            unsent: rooms.outbox.waiting(),
            newest: self.came(*rooms.inbox.newest().borrow()),
            ..looked
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
    whole_minutes(u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX))
}

fn whole_minutes(ms: u64) -> u64 {
    ms - ms % 60_000
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
