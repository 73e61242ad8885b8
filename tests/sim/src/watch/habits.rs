//! Habits beside the session: presence once a day, notifications within a rate limit, and Degraded after many failures.

use std::collections::VecDeque;

use holdfast_core::{CauseCode, Effect, Ending, Event};

use super::{forget, recent};
use crate::{DAY, MINUTE, SECOND};

/// A run that was of use for so long was no failure.
const STABLE: u64 = 30 * SECOND;
/// The schedule's first wait and its longest, without what the jitter takes off.
const SCHEDULE: (u64, u64) = (2_700, 270 * SECOND);
/// After so many failures in a row it says so.
const MANY: u32 = 10;

/// The habits, with the memory that they need.
#[derive(Clone, Debug, Default)]
pub(super) struct Habits {
    /// Signs of life, within a day.
    pulses: VecDeque<u64>,
    /// How long this process was called connected since the last one.
    unseen_ms: u64,
    connected_at: Option<u64>,
    /// Notifications of the owner, within a day.
    news: VecDeque<u64>,
    /// Those of starts whose data partition was set aside: what the others told is not to be read there.
    news_aside: VecDeque<u64>,
    is_aside: bool,
    /// Since when the run is of use.
    useful_since: Option<u64>,
    /// Attempts in a row that came to nothing.
    failures: u32,
    /// Times in a row that WhatsApp asked to be left alone.
    throttled: u32,
    /// The run that has just ended may have been one.
    failed: bool,
    /// For want of a way to the outside, as far as it is known.
    is_offline: bool,
}

impl Habits {
    pub(super) fn starts(&mut self) {
        (self.unseen_ms, self.connected_at) = (0, None);
        (self.failures, self.throttled) = (0, 0);
        (self.useful_since, self.failed, self.is_offline) = (None, false, false);
    }

    /// Forgets all that was written down.
    pub(super) fn forgets(&mut self) {
        self.pulses.clear();
        self.news.clear();
        self.news_aside.clear();
    }

    pub(super) fn forgets_since(&mut self, since: u64) {
        forget(&mut self.pulses, since);
        forget(&mut self.news, since);
        forget(&mut self.news_aside, since);
    }

    pub(super) fn up(&mut self, now: u64) {
        self.useful_since = Some(now);
    }

    pub(super) fn shows(&mut self, now: u64) {
        self.useful_since.get_or_insert(now);
    }

    /// Whether the link that is up was so for so long that it is not given up any more.
    pub(super) fn is_stable(&self, now: u64) -> bool {
        self.useful_since.is_some_and(|since| now > since + STABLE)
    }

    pub(super) fn ended(&mut self, now: u64, ending: &Ending) {
        if self
            .useful_since
            .take()
            .is_some_and(|since| now >= since + STABLE)
        {
            (self.failures, self.throttled) = (0, 0);
        }
        self.throttled += u32::from(*ending == Ending::Throttled);
        self.failed = matches!(
            ending,
            Ending::Network(_) | Ending::Refused { .. } | Ending::Storage
        );
    }

    /// How long WhatsApp is left alone at least, now that it asked for that so many times in a row; one of them may have come
    /// when nobody counted.
    pub(super) fn patience(&self) -> u64 {
        let (first, longest) = SCHEDULE;
        let doublings = self.throttled.saturating_sub(2).min(16);
        (first << doublings).min(longest).max(MINUTE)
    }

    pub(super) fn happens(&mut self, now: u64, event: &Event) {
        if let Some(at) = &mut self.connected_at {
            self.unseen_ms += now - std::mem::replace(at, now);
        }
        if let Event::Woke(facts) = event {
            self.is_aside = facts.set_aside;
        }
        let begins_anew = match event {
            Event::Network(_) => self.is_offline,
            event => matches!(event, Event::Paired(_) | Event::Retired(_)),
        };
        if begins_anew {
            (self.failures, self.throttled) = (0, 0);
        }
    }

    pub(super) fn does(&mut self, now: u64, effect: &Effect) -> Result<(), String> {
        match effect {
            Effect::Pulse => {
                self.unseen_ms = 0;
                self.pulses.push_back(now);
                let times = recent(&mut self.pulses, now, DAY);
                if times > 1 {
                    return Err(format!("it showed itself {times} times within a day"));
                }
            }
            Effect::Notify(_) => {
                let news = if self.is_aside {
                    &mut self.news_aside
                } else {
                    &mut self.news
                };
                news.push_back(now);
                let times = recent(news, now, DAY);
                if times > 12 {
                    return Err(format!("the owner is told {times} times within a day"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn looks(
        &mut self,
        now: u64,
        name: &str,
        cause: Option<CauseCode>,
    ) -> Result<(), String> {
        use CauseCode::{NoAddress, NoLink, NoRadio, NoRoute};
        self.connected_at = (name == "Connected").then_some(now);
        // Whatever the state is called: a logout may be suspected, too.
        self.is_offline = matches!(cause, Some(NoLink | NoRadio | NoAddress | NoRoute));
        let waits = matches!(name, "WaitingForNetwork" | "Reconnecting" | "Degraded");
        self.failures += u32::from(std::mem::take(&mut self.failed) && waits);
        let failures = self.failures;
        if name == "Reconnecting" && failures >= MANY {
            return Err(format!("after {failures} failures it does not say so"));
        }
        if self.unseen_ms > 2 * DAY {
            return Err("connected for two days, and it never showed itself".to_owned());
        }
        Ok(())
    }
}
