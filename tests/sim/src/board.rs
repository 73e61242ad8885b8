//! Power and the process: a course of the core, and the hands that carry out its effects as the daemon's do.

use holdfast_core::{
    ArchiveId, CauseCode, Course, Effect, Emptied, Ending, Event, Facts, GenerationId, Hands,
    LastEnd, Limits, Linked, Now, Order, Outcome, Past, Space, State, Tested, Todo, Trigger,
    Unfinished, UpdateStep, Updates, Way, face,
};
use rand::RngExt;
use rand::rngs::SmallRng;

use crate::lane::{Fresh, Job, Lane};
use crate::link::{ACCOUNT, Run};
use crate::world::{Answer, What, World};
use crate::{DAY, HOUR, MINUTE, SECOND, Sabotage};

/// How long a process that was told to leave waits for what was decided before.
const LEAVE: u64 = 5 * SECOND;

/// The flash: it survives a power cut.
#[derive(Clone, Debug)]
pub(crate) struct Flash {
    pub(crate) generation: GenerationId,
    pub(crate) linked: bool,
    /// The record for the next start, when it was written and in which boot.
    pub(crate) past: Option<(String, u64, u32)>,
    pub(crate) archives: u32,
    pub(crate) free_mib: u64,
    /// Of mail that only recognises duplicates.
    pub(crate) spare_mib: u64,
    pub(crate) todo: Todo,
    /// Until then nothing can be moved to the archive.
    pub(crate) stuck_until: u64,
    /// Until then the data partition cannot be used.
    pub(crate) broken_until: u64,
    /// A start finds damage, until that is repaired.
    pub(crate) rotten: bool,
    /// Peers of which nothing can be decrypted, for want of the right session keys.
    pub(crate) garbled: Vec<u64>,
    /// Until then new session keys do not help.
    pub(crate) garbled_until: u64,
    /// Everything is to be forgotten.
    pub(crate) resets: bool,
    /// What that was, until the owner has seen it.
    pub(crate) emptied: Option<Emptied>,
    /// The new version, until it has proved itself or is given up.
    pub(crate) fresh: Option<Fresh>,
    /// The boot loader counts the starts of the slot that runs.
    pub(crate) counted: bool,
}

/// The daemon.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) id: u32,
    /// `None` while it takes an event.
    course: Option<Course>,
    /// The world's time at the zero of the core's clock.
    pub(crate) zero: u64,
    pub(crate) lane: Lane,
    /// The rooms are open.
    pub(crate) open: bool,
    /// The medium failed under them.
    pub(crate) failed: bool,
    /// It was told to leave, and hears nothing any more.
    leaving: bool,
    /// It is over, and how.
    pub(crate) ended: Option<LastEnd>,
}

/// What helps a radio that hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// To join anew.
    Rejoin,
    /// A restart of the machine.
    Restart,
}

