//! Power and the process: the core's effects are carried out as the daemon does it.

use holdfast_core::{
    Audit, CauseCode, Effect, Event, Facts, Findings, GenerationId, IdentityFound, LastEnd, Linked,
    Now, Space, State, StoreFound, Tested, Todo, Treatment, Trigger, Unusable, Way, face, step,
};
use rand::RngExt;
use rand::rngs::SmallRng;

use crate::link::{ACCOUNT, Run};
use crate::world::{Answer, What, World};
use crate::{DAY, HOUR, MINUTE, SECOND, Sabotage};

/// What survives a power cut.
#[derive(Clone, Debug)]
pub(crate) struct Flash {
    pub(crate) generation: GenerationId,
    pub(crate) linked: bool,
    /// What the next start has to know, when it was written and in which boot.
    past: Option<(String, u64, u32)>,
    pub(crate) archives: u32,
    pub(crate) free_mib: u64,
    todo: Todo,
    /// Until then nothing can be moved to the archive.
    pub(crate) stuck_until: u64,
    /// Until then the data partition cannot be used.
    pub(crate) broken_until: u64,
    /// The next start finds damage.
    pub(crate) rotten: bool,
    /// Peers of which nothing can be decrypted, for want of the right session keys.
    pub(crate) garbled: Vec<u64>,
    /// Until then new session keys do not help.
    pub(crate) garbled_until: u64,
}

/// The daemon.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) id: u32,
    pub(crate) state: State,
    /// The world's time at the zero of the core's clock.
    pub(crate) zero: u64,
    /// Its loop runs.
    booted: bool,
}

/// The device.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    pub(crate) flash: Flash,
    pub(crate) process: Option<Process>,
    pub(crate) run: Option<Run>,
    pub(crate) way: Way,
    /// A clock with a battery.
    has_rtc: bool,
    /// The network tells nobody the time.
    timeless: bool,
    /// The clock is behind, until the network sets it.
    behind: bool,
    /// A phone number for a pairing code is configured.
    pub(crate) has_number: bool,
    /// Boots of the board.
    boots: u32,
    processes: u32,
    last_end: LastEnd,
    /// What a retirement under way is for, and whether an archived link comes back.
    order: Option<(Audit, bool)>,
}

impl Board {
    pub(crate) fn new(dice: &mut SmallRng) -> Self {
        Self {
            flash: Flash {
                generation: GenerationId(1),
                linked: dice.random_ratio(1, 2),
                past: None,
                archives: 0,
                free_mib: 4000,
                todo: Todo::default(),
                stuck_until: 0,
                broken_until: 0,
                rotten: false,
                garbled: Vec::new(),
                garbled_until: 0,
            },
            process: None,
            run: None,
            way: Way::Open,
            has_rtc: dice.random_ratio(1, 3),
            timeless: dice.random_ratio(1, 4),
            behind: false,
            has_number: dice.random_ratio(1, 3),
            boots: 0,
            processes: 0,
            last_end: LastEnd::FirstStart,
            order: None,
        }
    }

    pub(crate) fn state(&self) -> Option<&State> {
        self.process.as_ref().map(|process| &process.state)
    }

    /// The daemon's loop runs: before, it hears of nothing.
    pub(crate) fn is_booted(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.booted)
    }

    pub(crate) fn deadline(&self) -> Option<u64> {
        let process = self.process.as_ref()?;
        Some(process.zero + process.state.deadline()?)
    }

    pub(crate) fn turns_fair(&mut self) {
        (self.flash.stuck_until, self.flash.broken_until) = (0, 0);
        self.flash.garbled_until = 0;
        self.run.iter_mut().for_each(|run| run.deaf = false);
    }

    /// Somebody has given the link up, and it is being retired.
    pub(crate) fn is_given_up(&self) -> bool {
        let cause = self.state().and_then(State::cause).map(|cause| cause.code);
        self.order.is_some() || matches!(cause, Some(CauseCode::Relinked | CauseCode::Restoring))
    }

    fn linked(&self) -> Linked {
        Linked {
            generation: self.flash.generation,
            account: self.flash.linked.then_some(ACCOUNT),
        }
    }

    fn space(&self) -> Space {
        Space {
            free_bytes: self.flash.free_mib << 20,
            total_bytes: 8 << 30,
            archives: self.flash.archives,
            ..Space::default()
        }
    }
}

