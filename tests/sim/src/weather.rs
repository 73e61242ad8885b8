//! What goes wrong, and how often in this life.

use holdfast_core::{CauseCode, Ending, Event, LastEnd, Part, Way};
use rand::RngExt;
use rand::rngs::SmallRng;

use crate::board::Remedy;
use crate::link::Said;
use crate::world::{What, World};
use crate::{DAY, HOUR, MINUTE, SECOND};

/// How long the phone may be away.
const PHONE_AWAY: u64 = 14 * DAY;

/// Something that goes wrong, at times for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spell {
    /// The way to the outside is gone.
    Outage,
    /// It is gone, and nothing on this machine tells.
    SilentOutage,
    /// It comes and goes.
    Flapping,
    /// The socket is closed.
    Drop,
    /// The socket is open and dead, and nobody tells.
    Zombie,
    PowerCut,
    /// The power goes again and again.
    BrownOut,
    Crash,
    /// WhatsApp says "logged out" once, and does not mean it.
    WrongLogout,
    Revocation,
    Ban,
    Lock,
    Outdated,
    Throttling,
    Refusing,
    Restarting,
    Hanging,
    /// Another copy of this device is started.
    Copy,
    /// Linking takes a passkey.
    Gate,
    /// The phone is off, or has no network.
    PhoneAway,
    FullDisk,
    BadMedium,
    /// Nothing can be moved to the archive.
    StuckArchive,
    /// Records are damaged; the next start finds them.
    Rot,
    /// The session keys of some peers are wrong.
    Garbled,
    /// Strangers send what nobody can read.
    Rubbish,
    /// A wire of the panel is loose.
    Panel,
}

impl Spell {
    pub(crate) const ALL: [Spell; 27] = [
        Spell::Outage,
        Spell::SilentOutage,
        Spell::Flapping,
        Spell::Drop,
        Spell::Zombie,
        Spell::PowerCut,
        Spell::BrownOut,
        Spell::Crash,
        Spell::WrongLogout,
        Spell::Revocation,
        Spell::Ban,
        Spell::Lock,
        Spell::Outdated,
        Spell::Throttling,
        Spell::Refusing,
        Spell::Restarting,
        Spell::Hanging,
        Spell::Copy,
        Spell::Gate,
        Spell::PhoneAway,
        Spell::FullDisk,
        Spell::BadMedium,
        Spell::StuckArchive,
        Spell::Rot,
        Spell::Garbled,
        Spell::Rubbish,
        Spell::Panel,
    ];

    /// The time between two in a bad life; what ends a link or stops the work is rarer.
    fn least(self) -> u64 {
        match self {
            Self::Drop | Self::Outage | Self::Zombie => 4 * HOUR,
            Self::Revocation | Self::PhoneAway => 20 * DAY,
            Self::Ban | Self::Lock | Self::Gate | Self::BadMedium => 10 * DAY,
            _ => 2 * DAY,
        }
    }
}

/// The weather of one life.
#[derive(Clone, Debug)]
pub(crate) struct Weather {
    /// The mean time between two of each; `None`: never in this life.
    every: [Option<u64>; Spell::ALL.len()],
    /// Until then nothing comes through, and nothing on this machine tells.
    pub(crate) silent_until: u64,
}

impl Weather {
    pub(crate) fn of(dice: &mut SmallRng) -> Self {
        let mildness = dice.random_range(1..10);
        Self {
            every: Spell::ALL.map(|spell| {
                let least = mildness * spell.least();
                dice.random_ratio(1, 2)
                    .then(|| dice.random_range(least..20 * least))
            }),
            silent_until: 0,
        }
    }
}

impl World {
    /// The next of its kind.
    pub(crate) fn expect_spell(&mut self, spell: Spell) {
        if let Some(every) = self.weather.every[spell as usize] {
            let delay = self.dice.random_range(0..2 * every);
            self.after(delay, What::Begins(spell));
        }
    }

