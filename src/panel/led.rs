//! A lamp for boards without a screen: each kind of face has a rhythm of its own, and where that is steady nothing wakes.

use std::{io, sync::Arc, thread, time::Duration};

use holdfast_core::{Face, PairingFace, Part};
use tokio::{
    runtime::Handle,
    sync::watch,
    time::{sleep, timeout},
};

use super::Showing;
use crate::wires::{Inputs, Led, OutputPort, WireError, Wires, health::Health};

/// A rhythm: for how long it is lit, then dark, then lit, and so on, milliseconds; over and over.
type Rhythm = &'static [u64];

/// A pattern of the lamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pattern {
    Dark,
    Lit,
    Blinks(Rhythm),
}

/// All is well.
const GOOD: Pattern = Pattern::Lit;
/// Holdfast is at it: a slow, even beat.
const WORKING: Pattern = Pattern::Blinks(&[500, 500]);
/// Somebody has to do something: two flashes, and a pause.
const NEEDS_YOU: Pattern = Pattern::Blinks(&[150, 150, 150, 1050]);
/// Something is broken: hurried.
const BROKEN: Pattern = Pattern::Blinks(&[120, 120]);
/// The button is held on: a flicker.
const HOLDING: Pattern = Pattern::Blinks(&[50, 50]);
/// A new link? A short press is yes: lit, with one wink.
const RELINK: Pattern = Pattern::Blinks(&[900, 100]);
/// Forget everything? Lit, with two winks.
const RESET: Pattern = Pattern::Blinks(&[900, 100, 100, 100]);

/// The pattern of a face.
fn pattern(face: &Face) -> Pattern {
    match face {
        Face::Connected { fault: None, .. } | Face::Network { .. } | Face::About { .. } => GOOD,
        Face::Starting
        | Face::Repairing
        | Face::WaitingForNetwork { .. }
        | Face::WaitingForClock { .. }
        | Face::Connecting
        | Face::Stale { .. }
        | Face::Reconnecting { .. }
        | Face::Degraded { .. }
        | Face::LogoutSuspected { .. }
        | Face::Pairing(PairingFace::Preparing)
        | Face::LastEnd { .. }
        | Face::Updating { .. }
        | Face::Resetting
        | Face::Stopped { saved: false } => WORKING,
        Face::Connected { fault: Some(_), .. }
        | Face::Replaced { .. }
        | Face::Pairing(PairingFace::Qr { .. } | PairingFace::Code { .. })
        | Face::PairingPaused
        | Face::PasskeyNeeded
        | Face::Banned { .. }
        | Face::ClientOutdated { .. }
        | Face::SettingsIgnored { .. }
        | Face::FellBack { .. }
        | Face::ResetDone { .. } => NEEDS_YOU,
        Face::StorageFault { .. } => BROKEN,
        Face::Holding { .. } => HOLDING,
        Face::ConfirmRelink { .. } => RELINK,
        Face::ConfirmReset { .. } => RESET,
        Face::Stopped { saved: true } => Pattern::Dark,
    }
}

/// Has a board's lamp follow what is shown until the sender of that is gone, from a thread of its own; a line that fails is tried again.
pub(super) fn follow(
    wires: Arc<dyn Wires>,
    led: Led,
    mut showings: watch::Receiver<Showing>,
    inputs: Inputs,
) {
    let mut health = Health::new(Part::Led, inputs);
    let runtime = Handle::current();
    let run = move || {
        loop {
            let lamp = Lamp::open(&*wires, &led);
            let ended = lamp.and_then(|mut lamp| {
                lamp.set(false)?;
                health.works(None);
                runtime.block_on(lamp.follow(&mut showings))
            });
            let Err(error) = ended else { return };
            let pause = health.failed(&error);
            let over = async { while showings.changed().await.is_ok() {} };
            if runtime.block_on(async { timeout(pause, over).await.is_ok() }) {
                return;
            }
        }
    };
    let started: io::Result<_> = thread::Builder::new().name("led".into()).spawn(run);
    if let Err(error) = started {
        tracing::warn!("{}", WireError::Thread(error));
    }
}

/// A lamp on its line.
struct Lamp {
    line: OutputPort,
    active_low: bool,
}

impl Lamp {
    /// Opens it.
    fn open(wires: &dyn Wires, led: &Led) -> Result<Self, WireError> {
        Ok(Self {
            line: wires.output(&led.lines, led.active_low)?,
            active_low: led.active_low,
        })
    }

