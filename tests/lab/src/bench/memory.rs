//! `bench memory`: what a connected, idle client keeps in memory after the same traffic, in the process that was linked and after a
//! restart, and how often it wakes up.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use tokio::time::sleep;

use super::{Bench, Extent, Report, Terms};
use crate::ledger::Act;
use crate::peers::{Client, Kind, Place, STEP, link};
use crate::server::{DeviceId, Lab, LabConfig, PhoneId};

/// Texts each client receives before it is left alone.
const TEXTS: u32 = 10;

/// How long each is left alone before its wake-ups are counted: what follows a login is over.
const SETTLED: Duration = Duration::from_secs(15);

/// How long its wake-ups are counted before its memory is looked at: longer than the keepalive's interval.
const IDLE: Duration = Duration::from_secs(30);

const COLUMNS: [&str; 4] = ["anon_kib", "file_kib", "resident_kib", "wakeups_per_s"];

const CLIENTS: [Kind; 3] = [Kind::Holdfast, Kind::WhatsappRust, Kind::Baileys];

/// The benchmark.
pub struct Memory;

#[async_trait(?Send)]
impl Bench for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn about(&self) -> &'static str {
        "idle memory and wake-ups of a connected Holdfast beside a bare whatsapp-rust client and Baileys"
    }

    fn is_checked(&self) -> bool {
        true
    }

    async fn measure(&self, terms: &Terms) -> anyhow::Result<Report> {
        let is_short = terms.extent == Extent::Short;
        let kinds = if is_short {
            &CLIENTS[..2]
        } else {
            &CLIENTS[..]
        };
        let lab = Lab::start(LabConfig::default()).await?;
        let files = tempfile::tempdir()?;
        let place = Place::of(files.path()).with(terms.daemon.as_deref());
        let friend = lab.create_phone("15550000009", "Friend").await?;

        let mut clients = Vec::new();
        for (kind, number) in kinds.iter().zip(1..) {
            let client = match kind.missing().await {
                Some(missing) => Err(missing),
                None => {
                    let number = format!("1555000000{number}");
                    let phone = lab.create_phone(&number, kind.name()).await?;
                    let mut client = kind.start(&lab, &place).await?;
                    let device = link(&lab, &phone, &mut *client).await?;
                    exchange(&lab, &friend, &phone, &device).await?;
                    Ok(client)
                }
            };
            clients.push((*kind, client));
        }
        let mut report = Report::new(&COLUMNS);
        if !is_short {
            left_alone(&mut report, &clients, ", linking").await?;
        }
        for (kind, client) in &mut clients {
            if let Ok(client) = client {
                client.end().await?;
                *client = kind.start(&lab, &place).await?;
                client.connected().await?;
            }
        }
        left_alone(&mut report, &clients, "").await?;

        let (of, bare, node) = ("holdfast", "whatsapp-rust", "baileys");
        report.ratio("anon_vs_whatsapp_rust", "anon_kib", of, bare);
        report.plain("wakeups_per_s", "wakeups_per_s", of);
        report.steady("anon_vs_whatsapp_rust", 0.0);
        report.steady("wakeups_per_s", 0.3);
        if !is_short {
            report.ratio("anon_vs_baileys", "anon_kib", of, node);
            report.ratio("resident_vs_baileys", "resident_kib", of, node);
            let (of, bare) = ("holdfast, linking", "whatsapp-rust, linking");
            report.ratio("anon_vs_whatsapp_rust_linking", "anon_kib", of, bare);
        }
        Ok(report)
    }
}

/// A client, or why there is none.
type Running = Result<Box<dyn Client>, String>;

