//! The clock, and what is to happen when.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use holdfast_core::{Event, Hand, LastEnd, State, UpdateStep, Way};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::board::Board;
use crate::link::Said;
use crate::people::Deed;
use crate::stays;
use crate::watch::Watch;
use crate::weather::{Spell, Weather};
use crate::whatsapp::WhatsApp;
use crate::{Broken, DAY, HOUR, Life, MINUTE, SECOND, Sabotage};

/// How often it is asked whether all would be well again if only the weather turned.
const LOOK_AHEAD: u64 = 30 * DAY;
/// And at one in so many changes to a state that is not Connected.
const LOOKS: u32 = 1_000;
/// No wait that is written down is longer.
const LONGEST_WAIT: u64 = 30 * DAY;
/// A connected link is left alone when nothing is to happen for so long; its first and last minutes are played.
const CALM: u64 = 10 * MINUTE;

/// Something that is to happen.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// A run of the link says something.
    Said(u32, Said),
    /// An effect of this process answers.
    Answer(u32, Answer),
    /// The job of this process that is under way is done.
    Done(u32),
    /// This process has waited long enough for what it still had to do.
    GivesUp(u32),
    /// The process starts, or the power comes back.
    Start,
    /// The weather turns bad.
    Begins(Spell),
    /// The phone may have been away for too long.
    PhoneMissed,
    /// The power goes for a few seconds.
    Cut,
    /// The network changes.
    Way(Way),
    /// So many MiB are free on the data partition.
    Space(u64),
    /// A message comes from a peer whose session keys may be wrong.
    Garbled(u64),
    /// A message comes from a peer whose session keys are right.
    Readable(u64),
    /// What nobody can read comes from a stranger.
    Rubbish(u64),
    /// A finger, or a press over the bus, goes down, or up.
    Finger(Hand, bool),
    /// Somebody does something.
    Does(Deed),
    /// The hours of updates begin, or are over.
    UpdateHour,
    /// Anything happens to a start that is under way.
    Meddles,
}

/// An answer that an effect gives later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    PhoneSeen,
    FarewellSaid,
    CaughtUp,
    Heard,
    Tested,
    ClockSet,
    Update(UpdateStep),
}

/// A planned event and its time; of two at the same time the one planned first goes first.
#[derive(Clone)]
struct Due {
    at: u64,
    planned: u64,
    what: What,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    /// The earliest is the greatest: the heap gives that first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.planned).cmp(&(self.at, self.planned))
    }
}

/// One life under way.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) sabotage: Option<Sabotage>,
    pub(crate) now: u64,
    pub(crate) dice: SmallRng,
    pub(crate) board: Board,
    pub(crate) whatsapp: WhatsApp,
    pub(crate) weather: Weather,
    pub(crate) watch: Watch,
    pub(crate) life: Life,
    queue: BinaryHeap<Due>,
    planned: u64,
    /// It is asked now whether all would be well again.
    wonders: bool,
    /// Nothing goes wrong any more.
    pub(crate) fair: bool,
}

impl World {
    pub(crate) fn new(seed: u64, sabotage: Option<Sabotage>) -> Self {
        let mut dice = SmallRng::seed_from_u64(seed);
        let weather = Weather::of(&mut dice);
        let mut world = Self {
            seed,
            sabotage,
            now: 0,
            board: Board::new(&mut dice),
            whatsapp: WhatsApp::default(),
            weather,
            watch: Watch::default(),
            life: Life::default(),
            queue: BinaryHeap::new(),
            planned: 0,
            wonders: false,
            fair: false,
            dice,
        };
        world.whatsapp.valid = world.board.flash.linked;
        world.at(0, What::Start);
        world.expect_update_hour();
        for spell in Spell::ALL {
            world.expect_spell(spell);
        }
        for deed in Deed::ALL {
            world.expect_deed(deed);
        }
        world
    }

    /// Has something happen so many milliseconds from now.
    pub(crate) fn after(&mut self, ms: u64, what: What) {
        self.at(self.now.saturating_add(ms), what);
    }

    fn at(&mut self, at: u64, what: What) {
        self.planned += 1;
        let planned = self.planned;
        self.queue.push(Due { at, planned, what });
    }

    /// Plays on until then.
    pub(crate) fn live(mut self, until: u64) -> Result<Life, Box<Broken>> {
        let mut look = LOOK_AHEAD;
        while self.now < until {
            let stop = look.min(until);
            self.play_until(stop, |world| world.wonders);
            self.hold()?;
            for owner in [false, true] {
                let mut ahead = self.clone();
                ahead.turns_fair(owner);
                ahead.hold()?;
            }
            if !std::mem::take(&mut self.wonders) {
                look = stop + LOOK_AHEAD;
            }
        }
        self.life.simulated_ms = self.now;
        Ok(self.life)
    }

    fn hold(&self) -> Result<(), Box<Broken>> {
        match self.watch.broken() {
            None => Ok(()),
            Some(what) => Err(Box::new(Broken {
                seed: self.seed,
                day: self.now / DAY,
                what: what.to_owned(),
                last: self.watch.last(),
            })),
        }
    }

