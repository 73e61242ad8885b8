//! A part of the panel that fails is tried again, ever more slowly, and told of once it has failed for good.

use std::time::{Duration, Instant};

use holdfast_core::{CauseCode, Part};

use super::{Input, Inputs, WireError};

/// Before the first new try; doubles from try to try.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Between two tries, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// So many failures in a row are told of: fewer are a spark on the wire, or a driver that comes up later than we do.
const PATIENCE: u32 = 4;
/// Another process of ours may draw for so long, the boot's on e-paper: until then its wires being taken is no failure.
const SHARED: Duration = Duration::from_secs(8);
/// A part that worked for so long is tried again quickly when it fails.
const STEADY: Duration = Duration::from_secs(60);

/// How a part does, as it goes.
pub(crate) struct Health {
    part: Part,
    inputs: Inputs,
    failures: u32,
    pause: Duration,
    works_since: Option<Instant>,
    /// The last report: what is wrong with it, or nothing.
    told: Option<Option<CauseCode>>,
}

impl Health {
    pub(crate) fn new(part: Part, inputs: Inputs) -> Self {
        Self {
            part,
            inputs,
            failures: 0,
            pause: FIRST_PAUSE,
            works_since: None,
            told: None,
        }
    }

    /// It works; `but` something is to be said of it.
    pub(crate) fn works(&mut self, but: Option<CauseCode>) {
        self.failures = 0;
        self.works_since.get_or_insert_with(Instant::now);
        if self.told != Some(but) {
            self.tell(but);
            tracing::info!("the panel's {} works", self.name());
            if let Some(but) = but {
                tracing::warn!("{} {}", but.sentence(), but.action());
            }
        }
    }

    /// It does not; how long to wait before it is tried again.
    pub(crate) fn failed(&mut self, error: &WireError) -> Duration {
        if !matches!(error, WireError::Taken(_)) || self.pause >= SHARED {
            self.failures += 1;
        }
        if self
            .works_since
            .take()
            .is_some_and(|since| since.elapsed() >= STEADY)
        {
            self.pause = FIRST_PAUSE;
        }
        if self.failures == PATIENCE && self.told != Some(Some(self.fault())) {
            self.tell(Some(self.fault()));
            tracing::warn!(
                "the panel's {} does not work and is tried again: {error}",
                self.name()
            );
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        pause
    }

    /// Nobody listens any more.
    pub(crate) fn is_over(&self) -> bool {
        self.inputs.is_closed()
    }

    fn tell(&mut self, fault: Option<CauseCode>) {
        self.told = Some(fault);
        let part = self.part;
        // The receiver may be gone.
        let _ = self
            .inputs
            .send((Instant::now(), Input::Health { part, fault }));
    }

    fn name(&self) -> &'static str {
        match self.part {
            Part::Display => "display",
            Part::Button => "button",
            Part::Led => "lamp",
        }
    }

    fn fault(&self) -> CauseCode {
        match self.part {
            Part::Display => CauseCode::DisplayAbsent,
            Part::Button => CauseCode::ButtonAbsent,
            Part::Led => CauseCode::LedAbsent,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[test]
    fn failures_are_told_of_once_and_pauses_grow() {
        let (inputs, mut told) = mpsc::unbounded_channel();
        let mut health = Health::new(Part::Display, inputs);
        let mut faults = || -> Vec<bool> {
            std::iter::from_fn(|| told.try_recv().ok())
                .map(|(_, input)| matches!(input, Input::Health { fault: Some(_), .. }))
                .collect()
        };
        let error = || WireError::Transfer("no answer".into());
        let pauses: Vec<u128> = (0..9)
            .map(|_| health.failed(&error()).as_millis())
            .collect();
        assert_eq!(
            pauses,
            [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]
        );
        assert_eq!(faults(), [true]);
        health.works(None);
        health.works(None);
        assert_eq!(faults(), [false]);
        // A loose wire: slow to be tried again, until it has held for a while.
        assert_eq!(health.failed(&error()).as_secs(), 30);
        health.works(None);
        assert_eq!(faults(), [] as [bool; 0], "a spark");
        health.works(Some(CauseCode::DisplayIsSh1106));
        health.works(Some(CauseCode::DisplayIsSh1106));
        assert_eq!(faults(), [true], "it works, but");
    }

    #[test]
    fn what_another_process_has_is_told_of_only_when_it_goes_on() {
        let (inputs, mut told) = mpsc::unbounded_channel();
        let mut health = Health::new(Part::Display, inputs);
        let taken = WireError::Taken("/dev/spidev0.0".into());
        let mut waited = Duration::ZERO;
        while told.try_recv().is_err() {
            waited += health.failed(&taken);
        }
        assert!(waited > SHARED * 2 && waited < SHARED * 12, "{waited:?}");
    }
}
