//! The live generation, and what is owed to those before it.

use crate::ground::{CauseCode, GenerationId, LastFour, Linked, Successor, Trigger};

/// The live generation, and what is owed to those before it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Keys {
    /// The content of the vault; generation 0 until it is open.
    linked: Linked,
    /// Why nothing is linked, when nothing is.
    unlinked: CauseCode,
    /// WhatsApp said twice of this generation that it is logged out: its keys are good for nothing any more.
    revoked: Option<GenerationId>,
    /// The link a human gave up, which is still to be logged out.
    farewell: Option<GenerationId>,
}

impl Keys {
    /// The keys before the vault is open.
    pub(crate) fn new() -> Self {
        Self {
            linked: Linked {
                generation: GenerationId(0),
                account: None,
            },
            unlinked: CauseCode::NotLinked,
            revoked: None,
            farewell: None,
        }
    }

    pub(crate) fn linked(&self) -> Linked {
        self.linked
    }

    /// Whether the vault was opened.
    pub(crate) fn are_open(&self) -> bool {
        self.linked.generation != GenerationId(0)
    }

    pub(crate) fn account(&self) -> Option<LastFour> {
        self.linked.account
    }

    pub(crate) fn are_linked(&self) -> bool {
        self.linked.account.is_some()
    }

    /// Why nothing is linked.
    pub(crate) fn unlinked(&self) -> CauseCode {
        self.unlinked
    }

    /// The vault is open.
    pub(crate) fn boot(&mut self, linked: Linked) {
        self.linked = linked;
        if self.revoked.map(GenerationId::next) == Some(linked.generation) {
            self.unlinked = CauseCode::Revoked;
        }
    }

    /// The phone accepted.
    pub(crate) fn pair(&mut self, account: LastFour) {
        self.linked.account = Some(account);
    }

    /// WhatsApp revoked them, and confirmed it.
    pub(crate) fn revoke(&mut self) {
        self.revoked = Some(self.linked.generation);
    }

    /// Whether the live keys are good for nothing any more.
    pub(crate) fn are_revoked(&self) -> bool {
        self.revoked == Some(self.linked.generation)
    }

    /// The live generation went for another.
    pub(crate) fn switch(&mut self, linked: Linked, successor: Successor) {
        match successor {
            Successor::Fresh(Trigger::Button | Trigger::Bus) => {
                let known = self.linked.account.map(|_| self.linked.generation);
                self.farewell = known.or(self.farewell);
            }
            // It may be what came back.
            Successor::Archived(_) => self.farewell = None,
            // The link that was given up before is still listed.
            Successor::Fresh(Trigger::Server | Trigger::Recovery) => {}
        }
        self.linked = linked;
        self.unlinked = match successor.trigger() {
            Trigger::Server => CauseCode::Revoked,
            Trigger::Button | Trigger::Bus | Trigger::Recovery => CauseCode::Relinked,
        };
    }

    /// The generation that is still to be logged out.
    pub(crate) fn farewell(&self) -> Option<GenerationId> {
        self.farewell
    }

    /// Takes the generation that is to be logged out now.
    pub(crate) fn take_farewell(&mut self) -> Option<GenerationId> {
        self.farewell.take()
    }

    /// The generation that is revoked, and may not be retired yet.
    pub(crate) fn revoked(&self) -> Option<GenerationId> {
        self.revoked
    }

    /// Goes on from what was written down.
    pub(crate) fn resume(&mut self, revoked: Option<GenerationId>, farewell: Option<GenerationId>) {
        (self.revoked, self.farewell) = (revoked, farewell);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ground::ArchiveId;

    #[test]
    fn what_came_back_and_what_was_never_linked_are_left_alone() {
        let mut keys = Keys::new();
        keys.resume(None, Some(GenerationId(1)));
        let mut farewell_after = |account, successor| {
            let linked = Linked {
                generation: GenerationId(2),
                account,
            };
            keys.boot(linked);
            keys.switch(linked, successor);
            keys.farewell()
        };
        let account = Some(LastFour(*b"1234"));
        let again = Successor::Fresh(Trigger::Button);
        let (first, second) = (Some(GenerationId(1)), Some(GenerationId(2)));
        assert_eq!(farewell_after(None, again), first);
        let revoked = Successor::Fresh(Trigger::Server);
        assert_eq!(farewell_after(account, revoked), first);
        assert_eq!(farewell_after(account, again), second);
        let back = Successor::Archived(ArchiveId::Imported(1));
        assert_eq!(farewell_after(account, back), None);
    }
}
