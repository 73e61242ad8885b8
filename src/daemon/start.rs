//! Before the rooms are opened; and when they do not open, a panel that says why.

use std::time::Duration;

use holdfast_core::{
    CauseClass, CauseCode, Command, Effect, Event, Facts, Ignored, Now, State, Way, face, step,
};
use holdfast_medium::{
    Machine,
    space::{self, Reserve},
};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::past;
use super::service::{self, Watchdog};
use super::{Signals, since};
use crate::boot::{Evidence, Report, RunMark};
use crate::config::Config;
use crate::journal;
use crate::panel::Showing;
use crate::vault::VaultError;
use crate::wires::Input;

/// Finds out how the last run ended, and marks this one as begun; no mark where another process has the data directory.
/// Nothing that fails here is a reason not to start.
pub(super) fn begin(
    config: &Config,
    state: &mut State,
    way: Option<Way>,
    clock_behind: bool,
) -> (Report, Option<RunMark>) {
    let dir = &config.data;
    let evidence = Evidence::gather(&Machine::this(), dir);
    let verdict = evidence.verdict();
    let report = Report::new(&evidence, &verdict);
    match Reserve::of(dir.root()).make_room_to_open() {
        Ok(false) => {}
        Ok(true) => tracing::warn!("the data partition is full: opening it takes the reserve"),
        Err(error) => tracing::warn!("the room on the data partition is not known: {error}"),
    }
    let mark = match RunMark::begin(dir) {
        Ok(Some(mark)) => Some(mark),
        // The last run is that process, and has not ended.
        Ok(None) => return (report, None),
        Err(error) => {
            tracing::warn!("this run cannot be marked as begun: {error}");
            None
        }
    };
    journal::last_end(verdict.end, verdict.why);
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let ignored = config.ignored.first().map(|first| Ignored {
        count: number(config.ignored.len()),
        line: first
            .line
            .filter(|_| first.file.ends_with("holdfast.toml"))
            .map(number),
    });
    let facts = Facts {
        last_end: verdict.end,
        ignored,
        way,
        clock_behind,
        past: past::read(&config.data.past()),
        set_aside: false,
    };
    // The inspection follows anyway.
    step(state, Event::Woke(Box::new(facts)), Now { mono_ms: 0 });
    (report, mark)
}

/// What the owner is told of an error that keeps the data partition from being opened. `None`: the partition is not at fault.
pub(super) fn fault(error: &anyhow::Error) -> Option<CauseCode> {
    let mut chain = error.chain().filter_map(|error| error.downcast_ref());
    if chain.any(space::is_full) {
        return Some(CauseCode::NoSpace);
    }
    match error.downcast_ref() {
        Some(VaultError::InUse { .. }) => None,
        Some(VaultError::IdentityUnreadable { .. }) => Some(CauseCode::IdentityDamaged),
        _ => Some(CauseCode::OpenFailed),
    }
}

/// Nothing can be kept, so nothing is begun: the panel says why, until the core has us leave as failed.
pub(super) async fn show_fault(
    mut state: State,
    started: Instant,
    code: CauseCode,
    showing: &watch::Sender<Showing>,
    hand: &mut mpsc::UnboundedReceiver<(std::time::Instant, Input)>,
    signals: &mut Signals,
) {
    let stop = Event::Command {
        request: 0,
        command: Command::Stop,
    };
    let mut event = Event::StorageFailed(code);
    let mut watchdog = Watchdog::new();
    service::ready();
    loop {
        let now = since(started);
        for effect in step(&mut state, event, now).effects {
            match effect {
                Effect::Report(cause) if cause.class() == CauseClass::Panel => journal::told(cause),
                Effect::Report(cause) => {
                    journal::state_changed(state.name(), Some(cause), state.linked().generation);
                }
                Effect::Exit | Effect::ExitFailed => return,
                // There is no link to end, and nobody to answer.
                _ => {}
            }
        }
        showing.send_replace(Showing::new(face(&state, now), None));
        service::status(state.name(), state.cause());
        let due = state
            .deadline()
            .map_or(started, |at_ms| started + Duration::from_millis(at_ms));
        event = tokio::select! {
            () = watchdog.feed() => Event::Tick,
            () = signals.stop() => stop.clone(),
            Some((_, input)) = hand.recv() => match input {
                Input::Pressed => Event::Pressed,
                Input::Released => Event::Released,
                Input::Stop => stop.clone(),
                Input::Health { part, fault } => Event::Panel { part, fault },
            },
            () = sleep_until(due) => Event::Tick,
        };
    }
}
