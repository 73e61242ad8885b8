//! The gauge: how full the data partition is, and the time that is kept beside it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use holdfast_core::limits::SENT_MS;
use holdfast_core::{Limits, Space};
use holdfast_medium::space::Reserve;
use holdfast_medium::{DataDir, blocking};

use super::rooms::Rooms;
use crate::mail;

/// The room that the mail may take, as the core has it on a partition of this size. One that cannot be asked has no bounds: what
/// does not fit fails then.
pub(super) async fn for_mail(dir: &DataDir, limits: Limits) -> mail::Room {
    let root = dir.root().to_owned();
    let measured = blocking({
        let reserve = Reserve::of(&root);
        move || reserve.room()
    });
    let bounds = match measured.await {
        Ok(room) => {
            let bounds = limits.on(room.total_bytes);
            mail::Bounds {
                inbox_leaves: bounds.floor,
                outbox_leaves: bounds.enough,
                window_leaves: bounds.scarce,
                sent_stay: Duration::from_millis(SENT_MS),
                outbox_most: bounds.outgoing,
            }
        }
        Err(error) => {
            tracing::warn!("the room on the data partition is not known: {error}");
            mail::Bounds::NONE
        }
    };
    mail::Room::new(root, bounds)
}

/// Measures the data partition. Cheap to clone.
#[derive(Clone)]
pub(super) struct Gauge {
    reserve: Reserve,
    /// A measurement waits for the card: another would bring nothing.
    busy: Arc<AtomicBool>,
}

impl Gauge {
    pub(super) fn new(data: &DataDir) -> Self {
        Self {
            reserve: Reserve::of(data.root()),
            busy: Arc::default(),
        }
    }

    /// Begins a measurement, unless one is under way.
    pub(super) fn begins(&self) -> bool {
        !self.busy.swap(true, Ordering::Relaxed)
    }

    /// Ends what was begun.
    pub(super) fn ends(&self) {
        self.busy.store(false, Ordering::Relaxed);
    }

    /// Measures how full the data partition is, and with what; `None` where that cannot be known.
    pub(super) async fn space(&self, rooms: &Rooms) -> Option<Space> {
        let reserve = self.reserve.clone();
        let (vault, archive) = (Arc::clone(&rooms.vault), rooms.archive.clone());
        let tide = rooms.tide.clone();
        let measured = blocking(move || {
            let room = reserve.room().context("the data partition")?;
            tide.note(&vault);
            let extent = vault.extent().context("the live generation")?;
            anyhow::Ok((room, archive.count()?, extent))
        });
        let (room, archives, extent) = match measured.await {
            Ok(measured) => measured,
            Err(error) => {
                tracing::warn!("the room on the data partition is not known: {error:#}");
                return None;
            }
        };
        let away = rooms.inbox.pass().await.unwrap_or_else(|error| {
            tracing::warn!("how long consumers are away cannot be noted: {error}");
            Duration::ZERO
        });
        let unread = rooms.inbox.unread();
        let promised = rooms.mail_room.promised();
        let spare_bytes = rooms.inbox.spare_bytes() + rooms.outbox.spare_bytes();
        Some(Space {
            free_bytes: room.free_bytes.saturating_sub(promised),
            total_bytes: room.total_bytes,
            archives,
            unread: unread.messages,
            unread_bytes: unread.bytes,
            away_ms: u64::try_from(away.as_millis()).unwrap_or(u64::MAX),
            outgoing_bytes: rooms.outbox.taken_bytes(),
            spare_bytes,
            records: extent.records,
            records_bytes: extent.bytes,
        })
    }
}
