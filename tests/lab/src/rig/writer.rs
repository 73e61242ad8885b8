//! Small writers beside Holdfast, each in a careful and a naive way: the naive ones must fail where Holdfast holds.
//!
//! A writer is a process that stores numbered steps, acknowledges each as soon as its way says that it is safe, and prints
//! the step with the size of the block log at that moment. A reader says which steps are there.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use holdfast::vault;
use sha2::{Digest, Sha256};
use wacore::store::traits::SignalStore as _;
use whatsapp_rust_sqlite_storage::{SqliteStore, SqliteStoreConfig, Synchronous};

use super::disk::Clock;

/// Size of what a step stores, bytes: a session's record.
const PAYLOAD: usize = 1860;

/// Bytes of a slot or of a frame in a segment: payload and digest, in whole pages.
const FRAME: usize = 8192;

/// How many steps a segment holds.
const FRAMES: usize = 256;

/// How long a reader may take, seconds.
const LIMIT_S: &str = "20";

/// What a writer stores into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Store {
    /// sled, a batch a step. Careful: our `fdatasync` after its `flush()`; naive: its `flush()` alone.
    Sled,
    /// The crate's SQLite store, a session a step. Careful: `synchronous=FULL`; naive: its default.
    Sqlite,
    /// An identity that each step replaces. Careful: two slots in turn; naive: one, overwritten in place.
    Identity,
    /// A preallocated segment beside a sled store. Careful: its own `fdatasync`; naive: only that of the store's file.
    Segment,
}

impl Store {
    /// Every store.
    pub const ALL: [Store; 4] = [Store::Sled, Store::Sqlite, Store::Identity, Store::Segment];

    /// What the careful or the naive way is called in a report.
    pub fn way(self, careful: bool) -> &'static str {
        match (self, careful) {
            (Store::Sled, true) => "sled with an fdatasync of our own",
            (Store::Sled, false) => "sled with its own flush() only",
            (Store::Sqlite, true) => "SQLite with synchronous=FULL",
            (Store::Sqlite, false) => "SQLite with synchronous=NORMAL",
            (Store::Identity, true) => "two identity slots",
            (Store::Identity, false) => "one identity slot",
            (Store::Segment, true) => "a segment with a barrier of its own",
            (Store::Segment, false) => "a segment not pushed before the store's barrier",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Store::Sled => "sled",
            Store::Sqlite => "sqlite",
            Store::Identity => "identity",
            Store::Segment => "segment",
        }
    }
}

/// What a `writer` process is told on its command line.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Into what.
    #[arg(long)]
    store: Store,
    /// Where; the directory exists.
    #[arg(long)]
    dir: PathBuf,
    /// The careful way.
    #[arg(long)]
    careful: bool,
    /// Writes this many steps; without, says which are there.
    #[arg(long, requires = "log")]
    steps: Option<u64>,
    /// The block log to read the time off.
    #[arg(long)]
    log: Option<PathBuf>,
}

/// A step that was acknowledged, and the size of the log then.
pub type Acked = (u64, u64);

/// Runs a writer to its end in a process of its own.
///
/// # Errors
/// What it says.
pub fn write(
    store: Store,
    careful: bool,
    dir: &Path,
    clock: &Clock,
    steps: u64,
) -> anyhow::Result<Vec<Acked>> {
    let mut writer = Command::new(std::env::current_exe()?);
    command(&mut writer, store, careful, dir);
    let steps = steps.to_string();
    writer.args(["--steps", &steps, "--log"]).arg(clock.log());
    let said = super::tool(&mut writer)?;
    let acked: Option<Vec<Acked>> = said
        .lines()
        .map(|line| {
            let (step, at) = line.split_once(' ')?;
            Some((step.parse().ok()?, at.parse().ok()?))
        })
        .collect();
    acked.context("the writer does not say what it wrote")
}

