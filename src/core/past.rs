//! What outlives a restart: pulling the plug is no way round a wait, nor round a budget.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crate::ground::{DAY, HOUR};
use crate::session::{Session, Wait};
use crate::state::State;
use crate::step::Turn;
use crate::{Effect, GenerationId};

/// No wait is longer, whatever was written down.
const LONGEST_MS: u64 = 30 * DAY;
/// How often it is written down how much of a wait is over: a board that was without power and has no clock goes on from there.
pub(crate) const NOTED_MS: u64 = HOUR;

/// What the next start has to know: a few lines of text. All times are milliseconds that were left when it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Past {
    /// For how long each attempt still counts, the oldest first.
    attempts: Vec<u64>,
    /// The same of the runs that showed a code, over an hour.
    pairings: Vec<u64>,
    /// And over a day.
    pairings_a_day: Vec<u64>,
    /// For how long a version that was refused still counts.
    outdated: Vec<u64>,
    /// And a repair of the session keys.
    rebuilds: Vec<u64>,
    /// And that the owner was told of something.
    notified: Vec<u64>,
    /// And that another copy took over.
    takeovers: Vec<u64>,
    /// For how long the phone may still be away.
    phone: Option<u64>,
    /// When a sign of life is due.
    pulse: Option<u64>,
    /// The link that is still to be logged out.
    farewell: Option<GenerationId>,
    /// The link that WhatsApp revoked, and that may not be retired yet.
    revoked: Option<GenerationId>,
    /// Times another copy took over.
    replaced: u32,
    /// What is waited for, and for how long still.
    wait: Option<(Wait, u64)>,
}

/// This is not what a [`Past`] was written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NotAPast;

impl Past {
    /// The link that is still to be logged out.
    pub fn farewell(&self) -> Option<GenerationId> {
        self.farewell
    }

    /// As [`State::without_chores`].
    pub fn without_chores(mut self) -> Self {
        (self.phone, self.pulse) = (None, None);
        self.notified.clear();
        self
    }

    /// What is left of it so many milliseconds later.
    pub fn after(mut self, ms: u64) -> Self {
        for times in [
            &mut self.attempts,
            &mut self.pairings,
            &mut self.pairings_a_day,
            &mut self.outdated,
            &mut self.rebuilds,
            &mut self.notified,
            &mut self.takeovers,
        ] {
            times.retain_mut(|left| {
                *left = left.saturating_sub(ms);
                *left > 0
            });
        }
        for left in [&mut self.phone, &mut self.pulse].into_iter().flatten() {
            *left = left.saturating_sub(ms);
        }
        self.wait = self
            .wait
            .map(|(wait, left)| (wait, left.min(LONGEST_MS).saturating_sub(ms)))
            .filter(|(_, left)| *left > 0);
        self
    }
}

