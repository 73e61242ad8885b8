//! The hands: each effect of the core is carried out here, and nowhere else.

use std::sync::Arc;

use anyhow::Context as _;
use holdfast_core::{self as core, Effect, Event, Now, Stage, State};
use holdfast_medium::barrier::Barrier;
use holdfast_medium::{Lane, Machine, blocking};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::LEAVE;
use super::answer::Answer;
use super::around::Around;
use super::incidents::IncidentLog;
use super::known::Lookout;
use super::opening::{Opening, Progress};
use super::publish::Publisher;
use super::restart::Restart;
use super::rooms::Rooms;
use super::space::Gauge;
use super::update::Updater;
use crate::boot::wifi;
use crate::config::Config;
use crate::journal;
use crate::link::{Ahead, Link};

/// The daemon's hands: the rooms that carry effects out, and the channels for answers.
pub(super) struct Hands {
    pub(super) config: Config,
    pub(super) publisher: Publisher,
    /// One queue of deeds on the disk: each is done before the next begins.
    pub(super) lane: Lane,
    /// A second one beside it, for what nothing else waits for.
    pub(super) notes: Lane,
    /// Takes the answers of deeds.
    pub(super) answers: mpsc::UnboundedSender<Answer>,
    /// Takes what happens to the link.
    pub(super) events: mpsc::UnboundedSender<Event>,
    pub(super) incidents: IncidentLog,
    pub(super) barrier: Barrier,
    pub(super) gauge: Gauge,
    pub(super) lookout: Arc<Lookout>,
    pub(super) around: Around,
    pub(super) updater: Updater,
    /// The start under way, until the rooms are open or cannot be.
    pub(super) start: Progress,
    /// The rooms, once they are open.
    pub(super) open: Option<Open>,
    pub(super) dial: Dial,
    /// What was dialled before there was a link.
    pub(super) ahead: Arc<Ahead>,
    /// Why the process ends as failed.
    pub(super) failure: Option<anyhow::Error>,
    pub(super) leaving: bool,
    pub(super) restart: Restart,
}

/// The rooms, and the link that lives on them.
pub(super) struct Open {
    pub(super) rooms: Rooms,
    pub(super) link: Link,
}

/// A run of the link that waits for the deeds that were decided before it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Dial {
    /// None waits.
    Idle,
    /// One waits.
    Waits,
    /// One waits, and was told to end meanwhile.
    Ends,
}

impl core::Hands for Hands {
    fn carry_out(&mut self, state: &State, effect: Effect) -> Vec<Event> {
        match effect {
            Effect::Inspect => self.inspect(),
            Effect::DialAhead => self.ahead.dial(),
            Effect::Repair(plan) => self.repair(plan),
            Effect::Connect => self.dial("connected"),
            Effect::Pair => self.dial("asked for a code"),
            Effect::Disconnect => self.hang_up(),
            Effect::Retire(order) => self.retire(order),
            Effect::Restore { order, from } => self.restore(order, from),
            Effect::Reset(order) => self.reset(order),
            Effect::ResetSeen => self.reset_seen(),
            Effect::TrimMail => self.trim_mail(),
            Effect::StopWaiting { away_ms } => self.stop_waiting(away_ms),
            Effect::DropOldestArchive => self.drop_oldest_archive(),
            Effect::Remember(past) => self.remember(*past),
            Effect::NoteCaughtUp => self.note_caught_up(),
            Effect::Farewell(id) => self.farewell(id),
            Effect::CatchUp(todo) => self.link(|link| link.catch_up(todo)),
            Effect::Probe => self.link(Link::probe),
            Effect::AskPhone => self.link(Link::ask_phone),
            Effect::Pulse => self.link(Link::pulse),
            Effect::SelfTest => {
                self.incidents.does("tested the connection");
                self.link(Link::self_test);
            }
            Effect::Renegotiate { peer } => {
                journal::renegotiated();
                self.incidents.remarks("had a contact make a new session");
                self.link(|link| link.renegotiate(peer));
            }
            Effect::FailSends => self.fail_sends(),
            Effect::Tested(tested) => self.publisher.tested(tested),
            Effect::Undecrypted { messages, peers } => journal::undecrypted(messages, peers),
            Effect::Report(cause) => {
                self.publisher.reports(cause);
                self.incidents.happens(cause);
            }
            Effect::Notify(cause) => self.notify(state.name(), cause),
            Effect::Reply { request, reply } => self.publisher.reply(request, reply),
            Effect::Rejoin => self.rejoin(),
            Effect::Exit => self.leaving = true,
            Effect::LookForUpdate => self.updater.look(),
            Effect::Install => {
                self.incidents.does("began to install a new version");
                self.updater.install();
            }
            Effect::MarkGood => self.updater.mark_good(),
            Effect::Restart => {
                self.incidents.does("restarted the machine");
                let why = match state.update() {
                    Stage::Restarting => "a new version",
                    _ if state.forgets_all() => "a factory reset",
                    _ => "a radio of which nothing comes",
                };
                self.restart.ask(&self.config, why);
                self.leaving = true;
            }
            Effect::ExitFailed => {
                // Whatever went wrong, it is never an end in order.
                let why = || {
                    anyhow::anyhow!(
                        "{}",
                        state
                            .cause()
                            .map_or_else(String::new, |cause| cause.to_string())
                    )
                };
                self.failure.get_or_insert_with(why);
                self.leaving = true;
            }
        }
        // The card and the link answer in their own time, as events.
        Vec::new()
    }