    fn set(&mut self, lit: bool) -> Result<(), WireError> {
        if lit != self.active_low {
            self.line.set_high()
        } else {
            self.line.set_low()
        }
    }

    /// Blinks as each showing wants, until there are no more.
    async fn follow(&mut self, showings: &mut watch::Receiver<Showing>) -> Result<(), WireError> {
        loop {
            let pattern = pattern(showings.borrow_and_update().face());
            let next = async {
                // A countdown that begins anew is no reason to begin the rhythm anew.
                let is_new = |showing: &Showing| self::pattern(showing.face()) != pattern;
                showings.wait_for(is_new).await.is_ok()
            };
            let goes_on = tokio::select! {
                goes_on = next => goes_on,
                failed = self.keep(pattern) => return failed,
            };
            if !goes_on {
                return Ok(());
            }
        }
    }

    /// Keeps to a pattern; returns only when the line fails.
    async fn keep(&mut self, pattern: Pattern) -> Result<(), WireError> {
        let rhythm = match pattern {
            Pattern::Dark => self.set(false).map(|()| None)?,
            Pattern::Lit => self.set(true).map(|()| None)?,
            Pattern::Blinks(rhythm) => Some(rhythm),
        };
        let Some(rhythm) = rhythm else {
            return std::future::pending().await;
        };
        for (at, ms) in rhythm.iter().enumerate().cycle() {
            self.set(at % 2 == 0)?;
            sleep(Duration::from_millis(*ms)).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use embedded_hal::digital::{ErrorType, OutputPin};
    use holdfast_core::{CauseCode, Emptied, GenerationId, Ignored, LastEnd, Stage};
    use parking_lot::Mutex;
    use tokio::{sync::mpsc, time::Instant};

    use super::*;
    use crate::wires::{
        Button, I2cBus, I2cPort, Input, InputPort, Line, LineName, SpiBus, SpiPort,
    };

    /// A line that notes its levels, each with the moment; one that is broken takes none.
    #[derive(Clone, Default)]
    struct Noted {
        levels: Arc<Mutex<Vec<(Duration, bool)>>>,
        since: Option<Instant>,
        broken: bool,
    }

    impl Noted {
        fn note(&mut self, high: bool) -> Result<(), WireError> {
            if self.broken {
                return Err(WireError::NoLine("chip:1".into()));
            }
            let at = self.since.map_or(Duration::ZERO, |since| since.elapsed());
            self.levels.lock().push((at, high));
            Ok(())
        }
    }

    impl ErrorType for Noted {
        type Error = WireError;
    }

    impl OutputPin for Noted {
        fn set_low(&mut self) -> Result<(), WireError> {
            self.note(false)
        }

        fn set_high(&mut self) -> Result<(), WireError> {
            self.note(true)
        }
    }

    impl Wires for Noted {
        fn i2c(&self, _: &I2cBus) -> Result<I2cPort, WireError> {
            Err(WireError::NoI2c(Vec::new()))
        }

        fn spi(&self, _: &SpiBus) -> Result<SpiPort, WireError> {
            Err(WireError::NoI2c(Vec::new()))
        }

        fn output(&self, _: &[LineName], _: bool) -> Result<OutputPort, WireError> {
            Ok(Box::new(self.clone()))
        }

        fn input(&self, lines: &[LineName]) -> Result<InputPort, WireError> {
            Err(WireError::NoLine(format!("{lines:?}")))
        }

        fn button(&self, _: &Button) -> Result<Box<dyn Line>, WireError> {
            Err(WireError::NoLine(String::new()))
        }
    }

    #[test]
    fn each_pattern_is_told_from_every_other() {
        let all = [GOOD, WORKING, NEEDS_YOU, BROKEN, HOLDING, RELINK, RESET];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[..at].contains(one) && *one != Pattern::Dark);
            if let Pattern::Blinks(rhythm) = one {
                assert!(rhythm.len() % 2 == 0, "it would not begin again lit");
            }
        }
    }

