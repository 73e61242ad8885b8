//! What the vault found at boot, and what is to be done about it before the link.
//!
//! The order of worth: a lost identity costs a human with a phone, a lost ratchet heals by itself on the wire with
//! one round trip a peer, and a *stale* ratchet uses message keys twice. So the identity is never given up, and a
//! ratchet is dropped wherever it is in doubt that it is the newest.

use crate::ground::MINUTE;
use crate::self_test::SelfTest;
use crate::session::Session;
use crate::step::Turn;
use crate::{CauseCode, Effect};

/// How long a repair may take before a human is told.
const PATIENCE_MS: u64 = MINUTE;

/// What the vault found when it looked through the live generation: facts, not judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Findings {
    /// The identity tier.
    pub identity: IdentityFound,
    /// All other tiers.
    pub store: StoreFound,
    /// Records that pass their checksum and cannot be decoded, by what they cost.
    pub unusable: Unusable,
    /// What an earlier repair left to do after connecting.
    pub todo: Todo,
}

/// How the identity was found. One that cannot be read at all is no finding: the vault does not open over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IdentityFound {
    /// Both slots hold the same.
    Sound,
    /// One slot is damaged, missing or one save behind; the other is whole.
    OneSlot,
}

/// How the store of the other tiers was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreFound {
    /// Whole, and as new as the witness says; an empty one of a device that was never linked too.
    Sound,
    /// Whole, and exactly one step behind the witness: an unlucky cut, or one step lost.
    OneBehind,
    /// Whole, and further behind: it was rolled back.
    Behind,
    /// Whole, but no witness says how new it should be.
    Unwitnessed,
    /// It does not open, or does not hold what it says it holds.
    Damaged,
    /// There is none, though the device is linked.
    Lost,
}

/// Records that cannot be decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Unusable {
    /// One-time pre-keys: WhatsApp still hands out their public halves.
    pub pre_keys: u32,
    /// All others.
    pub others: u32,
}

/// What is left to do once connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Todo {
    /// Upload fresh one-time pre-keys.
    pub refresh_pre_keys: bool,
    /// Ask WhatsApp whether what it has of us is what we have.
    pub check_digest: bool,
}

impl Todo {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What is done about the findings, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    /// Write both identity slots anew from the whole one.
    pub slots: bool,
    /// What becomes of the store.
    pub store: Treatment,
    /// Go on with pre-key ids far beyond any that was ever used.
    pub leap: bool,
    /// What is left to do once connected.
    pub todo: Todo,
}

/// What becomes of the store. Nothing is deleted unread: what goes is put into quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Treatment {
    /// It stays as it is.
    Keep,
    /// Single records go: those that cannot be decoded, and the ratchets that the witness names for its last step.
    Weed,
    /// It is set aside whole, and a new one begun with what is worth keeping and harmless when old. No ratchet is.
    Rebuild,
}

impl Plan {
    /// Nothing is repaired.
    pub const NOTHING: Self = Self {
        slots: false,
        store: Treatment::Keep,
        leap: false,
        todo: Todo {
            refresh_pre_keys: false,
            check_digest: false,
        },
    };

    /// The session keys are made anew, the link stays.
    pub const REBUILD: Self = Self {
        slots: false,
        store: Treatment::Rebuild,
        leap: true,
        todo: Todo {
            refresh_pre_keys: false,
            check_digest: true,
        },
    };

    /// Whether anything is to be repaired.
    pub fn is_empty(&self) -> bool {
        !self.slots && self.store == Treatment::Keep && !self.leap
    }
}

/// What to do about these findings.
pub fn plan(findings: &Findings) -> Plan {
    let Unusable { pre_keys, others } = findings.unusable;
    let store = match findings.store {
        StoreFound::Sound if pre_keys == 0 && others == 0 => Treatment::Keep,
        StoreFound::Sound | StoreFound::OneBehind => Treatment::Weed,
        StoreFound::Behind | StoreFound::Unwitnessed | StoreFound::Damaged | StoreFound::Lost => {
            Treatment::Rebuild
        }
    };
    // Ids that were given out with keys that are gone must never be given out again with others.
    let leap = store == Treatment::Rebuild;
    Plan {
        slots: findings.identity == IdentityFound::OneSlot,
        store,
        leap,
        todo: Todo {
            // After a leap the library uploads by itself.
            refresh_pre_keys: findings.todo.refresh_pre_keys || (pre_keys > 0 && !leap),
            check_digest: findings.todo.check_digest || store != Treatment::Keep,
        },
    }
}

