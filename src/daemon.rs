//! The wiring: event in, core step, effects out. Nothing is decided here.

mod around;
mod farewell;
mod generations;
mod incidents;
mod notify;
mod past;
mod repair;
mod rooms;
mod service;
mod space;
mod start;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use holdfast_core::{
    Cause, CauseCode, Command, Effect, Event, Face, Now, PairingFace, Reply, State, Tested, face,
    step,
};
use holdfast_medium::{
    Lane, Machine,
    barrier::{Barrier, BarrierError},
    space::Reserve,
    wear::Card,
};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::{Instant, interval_at, sleep_until, timeout};

use crate::boot::{self, LastKnownGood, RunMark, Stages, settings};
use crate::bus;
use crate::config::{Args, Board, Config, Places};
use crate::desk::{self, Desk, Request, Status};
use crate::history::{Archive, Audit, Incidents, LastWords};
use crate::journal::{self, Destination};
use crate::link::{self, Credentials, Link};
use crate::mail::{Inbox, Outbox};
use crate::panel::{Credential, Panel, Showing};
use crate::vault::Vault;
use crate::wires::Input;
use around::Around;
use notify::Notices;
use service::Watchdog;

pub use rooms::Rooms;

/// How often the room on the data partition is measured: far more often than an inbox could fill what is left when the
/// link comes down.
const MEASURE: Duration = Duration::from_secs(10);

/// How long the link may take to end once the daemon leaves; the core has waited before.
const LEAVE: Duration = Duration::from_secs(5);

/// How long what is still looked up, or asked of the web, is waited for at the very end: nothing rests on it.
const LEFT_BEHIND: Duration = Duration::from_secs(1);

/// Runs the daemon until it is told to stop, and says on standard error why when it cannot.
pub fn main(args: &Args) -> ExitCode {
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("holdfastd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    journal::quiet_panics();
    let mut config = Config::load(args, &Places::system())?;
    config.ignored.extend(settings::ignored(&Machine::this()));
    link::clock::install(LastKnownGood::read(&config.data).time());
    let in_terminal = config.board == Board::Terminal;
    let log = journal::init(
        config.settings.log_level,
        in_terminal,
        &config.runtime.join("holdfastd.log"),
    )?;
    // One thread: a Pi's memory matters more here than its other cores.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the async runtime")?;
    let ended = runtime.block_on(with_panel(config, &log));
    runtime.shutdown_timeout(LEFT_BEHIND);
    ended
}

/// The panel is up first and given back last, whatever happens in between.
async fn with_panel(config: Config, log: &Destination) -> anyhow::Result<()> {
    let captions = captions(&config, log);
    let (showing, showings) = watch::channel(Showing::new(Face::Starting, None));
    let (inputs, hand) = mpsc::unbounded_channel();
    let panel = Panel::start(&config.board, captions, showings, inputs);
    let ended = serve(config, log, &panel, showing, hand).await;
    panel.stop().await;
    ended
}

/// What stands below a screen drawn in the terminal.
fn captions(config: &Config, log: &Destination) -> Vec<String> {
    let mut captions = vec!["space bar = button, q = stop".to_owned()];
    if let Destination::File(path) = log {
        captions.push(format!("log: {}", path.display()));
    }
    captions.extend(
        config
            .ignored
            .iter()
            .map(|problem| format!("ignored: {problem}")),
    );
    captions
}

/// Says once what a workstation lacks and an appliance has.
fn name_what_is_missing(place: &bus::Where, log: &Destination) {
    if *log != Destination::Journal {
        journal::facility_missing(
            "journald",
            "the log goes to standard error, or to the file named under the panel",
        );
    }
    if *place == bus::Where::Private {
        journal::facility_missing(
            "message bus",
            "holdfastctl and bots use the private socket in the runtime directory",
        );
    }
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        journal::facility_missing("service manager", "nobody restarts Holdfast if it fails");
    }
}

