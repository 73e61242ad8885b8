//! What the account may not send: nothing while it is banned, nothing to somebody new while WhatsApp says so.

use core::ops::RangeInclusive;

use crate::effect::Effect;
use crate::ground::{CauseCode, DAY, MINUTE};
use crate::timers::Timer;
use crate::turn::Turn;

/// How long the account is taken to be limited, at least and at most: after a month it does no harm to try.
const LIMITED_MS: RangeInclusive<u64> = MINUTE..=30 * DAY;

impl Turn<'_> {
    /// WhatsApp lets the account write to nobody new for so long. The link itself decides nothing by it: it tries none meanwhile.
    pub(crate) fn no_new_chats(&mut self, for_ms: u64) {
        if self.state.session.is_leaving() {
            return;
        }
        let for_ms = for_ms.clamp(*LIMITED_MS.start(), *LIMITED_MS.end());
        let until = self.now.saturating_add(for_ms);
        if self.state.no_new_chats.replace(until).is_none() {
            self.report(CauseCode::NoNewChats);
        }
    }

    /// The account may write to everybody again.
    pub(crate) fn new_chats_due(&mut self) {
        if self.rings(Timer::NewChats) {
            self.state.no_new_chats = None;
        }
    }

    /// What waits is ended, so that its sender knows, and nothing goes out all at once when the ban is over.
    pub(crate) fn fail_sends(&mut self) {
        self.effects.push(Effect::FailSends);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ground::HOUR;
    use crate::story::Story;
    use crate::{Ending, Event};

    #[test]
    fn an_account_that_may_meet_nobody_new_says_so_until_it_may() {
        let mut story = Story::connected();
        story.on(Event::NoNewChats { for_ms: 2 * HOUR });
        assert_eq!(story.reports, ["account.no-new-chats"]);
        assert!(!story.state.is_well());
        assert_eq!(story.state.name(), "Connected", "all else goes on");
        let until = story.now + 2 * HOUR;
        let fault = Some((CauseCode::NoNewChats, until));
        assert_eq!(story.state.account_fault(), fault);
        story.wait(HOUR);
        story.on(Event::NoNewChats { for_ms: 2 * HOUR });
        assert_eq!(story.reports, ["account.no-new-chats"], "it is known");
        story.wait(3 * HOUR);
        assert_eq!(story.state.account_fault(), None);
        assert!(story.state.is_well());
    }

    #[test]
    fn a_ban_ends_what_waits_and_nothing_else_does() {
        for (ending, ends) in [
            (Ending::Banned { expires_ms: None }, true),
            (
                Ending::Banned {
                    expires_ms: Some(HOUR),
                },
                true,
            ),
            (Ending::AccountLocked, true),
            (Ending::LoggedOut, false),
            (Ending::Throttled, false),
            (Ending::Replaced, false),
        ] {
            let effects = Story::connected().ended(ending.clone());
            assert_eq!(effects.contains(&Effect::FailSends), ends, "{ending:?}");
        }
    }
}
