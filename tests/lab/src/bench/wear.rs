//! `bench wear`: what a message costs the card, counted on the block device under a real ext4.
//!
//! Each figure is a slope: what so many messages more cost. A start and a stop are in none of them, and have columns of their own.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use async_trait::async_trait;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::report::NONE;
use super::{Bench, Extent, Report, Terms};
use crate::ledger::Act;
use crate::peers::bot::Bot;
use crate::peers::{Client, Kind, Place, STEP, link};
use crate::rig::disk::Disk;
use crate::rig::log::Log;
use crate::rig::{self, life};
use crate::server::{DeviceId, Lab, LabConfig, MessageId, PhoneId, Times};

/// How many messages are measured.
struct Sizes {
    /// Received and sent one at a time.
    single: u32,
    /// Received at [`RATE`].
    stream: u32,
    /// Received at once, connected; none in the short form, for how long it takes is no matter there.
    burst: u32,
    /// Waiting while the client is down; then four times as many. Several times what the library makes durable at once, which is 400.
    drain: u32,
}

const USUAL: Sizes = Sizes {
    single: 16,
    stream: 1000,
    burst: 1000,
    drain: 2000,
};

const SHORT: Sizes = Sizes {
    single: 8,
    burst: 0,
    ..USUAL
};

/// Between two of them: longer than anything may stay in memory, so that each pays for all of its own.
const PAUSE: Duration = Duration::from_millis(2500);

/// Between two of a stream: 100 a second.
const RATE: Duration = Duration::from_millis(10);

/// A stream that came to less than this, a second, was none at [`RATE`]: fewer messages share a flush, and what one cost is not told.
const TOO_SLOW: f64 = 90.0;

/// How much larger the second drain is than the first.
const STEEP: u32 = 4;

/// How long a burst or a drain may take.
const LONG: Duration = Duration::from_secs(300);

/// Size of a client's disk, MiB.
const DISK_MIB: u64 = 256;

/// Who is measured, and whether with a bot on its bus that acknowledges each message.
const CLIENTS: [(&str, Kind, bool); 4] = [
    ("holdfast", Kind::Holdfast, false),
    (BOT, Kind::Holdfast, true),
    ("sqlite-full", Kind::WhatsappRustFull, false),
    ("baileys", Kind::Baileys, false),
];

const BOT: &str = "holdfast, acknowledged";

const COLUMNS: [&str; 13] = [
    "live_bytes",
    "live_flushes",
    "stream_bytes",
    "stream_flushes",
    "sent_bytes",
    "sent_flushes",
    "drained_bytes",
    "drained_flushes",
    "start_bytes",
    "start_flushes",
    "stream_per_s",
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
        "bytes and flushes on the block device per message, of Holdfast beside SQLite at FULL and Baileys' files"
    }

    fn is_checked(&self) -> bool {
        true
    }

    async fn measure(&self, terms: &Terms) -> anyhow::Result<Report> {
        let (sizes, clients) = match terms.extent {
            Extent::Short => (SHORT, &CLIENTS[..2]),
            Extent::Usual | Extent::Full => (USUAL, &CLIENTS[..]),
        };
        let mut report = Report::new(&COLUMNS);
        for (name, kind, with_bot) in clients {
            let missing = match rig::missing() {
                Some(missing) => Some(missing),
                None => kind.missing().await,
            };
            let figures = match missing {
                Some(missing) => Err(missing),
                None => {
                    let worn = Worn::new(*kind, *with_bot, terms).await?;
                    Ok(worn.out(&sizes).await?)
                }
            };
            report.row(*name, figures);
        }
        ratios(&mut report, terms.extent, &sizes);
        Ok(report)
    }
}

