//! The loop: whatever happens is told to the core's course, and the hands carry out what it decides.

use std::time::Duration;

use holdfast_core::{Command, Course, Event, Facts, Hand, Hands as _, Reply};
use holdfast_medium::Machine;
use holdfast_medium::barrier::BarrierError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, interval_at, sleep_until};

use super::answer::Answer;
use super::hands::Hands;
use super::last_resort::LastResort;
use super::service::Watchdog;
use super::signals::Signals;
use crate::boot::settings;
use crate::desk::Request;
use crate::link::Credentials;
use crate::wires::Input;

/// How often the room on the data partition is measured: far more often than an inbox could fill what is left when the
/// link comes down.
const MEASURE: Duration = Duration::from_secs(10);

/// Everything that is listened to.
pub(super) struct Ears {
    /// Events of the link and of the surroundings.
    pub(super) events: mpsc::UnboundedReceiver<Event>,
    /// Answers of deeds.
    pub(super) answers: mpsc::UnboundedReceiver<Answer>,
    /// Requests of clients.
    pub(super) requests: mpsc::Receiver<Request>,
    /// Inputs of the owner at the panel.
    pub(super) hand: mpsc::UnboundedReceiver<(std::time::Instant, Input)>,
    /// Signals of the service manager or a terminal.
    pub(super) signals: Signals,
    /// The codes on the glass.
    pub(super) codes: watch::Receiver<Credentials>,
    /// How many archives are written out and taken in.
    pub(super) saving: watch::Receiver<usize>,
    /// Whether the disk has failed.
    pub(super) storage: watch::Receiver<Option<BarrierError>>,
}

/// The course of one process, and the hands it is carried out with.
pub(super) struct Life {
    course: Course,
    pub(super) hands: Hands,
    last_resort: LastResort,
}

impl Life {
    /// Begins a course before anything happened. The seed (any random number) is the jitter's.
    pub(super) fn new(seed: u64, hands: Hands, last_resort: LastResort) -> Self {
        Self {
            course: Course::new(seed),
            hands,
            last_resort,
        }
    }

    /// Wakes with the facts of this start, and lives until the core has us leave.
    pub(super) async fn run(&mut self, facts: Facts, mut ears: Ears) {
        let mut watchdog = Watchdog::new();
        let mut measuring = interval_at(Instant::now() + MEASURE, MEASURE);
        self.take(Event::Woke(Box::new(facts)));
        while !self.hands.is_leaving() {
            let due = self.course.state().deadline();
            let due = due.map(|at_ms| self.hands.publisher.instant(at_ms));
            tokio::select! {
                biased;
                Ok(()) = ears.storage.changed() => {
                    let failure = ears.storage.borrow_and_update().clone();
                    if let Some(failure) = failure {
                        let failed = self.hands.fails(failure);
                        self.take(failed);
                    }
                }
                () = ears.signals.stop() => self.command(Command::Stop, None),
                Some(answer) = ears.answers.recv() => {
                    for event in self.hands.answered(answer) {
                        self.take(event);
                    }
                }
                Some(event) = ears.events.recv() => self.take(event),
                Some(request) = ears.requests.recv() => self.request(request),
                Some((at, input)) = ears.hand.recv() => self.input(at.into(), input),
                Ok(()) = ears.codes.changed() => self.show(),
                Ok(()) = ears.saving.changed() => {
                    let saving = *ears.saving.borrow_and_update() > 0;
                    self.take(Event::Saving(saving));
                }
                _ = measuring.tick() => {
                    // Somebody may have changed it: it is no reason to start anew.
                    let spoken = settings::spoken(&Machine::this());
                    if spoken.is_some_and(|language| self.hands.publisher.speaks(language)) {
                        self.show();
                    }
                    let connected = self.course.state().is_connected();
                    self.hands.measure(connected);
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.take(Event::Tick),
                () = watchdog.feed() => {}
            }
        }
        self.last_resort.ring();
    }

    /// Takes an event that happens now.
    fn take(&mut self, event: Event) {
        self.take_at(Instant::now(), event);
    }

    /// Takes an event that happened a little earlier.
    fn take_at(&mut self, at: Instant, event: Event) {
        let now = self.hands.publisher.moment(at);
        self.course.take(now, event, &mut self.hands);
    }

    /// Shows the state once more, for a code on the glass has changed.
    fn show(&mut self) {
        let now = self.hands.publisher.moment(Instant::now());
        self.hands.show(self.course.state(), now);
    }

    fn input(&mut self, at: Instant, input: Input) {
        match input {
            Input::Pressed => self.take_at(at, Event::Pressed(Hand::Device)),
            Input::Released => self.take_at(at, Event::Released(Hand::Device)),
            Input::Stop => self.command(Command::Stop, None),
            Input::Health { part, fault } => self.take(Event::Panel { part, fault }),
        }
    }

    fn request(&mut self, request: Request) {
        match request {
            Request::Command { command, reply } => self.command(command, Some(reply)),
            Request::Button { down: true } => self.take(Event::Pressed(Hand::Bus)),
            Request::Button { down: false } => self.take(Event::Released(Hand::Bus)),
            Request::Passkey(step) => self.hands.link(|link| link.passkey(step)),
            Request::Records { reply } => self.hands.count_records(reply),
            Request::Install { wanted, reply } => {
                self.hands.updater.take_in(wanted);
                self.command(Command::Install, Some(reply));
                self.hands.updater.drop_refused();
            }
            Request::UpdateReport { reply } => self.hands.updater.report(reply),
        }
    }

    fn command(&mut self, command: Command, reply: Option<oneshot::Sender<Reply>>) {
        if command == Command::Stop {
            self.last_resort.ring();
        }
        let request = self.hands.publisher.number(reply);
        self.take(Event::Command { request, command });
    }
}
