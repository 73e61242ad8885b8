//! `bench wear`: what a message costs the card, counted on the block device under a real ext4.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use async_trait::async_trait;

use super::{Bench, Report};
use crate::ledger::Act;
use crate::peers::{Client, Kind, STEP, link};
use crate::rig::disk::Disk;
use crate::rig::log::Log;
use crate::rig::{self, life};
use crate::server::{DeviceId, Lab, LabConfig, MessageId, PhoneId};

/// Messages received and sent one at a time.
const SINGLE: u32 = 16;

/// Between two of them: longer than anything may stay in memory, so that each pays for all of its own.
const PAUSE: Duration = Duration::from_millis(2500);

/// Messages received in a burst, connected; all of them are steps of the store.
const BURST: u32 = 1000;

/// Messages that wait while the client is down.
const DRAIN: u32 = 1000;

/// How long a burst or a drain may take.
const LONG: Duration = Duration::from_secs(300);

/// Size of a client's disk, MiB.
const DISK_MIB: u64 = 256;

const CLIENTS: [Kind; 3] = [Kind::Holdfast, Kind::WhatsappRustFull, Kind::Baileys];

const COLUMNS: [&str; 8] = [
    "live_bytes",
    "live_barriers",
    "sent_bytes",
    "sent_barriers",
    "drained_bytes",
    "drained_barriers",
    "burst_per_s",
    "store_kib",
];

/// The benchmark.
pub struct Wear;

#[async_trait(?Send)]
impl Bench for Wear {
    fn name(&self) -> &'static str {
        "wear"
    }

    fn about(&self) -> &'static str {
        "bytes and barriers on the block device per message, of Holdfast beside SQLite at FULL and Baileys' files"
    }

    async fn measure(&self, _full: bool) -> anyhow::Result<Report> {
        let mut report = Report::new(&COLUMNS);
        for (kind, number) in CLIENTS.into_iter().zip(1..) {
            let missing = match rig::missing() {
                Some(missing) => Some(missing),
                None => kind.missing().await,
            };
            let figures = match missing {
                Some(missing) => Err(missing),
                None => Ok(Worn::new(kind, number).await?.out().await?),
            };
            report.row(kind.name(), figures);
        }
        let [of, full, files] = CLIENTS.map(Kind::name);
        for (name, column, to) in [
            ("bytes_vs_sqlite_full_live", "live_bytes", full),
            ("bytes_vs_sqlite_full_sent", "sent_bytes", full),
            ("bytes_vs_sqlite_full_drained", "drained_bytes", full),
            ("barriers_vs_sqlite_full_live", "live_barriers", full),
            ("bytes_vs_baileys_live", "live_bytes", files),
            ("burst_vs_sqlite_full", "burst_per_s", full),
            ("store_vs_sqlite_full", "store_kib", full),
        ] {
            report.ratio(name, column, of, to);
        }
        for (name, column) in [
            ("barriers_per_live_message", "live_barriers"),
            ("barriers_per_sent_message", "sent_barriers"),
            ("barriers_per_drained_message", "drained_barriers"),
        ] {
            report.plain(name, column, of);
        }
        Ok(report)
    }
}

/// One client on its own disk.
struct Worn {
    kind: Kind,
    lab: Lab,
    friend: PhoneId,
    phone: PhoneId,
    device: DeviceId,
    client: Box<dyn Client>,
    disk: Disk,
    place: tempfile::TempDir,
}

/// A stretch of the log, by its size before and after, bytes.
type Stretch = (u64, u64);

impl Worn {
    async fn new(kind: Kind, number: u32) -> anyhow::Result<Worn> {
        let place = rig::scratch()?;
        let blank = rig::blank(place.path(), DISK_MIB)?;
        let disk = Disk::begin(place.path(), &blank)?;
        let lab = Lab::start(LabConfig::default()).await?;
        let friend = lab.create_phone("15550000009", "Friend").await?;
        let phone = lab
            .create_phone(&format!("1555000000{number}"), "Owner")
            .await?;
        let data = life::data(&disk.path());
        let mut client = kind.start(&lab, place.path(), &data).await?;
        let device = link(&lab, &phone, &mut *client).await?;
        Ok(Worn {
            kind,
            lab,
            friend,
            phone,
            device,
            client,
            disk,
            place,
        })
    }

