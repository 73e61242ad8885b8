//! The owner's settings, as the boot step takes them over from a card's files.

mod card;
mod formats;
mod ours;
mod strays;
#[path = "../tool.rs"]
mod tool;
mod wifi;
mod wrong;
