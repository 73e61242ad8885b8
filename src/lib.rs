//! Holdfast keeps one WhatsApp linked-device session alive for months, through pulled plugs.
//!
//! The rooms, in the order data flows:
//!
//! - `holdfast_core` (`src/core`): the brain, a crate of its own
//! - [`vault`]: the memory
//! - [`journal`]: the log

pub mod journal;
pub mod vault;
