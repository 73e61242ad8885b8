//! `prove disk-full`: on a partition without a free byte the identity is saved, the store opened, and no message lost.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use async_trait::async_trait;
use holdfast::vault::Vault;
use holdfast_medium::{DataDir, barrier::Barrier, space::Reserve};
use tempfile::TempDir;
use tokio::process::Command;
use wacore::store::Device;

use super::{Proof, Run};
use crate::holdfast::Holdfast;
use crate::server::{Lab, LabConfig};

/// Everything but the daemon's story takes a moment.
const SOON: Duration = Duration::from_secs(30);
/// The daemon measures the room every ten seconds.
const STORY: Duration = Duration::from_secs(180);
/// How large the partition is, bytes; its reserve is a sixteenth.
const SIZE: u64 = 64 << 20;
/// What is left free for a daemon that runs, bytes: too little for a link on such a partition, and the reserve is whole.
const LEFT: u64 = 1 << 20;

/// The proof.
pub struct FullDisk;

#[async_trait(?Send)]
impl Proof for FullDisk {
    fn name(&self) -> &'static str {
        "disk-full"
    }

    fn claim(&self) -> &'static str {
        "A full partition costs neither the identity nor a message, and the link comes back with room"
    }

    async fn try_on(&self, run: &mut Run) {
        if !rustix::process::geteuid().is_root() {
            return run.not_run(10, "mounting a small partition needs root");
        }
        for medium in [Medium::Tmpfs, Medium::Ext4] {
            if let Err(error) = small(medium).await {
                run.not_run(4, format!("{medium:?}: {error:#}"));
                continue;
            }
            let named = |what: &str| format!("{medium:?}: {what}");
            let name = named("the identity is saved on a full partition");
            run.case(name, SOON, saved(medium, true)).await;
            let name = named("saved without a reserve");
            run.control(name, SOON, saved(medium, false)).await;
            let name = named("a full partition is opened");
            run.case(name, SOON, opened(medium, true)).await;
            let name = named("opened without a reserve");
            run.control(name, SOON, opened(medium, false)).await;
        }
        run.case("the link comes down in time, and back", STORY, held(false))
            .await;
        run.case(
            "a daemon killed on a full partition starts on it",
            STORY,
            held(true),
        )
        .await;
    }
}

/// What the partition is made of.
#[derive(Clone, Copy, Debug)]
enum Medium {
    Tmpfs,
    /// In a file of its own. It gives freed blocks out again only when their freeing is in its journal.
    Ext4,
}

/// A small partition, unmounted when dropped.
struct Partition {
    place: PathBuf,
}

impl Partition {
    async fn mount(medium: Medium, place: PathBuf) -> anyhow::Result<Self> {
        fs::create_dir_all(&place)?;
        let mut mount = Command::new("mount");
        match medium {
            Medium::Tmpfs => {
                let size = format!("size={SIZE}");
                mount.args(["-t", "tmpfs", "-o", &size, "holdfast-disk-full"]);
            }
            Medium::Ext4 => {
                let image = place.with_extension("ext4");
                File::create(&image)?.set_len(SIZE)?;
                // Without blocks that are root's alone: we are root, and the daemon is not.
                let mut mkfs = Command::new("mkfs.ext4");
                succeed(mkfs.args(["-q", "-F", "-m", "0"]).arg(&image)).await?;
                mount.args(["-o", "loop,noatime"]).arg(image);
            }
        }
        succeed(mount.arg(&place)).await?;
        Ok(Self { place })
    }

    fn filler(&self) -> PathBuf {
        self.place.join("filler")
    }