impl World {
    /// The service manager starts the daemon.
    pub(crate) fn start(&mut self) {
        if self.board.process.is_some() {
            return;
        }
        if matches!(
            self.board.last_end,
            LastEnd::PowerLoss | LastEnd::FirstStart
        ) {
            self.board.boots += 1;
        }
        self.board.processes += 1;
        let board = &mut self.board;
        board.process = Some(Process {
            id: board.processes,
            state: State::new(self.seed ^ u64::from(board.processes)),
            zero: self.now,
            booted: false,
        });
        let end = board.last_end;
        self.watch.starts(self.now);
        let facts = self.facts(end);
        if facts.clock_behind {
            self.set_clock();
        }
        self.tell(Event::Woke(Box::new(facts)));
        if self.board.flash.broken_until > self.now {
            self.watch.storage_fails();
            return self.tell(Event::StorageFailed(CauseCode::OpenFailed));
        }
        let findings = self.findings();
        self.tell(Event::Found(findings));
    }

    /// What the machine tells before anything is opened.
    fn facts(&mut self, last_end: LastEnd) -> Facts {
        let past = self.board.flash.past.clone();
        let past = past.and_then(|(text, written, boot)| {
            let past = text.parse().ok()?;
            Some((past, self.elapsed(written, boot)))
        });
        Facts {
            last_end,
            ignored: None,
            way: Some(self.board.way),
            clock_behind: self.board.behind,
            past,
            set_aside: false,
        }
    }

    fn findings(&mut self) -> Findings {
        let cut = self.board.last_end == LastEnd::PowerLoss;
        let rotten = std::mem::take(&mut self.board.flash.rotten);
        let doubt = self.dice.random_range(0..12);
        Findings {
            identity: if rotten && doubt % 2 == 0 || cut && doubt == 1 {
                IdentityFound::OneSlot
            } else {
                IdentityFound::Sound
            },
            store: match doubt {
                0..4 if cut => StoreFound::OneBehind,
                0 if rotten => StoreFound::Behind,
                1 if rotten => StoreFound::Damaged,
                2 if rotten => StoreFound::Lost,
                3 if rotten => StoreFound::Unwitnessed,
                _ => StoreFound::Sound,
            },
            unusable: Unusable {
                pre_keys: u32::from(rotten && doubt > 5),
                others: u32::from(rotten && doubt > 8),
            },
            todo: self.board.flash.todo,
        }
    }

    /// The process, or the whole board, is gone at once.
    pub(crate) fn dies(&mut self, end: LastEnd, back_in: u64) {
        if self.board.process.take().is_none() {
            return;
        }
        self.board.run = None;
        // What was under way is done on the disk, or not at all.
        if let Some((order, restores)) = self.board.order.take()
            && self.board.flash.stuck_until <= self.now
            && self.dice.random_ratio(1, 2)
        {
            self.retire_on_disk(order, restores);
            self.watch.retired_unheard();
        }
        self.board.last_end = end;
        if end == LastEnd::PowerLoss {
            self.life.power_cuts += 1;
            self.board.behind |= !self.board.has_rtc;
        }
        self.watch.stops(self.now);
        self.after(back_in, What::Start);
    }

