//! The answers of deeds, as the lane sends them back to the loop.

use holdfast_core::{CauseCode, Event, Space};

use super::known::Known;
use super::opening::Opening;
use super::rooms::Rooms;
use crate::boot::BootReport;
use crate::vault::Inspection;

/// The answer of a deed on the disk.
pub(super) enum Answer {
    /// An event for the core.
    Event(Event),
    /// The data partition is measured, and what large screens show is looked at.
    Measured(Option<Space>, Box<Known>),
    /// The vault is looked through.
    Inspected(Box<Inspection>, Box<Opening>),
    /// The rooms are open, and so full is the data partition.
    Opened(Box<Rooms>, BootReport, Option<Space>),
    /// The rooms do not open.
    NotOpened(anyhow::Error, BootReport),
    /// The rooms cannot be used any more.
    Failed(anyhow::Error, CauseCode),
    /// All that has to be on the disk before the link starts is there.
    MayDial,
}
