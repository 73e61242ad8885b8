//! `bench recovery`: from a vault as an unclean stop left it to one that is ready, and what it then takes in memory.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use async_trait::async_trait;
use bytes::Bytes;
use holdfast::vault::Vault;
use holdfast_core::{Treatment, plan};
use holdfast_medium::{Claim, DataDir, barrier::Barrier};
use serde::{Deserialize, Serialize};
use wacore::store::Device;
use wacore::store::traits::{Backend, DeviceStore, SignalStore};
use wacore_libsignal::protocol::SessionRecord;
use whatsapp_rust_sqlite_storage::{SqliteStore, SqliteStoreConfig, Synchronous};

use super::start::spread;
use super::{Bench, Report, Terms};

/// Sessions, as many as a busy gateway has.
const SESSIONS: u32 = 10_000;

/// What a session takes on average in the library's own figures, bytes.
const RECORD: usize = 1_500;

/// Sessions written at once while the vault is grown.
const BATCH: u32 = 500;

/// Durable steps each store takes after it is grown: what the figures of size and speed are of.
const STEPS: u32 = 20_000;

/// Steps that one store takes before it is the other's turn: a busy moment then strikes both.
const TURN: u32 = 500;

/// Sessions that the steps go round in.
const BUSY: u32 = 300;

const COLUMNS: [&str; 4] = ["ready_ms", "resident_kib", "disk_kib", "step_us"];

/// The benchmark.
pub struct Recovery;

/// What is opened, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
pub enum Way {
    /// Holdfast's boot, nothing to repair.
    Holdfast,
    /// The crate's SQLite store.
    Sqlite,
}

/// What an `open` process is told on its command line.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// What is opened.
    #[arg(long)]
    pub way: Way,
    /// Where it is.
    #[arg(long)]
    pub place: std::path::PathBuf,
}

/// What an `open` process found.
#[derive(Debug, Serialize, Deserialize)]
struct Opened {
    ready_ms: f64,
    resident_kib: f64,
    /// Whether the store had to be begun anew.
    rebuilt: bool,
}

#[async_trait(?Send)]
impl Bench for Recovery {
    fn name(&self) -> &'static str {
        "recovery"
    }

    fn about(&self) -> &'static str {
        "from an unclean stop to a vault that is checked and ready, with 10,000 sessions after 20,000 steps, beside SQLite"
    }

    async fn measure(&self, _terms: &Terms) -> anyhow::Result<Report> {
        let place = tempfile::tempdir()?;
        let vault = place.path().join("vault");
        let sqlite = place.path().join("sqlite.db");
        let [ours, theirs] = grow(&place.path().join("grown"), &vault, &sqlite).await?;

        let mut report = Report::new(&COLUMNS);
        let unclean = open(Way::Holdfast, &vault)?;
        ensure!(!unclean.rebuilt, "the store was rebuilt without damage");
        report.row("holdfast", Ok(row(&unclean, &vault, ours)?));
        // The worst that happens: the store is older than its witness.
        fs::remove_file(vault.join("gen-0001/store.v2/witness"))?;
        let rebuilt = open(Way::Holdfast, &vault)?;
        ensure!(rebuilt.rebuilt, "a store without a witness was believed");
        report.row("holdfast, rebuilt", Ok(row(&rebuilt, &vault, ours)?));
        let peer = open(Way::Sqlite, &sqlite)?;
        report.row("sqlite-full", Ok(row(&peer, &sqlite, theirs)?));
        let (of, to) = ("holdfast", "sqlite-full");
        report.ratio("step_vs_sqlite_full", "step_us", of, to);
        report.ratio("ready_vs_sqlite_full", "ready_ms", of, to);
        report.ratio("resident_vs_sqlite_full", "resident_kib", of, to);
        report.ratio("disk_vs_sqlite_full", "disk_kib", of, to);
        report.ratio(
            "rebuilt_vs_checked",
            "ready_ms",
            "holdfast, rebuilt",
            "holdfast",
        );
        Ok(report)
    }
}

fn row(opened: &Opened, place: &Path, step_us: f64) -> anyhow::Result<Vec<f64>> {
    let disk = on_disk(place)?;
    Ok(vec![opened.ready_ms, opened.resident_kib, disk, step_us])
}