    pub(crate) fn begins(&mut self, spell: Spell) {
        let until = self.now + self.magnitude(10 * SECOND, 3 * DAY);
        match spell {
            Spell::Outage => {
                let way = [Way::NoLink, Way::NoRadio, Way::NoAddress, Way::NoRoute];
                let way = way[self.dice.random_range(0..way.len())];
                self.set_way(way);
                // A radio that hangs does not mend itself.
                let remedies = [Some(Remedy::Rejoin), Some(Remedy::Restart), None];
                let remedy = remedies[(self.now % 3) as usize].filter(|_| self.by_radio());
                self.board.hangs = self.board.hangs.or(remedy);
                if remedy.is_none() {
                    self.after(until - self.now, What::Way(Way::Open));
                }
            }
            Spell::SilentOutage => {
                self.weather.silent_until = until;
                self.deafens(true);
            }
            Spell::Flapping => {
                for _ in 0..self.dice.random_range(5..200) {
                    let at = self.dice.random_range(0..HOUR);
                    let way = if self.dice.random_ratio(1, 2) {
                        Way::Open
                    } else {
                        Way::NoLink
                    };
                    self.after(at, What::Way(way));
                }
                self.after(HOUR, What::Way(Way::Open));
            }
            Spell::Drop => {
                self.ends(Ending::Network(CauseCode::ConnectionLost.into()), SECOND);
            }
            Spell::Zombie => self.deafens(false),
            Spell::PowerCut => self.dies(LastEnd::PowerLoss, until - self.now),
            Spell::BrownOut => {
                self.tell(Event::Voltage { low: true });
                for _ in 0..self.dice.random_range(2..40) {
                    let at = self.dice.random_range(0..20 * MINUTE);
                    self.after(at, What::Cut);
                }
            }
            Spell::Crash => self.dies(LastEnd::ProcessCrash, 2 * SECOND),
            Spell::WrongLogout => {
                if !self.may_err() {
                    return;
                }
                match self.board.run.as_ref().filter(|run| run.up) {
                    Some(run) => self.said(run.id, Said::Ends(Ending::LoggedOut)),
                    None => self.whatsapp.errs = true,
                }
            }
            Spell::Revocation => {
                self.whatsapp.valid = false;
                // Troubles come in company.
                if self.dice.random_ratio(1, 4) {
                    self.board.flash.stuck_until = self.now + self.magnitude(MINUTE, DAY);
                    let cut = self.magnitude(10 * SECOND, HOUR);
                    self.after(cut, What::Cut);
                }
                self.ends_if_up(Ending::LoggedOut);
            }
            Spell::Ban => {
                self.whatsapp.ban_told = self.dice.random_ratio(1, 2);
                self.whatsapp.banned_until = until;
                let expires_ms = self.whatsapp.ban_told.then_some(until - self.now);
                self.ends_if_up(Ending::Banned { expires_ms });
            }
            Spell::Lock => {
                self.whatsapp.locked_until = until;
                self.ends_if_up(Ending::AccountLocked);
            }
            Spell::Outdated => {
                self.whatsapp.outdated_until = until;
                self.ends_if_up(Ending::ClientOutdated);
            }
            Spell::Throttling => {
                self.whatsapp.throttling_until = until;
                self.ends_if_up(Ending::Throttled);
            }
            Spell::Refusing => {
                self.whatsapp.refusing_until = until;
                self.ends_if_up(Ending::Refused { code: 503 });
            }
            Spell::Restarting => {
                self.whatsapp.restarting_until = until;
                self.ends_if_up(Ending::RestartRequired);
            }
            Spell::Hanging => self.whatsapp.hanging_until = until,
            Spell::Copy => {
                self.whatsapp.copy_until = until;
                let stubborn = self.dice.random_ratio(1, 2);
                self.whatsapp.copy_within = if stubborn { 10 * MINUTE } else { 3 * HOUR };
                self.ends_if_up(Ending::Replaced);
            }
            Spell::Gate => self.whatsapp.gated_until = until,
            Spell::PhoneAway => {
                let away = self.magnitude(DAY, 40 * DAY);
                self.whatsapp.phone_away_until = self.now + away;
                self.after(PHONE_AWAY, What::PhoneMissed);
            }
            Spell::FullDisk => {
                for _ in 0..4 {
                    let at = self.dice.random_range(0..HOUR);
                    let mib = self.magnitude(1, 400);
                    self.after(at, What::Space(mib));
                }
                self.after(HOUR.max(until - self.now), What::Space(4000));
            }
            Spell::BadMedium => self.medium_fails(until),
            Spell::StuckArchive => self.board.flash.stuck_until = until,
            Spell::Rot => self.board.flash.rotten = true,
            Spell::Garbled => {
                let peers = self.magnitude(1, 40);
                self.board.flash.garbled = (0..peers).collect();
                // At times the fault is where no new keys help.
                let hours = if self.dice.random_ratio(1, 4) {
                    self.board.flash.garbled_until = self.now + DAY;
                    24
                } else {
                    3
                };
                for _ in 0..self.magnitude(1, 2_000 * hours / 3) {
                    let at = self.dice.random_range(0..hours * HOUR);
                    let peer = self.dice.random_range(0..peers);
                    self.after(at, What::Garbled(peer));
                }
                // Others may write at the same time.
                for _ in 0..self.magnitude(1, 2_000 * hours / 3) {
                    let at = self.dice.random_range(0..hours * HOUR);
                    let others = 2 * peers;
                    let peer = 1_000 + self.dice.random_range(0..others);
                    self.after(at, What::Readable(peer));
                }
            }
            Spell::Rubbish => {
                let strangers = self.magnitude(1, 40);
                for _ in 0..self.magnitude(1, 2_000) {
                    let at = self.dice.random_range(0..HOUR);
                    let peer = 2_000 + self.dice.random_range(0..strangers);
                    self.after(at, What::Rubbish(peer));
                }
            }
            Spell::Panel => {
                let (part, code) = if self.dice.random_ratio(1, 2) {
                    (Part::Display, CauseCode::DisplayAbsent)
                } else {
                    (Part::Button, CauseCode::ButtonAbsent)
                };
                let fault = self.dice.random_ratio(1, 2).then_some(code);
                self.tell(Event::Panel { part, fault });
            }
        }
    }

