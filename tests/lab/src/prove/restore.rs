//! `prove restore`: archives of many ages come back under the ledger's eye.

use std::fmt;
use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use async_trait::async_trait;
use futures_util::StreamExt;
use holdfast::bus;
use holdfast::vault::Vault;
use holdfast_core::GenerationId;
use holdfast_medium::{DataDir, barrier::Barrier};
use rand::RngExt;
use rand::rngs::StdRng;
use tempfile::TempDir;
use tokio::process::Command;

use super::{Proof, Run};
use crate::holdfast::{Holdfast, within};
use crate::ledger::Ledger;
use crate::phone::inbox::{Content, Received};
use crate::server::{Lab, LabConfig, PhoneId};

const OWNER: &str = "15550000001";
const FRIEND: &str = "15550000002";
const PASSPHRASE: &str = "a phrase that only the proof knows";

/// A case links twice at most, comes back three times, and talks in between.
const WITHIN: Duration = Duration::from_secs(300);

/// How long a message may take to a phone.
const DELIVERY: Duration = Duration::from_secs(30);

/// Message counters are leased in batches of 64 (`SENDER_CHAIN_RESERVATION_BATCH` of wacore-libsignal): more one-way
/// messages than that, and an old ratchet repeats some.
const PAST_THE_LEASE: u32 = 100;

/// How many pre-key ids a restore leaves out, at least.
const LEAP: u32 = 10_000;

/// The proof.
pub struct Comeback;

#[async_trait(?Send)]
impl Proof for Comeback {
    fn name(&self) -> &'static str {
        "restore"
    }

    fn claim(&self) -> &'static str {
        "an archive of any age comes back without a phone, and neither a message key nor a pre-key id is used twice"
    }

    fn minutes(&self) -> u64 {
        1
    }

    fn rooms(&self) -> &'static [&'static str] {
        &[
            "src/history",
            "src/vault",
            "src/mail",
            "src/daemon.rs",
            "src/daemon",
        ]
    }

    async fn try_on(&self, run: &mut Run) {
        for case in 0..run.count(3, 60) {
            let age = Age::draw(&mut run.dice(case));
            run.case(format!("case {case}: {age}"), WITHIN, comes_back(age))
                .await;
        }
        for case in 0..run.count(1, 20) {
            let mut dice = run.dice(case);
            let kills: Vec<u64> = (0..5).map(|_| dice.random_range(0..300)).collect();
            let name = format!("killed {kills:?} ms into a restore");
            run.case(name, WITHIN, survives_kills(&kills)).await;
        }
        run.case(
            "every copy dropped between two restores",
            WITHIN,
            forgets_copies(Marks::Kept),
        )
        .await;
        run.control(
            "every copy dropped, and the mark of its ids lowered",
            WITHIN,
            forgets_copies(Marks::Lowered),
        )
        .await;
        for (name, what) in [("vault", "data/gen-0001"), ("data directory", "data")] {
            let noticed = naive_copy(what, Outside::Kept);
            let name = format!("a copy of the {name}, put back after more traffic");
            run.case(name, WITHIN, noticed).await;
        }
        run.control(
            "a copy of the data directory, put back where nothing outside knows better",
            WITHIN,
            naive_copy("data", Outside::Lost),
        )
        .await;
        run.control("a restore that does not leap", WITHIN, no_leap())
            .await;
    }
}

/// What happened before a generation was retired, and after.
#[derive(Clone, Copy, Debug)]
struct Age {
    /// Messages before, in and out.
    before: (u32, u32),
    /// Restarts before, of which some are kills.
    restarts: u32,
    /// Whether the next generation is linked and used, too.
    relinked: bool,
    /// Messages of the friend that wait for the retired device.
    meanwhile: u32,
    /// Messages between one restore and the next, out.
    between: u32,
}

