//! The lane is one queue of deeds on the disk: they are done one after the other, in the order in which they were decided,
//! and nothing else waits for them.

use std::collections::VecDeque;

use holdfast_core::{
    ArchiveId, CauseCode, Event, Findings, IdentityFound, LastEnd, Order, Past, Plan, StoreFound,
    Todo, Treatment, Unusable,
};
use rand::RngExt;

use crate::board::Process;
use crate::world::{What, World};
use crate::{MINUTE, SECOND, Sabotage};

/// A deed on the disk, or one that waits for those before it.
#[derive(Clone, Debug)]
pub(crate) enum Job {
    Inspect,
    Repair(Plan),
    /// And when that was decided.
    Remember(Box<Past>, u64),
    NoteCaughtUp,
    /// The live generation goes to the archive, and one that lay there may come back.
    Retire {
        order: Order,
        back: Option<ArchiveId>,
    },
    /// It is written down that everything is to be forgotten.
    Reset,
    ResetSeen,
    StopWaiting,
    TrimMail,
    DropOldestArchive,
    Measure,
    /// A run of the link is started, and when that was decided.
    Dial {
        pairs: bool,
        decided: u64,
    },
    HangUp,
    Leave,
}

/// The jobs of one process, the one under way first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lane {
    jobs: VecDeque<Job>,
    /// Since when what was to be written down for the next start is not, because the medium failed.
    unwritten: Option<u64>,
}

impl Lane {
    /// Whether a generation is being given up.
    pub(crate) fn retires(&self) -> bool {
        self.jobs
            .iter()
            .any(|job| matches!(job, Job::Retire { .. }))
    }

    /// Whether a run of the link waits for its turn.
    pub(crate) fn dials(&self) -> bool {
        self.jobs.iter().any(|job| matches!(job, Job::Dial { .. }))
    }

    /// Since when nothing is written down of what was decided.
    fn unwritten(&self) -> Option<u64> {
        let waiting = self.jobs.iter().filter_map(|job| match job {
            Job::Remember(_, decided) => Some(*decided),
            _ => None,
        });
        self.unwritten.into_iter().chain(waiting).min()
    }
}

impl World {
    /// Queues a job after those decided before it, and returns the answers known at once.
    pub(crate) fn queue(&mut self, job: Job) -> Vec<Event> {
        let Some(process) = &mut self.board.process else {
            return Vec::new();
        };
        process.lane.jobs.push_back(job);
        if process.lane.jobs.len() > 1 {
            return Vec::new();
        }
        self.works()
    }

    /// Completes the job under way, and tells the course of its answers.
    pub(crate) fn done(&mut self, process: u32) {
        if self.board.process.as_ref().map(|now| now.id) != Some(process) {
            return;
        }
        let mut answers = self.finish();
        answers.extend(self.works());
        self.hears(answers);
    }

    /// Works through the queue until a job takes time.
    fn works(&mut self) -> Vec<Event> {
        let mut answers = Vec::new();
        while let Some(Process { id, lane, .. }) = &self.board.process
            && let Some(job) = lane.jobs.front()
        {
            let (id, longest) = (*id, longest(job));
            let takes = self.takes(longest);
            if takes > 0 {
                self.after(takes, What::Done(id));
                break;
            }
            answers.extend(self.finish());
        }
        answers
    }

    /// Draws the duration of a job; a card is slow at times.
    fn takes(&mut self, longest: Longest) -> u64 {
        match longest {
            Longest::Nothing => 0,
            Longest::AWrite if self.dice.random_ratio(1, 20) => self.magnitude(1, 10 * SECOND),
            Longest::AWrite => 0,
            Longest::Usually(ms, slow) => {
                let slow = slow.filter(|_| !self.fair && self.dice.random_ratio(1, 20));
                self.dice.random_range(1..=slow.unwrap_or(ms))
            }
        }
    }

    /// Takes the first job off the queue, does it or fails, and returns its answers.
    fn finish(&mut self) -> Vec<Event> {
        let (broken, stuck) = (
            self.board.flash.broken_until > self.now,
            self.board.flash.stuck_until > self.now,
        );
        let lane = self.board.process.as_mut().map(|process| &mut process.lane);
        let Some(job) = lane.and_then(|lane| lane.jobs.pop_front()) else {
            return Vec::new();
        };
        let closed = self
            .board
            .process
            .as_ref()
            .is_some_and(|process| !process.open || process.failed);
        match &job {
            Job::Remember(past, decided) if closed => {
                let before = self.board.noted.take();
                let since = before.map_or(*decided, |(_, _, since)| since);
                self.board.noted = Some((Past::clone(past), self.now, since));
                return Vec::new();
            }
            Job::Inspect | Job::Repair(_) if broken => {
                self.watch.storage_fails();
                return vec![Event::StorageFailed(CauseCode::OpenFailed)];
            }
            Job::Remember(_, decided) if broken => {
                if let Some(process) = &mut self.board.process {
                    process.lane.unwritten.get_or_insert(*decided);
                }
                return Vec::new();
            }
            Job::Retire { .. } if broken || stuck => {
                self.watch.keeps();
                return vec![Event::RetireFailed];
            }
            Job::Reset if broken || stuck => return vec![Event::ResetFailed],
            Job::DropOldestArchive if self.dice.random_ratio(1, 10) => {
                return vec![Event::DropFailed];
            }
            _ => {}
        }
        let was_linked = self.board.flash.linked;
        self.write(&job);
        match job {
            Job::Inspect => vec![Event::Found(self.findings())],
            Job::Repair(_) => {
                if let Some(process) = &mut self.board.process {
                    process.open = true;
                }
                let space = Event::Space(self.board.space());
                vec![space, Event::Booted(self.board.linked())]
            }
            Job::Retire { order, back } => {
                self.watch.retired(order, was_linked, back);
                vec![Event::Retired(self.board.linked())]
            }
            Job::Reset => vec![Event::ResetNoted],
            Job::TrimMail | Job::DropOldestArchive | Job::Measure => {
                vec![Event::Space(self.board.space())]
            }
            Job::Dial { pairs, decided } => {
                self.life.attempts += 1;
                self.watch.dials(decided);
                self.start_run(pairs);
                Vec::new()
            }
            Job::HangUp => {
                self.disconnect();
                Vec::new()
            }
            Job::Leave => {
                if let Some(process) = &mut self.board.process {
                    process.ended = Some(LastEnd::Clean);
                }
                Vec::new()
            }
            Job::Remember(..) | Job::NoteCaughtUp | Job::ResetSeen | Job::StopWaiting => Vec::new(),
        }
    }