    pub(crate) fn medium_fails(&mut self, until: u64) {
        self.board.flash.broken_until = until;
        self.watch.storage_fails();
        if let Some(process) = &mut self.board.process {
            process.failed = true;
        }
        self.tell(Event::StorageFailed(CauseCode::MediumFailed));
    }

    /// WhatsApp ends the links of a phone that has been away for so long.
    pub(crate) fn phone_missed(&mut self) {
        if self.whatsapp.phone_away_until > self.now {
            self.whatsapp.valid = false;
            self.ends_if_up(Ending::LoggedOut);
        }
    }

    /// WhatsApp errs only of a device that is linked, and once: it is let in before WhatsApp errs again.
    pub(crate) fn may_err(&self) -> bool {
        self.whatsapp.valid && !self.whatsapp.errs && !self.watch.is_suspected()
    }

    fn ends_if_up(&mut self, ending: Ending) {
        if self.board.run.as_ref().is_some_and(|run| run.up) {
            self.ends(ending, SECOND);
        }
    }

    /// Nothing comes through the socket any more. The library's keepalive may notice.
    fn deafens(&mut self, noticed: bool) {
        if let Some(run) = &mut self.board.run {
            run.deaf = true;
            if noticed {
                self.ends(Ending::Network(CauseCode::ConnectionLost.into()), MINUTE);
            }
        }
    }

    /// Whether a radio is the only way out in this life.
    pub(crate) fn by_radio(&self) -> bool {
        self.seed.is_multiple_of(3)
    }

    /// The radio is joined anew.
    pub(crate) fn rejoins(&mut self) {
        if self.board.hangs == Some(Remedy::Rejoin) {
            self.radio_works();
        }
    }

    /// The radio does not hang any more.
    pub(crate) fn radio_works(&mut self) {
        if self.board.hangs.take().is_some() {
            self.after(20 * SECOND, What::Way(Way::Open));
        }
    }

    pub(crate) fn set_way(&mut self, way: Way) {
        if self.board.way == way || self.board.hangs.is_some() {
            return;
        }
        self.board.way = way;
        if way != Way::Open {
            self.deafens(true);
        }
        if self.board.process.is_some() {
            self.tell(Event::Network(way));
        }
        self.set_clock();
    }
}