impl Age {
    fn draw(dice: &mut StdRng) -> Age {
        Age {
            before: (dice.random_range(0..20), dice.random_range(0..120)),
            restarts: dice.random_range(0..3),
            relinked: dice.random_bool(0.5),
            meanwhile: dice.random_range(0..5),
            between: dice.random_range(1..90),
        }
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (received, sent) = self.before;
        let relinked = if self.relinked { "" } else { "not " };
        write!(
            f,
            "{received} received, {sent} sent, {} restarts, {relinked}linked anew, {} missed, {} between",
            self.restarts, self.meanwhile, self.between
        )
    }
}

/// A Holdfast with a place of its own.
struct Place {
    holdfast: Holdfast,
    directory: TempDir,
}

impl Place {
    async fn start(lab: &Lab) -> anyhow::Result<Place> {
        let directory = tempfile::tempdir()?;
        let program = std::env::current_exe().context("this program cannot find itself")?;
        let mut holdfast = Holdfast::new(&program, directory.path(), &lab.url())?;
        holdfast.start().await?;
        Ok(Place {
            holdfast,
            directory,
        })
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The live generation, once the vault is open.
    async fn generation(&self) -> anyhow::Result<String> {
        let session = self.holdfast.session().await?;
        let properties = self.holdfast.properties().await?;
        let mut changes = properties.receive_properties_changed().await?;
        while session.state().await? == "Starting" {
            let changed = within(60, "the vault to open", changes.next()).await?;
            changed.context("the daemon has left")?;
        }
        Ok(session.generation().await?)
    }

    /// A human gives the link up over the bus.
    async fn retire(&self, next: &str) -> anyhow::Result<()> {
        let session = self.holdfast.session().await?;
        let (token, _) = session.relink().await?;
        session.confirm_relink(token).await?;
        self.holdfast.lives(next).await
    }

    /// A human brings an archive back over the bus.
    async fn restore(&self, id: &str, next: &str) -> anyhow::Result<()> {
        let vault = self.holdfast.vault().await?;
        let (token, _) = vault.restore(id).await?;
        vault.confirm_restore(id, token).await?;
        self.holdfast.lives(next).await?;
        self.holdfast.reaches("Connected").await
    }

    async fn export(&self, id: &str) -> anyhow::Result<File> {
        let vault = self.holdfast.vault().await?;
        let (token, _) = vault.export(id).await?;
        let mut file = tempfile::tempfile()?;
        let output = OwnedFd::from(file.try_clone()?);
        vault
            .confirm_export(id, token, passphrase()?, output.into())
            .await?;
        file.rewind()?;
        Ok(file)
    }

    async fn import(&self, file: File) -> anyhow::Result<String> {
        let vault = self.holdfast.vault().await?;
        Ok(vault
            .import(passphrase()?, OwnedFd::from(file).into())
            .await?)
    }

    /// Waits until this text is in the inbox.
    async fn hears(&self, text: &str) -> anyhow::Result<()> {
        loop {
            let unread = self.holdfast.receives("bot", 1).await?;
            if let Some(last) = unread.last() {
                let messages = self.holdfast.messages().await?;
                messages.acknowledge("bot", last.seq).await?;
            }
            if unread.iter().any(|message| message.text == text) {
                return Ok(());
            }
        }
    }
}

fn passphrase() -> anyhow::Result<zbus::OwnedFd> {
    let (reader, mut writer) = std::io::pipe()?;
    writer.write_all(PASSPHRASE.as_bytes())?;
    Ok(OwnedFd::from(reader).into())
}

/// The lab with an owner and a friend.
struct Scene {
    lab: Lab,
    owner: PhoneId,
    friend: PhoneId,
    /// So that no two texts are the same.
    texts: u32,
}

impl Scene {
    async fn set() -> anyhow::Result<Scene> {
        let lab = Lab::start(LabConfig::default()).await?;
        Ok(Scene {
            owner: lab.create_phone(OWNER, "Owner").await?,
            friend: lab.create_phone(FRIEND, "Friend").await?,
            lab,
            texts: 0,
        })
    }

    fn text(&mut self) -> String {
        self.texts += 1;
        format!("text {}", self.texts)
    }

