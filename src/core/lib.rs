//! The brain of Holdfast: everything it decides, as pure code.
//!
//! [`step`] takes the [`State`], one [`Event`] and the moment it happens, and returns an [`Outcome`]: the
//! [`Effect`]s to carry out, in order. What an owner meets is [`face`]. Nothing in this crate does I/O, reads a
//! clock or knows WhatsApp's wire; whoever wants to know how Holdfast behaves reads here and nothing else.
#![no_std]

extern crate alloc;

mod canonical;
mod clock;
mod course;
mod effect;
mod event;
mod face;
mod farewell;
mod gesture;
mod ground;
mod logout;
mod notice;
mod notify;
mod pairing;
mod panel;
mod past;
mod phone;
mod probe;
mod pulse;
mod reconnect;
mod relink;
mod repair;
mod self_test;
mod session;
mod state;
mod stay;
mod step;
mod storage;
mod storm;
#[cfg(test)]
mod story;
mod token;

pub use course::{Course, Hands};
pub use effect::{Effect, Outcome, Refusal, Reply};
pub use event::{Command, Ending, Event, Facts};
pub use face::{Face, PairingFace, face};
pub use ground::{
    ArchiveId, Audit, Cause, CauseClass, CauseCode, GenerationId, LastEnd, LastFour, Linked,
    NotAName, Now, Trigger, Way,
};
pub use notice::Ignored;
pub use panel::Part;
pub use past::{NotAPast, Past};
pub use repair::{Findings, IdentityFound, Plan, StoreFound, Todo, Treatment, Unusable, plan};
pub use self_test::Tested;
pub use state::State;
pub use stay::{STAYS, Stay};
pub use step::step;
pub use storage::Space;
pub use token::Deed;