/// The steps that are there, read by a process with a time limit.
///
/// # Errors
/// The store does not open.
pub fn read(store: Store, careful: bool, dir: &Path) -> anyhow::Result<BTreeSet<u64>> {
    let mut reader = Command::new("timeout");
    reader
        .args(["--signal=KILL", LIMIT_S])
        .arg(std::env::current_exe()?);
    command(&mut reader, store, careful, dir);
    let output = reader.stdin(Stdio::null()).output()?;
    ensure!(
        output.status.success(),
        "it does not open: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let said = String::from_utf8_lossy(&output.stdout);
    let steps: Result<_, _> = said.lines().map(str::parse).collect();
    Ok(steps?)
}

fn command(command: &mut Command, store: Store, careful: bool, dir: &Path) {
    command.args(["writer", "--store", store.name(), "--dir"]);
    command.arg(dir);
    if careful {
        command.arg("--careful");
    }
}

/// Writes or reads in this process, as the options say.
///
/// # Errors
/// What the store says.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let Options {
        store,
        dir,
        careful,
        ..
    } = options;
    let steps = match (options.steps, options.log) {
        (Some(steps), Some(log)) => {
            let clock = Clock::of(log);
            let acked = |step| println!("{step} {}", clock.now());
            return match store {
                Store::Sled => write_sled(&dir, careful, steps, acked),
                Store::Sqlite => write_sqlite(&dir, careful, steps, acked).await,
                Store::Identity => write_identity(&dir, careful, steps, acked),
                Store::Segment => write_segment(&dir, careful, steps, acked),
            };
        }
        _ => match store {
            Store::Sled => read_sled(&dir)?,
            Store::Sqlite => read_sqlite(&dir, careful).await?,
            Store::Identity => read_identity(&dir)?,
            Store::Segment => read_segment(&dir)?,
        },
    };
    steps.iter().for_each(|step| println!("{step}"));
    Ok(())
}

/// What a step stores.
fn payload(step: u64) -> Vec<u8> {
    step.to_le_bytes().repeat(PAYLOAD / 8)
}

fn open_sled(dir: &Path) -> anyhow::Result<(sled::Db, File)> {
    // As Holdfast opens it.
    let config = sled::Config::new()
        .path(dir)
        .flush_every_ms(None)
        .use_compression(false);
    let db = vault::open_sled(&config)?;
    Ok((db, File::open(dir.join("db"))?))
}

fn write_sled(dir: &Path, careful: bool, steps: u64, acked: impl Fn(u64)) -> anyhow::Result<()> {
    let (db, file) = open_sled(dir)?;
    if careful {
        File::open(dir.join("conf"))?.sync_all()?;
        file.sync_all()?;
        File::open(dir)?.sync_all()?;
    }
    for step in 0..steps {
        let mut batch = sled::Batch::default();
        batch.insert(&step.to_be_bytes(), payload(step));
        db.apply_batch(batch)?;
        db.flush()?;
        if careful {
            file.sync_data()?;
        }
        acked(step);
    }
    Ok(())
}

fn read_sled(dir: &Path) -> anyhow::Result<BTreeSet<u64>> {
    let (db, _) = open_sled(dir)?;
    let mut steps = BTreeSet::new();
    for row in db.iter() {
        let (key, value) = row?;
        let step = u64::from_be_bytes(key.as_ref().try_into()?);
        ensure!(value == payload(step), "step {step} holds another's value");
        steps.insert(step);
    }
    Ok(steps)
}

async fn open_sqlite(dir: &Path, careful: bool) -> anyhow::Result<SqliteStore> {
    let file = dir.join("store.db");
    let file = file.to_str().context("the path must be UTF-8")?;
    let mut config = SqliteStoreConfig::default();
    if careful {
        config.synchronous = Synchronous::Full;
    }
    let store = SqliteStore::with_config(file, config).await?;
    if careful {
        // SQLite makes the names of its files durable only when it first commits to each.
        File::open(dir)?.sync_all()?;
    }
    Ok(store)
}

async fn write_sqlite(
    dir: &Path,
    careful: bool,
    steps: u64,
    acked: impl Fn(u64),
) -> anyhow::Result<()> {
    let store = open_sqlite(dir, careful).await?;
    for step in 0..steps {
        store.put_session(&step.to_string(), &payload(step)).await?;
        acked(step);
    }
    Ok(())
}

async fn read_sqlite(dir: &Path, careful: bool) -> anyhow::Result<BTreeSet<u64>> {
    let store = open_sqlite(dir, careful).await?;
    let mut steps = BTreeSet::new();
    // Steps are written in order: behind a long gap there is none.
    let mut gap = 0;
    for step in 0.. {
        match store.get_session(&step.to_string()).await? {
            Some(value) => {
                ensure!(value == payload(step), "step {step} holds another's value");
                steps.insert(step);
                gap = 0;
            }
            None if gap == FRAMES => break,
            None => gap += 1,
        }
    }
    Ok(steps)
}

