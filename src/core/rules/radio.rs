//! The radio: where it is the only way out, and nothing comes of it, the network is joined anew, and after hours the machine restarts. Both
//! within an allowance, and only while nothing else is under way.

use crate::effect::Effect;
use crate::ground::{CauseCode, Wait, Way};
use crate::parts::{Phase, Rung, Stage};
use crate::state::State;
use crate::timers::Timer;
use crate::turn::Turn;

impl State {
    /// Whether WhatsApp is out of reach for a reason that a radio may be to blame for. One that hangs often still looks joined.
    fn is_cut_off(&self) -> bool {
        self.cause().is_some_and(|cause| {
            Way::CAUSES.contains(&cause.code)
                || matches!(cause.code, CauseCode::DnsFailed | CauseCode::DialFailed)
        })
    }

    /// Whether nothing is under way that the radio's restart would interrupt: no run, no repair, nobody who links, no archive on its way, no new
    /// version being installed.
    pub(crate) fn may_climb(&self) -> bool {
        let is_busy = self.update.saving() || matches!(self.update.stage(), Stage::Installing(_));
        self.session.phase() == Phase::Waiting(Wait::Reconnect) && !is_busy
    }
}

impl Turn<'_> {
    /// Does what is due about a radio of which nothing comes.
    pub(crate) fn radio_due(&mut self) {
        let is_out = self.state.is_cut_off();
        self.state.radio.watch(is_out, self.now);
        if !self.rings(Timer::Radio) {
            return;
        }
        let allowances = &mut self.state.allowances;
        match self.state.radio.climb(self.now) {
            Some(Rung::Rejoin) if allowances.rejoins.blocked_until(self.now).is_none() => {
                allowances.rejoins.take(self.now);
                self.effects.push(Effect::Rejoin);
            }
            Some(Rung::Restart) if allowances.radio_restarts.blocked_until(self.now).is_none() => {
                allowances.radio_restarts.take(self.now);
                self.state.gesture.spend();
                self.state.token.void();
                self.state.radio.restart();
                self.exit();
            }
            Some(Rung::Rejoin | Rung::Restart) | None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::ground::{DAY, HOUR, MINUTE};
    use crate::story::{ACCOUNT, Story};
    use crate::{Ending, Event, Face, GenerationId, Linked, Past};

    /// Connected by a radio alone, which then stops working.
    fn cut_off(way: Way) -> Story {
        let mut story = Story::connected();
        story.on(Event::Radio { alone: true });
        story.on(Event::Network(way));
        fails(&mut story, CauseCode::ConnectionLost);
        story
    }

    fn fails(story: &mut Story, code: CauseCode) {
        story.ended(Ending::Network(code.into()));
    }

    /// When the ladder did something about it, minutes from now; every attempt fails, for this reason.
    fn climbs(story: &mut Story, code: CauseCode, ms: u64) -> Vec<(u64, Effect)> {
        let (begun, end, mut done) = (story.now, story.now + ms, Vec::new());
        let mut note = |now: u64, effects: Vec<Effect>| {
            let of_ladder = |effect: &Effect| matches!(effect, Effect::Rejoin | Effect::Restart);
            let of_ladder = effects.into_iter().filter(of_ladder);
            done.extend(of_ladder.map(|effect| ((now - begun) / MINUTE, effect)));
        };
        while let Some(at) = story.state.deadline().filter(|at| *at <= end) {
            story.now = story.now.max(at);
            let effects = story.on(Event::Tick);
            let tries = effects.contains(&Effect::Connect);
            note(story.now, effects);
            if tries {
                let effects = story.on(Event::LinkEnded(Ending::Network(code.into())));
                note(story.now, effects);
            }
        }
        story.now = end;
        done
    }

    /// The next run of the daemon, of which nobody knows how long after the last.
    fn restarted(story: &Story) -> Story {
        let (past, at) = story.past.clone().expect("written down");
        assert_eq!(at, story.now);
        let past: Past = alloc::format!("{past}").parse().expect("as written");
        let mut next = Story::remembering(past, 0);
        next.on(Event::Radio { alone: true });
        next.on(Event::Network(Way::NoLink));
        next.on(Event::Booted(Linked {
            generation: GenerationId(1),
            account: Some(ACCOUNT),
        }));
        next
    }

    #[test]
    fn nothing_is_restarted_while_an_archive_is_on_its_way() {
        let mut story = cut_off(Way::NoLink);
        story.on(Event::Saving(true));
        assert_eq!(climbs(&mut story, CauseCode::DialFailed, 2 * HOUR), []);
        assert_eq!(story.on(Event::Saving(false)), [Effect::Rejoin]);
    }

    #[test]
    fn a_radio_of_which_nothing_comes_is_joined_anew_and_after_hours_the_machine_restarts() {
        for (way, code) in [
            (Way::NoLink, CauseCode::DialFailed),
            (Way::NoRadio, CauseCode::DialFailed),
            (Way::NoAddress, CauseCode::DialFailed),
            (Way::NoRoute, CauseCode::DialFailed),
            // It looks joined, and nothing comes through.
            (Way::Open, CauseCode::DnsFailed),
            (Way::Open, CauseCode::DialFailed),
        ] {
            let mut story = cut_off(way);
            if way == Way::Open {
                story.wait_for(Effect::Connect);
                fails(&mut story, code);
            }
            let done = climbs(&mut story, code, 3 * HOUR + MINUTE);
            // An attempt under way is let end, which takes no time here.
            let expected = [
                (3, Effect::Rejoin),
                (15, Effect::Rejoin),
                (60, Effect::Rejoin),
                (180, Effect::Restart),
            ];
            assert_eq!(done, expected, "{way:?}");
            assert_eq!(story.face(), Face::Stopped { saved: false });
        }
    }

    #[test]
    fn a_login_puts_it_back_to_the_bottom() {
        let mut story = cut_off(Way::NoLink);
        assert_eq!(climbs(&mut story, CauseCode::DialFailed, 2 * HOUR).len(), 3);
        story.on(Event::Network(Way::Open));
        story.on(Event::LinkUp);
        story.wait(DAY);
        story.on(Event::Network(Way::NoLink));
        fails(&mut story, CauseCode::ConnectionLost);
        let done = climbs(&mut story, CauseCode::DialFailed, 16 * MINUTE);
        assert_eq!(done, [(3, Effect::Rejoin), (15, Effect::Rejoin)]);
    }

    #[test]
    fn where_a_cable_leads_out_or_no_radio_is_ours_nothing_is_done() {
        let mut story = Story::connected();
        story.on(Event::Network(Way::NoRoute));
        fails(&mut story, CauseCode::ConnectionLost);
        assert_eq!(climbs(&mut story, CauseCode::DialFailed, 2 * DAY), []);
        story.on(Event::Radio { alone: true });
        assert_eq!(climbs(&mut story, CauseCode::DialFailed, HOUR).len(), 3);
        // Somebody plugs a cable in, and out again.
        story.on(Event::Radio { alone: false });
        assert_eq!(climbs(&mut story, CauseCode::DialFailed, 2 * DAY), []);
        story.on(Event::Radio { alone: true });
        let done = climbs(&mut story, CauseCode::DialFailed, 4 * MINUTE);
        assert_eq!(done, [(3, Effect::Rejoin)]);
    }

    #[test]
    fn what_a_radio_is_not_to_blame_for_has_nothing_done_about_it() {
        for code in [
            CauseCode::TlsFailed,
            CauseCode::ProxyFailed,
            CauseCode::HandshakeFailed,
            CauseCode::LoginTimeout,
        ] {
            let mut story = Story::connected();
            story.on(Event::Radio { alone: true });
            fails(&mut story, code);
            assert_eq!(climbs(&mut story, code, DAY), [], "{code:?}");
        }
        let mut story = cut_off(Way::Open);
        story.wait_for(Effect::Connect);
        story.ended(Ending::Banned {
            expires_ms: Some(DAY),
        });
        assert_eq!(climbs(&mut story, CauseCode::DialFailed, DAY - 1), []);
    }

    #[test]
    fn an_attempt_under_way_is_let_end() {
        let mut story = cut_off(Way::NoLink);
        climbs(&mut story, CauseCode::DialFailed, 2 * MINUTE);
        story.wait_for(Effect::Connect);
        // Logging in takes as long as it may.
        let effects = story.wait(3 * MINUTE);
        assert!(!effects.contains(&Effect::Rejoin), "{effects:?}");
        let effects = story.ended(Ending::Network(CauseCode::DialFailed.into()));
        assert_eq!(effects, [Effect::Rejoin]);
    }

    #[test]
    fn the_machine_restarts_once_a_day_however_often_the_daemon_does() {
        let mut story = cut_off(Way::NoLink);
        let mut all = climbs(&mut story, CauseCode::DialFailed, 3 * HOUR);
        assert_eq!(all.pop(), Some((180, Effect::Restart)));
        let mut next = restarted(&story);
        let done = climbs(&mut next, CauseCode::DialFailed, DAY - MINUTE);
        assert!(done.iter().all(|(_, done)| *done == Effect::Rejoin));
        let done = climbs(&mut next, CauseCode::DialFailed, 3 * HOUR);
        assert_eq!(done.last().map(|(_, done)| done), Some(&Effect::Restart));
    }

    #[test]
    fn a_daemon_that_starts_again_and_again_does_not_join_anew_each_time() {
        let mut story = cut_off(Way::NoLink);
        let mut rejoined = 0;
        for _ in 0..20 {
            let done = climbs(&mut story, CauseCode::DialFailed, 3 * MINUTE);
            rejoined += done.len();
            story.wait(0);
            let (past, at) = story.past.clone().expect("written down");
            let mut next = Story::remembering(past, story.now - at);
            next.on(Event::Radio { alone: true });
            next.on(Event::Network(Way::NoLink));
            next.on(Event::Booted(story.state.linked()));
            next.past = next.past.or(story.past);
            story = next;
        }
        assert_eq!(rejoined, 4, "within an hour");
    }
}
