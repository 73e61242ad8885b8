//! The entry that is written before a generation is retired.

use super::GenerationId;

/// An audit entry: durable before the effect it describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Audit {
    /// Who wanted it.
    pub trigger: Trigger,
    /// The generation that goes.
    pub old: GenerationId,
    /// The generation that comes.
    pub new: GenerationId,
}

/// Who caused a change that the audit records.
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