/// A step with its digest, in whole pages.
fn seal(step: u64) -> Vec<u8> {
    let mut frame = payload(step);
    frame.resize(FRAME - 32, 0);
    let digest = Sha256::digest(&frame);
    frame.extend(digest);
    frame
}

/// The step in a frame; `None` when it is torn or was never written.
fn open(frame: &[u8]) -> Option<u64> {
    let step = u64::from_le_bytes(*frame.first_chunk()?);
    (frame == seal(step)).then_some(step)
}

const SLOTS: [&str; 2] = ["slot.a", "slot.b"];

fn write_identity(
    dir: &Path,
    careful: bool,
    steps: u64,
    acked: impl Fn(u64),
) -> anyhow::Result<()> {
    let slots = SLOTS.map(|slot| dir.join(slot));
    for slot in slots.iter().take(if careful { 2 } else { 1 }) {
        let file = File::create(slot)?;
        file.write_all_at(&seal(0), 0)?;
        file.sync_all()?;
    }
    File::open(dir)?.sync_all()?;
    for step in 0..steps {
        let second = careful && step % 2 == 1;
        let slot = &slots[usize::from(second)];
        let file = OpenOptions::new().write(true).open(slot)?;
        file.write_all_at(&seal(step), 0)?;
        file.sync_data()?;
        acked(step);
    }
    Ok(())
}

/// Where the newest step is, all are: each replaces the one before.
fn read_identity(dir: &Path) -> anyhow::Result<BTreeSet<u64>> {
    let newest = SLOTS
        .iter()
        .filter_map(|slot| open(&fs::read(dir.join(slot)).ok()?))
        .max();
    Ok(newest.map_or_else(BTreeSet::new, |newest| (0..=newest).collect()))
}

fn write_segment(dir: &Path, careful: bool, steps: u64, acked: impl Fn(u64)) -> anyhow::Result<()> {
    let path = dir.join("segment");
    fs::write(&path, vec![0; FRAME * FRAMES])?;
    let segment = OpenOptions::new().write(true).open(&path)?;
    segment.sync_all()?;
    let (db, file) = open_sled(&dir.join("store"))?;
    File::open(dir)?.sync_all()?;
    for step in 0..steps {
        segment.write_all_at(&seal(step), step * FRAME as u64)?;
        if careful {
            segment.sync_data()?;
        }
        db.insert(b"step", &step.to_be_bytes())?;
        db.flush()?;
        file.sync_data()?;
        acked(step);
    }
    Ok(())
}

fn read_segment(dir: &Path) -> anyhow::Result<BTreeSet<u64>> {
    let segment = fs::read(dir.join("segment"))?;
    let frames = segment.chunks(FRAME).zip(0..);
    Ok(frames
        .filter_map(|(frame, at)| open(frame).filter(|step| *step == at))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_way_reads_what_it_wrote() {
        for store in Store::ALL {
            for careful in [true, false] {
                let dir = tempfile::tempdir().unwrap();
                let path = dir.path();
                let acked = std::cell::RefCell::new(BTreeSet::new());
                let ack = |step| {
                    acked.borrow_mut().insert(step);
                };
                let there = match store {
                    Store::Sled => {
                        write_sled(path, careful, 5, ack).unwrap();
                        read_sled(path).unwrap()
                    }
                    Store::Sqlite => {
                        write_sqlite(path, careful, 5, ack).await.unwrap();
                        read_sqlite(path, careful).await.unwrap()
                    }
                    Store::Identity => {
                        write_identity(path, careful, 5, ack).unwrap();
                        read_identity(path).unwrap()
                    }
                    Store::Segment => {
                        write_segment(path, careful, 5, ack).unwrap();
                        read_segment(path).unwrap()
                    }
                };
                assert_eq!(there, *acked.borrow(), "{}", store.way(careful));
                assert_eq!(there.len(), 5);
            }
        }
    }

    #[test]
    fn a_torn_frame_is_no_step() {
        let mut frame = seal(3);
        assert_eq!(open(&frame), Some(3));
        frame[FRAME / 2] ^= 1;
        assert_eq!(open(&frame), None);
        assert_eq!(open(&[0; FRAME]), None);
        assert_eq!(open(&[]), None);
    }
}
