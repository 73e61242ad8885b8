//! The owner's phone: WhatsApp drops the devices linked to one that has been away for 14 days.

use crate::ground::DAY;
use crate::ground::Moments;
use crate::step::Turn;
use crate::{CauseCode, Effect};

/// How long the phone may be away (WhatsApp's help, "About linked devices").
const AWAY_MS: u64 = 14 * DAY;
/// From the tenth day on it is asked once a day whether it is there.
const ASKED: u8 = 4;
/// And from the twelfth its owner is warned.
const WARNED: u8 = 2;

/// What is known of the phone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Phone {
    /// When WhatsApp drops us, as far as we know, and how many days before that something is done next.
    drops: Option<(u64, u8)>,
}

impl Phone {
    pub(crate) fn deadline(&self) -> Option<u64> {
        let (at, days) = self.drops.filter(|(_, days)| *days > 0)?;
        Some(at.saturating_sub(u64::from(days) * DAY))
    }

    /// One more of the days before has come: which, counted from the end.
    fn day_comes(&mut self) -> Option<u8> {
        let (_, days) = self.drops.as_mut()?;
        let comes = *days;
        *days = comes.saturating_sub(1);
        Some(comes)
    }

    /// Its owner was warned, and it was not seen since.
    pub(crate) fn is_warned_of(&self) -> bool {
        self.drops.is_some_and(|(_, days)| days < WARNED)
    }

    pub(crate) fn rebase(&mut self, moments: Moments) {
        if let Some((at, _)) = &mut self.drops {
            moments.due(at);
        }
    }

    /// For how long it may still be away, milliseconds.
    pub(crate) fn left(&self, now: u64) -> Option<u64> {
        self.drops.map(|(at, _)| at.saturating_sub(now))
    }

    /// Goes on from what [`Phone::left`] said.
    pub(crate) fn resume(&mut self, left: u64, now: u64) {
        let left = left.min(AWAY_MS);
        // What is overdue is done at once, and the warning comes again: it is a new start.
        let days = (left / DAY + 1).clamp(WARNED.into(), ASKED.into()) as u8;
        self.drops = Some((now.saturating_add(left), days));
    }
}

impl Turn<'_> {
    /// Something came from the phone. Noted once a day, or when it was missed.
    pub(crate) fn phone_seen(&mut self) {
        let at = self.after(AWAY_MS);
        let known = self.state.phone.drops;
        if known.is_none_or(|(known, days)| days < ASKED || at - known.min(at) >= DAY) {
            self.state.phone.drops = Some((at, ASKED));
        }
    }

    /// It was there when the link was made; of one that came back from the archive nobody knows.
    pub(crate) fn watch_phone(&mut self) {
        if self.state.phone.drops.is_none() {
            self.phone_seen();
        }
    }

    /// Only a link that is up can tell that the phone is away; what came due before is done then, once.
    pub(crate) fn phone_due(&mut self) {
        if !self.state.is_connected() {
            return;
        }
        let (mut ask, mut warn) = (false, false);
        while self.state.phone.deadline().is_some_and(|at| at <= self.now) {
            ask = true;
            warn |= self.state.phone.day_comes() == Some(WARNED);
        }
        if ask {
            self.effects.push(Effect::AskPhone);
        }
        if warn {
            let cause = CauseCode::PhoneAway.into();
            self.effects.push(Effect::Report(cause));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::Story;
    use crate::{Event, Face};

    /// Days after the phone was seen at which it is asked, and at which the owner is warned.
    fn quiet_days(story: &mut Story) -> (alloc::vec::Vec<u64>, alloc::vec::Vec<u64>) {
        let (mut asked, mut warned) = Default::default();
        let asks: &mut alloc::vec::Vec<u64> = &mut asked;
        let warns: &mut alloc::vec::Vec<u64> = &mut warned;
        for day in 1..20 {
            let told = story.reports.len();
            if story.wait(DAY).contains(&Effect::AskPhone) {
                asks.push(day);
            }
            if story.reports[told..].contains(&"account.phone-away") {
                warns.push(day);
            }
        }
        (asked, warned)
    }

    #[test]
    fn a_phone_that_is_away_is_asked_from_the_tenth_day_and_warned_of_on_the_twelfth() {
        let mut story = Story::connected();
        let days = ([10, 11, 12, 13].into(), [12].into());
        assert_eq!(quiet_days(&mut story), days, "since the link came up");
        story.on(Event::PhoneSeen);
        assert_eq!(quiet_days(&mut story), days, "it was back");
    }

    #[test]
    fn the_screen_says_so_until_it_is_back_and_a_start_in_the_last_hours_warns_as_well() {
        let is_away = |story: &Story| {
            matches!(
                story.face(),
                Face::Connected {
                    phone_away: true,
                    ..
                }
            )
        };
        let mut story = Story::connected();
        story.wait(12 * DAY - 1);
        assert!(!is_away(&story));
        story.wait(1);
        assert!(is_away(&story));
        story.wait(2 * DAY - 1);
        let (past, _) = story.past.clone().expect("written down");
        story.on(Event::PhoneSeen);
        assert!(!is_away(&story));

        let mut next = Story::remembering(past, DAY / 2);
        next.on(Event::Booted(story.state.linked()));
        next.on(Event::LinkUp);
        assert_eq!(next.reports, ["account.phone-away"]);
        assert!(is_away(&next));
    }

    #[test]
    fn a_phone_that_writes_all_day_is_noted_once() {
        let mut story = Story::connected();
        story.on(Event::PhoneSeen);
        let first = story.state.phone;
        story.wait(DAY - 1);
        story.on(Event::PhoneSeen);
        assert_eq!(story.state.phone, first);
        story.wait(1);
        story.on(Event::PhoneSeen);
        assert!(story.state.phone != first);
    }
}
