//! The parts: small state machines that know nothing of each other or of the whole, and hand back meanings.

mod allowances;
mod backoffs;
mod gesture;
mod keys;
mod notice;
mod panel;
mod phone;
mod plan;
mod pulse;
mod self_test;
mod session;
pub mod setback;
mod storage;
mod storm;
mod token;

pub(crate) use allowances::{Allowances, UsedUp};
pub(crate) use backoffs::{Backoffs, Failures};
pub(crate) use gesture::{Gesture, Meaning};
pub(crate) use keys::{Keys, Returns};
pub use notice::Ignored;
pub(crate) use notice::{Notice, Notices};
pub(crate) use panel::Panel;
pub use panel::Part;
pub(crate) use phone::{Absence, Phone};
pub use plan::{Findings, IdentityFound, Plan, StoreFound, Todo, Treatment, Unusable, plan};
pub(crate) use pulse::Pulse;
pub(crate) use self_test::SelfTest;
pub use self_test::Tested;
pub use session::PairingFace;
pub(crate) use session::{Aim, Code, Due, Hurry, Phase, Run, Session, Then};
pub use storage::{Bounds, Limits, Space};
pub(crate) use storage::{Gives, Storage};
pub(crate) use storm::Storm;
pub use token::Deed;
pub(crate) use token::{TOKEN_MS, Token};
