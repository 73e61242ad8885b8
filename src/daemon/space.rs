//! How full the data partition is, and what follows when it is full or fails.

use std::sync::Arc;

use anyhow::Context as _;
use holdfast_core::{CauseCode, Event, Space};
use holdfast_medium::{barrier::BarrierError, blocking, space};

use super::Daemon;
use crate::journal;

impl Daemon {
    /// Tells the core how full the data partition is.
    pub(super) async fn measure(&mut self) {
        if let Some(space) = self.space().await {
            self.take(Event::Space(space)).await;
        }
    }

    async fn space(&self) -> Option<Space> {
        let (reserve, archive) = (self.reserve.clone(), self.archive.clone());
        let vault = Arc::clone(&self.vault);
        let measured = blocking(move || {
            let room = reserve.room().context("the data partition")?;
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
        let unread = self.inbox.unread();
        Some(Space {
            free_bytes: room.free_bytes,
            total_bytes: room.total_bytes,
            archives,
            unread: unread.messages,
            unread_bytes: unread.bytes,
            records: extent.records,
            records_bytes: extent.bytes,
        })
    }

    pub(super) async fn drop_oldest_archive(&self) -> Event {
        match self.archive.drop_oldest(&self.audit) {
            Ok(dropped) => {
                dropped.into_iter().for_each(journal::archive_dropped);
                self.space().await.map_or(Event::DropFailed, Event::Space)
            }
            Err(error) => {
                tracing::error!("the oldest archive could not be removed: {error}");
                Event::DropFailed
            }
        }
    }

    /// The data partition has failed: nothing more is promised, and the owner is told.
    pub(super) async fn fail(&mut self, failure: BarrierError) {
        tracing::error!("{failure}");
        let full = matches!(&failure, BarrierError::Failed(error) if space::is_full(error));
        self.failure = Some(failure);
        let code = if full {
            CauseCode::NoSpace
        } else {
            CauseCode::MediumFailed
        };
        self.take(Event::StorageFailed(code)).await;
    }
}