async fn serve(
    config: Config,
    log: &Destination,
    panel: &Panel,
    showing: watch::Sender<Showing>,
    mut hand: mpsc::UnboundedReceiver<(std::time::Instant, Input)>,
) -> anyhow::Result<()> {
    config
        .ignored
        .iter()
        .for_each(|problem| journal::setting_ignored(&problem.to_string()));
    let mut signals = Signals::new()?;
    let mut state = State::new(getrandom::u64().context("the system's random numbers")?);
    let started = Instant::now();

    let mut stages = Stages::new();
    let (events_in, mut events) = mpsc::unbounded_channel();
    let (around, way, behind) = Around::look(&config, &events_in);
    let (mut report, mark) = start::begin(&config, &mut state, way, behind);
    showing.send_replace(Showing::new(face(&state, since(started)), None));
    stages.done("evidence");
    if let Some(why) = boot::set_aside(&Machine::this()) {
        let code = CauseCode::SetAside;
        start::show_fault(state, started, code, &showing, &mut hand, &mut signals).await;
        anyhow::bail!("the data partition is set aside: {why}");
    }
    let barrier = Barrier::start()?;
    let mut storage = barrier.failure();
    let show = |state: &State| {
        let face = face(state, since(started));
        drop(showing.send_replace(Showing::new(face, None)));
    };
    let opened = Rooms::open(
        &config.data,
        &barrier,
        &mut state,
        &mut stages,
        &mut report,
        show,
    )
    .await;
    if let Err(error) = &opened {
        report.found("start", [format!("{error:#}")]);
    }
    if (mark.is_some() || opened.is_ok())
        && let Err(error) = report.keep(stages, &config.data)
    {
        tracing::warn!("the boot report cannot be kept: {error}");
    }
    let Rooms {
        vault,
        inbox,
        outbox,
        audit,
        archive,
    } = match opened {
        Ok(rooms) => rooms,
        Err(error) => {
            if let Some(code) = start::fault(&error) {
                start::show_fault(state, started, code, &showing, &mut hand, &mut signals).await;
            }
            return Err(error);
        }
    };

    let news = broadcast::Sender::new(16);
    let tested = broadcast::Sender::new(4);
    let (requests_in, mut requests) = mpsc::channel(16);
    let credentials = watch::Sender::new(Credentials::default());
    let mut codes = credentials.subscribe();
    let status = watch::Sender::new(Status::of(&state, started));
    let (_booted, boot) = watch::channel(Arc::new(report));
    let (_opened, opened) = watch::channel(Some(desk::Rooms {
        inbox: inbox.clone(),
        outbox: outbox.clone(),
        archive: archive.clone(),
        audit: audit.clone(),
        lane: Lane::new(),
    }));
    let desk = Desk::new(desk::Lines {
        requests: requests_in,
        status: status.subscribe(),
        credentials: credentials.subscribe(),
        picture: panel.pictures(),
        glass: config.board.to_string(),
        boot,
        news: news.clone(),
        tested: tested.clone(),
        barrier: barrier.clone(),
        card: Card::of(config.data.root()).ok(),
        data: config.data.clone(),
        rooms: opened,
    });
    let place = bus::Where::choose(config.data.root());
    name_what_is_missing(&place, log);
    let served = bus::serve(place, &config.runtime, desk).await;
    let notices = Notices {
        own_chat: config.settings.notify_own_chat,
        hook: config.settings.notify_hook.clone(),
    };
    let mut daemon = Daemon {
        state,
        started,
        latest: started,
        link: Link::new(
            config.settings,
            inbox.clone(),
            outbox.clone(),
            events_in.clone(),
            credentials.clone(),
            LastWords::new(&config.data),
        ),
        events: events_in,
        vault: Arc::new(vault),
        audit,
        archive,
        barrier: barrier.clone(),
        inbox,
        outbox,
        notices,
        news,
        tested,
        reserve: Reserve::of(config.data.root()),
        replies: HashMap::new(),
        requests: 0,
        credentials,
        status,
        showing,
        exit: false,
        failure: None,
        around,
        past: config.data.past(),
        incidents: incidents::open(&config.data),
    };

    if let (Some(incidents), Some(cause)) = (&mut daemon.incidents, daemon.state.cause()) {
        incidents.happens(cause);
    }
    let linked = daemon.vault.linked();
    journal::started(linked.generation);
    service::ready();
    let mut watchdog = Watchdog::new();
    let mut measuring = interval_at(Instant::now() + MEASURE, MEASURE);
    daemon.measure().await;
    // What the finger did meanwhile, it did while we started.
    while let Ok((at, input)) = hand.try_recv() {
        daemon.input(at.into(), input).await;
    }
    daemon.take(Event::Booted(linked)).await;
    while !daemon.exit {
        let due = daemon
            .state
            .deadline()
            .map(|at_ms| daemon.started + Duration::from_millis(at_ms));
        tokio::select! {
            biased;
            Ok(()) = storage.changed() => {
                let failure = storage.borrow_and_update().clone();
                if let Some(failure) = failure {
                    daemon.fail(failure).await;
                }
            }
            () = signals.stop() => daemon.command(Command::Stop, None).await,
            Some(event) = events.recv() => daemon.take(event).await,
            Some(request) = requests.recv() => daemon.request(request).await,
            Some((at, input)) = hand.recv() => daemon.input(at.into(), input).await,
            Ok(()) = codes.changed() => daemon.show(),
            _ = measuring.tick() => {
                daemon.measure().await;
                if daemon.state.is_connected() {
                    daemon.around.is_good();
                }
            }
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => daemon.take(Event::Tick).await,
            () = watchdog.feed() => {}
        }
    }
    service::stopping();
    served.stop().await;
    if let Some(failure) = daemon.failure {
        return Err(failure.into());
    }
    // The store is left as a power cut would leave it while anything may still write to it.
    timeout(LEAVE, daemon.link.ended())
        .await
        .context("the link does not end")?;
    daemon.vault.close().await?;
    barrier.stop().await?;
    if let Some(Err(error)) = mark.map(RunMark::stop) {
        tracing::warn!("the mark of this run cannot be closed: {error}");
    }
    journal::stopped();
    let saved = Face::Stopped { saved: true };
    drop(daemon.showing.send_replace(Showing::new(saved, None)));
    Ok(())
}