/// The device.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    pub(crate) flash: Flash,
    pub(crate) process: Option<Process>,
    pub(crate) run: Option<Run>,
    pub(crate) way: Way,
    /// The radio hangs, until this is done about it.
    pub(crate) hangs: Option<Remedy>,
    /// A clock with a battery.
    has_rtc: bool,
    /// The network tells nobody the time.
    timeless: bool,
    /// The clock is behind, until the network sets it.
    behind: bool,
    /// A phone number for a pairing code is configured.
    pub(crate) has_number: bool,
    /// Boots of the board.
    pub(crate) boots: u32,
    pub(crate) booted_at: u64,
    processes: u32,
    pub(crate) last_end: LastEnd,
    /// This boot found the data partition broken, and set it aside.
    pub(crate) set_aside: bool,
    /// The process asked for a restart of the board, and gets it.
    restarts: bool,
    /// This boot could not forget what was to be forgotten.
    unfinished: bool,
    /// The past that a start wrote down which could open nothing, when, and since when there is one: no power cut leaves it.
    pub(crate) noted: Option<(Past, u64, u64)>,
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
                spare_mib: 16,
                todo: Todo::default(),
                stuck_until: 0,
                broken_until: 0,
                rotten: false,
                garbled: Vec::new(),
                garbled_until: 0,
                resets: false,
                emptied: None,
                fresh: None,
                counted: false,
            },
            process: None,
            run: None,
            way: Way::Open,
            hangs: None,
            has_rtc: dice.random_ratio(1, 3),
            timeless: dice.random_ratio(1, 4),
            behind: false,
            has_number: dice.random_ratio(1, 3),
            boots: 0,
            booted_at: 0,
            processes: 0,
            last_end: LastEnd::FirstStart,
            set_aside: false,
            restarts: false,
            unfinished: false,
            noted: None,
        }
    }

    pub(crate) fn state(&self) -> Option<&State> {
        Some(self.process.as_ref()?.course.as_ref()?.state())
    }

    pub(crate) fn deadline(&self) -> Option<u64> {
        let process = self.process.as_ref().filter(|process| !process.leaving)?;
        Some(process.zero + self.state()?.deadline()?)
    }

    pub(crate) fn turns_fair(&mut self) {
        (self.flash.stuck_until, self.flash.broken_until) = (0, 0);
        (self.flash.garbled_until, self.hangs) = (0, None);
        self.run.iter_mut().for_each(|run| run.deaf = false);
    }

    /// Somebody has given the link up, and it is being retired.
    pub(crate) fn is_given_up(&self) -> bool {
        let cause = self.state().and_then(State::cause).map(|cause| cause.code);
        let retires = self.process.as_ref().is_some_and(|now| now.lane.retires());
        let wanted = matches!(
            cause,
            Some(CauseCode::Relinked | CauseCode::Restoring | CauseCode::ResetAsked)
        );
        retires || wanted || self.flash.resets
    }

    pub(crate) fn linked(&self) -> Linked {
        Linked {
            generation: self.flash.generation,
            account: self.flash.linked.then_some(ACCOUNT),
        }
    }

    pub(crate) fn space(&self) -> Space {
        Space {
            free_bytes: self.flash.free_mib << 20,
            total_bytes: 8 << 30,
            archives: self.flash.archives,
            spare_bytes: self.flash.spare_mib << 20,
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
        let restarts = std::mem::take(&mut self.board.restarts);
        let is_boot = matches!(
            self.board.last_end,
            LastEnd::PowerLoss | LastEnd::FirstStart
        );
        if is_boot || restarts {
            self.board.boots += 1;
            self.radio_works();
            self.board.booted_at = self.now;
            self.board.unfinished = !self.fair && self.dice.random_ratio(1, 10);
            if self.board.flash.resets && !self.board.unfinished {
                self.forgets_all();
            }
            let broken = self.board.flash.broken_until > self.now;
            self.board.set_aside = broken && self.dice.random_ratio(1, 2);
        }
        self.board.processes += 1;
        let board = &mut self.board;
        let seed = self.seed ^ u64::from(board.processes);
        board.process = Some(Process {
            id: board.processes,
            course: Some(Course::new(seed)),
            zero: self.now,
            lane: Lane::default(),
            open: false,
            failed: false,
            leaving: false,
            ended: None,
        });
        self.watch.starts(self.now);
        let facts = self.facts();
        if facts.clock_behind {
            self.set_clock();
        }
        if facts.set_aside || facts.reset == Unfinished::Failed {
            self.watch.storage_fails();
        }
        // A start is the moment at which what nobody thought of happens.
        if !self.fair && self.dice.random_ratio(1, 4) {
            let soon = self.dice.random_range(0..20 * SECOND);
            self.after(soon, What::Meddles);
        }
        self.tell(Event::Woke(Box::new(facts)));
        if self.by_radio() {
            self.tell(Event::Radio { alone: true });
        }
        if self.is_update_hour() {
            self.tell(Event::UpdateHour(true));
        }
    }

    /// Gathers the facts of a start, before anything is opened.
    fn facts(&mut self) -> Facts {
        let past = self.board.flash.past.clone();
        let past = past.filter(|_| !self.board.set_aside);
        let closed = self.board.noted.clone();
        let past = past.and_then(|(text, written, boot)| {
            let past = text.parse().ok()?;
            Some((past, self.elapsed(written, boot)))
        });
        let updates = Updates {
            automatic: self.is_automatic(),
            booted: self.booted(),
            counted: self.counted(),
        };
        Facts {
            last_end: self.board.last_end,
            ignored: None,
            way: Some(self.board.way),
            clock_behind: self.board.behind,
            past: Past::joined(
                past,
                closed.map(|(past, written, _)| (past, self.now - written)),
            ),
            set_aside: self.board.set_aside,
            limits: Limits::default(),
            dims: false,
            qr_first: self.seed.is_multiple_of(2),
            reset: match (self.board.flash.resets, self.board.unfinished) {
                (false, _) => Unfinished::No,
                (true, false) => Unfinished::Waits,
                (true, true) => Unfinished::Failed,
            },
            emptied: self.board.flash.emptied,
            updates,
        }
    }

    /// The boot empties the data partition before anything is opened.
    fn forgets_all(&mut self) {
        let flash = &mut self.board.flash;
        *flash = Flash {
            generation: GenerationId(1),
            linked: false,
            past: None,
            archives: 0,
            todo: Todo::default(),
            rotten: false,
            garbled: Vec::new(),
            resets: false,
            emptied: Some(Emptied::default()),
            ..*flash
        };
        self.board.noted = None;
        self.watch.forgets_all();
    }

    /// The process, or the whole board, is gone at once.
    pub(crate) fn dies(&mut self, end: LastEnd, back_in: u64) {
        if self.board.process.is_none() {
            return;
        }
        self.cut_short();
        (self.board.process, self.board.run) = (None, None);
        self.board.last_end = end;
        if end == LastEnd::PowerLoss {
            if let Some((_, _, since)) = self.board.noted.take() {
                self.watch.forgets(since);
            }
            self.life.power_cuts += 1;
            self.board.behind |= !self.board.has_rtc;
        }
        self.watch.stops(self.now);
        self.after(back_in, What::Start);
    }

    /// The process ends by itself, when it is over.
    fn leaves(&mut self) {
        match self.board.process.as_ref().and_then(|now| now.ended) {
            None => {}
            // An operator starts it again.
            Some(LastEnd::Clean) => {
                let back_in = if self.fair || self.board.restarts {
                    SECOND
                } else {
                    self.magnitude(2 * SECOND, HOUR)
                };
                self.dies(LastEnd::Clean, back_in);
            }
            Some(end) => self.dies(end, 2 * SECOND),
        }
    }

    /// It was told to leave, and what was decided before is not done.
    pub(crate) fn gives_up(&mut self, process: u32) {
        if let Some(now) = &mut self.board.process
            && now.id == process
        {
            now.ended = Some(LastEnd::ProcessCrash);
            self.leaves();
        }
    }

    pub(crate) fn answered(&mut self, process: u32, answer: Answer) {
        if self.board.process.as_ref().map(|now| now.id) != Some(process) {
            return;
        }
        match answer {
            Answer::CaughtUp => self.tell(Event::CaughtUp),
            Answer::FarewellSaid => self.tell(Event::FarewellSaid),
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
            Answer::Update(step) => {
                let boot = self.board.boots;
                match step {
                    UpdateStep::Installed => {
                        self.board.flash.fresh = Some(Fresh {
                            installed_in: boot,
                            tried_in: boot,
                            tries: 0,
                        });
                    }
                    UpdateStep::Kept => {
                        (self.board.flash.fresh, self.board.flash.counted) = (None, false);
                    }
                    _ => {}
                }
                self.tell(Event::Update(step));
            }
            Answer::ClockSet => {
                self.board.behind = false;
                self.tell(Event::Clock { behind: false });
            }
        }
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
        self.board.flash.spare_mib = 16;
        if self.board.process.as_ref().is_some_and(|now| now.open) {
            let measured = self.queue(Job::Measure);
            self.hears(measured);
        }
    }

    /// Tells the course of one event; what follows at once is carried out.
    pub(crate) fn tell(&mut self, event: Event) {
        let process = self.board.process.as_mut();
        let Some(process) = process.filter(|process| !process.leaving) else {
            return;
        };
        let now = Now {
            mono_ms: self.now - process.zero,
        };
        let Some(mut course) = process.course.take() else {
            return;
        };
        course.take(now, event, self);
        if let Some(process) = &mut self.board.process {
            process.course = Some(course);
        }
        self.leaves();
    }

    /// Tells the course of what a job answers with.
    pub(crate) fn hears(&mut self, answers: Vec<Event>) {
        answers.into_iter().for_each(|answer| self.tell(answer));
        self.leaves();
    }

    pub(crate) fn answer_within(&mut self, ms: u64, answer: Answer) {
        if let Some(id) = self.board.process.as_ref().map(|process| process.id) {
            let delay = self.dice.random_range(0..ms);
            self.after(delay, What::Answer(id, answer));
        }
    }

    fn retire(&mut self, order: Order, back: Option<ArchiveId>) -> Vec<Event> {
        self.watch.retires(self.now, order);
        self.queue(Job::Retire { order, back })
    }
}