    /// All of it, in the order of the columns.
    async fn out(mut self) -> anyhow::Result<Vec<f64>> {
        // Sessions are begun, and what follows a login is over.
        self.receive(SINGLE, LONG).await?;
        self.send().await?;
        let live = self.singly(Way::In).await?;
        let sent = self.singly(Way::Out).await?;
        let begun = Instant::now();
        self.receive(BURST, LONG).await?;
        let burst = f64::from(BURST) / begun.elapsed().as_secs_f64();
        let drained = self.drain().await?;
        self.client.end().await?;
        self.settle()?;
        let store = self.size()?;
        let log = Log::open(self.disk.clock().log())?;
        let mut figures = Vec::new();
        for (stretch, messages) in [(live, SINGLE), (sent, SINGLE), (drained, DRAIN)] {
            let (bytes, barriers) = log.cost(stretch.0, stretch.1);
            let each = |sum: u64| sum as f64 / f64::from(messages);
            figures.extend([each(bytes), each(barriers)]);
        }
        figures.extend([burst, store]);
        Ok(figures)
    }

    async fn singly(&mut self, way: Way) -> anyhow::Result<Stretch> {
        let from = self.settle()?;
        for _ in 0..SINGLE {
            match way {
                Way::In => self.receive(1, STEP).await?,
                Way::Out => self.send().await?,
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok((from, self.settle()?))
    }

    /// From before the start to after the last ack: the start is part of it.
    async fn drain(&mut self) -> anyhow::Result<Stretch> {
        self.client.end().await?;
        let ids = self.post(DRAIN).await?;
        let from = self.settle()?;
        let data = life::data(&self.disk.path());
        self.client = self.kind.start(&self.lab, self.place.path(), &data).await?;
        self.acked(ids, LONG).await?;
        Ok((from, self.settle()?))
    }

    async fn receive(&self, count: u32, within: Duration) -> anyhow::Result<()> {
        let ids = self.post(count).await?;
        self.acked(ids, within).await
    }

    async fn post(&self, count: u32) -> anyhow::Result<BTreeSet<MessageId>> {
        let mut ids = BTreeSet::new();
        for number in 0..count {
            let text = format!("the same to all of them, {number} of {count}");
            let to = self.phone.to_string();
            ids.insert(self.lab.send_text(&self.friend, &to, &text).await?);
        }
        Ok(ids)
    }

    async fn acked(&self, mut ids: BTreeSet<MessageId>, within: Duration) -> anyhow::Result<()> {
        let device = self.device.to_string();
        let ledger = self.lab.ledger();
        let begun = Instant::now();
        let mut from = 0;
        while !ids.is_empty() {
            let left = within.saturating_sub(begun.elapsed());
            let entry = ledger
                .wait_for(from, left, |entry| {
                    entry.device == device
                        && matches!(&entry.act, Act::Acked { id, error: None } if ids.contains(id))
                })
                .await;
            let entry = entry.with_context(|| format!("{} texts were not acked", ids.len()))?;
            from = entry.seq + 1;
            if let Act::Acked { id, .. } = &entry.act {
                ids.remove(id);
            }
        }
        Ok(())
    }

    async fn send(&mut self) -> anyhow::Result<()> {
        let sent = self.client.text(&self.friend.0, "one more").await?;
        let acked = |entry: &crate::ledger::Entry| matches!(&entry.act, Act::ServerAcked { id, error: None } if *id == sent);
        let entry = self.lab.ledger().wait_for(0, STEP, acked).await;
        entry.context("a text was not sent")?;
        Ok(())
    }

    /// Everything in the page cache is on the disk too, and so counted. Returns the size of the log.
    fn settle(&self) -> anyhow::Result<u64> {
        let done = Command::new("sync")
            .arg("--file-system")
            .arg(self.disk.path())
            .status()?;
        ensure!(done.success(), "the disk cannot be synced");
        Ok(self.disk.clock().now())
    }

    /// What the client's files take of the disk, KiB.
    fn size(&self) -> anyhow::Result<f64> {
        let output = Command::new("du")
            .args(["--summarize", "--block-size=1K"])
            .arg(life::data(&self.disk.path()))
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let kib = said.split_whitespace().next();
        Ok(kib.context("du says nothing")?.parse()?)
    }
}

#[derive(Clone, Copy)]
enum Way {
    In,
    Out,
}
