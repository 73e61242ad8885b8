//! The ground floor: the data partition, the clocks and the secrets that every room of Holdfast relies on.
//!
//! - [`barrier`]: the group commit with its fsync that every durable write waits for; [`wear`]: how many bytes it cost the card
//! - [`atomic`], [`push`]: how files are written; [`space`]: room on the partition, and the reserve
//! - [`DataDir`]: the paths of all that outlives a boot; [`Claim`]: the right to use them
//! - [`blocking`] and [`Lane`]: disk work off the async runtime's threads, beside each other or strictly in order
//! - [`Stamp`]: a moment by every clock; [`Machine`]: where `/proc`, `/sys` and `/dev` are found
//! - [`Patient`]: a client's pipe, with a timeout; [`leave_no_core`], [`descriptors`], [`Exhausted`]: what the system lets a process have
//! - [`Secret`]: a value that must not reach a log
//!
//! It knows purposes of writes, not kinds of records: the caller says why it writes.

mod age;
pub mod atomic;
pub mod barrier;
mod claim;
mod data_dir;
mod lane;
mod machine;
mod patient;
mod process;
pub mod push;
mod secret;
pub mod space;
mod stamp;
pub mod wear;
mod work;

pub use age::Age;
pub use claim::{Claim, ClaimError};
pub use data_dir::DataDir;
pub use lane::Lane;
pub use machine::Machine;
pub use patient::Patient;
pub use process::{
    Exhausted, can_start_a_thread, descriptors, give_memory_back, leave_no_core, remedy, unhurried,
};
pub use secret::Secret;
pub use stamp::Stamp;
pub use work::{Stopped, blocking};
