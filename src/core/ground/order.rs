//! An order to give a generation up, who gave it, and what comes after.

use super::{ArchiveId, GenerationId};

/// An order to give a generation up: its entry in the audit log is durable before the effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Order {
    /// The trigger of the order.
    pub trigger: Trigger,
    /// The generation that goes.
    pub old: GenerationId,
    /// The generation that comes.
    pub new: GenerationId,
}

/// The trigger of a change that the audit records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// A human at the device.
    Button,
    /// A human or program on the bus, in two steps.
    Bus,
    /// WhatsApp revoked the link, and confirmed it.
    Server,
    /// Holdfast itself: at boot, or for want of space.
    Recovery,
}

/// The generation that comes after one that is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Successor {
    /// A new link, because of this.
    Fresh(Trigger),
    /// An archived one, wanted over the bus.
    Archived(ArchiveId),
}

impl Successor {
    /// The trigger of the change.
    pub(crate) fn trigger(self) -> Trigger {
        match self {
            Self::Fresh(trigger) => trigger,
            Self::Archived(_) => Trigger::Bus,
        }
    }
}