/// Opens in a process of its own, so that its memory is its own too.
fn open(way: Way, place: &Path) -> anyhow::Result<Opened> {
    let name = match way {
        Way::Holdfast => "holdfast",
        Way::Sqlite => "sqlite",
    };
    let output = Command::new(std::env::current_exe()?)
        .args(["open", "--way", name, "--place"])
        .arg(place)
        .output()?;
    ensure!(
        output.status.success(),
        "{name} does not open: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    serde_json::from_slice(&output.stdout).context("what it measured")
}

/// Opens in this process and prints how long that took, and what memory it needs.
///
/// # Errors
/// It does not open.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let begun = Instant::now();
    let rebuilt = match options.way {
        Way::Holdfast => {
            let barrier = Barrier::start()?;
            let data = DataDir::new(&options.place);
            let inspection = Vault::inspect(Claim::take(&data)?, barrier).await?;
            let plan = plan(&inspection.findings());
            let (vault, _) = inspection.carry_out(plan).await?;
            say(begun, plan.store == Treatment::Rebuild)?;
            vault.close().await?;
            return Ok(());
        }
        Way::Sqlite => {
            let store = sqlite(&options.place).await?;
            // It opens lazily: the first read is part of it.
            store.get_session(&address(0)).await?;
            false
        }
    };
    say(begun, rebuilt)
}

fn say(begun: Instant, rebuilt: bool) -> anyhow::Result<()> {
    let ready_ms = begun.elapsed().as_secs_f64() * 1000.0;
    let resident_kib = super::memory::memory(Some(std::process::id()))?[2];
    let opened = Opened {
        ready_ms,
        resident_kib,
        rebuilt,
    };
    println!("{}", serde_json::to_string(&opened)?);
    Ok(())
}

/// Grows a vault and a SQLite store, and leaves in `unclean` what a process that is killed then leaves of the vault. Returns what a
/// step takes each, microseconds.
async fn grow(dir: &Path, unclean: &Path, file: &Path) -> anyhow::Result<[f64; 2]> {
    let barrier = Barrier::start()?;
    let vault = Vault::open(DataDir::new(dir), barrier.clone()).await?;
    let store = sqlite(file).await?;
    store.create().await?;
    let backend = vault.backend();
    fill(&*backend).await?;
    fill(&store).await?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for first in (0..STEPS).step_by(TURN as usize) {
        let begun = Instant::now();
        steps(&*backend, first).await?;
        // What is ordered and not awaited is paid for in this turn, not in the other's.
        barrier.settle().await?;
        ours.push(begun.elapsed());
        let begun = Instant::now();
        steps(&store, first).await?;
        theirs.push(begun.elapsed());
    }
    let copied = Command::new("cp")
        .arg("-a")
        .arg(dir)
        .arg(unclean)
        .status()?;
    ensure!(copied.success(), "cp -a failed");
    vault.close().await?;
    barrier.stop().await?;
    Ok([ours, theirs].map(|turns| {
        let each = turns
            .iter()
            .map(|turn| turn.as_secs_f64() * 1e6 / f64::from(TURN));
        spread(each.collect())[1]
    }))
}

async fn sqlite(file: &Path) -> anyhow::Result<SqliteStore> {
    let config = SqliteStoreConfig {
        synchronous: Synchronous::Full,
        ..SqliteStoreConfig::default()
    };
    let file = file.to_str().context("the path must be UTF-8")?;
    Ok(SqliteStore::with_config(file, config).await?)
}

/// Links a device and fills the store.
async fn fill(backend: &dyn Backend) -> anyhow::Result<()> {
    let device = Device {
        pn: Some("15550000001:1@s.whatsapp.net".parse()?),
        ..Device::new()
    };
    backend.save(&device).await?;
    let record = session(64)?;
    for first in (0..SESSIONS).step_by(BATCH as usize) {
        let rows: Vec<(Arc<str>, Bytes)> = (first..first + BATCH)
            .map(|number| (address(number).into(), record.clone()))
            .collect();
        backend.put_sessions_batch(&rows).await?;
    }
    Ok(())
}

/// Takes the steps of one turn.
async fn steps(backend: &dyn Backend, first: u32) -> anyhow::Result<()> {
    for step in first..first + TURN {
        // A raised lease: the write that is awaited.
        let raised = [(address(step % BUSY).into(), session(64 + step)?)];
        backend.put_sessions_batch(&raised).await?;
    }
    Ok(())
}

fn address(number: u32) -> String {
    format!("1555{number:07}@lid.0")
}

/// A session that decodes, filled up to an ordinary one's size by a field that nobody knows.
fn session(reserved: u32) -> anyhow::Result<Bytes> {
    let mut record = SessionRecord::new_fresh();
    record.reserve_sender_chain_counters(reserved);
    let mut bytes = record.serialize()?.to_vec();
    let filler = RECORD - bytes.len() - 4;
    // Protobuf: field 1000, length-delimited.
    bytes.extend([0xc2, 0x3e]);
    bytes.extend([(filler & 0x7f) as u8 | 0x80, (filler >> 7) as u8]);
    bytes.extend(std::iter::repeat_n(0x5a, filler));
    SessionRecord::deserialize(&bytes).context("the session does not decode")?;
    Ok(bytes.into())
}

/// What is allocated, KiB.
fn on_disk(place: &Path) -> anyhow::Result<f64> {
    let output = Command::new("du").arg("-sk").arg(place).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let first = text.split_whitespace().next().context("du says nothing")?;
    Ok(first.parse()?)
}