/// What asks us to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("the signal SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("the signal SIGINT")?,
        })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The moment on the core's clock, whose zero is `started`.
fn since(started: Instant) -> Now {
    moment(started, Instant::now())
}

fn moment(started: Instant, at: Instant) -> Now {
    let passed = at.saturating_duration_since(started).as_millis();
    Now {
        mono_ms: u64::try_from(passed).unwrap_or(u64::MAX),
    }
}

/// The live generation's records by tier.
async fn count(vault: &Vault) -> Result<BTreeMap<String, u64>, String> {
    let counts = vault.records().await.map_err(|error| error.to_string())?;
    Ok(counts
        .tiers
        .into_iter()
        .map(|(tier, count)| (tier.as_str().to_owned(), count))
        .collect())
}

struct Daemon {
    state: State,
    /// The zero of the core's monotonic clock.
    started: Instant,
    /// When the last event happened.
    latest: Instant,
    vault: Arc<Vault>,
    audit: Audit,
    archive: Archive,
    barrier: Barrier,
    inbox: Inbox,
    outbox: Outbox,
    notices: Notices,
    /// Takes what the bus tells of.
    news: broadcast::Sender<Cause>,
    /// Takes what came of a test.
    tested: broadcast::Sender<Tested>,
    reserve: Reserve,
    link: Link,
    /// Takes what an effect answers with later.
    events: mpsc::UnboundedSender<Event>,
    /// Who waits for which request's answer.
    replies: HashMap<u64, oneshot::Sender<Reply>>,
    requests: u64,
    credentials: watch::Sender<Credentials>,
    status: watch::Sender<Status>,
    showing: watch::Sender<Showing>,
    exit: bool,
    /// Why nothing can be kept any more.
    failure: Option<BarrierError>,
    around: Around,
    /// The file with what the next start has to know.
    past: PathBuf,
    /// What went wrong; `None` where that cannot be written down.
    incidents: Option<Incidents>,
}

impl Daemon {
    fn now(&self) -> Now {
        since(self.started)
    }

    /// One event that happens now, its effects, and the events they answer with at once.
    async fn take(&mut self, event: Event) {
        self.take_at(Instant::now(), event).await;
    }

    /// As [`Daemon::take`], for an event that happened a little earlier; the core's clock never steps back.
    async fn take_at(&mut self, at: Instant, event: Event) {
        let mut next = Some((at, event));
        while let Some((at, event)) = next.take() {
            self.latest = self.latest.max(at);
            for effect in step(&mut self.state, event, moment(self.started, self.latest)).effects {
                let answer = self.carry_out(effect).await;
                next = answer.map(|event| (Instant::now(), event)).or(next);
            }
        }
        self.publish();
        self.show();
    }

