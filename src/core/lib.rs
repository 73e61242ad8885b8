//! The state machine of Holdfast: every decision it makes, as pure code.
//!
//! [`step`] takes the [`State`], one [`Event`] and the moment it happens, and returns an [`Outcome`]: the
//! [`Effect`]s to carry out, in order; a [`Course`] drives it, and carries them out by [`Hands`]. [`face`] is the screen an owner meets. Nothing in this crate does I/O, reads a
//! clock or knows WhatsApp's wire; to know how Holdfast behaves it is enough to read here.
#![no_std]

extern crate alloc;

mod course;
mod effect;
mod event;
mod face;
mod ground;
mod parts;
mod past;
mod rules;
mod state;
mod stay;
mod step;
#[cfg(test)]
mod story;
mod timers;
mod turn;

pub use course::{Course, Hands};
pub use effect::{Effect, Outcome, Refusal, Reply};
pub use event::{Command, Ending, Event, Facts, Unfinished};
pub use face::{Face, face, glow};
pub use ground::{
    ArchiveId, AuditEnd, Cause, CauseClass, CauseCode, Emptied, GenerationId, LastEnd, LastFour,
    Linked, NotAName, NotANumber, Now, Order, PhoneNumber, Quality, Reception, Trigger, Way,
    limits,
};
pub use parts::{
    Booted, Bounds, Deed, Findings, Glow, Hand, Hindrance, IdentityFound, Ignored, Light, Limits,
    Look, PairingFace, Part, Plan, Shift, Space, Stage, StoreFound, TRIAL_MS, Tested, Todo,
    Treatment, Trial, Tried, Unusable, UpdateStep, Updates, plan, setback,
};
pub use past::{NotAPast, Past};
pub use state::State;
pub use stay::{STAYS, Stay};
pub use step::step;