    fn show(&mut self, state: &State, now: Now) {
        self.incidents.look(state);
        self.publisher.state(state, now);
    }
}

impl Hands {
    /// Takes everything that effects are carried out with.
    pub(super) fn new(
        config: Config,
        publisher: Publisher,
        (barrier, lane): (Barrier, Lane),
        start: (Opening, Option<anyhow::Error>),
        (around, updater): (Around, Updater),
        (events, answers): (mpsc::UnboundedSender<Event>, mpsc::UnboundedSender<Answer>),
    ) -> Self {
        let (opening, failure) = start;
        let incidents = IncidentLog::new(&lane);
        if opening.is_ours() {
            incidents.open(&config.data);
        }
        Self {
            incidents,
            gauge: Gauge::new(&config.data),
            lookout: Arc::default(),
            around,
            updater,
            start: Progress::Closed(opening),
            ahead: Arc::new(Ahead::new(&config.settings)),
            config,
            publisher,
            lane,
            notes: Lane::new(),
            barrier,
            events,
            answers,
            open: None,
            dial: Dial::Idle,
            failure,
            leaving: false,
            restart: Restart::default(),
        }
    }

    /// Has the Wi-Fi joined anew.
    fn rejoin(&mut self) {
        self.incidents.does("joined the Wi-Fi anew");
        match wifi::ask_to_rejoin(&Machine::this()) {
            Ok(()) => tracing::warn!("nothing comes of the Wi-Fi: it is joined anew"),
            Err(error) => tracing::warn!("the Wi-Fi cannot be joined anew: {error}"),
        }
    }

    /// Whether the process is to end.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// Takes an answer, and returns the events in it.
    pub(super) fn answered(&mut self, answer: Answer) -> Vec<Event> {
        match answer {
            Answer::Event(event) => vec![event],
            Answer::Measured(space, known) => {
                self.publisher.learns(*known);
                space.map(Event::Space).into_iter().collect()
            }
            Answer::Inspected(inspection, opening) => self.inspected(inspection, *opening),
            Answer::Opened(rooms, report, space) => self.opened(*rooms, report, space),
            Answer::NotOpened(error, report) => self.not_opened(error, report),
            Answer::Failed(error, code) => self.failed(error, code),
            Answer::MayDial => self.may_dial(),
        }
    }

    /// Has the lane do a deed after those that were decided before it, and answer.
    pub(super) fn deed(&self, deed: impl Future<Output = Option<Answer>> + Send + 'static) {
        let answers = self.answers.clone();
        self.lane.post(async move {
            if let Some(answer) = deed.await {
                // Without a loop to hear of it, the next start goes on from what it finds.
                let _ = answers.send(answer);
            }
        });
    }

    /// Ends in order: the deeds are done, the link is over, and the store is closed.
    ///
    /// # Errors
    /// Why the process failed, or what does not end: the store is then left as a power cut would leave it.
    pub(super) async fn leave(mut self) -> anyhow::Result<Publisher> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let last_run = self.open.as_mut().map(|open| open.link.ended());
        timeout(LEAVE, async {
            self.lane.close().await;
            self.notes.close().await;
            if let Some(last_run) = last_run {
                last_run.await;
            }
        })
        .await
        .context("a deed on the disk, or the link, does not end")?;
        if let Some(open) = self.open {
            let (tide, vault) = (open.rooms.tide.clone(), open.rooms.vault.clone());
            blocking(move || {
                tide.keep(&vault);
                anyhow::Ok(())
            })
            .await?;
            open.rooms.vault.close().await?;
        }
        Ok(self.publisher)
    }
}
