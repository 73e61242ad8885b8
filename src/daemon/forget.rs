//! A factory reset, as far as the daemon does it: it is written down, and the link takes its leave. The next start does the rest.

use std::io;
use std::time::Duration;

use holdfast_core::{Event, Order};
use holdfast_medium::{DataDir, blocking, space::Reserve};

use super::answer::Answer;
use super::hands::Hands;
use super::rooms::Rooms;
use crate::boot::forget::{self, Wanted};
use crate::history::{AuditKind, Standing};
use crate::link::Farewell;

/// How long the link may take to take its leave. Its keys are gone afterwards: this is the only time that it can.
const FAREWELL: Duration = Duration::from_secs(25);

impl Hands {
    /// Has everything forgotten by the next start.
    pub(super) fn reset(&mut self, order: Order) {
        let Some(open) = &self.open else { return };
        self.incidents.does("had everything forgotten");
        let (farewell, data) = (open.link.farewell(), self.config.data.clone());
        self.without_link(async move |rooms| {
            Answer::Event(match begin(&rooms, &data, order).await {
                Ok(wanted) => {
                    depart(&rooms, &data, &farewell, wanted).await;
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
        if let Err(error) = wanted.keep(&data) {
            // It may be there all the same, so that the restart is asked for.
            tracing::error!("the factory reset may not be done: {error}");
        }
        Ok(wanted)
    })
    .await
}

/// Logs the live link out at WhatsApp, as well as that goes, and notes that it was.
async fn depart(rooms: &Rooms, data: &DataDir, farewell: &Farewell, wanted: Wanted) {
    if rooms.vault.linked().account.is_none() {
        return;
    }
    if !farewell.say(rooms.vault.backend(), FAREWELL).await {
        return tracing::warn!(
            "the link could not be logged out; remove it on the phone, under \"Linked devices\""
        );
    }
    let wanted = Wanted {
        listed: wanted.listed.saturating_sub(1),
        ..wanted
    };
    let data = data.clone();
    if let Err(error) = blocking(move || wanted.keep(&data)).await {
        tracing::warn!("it is not noted that the link was logged out: {error}");
    }
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
