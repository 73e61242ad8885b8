//! The live generation, and what is owed to those before it.

use alloc::vec::Vec;

use crate::ground::{ArchiveId, CauseCode, GenerationId, LastFour, Linked, Successor, Trigger};

/// The most links that wait to be logged out: twice as many as WhatsApp lists for one account.
const FAREWELLS: usize = 8;

/// The live generation, and what is owed to those before it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Keys {
    /// The content of the vault; generation 0 until it is open.
    linked: Linked,
    /// Why nothing is linked, when nothing is.
    unlinked: CauseCode,
    /// WhatsApp said twice of this generation that it is logged out: its keys are good for nothing any more.
    revoked: Option<GenerationId>,
    /// The links that humans gave up and that are still to be logged out, the oldest first. The live one is among them while it
    /// is being retired, so that no power cut forgets it.
    farewells: Vec<GenerationId>,
    /// One of them is being logged out.
    departs: bool,
    /// One of them is coming back instead of the live generation.
    returns: Option<Returns>,
}

/// A link that is to be logged out comes back instead: it is given up no more once the live generation is another one, also where
/// a power cut came before anybody heard of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Returns {
    /// The link that comes back.
    pub(crate) link: GenerationId,
    /// The generation that goes for it.
    pub(crate) instead_of: GenerationId,
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
            farewells: Vec::new(),
            departs: false,
            returns: None,
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
        if let Some(Returns { link, instead_of }) = self.returns
            && instead_of != linked.generation
        {
            self.forget_farewell(link);
        }
        self.keep();
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

    /// The live generation is being given up. Of a link that a human gives up for a new one the phone goes on listing the old one.
    pub(crate) fn give_up(&mut self, successor: Successor) {
        self.keep();
        if let Successor::Archived(ArchiveId::Retired(link)) = successor
            && self.farewells.contains(&link)
        {
            let instead_of = self.linked.generation;
            self.returns = Some(Returns { link, instead_of });
        }
        let is_relink = matches!(successor, Successor::Fresh(Trigger::Button | Trigger::Bus));
        if is_relink && self.are_linked() {
            self.farewells.push(self.linked.generation);
            let surplus = self.farewells.len().saturating_sub(FAREWELLS);
            self.farewells.drain(..surplus);
        }
    }

    /// The live generation stays.
    pub(crate) fn keep(&mut self) {
        self.returns = None;
        self.forget_farewell(self.linked.generation);
    }

    /// The live generation went for another. A link that comes back is not given up any more.
    pub(crate) fn switch(&mut self, linked: Linked, successor: Successor) {
        if let Some(Returns { link, .. }) = self.returns.take() {
            self.forget_farewell(link);
        }
        self.linked = linked;
        self.unlinked = match successor.trigger() {
            Trigger::Server => CauseCode::Revoked,
            Trigger::Button | Trigger::Bus | Trigger::Recovery => CauseCode::Relinked,
        };
    }

    /// The generations that are still to be logged out.
    pub(crate) fn farewells(&self) -> &[GenerationId] {
        &self.farewells
    }

    /// The one of them that is coming back.
    pub(crate) fn returns(&self) -> Option<Returns> {
        self.returns
    }

    /// Whether one may be logged out now: one after the other, for each takes the archive for itself.
    pub(crate) fn owe_a_farewell(&self) -> bool {
        !self.departs && !self.farewells.is_empty()
    }

    /// Takes the generation that is to be logged out now.
    pub(crate) fn begin_farewell(&mut self) -> Option<GenerationId> {
        self.departs = self.owe_a_farewell();
        self.departs.then(|| self.farewells.remove(0))
    }

    /// Whatever came of the farewell, it is over.
    pub(crate) fn end_farewell(&mut self) {
        self.departs = false;
    }

    fn forget_farewell(&mut self, of: GenerationId) {
        self.farewells.retain(|owed| *owed != of);
    }

    /// The generation that is revoked, and may not be retired yet.
    pub(crate) fn revoked(&self) -> Option<GenerationId> {
        self.revoked
    }

    /// Goes on from what was written down.
    pub(crate) fn resume(
        &mut self,
        revoked: Option<GenerationId>,
        farewells: Vec<GenerationId>,
        returns: Option<Returns>,
    ) {
        (self.revoked, self.farewells, self.returns) = (revoked, farewells, returns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUTTON: Successor = Successor::Fresh(Trigger::Button);
    const REVOKED: Successor = Successor::Fresh(Trigger::Server);

    /// The generations that are to be logged out after the live one, linked or not, went for the next by each of these.
    fn owed(steps: &[(bool, Successor)]) -> Vec<u32> {
        let mut keys = Keys::new();
        let linked = |generation, is_linked: bool| Linked {
            generation: GenerationId(generation),
            account: is_linked.then_some(LastFour(*b"1234")),
        };
        for (live, (is_linked, successor)) in (1..).zip(steps) {
            keys.boot(linked(live, *is_linked));
            keys.give_up(*successor);
            keys.switch(linked(live + 1, false), *successor);
        }
        keys.farewells().iter().map(|owed| owed.0).collect()
    }

    #[test]
    fn each_link_that_a_human_gave_up_is_owed_its_farewell() {
        let back = |archive| Successor::Archived(archive);
        let (first, other) = (ArchiveId::Retired(GenerationId(1)), ArchiveId::Imported(1));
        for (steps, expected) in [
            (&[(true, BUTTON), (true, BUTTON)][..], &[1, 2][..]),
            (&[(true, BUTTON), (false, BUTTON)], &[1]),
            (&[(true, BUTTON), (true, REVOKED)], &[1]),
            (&[(true, BUTTON), (true, BUTTON), (true, back(first))], &[2]),
            (&[(true, BUTTON), (true, back(other))], &[1]),
        ] {
            assert_eq!(owed(steps), expected, "{steps:?}");
        }
        assert_eq!(owed(&[(true, BUTTON); 10]), [3, 4, 5, 6, 7, 8, 9, 10]);
    }

    #[test]
    fn a_link_that_could_not_be_given_up_is_owed_nothing() {
        let mut keys = Keys::new();
        let linked = Linked {
            generation: GenerationId(2),
            account: Some(LastFour(*b"1234")),
        };
        let owed = Vec::from([GenerationId(1), GenerationId(2)]);
        keys.resume(None, owed, None);
        keys.boot(linked);
        assert_eq!(keys.farewells(), [GenerationId(1)], "it is still live");
        keys.give_up(BUTTON);
        keys.keep();
        assert_eq!(keys.farewells(), [GenerationId(1)]);
    }
}
