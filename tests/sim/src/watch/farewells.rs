//! Farewells: each link that a human gave up for a new one is logged out once, when a link has held for half a minute.

use holdfast_core::{ArchiveId, Event, Order, Trigger};

/// A link that a human gave up.
#[derive(Clone, Debug)]
struct GivenUp {
    link: ArchiveId,
    /// When that was decided.
    at: u64,
    /// When it was logged out.
    said_at: Option<u64>,
}

/// The links that humans gave up, with what became of each.
#[derive(Clone, Debug, Default)]
pub(super) struct Farewells {
    given_up: Vec<GivenUp>,
    /// When the last order to give a generation up came.
    ordered_at: u64,
    /// One of them is being logged out.
    departs: bool,
}

impl Farewells {
    pub(super) fn starts(&mut self) {
        self.departs = false;
    }

    pub(super) fn retires(&mut self, now: u64) {
        self.ordered_at = now;
    }

    /// A generation went, and perhaps an archived link came back: that is given up no more.
    pub(super) fn retired(&mut self, order: Order, was_linked: bool, back: Option<ArchiveId>) {
        match back {
            Some(back) => self.given_up.retain(|it| it.link != back),
            None if was_linked && matches!(order.trigger, Trigger::Button | Trigger::Bus) => {
                self.given_up.push(GivenUp {
                    link: ArchiveId::Retired(order.old),
                    at: self.ordered_at,
                    said_at: None,
                });
            }
            None => {}
        }
    }

    /// What came up since then was not written down.
    pub(super) fn forgets(&mut self, since: u64) {
        self.given_up.retain(|it| it.at < since);
        for it in &mut self.given_up {
            it.said_at = it.said_at.filter(|at| *at < since);
        }
    }

    pub(super) fn happens(&mut self, event: &Event) {
        self.departs &= *event != Event::FarewellSaid;
    }

    /// A link is logged out; that it was is on the disk before.
    pub(super) fn says(&mut self, now: u64, link: ArchiveId, written: bool) -> Result<(), String> {
        if std::mem::replace(&mut self.departs, true) {
            return Err(format!("{link} is logged out beside another one"));
        }
        let owed = self.given_up.iter_mut().find(|it| it.link == link);
        let Some(owed) = owed.filter(|it| written && it.said_at.is_none()) else {
            return Err(format!("{link} is logged out, and that is not owed to it"));
        };
        owed.said_at = Some(now);
        Ok(())
    }

    /// Whether all were logged out, now that a link holds.
    pub(super) fn looks(&self, holds: bool) -> Result<(), String> {
        let owed = self.given_up.iter().find(|it| it.said_at.is_none());
        match owed.filter(|_| holds && !self.departs) {
            Some(owed) => Err(format!(
                "the new link holds, and {} is not logged out",
                owed.link
            )),
            None => Ok(()),
        }
    }
}
