//! The first second of the process: what the machine tells before anything is opened.

use holdfast_core::{Event, Facts, Ignored, Way};
use holdfast_medium::barrier::Barrier;
use holdfast_medium::space::Reserve;
use holdfast_medium::{Claim, DataDir, Machine, blocking};
use tokio::sync::mpsc;

use super::opening::Opening;
use super::past;
use crate::boot::{self, BootReport, Evidence, RunMark, Stages, Verdict, forget, settings};
use crate::config::Config;
use crate::journal;
use crate::panel;

/// The facts of a start, and what goes on from them.
pub(super) struct Start {
    pub(super) facts: Facts,
    pub(super) opening: Opening,
    /// The mark of this run; `None` where nothing can be written.
    pub(super) mark: Option<RunMark>,
    /// Why nothing is opened, where the data partition was set aside.
    pub(super) set_aside: Option<anyhow::Error>,
}

impl Start {
    /// Marks this run as begun, and gathers what the core wakes with. Nothing that fails here is a reason not to start.
    pub(super) async fn look(
        config: &Config,
        claim: Option<Claim>,
        barrier: &Barrier,
        (verdict, report): (Verdict, BootReport),
        (way, clock_behind): (Option<Way>, bool),
        events: &mpsc::UnboundedSender<Event>,
    ) -> anyhow::Result<Self> {
        let ignored = ignored(config);
        let (dir, runtime) = (config.data.clone(), config.runtime.clone());
        let limits = config.settings.limits;
        let dims = panel::dims(&config.board);
        let qr_first = panel::shows_readable_qr(&config.board);
        let (barrier, events) = (barrier.clone(), events.clone());
        blocking(move || {
            let mut stages = Stages::new();
            match Reserve::of(dir.root()).make_room_to_open() {
                Ok(false) => {}
                Ok(true) => {
                    tracing::warn!("the data partition is full: opening it takes the reserve");
                }
                Err(error) => {
                    tracing::warn!("the room on the data partition is not known: {error}");
                }
            }
            let mark = claim.as_ref().and_then(|claim| {
                RunMark::begin(claim)
                    .inspect_err(|error| {
                        tracing::warn!("this run cannot be marked as begun: {error}");
                    })
                    .ok()
            });
            journal::last_end(verdict.end, verdict.why);
            let set_aside = boot::set_aside(&Machine::this());
            let facts = Facts {
                ignored,
                way,
                clock_behind,
                limits,
                last_end: verdict.end,
                past: past::both(&dir.past(), &runtime),
                set_aside: set_aside.is_some(),
                dims,
                // Until a glass says how fine its pixels are.
                qr_first,
                reset: forget::unfinished(&Machine::this(), &dir),
                emptied: forget::done(&dir),
                ..Facts::default()
            };
            stages.done("evidence");
            let opening = Opening::new(&dir, claim, &barrier, report, stages, limits);
            Ok(Self {
                facts,
                opening: opening.beside(&runtime, &events),
                mark,
                set_aside: set_aside
                    .map(|why| anyhow::anyhow!("the data partition is set aside: {why}")),
            })
        })
        .await
    }
}

/// Finds out how the last run ended, from all that tells of it.
pub(super) async fn evidence(data: &DataDir) -> anyhow::Result<(Verdict, BootReport)> {
    let data = data.clone();
    blocking(move || {
        let evidence = Evidence::gather(&Machine::this(), &data);
        let verdict = evidence.verdict();
        let report = BootReport::new(&evidence, &verdict);
        Ok((verdict, report))
    })
    .await
}

/// The settings of the owner that were ignored, as the screen tells of them.
fn ignored(config: &Config) -> Option<Ignored> {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    config.ignored.first().map(|first| Ignored {
        count: number(config.ignored.len()),
        file: settings::NAMES
            .into_iter()
            .find(|name| first.file.ends_with(name)),
        line: first.line.map(number),
    })
}
