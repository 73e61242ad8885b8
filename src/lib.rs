//! Holdfast keeps one WhatsApp linked-device session alive for months, through pulled plugs.
//!
//! The rooms, in the order data flows:
//!
//! - `holdfast_core` (`src/core`): the brain, a crate of its own
//! - `holdfast_medium` (`src/medium`): the ground floor, a crate of its own
//! - [`sheet`]: a settings file, read by lines
//! - [`config`]: arguments and TOML fragments
//! - [`boot`]: what happened before us, and the steps before the daemon
//! - [`vault`]: the memory
//! - [`mail`]: the durable inbox and outbox
//! - [`history`]: archive and audit
//! - [`network`]: whether there is a way to the outside
//! - [`link`]: the mouth and ears
//! - [`wires`]: the owner's hand
//! - [`panel`]: the face
//! - [`desk`]: what any client may ask and be told
//! - [`bus`]: D-Bus over the desk, and [`ctl`], its client for operators
//! - [`journal`]: the log
//! - [`daemon`]: the wiring

pub mod boot;
pub mod bus;
pub mod config;
pub mod ctl;
pub mod daemon;
pub mod desk;
pub mod history;
pub mod journal;
pub mod link;
pub mod mail;
pub mod network;
pub mod panel;
pub mod sheet;
pub mod vault;
pub mod wires;