    /// What came from the panel, and when.
    async fn input(&mut self, at: Instant, input: Input) {
        match input {
            Input::Pressed => self.take_at(at, Event::Pressed).await,
            Input::Released => self.take_at(at, Event::Released).await,
            Input::Stop => self.command(Command::Stop, None).await,
            Input::Health { part, fault } => self.take(Event::Panel { part, fault }).await,
        }
    }

    async fn carry_out(&mut self, effect: Effect) -> Option<Event> {
        if let Some(incidents) = &mut self.incidents {
            incidents::note(incidents, &effect);
        }
        match effect {
            // They came before there was a daemon: see `rooms`.
            Effect::Inspect => {}
            Effect::Repair(plan) => self.repair(plan).await,
            Effect::AskPhone => self.link.ask_phone(),
            Effect::Pulse => self.link.pulse(),
            Effect::SelfTest => self.link.self_test(),
            Effect::Tested(tested) => {
                journal::self_tested(tested);
                // Nobody asked, after a repair.
                let _ = self.tested.send(tested);
            }
            Effect::Renegotiate { peer } => {
                journal::renegotiated();
                self.link.renegotiate(peer);
            }
            Effect::Undecrypted { messages, peers } => journal::undecrypted(messages, peers),
            Effect::CatchUp(todo) => self.link.catch_up(todo),
            Effect::NoteCaughtUp => {
                if let Err(error) = self.vault.caught_up().await {
                    tracing::error!(
                        "what was caught up with is done again after the next start: {error}"
                    );
                }
            }
            Effect::Probe => self.link.probe(),
            Effect::Remember(past) => {
                if let Err(error) = past::keep(&self.past, &past) {
                    tracing::warn!("what the next start should know cannot be kept: {error}");
                }
            }
            Effect::Connect | Effect::Pair => self.link.start(self.vault.backend()),
            Effect::Disconnect => self.link.disconnect(),
            Effect::Retire(order) => self.retire(order).await,
            Effect::DropOldestArchive => return Some(self.drop_oldest_archive().await),
            Effect::Restore { order, from } => self.restore(order, from).await,
            Effect::Farewell(id) => self.farewell(id),
            Effect::Notify(cause) => self.notify(cause),
            Effect::Report(cause) => {
                journal::told(cause);
                if let Some(incidents) = &mut self.incidents {
                    incidents.happens(cause);
                }
            }
            Effect::Reply { request, reply } => {
                if let Some(waiting) = self.replies.remove(&request) {
                    // A caller that went away needs no answer.
                    let _ = waiting.send(reply);
                }
            }
            Effect::Exit | Effect::ExitFailed => self.exit = true,
        }
        None
    }

    async fn request(&mut self, request: Request) {
        match request {
            Request::Command { command, reply } => self.command(command, Some(reply)).await,
            Request::Button { down: true } => self.take(Event::Pressed).await,
            Request::Button { down: false } => self.take(Event::Released).await,
            Request::Passkey(step) => self.link.passkey(step),
            Request::Records { reply } => {
                let vault = Arc::clone(&self.vault);
                // It reads every record: the loop goes on meanwhile.
                tokio::spawn(async move { reply.send(count(&vault).await) });
            }
        }
    }

    async fn command(&mut self, command: Command, reply: Option<oneshot::Sender<Reply>>) {
        self.requests += 1;
        let request = self.requests;
        if let Some(reply) = reply {
            self.replies.insert(request, reply);
        }
        self.take(Event::Command { request, command }).await;
    }

    /// Tells bus, journal and service manager where we stand, when that is new.
    fn publish(&mut self) {
        let status = Status::of(&self.state, self.started);
        if let Some(incidents) = &mut self.incidents {
            incidents.look(&self.state);
        }
        self.status.send_if_modified(|published| {
            if published.state != status.state || published.cause != status.cause {
                journal::state_changed(status.state, status.cause, status.linked.generation);
                service::status(status.state, status.cause);
            }
            let new = *published != status;
            *published = status;
            new
        });
    }

    /// Puts the face on the glass, with the code it is about.
    fn show(&self) {
        let face = face(&self.state, self.now());
        let codes = self.credentials.borrow();
        let credential = match face {
            Face::Pairing(PairingFace::Qr { .. }) => codes.qr.clone().map(Credential::Qr),
            Face::Pairing(PairingFace::Code { .. }) => codes.code.clone().map(Credential::Code),
            _ => None,
        };
        drop(codes);
        self.showing.send_replace(Showing::new(face, credential));
    }
}
