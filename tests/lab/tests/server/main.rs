//! The lab's server, as a bare whatsapp-rust client sees it.

mod client;
mod faults;
mod linking;
mod messages;
mod state;