    /// Writes the result of a job to the disk.
    fn write(&mut self, job: &Job) {
        match job {
            Job::Repair(plan) => {
                let flash = &mut self.board.flash;
                flash.todo = plan.todo;
                if plan.store == Treatment::Rebuild && flash.garbled_until <= self.now {
                    flash.garbled.clear();
                }
                flash.rotten &= self
                    .board
                    .process
                    .as_ref()
                    .is_some_and(|process| process.open);
            }
            Job::Remember(past, _) => {
                if self.sabotage != Some(Sabotage::ForgetsThePast) {
                    self.board.flash.past = Some((past.to_string(), self.now, self.board.boots));
                }
                self.board.noted = None;
                if let Some(process) = &mut self.board.process {
                    process.lane.unwritten = None;
                }
            }
            Job::NoteCaughtUp => self.board.flash.todo = Todo::default(),
            Job::Reset => self.board.flash.resets = true,
            Job::ResetSeen => self.board.flash.emptied = None,
            Job::Retire { order, back } => {
                self.life.retired += 1;
                let flash = &mut self.board.flash;
                flash.archives += 1;
                (flash.generation, flash.linked) = (order.new, back.is_some());
                // An archived link may be as good as it was, or revoked since.
                self.whatsapp.valid = back.is_some() && self.dice.random_ratio(1, 2);
            }
            Job::TrimMail => {
                self.board.flash.free_mib += self.board.flash.spare_mib;
                self.board.flash.spare_mib = 0;
            }
            Job::DropOldestArchive => {
                self.board.flash.archives -= 1;
                self.board.flash.free_mib += 20;
            }
            Job::Inspect
            | Job::Measure
            | Job::Dial { .. }
            | Job::HangUp
            | Job::Leave
            | Job::StopWaiting => {}
        }
    }

    /// Ends with the process: the job under way is done on the disk or not at all, and no later one is.
    pub(crate) fn cut_short(&mut self) {
        let (broken, stuck) = (
            self.board.flash.broken_until > self.now,
            self.board.flash.stuck_until > self.now,
        );
        let jobs = self.board.process.as_ref().map(|now| &now.lane.jobs);
        let job = jobs.and_then(|jobs| jobs.front().cloned());
        if let Some(job) = job
            && !broken
            && self.dice.random_ratio(1, 2)
        {
            let retires = matches!(job, Job::Retire { .. } | Job::Reset);
            let process = self.board.process.as_ref();
            let open = process.is_some_and(|now| now.open && !now.failed);
            // A note of a start that opened nothing, or of what failed, is not on the flash.
            let noted = matches!(job, Job::Remember(..)) && !open;
            if !(retires && stuck || noted) {
                let was_linked = self.board.flash.linked;
                self.write(&job);
                if let Some(process) = &mut self.board.process {
                    process.lane.jobs.pop_front();
                }
                if let Job::Retire { order, back } = job {
                    self.watch.retired(order, was_linked, back);
                }
            }
        }
        let lane = self.board.process.as_ref().map(|now| &now.lane);
        if let Some(since) = lane.and_then(Lane::unwritten) {
            self.watch.forgets(since);
        }
    }

    fn findings(&mut self) -> Findings {
        let cut = self.board.last_end == LastEnd::PowerLoss;
        let rotten = self.board.flash.rotten;
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
}

/// How long a job takes at most.
#[derive(Clone, Copy)]
enum Longest {
    Nothing,
    /// Most often no time at all.
    AWrite,
    /// So long, or so long where the card is slow.
    Usually(u64, Option<u64>),
}

fn longest(job: &Job) -> Longest {
    match job {
        Job::Inspect => Longest::Usually(3 * SECOND, Some(2 * MINUTE)),
        Job::Repair(plan) => Longest::Usually(
            match plan.store {
                Treatment::Keep => SECOND,
                Treatment::Weed => 10 * SECOND,
                Treatment::Rebuild => 3 * MINUTE,
            },
            None,
        ),
        Job::Remember(..)
        | Job::NoteCaughtUp
        | Job::ResetSeen
        | Job::Measure
        | Job::StopWaiting => Longest::AWrite,
        Job::Retire { .. } | Job::Reset => Longest::Usually(5 * SECOND, Some(5 * MINUTE)),
        Job::TrimMail | Job::DropOldestArchive => Longest::Usually(SECOND, Some(MINUTE)),
        Job::Dial { .. } | Job::HangUp | Job::Leave => Longest::Nothing,
    }
}

/// A new version: in which boot it was installed, in which it was tried last, and how often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fresh {
    pub(crate) installed_in: u32,
    pub(crate) tried_in: u32,
    pub(crate) tries: u32,
}