impl Hands for World {
    fn decided(&mut self, event: &Event, outcome: &Outcome, _: Now) {
        self.life.steps += 1;
        self.watch.happens(self.now, event);
        let open = self.board.process.as_ref().is_some_and(|now| now.open);
        let tells = |effect: &Effect| matches!(effect, Effect::Notify(_));
        let fails = matches!(event, Event::StorageFailed(_) | Event::Woke(_));
        if !open && !fails && outcome.effects.iter().any(tells) {
            self.watch.fails("the owner is told before anybody can");
        }
        self.watch.effects(self.now, event, &outcome.effects);
        let jumps = self.sabotage == Some(Sabotage::TrustsTheFirstLogout);
        if jumps && *event == Event::LinkEnded(Ending::LoggedOut) {
            let old = self.board.flash.generation;
            let new = old.next();
            let trigger = Trigger::Server;
            self.watch.retires(self.now, Order { trigger, old, new });
        }
    }

    fn carry_out(&mut self, _: &State, effect: Effect) -> Vec<Event> {
        match effect {
            Effect::Inspect => return self.queue(Job::Inspect),
            Effect::Repair(plan) => return self.queue(Job::Repair(plan)),
            Effect::Remember(past) => return self.queue(Job::Remember(past, self.now)),
            Effect::NoteCaughtUp => return self.queue(Job::NoteCaughtUp),
            Effect::Retire(order) => return self.retire(order, None),
            Effect::Restore { order, from } => return self.retire(order, Some(from)),
            Effect::Reset(order) => {
                self.watch.resets(order);
                return self.queue(Job::Reset);
            }
            Effect::ResetSeen => return self.queue(Job::ResetSeen),
            Effect::StopWaiting { .. } => return self.queue(Job::StopWaiting),
            Effect::TrimMail => return self.queue(Job::TrimMail),
            Effect::DropOldestArchive => return self.queue(Job::DropOldestArchive),
            Effect::Connect | Effect::Pair => {
                let (pairs, decided) = (effect == Effect::Pair, self.now);
                return self.queue(Job::Dial { pairs, decided });
            }
            // A run that waits for its turn is started first.
            Effect::Disconnect
                if self
                    .board
                    .process
                    .as_ref()
                    .is_some_and(|now| now.lane.dials()) =>
            {
                return self.queue(Job::HangUp);
            }
            Effect::Disconnect => self.disconnect(),
            Effect::CatchUp(_) => self.answer_within(30 * SECOND, Answer::CaughtUp),
            Effect::Probe => self.answer_within(2 * SECOND, Answer::Heard),
            // It may be off, or without a network.
            Effect::AskPhone
                if self.whatsapp.phone_away_until > self.now || self.dice.random_ratio(1, 4) => {}
            Effect::AskPhone => self.answer_within(30 * SECOND, Answer::PhoneSeen),
            Effect::Renegotiate { .. } if self.board.flash.garbled_until > self.now => {}
            Effect::Renegotiate { peer } => self.board.flash.garbled.retain(|other| *other != peer),
            Effect::SelfTest => self.answer_within(20 * SECOND, Answer::Tested),
            Effect::Rejoin => self.rejoins(),
            Effect::Farewell(_) => self.answer_within(2 * MINUTE, Answer::FarewellSaid),
            Effect::LookForUpdate => {
                let fell_back = self.dice.random_ratio(1, 4);
                self.updates(30 * SECOND, UpdateStep::Found { fell_back });
            }
            Effect::Install => self.updates(10 * MINUTE, UpdateStep::Installed),
            Effect::MarkGood => self.updates(5 * SECOND, UpdateStep::Kept),
            Effect::DialAhead
            | Effect::Pulse
            | Effect::Tested(_)
            | Effect::Report(_)
            | Effect::Notify(_)
            | Effect::Reply { .. }
            | Effect::FailSends
            | Effect::Undecrypted { .. } => {}
            Effect::Exit | Effect::Restart => {
                // Whoever is asked may be busy, and is asked again by the next start.
                let granted = self.fair || !self.dice.random_ratio(1, 10);
                self.board.restarts = effect == Effect::Restart && granted;
                if let Some(process) = &mut self.board.process {
                    process.leaving = true;
                    let id = process.id;
                    self.after(LEAVE, What::GivesUp(id));
                }
                return self.queue(Job::Leave);
            }
            Effect::ExitFailed => {
                if let Some(process) = &mut self.board.process {
                    process.leaving = true;
                    process.ended = Some(LastEnd::ProcessCrash);
                }
            }
        }
        Vec::new()
    }

    fn show(&mut self, state: &State, now: Now) {
        // Who leaves promises nothing any more.
        if self.board.process.as_ref().is_none_or(|now| now.leaving) {
            return;
        }
        let face = face(state, now);
        let run = self.board.run.as_ref();
        if self.watch.looks(self.now, now, state, &face, run) {
            self.changed(state);
        }
    }
}
