//! A run of the link, as far as the core hears of it.

use holdfast_core::{CauseCode, Ending, Event, LastFour, Way};
use rand::RngExt;

use crate::people::Deed;
use crate::whatsapp::Login;
use crate::world::{What, World};
use crate::{MINUTE, SECOND};

pub(crate) const ACCOUNT: LastFour = LastFour(*b"1234");

/// How long the six codes of a run can be scanned.
const CODES: [u64; 6] = [60, 20, 20, 20, 20, 20];

/// A run of the link.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) id: u32,
    /// It links the device; else it logs in.
    pub(crate) pairs: bool,
    pub(crate) up: bool,
    /// Nothing comes from WhatsApp any more.
    pub(crate) deaf: bool,
    /// It was told to end.
    ending: bool,
    /// A phone consented.
    paired: bool,
    /// Codes shown.
    shown: usize,
}

/// What a run says, or comes to.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    /// It asks WhatsApp to be let in, or for the next code.
    Asks,
    /// A phone scans, or enters, the code that is shown.
    Scanned,
    Up,
    Ends(Ending),
}

impl World {
    pub(crate) fn start_run(&mut self, pairs: bool) {
        let id = self.life.attempts as u32;
        self.board.run = Some(Run {
            id,
            pairs,
            up: false,
            deaf: false,
            ending: false,
            paired: false,
            shown: 0,
        });
        let delay = self.dice.random_range(50..5 * SECOND);
        self.after(delay, What::Said(id, Said::Asks));
    }

    pub(crate) fn disconnect(&mut self) {
        let usual = self.dice.random_range(20..8 * SECOND);
        // A task of the library that hangs, for once.
        let hangs = !self.fair && self.dice.random_ratio(1, 200);
        let delay = if hangs {
            self.magnitude(10 * SECOND, 20 * MINUTE)
        } else {
            usual
        };
        // Its last word may be a logout that is not meant.
        let errs = !self.fair && self.dice.random_ratio(1, 20) && self.may_err();
        if let Some(run) = &mut self.board.run
            && !std::mem::replace(&mut run.ending, true)
        {
            let ending = if errs && run.up {
                Ending::LoggedOut
            } else {
                Ending::Asked
            };
            let id = run.id;
            self.after(delay, What::Said(id, Said::Ends(ending)));
        }
    }

    /// The run that goes on now ends soon, for this reason.
    pub(crate) fn ends(&mut self, ending: Ending, within: u64) {
        if let Some(id) = self.board.run.as_ref().map(|run| run.id) {
            let delay = self.dice.random_range(0..within.max(1));
            self.after(delay, What::Said(id, Said::Ends(ending)));
        }
    }

    pub(crate) fn said(&mut self, id: u32, said: Said) {
        let reachable = self.is_reachable();
        let Some(run) = self.board.run.as_mut().filter(|run| run.id == id) else {
            return;
        };
        match said {
            Said::Ends(ending) => {
                self.board.run = None;
                let redials = matches!(ending, Ending::Network(_))
                    && self.sabotage == Some(crate::Sabotage::Redials);
                self.watch.ended(
                    self.now,
                    &ending,
                    self.board.flash.linked,
                    self.whatsapp.valid,
                );
                self.tell(Event::LinkEnded(ending));
                if redials && self.board.run.is_none() {
                    self.watch.begins(self.now, false);
                    self.watch.dials(self.now);
                }
            }
            Said::Up => {
                run.up = true;
                // It was the wrong phone.
                let again = run.pairs && !self.fair && self.dice.random_ratio(1, 5);
                self.watch.up(self.now);
                self.tell(Event::LinkUp);
                if self.whatsapp.copy_until > self.now {
                    self.ends(Ending::Replaced, self.whatsapp.copy_within);
                }
                if again {
                    self.does(Deed::Relinks);
                }
            }
            Said::Asks if !reachable => self.ends(self.unreachable(), 20 * SECOND),
            Said::Asks if run.pairs => self.asks_for_a_code(),
            Said::Asks => match self.whatsapp.login(self.now) {
                Login::Up => {
                    let delay = self.dice.random_range(100..4 * SECOND);
                    self.after(delay, What::Said(id, Said::Up));
                }
                Login::Hangs => {}
                Login::Ends(ending) => self.ends(ending, SECOND),
            },
            Said::Scanned => self.scanned(),
        }
    }

    fn asks_for_a_code(&mut self) {
        let refused = self.whatsapp.refuses_linking(self.now);
        let Some(run) = &mut self.board.run else {
            return;
        };
        let id = run.id;
        if run.paired {
            return;
        }
        match refused {
            Some(Login::Ends(ending)) => return self.ends(ending, SECOND),
            Some(_) => return,
            None => {}
        }
        let Some(valid_s) = CODES.get(run.shown) else {
            return self.ends(Ending::QrExhausted, SECOND);
        };
        run.shown += 1;
        let valid_ms = valid_s * SECOND;
        if run.shown == 1 && self.board.has_number {
            self.watch.shows(self.now, self.now + 3 * MINUTE);
            self.tell(Event::CodeShown {
                valid_ms: 3 * MINUTE,
            });
        }
        self.watch.shows(self.now, self.now + valid_ms);
        self.tell(Event::QrShown { valid_ms });
        self.after(valid_ms, What::Said(id, Said::Asks));
    }

    /// The phone's answer to the code it was shown.
    fn scanned(&mut self) {
        let fails = !self.fair && self.dice.random_ratio(1, 20);
        let reachable = self.is_reachable();
        let gated = self.whatsapp.gated_until > self.now;
        let Some(run) = &mut self.board.run else {
            return;
        };
        if !run.pairs || run.paired || run.ending || !reachable {
            return;
        }
        if gated {
            self.tell(Event::PasskeyAsked);
        } else if fails {
            self.tell(Event::PairFailed);
        } else {
            run.paired = true;
            let id = run.id;
            self.board.flash.linked = true;
            self.whatsapp.valid = true;
            self.whatsapp.errs = false;
            self.whatsapp.phone_away_until = 0;
            self.tell(Event::Paired(ACCOUNT));
            self.tell(Event::PhoneSeen);
            let delay = self.dice.random_range(SECOND..20 * SECOND);
            self.after(delay, What::Said(id, Said::Up));
        }
    }

    pub(crate) fn is_reachable(&self) -> bool {
        self.board.way == Way::Open && self.weather.silent_until <= self.now
    }

    /// Why WhatsApp is not reached, as an attempt finds it.
    fn unreachable(&self) -> Ending {
        let code = if self.board.way == Way::Open {
            CauseCode::DialFailed
        } else {
            CauseCode::DnsFailed
        };
        Ending::Network(code.into())
    }
}
