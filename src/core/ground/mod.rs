//! The ground floor of the core: units, moments, limits, back-off, and the names that cross it. It knows nothing of the rest.

mod audit;
mod backoff;
mod budget;
mod cause;
mod emptied;
mod generation;
mod kept;
mod last_end;
pub mod limits;
mod moments;
mod number;
mod order;
mod reception;
mod units;
mod wait;
mod way;

pub use audit::AuditEnd;
pub(crate) use backoff::{Backoff, Jitter};
pub(crate) use budget::Budget;
pub use cause::{Cause, CauseClass, CauseCode};
pub use emptied::Emptied;
pub use generation::{ArchiveId, GenerationId, LastFour, Linked, NotAName};
pub(crate) use kept::Kept;
pub use last_end::LastEnd;
pub(crate) use moments::Moments;
pub use moments::Now;
pub use number::{NotANumber, PhoneNumber};
pub(crate) use order::Successor;
pub use order::{Order, Trigger};
pub use reception::{Quality, Reception};
pub(crate) use units::{DAY, HOUR, MINUTE, SECOND};
pub(crate) use wait::Wait;
pub use way::Way;
