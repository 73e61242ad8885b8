//! `bench memory`: what a connected, idle client keeps in memory, after the same traffic.

use std::fs;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;

use super::{Bench, Report};
use crate::ledger::Act;
use crate::peers::{Kind, STEP, link};
use crate::server::{DeviceId, Lab, LabConfig, PhoneId};

/// Texts each client receives before it is left alone.
const TEXTS: u32 = 10;

/// How long each is left alone: longer than the keepalive's interval, and than what follows a login.
const IDLE: Duration = Duration::from_secs(45);

const COLUMNS: [&str; 3] = ["anon_kib", "file_kib", "resident_kib"];

/// The benchmark.
pub struct Memory;

#[async_trait(?Send)]
impl Bench for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn about(&self) -> &'static str {
        "idle memory of a connected Holdfast beside a bare whatsapp-rust client and Baileys"
    }

    async fn measure(&self, _full: bool) -> anyhow::Result<Report> {
        let lab = Lab::start(LabConfig::default()).await?;
        let files = tempfile::tempdir()?;
        let friend = lab.create_phone("15550000009", "Friend").await?;

        let mut clients = Vec::new();
        for (kind, number) in [
            (Kind::Holdfast, "15550000001"),
            (Kind::WhatsappRust, "15550000002"),
            (Kind::Baileys, "15550000003"),
        ] {
            let client = match kind.missing().await {
                Some(missing) => Err(missing),
                None => {
                    let phone = lab.create_phone(number, kind.name()).await?;
                    let mut client = kind.start(&lab, files.path(), files.path()).await?;
                    let device = link(&lab, &phone, &mut *client).await?;
                    exchange(&lab, &friend, &phone, &device).await?;
                    Ok(client)
                }
            };
            clients.push((kind.name(), client));
        }
        tokio::time::sleep(IDLE).await;

        let mut report = Report::new(&COLUMNS);
        for (who, client) in &clients {
            let figures = match client {
                Ok(client) => Ok(memory(client.process())?),
                Err(missing) => Err(missing.clone()),
            };
            report.row(who, figures);
        }
        report.ratio("anon_vs_baileys", "anon_kib", "holdfast", "baileys");
        report.ratio("resident_vs_baileys", "resident_kib", "holdfast", "baileys");
        report.ratio(
            "anon_vs_whatsapp_rust",
            "anon_kib",
            "holdfast",
            "whatsapp-rust",
        );
        Ok(report)
    }
}

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
    let pid = pid.context("it ended before it was measured")?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .context("it ended before it was measured")?;
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
    }
}
