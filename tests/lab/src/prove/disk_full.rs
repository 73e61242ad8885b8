//! `prove disk-full`: a small partition is filled by received mail and by sends, and without a free byte. The identity is saved, the
//! store opened, no message lost, and what is read or sent brings everything back.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use async_trait::async_trait;
use holdfast::bus::{Error, follow};
use holdfast::mail::{Bounds, MailError, OutMessage, Outbox, Room};
use holdfast::vault::Vault;
use holdfast_medium::{DataDir, Secret, barrier::Barrier, space::Reserve};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;
use wacore::store::Device;

use super::{Proof, Run};
use crate::holdfast::Holdfast;
use crate::phone::inbox::Content;
use crate::server::{DeviceId, Fault, Lab, LabConfig, PhoneId, When};

/// Everything but the daemon's story takes a moment.
const SOON: Duration = Duration::from_secs(30);
/// The daemon measures the room every ten seconds, and hundreds of messages go through a program that may be a debug build.
const STORY: Duration = Duration::from_secs(600);
/// How large the partition is, bytes; its reserve is a sixteenth.
const SIZE: u64 = 64 << 20;
/// What received mail leaves, bytes.
const FLOOR: u64 = 6 << 20;
/// What outgoing mail leaves on such a partition, bytes: the room in which a link comes up.
const ENOUGH: u64 = 18 << 20;
/// How long the texts are that fill it, bytes.
const LONG: usize = 20_000;
/// More messages than fill it, if nothing stops them.
const MOST: usize = 5_000;
/// What WhatsApp's library takes in at once, messages.
const AT_ONCE: usize = 400;
/// For how long no news is waited for.
const PAUSE: Duration = Duration::from_secs(1);
const OWNER: &str = "15550000001";
const FRIEND: &str = "15550000002";

/// The proof.
pub struct FullDisk;

