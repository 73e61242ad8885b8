//! The rooms on the data partition, once they are open.

use std::sync::Arc;

use super::tide::Tide;
use crate::history::{Archive, Audit};
use crate::mail::{self, Inbox, Outbox};
use crate::vault::Vault;

/// The rooms that keep something. Cheap to clone.
#[derive(Clone)]
pub struct Rooms {
    /// The key records.
    pub vault: Arc<Vault>,
    /// Messages that came in.
    pub inbox: Inbox,
    /// Messages to go out.
    pub outbox: Outbox,
    /// The room that both of them share.
    pub mail_room: mail::Room,
    /// The log of who did what to the link.
    pub audit: Audit,
    /// Retired generations.
    pub archive: Archive,
    /// How far all of it has come.
    pub(super) tide: Tide,
}
