//! Holdfast keeps one WhatsApp linked-device session alive for months, through pulled plugs.
//!
//! The rooms, in the order data flows:
//!
//! - `holdfast_core` (`src/core`): the state machine that makes every decision, a crate of its own
//! - `holdfast_medium` (`src/medium`): what every room stands on: barrier, files, secrets, a crate of its own
//! - [`sheet`]: a settings file, read by lines
//! - [`config`]: arguments and TOML fragments
//! - [`boot`]: how the last run ended, and the steps before the daemon
//! - [`vault`]: the key store
//! - [`mail`]: the durable inbox and outbox
//! - [`history`]: archive and audit
//! - [`network`]: link, address and route of the machine
//! - [`supply`]: the voltage of the power supply
//! - [`link`]: the client of WhatsApp
//! - [`wires`]: GPIO, I2C and SPI of a board
//! - [`panel`]: screens, the displays they are shown on, the button
//! - [`update`]: new versions of the device, by RAUC
//! - [`desk`]: the answers to any client, by role
//! - [`bus`]: D-Bus over the desk, and [`ctl`], its client for operators
//! - [`journal`]: the log
//! - [`daemon`]: the assembly of the rooms, and the hands that carry effects out

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
pub mod supply;
pub mod update;
pub mod vault;
pub mod wires;
