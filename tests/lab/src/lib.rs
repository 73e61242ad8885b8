//! A local WhatsApp server with simulated phones, and what is proved and measured with it.
//!
//! - [`wire`]: bytes to stanzas; [`server`]: the server and [`server::Lab`], the way in for tests
//! - [`phone`]: a simulated phone; [`camera`]: its eye
//! - [`ledger`]: everything the server saw, and the crimes among it
//! - [`control`]: the lab by JSON over HTTP
//! - [`mod@holdfast`]: our daemon as a process; [`terminal`]: what it may sit at
//! - [`story`]: the main job, told once, for the demo and the end-to-end test
//! - [`peers`]: other clients, as processes; [`prove`] and [`mod@bench`] run them
//! - [`rig`]: recorded disks and power cuts
//! - [`records`]: what a journal has
//! - [`vm`]: the card in a virtual board; [`wires`]: the panel that hangs on it

pub mod bench;
pub mod camera;
pub mod control;
pub mod holdfast;
pub mod ledger;
pub mod peers;
pub mod phone;
pub mod prove;
pub mod records;
pub mod rig;
pub mod server;
pub mod story;
pub mod terminal;
pub mod vm;
pub mod wire;
pub mod wires;