    /// Plays until then, or until `done`.
    fn play_until(&mut self, until: u64, done: impl Fn(&World) -> bool) {
        while self.watch.broken().is_none() && !done(self) {
            let next = self.queue.peek().map(|due| due.at);
            let due = self.board.deadline().map(|at| at + self.lateness());
            match (due, next) {
                (Some(due), next) if due <= until && next.is_none_or(|next| due < next) => {
                    if self.is_calm() && next.unwrap_or(until).min(until) > due + CALM {
                        // The process sleeps through it: a deadline that comes late is legal.
                        self.pass(next.unwrap_or(until).min(until) - 3 * MINUTE);
                        self.watch.slept(self.now);
                    } else {
                        self.pass(due);
                    }
                    self.tell(Event::Tick);
                }
                (_, Some(next)) if next <= until => {
                    self.pass(next);
                    if let Some(due) = self.queue.pop() {
                        self.happen(due.what);
                    }
                }
                _ => {
                    self.pass(until);
                    return;
                }
            }
        }
    }

    /// Time passes, up to there.
    fn pass(&mut self, to: u64) {
        let passed = to.saturating_sub(self.now);
        self.now += passed;
        if self
            .board
            .run
            .as_ref()
            .is_some_and(|run| run.up && !run.deaf)
        {
            self.life.connected_ms += passed;
        }
    }

    /// The state has another name.
    pub(crate) fn changed(&mut self, state: &State) {
        self.wonders |= !state.is_connected() && self.dice.random_ratio(1, LOOKS);
    }

    fn is_connected(&self) -> bool {
        self.board.state().is_some_and(State::is_connected)
    }

    fn is_calm(&self) -> bool {
        self.is_connected() && self.board.run.as_ref().is_some_and(|run| !run.deaf)
    }

    fn lateness(&mut self) -> u64 {
        match self.sabotage {
            Some(Sabotage::OversleepsDeadlines) => 3 * HOUR,
            _ if self.dice.random_ratio(1, 50) => self.dice.random_range(0..2 * SECOND),
            _ => 0,
        }
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Said(run, said) => self.said(run, said),
            What::Answer(process, answer) => self.answered(process, answer),
            What::Done(process) => self.done(process),
            What::GivesUp(process) => self.gives_up(process),
            What::Start => self.start(),
            What::Begins(spell) => {
                self.begins(spell);
                self.expect_spell(spell);
            }
            What::PhoneMissed => self.phone_missed(),
            What::Cut => self.dies(LastEnd::PowerLoss, 5 * SECOND),
            What::Way(way) => self.set_way(way),
            What::Space(mib) => self.set_space(mib),
            What::Garbled(peer) if self.board.flash.garbled.contains(&peer) => {
                self.delivers(Event::Undecrypted { peer, worked: true });
            }
            What::Garbled(_) => {}
            What::Readable(peer) => self.delivers(Event::Decrypted { peer }),
            What::Rubbish(peer) => {
                let worked = false;
                self.delivers(Event::Undecrypted { peer, worked });
            }
            What::Finger(hand, down) => self.finger(hand, down),
            What::Does(deed) => {
                self.does(deed);
                self.expect_deed(deed);
            }
            What::UpdateHour => self.update_hour(),
            What::Meddles => match self.dice.random_range(0..2 * Deed::ALL.len()) {
                0 => self.dies(LastEnd::PowerLoss, 5 * SECOND),
                1 => self.begins(Spell::Flapping),
                2 => self.medium_fails(self.now + MINUTE),
                other => self.does(Deed::ALL[other % Deed::ALL.len()]),
            },
        }
    }

    /// A message comes through, where there is a link.
    fn delivers(&mut self, event: Event) {
        let run = self.board.run.as_ref();
        if run.is_some_and(|run| run.up && !run.deaf) {
            self.tell(event);
        }
    }

    /// From now on nothing goes wrong, and the owner, if there is one, believes the screen. The link has to come up: by
    /// itself while the account has not ended it, and with the owner's help in any case.
    fn turns_fair(&mut self, owner: bool) {
        // A question that is on the glass is answered by that, so that the link may be lost by it.
        self.finger(Hand::Bus, false);
        self.finger(Hand::Device, false);
        let lost = !self.board.flash.linked
            || !self.whatsapp.valid
            || self.board.is_given_up()
            || self.board.set_aside;
        if lost && !owner {
            return;
        }
        self.fair = true;
        self.queue.retain(|due| {
            !matches!(
                due.what,
                What::Begins(_)
                    | What::Does(_)
                    | What::Meddles
                    | What::Finger(..)
                    | What::Cut
                    | What::Way(_)
                    | What::Space(_)
                    | What::Start
            )
        });
        self.whatsapp.turns_fair(self.now);
        self.board.turns_fair();
        self.set_way(Way::Open);
        self.set_space(4000);
        self.weather.silent_until = 0;
        if self.board.process.is_none() {
            self.after(0, What::Start);
        }
        if owner {
            self.expect_deed(Deed::OwnerLooks);
        }
        let state = self.board.state().map_or("Starting", |state| state.name());
        let longest = match state {
            // These pass, and then a wait that was written down goes on.
            "Starting" | "Repairing" | "StorageFault" | "Stopped" => LONGEST_WAIT,
            _ => stays::longest(state).unwrap_or(HOUR),
        };
        // It may have been banned without knowing.
        let within = (self.now + longest).max(self.whatsapp.banned_until) + 3 * HOUR;
        self.play_until(within, Self::is_connected);
        if self.watch.broken().is_none() && !self.is_connected() {
            let whom = if owner {
                "the owner's help"
            } else {
                "nobody's help"
            };
            self.watch.fails(format!(
                "from {state}, in fair weather and with {whom}, the link did not come up"
            ));
        }
    }

    /// A length of time between the two, each magnitude as likely.
    pub(crate) fn magnitude(&mut self, from: u64, to: u64) -> u64 {
        let (from, to) = ((from.max(1) as f64).ln(), (to as f64).ln());
        self.dice.random_range(from..to).exp() as u64
    }
}
