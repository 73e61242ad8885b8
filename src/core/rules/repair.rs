//! The repair: the plan is carried out before the link, and what it leaves to do once the link is up.

use crate::effect::Effect;
use crate::ground::CauseCode;
use crate::parts::{Findings, Plan, StoreFound, Todo, Treatment, plan};
use crate::turn::Turn;

impl Turn<'_> {
    /// The vault was looked through; it always waits for the plan, also for an empty one.
    pub(crate) fn found(&mut self, findings: &Findings) {
        if self.state.session.is_new() {
            let plan = plan(findings);
            self.repair(
                plan,
                match (plan.store, findings.store) {
                    (Treatment::Rebuild, StoreFound::Older) => CauseCode::OlderCopy,
                    (Treatment::Rebuild, _) => CauseCode::KeysRebuilt,
                    (Treatment::Weed | Treatment::Keep, _) => CauseCode::KeysRepaired,
                },
            );
        }
    }

    /// Has the plan carried out, because of this; the link comes after it.
    fn repair(&mut self, plan: Plan, why: CauseCode) {
        self.state.todo = plan.todo;
        if !plan.is_empty() || !plan.todo.is_empty() {
            self.state.self_test.want();
        }
        if plan.store != Treatment::Keep {
            self.state.storm.on_probation(self.now);
        }
        if !plan.is_empty() {
            self.state.session.repair(self.now);
            self.blame(why);
        }
        self.effects.push(Effect::Repair(plan));
    }

    /// No run is left: the session keys are made anew, as a boot does that does not trust them.
    pub(crate) fn rebuild(&mut self) {
        self.tell_undecrypted();
        self.state.allowances.rebuilds.take(self.now);
        self.state.storm.forget();
        self.repair(Plan::REBUILD, CauseCode::KeysRenewed);
    }

    /// Connected: what a repair left to do is done now.
    pub(crate) fn catch_up(&mut self) {
        if !self.state.todo.is_empty() {
            self.effects.push(Effect::CatchUp(self.state.todo));
        }
    }

    /// Nothing is left to do. Without a run, or in a process that has left, nobody did it.
    pub(crate) fn caught_up(&mut self) {
        let session = &self.state.session;
        let runs = session.is_running() && !session.has_left();
        if runs && !self.state.todo.is_empty() {
            self.state.todo = Todo::default();
            self.effects.push(Effect::NoteCaughtUp);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ground::limits::PATIENCE_MS;
    use crate::story::{ACCOUNT, Story};
    use crate::{
        Ending, Event, Face, GenerationId, IdentityFound, Linked, Now, Tested, Unusable, step,
    };

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

    const STORES: [StoreFound; 7] = [
        StoreFound::Sound,
        StoreFound::OneBehind,
        StoreFound::Behind,
        StoreFound::Unwitnessed,
        StoreFound::Damaged,
        StoreFound::Lost,
        StoreFound::Older,
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

    #[test]
    fn an_older_copy_that_was_put_back_has_a_cause_of_its_own() {
        let mut story = Story::new();
        let older = Findings {
            store: StoreFound::Older,
            ..SOUND
        };
        let effects = story.on(Event::Found(older));
        assert!(effects.contains(&Effect::Repair(plan(&older))));
        assert_eq!(story.face(), Face::Repairing);
        assert_eq!(story.cause(), Some("storage.older-copy"));
        assert!(story.reports.contains(&"storage.older-copy"));
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