#[async_trait(?Send)]
impl Proof for FullDisk {
    fn name(&self) -> &'static str {
        "disk-full"
    }

    fn claim(&self) -> &'static str {
        "A partition filled by mail and by sends costs neither the identity nor a message, and reading it brings the link back"
    }

    fn minutes(&self) -> u64 {
        5
    }

    fn rooms(&self) -> &'static [&'static str] {
        &[
            "src/core",
            "src/medium",
            "src/vault",
            "src/mail",
            "src/daemon.rs",
            "src/daemon",
        ]
    }

    async fn try_on(&self, run: &mut Run) {
        if !rustix::process::geteuid().is_root() {
            return run.not_run(22, "mounting a small partition needs root");
        }
        for medium in [Medium::Tmpfs, Medium::Ext4] {
            if let Err(error) = small(medium).await {
                run.not_run(11, format!("{medium:?}: {error:#}"));
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
            let name = named("what is to be sent leaves room for what comes in");
            run.case(name, STORY, bounded(medium, true)).await;
            let name = named("sends without a bound");
            run.control(name, STORY, bounded(medium, false)).await;
            let name = named("filled by mail, read, and it goes on");
            run.case(name, STORY, filled_by_mail(medium, true)).await;
            let name = named("filled by mail that nobody acknowledges");
            run.control(name, STORY, filled_by_mail(medium, false))
                .await;
            let name = named("filled by sends, sent, and it goes on");
            run.case(name, STORY, filled_by_sends(medium)).await;
            let name = named("a card that sends filled before is drained");
            run.case(name, STORY, drained(medium)).await;
            let name = named("it starts without a free byte, and without the reserve");
            run.case(name, STORY, started_full(medium)).await;
        }
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
    // An opening that finds everything as it should be writes nothing: this one has to name the live generation again.
    fs::remove_file(dir.current())?;
    partition.fill(0)?;
    Reserve::of(dir.root()).make_room_to_open()?;
    let stored = Stored::open(&dir).await?;
    ensure!(
        stored.name().await? == "before",
        "another identity was opened"
    );
    Ok(())
}

/// Sends are accepted until one is refused, and then there is room left for what comes in.
async fn bounded(medium: Medium, with_bounds: bool) -> anyhow::Result<()> {
    let (_partition, dir, _directory) = small(medium).await?;
    let stored = Stored::begin(&dir, true).await?;
    let bounds = if with_bounds {
        Bounds {
            outbox_leaves: ENOUGH,
            ..Bounds::NONE
        }
    } else {
        Bounds::NONE
    };
    let room = Room::new(dir.root(), bounds);
    let outbox = Outbox::open(&dir, &stored.barrier, room.clone(), |_| Duration::ZERO).await?;
    let refused = loop {
        if let Err(refused) = outbox.accept(outgoing("bounded")).await {
            break refused;
        }
    };
    ensure!(matches!(refused, MailError::NoRoom { .. }), "{refused}");
    let free = Reserve::of(dir.root()).spare()?;
    ensure!(free >= ENOUGH, "{free} bytes are left");
    stored.close().await
}

/// A message that takes some room.
fn outgoing(about: &str) -> OutMessage {
    OutMessage {
        id: holdfast::mail::fresh_id().unwrap_or_default(),
        to: Secret::new(format!("{FRIEND}@s.whatsapp.net")),
        text: Secret::new(long(about)),
    }
}

fn long(about: &str) -> String {
    format!("{about} {}", "x".repeat(LONG))
}

/// A linked daemon on a small partition, a friend of its owner, and what both of them wrote.
struct Scene {
    lab: Lab,
    friend: PhoneId,
    device: DeviceId,
    holdfast: Holdfast,
    partition: Partition,
    _directory: TempDir,
    written: usize,
    got: BTreeSet<String>,
}

impl Scene {
    async fn linked(medium: Medium) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let partition = Partition::mount(medium, directory.path().join("data")).await?;
        let lab = Lab::start(LabConfig::default()).await?;
        let owner = lab.create_phone(OWNER, "Owner").await?;
        let friend = lab.create_phone(FRIEND, "Friend").await?;
        let program = std::env::current_exe().context("this program cannot find itself")?;
        let mut holdfast = Holdfast::new(&program, directory.path(), &lab.url())?;
        holdfast.start().await?;
        let device = holdfast.links(&lab, &owner).await?;
        Ok(Self {
            lab,
            friend,
            device,
            holdfast,
            partition,
            _directory: directory,
            written: 0,
            got: BTreeSet::new(),
        })
    }

    fn dir(&self) -> DataDir {
        DataDir::new(self.holdfast.data().to_owned())
    }

    /// The friend writes so much.
    async fn write(&mut self, messages: usize) -> anyhow::Result<()> {
        for _ in 0..messages {
            let text = long(&format!("message {}", self.written));
            self.lab.send_text(&self.friend, OWNER, &text).await?;
            self.written += 1;
        }
        Ok(())
    }

    /// The friend writes until the link comes down, and is ahead of what was taken in by as much as comes at once.
    async fn is_filled(&mut self) -> anyhow::Result<()> {
        let holdfast = self.holdfast.messages().await?;
        // From now on what is unread is counted for it.
        holdfast.acknowledge("bot", 0).await?;
        let mut news = follow(holdfast.receive_received().await?);
        drop(holdfast);
        while self.holdfast.session().await?.state().await? != "StorageFault" {
            let consumers = self.holdfast.messages().await?.consumers().await?;
            let taken_in = consumers.first().map_or(0, |bot| bot.unread);
            if self.written < taken_in as usize + AT_ONCE {
                ensure!(self.written < MOST, "nothing stops the mail");
                self.write(10).await?;
            } else {
                // Whether anything comes or the link came down: the state is asked again.
                let _ = timeout(PAUSE, news.changed()).await;
            }
        }
        Ok(())
    }

    /// A bot reads all that the friend wrote, and acknowledges it where it `acknowledges` at all.
    async fn read(&mut self, acknowledges: bool) -> anyhow::Result<()> {
        while self.got.len() < self.written {
            let unread = self.holdfast.receives("bot", 1).await?;
            let last = unread.last().map_or(0, |last| last.seq);
            let before = self.got.len();
            self.got
                .extend(unread.into_iter().map(|message| message.text));
            if acknowledges {
                let messages = self.holdfast.messages().await?;
                messages.acknowledge("bot", last).await?;
            } else if self.got.len() == before {
                // Nothing else is shown to one who acknowledges nothing.
                let back = self.holdfast.reaches("Connected").await;
                ensure!(back.is_ok(), "the link did not come back");
                return Ok(());
            }
        }
        Ok(())
    }

    /// The reserve is whole, and nothing was written into the store's share.
    fn is_not_overfull(&self) -> anyhow::Result<()> {
        let data = self.holdfast.data();
        let reserve = fs::metadata(data.join("reserve"))?;
        let held = std::os::unix::fs::MetadataExt::blocks(&reserve) * 512;
        ensure!(held >= SIZE / 24, "{held} bytes are left of the reserve");
        let free = Reserve::of(data).spare()?;
        ensure!(free > 0, "not a byte is left beside the reserve");
        println!("          {} KiB are free beside the reserve", free >> 10);
        let log = self.holdfast.read_log();
        ensure!(!log.contains("No space left"), "something did not fit");
        Ok(())
    }

    async fn fails_with(&self, code: &str) -> anyhow::Result<()> {
        self.holdfast.reaches("StorageFault").await?;
        let (cause, ..) = self.holdfast.session().await?.cause().await?;
        ensure!(cause == code, "the cause is {cause}");
        Ok(())
    }

    /// Both directions work, under the same link.
    async fn goes_on(mut self) -> anyhow::Result<()> {
        self.holdfast.reaches("Connected").await?;
        let id = self.sends_once_it_may("it goes on").await?;
        let acked = timeout(SOON * 2, self.is_acked(&id)).await;
        acked.context("no ack of the server's")??;
        self.write(1).await?;
        self.read(true).await?;
        let generation = self.holdfast.session().await?.generation().await?;
        ensure!(generation == "gen-0001", "{generation} was begun");
        self.holdfast.stop().await
    }

    /// Sends as a bot does that is refused for want of room: it reads on, and tries again. What WhatsApp repeats is taken in once more where
    /// there was no room to keep what it is recognised by.
    async fn sends_once_it_may(&self, text: &str) -> anyhow::Result<String> {
        let messages = self.holdfast.messages().await?;
        let mut news = follow(messages.receive_received().await?);
        loop {
            match messages.send(FRIEND, text, "").await {
                Err(Error::Full(_)) => {}
                sent => return Ok(sent?),
            }
            match messages.read("bot", 0, 0).await?.last() {
                Some(last) => messages.acknowledge("bot", last.seq).await?,
                None => {
                    let more = timeout(SOON, news.changed()).await;
                    more.context("all is read, and there is no room")??;
                }
            }
        }
    }

    /// Waits until WhatsApp has acked a message that was accepted.
    async fn is_acked(&self, id: &str) -> anyhow::Result<()> {
        let messages = self.holdfast.messages().await?;
        let mut changes = follow(messages.receive_outbox_changed().await?);
        loop {
            match messages.state(id).await?.as_str() {
                "acked" => return Ok(()),
                failed if failed.starts_with("failed") => bail!("it ended as {failed}"),
                _ => changes.changed().await.context("the daemon has left")?,
            };
        }
    }

    /// Waits until the friend has so many long texts of ours.
    async fn friend_has(&self, about: &str, count: usize) -> anyhow::Result<()> {
        let wanted: Vec<String> = (0..count)
            .map(|number| format!("{about} {number} "))
            .collect();
        for start in wanted {
            self.lab
                .wait_inbox(&self.friend, STORY, |received| {
                    matches!(&received.content, Content::Text(text) if text.starts_with(&start))
                })
                .await
                .with_context(|| format!("{start}did not arrive"))?;
        }
        Ok(())
    }
}

