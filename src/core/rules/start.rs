//! The start: what the machine tells first, the findings of the vault, and the repair before the link.

use crate::effect::Effect;
use crate::event::{Facts, Unfinished};
use crate::ground::{CauseCode, Linked, Way};
use crate::state::State;
use crate::turn::Turn;

impl Turn<'_> {
    /// The process started: the vault is looked through, unless it is known that nothing can be kept.
    pub(crate) fn woke(&mut self, facts: Facts) {
        if !self.state.session.is_new() {
            return;
        }
        self.state.notices.last_end(facts.last_end, self.now);
        if let Some(ignored) = facts.ignored {
            self.state.notices.settings(ignored, self.now);
        }
        (self.state.way, self.state.clock_behind) = (facts.way, facts.clock_behind);
        self.state.storage.limited(facts.limits);
        self.state.lamp.fit(facts.dims, self.now);
        self.state.session.puts_first(facts.qr_first);
        if let Some((past, elapsed_ms)) = facts.past {
            self.remembered(past, elapsed_ms);
        }
        self.state.emptied = facts.emptied;
        self.updates(facts.updates);
        match facts.reset {
            Unfinished::No if facts.set_aside => self.storage_failed(CauseCode::SetAside),
            Unfinished::No => {
                self.effects.push(Effect::Inspect);
                if self.attempt_is_expected() {
                    self.effects.push(Effect::DialAhead);
                }
            }
            // What is half forgotten is not opened.
            Unfinished::Waits => {
                self.state.session.want_reset();
                self.blame(CauseCode::ResetAsked);
                self.exit();
            }
            Unfinished::Failed => self.storage_failed(CauseCode::ResetUnfinished),
        }
    }

    /// Whether an attempt follows as soon as the vault is open, as far as can be known before.
    fn attempt_is_expected(&self) -> bool {
        let State {
            session,
            keys,
            allowances,
            way,
            clock_behind,
            ..
        } = &*self.state;
        let leads_out = way.and_then(Way::cause).is_none() && !clock_behind;
        let waits = session.owes_wait() || allowances.attempts.blocked_until(self.now).is_some();
        leads_out && !waits && keys.revoked().is_none()
    }

    /// The vault is open.
    pub(crate) fn booted(&mut self, linked: Linked) {
        if self.state.session.is_starting() {
            self.state.keys.boot(linked);
            self.begin();
        } else {
            self.finished();
        }
    }

    /// Drops the notice that has stood long enough, for the next one.
    pub(crate) fn notice_due(&mut self) {
        self.state.notices.due(self.now);
    }
}

#[cfg(test)]
mod tests {

    use crate::story::{ACCOUNT, Story};
    use crate::{
        Effect, Event, Face, Facts, GenerationId, Ignored, LastEnd, Linked, PairingFace, Way,
    };

    fn started(end: LastEnd) -> Story {
        let last_end = end;
        Story::woken(Facts {
            last_end,
            ..Facts::default()
        })
    }

    fn boot(story: &mut Story, account: bool) -> alloc::vec::Vec<Effect> {
        story.on(Event::Booted(Linked {
            generation: crate::GenerationId(1),
            account: account.then_some(ACCOUNT),
        }))
    }

    #[test]
    fn an_end_out_of_order_is_told_for_ten_seconds_and_changes_nothing_else() {
        for end in LastEnd::ALL {
            let mut story = started(end);
            let told = |left_ms| Face::LastEnd { end, left_ms };
            let tells = !end.is_in_order();
            assert_eq!(story.face() == told(10_000), tells);
            assert_eq!(boot(&mut story, true), [Effect::Connect]);
            assert_eq!(story.state.name(), "Connecting");
            story.wait(9_999);
            assert_eq!(story.face() == told(1), tells);
            story.wait(1);
            assert_eq!(story.face(), Face::Connecting);
        }
    }

    #[test]
    fn a_code_that_can_be_scanned_goes_before_the_notice() {
        let mut story = started(LastEnd::PowerLoss);
        assert_eq!(boot(&mut story, false), [Effect::Pair]);
        assert!(matches!(story.face(), Face::LastEnd { .. }));
        story.on(Event::QrShown { valid_ms: 60_000 });
        assert_eq!(
            story.face(),
            Face::Pairing(PairingFace::Qr { left_ms: 60_000 })
        );
    }

    #[test]
    fn a_question_goes_before_the_notice() {
        let mut story = started(LastEnd::Unknown);
        boot(&mut story, true);
        story.press(5_000);
        assert!(matches!(story.face(), Face::ConfirmRelink { .. }));
    }

    #[test]
    fn ignored_settings_are_told_for_a_minute_after_the_last_end() {
        let ignored = Ignored {
            count: 2,
            file: Some("holdfast.toml"),
            line: Some(7),
        };
        let mut story = Story::woken(Facts {
            last_end: LastEnd::PowerLoss,
            ignored: Some(ignored),
            ..Facts::default()
        });
        story.on(Event::Booted(Linked {
            generation: GenerationId(1),
            account: Some(ACCOUNT),
        }));
        assert!(matches!(story.face(), Face::LastEnd { .. }));
        story.wait(10_000);
        let told = |left_ms| Face::SettingsIgnored { ignored, left_ms };
        assert_eq!(story.face(), told(60_000));
        story.wait(59_999);
        assert_eq!(story.face(), told(1));
        story.wait(1);
        assert_eq!(story.face(), Face::Connecting);
    }

    #[test]
    fn the_way_is_opened_beside_the_vault_where_an_attempt_is_expected() {
        let woken = |facts: Facts| Story::new().on(Event::Woke(alloc::boxed::Box::new(facts)));
        let past = |text: &str| Some((text.parse().unwrap(), 0));
        let both = [Effect::Inspect, Effect::DialAhead];
        assert_eq!(woken(Facts::default()), both);
        let refused = ["attempts"]
            .into_iter()
            .chain(core::iter::repeat_n("600000", 20));
        let refused = refused.collect::<alloc::vec::Vec<_>>().join(" ");
        for facts in [
            Facts {
                way: Some(Way::NoAddress),
                ..Facts::default()
            },
            Facts {
                clock_behind: true,
                ..Facts::default()
            },
            Facts {
                past: past("wait banned 60000\n"),
                ..Facts::default()
            },
            Facts {
                past: past("revoked gen-0001\n"),
                ..Facts::default()
            },
            Facts {
                past: past(&alloc::format!("{refused}\n")),
                ..Facts::default()
            },
        ] {
            assert_eq!(woken(facts.clone()), [Effect::Inspect], "{facts:?}");
        }
    }

    #[test]
    fn booted_once() {
        let mut story = Story::booted(Some(ACCOUNT));
        assert_eq!(story.face(), Face::Connecting);
        assert_eq!(
            story.on(Event::Booted(Linked {
                generation: GenerationId(9),
                account: None
            })),
            []
        );
        assert_eq!(story.state.linked().generation, GenerationId(1));
    }
}
