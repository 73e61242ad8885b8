//! The owner, who believes the screen, and others who press and ask for the fun of it.

use holdfast_core::{
    ArchiveId, CauseCode, Command, Deed as Asked, Event, Face, GenerationId, Hand, LastEnd, Now,
    PairingFace, Way, face,
};
use rand::RngExt;

use crate::link::Said;
use crate::world::{What, World};
use crate::{DAY, HOUR, MINUTE, SECOND, Sabotage};

/// Something somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// The owner looks at the screen, and does what it says.
    OwnerLooks,
    /// Somebody presses the button, for so long as it pleases.
    Presses,
    /// A wet button.
    Bounces,
    /// The owner gives the link up at the device.
    Relinks,
    /// The owner has everything forgotten; a program may be the one that presses the second time.
    Resets,
    /// A program asks to be connected, again and again.
    Nags,
    /// An operator gives the link up, or has an old one back, over the bus.
    Confirms,
    /// Somebody guesses tokens.
    Guesses,
    /// An operator has the link tested, and an archive handed out.
    Tests,
    /// An operator stops the daemon.
    Stops,
}

impl Deed {
    pub(crate) const ALL: [Deed; 10] = [
        Deed::OwnerLooks,
        Deed::Presses,
        Deed::Bounces,
        Deed::Relinks,
        Deed::Resets,
        Deed::Nags,
        Deed::Confirms,
        Deed::Guesses,
        Deed::Tests,
        Deed::Stops,
    ];

    fn every(self) -> u64 {
        match self {
            Self::OwnerLooks => 8 * HOUR,
            Self::Presses | Self::Nags | Self::Guesses => 3 * DAY,
            Self::Bounces | Self::Tests | Self::Stops => 20 * DAY,
            Self::Relinks | Self::Resets | Self::Confirms => 60 * DAY,
        }
    }
}

impl World {
    /// The next of its kind.
    pub(crate) fn expect_deed(&mut self, deed: Deed) {
        let delay = match (self.fair, deed) {
            (true, Deed::OwnerLooks) => 30 * SECOND,
            (true, _) => return,
            (false, _) => self.dice.random_range(0..2 * deed.every()),
        };
        self.after(delay, What::Does(deed));
    }

    pub(crate) fn does(&mut self, deed: Deed) {
        match deed {
            Deed::OwnerLooks => self.looks(),
            Deed::Presses => {
                let ms = self.magnitude(20, 20 * SECOND);
                let hand = self.draws_hand();
                self.press_by(hand, 0, ms);
            }
            Deed::Bounces => {
                for _ in 0..200 {
                    let at = self.dice.random_range(0..MINUTE);
                    let down = self.dice.random_ratio(1, 2);
                    self.after(at, What::Finger(Hand::Device, down));
                }
                self.after(MINUTE, What::Finger(Hand::Device, false));
            }
            Deed::Relinks => {
                self.press(0, 6 * SECOND);
                self.press(8 * SECOND, 200);
            }
            Deed::Resets => {
                self.press(0, 16 * SECOND);
                let hand = self.draws_hand();
                self.press_by(hand, 20 * SECOND, 200);
            }
            Deed::Nags => {
                for _ in 0..self.dice.random_range(1..60) {
                    self.ask(Command::Link);
                }
            }
            Deed::Confirms => {
                let deed = if self.dice.random_ratio(1, 2) {
                    Asked::Relink
                } else {
                    Asked::Restore(ArchiveId::Retired(GenerationId(1)))
                };
                let token = self.dice.random();
                self.ask(Command::Ask { deed, nonce: token });
                self.ask(Command::Confirm { deed, token });
            }
            Deed::Guesses => {
                let deed = Asked::Relink;
                let nonce = self.dice.random();
                self.ask(Command::Confirm { deed, token: nonce });
                self.ask(Command::Ask { deed, nonce });
                self.ask(Command::Confirm {
                    deed,
                    token: nonce ^ 1,
                });
                self.ask(Command::Confirm { deed, token: nonce });
            }
            Deed::Tests => {
                self.ask(Command::SelfTest);
                let deed = Asked::Export(ArchiveId::Retired(GenerationId(1)));
                let token = self.dice.random();
                self.ask(Command::Ask { deed, nonce: token });
                self.ask(Command::Confirm { deed, token });
            }
            Deed::Stops => self.ask(Command::Stop),
        }
    }

    fn ask(&mut self, command: Command) {
        let request = self.life.steps;
        self.tell(Event::Command { request, command });
    }

    fn draws_hand(&mut self) -> Hand {
        match self.dice.random_ratio(1, 2) {
            true => Hand::Device,
            false => Hand::Bus,
        }
    }

    fn press(&mut self, at: u64, ms: u64) {
        self.press_by(Hand::Device, at, ms);
    }

    fn press_by(&mut self, hand: Hand, at: u64, ms: u64) {
        self.after(at, What::Finger(hand, true));
        self.after(at + ms, What::Finger(hand, false));
    }

    pub(crate) fn finger(&mut self, hand: Hand, down: bool) {
        if self.sabotage == Some(Sabotage::CutsTheButton) {
            return;
        }
        self.tell(if down {
            Event::Pressed(hand)
        } else {
            Event::Released(hand)
        });
    }

    /// The owner believes what the screen and the cause's action say, and does nothing else.
    fn looks(&mut self) {
        let Some(state) = self.board.state() else {
            return;
        };
        let seen = face(state, self.board.mono(self.now));
        if let Face::Pairing(PairingFace::Qr { .. } | PairingFace::Code { .. }) = seen {
            let run = self.board.run.as_ref().map(|run| run.id);
            return run
                .into_iter()
                .for_each(|run| self.after(5 * SECOND, What::Said(run, Said::Scanned)));
        }
        let Some(cause) = state.cause() else {
            return;
        };
        match cause.code {
            CauseCode::NoLink | CauseCode::NoRadio | CauseCode::NoAddress | CauseCode::NoRoute => {
                self.board.hangs = None;
                self.set_way(Way::Open);
            }
            CauseCode::QrExhausted | CauseCode::PairingBudget | CauseCode::OpenFailed => {
                self.press(0, 200);
            }
            CauseCode::PasskeyNeeded | CauseCode::PasskeyUnanswered => self.press(0, 200),
            CauseCode::Replaced => {
                self.whatsapp.copy_until = 0;
                self.press(0, 200);
            }
            CauseCode::AccountLocked => {
                self.whatsapp.locked_until = 0;
                self.press(0, 200);
            }
            CauseCode::ClientOutdated => self.whatsapp.outdated_until = 0,
            CauseCode::NoSpace | CauseCode::LittleSpace => self.set_space(4000),
            CauseCode::RetireFailed | CauseCode::ResetFailed => self.board.flash.stuck_until = 0,
            CauseCode::MediumFailed => {
                self.board.flash.broken_until = 0;
                self.press(0, 200);
            }
            CauseCode::SetAside | CauseCode::ResetUnfinished => {
                self.dies(LastEnd::PowerLoss, 5 * SECOND)
            }
            CauseCode::LinkStuck => self.ask(Command::Stop),
            _ => {}
        }
    }
}

impl crate::board::Board {
    /// The moment on the core's clock.
    pub(crate) fn mono(&self, now: u64) -> Now {
        let zero = self.process.as_ref().map_or(0, |process| process.zero);
        Now {
            mono_ms: now.saturating_sub(zero),
        }
    }
}
