//! The assembly: every room is built here, and handed to the course and the hands. Nothing is decided here.

mod answer;
mod around;
#[cfg(test)]
mod before;
mod course;
mod deeds;
mod dial;
mod farewell;
mod fault;
mod forget;
mod generations;
mod hands;
mod incidents;
mod known;
mod last_resort;
#[cfg(test)]
mod limits;
mod night;
mod notify;
mod opening;
mod past;
mod publish;
mod restart;
mod rooms;
mod sent;
mod service;
mod signals;
mod space;
mod start;
mod tide;
mod update;

use std::io;
use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use holdfast_core::{Event, Face, Facts, Unfinished};
use holdfast_medium::barrier::Barrier;
use holdfast_medium::{Claim, ClaimError, Lane, Machine, blocking, descriptors, leave_no_core};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::boot::{self, LastKnownGood, settings};
use crate::bus;
use crate::config::{self, Args, Config, Places};
use crate::journal::{self, Destination};
use crate::link;
use crate::panel::{self, Panel, Showing};
use crate::vault::VaultError;
use crate::wires::{Board, Input};
use around::Around;
use course::{Ears, Life};
use hands::Hands;
use last_resort::LastResort;
use publish::Publisher;
use restart::Restart;
use signals::Signals;
use start::Start;
use update::Updater;

pub use rooms::Rooms;

/// How long the deeds under way and the link may take to end once the daemon leaves; the core has waited before.
const LEAVE: Duration = Duration::from_secs(5);

/// How long what is still looked up, or asked of the web, is waited for at the very end: nothing rests on it.
const LEFT_BEHIND: Duration = Duration::from_secs(1);

/// The most threads for blocking calls at once; more calls wait for one.
const THREADS: usize = 64;

/// A thread for blocking calls stays once it was there: when the system starts no more, one is enough to go on.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The exit code of a process whose data directory another one uses (EX_TEMPFAIL, sysexits.h).
const IN_USE: u8 = 75;

