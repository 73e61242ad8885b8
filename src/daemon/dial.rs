//! The link is started and ended here: a run waits for the deeds that were decided before it.

use holdfast_core::Event;

use super::answer::Answer;
use super::hands::{Dial, Hands};
use crate::link::Link;

impl Hands {
    /// Starts a run of the link, once all that was decided before is on the disk.
    pub(super) fn dial(&mut self, deed: &'static str) {
        self.incidents.does(deed);
        self.dial = Dial::Waits;
        self.deed(async { Some(Answer::MayDial) });
    }

    pub(super) fn may_dial(&mut self) -> Vec<Event> {
        let dial = std::mem::replace(&mut self.dial, Dial::Idle);
        if let Some(open) = &mut self.open {
            let vault = &open.rooms.vault;
            open.rooms.outbox.belongs_to(vault.own_chat());
            open.link.start(vault.backend());
            if dial == Dial::Ends {
                open.link.disconnect();
            }
        }
        Vec::new()
    }

    /// Has the run of the link end, be it one that has not started yet.
    pub(super) fn hang_up(&mut self) {
        self.incidents.does("closed the connection");
        match self.dial {
            Dial::Idle => self.open.iter_mut().for_each(|open| open.link.disconnect()),
            Dial::Waits | Dial::Ends => self.dial = Dial::Ends,
        }
    }

    /// Asks something of the link; before there is one, nobody is there to ask.
    pub(super) fn link(&self, ask: impl FnOnce(&Link)) {
        if let Some(open) = &self.open {
            ask(&open.link);
        }
    }
}
