//! Deeds on the disk, in the order they were decided: the lane does one after the other, and the loop goes on meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_core::{ArchiveId, CauseCode, Event, Order, Past, Plan, Space};
use holdfast_medium::barrier::BarrierError;
use holdfast_medium::{Machine, Stopped, atomic, blocking, wear};
use tokio::sync::oneshot;

use super::answer::Answer;
use super::hands::{Hands, Open};
use super::opening::{Opening, Progress};
use super::rooms::Rooms;
use super::{fault, generations, opening, past};
use crate::boot::BootReport;
use crate::desk;
use crate::history::{HistoryError, LastWords};
use crate::journal;
use crate::link::Link;
use crate::vault::{Counts, Inspection};

impl Hands {
    /// Looks through the vault.
    pub(super) fn inspect(&mut self) {
        let Progress::Closed(mut opening) = std::mem::replace(&mut self.start, Progress::Away)
        else {
            return;
        };
        self.deed(async move {
            Some(match opening.inspect().await {
                Ok(inspection) => Answer::Inspected(Box::new(inspection), Box::new(opening)),
                Err(error) => not_opened(opening, error).await,
            })
        });
    }

    pub(super) fn inspected(&mut self, found: Box<Inspection>, opening: Opening) -> Vec<Event> {
        // The vault keeps other processes away now, also where the run could not be marked.
        self.incidents.open(&self.config.data);
        let findings = found.findings();
        self.start = Progress::Inspected(found, opening);
        vec![Event::Found(findings)]
    }

    /// Carries out a plan: at the start before the rooms are opened on it, later once the link is over.
    pub(super) fn repair(&mut self, plan: Plan) {
        if !plan.is_empty() {
            self.incidents.does("had the keys repaired");
        }
        match std::mem::replace(&mut self.start, Progress::Away) {
            Progress::Inspected(found, mut opening) => {
                let gauge = self.gauge.clone();
                self.deed(async move {
                    match opening.open(*found, plan).await {
                        Ok(rooms) => {
                            let space = gauge.space(&rooms).await;
                            Some(Answer::Opened(Box::new(rooms), opening.closed(), space))
                        }
                        Err(error) => Some(not_opened(opening, error).await),
                    }
                });
            }
            start => {
                self.start = start;
                let data = self.config.data.clone();
                self.without_link(async move |rooms| {
                    match generations::repair(&rooms, &data, plan).await {
                        Ok(()) => Answer::Event(Event::Booted(rooms.vault.linked())),
                        Err(error) => {
                            let code = match fault::of_opening(&error) {
                                CauseCode::OpenFailed => CauseCode::VaultFailed,
                                code => code,
                            };
                            Answer::Failed(error.context("the keys could not be repaired"), code)
                        }
                    }
                });
            }
        }
    }

    pub(super) fn opened(
        &mut self,
        rooms: Rooms,
        report: BootReport,
        space: Option<Space>,
    ) -> Vec<Event> {
        let linked = rooms.vault.linked();
        journal::started(linked.generation);
        wear::start_is_over();
        self.publisher.report(report.clone());
        // The link does not wait for what is only told of this start.
        let (tide, vault, dir) = (
            rooms.tide.clone(),
            rooms.vault.clone(),
            self.config.data.clone(),
        );
        self.notes.post(async move {
            opening::keep(report, dir).await;
            let kept = blocking(move || {
                tide.keep(&vault);
                Ok::<_, Stopped>(())
            });
            // It panicked, or the process is gone before.
            let _ = kept.await;
        });
        self.publisher.opened(desk::Rooms {
            inbox: rooms.inbox.clone(),
            outbox: rooms.outbox.clone(),
            archive: rooms.archive.clone(),
            audit: rooms.audit.clone(),
            lane: self.lane.clone(),
        });
        let link = Link::new(
            self.config.settings.clone(),
            Arc::clone(&self.ahead),
            rooms.inbox.clone(),
            rooms.outbox.clone(),
            self.events.clone(),
            self.publisher.credentials(),
            LastWords::new(&self.config.data),
        );
        self.open = Some(Open { rooms, link });
        let space = space.map(Event::Space).into_iter();
        space.chain([Event::Booted(linked)]).collect()
    }

