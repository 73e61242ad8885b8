//! `bench start`: from the start of the process to Connected, for a device that is linked.

use std::path::Path;
use std::time::Instant;

use async_trait::async_trait;

use super::{Bench, Report};
use crate::peers::{Kind, link};
use crate::server::{Lab, LabConfig};

/// How often each is started, one after the other in turns: a busy moment then strikes both.
const STARTS: usize = 7;

/// The benchmark.
pub struct Start;

#[async_trait(?Send)]
impl Bench for Start {
    fn name(&self) -> &'static str {
        "start"
    }

    fn about(&self) -> &'static str {
        "time from process start to Connected, of Holdfast beside a bare whatsapp-rust client"
    }

    async fn measure(&self, _full: bool) -> anyhow::Result<Report> {
        let lab = Lab::start(LabConfig::default()).await?;
        let files = tempfile::tempdir()?;
        let clients = [Kind::Holdfast, Kind::WhatsappRust];
        for (kind, number) in clients.into_iter().zip(["15550000001", "15550000002"]) {
            let phone = lab.create_phone(number, kind.name()).await?;
            let mut client = kind.start(&lab, files.path(), files.path()).await?;
            link(&lab, &phone, &mut *client).await?;
            client.end().await?;
        }
        let mut times = clients.map(|_| Vec::new());
        for _ in 0..STARTS {
            for (times, kind) in times.iter_mut().zip(clients) {
                times.push(start_once(&lab, kind, files.path()).await?);
            }
        }
        let mut report = Report::new(&["least_ms", "median_ms", "most_ms"]);
        for (times, kind) in times.into_iter().zip(clients) {
            report.row(kind.name(), Ok(spread(times)));
        }
        report.ratio(
            "connected_vs_whatsapp_rust",
            "median_ms",
            "holdfast",
            "whatsapp-rust",
        );
        Ok(report)
    }
}

async fn start_once(lab: &Lab, kind: Kind, home: &Path) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let mut client = kind.start(lab, home, home).await?;
    client.connected().await?;
    let taken = begun.elapsed();
    client.end().await?;
    Ok(taken.as_secs_f64() * 1000.0)
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