    /// Writes until not a byte more fits, then takes so many back.
    fn fill(&self, left: u64) -> anyhow::Result<()> {
        let mut file = File::create(self.filler())?;
        for size in [1 << 20, 4096, 1] {
            let part = vec![0xAA; size];
            loop {
                match file.write(&part) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        let size = file.metadata()?.len();
        Ok(file.set_len(size.saturating_sub(left))?)
    }

    fn relieve(&self) -> anyhow::Result<()> {
        Ok(fs::remove_file(self.filler())?)
    }
}

impl Drop for Partition {
    fn drop(&mut self) {
        // Lazily: a daemon that is just being killed may still have files open. What is left is a few megabytes of memory.
        let _ = std::process::Command::new("umount")
            .arg("--lazy")
            .arg(&self.place)
            .status();
    }
}

async fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().await;
    let output = output.with_context(|| format!("{command:?} cannot be run"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", said.trim());
    Ok(())
}

struct Stored {
    barrier: Barrier,
    vault: Vault,
}

impl Stored {
    /// A new vault, with a device in it.
    async fn begin(dir: &DataDir, with_reserve: bool) -> anyhow::Result<Self> {
        let stored = Self::open(dir).await?;
        stored.save("before").await?;
        if with_reserve {
            Reserve::of(dir.root()).room()?;
        }
        Ok(stored)
    }

    async fn open(dir: &DataDir) -> anyhow::Result<Self> {
        let barrier = Barrier::start()?;
        let vault = Vault::open(dir.clone(), barrier.clone()).await?;
        Ok(Self { barrier, vault })
    }

    /// Saves a device of this name. The library is never told of an error, so the barrier is asked, too.
    async fn save(&self, name: &str) -> anyhow::Result<()> {
        let mut device = Device::new();
        device.push_name = name.to_owned();
        let backend = self.vault.backend();
        let mut failure = self.barrier.failure();
        tokio::select! {
            saved = backend.save(&device) => Ok(saved?),
            failed = failure.wait_for(Option::is_some) => match failed?.clone() {
                Some(failure) => Err(failure.into()),
                None => bail!("a failure without a reason"),
            },
        }
    }

    /// The device's.
    async fn name(&self) -> anyhow::Result<String> {
        let device = self.vault.backend().load().await?;
        Ok(device.context("there is no device")?.push_name)
    }

    async fn close(self) -> anyhow::Result<()> {
        self.vault.close().await?;
        Ok(self.barrier.stop().await?)
    }
}

async fn small(medium: Medium) -> anyhow::Result<(Partition, DataDir, TempDir)> {
    let directory = tempfile::tempdir()?;
    let partition = Partition::mount(medium, directory.path().join("partition")).await?;
    let dir = DataDir::new(partition.place.join("data"));
    Ok((partition, dir, directory))
}

async fn saved(medium: Medium, with_reserve: bool) -> anyhow::Result<()> {
    let (partition, dir, _directory) = small(medium).await?;
    let stored = Stored::begin(&dir, with_reserve).await?;
    partition.fill(0)?;
    stored.save("on a full partition").await?;
    stored.close().await?;
    partition.relieve()?;
    let stored = Stored::open(&dir).await?;
    ensure!(
        stored.name().await? == "on a full partition",
        "the old identity is back"
    );
    Ok(())
}

async fn opened(medium: Medium, with_reserve: bool) -> anyhow::Result<()> {
    let (partition, dir, _directory) = small(medium).await?;
    Stored::begin(&dir, with_reserve).await?.close().await?;
    partition.fill(0)?;
    Reserve::of(dir.root()).make_room_to_open()?;
    let stored = Stored::open(&dir).await?;
    ensure!(
        stored.name().await? == "before",
        "another identity was opened"
    );
    Ok(())
}

/// The daemon's story: the partition fills up while a friend goes on writing.
async fn held(killed: bool) -> anyhow::Result<()> {
    const OWNER: &str = "15550000001";
    let directory = tempfile::tempdir()?;
    let partition = Partition::mount(Medium::Tmpfs, directory.path().join("data")).await?;
    let lab = Lab::start(LabConfig::default()).await?;
    let owner = lab.create_phone(OWNER, "Owner").await?;
    let friend = lab.create_phone("15550000002", "Friend").await?;
    let program = std::env::current_exe().context("this program cannot find itself")?;
    let mut holdfast = Holdfast::new(&program, directory.path(), &lab.url())?;
    holdfast.start().await?;
    lab.scan_qr(&owner, &holdfast.scan_screen().await?).await?;
    holdfast.reaches("Connected").await?;

    partition.fill(LEFT)?;
    holdfast.reaches("StorageFault").await?;
    let (cause, ..) = holdfast.session().await?.cause().await?;
    ensure!(cause == "storage.no-space", "the cause is {cause}");
    lab.send_text(&friend, OWNER, "while it was full").await?;
    if killed {
        partition.fill(0)?;
        holdfast.kill().await?;
        holdfast.start().await?;
        holdfast.reaches("StorageFault").await?;
    }
    partition.relieve()?;
    holdfast.reaches("Connected").await?;
    let received = holdfast.receives("bot", 1).await?;
    ensure!(
        received.len() == 1 && received[0].text == "while it was full",
        "the message sent meanwhile did not arrive, once"
    );
    let generation = holdfast.session().await?.generation().await?;
    ensure!(generation == "gen-0001", "{generation} was begun");
    holdfast.stop().await
}