    async fn link(&self, place: &Place) -> anyhow::Result<()> {
        place.holdfast.links(&self.lab, &self.owner).await?;
        Ok(())
    }

    async fn to(&mut self, place: &Place) -> anyhow::Result<()> {
        let text = self.text();
        self.lab.send_text(&self.friend, OWNER, &text).await?;
        place.hears(&text).await
    }

    async fn from(&mut self, place: &Place) -> anyhow::Result<()> {
        let text = self.text();
        place.holdfast.sends(FRIEND, &text).await?;
        let wanted = Content::Text(text);
        let arrived = |message: &Received| message.content == wanted;
        self.lab.wait_inbox(&self.friend, DELIVERY, arrived).await?;
        Ok(())
    }

    /// Both ways, with a friend who knew the old sessions; nobody was linked meanwhile, and no key was used twice.
    async fn sound(&mut self, place: &Place, devices: usize) -> anyhow::Result<()> {
        self.to(place).await?;
        self.from(place).await?;
        self.to(place).await?;
        let linked = self.lab.devices(&self.owner).await?.len();
        ensure!(linked == devices, "a phone was asked: {linked} devices");
        self.no_crimes()
    }

    /// Waits until one-time pre-keys are published that leapt so often: the library does that beside its first
    /// messages.
    async fn leapt(&self, times: u32) -> anyhow::Result<()> {
        let leapt = |ledger: &Ledger| {
            let published = ledger.pre_keys();
            let mut furthest = published.values().filter_map(|it| it.keys.keys().last());
            furthest.any(|id| *id > times * LEAP)
        };
        let leapt = self.lab.ledger().wait_until(DELIVERY, leapt).await;
        ensure!(leapt, "no pre-keys were published {times} leaps ahead");
        Ok(())
    }

    /// Waits until a restore has published pre-keys: the library does that beside its first messages.
    async fn uploads(
        &self,
        restore: impl Future<Output = anyhow::Result<()>>,
    ) -> anyhow::Result<()> {
        let published = |ledger: &Ledger| -> u64 {
            let published = ledger.pre_keys();
            published.values().map(|it| it.uploads).sum()
        };
        let before = published(&self.lab.ledger());
        restore.await?;
        let more = |ledger: &Ledger| published(ledger) > before;
        let uploaded = self.lab.ledger().wait_until(DELIVERY, more).await;
        ensure!(uploaded, "no pre-keys were published");
        Ok(())
    }

