//! The state is published here: to the clients of the desk, the journal, the service manager, and the panel.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_core::{Cause, Face, Glow, Now, PairingFace, Reply, State, Tested, face, glow};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::Instant;

use super::known::{Known, minutes_since};
use super::service;
use super::update::Updater;
use crate::boot::{BootReport, settings::Door};
use crate::config::{Config, Settings};
use crate::desk::{Desk, Lines, Request, Rooms, Status};
use crate::journal;
use crate::link::Credentials;
use crate::panel::{Credential, Figures, Language, Panel, Showing};
use holdfast_medium::Machine;
use holdfast_medium::barrier::Barrier;
use holdfast_medium::wear::Card;

/// Every channel that something is told on.
pub(super) struct Publisher {
    started: Instant,
    status: watch::Sender<Status>,
    showing: watch::Sender<Showing>,
    credentials: watch::Sender<Credentials>,
    /// Takes causes that the owner should know of.
    news: broadcast::Sender<Cause>,
    tested: broadcast::Sender<Tested>,
    boot: watch::Sender<Arc<BootReport>>,
    rooms: watch::Sender<Option<Rooms>>,
    /// The callers who wait for the answer to a command.
    replies: HashMap<u64, oneshot::Sender<Reply>>,
    requests: u64,
    /// The causes that were reported in the step under way.
    reported: Vec<Cause>,
    /// The file that a fault is about, and what the system said of it.
    named: Option<String>,
    /// What large screens show, and the core does not know.
    known: Option<Known>,
    /// Since when the state is what it is.
    since: Instant,
    language: Language,
    has_number: bool,
    slot: Option<String>,
    /// The service manager was told that we are ready.
    ready: bool,
}

impl Publisher {
    /// Begins before anything happened; the core's clock began at `started`.
    pub(super) fn new(
        started: Instant,
        showing: watch::Sender<Showing>,
        report: BootReport,
        settings: &Settings,
    ) -> Self {
        Self {
            started,
            status: watch::Sender::new(Status::of(&State::new(0), started)),
            showing,
            credentials: watch::Sender::default(),
            news: broadcast::Sender::new(16),
            tested: broadcast::Sender::new(4),
            boot: watch::Sender::new(Arc::new(report)),
            rooms: watch::Sender::new(None),
            replies: HashMap::new(),
            requests: 0,
            reported: Vec::new(),
            named: None,
            known: None,
            since: started,
            language: settings.language,
            has_number: settings.pairing_phone.is_some(),
            slot: None,
            ready: false,
        }
    }

    /// Opens the desk, whose clients hear of all that is published.
    pub(super) fn desk(
        &mut self,
        config: &Config,
        requests: mpsc::Sender<Request>,
        panel: &Panel,
        barrier: &Barrier,
        updater: &Updater,
    ) -> Desk {
        let updatable = updater.updatable();
        self.slot = updatable.slot.clone();
        Desk::new(Lines {
            requests,
            status: self.status.subscribe(),
            credentials: self.credentials.subscribe(),
            picture: panel.pictures(),
            glass: config.board.to_string(),
            proxy: config.settings.proxy().map(ToString::to_string),
            boot: self.boot.subscribe(),
            news: self.news.clone(),
            tested: self.tested.clone(),
            updatable,
            updated: updater.ends(),
            barrier: barrier.clone(),
            card: Card::of(config.data.root()).ok(),
            data: config.data.clone(),
            ignored: config.ignored.iter().map(ToString::to_string).collect(),
            settings: Door::new(Machine::this()),
            rooms: self.rooms.subscribe(),
        })
    }

    /// The moment on the core's clock.
    pub(super) fn moment(&self, at: Instant) -> Now {
        let passed = at.saturating_duration_since(self.started).as_millis();
        Now {
            mono_ms: u64::try_from(passed).unwrap_or(u64::MAX),
        }
    }

    /// The instant of a moment on the core's clock.
    pub(super) fn instant(&self, at_ms: u64) -> Instant {
        self.started + Duration::from_millis(at_ms)
    }

    /// Takes the codes by which a phone can link us, as they are shown.
    pub(super) fn credentials(&self) -> watch::Sender<Credentials> {
        self.credentials.clone()
    }

    /// Gives clients the rooms.
    pub(super) fn opened(&self, rooms: Rooms) {
        self.rooms.send_replace(Some(rooms));
    }

    /// Publishes the report of this start, now that it is whole.
    pub(super) fn report(&self, report: BootReport) {
        self.boot.send_replace(Arc::new(report));
    }

    /// Gives a command its number, by which [`Publisher::reply`] finds the caller again.
    pub(super) fn number(&mut self, reply: Option<oneshot::Sender<Reply>>) -> u64 {
        self.requests += 1;
        if let Some(reply) = reply {
            self.replies.insert(self.requests, reply);
        }
        self.requests
    }

    /// Answers a command.
    pub(super) fn reply(&mut self, request: u64, reply: Reply) {
        if let Some(waiting) = self.replies.remove(&request) {
            // A caller that went away needs no answer.
            let _ = waiting.send(reply);
        }
    }

    /// Publishes what came of a self-test.
    pub(super) fn tested(&self, tested: Tested) {
        journal::self_tested(tested);
        // Nobody asked, after a repair.
        let _ = self.tested.send(tested);
    }

    /// Has the operator told of a cause, with the state where the step led.
    pub(super) fn reports(&mut self, cause: Cause) {
        self.reported.push(cause);
    }

    /// Publishes a cause that the owner should know of.
    pub(super) fn news(&self, cause: Cause) {
        // Nobody listens to the bus yet, or any more.
        let _ = self.news.send(cause);
    }