/// A friend writes until the link comes down, and goes on writing. A bot reads, and all of it arrives.
async fn filled_by_mail(medium: Medium, acknowledges: bool) -> anyhow::Result<()> {
    let mut scene = Scene::linked(medium).await?;
    scene.is_filled().await?;
    println!("          {} messages were written", scene.written);
    scene.fails_with("storage.no-space").await?;
    scene.is_not_overfull()?;
    scene.write(30).await?;
    let messages = scene.holdfast.messages().await?;
    let refused = messages.send(FRIEND, "no room for it", "").await;
    ensure!(matches!(refused, Err(Error::Full(_))), "{refused:?}");
    drop(messages);
    scene.read(acknowledges).await?;
    scene.goes_on().await
}

/// While the link is down a bot sends until it is refused. All of it arrives, and it may send again.
async fn filled_by_sends(medium: Medium) -> anyhow::Result<()> {
    let scene = Scene::linked(medium).await?;
    let device = scene.device.clone();
    scene
        .lab
        .inject(device.clone(), Fault::Failure503, When::Now, 2)
        .await?;
    scene
        .lab
        .inject(device, Fault::SocketDrop, When::Now, 1)
        .await?;
    let messages = scene.holdfast.messages().await?;
    let (mut sent, mut last) = (0, String::new());
    let refused = loop {
        ensure!(sent < MOST, "nothing stops the sends");
        let text = long(&format!("sent {sent}"));
        match messages.send(FRIEND, &text, "").await {
            Ok(id) => (sent, last) = (sent + 1, id),
            Err(refused) => break refused,
        }
    };
    println!("          {sent} messages were accepted");
    ensure!(matches!(refused, Error::Full(_)), "{refused:?}");
    ensure!(sent > 100, "only {sent} were accepted");
    scene.is_not_overfull()?;
    drop(messages);
    scene.friend_has("sent", sent).await?;
    scene.is_acked(&last).await?;
    scene.goes_on().await
}