impl fmt::Display for Past {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (key, times) in [
            ("attempts", &self.attempts),
            ("pairings", &self.pairings),
            ("pairings-a-day", &self.pairings_a_day),
            ("outdated", &self.outdated),
            ("rebuilds", &self.rebuilds),
            ("notified", &self.notified),
            ("takeovers", &self.takeovers),
        ] {
            f.write_str(key)?;
            times.iter().try_for_each(|left| write!(f, " {left}"))?;
            writeln!(f)?;
        }
        if let Some(left) = self.phone {
            writeln!(f, "phone {left}")?;
        }
        if let Some(left) = self.pulse {
            writeln!(f, "pulse {left}")?;
        }
        if let Some(old) = self.farewell {
            writeln!(f, "farewell {old}")?;
        }
        if let Some(revoked) = self.revoked {
            writeln!(f, "revoked {revoked}")?;
        }
        writeln!(f, "replaced {}", self.replaced)?;
        match self
            .wait
            .and_then(|(wait, left)| Some((wait.lasting()?.0, left)))
        {
            Some((name, left)) => writeln!(f, "wait {name} {left}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Past {
    type Err = NotAPast;

    /// Reads what `Display` writes, and nothing else.
    fn from_str(text: &str) -> Result<Self, NotAPast> {
        let mut past = Self::default();
        let number = |word: &str| word.parse().map_err(|_| NotAPast);
        for line in text.lines() {
            let mut words = line.split(' ');
            let key = words.next().unwrap_or_default();
            let words: Vec<&str> = words.collect();
            let times = || words.iter().copied().map(number).collect::<Result<_, _>>();
            match (key, words.as_slice()) {
                ("attempts", _) => past.attempts = times()?,
                ("pairings", _) => past.pairings = times()?,
                ("pairings-a-day", _) => past.pairings_a_day = times()?,
                ("outdated", _) => past.outdated = times()?,
                ("rebuilds", _) => past.rebuilds = times()?,
                ("notified", _) => past.notified = times()?,
                ("takeovers", _) => past.takeovers = times()?,
                ("phone", [left]) => past.phone = Some(number(left)?),
                ("pulse", [left]) => past.pulse = Some(number(left)?),
                ("farewell", [old]) => past.farewell = Some(old.parse().map_err(|_| NotAPast)?),
                ("revoked", [old]) => past.revoked = Some(old.parse().map_err(|_| NotAPast)?),
                ("replaced", [count]) => past.replaced = count.parse().map_err(|_| NotAPast)?,
                ("wait", [name, left]) => {
                    let wait = Wait::LASTING
                        .into_iter()
                        .find(|wait| wait.lasting().is_some_and(|(known, _)| known == *name));
                    past.wait = Some((wait.ok_or(NotAPast)?, number(left)?));
                }
                _ => return Err(NotAPast),
            }
        }
        Ok(past)
    }
}

impl State {
    /// What the next start would have to know now.
    fn past(&self, now: u64) -> Past {
        Past {
            attempts: self.attempts.left(now),
            pairings: self.pairings.left(now),
            pairings_a_day: self.pairings_a_day.left(now),
            outdated: self.outdated.left(now),
            rebuilds: self.rebuilds.left(now),
            notified: self.notified.left(now),
            takeovers: self.takeovers.left(now),
            phone: self.phone.left(now),
            pulse: self.pulse.left(now),
            farewell: self.farewell,
            revoked: self.revoked,
            replaced: self.replaced.failures(),
            wait: self
                .lasting_wait()
                .map(|(wait, until)| (wait, until.saturating_sub(now))),
        }
    }

    fn lasting_wait(&self) -> Option<(Wait, u64)> {
        match self.session {
            Session::Waiting { wait, until } => Some((wait, until)),
            _ => self.owed,
        }
        .filter(|(wait, _)| wait.lasting().is_some())
    }

    /// Whether the next start would have to know something else.
    fn is_past(&self, before: &State) -> bool {
        self.attempts == before.attempts
            && self.pairings == before.pairings
            && self.outdated == before.outdated
            && self.rebuilds == before.rebuilds
            && self.notified == before.notified
            && self.phone == before.phone
            && self.pulse == before.pulse
            && self.farewell == before.farewell
            && self.revoked == before.revoked
            && self.replaced == before.replaced
            && self.takeovers == before.takeovers
            && self.lasting_wait() == before.lasting_wait()
    }
}

impl Turn<'_> {
    /// Has it written down when the next start has to know something new.
    pub(crate) fn remember(&mut self, before: &State) {
        let starts =
            |session: &Session| matches!(session, Session::Starting | Session::Repairing { .. });
        // It has just been read; or what is left behind is what was written last.
        let as_it_was = starts(&self.state.session) && starts(&before.session)
            || matches!(
                self.state.session,
                Session::Failed { .. } | Session::Stopping { .. } | Session::Stopped
            );
        let is_over = self.state.lasting_wait().is_some()
            && self.now.saturating_sub(self.state.noted_at) >= NOTED_MS;
        if !as_it_was && (is_over || !self.state.is_past(before)) {
            self.state.noted_at = self.now;
            let past = self.state.past(self.now);
            self.effects.insert(0, Effect::Remember(Box::new(past)));
        }
    }

    /// What was written down before the restart, so long ago.
    pub(crate) fn remembered(&mut self, past: Past, elapsed_ms: u64) {
        let (state, past, now) = (&mut *self.state, past.after(elapsed_ms), self.now);
        state.attempts.resume(&past.attempts, now);
        state.pairings.resume(&past.pairings, now);
        state.pairings_a_day.resume(&past.pairings_a_day, now);
        state.outdated.resume(&past.outdated, now);
        state.rebuilds.resume(&past.rebuilds, now);
        state.notified.resume(&past.notified, now);
        state.takeovers.resume(&past.takeovers, now);
        if let Some(left) = past.phone {
            state.phone.resume(left, now);
        }
        if let Some(left) = past.pulse {
            state.pulse.resume(left, now);
        }
        state.farewell = past.farewell;
        state.revoked = past.revoked;
        state.replaced.resume(past.replaced);
        self.state.owed = past.wait.map(|(wait, left)| (wait, self.after(left)));
    }

    /// Goes on with a wait that was cut short and is not over.
    pub(crate) fn owes_a_wait(&mut self) -> bool {
        let owed = self
            .state
            .owed
            .take()
            .filter(|(_, until)| *until > self.now);
        if let Some((wait, until)) = owed {
            self.state.session = Session::Waiting { wait, until };
            if let Some((_, cause)) = wait.lasting() {
                self.blame(cause);
            }
        }
        owed.is_some()
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::ground::{HOUR, MINUTE};
    use crate::story::{ACCOUNT, Story};
    use crate::{Command, Ending, Event, GenerationId, LastFour, Linked, Reply, Way};

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
        assert!(matches!(next.state.session, Session::Retiring { .. }));
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