    /// Publishes where we stand: to everybody when that is new, and to the panel in any case.
    pub(super) fn state(&mut self, state: &State, now: Now) {
        if !self.ready && !state.is_starting() {
            service::ready();
            self.ready = true;
        }
        let status = Status::of(state, self.started);
        let reported = std::mem::take(&mut self.reported);
        self.status.send_if_modified(|published| {
            let changes = published.state != status.state || published.cause != status.cause;
            log(&status, changes, &reported, state.is_in_grace());
            if changes {
                service::status(status.state, status.cause);
            }
            if published.state != status.state {
                self.since = Instant::now();
            }
            let new = *published != status;
            *published = status;
            new
        });
        self.show(face(state, now), glow(state, now), now);
    }

    /// Takes the file that a fault is about, and what the system said of it, for the screen.
    pub(super) fn names(&mut self, named: Option<String>) {
        self.named = named;
    }

    /// Takes what large screens show beside the face: with the next one.
    pub(super) fn learns(&mut self, known: Known) {
        self.known = Some(known);
    }

    /// Speaks another language from now on; whether it is another one.
    pub(super) fn speaks(&mut self, language: Language) -> bool {
        std::mem::replace(&mut self.language, language) != language
    }

    fn figures(&self) -> Figures {
        let status = self.status.borrow();
        let figures = Figures {
            cause: status.cause,
            since_ms: Some(minutes_since(self.since)),
            last_end: Some(self.boot.borrow().end()),
            generation: Some(status.linked.generation),
            has_number: self.has_number,
            slot: self.slot.clone(),
            ..Figures::default()
        };
        let Some(known) = self.known.clone() else {
            return figures;
        };
        Figures {
            address: known.whereabouts.address,
            host: known.whereabouts.host,
            wifi: known.whereabouts.wifi,
            has_key: known.has_key,
            export_ms: known.export_ms,
            unread: Some(known.unread),
            unsent: Some(known.unsent),
            message_ms: known.newest.map(minutes_since),
            ..figures
        }
    }

    /// Puts the last face on the glass.
    pub(super) fn face(&self, face: Face) {
        self.show(face, Glow::Steady, self.moment(Instant::now()));
    }

    /// Puts a face on the glass, with the code or the file it is about, in this light.
    fn show(&self, face: Face, glow: Glow, now: Now) {
        let codes = self.credentials.borrow();
        let credential = match face {
            Face::Pairing(PairingFace::Qr { .. }) => codes.qr.clone().map(Credential::Qr),
            Face::Pairing(PairingFace::Code { .. }) => codes.code.clone().map(Credential::Code),
            _ => None,
        };
        drop(codes);
        let showing = Showing::new(face, credential)
            .naming(self.named.clone())
            .with(self.figures())
            .in_language(self.language)
            .lit(glow, now);
        self.showing.send_replace(showing);
    }
}

/// Logs what is new: one line for each cause, and one for a change of state that no cause of these explains. Of a cause that may go by
/// itself in a moment nothing is logged.
fn log(status: &Status, changes: bool, reported: &[Cause], is_in_grace: bool) {
    let changed = changes.then_some((status.state, status.linked.generation));
    for cause in reported {
        journal::told(*cause, changed.filter(|_| status.cause == Some(*cause)));
    }
    let is_told = status.cause.is_some_and(|cause| reported.contains(&cause));
    if let Some((state, generation)) = changed.filter(|_| !is_told) {
        let cause = status.cause.filter(|_| !is_in_grace);
        journal::state_changed(state, cause, generation);
    }
}

#[cfg(test)]
mod tests {
    use holdfast_core::{CauseCode, Effect, Ending, Event, GenerationId, LastFour, Linked, step};
    use holdfast_medium::DataDir;
    use tracing::Level;

    use super::*;
    use crate::boot::Evidence;

    /// What is logged of one event that happens then.
    fn logged(publisher: &mut Publisher, state: &mut State, at: u64, event: Event) -> String {
        let now = Now { mono_ms: at };
        for effect in step(state, event, now).effects {
            if let Effect::Report(cause) = effect {
                publisher.reports(cause);
            }
        }
        journal::logged(Level::INFO, || publisher.state(state, now))
    }

    #[tokio::test]
    async fn a_change_of_state_is_one_line_and_a_warning_when_its_cause_is_new() {
        let root = tempfile::tempdir().unwrap();
        let evidence = Evidence::gather(&Machine::at(root.path()), &DataDir::new(root.path()));
        let report = BootReport::new(&evidence, &evidence.verdict());
        let showing = watch::Sender::new(Showing::new(Face::Starting, None));
        let settings = Settings::default();
        let mut publisher = Publisher::new(Instant::now(), showing, report, &settings);
        let mut state = State::new(1);
        let linked = Linked {
            generation: GenerationId(1),
            account: Some(LastFour(*b"1234")),
        };
        let lost = || Event::LinkEnded(Ending::Network(CauseCode::ConnectionLost.into()));
        let minute = 60_000;
        for (at, event, lines) in [
            (0, Event::Booted(linked), "INFO Connecting "),
            (0, Event::LinkUp, "INFO Connected "),
            (
                0,
                lost(),
                "WARN Reconnecting: The connection to WhatsApp was lost. ",
            ),
            (minute, Event::Tick, ""),
            (minute, lost(), ""),
            (2 * minute, Event::Tick, ""),
            (
                2 * minute,
                Event::LinkEnded(Ending::Replaced),
                "WARN Replaced: Another copy of this device is using the session. Stop the other copy, then press the button. ",
            ),
        ] {
            let log = logged(&mut publisher, &mut state, at, event);
            assert!(
                log.contains(lines) && log.lines().count() <= 1,
                "{log} for {lines}"
            );
            assert_eq!(log.is_empty(), lines.is_empty(), "{log}");
            assert!(!log.contains("none:"), "{log}");
        }
    }
}
