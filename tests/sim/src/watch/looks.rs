//! The face that an owner sees must be true, bounded and explained.

use holdfast_core::{CauseCode, Face, Hand, Now, PairingFace, State};

use super::{Asks, HOLD, Note, RESET_HOLD, SLACK, Watch, recent};
use crate::link::Run;
use crate::stays;
use crate::{DAY, HOUR, SECOND};

impl Watch {
    /// Looks at the face of a state, and returns whether the state has another name than before.
    pub(crate) fn looks(
        &mut self,
        now: u64,
        mono: Now,
        state: &State,
        face: &Face,
        run: Option<&Run>,
    ) -> bool {
        let (runs, deaf) = (run.is_some(), run.is_none_or(|run| run.deaf));
        let name = state.name();
        let is_new = std::mem::replace(&mut self.name, name) != name;
        self.check(!is_new || name != "Stale" || deaf, || {
            "a link that is well was called stale".to_owned()
        });
        if is_new {
            self.tell(now, Note::Is(name, state.cause().map(|cause| cause.code)));
            self.idle_since = now;
        }
        let asks = match face {
            Face::ConfirmRelink { .. } => Some(Asks::Relink),
            Face::ConfirmReset { .. } => Some(Asks::Reset),
            _ => None,
        };
        if self.pressed_at.is_none_or(|(_, at)| at == now) {
            self.asked_at_press = asks;
        }
        let is_asked = std::mem::replace(&mut self.asks, asks) != asks;
        let held = self.last_press.filter(|(hand, _)| *hand == Hand::Device);
        let held = held.is_some_and(|(_, at)| now >= at + RESET_HOLD);
        self.check(!is_asked || asks != Some(Asks::Reset) || held, || {
            "asked whether to forget everything, and nobody held the button for that".to_owned()
        });
        let code = state.cause().map(|cause| cause.code);
        self.stuck = code == Some(CauseCode::LinkStuck);
        let is_asked = matches!(
            code,
            Some(CauseCode::Relinked | CauseCode::Restoring | CauseCode::RetireSlow)
        );
        // The question ran out, or was refused.
        (self.button, self.bus) = (self.button && is_asked, self.bus && is_asked);
        self.reset &= matches!(code, Some(CauseCode::ResetAsked | CauseCode::Stopped));
        let held = self.habits.looks(now, name, code);
        self.holds(held);
        let told = state
            .cause()
            .filter(|cause| !cause.action().starts_with("none"));
        let idle = now - self.idle_since;
        match stays::longest(name) {
            Some(longest) => {
                let left = state.deadline().map(|at| at.saturating_sub(mono.mono_ms));
                // The disk is waited for, and the service manager has a limit for that.
                let starts = name == "Starting";
                self.check(starts || left.is_some_and(|left| left <= longest), || {
                    format!("{name} has a deadline in {left:?}, its limit is {longest}")
                });
                self.check(idle <= longest + SLACK || told.is_some(), || {
                    format!("{name} for {idle} ms with nothing done, and nobody is told what to do")
                });
            }
            None => self.check(told.is_some(), || {
                format!("{name} waits for a human, who is not told what to do")
            }),
        }
        let explained = matches!(name, "Starting" | "Connecting" | "Connected");
        self.check(explained || state.cause().is_some(), || {
            format!("{name} without a cause")
        });
        if name == "Connected" {
            let silent = now.saturating_sub(self.heard);
            self.check(runs && silent <= 90 * SECOND + SLACK, || {
                format!("called connected, and not heard for {silent} ms")
            });
            self.check(state.cause().is_none(), || {
                "connected, and something is wrong".to_owned()
            });
            let held = self.farewells.looks(self.habits.is_stable(now));
            self.holds(held);
        }
        let holds = self.pressed_at.is_some_and(|(_, at)| now >= at + HOLD);
        if holds && !std::mem::replace(&mut self.held, true) {
            self.human = true;
        }
        if let Face::Pairing(PairingFace::Qr { left_ms } | PairingFace::Code { left_ms }) = face {
            let until = self.code_until;
            self.check(runs && *left_ms > 0 && now + left_ms <= until, || {
                "a code that is not valid is on the glass".to_owned()
            });
            if !std::mem::replace(&mut self.showed, true) && !std::mem::take(&mut self.human) {
                self.codes.push_back(now);
                let day = recent(&mut self.codes, now, DAY);
                let hour = self.codes.iter().filter(|at| **at + HOUR > now).count();
                self.check(hour <= 6 && day <= 24, || {
                    format!(
                        "{hour} codes within the hour and {day} within the day, and nobody asked"
                    )
                });
            }
        }
        if let Some(at) = self.stop_at {
            self.check(now <= at + 10 * SECOND + SLACK, || {
                "a stop that takes too long".to_owned()
            });
        }
        is_new
    }
}