    fn no_crimes(&self) -> anyhow::Result<()> {
        let crimes = self.lab.ledger().crimes();
        match crimes.as_slice() {
            [] => Ok(()),
            [first, ..] => bail!("{} crimes, the first: {first}", crimes.len()),
        }
    }
}

async fn comes_back(age: Age) -> anyhow::Result<()> {
    let mut scene = Scene::set().await?;
    let mut place = Place::start(&scene.lab).await?;
    scene.link(&place).await?;
    for _ in 0..age.before.0 {
        scene.to(&place).await?;
    }
    for _ in 0..age.before.1 {
        scene.from(&place).await?;
    }
    for restart in 0..age.restarts {
        if restart == 0 {
            place.holdfast.kill().await?;
        } else {
            place.holdfast.stop().await?;
        }
        place.holdfast.start().await?;
        place.holdfast.reaches("Connected").await?;
        scene.from(&place).await?;
    }

    place.retire("gen-0002").await?;
    if age.relinked {
        scene.link(&place).await?;
        scene.to(&place).await?;
        scene.from(&place).await?;
    }
    for _ in 0..age.meanwhile {
        let text = scene.text();
        scene.lab.send_text(&scene.friend, OWNER, &text).await?;
    }
    let devices = scene.lab.devices(&scene.owner).await?.len();

    place.restore("gen-0001", "gen-0003").await?;
    scene.leapt(1).await?;
    scene.sound(&place, devices).await.context("restored")?;
    for _ in 0..age.between {
        scene.from(&place).await?;
    }
    place.restore("gen-0001", "gen-0004").await?;
    scene.leapt(2).await?;
    scene
        .sound(&place, devices)
        .await
        .context("restored from the same archive again")?;

    place.retire("gen-0005").await?;
    let file = place.export("gen-0004").await?;
    let elsewhere = Place::start(&scene.lab).await?;
    let id = elsewhere.import(file).await?;
    elsewhere.restore(&id, "gen-0002").await?;
    scene.leapt(3).await?;
    scene
        .sound(&elsewhere, devices)
        .await
        .context("restored elsewhere")?;
    for id in ["gen-0001", "gen-0003", "gen-0004"] {
        let refused = place.holdfast.vault().await?.restore(id).await;
        let Err(bus::Error::NotRestorable(_)) = refused else {
            bail!("{id} could run twice: {refused:?}");
        };
    }
    audited(
        &place,
        &[
            "retire", "retire", "restore", "retire", "restore", "retire", "export",
        ],
    )
    .await?;
    audited(&elsewhere, &["import", "retire", "restore"]).await?;
    place.holdfast.stop().await?;
    let mut elsewhere = elsewhere;
    elsewhere.holdfast.stop().await?;
    for log in [&place, &elsewhere].map(|place| place.holdfast.read_log()) {
        for secret in [OWNER, FRIEND, PASSPHRASE, "text 1"] {
            ensure!(!log.contains(secret), "a secret is in the log");
        }
    }
    Ok(())
}

/// However far a restore got, the next start finds the old link or the restored one, and the next try goes through.
async fn survives_kills(kills_ms: &[u64]) -> anyhow::Result<()> {
    let mut scene = Scene::set().await?;
    let mut place = Place::start(&scene.lab).await?;
    scene.link(&place).await?;
    scene.to(&place).await?;
    scene.from(&place).await?;
    place.retire("gen-0002").await?;
    let mut live = GenerationId(2);
    for after_ms in kills_ms {
        let vault = place.holdfast.vault().await?;
        let (token, _) = vault.restore("gen-0001").await?;
        vault.confirm_restore("gen-0001", token).await?;
        // A moment drawn at random, not one that is waited for.
        tokio::time::sleep(Duration::from_millis(*after_ms)).await;
        place.holdfast.kill().await?;
        place.holdfast.start().await?;
        let found = place.generation().await?;
        let next = live.next();
        if found == live.to_string() {
            place.restore("gen-0001", &next.to_string()).await?;
        }
        place.holdfast.lives(&next.to_string()).await?;
        place.holdfast.reaches("Connected").await?;
        scene.sound(&place, 1).await?;
        live = next;
    }
    let (_, _, faults) = place.holdfast.vault().await?.verify_audit().await?;
    ensure!(faults.is_empty(), "the audit is not sound: {faults:?}");
    Ok(())
}

/// What becomes of the high-water marks between two restores.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Marks {
    Kept,
    /// They say what they said before the first one.
    Lowered,
}

/// A link comes back from one exported file twice, and in between every copy that used a key is dropped.
async fn forgets_copies(marks: Marks) -> anyhow::Result<()> {
    let mut scene = Scene::set().await?;
    let mut place = Place::start(&scene.lab).await?;
    scene.link(&place).await?;
    scene.to(&place).await?;
    scene.from(&place).await?;
    place.retire("gen-0002").await?;
    let mut file = place.export("gen-0001").await?;
    let before = place.data().join("marks");
    let first = place.import(file.try_clone()?).await?;
    let lowered = std::fs::read(&before)?;
    scene.uploads(place.restore(&first, "gen-0003")).await?;
    scene.sound(&place, 1).await?;
    place.retire("gen-0004").await?;
    place.holdfast.stop().await?;
    std::fs::remove_dir_all(place.data().join("archive"))?;

    place.holdfast.start().await?;
    file.rewind()?;
    place.generation().await?;
    let again = place.import(file).await?;
    if marks == Marks::Lowered {
        std::fs::write(before, lowered)?;
    }
    scene.uploads(place.restore(&again, "gen-0005")).await?;
    scene.sound(&place, 1).await
}