    pub(crate) fn answered(&mut self, process: u32, answer: Answer) {
        if self
            .board
            .process
            .as_ref()
            .is_none_or(|now| now.id != process)
        {
            return;
        }
        match answer {
            Answer::Booted => self.booted(),
            Answer::Retired => {
                let Some((order, restores)) = self.board.order.take() else {
                    return;
                };
                let was_linked = self.board.flash.linked;
                self.retire_on_disk(order, restores);
                self.watch.retired(order, was_linked, restores);
                let linked = self.board.linked();
                self.tell(Event::Retired(linked));
            }
            Answer::RetireFailed => {
                self.board.order = None;
                self.watch.keeps();
                self.tell(Event::RetireFailed);
            }
            Answer::CaughtUp => self.tell(Event::CaughtUp),
            Answer::PhoneSeen => self.tell(Event::PhoneSeen),
            Answer::Heard => {
                let hears = self
                    .board
                    .run
                    .as_ref()
                    .is_some_and(|run| run.up && !run.deaf);
                if hears {
                    self.watch.heard(self.now);
                }
                if hears || self.sabotage == Some(Sabotage::HearsVoices) {
                    self.tell(Event::Heard);
                }
            }
            Answer::Tested => {
                let run = self.board.run.as_ref();
                let answered = run.is_some_and(|run| run.up && !run.deaf);
                let echoed = self.dice.random_ratio(1, 2).then_some(answered);
                if run.is_some() {
                    self.tell(Event::SelfTested(Tested { answered, echoed }));
                }
            }
            Answer::ClockSet => {
                self.board.behind = false;
                self.tell(Event::Clock { behind: false });
            }
            Answer::Space => {
                let space = self.board.space();
                self.tell(Event::Space(space));
            }
            Answer::DropFailed => self.tell(Event::DropFailed),
        }
    }

    /// The rooms are open.
    fn booted(&mut self) {
        let (space, linked) = (self.board.space(), self.board.linked());
        self.tell(Event::Space(space));
        self.board
            .process
            .iter_mut()
            .for_each(|process| process.booted = true);
        self.tell(Event::Booted(linked));
    }

    /// How long ago that was, as the daemon takes it: over a boot by the wall clock, which may have been set back, or far ahead.
    fn elapsed(&mut self, written: u64, boot: u32) -> u64 {
        let passed = self.now - written;
        if boot == self.board.boots {
            return passed;
        }
        match self.dice.random_range(0..50) {
            0 => 0,
            1 => {
                self.watch.clock_lies();
                passed + self.magnitude(SECOND, 60 * 365 * DAY)
            }
            _ if self.board.behind => 0,
            _ => passed,
        }
    }

    /// The network sets the clock, once there is one.
    pub(crate) fn set_clock(&mut self) {
        if self.board.behind && self.is_reachable() && !self.board.timeless {
            self.answer_within(20 * SECOND, Answer::ClockSet);
        }
    }

    pub(crate) fn set_space(&mut self, mib: u64) {
        self.board.flash.free_mib = mib;
        if self.board.is_booted() {
            let space = self.board.space();
            self.tell(Event::Space(space));
        }
    }

    /// One step of the core, and all that follows at once.
    pub(crate) fn tell(&mut self, event: Event) {
        let Some(process) = &mut self.board.process else {
            return;
        };
        let now = Now {
            mono_ms: self.now - process.zero,
        };
        self.life.steps += 1;
        self.watch.happens(self.now, &event);
        let outcome = step(&mut process.state, event.clone(), now);
        let tells = |effect: &Effect| matches!(effect, Effect::Notify(_));
        let fails = matches!(event, Event::StorageFailed(_));
        if !process.booted && !fails && outcome.effects.iter().any(tells) {
            self.watch.fails("the owner is told before anybody can");
        }
        self.watch.effects(self.now, &event, &outcome.effects);
        for effect in outcome.effects {
            self.carry_out(effect);
        }
        if let Some(process) = &self.board.process {
            let face = face(&process.state, now);
            let run = self.board.run.as_ref();
            if self.watch.looks(self.now, now, &process.state, &face, run) {
                self.changed();
            }
        }
        let jumps = self.sabotage == Some(Sabotage::TrustsTheFirstLogout);
        if jumps && event == Event::LinkEnded(holdfast_core::Ending::LoggedOut) {
            let old = self.board.flash.generation;
            let new = old.next();
            let trigger = Trigger::Server;
            self.watch.retires(Audit { trigger, old, new });
        }
    }