/// Runs the daemon until it is told to stop, and says on standard error why when it cannot.
pub fn main(args: &Args) -> ExitCode {
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("holdfastd: {error:#}");
            if is_in_use(&error) {
                ExitCode::from(IN_USE)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

/// Whether another process uses what is ours.
fn is_in_use(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(ClaimError::InUse { .. }))
        || matches!(error.downcast_ref(), Some(VaultError::StoreInUse { .. }))
}

fn run(args: &Args) -> anyhow::Result<()> {
    journal::quiet_panics();
    if let Err(error) = leave_no_core() {
        eprintln!("holdfastd: a crash may leave a core dump with keys in it: {error}");
    }
    let descriptors = descriptors();
    let mut config = Config::load(args, &Places::system())?;
    let claim = claim(&config)?;
    let forgotten = forget_what_is_to_be(&config, claim.as_ref());
    config.ignored.extend(settings::ignored(&Machine::this()));
    link::clock::install(LastKnownGood::read(&config.data).time());
    let in_terminal = config.board == Board::Terminal;
    let log = journal::init(
        config.settings.log_level,
        in_terminal,
        &config.runtime.join("holdfastd.log"),
    )?;
    match forgotten {
        None => {}
        Some(Ok(left)) => journal::forgotten(&left),
        Some(Err(error)) => tracing::error!("the factory reset could not be finished: {error}"),
    }
    // One thread: a Pi's memory matters more here than its other cores.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(THREADS)
        .thread_keep_alive(FOR_EVER)
        .build()
        .context("the async runtime")?;
    // While there is one thread, calls wait for it when the system starts no more; the first one has nobody to wait for.
    catch_unwind(|| runtime.spawn_blocking(|| ())).map_err(|_| {
        anyhow!("the system starts no thread; raise the limit of its user or service (TasksMax)")
    })?;
    let (ended, restart) = runtime.block_on(with_panel(config, claim, &log, descriptors));
    runtime.shutdown_timeout(LEFT_BEHIND);
    if restart != Restart::Process {
        return ended;
    }
    if let Err(error) = ended {
        tracing::error!("{error:#}");
    }
    match restart::again().context("Holdfast does not start again by itself")? {}
}

/// Does a factory reset that waits for a start, where no boot does it, before anything is opened; says what is left.
fn forget_what_is_to_be(config: &Config, claim: Option<&Claim>) -> Option<io::Result<Vec<String>>> {
    let (machine, data) = (Machine::this(), &config.data);
    let waits = boot::forget::unfinished(&machine, data) != Unfinished::No;
    let is_ours = claim.is_some() && !boot::forget::is_of_the_image(&machine, data);
    (waits && is_ours).then(|| boot::forget::empty(data))
}

/// Claims the data directory before anything in it is looked at. Where another process has it there is nothing to serve: the
/// panel and the bus are that one's, too. `None` where something else keeps it from being ours: the opening meets that again, and it
/// is shown.
fn claim(config: &Config) -> Result<Option<Claim>, ClaimError> {
    match Claim::take(&config.data) {
        Ok(claim) => {
            claim.keep();
            Ok(Some(claim))
        }
        Err(error @ ClaimError::InUse { .. }) => Err(error),
        Err(ClaimError::Io { .. }) => Ok(None),
    }
}

/// The panel is up first and given back last, whatever happens in between.
async fn with_panel(
    config: Config,
    claim: Option<Claim>,
    log: &Destination,
    descriptors: u64,
) -> (anyhow::Result<()>, Restart) {
    let captions = captions(&config, log);
    let (showing, showings) = watch::channel(first(&config));
    let (inputs, hand) = mpsc::unbounded_channel();
    let panel = Panel::start(&config.board, captions, showings, inputs);
    let (mut restart, mut signals) = (Restart::No, None);
    let served = serve((config, claim), (log, descriptors), &panel, showing, hand);
    let ended = served.await.and_then(|(ended, wanted, heard)| {
        (restart, signals) = (wanted, Some(heard));
        ended
    });
    panel.stop().await;
    if let Some(signals) = signals {
        restart.begins(signals).await;
    }
    (ended, restart)
}

/// What is shown until the core says more.
fn first(config: &Config) -> Showing {
    Showing::new(Face::Starting, None).in_language(config.settings.language)
}

/// The captions below a screen drawn in the terminal.
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

/// Builds everything around the core, has it live, and takes all of it down again in order.
async fn serve(
    (config, claim): (Config, Option<Claim>),
    (log, descriptors): (&Destination, u64),
    panel: &Panel,
    showing: watch::Sender<Showing>,
    hand: mpsc::UnboundedReceiver<(std::time::Instant, Input)>,
) -> anyhow::Result<(anyhow::Result<()>, Restart, Signals)> {
    // Where a step of the boot has read the settings, it has said so, once a boot; but for what it cannot judge.
    let is_told = settings::lets_in(&Machine::this()).is_some();
    for problem in &config.ignored {
        if !is_told || config::is_for_the_daemon(problem) {
            journal::setting_ignored(&problem.to_string());
        }
    }
    let (verdict, report) = start::evidence(&config.data).await?;
    let mut publisher = Publisher::new(Instant::now(), showing, report.clone(), &config.settings);
    let (barrier, lane) = (Barrier::start()?, Lane::new());
    let last_resort = LastResort::begin(barrier.watch()).context("the last resort")?;
    let signals = Signals::new()?;
    // Of those that come while the loop's ears are closed already.
    let later = Signals::new()?;
    let seed = getrandom::u64().context("the system's random numbers")?;
    let (events_in, events) = mpsc::unbounded_channel();
    let (answers_in, answers) = mpsc::unbounded_channel();
    let (requests_in, requests) = mpsc::channel(16);

    let place = bus::Where::choose(config.data.root());
    service::name_what_is_missing(&place, log);
    let updater = Updater::new(&config, &events_in);
    let desk = publisher.desk(&config, requests_in, panel, &barrier, &updater);
    let saving = desk.saving();
    let runtime = config.runtime.clone();
    // Nobody waits for a message bus that comes up beside us.
    let served = tokio::spawn(async move { bus::serve(place, &runtime, desk, descriptors).await });

    let ears = Ears {
        events,
        answers,
        requests,
        hand,
        signals,
        codes: publisher.credentials().subscribe(),
        saving,
        storage: barrier.failure(),
    };
    let (around, seen) = Around::look(&config, &events_in);
    if let Some(night) = config.settings.night.filter(|_| panel::dims(&config.board)) {
        tokio::spawn(night::watch(night, Event::Night, events_in.clone()));
    }
    let found = (verdict, report);
    let start = Start::look(&config, claim, &barrier, found, seen, &events_in).await?;
    let begun = (start.opening, start.set_aside);
    let updates = updater.begin().await;
    if updates.automatic {
        let hours = config.settings.update_hours;
        tokio::spawn(night::watch(hours, Event::UpdateHour, events_in.clone()));
    }
    let facts = Facts {
        updates,
        ..start.facts
    };
    let answers = (events_in, answers_in);
    let hands = Hands::new(
        config,
        publisher,
        (barrier.clone(), lane),
        begun,
        (around, updater),
        answers,
    );
    let mut life = Life::new(seed, hands, last_resort);
    life.run(facts, ears).await;

    let restart = life.hands.restart;
    // A restart is the service manager's to begin, or none of its business.
    if restart == Restart::No {
        service::stopping();
    }
    let closed = async {
        served.await?.stop().await;
        let publisher = life.hands.leave().await?;
        barrier.stop().await?;
        if let Some(mark) = start.mark
            && let Err(error) = blocking(move || mark.stop()).await
        {
            tracing::warn!("the mark of this run cannot be closed: {error}");
        }
        journal::stopped();
        // A restart says so, and does not call it safe to pull the plug.
        if restart == Restart::No {
            publisher.face(Face::Stopped { saved: true });
        }
        Ok(())
    };
    Ok((closed.await, restart, later))
}
