//! `bench start`: from the start of the process to Connected, for a device that is linked, with flushes as they are here and with
//! flushes that take as long as a card's.

use std::time::{Duration, Instant, SystemTime};

use anyhow::ensure;
use async_trait::async_trait;

use super::report::NONE;
use super::{Bench, Extent, Report, Terms};
use crate::peers::{Kind, Place, link};
use crate::rig::flushes;
use crate::server::{Lab, LabConfig};

/// How often each is started, one after the other in turns: a busy moment then strikes both. In the short form: fewer.
const STARTS: usize = 7;
const FEW: usize = 5;

const CLIENTS: [Kind; 4] = [
    Kind::Holdfast,
    Kind::WhatsappRust,
    Kind::WhatsappRustFull,
    Kind::Baileys,
];

/// How much longer a flush takes, and what is added to a client's name.
const CARDS: [(Duration, &str); 3] = [
    (Duration::ZERO, ""),
    (Duration::from_millis(5), ", 5 ms"),
    (SLOW, ", 20 ms"),
];

/// A flush of a slow card.
const SLOW: Duration = Duration::from_millis(20);

/// The benchmark.
pub struct Start;

#[async_trait(?Send)]
impl Bench for Start {
    fn name(&self) -> &'static str {
        "start"
    }

    fn about(&self) -> &'static str {
        "time from process start to Connected, with a card's flushes too, beside a bare whatsapp-rust client and Baileys"
    }

    fn is_checked(&self) -> bool {
        true
    }

    async fn measure(&self, terms: &Terms) -> anyhow::Result<Report> {
        let mut report = Report::new(&["least_ms", "median_ms", "most_ms", "flushes"]);
        let (cards, clients, starts) = match terms.extent {
            Extent::Short => (&CARDS[2..], &CLIENTS[..2], FEW),
            Extent::Usual | Extent::Full => (&CARDS[..], &CLIENTS[..], STARTS),
        };
        for (delay, name) in cards {
            started(&mut report, terms, (*delay, name), clients, starts).await?;
        }
        if terms.extent != Extent::Short {
            let (of, to) = ("holdfast", "whatsapp-rust");
            report.ratio("start_vs_whatsapp_rust", "median_ms", of, to);
            let (of, to) = ("holdfast, 5 ms", "whatsapp-rust, 5 ms");
            report.ratio("start_vs_whatsapp_rust_5ms", "median_ms", of, to);
        }
        let (of, to) = ("holdfast, 20 ms", "whatsapp-rust, 20 ms");
        report.ratio("start_vs_whatsapp_rust_20ms", "median_ms", of, to);
        report.plain("start_flushes", "flushes", of);
        // What is written beside the dial is begun before Connected, or after.
        report.steady("start_vs_whatsapp_rust_20ms", 0.3);
        report.steady("start_flushes", 2.0);
        Ok(report)
    }
}

/// Adds a row for each client: linked anew, since Holdfast logs in only so often within ten minutes.
async fn started(
    report: &mut Report,
    terms: &Terms,
    (delay, name): (Duration, &str),
    clients: &[Kind],
    starts: usize,
) -> anyhow::Result<()> {
    let lab = Lab::start(LabConfig::default()).await?;
    let files = tempfile::tempdir()?;
    let unslowed = flushes::missing();
    let mut ready = Vec::new();
    for (kind, number) in clients.iter().zip(1..) {
        let home = files.path().join(kind.name());
        std::fs::create_dir(&home)?;
        let place = Place::of(&home).with(terms.daemon.as_deref());
        let missing = match kind.missing().await {
            None if !delay.is_zero() => unslowed.clone(),
            missing => missing,
        };
        let counted = match missing {
            Some(missing) => Err(missing),
            None => {
                let number = format!("1555000000{number}");
                let phone = lab.create_phone(&number, kind.name()).await?;
                let mut client = kind.start(&lab, &place).await?;
                link(&lab, &phone, &mut *client).await?;
                client.end().await?;
                // The first after a linking may still fetch what a linking leaves out; its flushes are like any other's.
                Ok(match unslowed {
                    Some(_) => start_once(&lab, *kind, &place).await?,
                    None => start_slow(&lab, *kind, &place, delay).await?,
                })
            }
        };
        ready.push((*kind, place, counted, Vec::new()));
    }
    for _ in 0..starts {
        for (kind, place, counted, starts) in &mut ready {
            if counted.is_ok() {
                starts.push(match delay.is_zero() {
                    true => start_once(&lab, *kind, place).await?,
                    false => start_slow(&lab, *kind, place, delay).await?,
                });
            }
        }
    }
    for (kind, _, counted, starts) in ready {
        let figures = counted.map(|counted| {
            let mut figures = spread(starts.iter().map(|start| start.ms).collect());
            let mut flushes: Vec<f64> = starts.iter().map(|start| start.flushes).collect();
            flushes.retain(|flushes| flushes.is_finite());
            flushes.push(counted.flushes);
            figures.push(spread(flushes)[1]);
            figures
        });
        report.row(format!("{}{name}", kind.name()), figures);
    }
    Ok(())
}

/// What one start took.
#[derive(Clone, Copy)]
struct Took {
    ms: f64,
    /// Begun until it was Connected; unknown where they are not counted.
    flushes: f64,
}

async fn start_once(lab: &Lab, kind: Kind, place: &Place) -> anyhow::Result<Took> {
    let begun = Instant::now();
    let mut client = kind.start(lab, place).await?;
    client.connected().await?;
    let taken = begun.elapsed();
    client.end().await?;
    Ok(Took {
        ms: taken.as_secs_f64() * 1000.0,
        flushes: NONE,
    })
}

/// The same with flushes that take so much longer, and counted.
async fn start_slow(lab: &Lab, kind: Kind, place: &Place, delay: Duration) -> anyhow::Result<Took> {
    let file = place.home.join("flushes");
    let mut place = place.clone();
    place.under = flushes::words(delay, &file);
    let begun = SystemTime::now();
    let mut client = kind.start(lab, &place).await?;
    client.connected().await?;
    let connected = SystemTime::now();
    client.end().await?;
    let taken = connected.duration_since(begun)?;
    let flushed = match kind {
        // It flushes nothing, and so there is no file.
        Kind::Baileys => 0,
        _ => flushes::between(&file, begun, connected)?,
    };
    // A client with flushes that took no longer would look as quick as on a disk.
    ensure!(
        kind != Kind::Holdfast || (flushed > 0 && taken >= delay),
        "the flushes of {} are not late",
        kind.name()
    );
    Ok(Took {
        ms: taken.as_secs_f64() * 1000.0,
        flushes: flushed as f64,
    })
}

/// Least, median and most.
pub(super) fn spread(mut times: Vec<f64>) -> Vec<f64> {
    times.sort_by(f64::total_cmp);
    let at = |index: usize| times.get(index).copied().unwrap_or(f64::NAN);
    vec![
        at(0),
        at(times.len() / 2),
        at(times.len().saturating_sub(1)),
    ]
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_spread_is_sorted() {
        assert_eq!(super::spread(vec![3.0, 1.0, 2.0]), [1.0, 2.0, 3.0]);
    }
}