/// Leaves all of them alone, and adds a row for each.
async fn left_alone(
    report: &mut Report,
    clients: &[(Kind, Running)],
    name: &str,
) -> anyhow::Result<()> {
    sleep(SETTLED).await;
    let mut before = Vec::new();
    for (_, client) in clients {
        before.push(match client {
            Ok(client) => switches(client.process())?,
            Err(_) => BTreeMap::new(),
        });
    }
    sleep(IDLE).await;
    for ((kind, client), before) in clients.iter().zip(before) {
        let figures = match client {
            Ok(client) => {
                let woken = woken(&before, &switches(client.process())?);
                let mut figures = memory(client.process())?;
                figures.push(woken as f64 / IDLE.as_secs_f64());
                Ok(figures)
            }
            Err(missing) => Err(missing.clone()),
        };
        report.row(format!("{}{name}", kind.name()), figures);
    }
    Ok(())
}

/// How often each thread of a process has waited for something and gone on (proc_pid_status(5)).
fn switches(pid: Option<u32>) -> anyhow::Result<BTreeMap<String, u64>> {
    let pid = pid.context(ENDED)?;
    let mut switches = BTreeMap::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task")).context(ENDED)? {
        let thread = thread?;
        // One that has just ended waits no more.
        if let Ok(status) = fs::read_to_string(thread.path().join("status")) {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            let count = line.context("the kernel counts no context switches")?;
            let thread = thread.file_name().to_string_lossy().into_owned();
            switches.insert(thread, count.trim().parse()?);
        }
    }
    Ok(switches)
}

/// How many there were between two looks; a thread that is new began at none.
fn woken(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> u64 {
    let since = |(thread, count): (&String, &u64)| {
        count.saturating_sub(before.get(thread).copied().unwrap_or(0))
    };
    after.iter().map(since).sum()
}

const ENDED: &str = "it ended before it was measured";

/// Sends the texts one after the other, each once the client has confirmed the one before.
async fn exchange(
    lab: &Lab,
    friend: &PhoneId,
    phone: &PhoneId,
    device: &DeviceId,
) -> anyhow::Result<()> {
    for number in 0..TEXTS {
        let text = format!("the same to all of them, {number} of {TEXTS}");
        let sent = lab.send_text(friend, &phone.to_string(), &text).await?;
        lab.ledger()
            .wait_for(0, STEP, |entry| {
                entry.device == device.to_string()
                    && matches!(&entry.act, Act::Acked { id, error: None } if *id == sent)
            })
            .await
            .with_context(|| format!("a text was not confirmed within {STEP:?}"))?;
    }
    Ok(())
}

/// Anonymous, file-backed and all resident memory of a process in KiB, as the kernel counts them.
pub(super) fn memory(pid: Option<u32>) -> anyhow::Result<Vec<f64>> {
    let pid = pid.context(ENDED)?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context(ENDED)?;
    ["RssAnon", "RssFile", "VmRSS"]
        .iter()
        .map(|field| {
            kib(&status, field).with_context(|| format!("the kernel does not say {field}"))
        })
        .collect()
}

/// A field of `/proc/PID/status` or `/proc/meminfo`, KiB.
pub(super) fn kib(status: &str, field: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_figures_are_read() {
        let status = "Name:\tcat\nVmRSS:\t    1234 kB\nRssAnon:\t     100 kB\nThreads:\t1\n";
        assert_eq!(kib(status, "VmRSS"), Some(1234.0));
        assert_eq!(kib(status, "RssAnon"), Some(100.0));
        assert_eq!(kib(status, "RssFile"), None);
        assert_eq!(kib(status, "Threads"), None);
        let own = memory(Some(std::process::id())).unwrap();
        assert!(own[2] > 0.0 && own[0] + own[1] <= own[2]);
        assert!(!switches(Some(std::process::id())).unwrap().is_empty());
    }

    #[test]
    fn wake_ups_are_those_between_two_looks() {
        let look = |counts: &[(&str, u64)]| {
            let counts = counts.iter();
            counts
                .map(|(id, count)| ((*id).to_owned(), *count))
                .collect()
        };
        let before = look(&[("1", 10), ("2", 5)]);
        let after = look(&[("1", 12), ("3", 4)]);
        assert_eq!(woken(&before, &after), 6, "the second has ended");
    }
}