fn ratios(report: &mut Report, extent: Extent, sizes: &Sizes) {
    // What chance adds: one flush, one commit of ext4's, or one segment of the mail, which is written twice, more or less in a sample.
    let flush = |messages: u32| 1.0 / f64::from(messages);
    let commit = |messages: u32| 16384.0 / f64::from(messages);
    let segment = |messages: u32| 1_048_576.0 / f64::from(messages);
    let Sizes {
        single,
        stream,
        drain,
        ..
    } = *sizes;
    let more = drain * (STEEP - 1);
    let (of, full, files) = ("holdfast", "sqlite-full", "baileys");
    for (name, column, of, slack) in [
        ("live_bytes", "live_bytes", of, commit(single)),
        ("live_flushes", "live_flushes", of, 2.0 * flush(single)),
        ("acknowledged_bytes", "live_bytes", BOT, commit(single)),
        (
            "acknowledged_flushes",
            "live_flushes",
            BOT,
            2.0 * flush(single),
        ),
        ("stream_bytes", "stream_bytes", of, segment(stream)),
        ("stream_flushes", "stream_flushes", of, 0.1),
        (
            "stream_acknowledged_bytes",
            "stream_bytes",
            BOT,
            segment(stream),
        ),
        ("stream_acknowledged_flushes", "stream_flushes", BOT, 0.1),
        ("sent_bytes", "sent_bytes", of, commit(single)),
        ("sent_flushes", "sent_flushes", of, 2.0 * flush(single)),
        ("drained_bytes", "drained_bytes", of, segment(more)),
        ("drained_flushes", "drained_flushes", of, 4.0 * flush(more)),
    ] {
        report.plain(name, column, of);
        report.steady(name, slack);
    }
    if extent == Extent::Short {
        return;
    }
    for (name, column, to) in [
        ("bytes_vs_sqlite_full_live", "live_bytes", full),
        ("bytes_vs_sqlite_full_sent", "sent_bytes", full),
        ("bytes_vs_sqlite_full_drained", "drained_bytes", full),
        ("flushes_vs_sqlite_full_live", "live_flushes", full),
        ("bytes_vs_baileys_live", "live_bytes", files),
        ("burst_vs_sqlite_full", "burst_per_s", full),
        ("store_vs_sqlite_full", "store_kib", full),
    ] {
        report.ratio(name, column, of, to);
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
    bot: Option<Bot>,
    place: Place,
    /// Goes before the directory that it is in.
    disk: Disk,
    _scratch: tempfile::TempDir,
}

/// A stretch of the log, by its size before and after, bytes.
type Stretch = (u64, u64);

impl Worn {
    async fn new(kind: Kind, with_bot: bool, terms: &Terms) -> anyhow::Result<Worn> {
        let scratch = rig::scratch()?;
        let blank = rig::blank(scratch.path(), DISK_MIB)?;
        let disk = Disk::begin(scratch.path(), &blank)?;
        // Whether a client takes what waits for one drain must not be chance.
        let times = Times {
            drain_ends_confirmed: true,
            ..Times::default()
        };
        let lab = Lab::start(LabConfig {
            times,
            ..LabConfig::default()
        })
        .await?;
        let friend = lab.create_phone("15550000009", "Friend").await?;
        let phone = lab.create_phone("15550000001", "Owner").await?;
        let place = Place {
            keep: life::data(&disk.path()),
            ..Place::of(scratch.path()).with(terms.daemon.as_deref())
        };
        let mut client = kind.start(&lab, &place).await?;
        let device = link(&lab, &phone, &mut *client).await?;
        let bot = if with_bot { client.bot().await? } else { None };
        Ok(Worn {
            kind,
            lab,
            friend,
            phone,
            device,
            client,
            bot,
            place,
            disk,
            _scratch: scratch,
        })
    }

    /// All of it, in the order of the columns.
    async fn out(mut self, sizes: &Sizes) -> anyhow::Result<Vec<f64>> {
        // Sessions are begun, and what follows a login is over.
        self.receive(sizes.single, LONG).await?;
        self.send().await?;
        let live = self.singly(Way::In, sizes.single).await?;
        let (stream, rate) = self.stream(sizes.stream).await?;
        let stream = (rate >= TOO_SLOW).then_some(stream);
        let (mut sent, mut drained) = (None, None);
        let mut figures = vec![rate, NONE, NONE];
        if self.bot.is_none() {
            sent = Some(self.singly(Way::Out, sizes.single).await?);
            let burst = self.burst(sizes.burst).await?;
            let fewer = self.drain(sizes.drain).await?;
            let more = self.drain(sizes.drain * STEEP).await?;
            drained = Some([fewer.1, more.1, more.0]);
            figures = vec![rate, burst, self.size()?];
        }
        drop(self.bot.take());
        self.client.end().await?;
        self.settle()?;
        let log = Log::open(self.disk.clock().log())?;
        let mut all = Vec::new();
        for (stretch, messages) in [
            (Some(live), sizes.single),
            (stream, sizes.stream),
            (sent, sizes.single),
        ] {
            let cost = stretch.map(|stretch| cost(&log, stretch));
            all.extend(cost.map_or([NONE; 2], |cost| cost.map(|sum| sum / f64::from(messages))));
        }
        let drained = drained.map(|stretches| {
            let [fewer, more, start] = stretches.map(|stretch| cost(&log, stretch));
            [slope(fewer, more, sizes.drain), start]
        });
        all.extend(drained.unwrap_or([[NONE; 2]; 2]).into_iter().flatten());
        all.extend(figures);
        Ok(all)
    }

    /// One at a time, each at its leisure.
    async fn singly(&mut self, way: Way, count: u32) -> anyhow::Result<Stretch> {
        let from = self.settle()?;
        for _ in 0..count {
            match way {
                Way::In => self.receive(1, STEP).await?,
                Way::Out => self.send().await?,
            }
            sleep(PAUSE).await;
        }
        Ok((from, self.settle()?))
    }

    /// At a steady rate, and which that was: how many a second.
    async fn stream(&mut self, count: u32) -> anyhow::Result<(Stretch, f64)> {
        let from = self.settle()?;
        let begun = Instant::now();
        let seen = self.bot.as_ref().map_or(0, Bot::acknowledged);
        let mut ids = BTreeSet::new();
        let mut turns = interval(RATE);
        turns.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for number in 0..count {
            turns.tick().await;
            ids.insert(self.post(number).await?);
        }
        self.acked(ids, LONG).await?;
        self.acknowledged(seen, count, LONG).await?;
        let rate = f64::from(count) / begun.elapsed().as_secs_f64();
        Ok(((from, self.settle()?), rate))
    }

    /// How many a second.
    async fn burst(&mut self, count: u32) -> anyhow::Result<f64> {
        if count == 0 {
            return Ok(NONE);
        }
        let begun = Instant::now();
        self.receive(count, LONG).await?;
        Ok(f64::from(count) / begun.elapsed().as_secs_f64())
    }

    /// From before a start to after the stop, with nothing that waited; then the same with so many messages.
    async fn drain(&mut self, count: u32) -> anyhow::Result<(Stretch, Stretch)> {
        self.client.end().await?;
        // What the life before left to its next start is in neither drain.
        let empty = self.life(BTreeSet::new()).await?;
        let mut ids = BTreeSet::new();
        for number in 0..count {
            ids.insert(self.post(number).await?);
        }
        let drain = self.life(ids).await?;
        self.client = self.kind.start(&self.lab, &self.place).await?;
        self.client.connected().await?;
        Ok((empty, drain))
    }

    /// A start, these messages, and a stop.
    async fn life(&mut self, ids: BTreeSet<MessageId>) -> anyhow::Result<Stretch> {
        let from = self.settle()?;
        self.client = self.kind.start(&self.lab, &self.place).await?;
        self.acked(ids, LONG).await?;
        self.client.connected().await?;
        self.client.end().await?;
        Ok((from, self.settle()?))
    }

    async fn receive(&mut self, count: u32, within: Duration) -> anyhow::Result<()> {
        let seen = self.bot.as_ref().map_or(0, Bot::acknowledged);
        let mut ids = BTreeSet::new();
        for number in 0..count {
            ids.insert(self.post(number).await?);
        }
        self.acked(ids, within).await?;
        self.acknowledged(seen, count, within).await
    }

    async fn post(&self, number: u32) -> anyhow::Result<MessageId> {
        let text = format!("the same to all of them, number {number}");
        let to = self.phone.to_string();
        Ok(self.lab.send_text(&self.friend, &to, &text).await?)
    }

    /// The bot, where there is one, has acknowledged so many more than `seen`.
    async fn acknowledged(
        &mut self,
        seen: usize,
        count: u32,
        within: Duration,
    ) -> anyhow::Result<()> {
        match &mut self.bot {
            Some(bot) => bot.has_acknowledged(seen + count as usize, within).await,
            None => Ok(()),
        }
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

/// Bytes and flushes of a stretch.
fn cost(log: &Log, (from, to): Stretch) -> [f64; 2] {
    let (bytes, flushes) = log.cost(from, to);
    [bytes as f64, flushes as f64]
}

/// What one more message costs, where `count` cost `fewer` and [`STEEP`] times as many `more`.
fn slope(fewer: [f64; 2], more: [f64; 2], count: u32) -> [f64; 2] {
    [0, 1].map(|at| (more[at] - fewer[at]) / f64::from(count * (STEEP - 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drained_message_has_no_part_in_the_start() {
        let at = |messages: f64| [352_000.0 + 1200.0 * messages, 36.0 + 0.0025 * messages];
        let each = slope(at(400.0), at(1600.0), 400);
        assert!((each[0] - 1200.0).abs() < 1e-6 && (each[1] - 0.0025).abs() < 1e-9);
    }

    #[test]
    fn what_is_checked_does_not_hang_on_a_peer() {
        let mut report = Report::new(&COLUMNS);
        for (name, ..) in &CLIENTS[..2] {
            report.row(*name, Ok(vec![1.0; COLUMNS.len()]));
        }
        ratios(&mut report, Extent::Short, &SHORT);
        assert!(
            report
                .ratios()
                .values()
                .all(|ratio| ratio.value.is_some() && ratio.steady.is_some())
        );
    }
}
