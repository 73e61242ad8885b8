//! `bench outbox`: texts that were accepted while the link was down, until all of them are acked, and how long the bus takes to answer
//! meanwhile.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use async_trait::async_trait;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::{Bench, Extent, Report, Terms};
use crate::holdfast::{Holdfast, within};
use crate::server::{Fault, Lab, LabConfig, When};

/// Texts, and as many in a full run.
const TEXTS: usize = 1_000;
const TEXTS_IN_FULL: usize = 10_000;
/// Calls of `Send` at the same time.
const AT_ONCE: usize = 64;
/// Logins that are refused first: the link is down for some 20 s, and longer with each more.
const REFUSED: u32 = 3;
/// How long it may take until all is acked, s.
const LIMIT_S: u64 = 600;
/// How often the bus is asked for something meanwhile.
const ASKED: Duration = Duration::from_millis(10);
/// Ticks of a second in `/proc/PID/stat`.
const TICKS: f64 = 100.0;

const FRIEND: &str = "15550000002";

/// The benchmark.
pub struct Outbox;

#[async_trait(?Send)]
impl Bench for Outbox {
    fn name(&self) -> &'static str {
        "outbox"
    }

    fn about(&self) -> &'static str {
        "10,000 texts accepted without a link: how long until all are acked, at what cost, and how long the bus takes meanwhile"
    }

    async fn measure(&self, terms: &Terms) -> anyhow::Result<Report> {
        let full = terms.extent == Extent::Full;
        let mut report = Report::new(&["accept_s", "acked_s", "cpu_s", "answer_most_ms"]);
        let (few, many) = if full {
            (TEXTS, TEXTS_IN_FULL)
        } else {
            (TEXTS / 4, TEXTS)
        };
        report.row("fewer", Ok(drain(few).await?));
        report.row("more", Ok(drain(many).await?));
        report.ratio("cpu_more_to_fewer", "cpu_s", "more", "fewer");
        Ok(report)
    }
}

/// The figures of so many texts.
async fn drain(texts: usize) -> anyhow::Result<Vec<f64>> {
    let files = tempfile::tempdir()?;
    let lab = Lab::start(LabConfig::default()).await?;
    let owner = lab.create_phone("15550000001", "Owner").await?;
    lab.create_phone(FRIEND, "Friend").await?;
    let program = std::env::current_exe().context("this program cannot find itself")?;
    let mut holdfast = Holdfast::new(&program, files.path(), &lab.url())?;
    holdfast.start().await?;
    let device = holdfast.links(&lab, &owner).await?;
    holdfast.sends(FRIEND, "hello").await?;

    let refused = Fault::Failure503;
    lab.inject(device.clone(), refused, When::Nth(1), REFUSED)
        .await?;
    let cut = lab.inject(device, Fault::SocketDrop, When::Now, 1);
    cut.await?;
    holdfast.reaches("Reconnecting").await?;
    let messages = holdfast.messages().await?;
    let begun = Instant::now();
    let ids: Vec<String> = stream::iter(0..texts)
        .map(|number| {
            let messages = messages.clone();
            async move { messages.send(FRIEND, &format!("text {number}"), "").await }
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let accepted = begun.elapsed();
    holdfast.reaches("Connected").await?;

    let (begun, spent) = (Instant::now(), cpu_s(holdfast.pid()?)?);
    let mut most = Duration::ZERO;
    let all_acked = async {
        for id in &ids {
            loop {
                let asked = Instant::now();
                let state = messages.state(id).await?;
                most = most.max(asked.elapsed());
                match state.as_str() {
                    "acked" => break,
                    state => ensure!(!state.starts_with("failed"), "{state}"),
                }
                tokio::time::sleep(ASKED).await;
            }
        }
        anyhow::Ok(begun.elapsed())
    };
    let acked = within(LIMIT_S, "all acks", all_acked).await??;
    let spent = cpu_s(holdfast.pid()?)? - spent;
    holdfast.stop().await?;
    Ok(vec![
        accepted.as_secs_f64(),
        acked.as_secs_f64(),
        spent,
        most.as_secs_f64() * 1_000.0,
    ])
}

/// The processor time of a process so far.
fn cpu_s(pid: u32) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold anything; the 14th and 15th fields follow it.
    let (_, fields) = stat.rsplit_once(')').context("no process status")?;
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(|ticks| ticks.parse::<u64>().unwrap_or(0)).sum();
    Ok(ticks as f64 / TICKS)
}