    #[test]
    fn each_face_has_the_pattern_of_what_it_wants() {
        let (left_ms, next_ms, attempt) = (1, 1, 1);
        let network = |code| Face::WaitingForNetwork {
            code,
            attempt,
            next_ms,
        };
        let connected = |fault| Face::Connected {
            account: None,
            fault,
        };
        let generation = GenerationId(1);
        let about = Face::About {
            generation,
            audit: None,
            left_ms,
        };
        let ignored = Ignored {
            count: 1,
            file: None,
            line: None,
        };
        let relink = Face::ConfirmRelink {
            left_ms,
            account: None,
            generation,
        };
        let holding = |relinks| Face::Holding { left_ms, relinks };
        let end = LastEnd::PowerLoss;
        let fault = Face::StorageFault {
            code: CauseCode::NoSpace,
            next_ms: None,
        };
        let (emptied, stage) = (Emptied::default(), Stage::Installing(40));
        let wanted = [
            (
                GOOD,
                vec![connected(None), Face::Network { left_ms }, about],
            ),
            (
                WORKING,
                vec![
                    Face::Starting,
                    Face::Repairing,
                    network(CauseCode::NoLink),
                    Face::WaitingForClock { next_ms },
                    Face::Connecting,
                    Face::Stale { left_ms },
                    Face::Reconnecting { attempt, next_ms },
                    Face::Degraded { attempt, next_ms },
                    Face::LogoutSuspected { next_ms },
                    Face::Pairing(PairingFace::Preparing),
                    Face::LastEnd { end, left_ms },
                    Face::Updating { stage },
                    Face::Resetting,
                    Face::Stopped { saved: false },
                ],
            ),
            (
                NEEDS_YOU,
                vec![
                    connected(Some(CauseCode::PhoneAway)),
                    Face::Replaced { next_ms },
                    Face::Pairing(PairingFace::Qr { left_ms }),
                    Face::Pairing(PairingFace::Code { left_ms }),
                    Face::PairingPaused,
                    Face::PasskeyNeeded,
                    Face::Banned { left_ms: None },
                    Face::ClientOutdated { next_ms },
                    Face::SettingsIgnored { ignored, left_ms },
                    Face::FellBack { left_ms },
                    Face::ResetDone { emptied },
                ],
            ),
            (BROKEN, vec![fault]),
            (HOLDING, vec![holding(true), holding(false)]),
            (RELINK, vec![relink]),
            (RESET, vec![Face::ConfirmReset { left_ms }]),
            (Pattern::Dark, vec![Face::Stopped { saved: true }]),
        ];
        for (wanted, faces) in wanted {
            for face in faces {
                assert_eq!(pattern(&face), wanted, "{face:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_rhythm_begins_with_its_face_and_a_steady_one_wakes_nobody() {
        let noted = Noted {
            since: Some(Instant::now()),
            ..Noted::default()
        };
        let led = Led {
            active_low: true,
            ..Led::default()
        };
        let mut lamp = Lamp::open(&noted, &led).unwrap();
        let (show, mut showings) = watch::channel(Showing::new(Face::Connecting, None));
        let shown = async {
            sleep(Duration::from_millis(1200)).await;
            show.send_replace(Showing::new(Face::Starting, None));
            sleep(Duration::from_millis(100)).await;
            let well = Face::Connected {
                account: None,
                fault: None,
            };
            show.send_replace(Showing::new(well, None));
            sleep(Duration::from_secs(24 * 3600)).await;
            show.send_replace(Showing::new(Face::Stopped { saved: true }, None));
            sleep(Duration::from_secs(1)).await;
            drop(show);
        };
        let (ended, ()) = tokio::join!(lamp.follow(&mut showings), shown);
        ended.unwrap();
        let ms = |(at, high): &(Duration, bool)| (at.as_millis() as u64, !high);
        let levels: Vec<_> = noted.levels.lock().iter().map(ms).collect();
        let day = 24 * 3600 * 1000;
        let wanted = [
            (0, true),
            (500, false),
            (1000, true),
            (1300, true),
            (1300 + day, false),
        ];
        assert_eq!(levels, wanted);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_line_that_fails_is_told_of_and_nothing_else() {
        let wires = Arc::new(Noted {
            broken: true,
            ..Noted::default()
        });
        let (inputs, mut told) = mpsc::unbounded_channel();
        let (_show, showings) = watch::channel(Showing::new(Face::Starting, None));
        follow(wires, Led::default(), showings, inputs);
        let fault = async {
            while let Some((_, input)) = told.recv().await {
                let fault = Some(CauseCode::LedAbsent);
                let part = Part::Led;
                if input == (Input::Health { part, fault }) {
                    return;
                }
            }
            panic!("nobody tells");
        };
        timeout(Duration::from_secs(60), fault).await.unwrap();
    }
}