    fn answer_within(&mut self, ms: u64, answer: Answer) {
        if let Some(id) = self.board.process.as_ref().map(|process| process.id) {
            let delay = self.dice.random_range(0..ms);
            self.after(delay, What::Answer(id, answer));
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Repair(plan) => {
                self.board.flash.todo = plan.todo;
                if plan.store == Treatment::Rebuild && self.board.flash.garbled_until <= self.now {
                    self.board.flash.garbled.clear();
                }
                let limit = match plan.store {
                    Treatment::Keep => SECOND,
                    Treatment::Weed => 10 * SECOND,
                    Treatment::Rebuild => 3 * MINUTE,
                };
                self.answer_within(limit, Answer::Booted);
            }
            Effect::CatchUp(_) => self.answer_within(30 * SECOND, Answer::CaughtUp),
            Effect::NoteCaughtUp => self.board.flash.todo = Todo::default(),
            Effect::Probe => self.answer_within(2 * SECOND, Answer::Heard),
            // It may be off, or without a network.
            Effect::AskPhone
                if self.whatsapp.phone_away_until > self.now || self.dice.random_ratio(1, 4) => {}
            Effect::AskPhone => self.answer_within(30 * SECOND, Answer::PhoneSeen),
            Effect::Remember(past) => {
                if self.sabotage != Some(Sabotage::ForgetsThePast) {
                    self.board.flash.past = Some((past.to_string(), self.now, self.board.boots));
                }
            }
            Effect::Connect | Effect::Pair => {
                self.life.attempts += 1;
                self.start_run(effect == Effect::Pair);
            }
            Effect::Disconnect => self.disconnect(),
            Effect::Retire(order) => self.retire(order, false),
            Effect::Restore { order, .. } => self.retire(order, true),
            Effect::DropOldestArchive => {
                self.board.flash.archives -= 1;
                self.board.flash.free_mib += 20;
                let fails = self.dice.random_ratio(1, 10);
                let answer = if fails {
                    Answer::DropFailed
                } else {
                    Answer::Space
                };
                self.answer_within(SECOND, answer);
            }
            Effect::Renegotiate { .. } if self.board.flash.garbled_until > self.now => {}
            Effect::Renegotiate { peer } => self.board.flash.garbled.retain(|other| *other != peer),
            Effect::SelfTest => self.answer_within(20 * SECOND, Answer::Tested),
            // What it finds is told by `start`.
            Effect::Inspect => {}
            Effect::Pulse
            | Effect::Tested(_)
            | Effect::Farewell(_)
            | Effect::Report(_)
            | Effect::Notify(_)
            | Effect::Reply { .. }
            | Effect::Undecrypted { .. } => {}
            Effect::Exit => {
                // An operator starts it again.
                let back_in = if self.fair {
                    SECOND
                } else {
                    self.magnitude(2 * SECOND, HOUR)
                };
                self.dies(LastEnd::Clean, back_in);
            }
            Effect::ExitFailed => self.dies(LastEnd::ProcessCrash, 2 * SECOND),
        }
    }

    /// The live generation is in the archive, and the next is live.
    fn retire_on_disk(&mut self, order: Audit, restores: bool) {
        self.life.retired += 1;
        let flash = &mut self.board.flash;
        flash.archives += 1;
        (flash.generation, flash.linked) = (order.new, restores);
        // An archived link may be as good as it was, or revoked since.
        self.whatsapp.valid = restores && self.dice.random_ratio(1, 2);
    }

    fn retire(&mut self, order: Audit, restores: bool) {
        self.watch.retires(order);
        self.board.order = Some((order, restores));
        let answer = if self.board.flash.stuck_until > self.now {
            Answer::RetireFailed
        } else {
            Answer::Retired
        };
        let slow = !self.fair && self.dice.random_ratio(1, 20);
        let limit = if slow { 5 * MINUTE } else { 5 * SECOND };
        self.answer_within(limit, answer);
    }
}