/// The audit is whole and has these entries.
async fn audited(place: &Place, kinds: &[&str]) -> anyhow::Result<()> {
    let vault = place.holdfast.vault().await?;
    let (entries, _, faults) = vault.verify_audit().await?;
    ensure!(faults.is_empty(), "the audit is not sound: {faults:?}");
    ensure!(entries == kinds.len() as u64, "{entries} audit entries");
    for (entry, kind) in vault.read_audit(1, 0).await?.iter().zip(kinds) {
        let entry: serde_json::Value = serde_json::from_str(entry)?;
        ensure!(
            entry["kind"] == *kind,
            "{} instead of {kind}",
            entry["kind"]
        );
    }
    Ok(())
}

/// What becomes of the note of how far the data had come, outside of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outside {
    Kept,
    /// As on another machine, or after a restart.
    Lost,
}

/// What people do who have no archive: copy the directory, and copy it back when they need it.
async fn naive_copy(what: &str, outside: Outside) -> anyhow::Result<()> {
    let mut scene = Scene::set().await?;
    let mut place = Place::start(&scene.lab).await?;
    scene.link(&place).await?;
    scene.from(&place).await?;
    scene.to(&place).await?;
    place.holdfast.stop().await?;
    let (live, copy) = (
        place.directory.path().join(what),
        place.directory.path().join("copy"),
    );
    cp(&live, &copy).await?;

    place.holdfast.start().await?;
    place.holdfast.reaches("Connected").await?;
    for _ in 0..PAST_THE_LEASE {
        scene.from(&place).await?;
    }
    place.holdfast.stop().await?;

    std::fs::remove_dir_all(&live)?;
    cp(&copy, &live).await?;
    if outside == Outside::Lost {
        std::fs::remove_file(place.directory.path().join("run/age"))?;
    }
    place.holdfast.start().await?;
    place.holdfast.reaches("Connected").await?;
    if outside == Outside::Kept {
        let log = place.holdfast.read_log();
        ensure!(log.contains("storage.older-copy"), "nobody was told");
        return scene.sound(&place, 1).await;
    }
    // The friend drops what comes under a key it knows, so nobody waits for it to arrive.
    let text = scene.text();
    place.holdfast.sends(FRIEND, &text).await?;
    scene.no_crimes()
}

/// Ratchets dropped as they should be, and pre-keys made where the archive left off.
async fn no_leap() -> anyhow::Result<()> {
    let scene = Scene::set().await?;
    let mut place = Place::start(&scene.lab).await?;
    scene.link(&place).await?;
    scene.leapt(0).await?;
    place.holdfast.stop().await?;

    let barrier = Barrier::start()?;
    let vault = Vault::open(DataDir::new(place.data()), barrier.clone()).await?;
    let backend = vault.backend();
    for id in 1..=backend.get_max_prekey_id().await? {
        backend.remove_prekey(id).await?;
    }
    let mut device = backend.load().await?.context("nothing is linked")?;
    (device.next_pre_key_id, device.first_unupload_pre_key_id) = (1, 1);
    device.server_has_prekeys = false;
    backend.save(&device).await?;
    vault.close().await?;
    barrier.stop().await?;
    drop(vault);

    place.holdfast.start().await?;
    place.holdfast.reaches("Connected").await?;
    // They are published beside the first messages.
    let crimes = |ledger: &Ledger| !ledger.crimes().is_empty();
    scene.lab.ledger().wait_until(DELIVERY, crimes).await;
    scene.no_crimes()
}

async fn cp(from: &Path, to: &Path) -> anyhow::Result<()> {
    let copied = Command::new("cp")
        .arg("-a")
        .args([from, to])
        .status()
        .await?;
    ensure!(copied.success(), "cp left with {copied}");
    Ok(())
}