    /// Has everything that waits to be sent fail, since the account is banned.
    pub(super) fn fail_sends(&mut self) {
        let Some(open) = &self.open else { return };
        self.incidents.does("had fail what waited to be sent");
        let outbox = open.rooms.outbox.clone();
        self.deed(async move {
            if let Err(error) = outbox.fail_all("banned").await {
                tracing::warn!("what waits to be sent cannot be ended: {error}");
            }
            None
        });
    }

    /// Nothing can be kept, so nothing is begun.
    pub(super) fn not_opened(&mut self, error: anyhow::Error, report: BootReport) -> Vec<Event> {
        self.publisher.report(report);
        let code = fault::of_opening(&error);
        self.publisher.names(fault::named(code, &error));
        self.failure = Some(error);
        vec![Event::StorageFailed(code)]
    }

    /// Nothing can be kept any more.
    pub(super) fn failed(&mut self, error: anyhow::Error, code: CauseCode) -> Vec<Event> {
        tracing::error!("{error:#}");
        self.publisher.names(fault::named(code, &error));
        self.failure.get_or_insert(error);
        vec![Event::StorageFailed(code)]
    }

    /// The data partition has failed: nothing more is promised, and the owner is told.
    pub(super) fn fails(&mut self, failure: BarrierError) -> Event {
        tracing::error!("{failure}");
        let code = fault::of_barrier(&failure).unwrap_or(CauseCode::MediumFailed);
        self.failure = Some(failure.into());
        Event::StorageFailed(code)
    }

    /// Gives the live generation up for the next.
    pub(super) fn retire(&mut self, order: Order) {
        self.incidents.does(format!("retired {}", order.old));
        self.without_link(
            async move |rooms| match generations::retire(&rooms, order).await {
                Ok(linked) => Answer::Event(Event::Retired(linked)),
                Err(error) => {
                    tracing::error!("{} could not be retired: {error:#}", order.old);
                    Answer::Event(Event::RetireFailed)
                }
            },
        );
    }

    /// Gives the live generation up for an archived one.
    pub(super) fn restore(&mut self, order: Order, from: ArchiveId) {
        self.incidents.does(format!("brought {from} back"));
        self.without_link(async move |rooms| {
            match generations::restore(&rooms, order, from).await {
                Ok(linked) => Answer::Event(Event::Retired(linked)),
                Err(error) => {
                    tracing::error!("{from} could not be restored: {error:#}");
                    Answer::Event(Event::RetireFailed)
                }
            }
        });
    }

    /// Waits no longer for consumers that are away.
    pub(super) fn stop_waiting(&mut self, away_ms: u64) {
        self.incidents.does("stopped waiting for a consumer");
        self.with_rooms(async move |rooms| {
            let away = Duration::from_millis(away_ms);
            match rooms.inbox.stop_waiting(away).await {
                Ok(gone) => tracing::warn!("{gone} consumers are no longer waited for"),
                Err(error) => tracing::warn!("a consumer is still waited for: {error}"),
            }
            None
        });
    }

    /// Gives back what the mail keeps only to recognise duplicates, and measures what that brought.
    pub(super) fn trim_mail(&mut self) {
        let gauge = self.gauge.clone();
        self.with_rooms(async move |rooms| {
            if let Err(error) = tokio::try_join!(rooms.inbox.trim(), rooms.outbox.trim()) {
                tracing::warn!("what was read cannot be given back: {error}");
            }
            let space = gauge.space(&rooms).await;
            space.map(Event::Space).map(Answer::Event)
        });
    }

    /// Removes the oldest archive, and measures what that brought.
    pub(super) fn drop_oldest_archive(&mut self) {
        self.incidents.does("removed the oldest archive");
        let gauge = self.gauge.clone();
        self.with_rooms(async move |rooms| {
            let event = match rooms.archive.drop_oldest(&rooms.audit).await {
                Ok(dropped) => {
                    dropped.into_iter().for_each(journal::archive_dropped);
                    let space = gauge.space(&rooms).await;
                    space.map_or(Event::DropFailed, Event::Space)
                }
                // Somebody is at it: the next measurement asks again.
                Err(HistoryError::Busy) => return None,
                Err(error) => {
                    tracing::error!("the oldest archive could not be removed: {error}");
                    Event::DropFailed
                }
            };
            Some(Answer::Event(event))
        });
    }

