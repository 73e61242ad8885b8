//! The shipping core among simulated everything else: WhatsApp, network, flash, power, the phone's owner, the button, the bus.
//!
//! One seed is one life of a device, played on a virtual clock:
//!
//! - `world`: the clock, and what is to happen when
//! - `board`: power and the process: a course of the core, and the hands that carry out its effects as the daemon's do
//! - `lane`: what is done on the disk, one after the other
//! - `update`: the slots, and those who look, install and mark
//! - `link`: a run of the link, as far as the core hears of it
//! - `whatsapp`: the truth about the account, and what WhatsApp says of it
//! - `weather`: what goes wrong, and how often in this life
//! - `people`: the owner, who believes the screen, and others who press and ask for the fun of it
//! - `watch`: what must hold at each step; `stays`: for how long a state may
//!
//! [`mutations`] are the edits of the core that the watch must notice.

mod board;
mod lane;
mod link;
pub mod model;
pub mod mutations;
mod people;
mod stays;
mod update;
mod watch;
mod weather;
mod whatsapp;
mod world;

use std::collections::VecDeque;
use std::fmt;
use std::ops::AddAssign;

use world::World;

pub(crate) const SECOND: u64 = 1_000;
pub(crate) const MINUTE: u64 = 60 * SECOND;
pub(crate) const HOUR: u64 = 60 * MINUTE;
pub(crate) const DAY: u64 = 24 * HOUR;

/// How long a life lasts, days.
pub const DAYS: u64 = 180;

/// What is broken on purpose, to see that the watch would notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// What the next start has to know is not written down.
    ForgetsThePast,
    /// The first logout is taken for a revocation.
    TrustsTheFirstLogout,
    /// Deadlines come hours late.
    OversleepsDeadlines,
    /// Probes are answered whether WhatsApp is there or not.
    HearsVoices,
    /// The button's wire is cut.
    CutsTheButton,
    /// A lost link is dialled again without asking the core.
    Redials,
}

impl Sabotage {
    /// All there is.
    pub const ALL: [Sabotage; 6] = [
        Sabotage::ForgetsThePast,
        Sabotage::TrustsTheFirstLogout,
        Sabotage::OversleepsDeadlines,
        Sabotage::HearsVoices,
        Sabotage::CutsTheButton,
        Sabotage::Redials,
    ];
}

/// What a life amounted to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// How long it was, milliseconds.
    pub simulated_ms: u64,
    /// Steps of the core.
    pub steps: u64,
    /// Of the time, what the link was up.
    pub connected_ms: u64,
    /// Attempts to log in or to link.
    pub attempts: u64,
    /// Times the power went.
    pub power_cuts: u64,
    /// Generations retired.
    pub retired: u64,
}

impl AddAssign for Life {
    fn add_assign(&mut self, other: Self) {
        self.simulated_ms += other.simulated_ms;
        self.steps += other.steps;
        self.connected_ms += other.connected_ms;
        self.attempts += other.attempts;
        self.power_cuts += other.power_cuts;
        self.retired += other.retired;
    }
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            steps,
            attempts,
            power_cuts,
            retired,
            ..
        } = self;
        let years = self.simulated_ms as f64 / (365 * DAY) as f64;
        let up = 100.0 * self.connected_ms as f64 / self.simulated_ms.max(1) as f64;
        write!(
            f,
            "{years:.1} years, {steps} steps, connected {up:.0} % of the time, {attempts} attempts, {power_cuts} power cuts, \
             {retired} generations retired"
        )
    }
}

/// Something that must hold did not.
#[derive(Clone, Debug, thiserror::Error)]
#[error("seed {seed}, day {day}: {what}\n    {}", last.iter().cloned().collect::<Vec<_>>().join("\n    "))]
pub struct Broken {
    /// Replays it.
    pub seed: u64,
    /// When.
    pub day: u64,
    /// What did not hold.
    pub what: String,
    /// What happened before, the latest last.
    pub last: VecDeque<String>,
}

/// Plays one life.
///
/// # Errors
/// What did not hold.
pub fn play(seed: u64, days: u64, sabotage: Option<Sabotage>) -> Result<Life, Box<Broken>> {
    World::new(seed, sabotage).live(days * DAY)
}
