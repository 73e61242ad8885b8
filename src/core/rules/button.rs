//! The button: what a press means where the device stands. Nobody needs more than one.

use crate::face::{Face, face, glow};
use crate::ground::{Successor, Trigger};
use crate::parts::{Hand, Meaning, PairingFace, Phase, Question};
use crate::timers::Timer;
use crate::turn::Turn;

impl Turn<'_> {
    /// The button went down. One that is held through the start means nothing.
    pub(crate) fn pressed(&mut self, hand: Hand) {
        let glow = glow(self.state, self.moment());
        self.state.lamp.touch(glow, self.now);
        if self.state.session.is_starting() {
            self.state.gesture.spend();
        } else {
            self.state.gesture.pressed(hand, self.now);
        }
    }

    /// The button came up.
    pub(crate) fn released(&mut self, hand: Hand) {
        let meaning = self.state.gesture.released(hand);
        self.button(meaning);
    }

    /// A press has become a hold, or the question has stood long enough, when that is so; both, where the tick is late.
    pub(crate) fn button_due(&mut self) {
        while self.rings(Timer::Button) {
            let meaning = self.state.gesture.due(self.now);
            self.button(meaning);
        }
    }

    fn button(&mut self, meaning: Option<Meaning>) {
        let Some(meaning) = meaning else { return };
        let state = &mut *self.state;
        match meaning {
            Meaning::Short => self.short(),
            Meaning::Hold if state.can_relink() => state.gesture.ask(Question::Relink, self.now),
            Meaning::Hold if matches!(state.session.phase(), Phase::Pairing(_)) => {
                self.pair_anew();
            }
            Meaning::Hold if !state.keys.are_linked() => _ = self.hurry(),
            Meaning::LongHold if state.can_reset() => {
                state.gesture.ask(Question::Reset, self.now);
            }
            Meaning::Confirm(Question::Relink) if state.can_relink() => {
                self.give_up(Successor::Fresh(Trigger::Button));
            }
            Meaning::Confirm(Question::Reset) if state.can_reset() => self.reset(),
            Meaning::Hold | Meaning::LongHold | Meaning::Confirm(_) => {}
        }
    }

    /// What waits for a human goes on; where nothing does, the page is turned.
    fn short(&mut self) {
        match face(self.state, self.moment()) {
            Face::ResetDone { .. } => self.reset_seen(),
            // First the light, for a phone may only be dazzled; after the darkest comes the other code.
            Face::Pairing(PairingFace::Qr { .. }) if self.state.lamp.dim_scan() => {}
            Face::Pairing(PairingFace::Qr { .. } | PairingFace::Code { .. }) => {
                self.state.session.turn_code();
            }
            _ if !self.state.turns_pages() => _ = self.hurry(),
            _ if self.state.lamp.was_woken() => {}
            _ => self.state.notices.turn(self.now),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::vec::Vec;

    use super::*;
    use crate::ground::MINUTE;
    use crate::story::{ACCOUNT, Story};
    use crate::{AuditEnd, Effect, Ending, Event, Facts, GenerationId, Light, Linked, Look};

    fn look(story: &Story) -> Look {
        let now = crate::Now { mono_ms: story.now };
        glow(&story.state, now).look(now)
    }

    /// A device on a glass like this, linked or not.
    fn on_glass(dims: bool, qr_first: bool, linked: bool) -> Story {
        let mut story = Story::new();
        story.on(Event::Woke(Box::new(Facts {
            dims,
            qr_first,
            ..Facts::default()
        })));
        story.on(Event::Booted(Linked {
            generation: GenerationId(1),
            account: linked.then_some(ACCOUNT),
        }));
        story
    }

    #[test]
    fn a_short_press_turns_the_page_where_nothing_is_asked() {
        let mut story = Story::connected();
        let end = AuditEnd::of(14, "3f2a9c01");
        story.on(Event::Audited(end.unwrap()));
        let face = story.face();
        let network = |left_ms| Face::Network { left_ms };
        let about = |left_ms| Face::About {
            generation: GenerationId(1),
            audit: end,
            left_ms,
        };
        for shown in [network(60_000), about(60_000), face.clone()] {
            assert_eq!(story.press(200), []);
            assert_eq!(story.face(), shown);
            assert_eq!(story.state.name(), "Connected");
        }
        for (presses, page) in [(1, network(1)), (2, about(1))] {
            (0..presses).for_each(|_| assert_eq!(story.press(200), []));
            story.wait(59_999);
            assert_eq!(story.face(), page);
            story.wait(1);
            assert_eq!(story.face(), face, "it goes away by itself");
        }
        // What is wrong goes before it, and the button is for that.
        story.press(200);
        story.ended(Ending::Replaced);
        assert!(matches!(story.face(), Face::Replaced { .. }));
        assert_eq!(story.press(200), [Effect::Connect]);
        assert_eq!(story.face(), network(59_800), "nothing is asked again");
    }

    #[test]
    fn a_press_wakes_a_glass_that_rests_and_does_nothing_else_where_nothing_is_asked() {
        let mut story = on_glass(true, true, true);
        story.on(Event::LinkUp);
        story.wait(10 * MINUTE);
        assert_eq!(look(&story).light, Light::Dim);
        story.press(200);
        assert_eq!(look(&story).light, Light::Full);
        assert!(matches!(story.face(), Face::Connected { .. }));
        story.press(200);
        assert!(matches!(story.face(), Face::Network { .. }));
        story.on(Event::Night(true));
        story.wait(MINUTE);
        assert_eq!(look(&story).light, Light::Faint);
        story.on(Event::Night(false));
        assert_eq!(look(&story).light, Light::Full);
        // Who is told to press need not do so twice.
        story.wait(10 * MINUTE);
        story.ended(Ending::Replaced);
        assert_eq!(look(&story).light, Light::Dim);
        assert_eq!(story.press(200), [Effect::Connect]);
    }

    /// The codes and lights that these presses bring, from what is shown first.
    fn pressed_through(dims: bool, qr_first: bool, has_number: bool) -> Vec<(char, Light)> {
        let mut story = on_glass(dims, qr_first, false);
        story.on(Event::QrShown { valid_ms: 60_000 });
        if has_number {
            story.on(Event::CodeShown { valid_ms: 90_000 });
        }
        story.on(Event::Night(true));
        let mut seen = Vec::new();
        for _ in 0..6 {
            seen.push(match story.face() {
                Face::Pairing(PairingFace::Qr { .. }) => ('q', look(&story).light),
                Face::Pairing(PairingFace::Code { .. }) => ('c', look(&story).light),
                other => panic!("{other:?}"),
            });
            assert_eq!(story.press(200), []);
        }
        seen
    }

    #[test]
    fn a_press_under_a_qr_cycles_its_lights_and_then_the_codes() {
        use Light::{Dim, Faint, Full};
        let (code, full, dim, faint) = (('c', Full), ('q', Full), ('q', Dim), ('q', Faint));
        for (dims, qr_first, has_number, seen) in [
            (true, true, false, [full, dim, faint, full, dim, faint]),
            (true, true, true, [full, dim, faint, code, full, dim]),
            (true, false, true, [code, full, dim, faint, code, full]),
            (false, false, true, [code, full, code, full, code, full]),
            (false, true, false, [full; 6]),
        ] {
            assert_eq!(pressed_through(dims, qr_first, has_number), seen);
        }
    }

    #[test]
    fn the_code_that_is_not_first_is_shown_when_the_other_is_over() {
        let mut story = on_glass(false, true, false);
        story.on(Event::CodeShown { valid_ms: 30_000 });
        let code = |left_ms| Face::Pairing(PairingFace::Code { left_ms });
        assert_eq!(story.face(), code(30_000));
        story.on(Event::QrShown { valid_ms: 20_000 });
        assert!(matches!(
            story.face(),
            Face::Pairing(PairingFace::Qr { .. })
        ));
        story.wait(20_000);
        assert_eq!(story.face(), code(10_000));
    }
}
