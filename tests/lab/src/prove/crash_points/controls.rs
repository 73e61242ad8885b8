//! Writers that are careful as Holdfast is, and hold, and naive ones, which must not.

use std::future::ready;
use std::time::Duration;

use anyhow::ensure;
use rand::rngs::StdRng;

use super::Run;
use crate::rig::disk::{Disk, Record};
use crate::rig::writer::{self, Acked, Store};
use crate::rig::{self, states};

/// Steps that a writer acknowledges.
const STEPS: u64 = 120;

/// States of each careful writer's disk that are looked at, and of a naive one's at most.
const STATES: usize = 60;
const STATES_NAIVE: usize = 400;

/// The verdict is there already.
const WITHIN: Duration = Duration::from_secs(1);

/// Cases and controls.
pub(super) const CASES: u64 = 2 * Store::ALL.len() as u64;

/// Tries every store in both ways.
pub(super) async fn try_on(run: &mut Run) {
    for (store, number) in Store::ALL.into_iter().zip(1..) {
        for careful in [true, false] {
            let name = store.way(careful);
            let mut dice = run.dice(number);
            let tried = || Written::new(store, careful)?.look(&mut dice);
            match tokio::task::block_in_place(tried) {
                // A rig that does not work must not pass for a writer that fails.
                Err(error) => run.drawn(name, Err(format!("it could not be tried: {error:#}"))),
                Ok(held) if careful => {
                    run.case(name, WITHIN, ready(held)).await;
                }
                Ok(held) => run.control(name, WITHIN, ready(held)).await,
            }
        }
    }
}

/// What a writer left behind.
struct Written {
    store: Store,
    careful: bool,
    record: Record,
    acked: Vec<Acked>,
    _place: tempfile::TempDir,
}

impl Written {
    fn new(store: Store, careful: bool) -> anyhow::Result<Written> {
        let place = rig::scratch()?;
        let blank = rig::blank(place.path(), rig::DISK_MIB)?;
        let disk = Disk::begin(place.path(), &blank)?;
        let acked = writer::write(store, careful, &disk.path(), &disk.clock(), STEPS)?;
        ensure!(acked.len() as u64 == STEPS, "it did not finish");
        Ok(Written {
            store,
            careful,
            record: disk.end()?,
            acked,
            _place: place,
        })
    }

    /// Cuts the power, and says whether a step that was acknowledged is gone.
    fn look(&self, dice: &mut StdRng) -> anyhow::Result<Result<(), String>> {
        let entries = self.record.log.entries();
        let moments: Vec<u64> = self.acked.iter().map(|(_, at)| *at).collect();
        let count = if self.careful { STATES } else { STATES_NAIVE };
        let mut cuts = states::draw(entries, &moments, count, dice);
        // Before the first ack there is nothing to break, not even a store to open.
        let first = moments.first().copied().unwrap_or_default();
        cuts.retain(|cut| cut.moment(entries) >= first);
        let outcomes = states::look_at(&self.record, &cuts, true, |mount, cut| {
            let there = writer::read(self.store, self.careful, mount)
                .map_err(|error| format!("{error:#}"))?;
            let moment = cut.moment(entries);
            let given = self.acked.iter().take_while(|(_, at)| *at <= moment);
            let lost = given.filter(|(step, _)| !there.contains(step)).count();
            match lost {
                0 => Ok(()),
                _ => Err(format!("{lost} acknowledged steps are lost")),
            }
        })?;
        let broken = outcomes
            .into_iter()
            .find_map(|(cut, outcome)| Some(format!("{cut}: {}", outcome.err()?)));
        Ok(broken.map_or(Ok(()), Err))
    }
}
