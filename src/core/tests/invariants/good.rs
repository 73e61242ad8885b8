//! Everything works again, and the link comes up whatever happened before.

use holdfast_core::{Ending, Event, GenerationId, Hand, Linked};

use super::moves::{Move, space};
use super::{ACCOUNT, MINUTE, World};

impl World {
    /// From here on everything works, and a human helps where one is needed.
    pub(super) fn turns_good(&mut self) {
        (0..3).for_each(|_| self.answer());
        self.happen(Event::Space(space(4000, 0, 0)));
        self.happen(Event::Released(Hand::Bus));
        self.happen(Event::Released(Hand::Device));
        self.around.deaf = false;
        for _ in 0..60 {
            if self.around.exited {
                return; // A new life begins.
            } else if self.around.resetting {
                self.happen(Event::ResetNoted);
            } else if self.around.retiring.is_some() {
                self.happen(Event::Retired(Linked {
                    generation: GenerationId(0),
                    account: None,
                }));
            } else if self.around.run.is_some() && self.around.linked.account.is_none() {
                self.happen(Event::Paired(ACCOUNT));
            } else if self.around.run.is_some() {
                self.happen(Event::LinkUp);
                if self.state().name() == "Connected" {
                    return;
                }
                self.happen(Event::LinkEnded(Ending::Asked));
            } else if let Some(at) = self.state().deadline() {
                self.pass(at.saturating_sub(self.now));
            } else {
                self.pass(11 * MINUTE);
                self.play(Move::Press(Hand::Device, 0));
            }
        }
        panic!("never connected again: {:?}", self.state());
    }
}