    /// Measures how full the data partition is, and keeps the time when it is known to be good.
    pub(super) fn measure(&mut self, connected: bool) {
        let (gauge, around) = (self.gauge.clone(), self.around.clone());
        let Some(open) = self.open.as_ref().filter(|_| gauge.begins()) else {
            return;
        };
        let time = open.link.time().filter(|_| connected);
        let lookout = Arc::clone(&self.lookout);
        self.with_rooms(async move |rooms| {
            let space = gauge.space(&rooms).await;
            let known = lookout.look(Machine::this(), &rooms).await;
            if let Some(time) = time {
                around.is_good(time).await;
            }
            gauge.ends();
            Some(Answer::Measured(space, Box::new(known)))
        });
    }

    /// Writes down what the next start has to know; while nothing is open, or the partition has failed, where it outlives the process
    /// alone. What was written there counts until there is something newer.
    pub(super) fn remember(&mut self, noted: Past) {
        let (data, runtime) = (
            self.config.data.past(),
            past::of_runtime(&self.config.runtime),
        );
        let is_open = self.open.is_some() && self.failure.is_none();
        let (notes, place) = (self.notes.clone(), self.config.data.root().to_owned());
        let around = self.around.clone();
        self.deed(async move {
            let kept = move || {
                let behind = around.clock_is_behind();
                if !is_open {
                    return past::keep(&runtime, &noted, behind);
                }
                past::keep(&data, &noted, behind)?;
                past::forget(&runtime)
            };
            if let Err(error) = blocking(kept).await {
                tracing::warn!("what the next start should know cannot be kept: {error}");
            } else if is_open {
                // A moment later, and the link does not wait for it: no server hears of an attempt as fast as that.
                notes.post(async move {
                    if let Err(error) = blocking(move || atomic::sync_dir(&place)).await {
                        tracing::warn!("what the next start should know may be lost: {error}");
                    }
                });
            }
            None
        });
    }

    /// Notes that what a repair left to do is done.
    pub(super) fn note_caught_up(&mut self) {
        self.with_rooms(async move |rooms| {
            if let Err(error) = rooms.vault.caught_up().await {
                tracing::error!(
                    "what was caught up with is done again after the next start: {error}"
                );
            }
            None
        });
    }

    /// Counts the live generation's records by tier, beside the lane: it reads every one.
    pub(super) fn count_records(
        &self,
        reply: oneshot::Sender<Result<BTreeMap<String, u64>, String>>,
    ) {
        let Some(open) = &self.open else { return };
        let vault = Arc::clone(&open.rooms.vault);
        tokio::spawn(async move {
            let counts = vault.records().await.map_err(|error| error.to_string());
            let by_name = |counts: Counts| {
                let tiers = counts.tiers.into_iter();
                tiers
                    .map(|(tier, count)| (tier.as_str().to_owned(), count))
                    .collect()
            };
            // A caller that went away needs no answer.
            let _ = reply.send(counts.map(by_name));
        });
    }

    /// Has the lane do a deed on the open rooms.
    fn with_rooms<Deed>(&mut self, deed: impl FnOnce(Rooms) -> Deed + Send + 'static)
    where
        Deed: Future<Output = Option<Answer>> + Send + 'static,
    {
        if let Some(open) = &self.open {
            let rooms = open.rooms.clone();
            self.deed(async move { deed(rooms).await });
        }
    }

    /// As [`Hands::with_rooms`], once the last run of the link is over, so that nothing else uses the store.
    pub(super) fn without_link<Deed>(&mut self, deed: impl FnOnce(Rooms) -> Deed + Send + 'static)
    where
        Deed: Future<Output = Answer> + Send + 'static,
    {
        if let Some(open) = &mut self.open {
            let last_run = open.link.ended();
            self.with_rooms(async move |rooms| {
                last_run.await;
                Some(deed(rooms).await)
            });
        }
    }
}

async fn not_opened(opening: Opening, error: anyhow::Error) -> Answer {
    let report = opening.failed(&error).await;
    Answer::NotOpened(error, report)
}
