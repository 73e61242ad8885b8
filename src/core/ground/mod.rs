//! The ground floor of the core: units, moments, back-off, and the names that cross it. It knows nothing of the rest.

mod audit;
mod backoff;
mod budget;
mod cause;
mod generation;
mod last_end;
mod moments;
mod units;
mod way;

pub use audit::{Audit, Trigger};
pub(crate) use backoff::{Backoff, Jitter};
pub(crate) use budget::Budget;
pub(crate) use cause::NONE;
pub use cause::{Cause, CauseClass, CauseCode};
pub use generation::{ArchiveId, GenerationId, LastFour, Linked, NotAName};
pub use last_end::LastEnd;
pub(crate) use moments::Moments;
pub use moments::Now;
pub(crate) use units::{DAY, HOUR, MINUTE, SECOND};
pub use way::Way;
