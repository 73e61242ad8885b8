//! The room that the mail may take: what comes in and what is to go out are held against it before a byte is written.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use holdfast_medium::blocking;
use holdfast_medium::space::Reserve;
use parking_lot::Mutex;

use super::MailError;

/// How much of the data partition the mail may take, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// What received messages leave free beyond the reserve.
    pub inbox_leaves: u64,
    /// What messages to be sent leave free beyond the reserve, so that received ones find room.
    pub outbox_leaves: u64,
    /// With less than this free beyond the reserve hardly anything is kept only to recognise duplicates.
    pub window_leaves: u64,
    /// While there is more, messages that were sent stay for so long: who could not read one asks for it again.
    pub sent_stay: Duration,
    /// The most that messages to be sent may take, with what will be noted of them.
    pub outbox_most: u64,
}

impl Bounds {
    /// As much as fits.
    pub const NONE: Self = Self {
        inbox_leaves: 0,
        outbox_leaves: 0,
        window_leaves: 0,
        sent_stay: Duration::ZERO,
        outbox_most: u64::MAX,
    };
}

/// The room that inbox and outbox share. Cheap to clone.
#[derive(Clone)]
pub struct Room(Arc<Shared>);

/// Gives back what is kept only to recognise duplicates.
type Give = Arc<dyn Fn() -> Result<(), MailError> + Send + Sync>;

struct Shared {
    reserve: Reserve,
    bounds: Bounds,
    /// One for each log.
    windows: Mutex<Vec<Give>>,
    /// What the outbox will still note of its messages: it is as good as written.
    promised: AtomicU64,
}

impl Room {
    /// The room of the data directory `root` within these bounds.
    pub fn new(root: impl Into<PathBuf>, bounds: Bounds) -> Self {
        Self(Arc::new(Shared {
            reserve: Reserve::of(&root.into()),
            bounds,
            windows: Mutex::default(),
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

    /// A log gives this back before anything is refused.
    pub(super) fn can_give(
        &self,
        give: impl Fn() -> Result<(), MailError> + Send + Sync + 'static,
    ) {
        self.0.windows.lock().push(Arc::new(give));
    }

    /// Refuses received messages for which files must grow by so much.
    pub(super) async fn admit_in(&self, growth: impl Fn() -> u64) -> Result<(), MailError> {
        let wanted = || growth().saturating_add(self.promised());
        self.admit(wanted, self.0.bounds.inbox_leaves).await
    }

    /// Refuses a message to be sent for which files must grow by so much, and which `promises` so much with all that are there.
    pub(super) async fn admit_out(
        &self,
        growth: impl Fn() -> u64,
        promises: u64,
    ) -> Result<(), MailError> {
        let wanted = || growth().saturating_add(promises);
        self.admit(wanted, self.0.bounds.outbox_leaves).await
    }

    /// Whether there is such room, without anything being given back for it.
    pub(super) fn has_room_out(&self, growth: u64, promises: u64) -> bool {
        let wanted = growth.saturating_add(promises);
        self.leaves(wanted, self.0.bounds.outbox_leaves).is_ok()
    }

    async fn admit(&self, wanted: impl Fn() -> u64, left: u64) -> Result<(), MailError> {
        if self.leaves(wanted(), left).is_ok() {
            return Ok(());
        }
        let windows = self.0.windows.lock().clone();
        blocking(move || windows.iter().try_for_each(|give| give())).await?;
        self.leaves(wanted(), left)
    }

    /// Refuses a message to be sent with which so many messages would take so much.
    pub(super) fn admit_share(&self, messages: usize, bytes: u64) -> Result<(), MailError> {
        let limit = self.0.bounds.outbox_most;
        if bytes > limit {
            return Err(MailError::OutboxFull { messages, limit });
        }
        Ok(())
    }

    /// For how long messages that were sent stay.
    pub(super) fn sent_stay(&self) -> Duration {
        self.0.bounds.sent_stay
    }

    /// Whether there is too little room for what is kept only to recognise duplicates. Where that is not known there is enough.
    pub(super) fn is_scarce(&self) -> bool {
        let free = self.0.reserve.spare().unwrap_or(u64::MAX);
        free < self.0.bounds.window_leaves.saturating_add(self.promised())
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
