//! The room that the mail may take: what comes in and what is to go out are held against it before a byte is written.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use holdfast_medium::space::Reserve;

use super::MailError;

/// How much of the data partition the mail may take, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// What received messages leave free beyond the reserve.
    pub inbox_leaves: u64,
    /// What messages to be sent leave free beyond the reserve, so that received ones find room.
    pub outbox_leaves: u64,
    /// The most that messages to be sent may take, with what will be noted of them.
    pub outbox_most: u64,
}

impl Bounds {
    /// As much as fits.
    pub const NONE: Self = Self {
        inbox_leaves: 0,
        outbox_leaves: 0,
        outbox_most: u64::MAX,
    };
}

/// The room that inbox and outbox share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Room(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    reserve: Reserve,
    bounds: Bounds,
    /// What the outbox will still note of its messages: it is as good as written.
    promised: AtomicU64,
}

impl Room {
    /// The room of the data directory `root` within these bounds.
    pub fn new(root: impl Into<PathBuf>, bounds: Bounds) -> Self {
        Self(Arc::new(Shared {
            reserve: Reserve::of(&root.into()),
            bounds,
            promised: AtomicU64::new(0),
        }))
    }

    /// What is as good as written, bytes.
    pub fn promised(&self) -> u64 {
        self.0.promised.load(Ordering::Relaxed)
    }

    pub(super) fn promise(&self, bytes: u64) {
        self.0.promised.store(bytes, Ordering::Relaxed);
    }

    /// Refuses received messages for which files must grow by so much.
    pub(super) fn admit_in(&self, growth: u64) -> Result<(), MailError> {
        let promised = growth.saturating_add(self.promised());
        self.leaves(promised, self.0.bounds.inbox_leaves)
    }

    /// Refuses a message to be sent for which files must grow by so much, and which `promises` so much with all that are there.
    pub(super) fn admit_out(&self, growth: u64, promises: u64) -> Result<(), MailError> {
        let wanted = growth.saturating_add(promises);
        self.leaves(wanted, self.0.bounds.outbox_leaves)
    }

    /// Refuses a message to be sent with which so many messages would take so much.
    pub(super) fn admit_share(&self, messages: usize, bytes: u64) -> Result<(), MailError> {
        let limit = self.0.bounds.outbox_most;
        if bytes > limit {
            return Err(MailError::OutboxFull { messages, limit });
        }
        Ok(())
    }

    fn leaves(&self, wanted: u64, left: u64) -> Result<(), MailError> {
        // Both questions are answered from the kernel's memory: nothing waits for the card.
        let free = self.0.reserve.spare().map_err(MailError::Room)?;
        if free < wanted.saturating_add(left) {
            return Err(MailError::NoRoom { free, left });
        }
        Ok(())
    }
}