impl Turn<'_> {
    /// The vault was looked through; it always waits for the plan, also for an empty one.
    pub(crate) fn found(&mut self, findings: &Findings) {
        if self.state.session != Session::Starting {
            return;
        }
        self.repair(plan(findings));
    }

    /// Has the plan carried out; the link comes after it.
    pub(crate) fn repair(&mut self, plan: Plan) {
        self.state.todo = plan.todo;
        if !plan.is_empty() || !plan.todo.is_empty() {
            self.state.self_test = SelfTest::Due;
        }
        if plan.store != Treatment::Keep {
            self.state.storm.on_probation(self.now);
        }
        if !plan.is_empty() {
            self.state.session = Session::Repairing {
                until: self.after(PATIENCE_MS),
            };
            self.blame(match plan.store {
                Treatment::Rebuild => CauseCode::KeysRebuilt,
                Treatment::Weed | Treatment::Keep => CauseCode::KeysRepaired,
            });
        }
        self.effects.push(Effect::Repair(plan));
    }

    /// A repair that takes long is waited for: half of one is worth less than none.
    pub(crate) fn repair_slow(&mut self) {
        self.blame(CauseCode::RepairSlow);
        self.state.session = Session::Repairing {
            until: self.after(PATIENCE_MS),
        };
    }

    /// Connected: what a repair left to do is done now.
    pub(crate) fn catch_up(&mut self) {
        if !self.state.todo.is_empty() {
            self.effects.push(Effect::CatchUp(self.state.todo));
        }
    }

    pub(crate) fn caught_up(&mut self) {
        if !self.state.todo.is_empty() {
            self.state.todo = Todo::default();
            self.effects.push(Effect::NoteCaughtUp);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::{ACCOUNT, Story};
    use crate::{Ending, Event, Face, GenerationId, Linked, Now, Tested, step};

    const SOUND: Findings = Findings {
        identity: IdentityFound::Sound,
        store: StoreFound::Sound,
        unusable: Unusable {
            pre_keys: 0,
            others: 0,
        },
        todo: Todo {
            refresh_pre_keys: false,
            check_digest: false,
        },
    };

    const STORES: [StoreFound; 6] = [
        StoreFound::Sound,
        StoreFound::OneBehind,
        StoreFound::Behind,
        StoreFound::Unwitnessed,
        StoreFound::Damaged,
        StoreFound::Lost,
    ];

    #[test]
    fn nothing_wrong_nothing_done() {
        assert!(plan(&SOUND).is_empty());
        assert!(plan(&SOUND).todo.is_empty());
    }

    #[test]
    fn no_ratchet_outlives_a_doubt() {
        for store in STORES {
            let plan = plan(&Findings { store, ..SOUND });
            let rebuilt = !matches!(store, StoreFound::Sound | StoreFound::OneBehind);
            assert_eq!(plan.store == Treatment::Rebuild, rebuilt, "{store:?}");
            assert_eq!(plan.leap, rebuilt, "{store:?}");
            assert_eq!(plan.is_empty(), store == StoreFound::Sound, "{store:?}");
            assert_eq!(plan.todo.check_digest, !plan.is_empty(), "{store:?}");
        }
    }

    #[test]
    fn a_lost_pre_key_is_made_up_for_once() {
        let unusable = Unusable {
            pre_keys: 1,
            others: 0,
        };
        let weeded = plan(&Findings { unusable, ..SOUND });
        assert_eq!(weeded.store, Treatment::Weed);
        assert!(weeded.todo.refresh_pre_keys && !weeded.leap);
        let rebuilt = plan(&Findings {
            unusable,
            store: StoreFound::Behind,
            ..SOUND
        });
        assert!(!rebuilt.todo.refresh_pre_keys && rebuilt.leap);
    }

    #[test]
    fn a_slot_is_made_good_and_what_was_left_to_do_stays_to_be_done() {
        let todo = Todo {
            refresh_pre_keys: true,
            check_digest: false,
        };
        let plan = plan(&Findings {
            identity: IdentityFound::OneSlot,
            todo,
            ..SOUND
        });
        assert!(plan.slots && !plan.is_empty() && plan.store == Treatment::Keep);
        assert_eq!(plan.todo, todo);
    }

    const LINKED: Linked = Linked {
        generation: GenerationId(1),
        account: Some(ACCOUNT),
    };

    #[test]
    fn every_boot_goes_through_a_plan_and_a_repair_is_on_the_screen() {
        let mut story = Story::new();
        assert_eq!(
            story.on(Event::Found(SOUND)),
            [Effect::Repair(plan(&SOUND))]
        );
        assert_eq!(story.face(), Face::Starting);
        assert_eq!(story.on(Event::Booted(LINKED)), [Effect::Connect]);

        let mut story = Story::new();
        let damaged = Findings {
            store: StoreFound::Damaged,
            ..SOUND
        };
        assert!(
            story
                .on(Event::Found(damaged))
                .contains(&Effect::Repair(plan(&damaged)))
        );
        assert_eq!(story.face(), Face::Repairing);
        assert_eq!(story.cause(), Some("storage.keys-rebuilt"));
        story.wait(3 * PATIENCE_MS);
        assert_eq!(story.cause(), Some("storage.repair-slow"));
        assert_eq!(story.on(Event::Booted(LINKED)), [Effect::Connect]);
    }

    #[test]
    fn what_a_repair_leaves_to_do_is_asked_for_until_it_is_done() {
        let mut story = Story::new();
        let behind = Findings {
            store: StoreFound::OneBehind,
            ..SOUND
        };
        let todo = plan(&behind).todo;
        story.on(Event::Found(behind));
        story.on(Event::Booted(LINKED));
        for _ in 0..2 {
            assert_eq!(story.on(Event::LinkUp), [Effect::CatchUp(todo)]);
            story.ended(Ending::Network(CauseCode::ConnectionLost.into()));
            story.wait_for(Effect::Connect);
        }
        assert_eq!(story.on(Event::LinkUp), [Effect::CatchUp(todo)]);
        assert_eq!(
            story.on(Event::CaughtUp),
            [Effect::NoteCaughtUp, Effect::SelfTest]
        );
        assert_eq!(story.on(Event::CaughtUp), []);
        story.on(Event::SelfTested(Tested {
            answered: true,
            echoed: None,
        }));
        story.ended(Ending::Network(CauseCode::ConnectionLost.into()));
        story.wait_for(Effect::Connect);
        assert_eq!(story.on(Event::LinkUp), []);
    }

    #[test]
    fn findings_count_once_and_only_at_the_start() {
        let mut story = Story::connected();
        let now = Now { mono_ms: story.now };
        assert!(step(&mut story.state, Event::Found(SOUND), now).ignored);
    }
}
