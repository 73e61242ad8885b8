//! The health of screen, button and lamp: a fault is told once, and is never a reason for anything else.

use crate::ground::{CauseCode, MINUTE, Moments};

/// A part that has worked for so long is told of again when it fails; until then it is the same loose wire.
const STEADY_MS: u64 = 10 * MINUTE;

/// A part of the panel that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The screen.
    Display,
    /// The button.
    Button,
    /// The lamp of a board without a screen.
    Led,
}

/// The health of the panel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Panel {
    display: Health,
    button: Health,
    led: Health,
}

/// The health of a part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Health {
    fault: Option<CauseCode>,
    /// Since when it works, once it does.
    works_since: Option<u64>,
    /// The operator knows that it fails.
    told: bool,
}

impl Panel {
    /// Returns a part's fault, when it has one.
    pub(crate) fn fault(&self, part: Part) -> Option<CauseCode> {
        match part {
            Part::Display => self.display.fault,
            Part::Button => self.button.fault,
            Part::Led => self.led.fault,
        }
    }

    pub(crate) fn rebase(&mut self, moments: Moments) {
        for health in [&mut self.display, &mut self.button, &mut self.led] {
            if let Some(since) = &mut health.works_since {
                moments.since(since, STEADY_MS);
            }
        }
    }

    /// A part works, or fails for this reason. Whether the operator should be told; `tells` says whether anybody can.
    pub(crate) fn set(
        &mut self,
        part: Part,
        fault: Option<CauseCode>,
        now: u64,
        tells: bool,
    ) -> bool {
        let health = self.health(part);
        health.fault = fault;
        if fault.is_none() {
            health.works_since.get_or_insert(now);
            return false;
        }
        let worked_since = health.works_since.take();
        let steady = worked_since.is_some_and(|since| now.saturating_sub(since) >= STEADY_MS);
        let is_news = tells && (steady || !health.told);
        health.told |= is_news;
        is_news
    }

    fn health(&mut self, part: Part) -> &mut Health {
        match part {
            Part::Display => &mut self.display,
            Part::Button => &mut self.button,
            Part::Led => &mut self.led,
        }
    }
}