/// What a Holdfast without bounds accepted fills the partition. The link comes up to send it.
async fn drained(medium: Medium) -> anyhow::Result<()> {
    let mut scene = Scene::linked(medium).await?;
    scene.holdfast.stop().await?;
    let (dir, barrier) = (scene.dir(), Barrier::start()?);
    let room = Room::new(dir.root(), Bounds::NONE);
    let outbox = Outbox::open(&dir, &barrier, room.clone(), |_| Duration::ZERO).await?;
    let (mut sent, mut last) = (0, String::new());
    let free = || {
        anyhow::Ok(
            Reserve::of(dir.root())
                .spare()?
                .saturating_sub(room.promised()),
        )
    };
    while free()? > FLOOR * 3 / 2 + (2 << 20) {
        let message = OutMessage {
            text: Secret::new(long(&format!("drained {sent}"))),
            ..outgoing("")
        };
        last.clone_from(&message.id);
        outbox.accept(message).await?;
        sent += 1;
    }
    println!("          {sent} messages were accepted");
    drop(outbox);
    barrier.stop().await?;
    scene.holdfast.start().await?;
    scene.friend_has("drained", sent).await?;
    scene.is_acked(&last).await?;
    scene.goes_on().await
}

/// Somebody else takes the last byte: the start reaches the bus, with the reserve and without. With room again it goes on.
async fn started_full(medium: Medium) -> anyhow::Result<()> {
    let mut scene = Scene::linked(medium).await?;
    for with_reserve in [true, false] {
        scene.holdfast.kill().await?;
        if !with_reserve {
            fs::remove_file(scene.holdfast.data().join("reserve"))?;
        }
        scene.partition.fill(0)?;
        scene.write(1).await?;
        scene.holdfast.start().await?;
        scene.fails_with("storage.no-space").await?;
        scene.partition.relieve()?;
        if !with_reserve {
            // Nothing is open: the service manager starts it again.
            scene.holdfast.kill().await?;
            scene.holdfast.start().await?;
        }
        scene.holdfast.reaches("Connected").await?;
        scene.read(true).await?;
    }
    scene.goes_on().await
}
