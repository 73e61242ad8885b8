//! Notices: the screen shows them in passing, one after the other.

use crate::ground::{LastEnd, MINUTE, Moments, SECOND};

/// Settings of the owner that were ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ignored {
    /// How many, at least 1.
    pub count: u32,
    /// The name of the file of the first, where it is a known one.
    pub file: Option<&'static str>,
    /// The line of the first, from 1, where it is about one.
    pub line: Option<u32>,
}

/// Something the screen shows in passing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Notice {
    /// The last run did not end in order.
    LastEnd(LastEnd),
    /// Settings of the owner were ignored.
    Settings(Ignored),
    /// A new version did not stay.
    FellBack,
    /// Where this device is found on the network: somebody turned the page.
    Network,
    /// What this device is: somebody turned the page once more.
    About,
}

impl Notice {
    /// How long it stands. Settings send people to the file, and digits are written down, so that they need longer.
    fn lasts_ms(self) -> u64 {
        match self {
            Self::LastEnd(_) => 10 * SECOND,
            Self::Settings(_) | Self::FellBack | Self::Network | Self::About => MINUTE,
        }
    }
}

/// The notice that stands, and the one that waits for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Notices {
    raised: Option<(Notice, u64)>,
    next: Option<Notice>,
}

impl Notices {
    /// The notice that stands, and until when.
    pub(crate) fn raised(&self) -> Option<(Notice, u64)> {
        self.raised
    }

    pub(crate) fn deadline(&self) -> Option<u64> {
        self.raised.map(|(_, until)| until)
    }

    /// Tells of an end that was not in order, before all else.
    pub(crate) fn last_end(&mut self, end: LastEnd, now: u64) {
        self.raised = None;
        if !end.is_in_order() {
            self.raise(Notice::LastEnd(end), now);
        }
    }

    /// Tells of settings that were ignored, when nothing else is told.
    pub(crate) fn settings(&mut self, ignored: Ignored, now: u64) {
        self.next = Some(Notice::Settings(ignored));
        self.due(now);
    }

    /// Tells of a new version that did not stay, which says more than how its last run ended.
    pub(crate) fn fell_back(&mut self, now: u64) {
        self.raise(Notice::FellBack, now);
    }

    /// Turns the page: from the face itself to the network, to what this device is, and back. What else stands makes way.
    pub(crate) fn turn(&mut self, now: u64) {
        match self.raised.take() {
            None => self.raise(Notice::Network, now),
            Some((Notice::Network, _)) => self.raise(Notice::About, now),
            Some(_) => self.due(now),
        }
    }

    /// Nobody turned a page.
    pub(crate) fn turn_back(&mut self) {
        let is_page = |notice| matches!(notice, Notice::Network | Notice::About);
        self.raised.take_if(|(notice, _)| is_page(*notice));
    }

    pub(crate) fn rebase(&mut self, moments: Moments) {
        if let Some((_, until)) = &mut self.raised {
            moments.due(until);
        }
    }

    /// Drops the notice that has stood long enough, for the next one.
    pub(crate) fn due(&mut self, now: u64) {
        self.raised = self.raised.filter(|(_, until)| *until > now);
        if self.raised.is_none()
            && let Some(next) = self.next.take()
        {
            self.raise(next, now);
        }
    }

    fn raise(&mut self, notice: Notice, now: u64) {
        self.raised = Some((notice, now.saturating_add(notice.lasts_ms())));
    }
}
