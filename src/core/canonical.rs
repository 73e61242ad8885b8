//! What the future depends on, and nothing else: for whoever tells states apart.

use crate::Now;
use crate::ground::{HOUR, Moments};
use crate::past::NOTED_MS;
use crate::reconnect::DEGRADED_AFTER;
use crate::session::Session;
use crate::state::State;

impl State {
    /// This state with all forgotten that makes no difference any more, as if it were another moment, which is returned: two
    /// states that are the same then do the same for ever. Jitter is taken out, and failures beyond those that lengthen a
    /// wait are not counted.
    pub fn canonical(mut self, now: Now) -> (Self, Now) {
        let moments = Moments::at(now);
        self.session.rebase(moments);
        self.gesture.rebase(moments);
        self.notices.rebase(moments);
        self.panel.rebase(moments);
        self.storm.rebase(moments);
        self.phone.rebase(moments);
        self.pulse.rebase(moments);
        self.outdated.rebase(moments);
        self.rebuilds.rebase(moments);
        self.notified.rebase(moments);
        self.takeovers.rebase(moments);
        if let Some(token) = &mut self.token {
            token.rebase(moments);
        }
        if let Some(since) = &mut self.usable_since {
            moments.since(since, HOUR);
        }
        self.attempts.rebase(moments);
        self.restarts.rebase(moments);
        self.pairings.rebase(moments);
        self.pairings_a_day.rebase(moments);
        moments.since(&mut self.noted_at, NOTED_MS);
        if let Some((_, until)) = &mut self.owed {
            moments.due(until);
        }
        for backoff in [&mut self.reconnect, &mut self.replaced, &mut self.retire] {
            backoff.forget_beyond(DEGRADED_AFTER + 1);
        }
        self.jitter.0 = 0;
        (self, Now::REBASED)
    }
}

impl State {
    /// This state without what goes on beside the session, and never changes it: the sign of life, the watch for the phone, and how
    /// often the owner was told of something. For whoever counts states.
    pub fn without_chores(mut self) -> Self {
        let fresh = State::new(0);
        self.pulse = fresh.pulse;
        self.phone = fresh.phone;
        self.notified = fresh.notified;
        self.untold = fresh.untold;
        self
    }
}

impl Session {
    fn rebase(&mut self, moments: Moments) {
        match self {
            Self::Pairing(codes) => codes.rebase(moments),
            Self::Repairing { until }
            | Self::Connecting { until }
            | Self::Connected { until, .. }
            | Self::Stale { until }
            | Self::Closing { until, .. }
            | Self::Waiting { until, .. }
            | Self::Retiring { until, .. }
            | Self::AwaitingClock { until }
            | Self::Stopping { until }
            | Self::Failed {
                until: Some(until), ..
            } => moments.due(until),
            Self::Failed { until: None, .. }
            | Self::Starting
            | Self::PairingPaused
            | Self::PasskeyNeeded
            | Self::AwaitingRoom
            | Self::Stopped => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::vec::Vec;

    use super::*;
    use crate::story::ACCOUNT;
    use crate::{
        CauseCode, Command, Deed, Ending, Event, Facts, Findings, GenerationId, IdentityFound,
        Ignored, LastEnd, Linked, Part, Space, StoreFound, Todo, Unusable, Way, step,
    };

    fn events() -> Vec<Event> {
        let linked = |account| Linked {
            generation: GenerationId(1),
            account,
        };
        let command = |command| Event::Command {
            request: 1,
            command,
        };
        let (deed, nonce, token) = (Deed::Relink, 5, 5);
        let space = |free: u64| Space {
            free_bytes: free << 20,
            total_bytes: 8 << 30,
            archives: 1,
            ..Space::default()
        };
        let panel = |fault| Event::Panel {
            part: Part::Display,
            fault,
        };
        let found = Findings {
            identity: IdentityFound::Sound,
            store: StoreFound::Behind,
            unusable: Unusable::default(),
            todo: Todo::default(),
        };
        let endings = [
            Ending::Asked,
            Ending::Network(CauseCode::ConnectionLost.into()),
            Ending::Replaced,
            Ending::LoggedOut,
            Ending::AccountLocked,
            Ending::Banned {
                expires_ms: Some(HOUR),
            },
            Ending::ClientOutdated,
            Ending::RestartRequired,
            Ending::Throttled,
            Ending::QrExhausted,
        ];
        let woke = Facts {
            last_end: LastEnd::PowerLoss,
            ignored: Some(Ignored {
                count: 1,
                line: None,
            }),
            ..Facts::default()
        };
        let mut events = Vec::from([
            Event::Woke(Box::new(woke)),
            Event::Found(found),
            Event::Booted(linked(Some(ACCOUNT))),
            Event::Tick,
            Event::Network(Way::NoLink),
            Event::Network(Way::Open),
            Event::Clock { behind: true },
            Event::Clock { behind: false },
            Event::QrShown { valid_ms: 20_000 },
            Event::CodeShown { valid_ms: 180_000 },
            Event::PasskeyAsked,
            Event::Paired(ACCOUNT),
            Event::PairFailed,
            Event::LinkUp,
            Event::LinkUp,
            Event::CaughtUp,
            Event::Heard,
            Event::Pressed,
            Event::Pressed,
            Event::Released,
            Event::Released,
            command(Command::Link),
            command(Command::Ask { deed, nonce }),
            command(Command::Confirm { deed, token }),
            Event::Retired(linked(None)),
            Event::Retired(linked(Some(ACCOUNT))),
            Event::RetireFailed,
            Event::Space(space(4_000)),
            Event::Space(space(10)),
            Event::DropFailed,
            panel(Some(CauseCode::DisplayAbsent)),
            panel(None),
        ]);
        events.extend(endings.map(Event::LinkEnded));
        events
    }

    /// Whatever happened so far: what follows is the same, without what was forgotten.
    #[test]
    fn what_is_forgotten_makes_no_difference() {
        let (events, mut names) = (events(), Vec::new());
        for seed in 0..60 {
            let (mut state, mut now, mut dice) = (State::new(seed), seed * HOUR, seed);
            let mut draw = |of: u64| {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (dice >> 33) % of
            };
            for _ in 0..300 {
                match draw(4) {
                    0 => now = state.deadline().unwrap_or(now).max(now),
                    1 => now += draw(20) * 1_000,
                    2 if draw(10) == 0 => now += draw(20) * HOUR,
                    _ => {}
                }
                let event = &events[draw(events.len() as u64) as usize];
                state.jitter.0 = 0;
                let (mut twin, then) = state.clone().canonical(Now { mono_ms: now });
                assert_eq!(twin.clone().canonical(then), (twin.clone(), then));
                let effects = step(&mut state, event.clone(), Now { mono_ms: now }).effects;
                let twins = step(&mut twin, event.clone(), then).effects;
                assert_eq!(effects, twins, "{event:?}");
                let same = (
                    state.clone().canonical(Now { mono_ms: now }),
                    twin.canonical(then),
                );
                assert_eq!(same.0, same.1, "{event:?}");
                names.push(state.name());
            }
        }
        names.sort_unstable();
        names.dedup();
        assert!(names.len() > 12, "only {names:?}");
    }
}
