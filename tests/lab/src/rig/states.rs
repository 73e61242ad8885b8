//! Many cuts of one record, each looked at on a mounted disk; as many at a time as there are cores.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};

use super::INTERRUPTED;
use super::cut::{Cut, Kind};
use super::disk::Record;
use super::log::{Act, Entry, flushes};
use super::mounted::Mounted;
use super::replay::Replay;

/// Draws `count` cuts, evenly by kind, in the order of the log. Where a quarter of them is enough for it, each flush
/// boundary is one.
///
/// Half of the moments are between a promise (`moments`: sizes of the log) and the next flush: there a cut hurts
/// most. The others are anywhere.
pub fn draw(entries: &[Entry], moments: &[u64], count: usize, dice: &mut StdRng) -> Vec<Cut> {
    // All that one flush covers and nothing else, at the last moment before the next.
    let mut boundaries = flushes(entries);
    boundaries.push(entries.len());
    boundaries.shuffle(dice);
    boundaries.truncate(count.div_ceil(Kind::ALL.len()));
    let mut cuts: Vec<Cut> = boundaries
        .into_iter()
        .map(|after| Cut {
            kind: Kind::Flush,
            after,
            dice: 0,
        })
        .collect();
    let others = [Kind::Prefix, Kind::Subset, Kind::Torn];
    for kind in others.into_iter().cycle() {
        if cuts.len() >= count {
            break;
        }
        let after = match moments.choose(dice).filter(|_| dice.random()) {
            Some(moment) => {
                let promised = entries.partition_point(|entry| entry.end <= *moment);
                let rest = &entries[promised..];
                let open = rest.iter().position(|entry| entry.act == Act::Flush);
                dice.random_range(promised..=promised + open.unwrap_or(rest.len()))
            }
            None => dice.random_range(0..=entries.len()),
        };
        cuts.push(Cut {
            kind,
            after,
            dice: dice.random(),
        });
    }
    cuts.sort_by_key(|cut| cut.after);
    cuts
}

/// How a look at one state ended.
pub type Outcome = (Cut, Result<(), String>);

/// Builds the disk of each cut, mounts it and looks at it; a disk that does not mount is a failure too. With
/// `until_failure` the first failure ends it.
///
/// # Errors
/// Files cannot be written, or it was interrupted.
pub fn look_at(
    record: &Record,
    cuts: &[Cut],
    until_failure: bool,
    look: impl Fn(&Path, &Cut) -> Result<(), String> + Sync,
) -> anyhow::Result<Vec<Outcome>> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let enough = AtomicBool::new(false);
    let share = cuts.len().div_ceil(workers).max(1);
    let work = |cuts: &[Cut]| -> anyhow::Result<Vec<Outcome>> {
        let place = tempfile::tempdir_in(record.place())?;
        let image = place.path().join("image");
        let mut replay = Replay::new(&record.log, &record.start, place.path())?;
        let mut outcomes = Vec::with_capacity(cuts.len());
        for cut in cuts {
            anyhow::ensure!(!INTERRUPTED.load(Ordering::Relaxed), "interrupted");
            if enough.load(Ordering::Relaxed) {
                break;
            }
            replay.build(cut, &image)?;
            let outcome = Mounted::new(&image, &place.path().join("mount"))
                .map_err(|error| format!("it does not mount: {error:#}"))
                .and_then(|mounted| look(mounted.path(), cut));
            if until_failure && outcome.is_err() {
                enough.store(true, Ordering::Relaxed);
            }
            outcomes.push((*cut, outcome));
        }
        Ok(outcomes)
    };
    thread::scope(|scope| {
        let workers: Vec<_> = cuts
            .chunks(share)
            .map(|cuts| scope.spawn(|| work(cuts)))
            .collect();
        let mut outcomes = Vec::with_capacity(cuts.len());
        for worker in workers {
            let done = worker
                .join()
                .unwrap_or_else(|_| Err(anyhow::anyhow!("a worker panicked")));
            outcomes.extend(done?);
        }
        Ok(outcomes)
    })
}

/// Whether the whole log gives the disk it was recorded on: the rig's own check.
///
/// # Errors
/// It does not, or files cannot be read.
pub fn log_is_the_disk(record: &Record) -> anyhow::Result<()> {
    let place = tempfile::tempdir_in(record.place())?;
    let image = place.path().join("image");
    let whole = Cut {
        kind: Kind::Prefix,
        after: record.log.entries().len(),
        dice: 0,
    };
    Replay::new(&record.log, &record.start, place.path())?.build(&whole, &image)?;
    anyhow::ensure!(
        fs::read(image)? == fs::read(&record.end)?,
        "the log replayed is not the disk"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    fn entries() -> Vec<Entry> {
        let entry = |at: u64| Entry {
            end: at,
            act: match at % 3 {
                0 => Act::Flush,
                _ => Act::Write {
                    to: at,
                    from: 0,
                    len: 512,
                    forced: false,
                },
            },
        };
        (1..=30).map(entry).collect()
    }

    #[test]
    fn cuts_are_drawn_evenly_in_order_and_again_from_the_same_dice() {
        let drawn = |count| {
            let mut dice = StdRng::seed_from_u64(3);
            draw(&entries(), &[7, 8], count, &mut dice)
        };
        let cuts = drawn(40);
        assert_eq!(cuts, drawn(40));
        assert_eq!(cuts.len(), 40);
        assert!(cuts.is_sorted_by_key(|cut| cut.after));
        for kind in Kind::ALL {
            let count = cuts.iter().filter(|cut| cut.kind == kind).count();
            assert!((9..=11).contains(&count), "{kind}: {count}");
        }
        assert!(
            cuts.iter()
                .filter(|cut| [7, 8].contains(&cut.after))
                .count()
                > 5
        );
        let boundaries = drawn(60);
        let count = boundaries
            .iter()
            .filter(|cut| cut.kind == Kind::Flush)
            .count();
        assert_eq!(count, 11, "ten flushes and the end");
    }
}
