//! A factory reset, as far as the daemon does it: it is written down, and each link takes its leave. The next start does the rest.

use std::io;
use std::time::Duration;

use holdfast_core::{ArchiveId, Event, Order};
use holdfast_medium::barrier::Barrier;
use holdfast_medium::{DataDir, blocking, space::Reserve};
use tokio::time::timeout;

use super::answer::Answer;
use super::farewell::Leaving;
use super::hands::Hands;
use super::rooms::Rooms;
use crate::boot::forget::{self, Wanted};
use crate::history::{AuditKind, HistoryError, Standing};
use crate::link::Farewell;

/// How long a link may take to take its leave. Its keys are gone afterwards: this is the only time that it can.
const FAREWELL: Duration = Duration::from_secs(25);
/// How long all of them may; the core restarts after a minute, whatever they do.
const FAREWELLS: Duration = Duration::from_secs(45);

impl Hands {
    /// Has everything forgotten by the next start.
    pub(super) fn reset(&mut self, order: Order) {
        let Some(open) = &self.open else { return };
        self.incidents.does("had everything forgotten");
        let (farewell, data) = (open.link.farewell(), self.config.data.clone());
        let barrier = self.barrier.clone();
        self.without_link(async move |rooms| {
            Answer::Event(match begin(&rooms, &data, order).await {
                Ok(wanted) => {
                    let leaves = Leaves {
                        rooms: &rooms,
                        barrier: &barrier,
                        data: &data,
                        farewell: &farewell,
                    };
                    leaves.take(wanted).await;
                    Event::ResetNoted
                }
                Err(error) => {
                    tracing::error!("the factory reset is not begun: {error:#}");
                    Event::ResetFailed
                }
            })
        });
    }

    /// Notes that the owner has seen what a factory reset did.
    pub(super) fn reset_seen(&self) {
        let data = self.config.data.clone();
        self.deed(async move {
            if let Err(error) = blocking(move || forget::seen(&data)).await {
                tracing::warn!("what the factory reset did is shown again: {error}");
            }
            None
        });
    }
}

/// Writes the audit entry, and then the mark: from then on nothing is opened before all is forgotten. A full partition stops neither.
///
/// # Errors
/// There is no entry, and no mark.
pub(super) async fn begin(rooms: &Rooms, data: &DataDir, order: Order) -> anyhow::Result<Wanted> {
    let wanted = wanted(rooms);
    let (audit, data) = (rooms.audit.clone(), data.clone());
    blocking(move || {
        let reserve = Reserve::of(data.root());
        let entry = || {
            audit
                .append(AuditKind::Reset, &order)
                .map_err(io::Error::from)
        };
        reserve.relieved(entry)?;
        match wanted.keep(&data) {
            // It is there all the same, so that the restart is asked for.
            Err(error) if data.reset().exists() => {
                tracing::error!("the factory reset may not be done: {error}");
            }
            kept => kept?,
        }
        Ok(wanted)
    })
    .await
}

/// What links take their leave with, one after the other.
struct Leaves<'a> {
    rooms: &'a Rooms,
    barrier: &'a Barrier,
    data: &'a DataDir,
    farewell: &'a Farewell,
}

impl Leaves<'_> {
    /// Logs the live link out at WhatsApp, and then each archived one that it may list, as well as that goes; notes how many it lists after
    /// each.
    async fn take(&self, wanted: Wanted) {
        let all = timeout(FAREWELLS, async {
            let mut wanted = wanted;
            let live_is_gone = self.live().await;
            self.note(&mut wanted, live_is_gone).await;
            for id in restorable(self.rooms).await {
                let is_gone = match self.archived(id).await {
                    Ok(said) => said,
                    // It is the same device.
                    Err(HistoryError::Live { .. }) => live_is_gone,
                    Err(HistoryError::Revoked { .. }) => true,
                    Err(error) => {
                        tracing::warn!("{id} is not logged out: {error}");
                        false
                    }
                };
                self.note(&mut wanted, is_gone).await;
            }
            wanted.listed
        });
        if all.await != Ok(0) {
            tracing::warn!(
                "not every link could be logged out; remove on the phone, under \"Linked devices\", what it lists"
            );
        }
    }

    async fn live(&self) -> bool {
        let vault = &self.rooms.vault;
        vault.linked().account.is_some() && self.farewell.say(vault.backend(), FAREWELL).await
    }

    async fn archived(&self, id: ArchiveId) -> Result<bool, HistoryError> {
        let leaving = Leaving::begin(self.rooms.clone(), self.barrier.clone(), id).await?;
        let (departing, said) = leaving.say(self.farewell, FAREWELL).await?;
        departing.end(said).await?;
        Ok(said)
    }

    /// Notes that WhatsApp lists one link less.
    async fn note(&self, wanted: &mut Wanted, is_gone: bool) {
        if !is_gone {
            return;
        }
        wanted.listed = wanted.listed.saturating_sub(1);
        let (wanted, data) = (*wanted, self.data.clone());
        if let Err(error) = blocking(move || wanted.keep(&data)).await {
            tracing::warn!("it is not noted that a link was logged out: {error}");
        }
    }
}

/// The archived links that can be logged out with their own keys.
async fn restorable(rooms: &Rooms) -> Vec<ArchiveId> {
    let archive = rooms.archive.clone();
    let found = blocking(move || {
        let mut archived = archive.list()?;
        archived.retain(|it| {
            archive
                .standing(it.id)
                .is_ok_and(|it| it == Standing::Restorable)
        });
        Ok::<_, HistoryError>(archived)
    });
    // That they are not counted is said already.
    let found = found.await.unwrap_or_default();
    found.into_iter().map(|archived| archived.id).collect()
}

/// Counts the links that go, and those that WhatsApp may go on listing: all that it did not revoke, and that were not logged out.
fn wanted(rooms: &Rooms) -> Wanted {
    let live = u32::from(rooms.vault.linked().account.is_some());
    let mut wanted = Wanted {
        links: live,
        listed: live,
    };
    let archived = rooms.archive.list().unwrap_or_else(|error| {
        tracing::warn!("the archived links are not counted: {error}");
        Vec::new()
    });
    for archived in archived {
        match rooms.archive.standing(archived.id) {
            Ok(Standing::NeverLinked) => {}
            Ok(Standing::Revoked(_)) => wanted.links += 1,
            // Nobody knows of one that cannot be read.
            Ok(Standing::Restorable | Standing::Exported(_) | Standing::Unknown) | Err(_) => {
                wanted.links += 1;
                wanted.listed += 1;
            }
        }
    }
    wanted
}
