//! Persistence: pulling the plug is no way round a wait, nor round an allowance.

use alloc::boxed::Box;

use crate::effect::Effect;
use crate::ground::Wait;
use crate::ground::limits::NOTED_MS;
use crate::past::Past;
use crate::state::State;
use crate::turn::Turn;

/// The past that the next start would have to know now.
fn past(state: &State, now: u64) -> Past {
    Past {
        used_up: state.allowances.left(now),
        failures: state.backoffs.failures(),
        phone: state.phone.left(now),
        pulse: state.pulse.left(now),
        farewells: state.keys.farewells().to_vec(),
        returns: state.keys.returns(),
        revoked: state.keys.revoked(),
        wait: state
            .session
            .lasting_wait()
            .map(|(wait, until)| (wait, until.saturating_sub(now))),
    }
}

impl Turn<'_> {
    /// Has it written down when the next start has to know something new. A notice is, too, when nothing can be opened, or what is
    /// open has failed: else each start that comes to that would tell it again.
    pub(crate) fn remember(&mut self, before: &State) {
        let session = &self.state.session;
        // It has just been read; or what is left behind is what was written last.
        let as_it_was =
            session.is_starting() && before.session.is_starting() || session.is_leaving();
        let told = self
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::Notify(_)));
        let told_closed = told && (!self.state.keys.are_open() || session.is_leaving());
        let noted = self.state.noted_at;
        let is_old = noted.is_none_or(|at| self.now.saturating_sub(at) >= NOTED_MS);
        let is_over = session.lasting_wait().is_some() && is_old;
        // The restart for the radio's sake counts before it happens. And a retirement may finish while we leave: what was owed to the old
        // generation is so no more.
        let restarts = self.state.radio.restarts() && !before.radio.restarts();
        let switched = restarts
            || session.is_leaving() && self.state.linked().generation != before.linked().generation;
        let news = || past(self.state, self.now) != past(before, self.now);
        if told_closed || switched || !as_it_was && (is_over || *self.state != *before && news()) {
            self.write_down();
        }
    }

    /// Has it written down as it is now.
    pub(crate) fn write_down(&mut self) {
        self.state.noted_at = Some(self.now);
        let past = past(self.state, self.now);
        self.effects.insert(0, Effect::Remember(Box::new(past)));
    }

    /// Goes on from what was written down before the restart, so long ago.
    pub(crate) fn remembered(&mut self, past: Past, elapsed_ms: u64) {
        let (past, now) = (past.after(elapsed_ms), self.now);
        let wait = past.wait.map(|(wait, left)| (wait, self.after(left)));
        let state = &mut *self.state;
        state.allowances.resume(&past.used_up, now);
        state.backoffs.resume(&past.failures);
        if let Some(left) = past.phone {
            state.phone.resume(left, now);
        }
        if let Some(left) = past.pulse {
            state.pulse.resume(left, now);
        }
        let keys = &mut state.keys;
        keys.resume(past.revoked, past.farewells, past.returns);
        state.session.owe(wait);
    }

    /// Goes on with a wait that was cut short and is not over.
    pub(crate) fn pays_a_wait(&mut self) -> bool {
        let wait = self.state.session.pay_wait(self.now);
        if let Some((_, cause)) = wait.and_then(Wait::lasting) {
            self.blame(cause);
        }
        wait.is_some()
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::ground::{HOUR, MINUTE};
    use crate::parts::Phase;
    use crate::past::LONGEST_MS;
    use crate::story::{ACCOUNT, Story};
    use crate::{
        Command, Deed, Ending, Event, Face, GenerationId, LastFour, Linked, NotAPast, Refusal,
        Reply, Way,
    };

    /// The plug is pulled, and the board starts again after so long.
    fn restarted(story: &Story, pause_ms: u64, account: Option<LastFour>) -> Story {
        let (past, at) = story.past.as_ref().expect("written down");
        let past: Past = past.to_string().parse().expect("what was written");
        let elapsed_ms = story.now.wrapping_sub(*at) + pause_ms;
        let mut next = Story::remembering(past.clone(), elapsed_ms);
        next.past = Some((past, next.now.wrapping_sub(elapsed_ms)));
        let linked = Linked {
            generation: GenerationId(1),
            account,
        };
        next.on(Event::Booted(linked));
        next
    }

    #[test]
    fn a_ban_goes_on_where_the_plug_was_pulled() {
        let mut story = Story::connected();
        story.ended(Ending::Banned {
            expires_ms: Some(5 * HOUR),
        });
        let mut next = restarted(&story, HOUR, Some(ACCOUNT));
        assert_eq!(
            (next.state.name(), next.cause()),
            ("Banned", Some("account.banned"))
        );
        assert_eq!(next.on(Event::Network(Way::Open)), []);
        assert_eq!(next.wait_for(Effect::Connect), 4 * HOUR);

        let next = restarted(&story, 5 * HOUR, Some(ACCOUNT));
        assert_eq!(next.state.name(), "Connecting", "it is over");
    }

    #[test]
    fn a_board_without_a_clock_does_not_begin_a_ban_anew_with_each_power_cut() {
        let mut story = Story::connected();
        story.ended(Ending::Banned {
            expires_ms: Some(30 * HOUR),
        });
        let mut hours = 0;
        while story.state.name() == "Banned" {
            for _ in 0..10 {
                story.wait(HOUR);
                story.on(Event::Space(crate::Space::default()));
            }
            hours += 10;
            assert!(hours <= 40, "it does not end");
            let unknown = story.past.as_ref().expect("written down").1;
            story.now = unknown;
            story = restarted(&story, 0, Some(ACCOUNT));
        }
        assert_eq!(hours, 30);
    }

    #[test]
    fn a_board_that_is_on_for_a_quarter_of_an_hour_at_a_time_does_not_sit_out_a_ban_for_ever() {
        let mut story = Story::connected();
        story.ended(Ending::Banned {
            expires_ms: Some(3 * HOUR),
        });
        let mut starts = 0;
        while story.state.name() == "Banned" {
            for _ in 0..15 {
                story.wait(MINUTE);
                story.on(Event::Space(crate::Space::default()));
            }
            starts += 1;
            assert!(starts <= 18, "it does not end");
            story.now = story.past.as_ref().expect("written down").1;
            story = restarted(&story, 0, Some(ACCOUNT));
        }
        assert_eq!(starts, 18, "ten minutes of each count");
    }

    #[test]
    fn what_was_written_under_a_clock_that_was_behind_is_written_again_once_it_is_set() {
        let mut story = Story::woken(crate::Facts {
            clock_behind: true,
            ..crate::Facts::default()
        });
        story.on(Event::Booted(Linked {
            generation: GenerationId(1),
            account: Some(ACCOUNT),
        }));
        story.wait(3 * MINUTE);
        story.ended(Ending::Banned {
            expires_ms: Some(5 * HOUR),
        });
        story.wait(MINUTE);
        story.past = None;
        story.on(Event::Clock { behind: true });
        assert_eq!(story.past, None);
        story.on(Event::Clock { behind: false });
        assert!(story.past.is_some());
    }

    #[test]
    fn revoked_keys_are_not_tried_again_after_a_restart() {
        let mut story = Story::connected();
        story.ended(Ending::LoggedOut);
        let next = restarted(&story, 0, Some(ACCOUNT));
        assert_eq!(next.state.name(), "Connecting", "one logout is not proof");
        story.wait_for(Effect::Connect);
        story.ended(Ending::LoggedOut);
        story.on(Event::RetireFailed);

        let next = restarted(&story, 0, Some(ACCOUNT));
        assert_eq!(next.state.name(), "Pairing");
        assert!(matches!(next.state.session.phase(), Phase::Retiring(_)));
        let switched = Linked {
            generation: GenerationId(2),
            account: None,
        };
        let past = story.past.clone().expect("written down").0;
        let mut next = Story::remembering(past, 0);
        assert_eq!(next.on(Event::Booted(switched)), [Effect::Pair]);
        assert_eq!(
            next.cause(),
            Some("session.revoked"),
            "it was cut after the switch"
        );
    }

    #[test]
    fn a_wait_stays_written_down_while_the_link_is_given_up() {
        let mut story = Story::connected();
        story.ended(Ending::Banned {
            expires_ms: Some(5 * HOUR),
        });
        story.press(5_000);
        let retires = story.press(100);
        assert!(matches!(retires[..], [Effect::Retire(_)]), "{retires:?}");
        assert_eq!(restarted(&story, 0, Some(ACCOUNT)).state.name(), "Banned");
    }

    #[test]
    fn no_token_and_no_question_outlives_a_restart() {
        let mut story = Story::connected();
        let (deed, token) = (Deed::Relink, 9);
        let asked = story.command(Command::Ask { deed, nonce: token });
        assert!(matches!(asked.0, Reply::Token { .. }));
        story.press(5_000);
        assert!(matches!(story.face(), Face::ConfirmRelink { .. }));
        let mut next = restarted(&story, 0, Some(ACCOUNT));
        next.on(Event::LinkUp);
        let refused = (Reply::Refused(Refusal::BadToken), [].into());
        assert_eq!(next.command(Command::Confirm { deed, token }), refused);
        assert!(!matches!(next.face(), Face::ConfirmRelink { .. }));
        assert_eq!(next.press(100), []);
        assert_eq!(next.state.linked().generation, GenerationId(1));
        assert_eq!(next.state.name(), "Connected");
    }

    #[test]
    fn every_wait_for_whatsapp_s_patience_outlives_a_restart() {
        for (ending, name) in [
            (Ending::Throttled, "Reconnecting"),
            (Ending::Replaced, "Replaced"),
            (Ending::AccountLocked, "Banned"),
            (Ending::Banned { expires_ms: None }, "Banned"),
            (Ending::ClientOutdated, "ClientOutdated"),
        ] {
            let mut story = Story::connected();
            if ending == Ending::ClientOutdated {
                story.ended(ending.clone());
            }
            story.ended(ending);
            let left = story.state.deadline().expect("a wait") - story.now;
            let mut next = restarted(&story, 1_000, Some(ACCOUNT));
            assert_eq!((next.state.name(), next.cause()), (name, story.cause()));
            assert_eq!(next.wait_for(Effect::Connect), left - 1_000);
        }
    }

    #[test]
    fn who_is_restarted_every_day_shows_a_sign_of_life_as_well() {
        let mut story = Story::connected();
        for _ in 0..3 {
            let mut pulses = story.wait(20 * HOUR);
            story = restarted(&story, 0, Some(ACCOUNT));
            story.on(Event::LinkUp);
            pulses.extend(story.wait(4 * HOUR));
            assert_eq!(pulses, [Effect::Pulse]);
        }
    }

    #[test]
    fn a_stop_in_order_forgets_nothing_either() {
        let mut story = Story::connected();
        story.ended(Ending::Banned {
            expires_ms: Some(5 * HOUR),
        });
        assert_eq!(
            story.command(Command::Stop),
            (Reply::Accepted, [Effect::Exit].into())
        );
        assert_eq!(restarted(&story, 0, Some(ACCOUNT)).state.name(), "Banned");
    }

    #[test]
    fn starting_again_and_again_ends_at_the_budget() {
        let mut story = Story::booted(Some(ACCOUNT));
        for _ in 1..20 {
            story = restarted(&story, 1_000, Some(ACCOUNT));
            assert_eq!(story.state.name(), "Connecting");
        }
        let mut story = restarted(&story, 1_000, Some(ACCOUNT));
        assert_eq!(
            (story.state.name(), story.cause()),
            ("Reconnecting", Some("session.restrained"))
        );
        story.wait_for(Effect::Connect);
    }

    #[test]
    fn codes_have_a_budget_an_hour_and_a_day_that_a_restart_does_not_change() {
        let show = |story: &mut Story| {
            story.on(Event::QrShown { valid_ms: 60_000 });
            story.state.name() == "Pairing"
        };
        let mut story = Story::booted(None);
        let (mut shown, mut paused) = (u32::from(show(&mut story)), 0);
        for _ in 0..9 * 24 {
            story = restarted(&story, 6 * MINUTE, None);
            shown += u32::from(show(&mut story));
            paused += u32::from(story.state.name() == "PairingPaused");
        }
        assert_eq!((shown, paused), (24, 9 * 24 + 1 - 24), "a day's worth");
        story = restarted(&story, 24 * HOUR, None);
        assert!(show(&mut story));
    }

    #[test]
    fn the_fence_keeps_its_length() {
        let mut story = Story::connected();
        for _ in 0..3 {
            story.ended(Ending::Replaced);
            story.wait_for(Effect::Connect);
            story.on(Event::LinkUp);
        }
        let mut next = restarted(&story, 0, Some(ACCOUNT));
        next.on(Event::LinkUp);
        next.ended(Ending::Replaced);
        let left = next.state.deadline().expect("a wait") - next.now;
        assert!(left >= 36 * MINUTE, "{left}");
    }

    #[test]
    fn a_copy_that_comes_back_every_hour_is_given_way_to() {
        let mut story = Story::connected();
        let (mut taken, mut passed) = (0, 0);
        while passed < 24 * HOUR {
            story.wait(61 * MINUTE);
            story.ended(Ending::Replaced);
            story = restarted(&story, 1_000, Some(ACCOUNT));
            passed += 61 * MINUTE + 1_000 + story.wait_for(Effect::Connect);
            story.on(Event::LinkUp);
            taken += 1;
        }
        assert_eq!(taken, 9, "eight within a day, and the next day's first");
    }

    #[test]
    fn what_was_not_written_so_is_refused_and_absurd_times_are_cut() {
        for text in [
            "attempts x",
            "replaced",
            "replaced 1 2",
            "wait banned",
            "wait confirm 1",
            "other",
            "\n",
        ] {
            assert_eq!(text.parse::<Past>(), Err(NotAPast), "{text:?}");
        }
        assert_eq!("".parse(), Ok(Past::default()));
        let past = alloc::format!("wait banned {}\n", u64::MAX);
        let mut story = Story::remembering(past.parse().expect("a past"), 0);
        let linked = Linked {
            generation: GenerationId(1),
            account: Some(ACCOUNT),
        };
        story.on(Event::Booted(linked));
        assert_eq!(story.wait_for(Effect::Connect), LONGEST_MS);
    }
}
