//! The life of one card: what it went through, and what it promised meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng};
use tokio::time::{interval, sleep, timeout};

use super::{Broken, Moment, Pull};
use crate::ledger::{Act, Entry};
use crate::phone::inbox::Content;
use crate::server::MessageId;
use crate::vm::card::Arch;
use crate::vm::machine::Machine;
use crate::vm::scene::{self, BOOT, FRIEND, SOON, Scene};

/// From power on to a login, before it was measured.
const FIRST_PACE: Duration = Duration::from_secs(60);

/// Bytes of a segment, sled's `Config::segment_size` as it comes.
const SEGMENT: u32 = 512 * 1024;

/// How often the friend writes while there is traffic.
const WRITES: Duration = Duration::from_millis(300);

/// Where a new version is put on the board.
const BUNDLE: &str = "/data/update.raucb";

/// The beginning of what U-Boot says at a start.
const CHOSEN: &str = "Holdfast: slot ";

/// A card, the board it is in, and the world around.
pub(super) struct Life {
    scene: Scene,
    machine: Option<Machine>,
    /// The QR that was on the glass last.
    qr: Option<String>,
    /// From power on to a login, as measured last.
    pace: Duration,
    promised: Promised,
}

/// The messages that somebody was told will arrive, since it was last seen that they did.
#[derive(Default)]
struct Promised {
    /// By WhatsApp, to the board.
    inward: BTreeMap<MessageId, String>,
    /// By the board, to the friend.
    outward: BTreeSet<String>,
}

impl Life {
    /// With a card that was never in a board.
    pub async fn new() -> anyhow::Result<Life> {
        let mut scene = Scene::set(Arch::Amd64).await?;
        scene.extras.recorded = true;
        Ok(Life {
            scene,
            machine: None,
            qr: None,
            pace: FIRST_PACE,
            promised: Promised::default(),
        })
    }

    /// Cuts the power at this moment; afterwards the board must be as good as new.
    pub async fn through(&mut self, moment: Moment, pull: Pull) -> anyhow::Result<()> {
        match moment {
            Moment::FirstBoot => self.first_boot(pull).await,
            Moment::Link => self.link(pull).await,
            Moment::Boot => {
                let machine = self.machine()?;
                self.cut(machine, pull).await?;
                self.promise("sent without power").await?;
                self.cut_while_starting(self.pace.mul_f64(pull.share), pull)
                    .await?;
                self.goes_on(&["power-loss"]).await
            }
            Moment::Traffic => {
                let machine = self.traffic(pull).await?;
                self.cut(machine, pull).await?;
                self.goes_on(&["power-loss"]).await
            }
            Moment::Repair => self.repair(pull).await,
            Moment::Shutdown => {
                let machine = self.machine()?;
                let _told = self.scene.operator.follow(&machine, "systemctl poweroff")?;
                sleep(self.pace.mul_f64(0.05 + pull.share / 2.0)).await;
                self.cut(machine, pull).await?;
                // It may have been down already.
                self.goes_on(&["power-loss", "clean"]).await
            }
            Moment::Update => self.update(pull).await,
        }
    }

    async fn first_boot(&mut self, pull: Pull) -> anyhow::Result<()> {
        self.cut_while_starting(self.pace.mul_f64(pull.share * 1.5), pull)
            .await?;
        let mut machine = self.scene.power_on().await?;
        self.qr = Some(self.scene.shows_qr(&mut machine, None, BOOT).await?);
        self.machine = Some(machine);
        Ok(())
    }

    /// The phone scans, and the power goes. Either the board has the link, or it was never used and a QR is there to scan.
    async fn link(&mut self, pull: Pull) -> anyhow::Result<()> {
        let machine = self.machine()?;
        let qr = self.qr.take().context("there is no QR to scan")?;
        let until = self.pace.mul_f64(pull.share / 2.0);
        let scanned = async {
            let scanned = self.scene.lab.scan_qr(&self.scene.owner, &qr).await;
            sleep(BOOT).await;
            scanned
        };
        // Cut in the middle of whatever it is.
        let _ = timeout(until, scanned).await;
        self.cut(machine, pull).await?;

        let used = self.logins() > 0;
        let mut machine = self.scene.power_on().await?;
        let next = tokio::select! {
            again = self.login(0) => again.map(|()| None),
            qr = self.scene.shows_qr(&mut machine, None, BOOT) => qr.map(Some),
        };
        if let Some(qr) = next? {
            ensure!(!used, "it asks for a QR though it was logged in before");
            self.scene.lab.scan_qr(&self.scene.owner, &qr).await?;
        }
        self.is_well(machine, &["power-loss"]).await
    }

    /// Both sides write until the drawn moment.
    async fn traffic(&mut self, pull: Pull) -> anyhow::Result<Machine> {
        let machine = self.machine()?;
        let command = format!(
            "i=0; while holdfastctl send {FRIEND} \"{} $i\" >/dev/null; do echo $i; i=$((i+1)); done",
            pull.dice
        );
        let mut bot = self.scene.operator.follow(&machine, &command)?;
        let mut friend = interval(WRITES);
        let over = sleep(self.pace.mul_f64(0.1 + pull.share));
        tokio::pin!(over);
        let mut written = 0;
        loop {
            tokio::select! {
                () = &mut over => break,
                _ = friend.tick() => {
                    written += 1;
                    self.promise(&format!("written in traffic {written}")).await?;
                }
                line = bot.line() => {
                    let accepted = line?.context("the bot on the board stopped")?;
                    self.promised.outward.insert(format!("{} {accepted}", pull.dice));
                }
            }
        }
        Ok(machine)
    }

    /// The store is damaged behind the daemon's back, and the power goes while it is repaired.
    async fn repair(&mut self, pull: Pull) -> anyhow::Result<()> {
        let machine = self.machine()?;
        // Somewhere near the beginning of every segment of sled's, whichever of them are in use: blocks of 64 bytes.
        let spot = StdRng::seed_from_u64(pull.dice).random_range(0..64);
        let damage = format!(
            "systemctl stop holdfastd && cd /data/holdfast/gen-0001/store*/sled && size=$(stat -c %s db) && \
             for segment in $(seq 0 {SEGMENT} $((size - 1))); do \
             head -c 64 /dev/urandom | dd of=db bs=64 seek=$((segment / 64 + {spot})) conv=notrunc status=none; done && sync"
        );
        self.scene.operator.run(&machine, &damage).await?;
        self.cut(machine, pull).await?;
        self.promise("sent to a broken store").await?;
        self.cut_while_starting(self.pace.mul_f64(0.4 + pull.share * 0.8), pull)
            .await?;
        // Stopped in order, and never started since when the power went early.
        self.goes_on(&["power-loss", "clean"]).await?;
        let machine = self.machine.as_ref().context("it is off")?;
        let aside = "ls /data/holdfast/quarantine | wc -l";
        let aside = self.scene.operator.run(machine, aside).await?;
        ensure!(aside.trim() != "0", "there was nothing to repair");
        Ok(())
    }

    /// The other slot is written, and the power goes; or the machine has restarted into it, and the power goes then.
    async fn update(&mut self, pull: Pull) -> anyhow::Result<()> {
        let machine = self.machine()?;
        let bundle = scene::bundle(Arch::Amd64);
        self.scene.operator.send(&machine, &bundle, BUNDLE).await?;
        let starts = machine.console().matches(CHOSEN).count();
        let install = format!("holdfastctl --json update {BUNDLE}");
        let mut install = self.scene.operator.follow(&machine, &install)?;
        self.promise("written while it is updated").await?;
        let share = self.pace.mul_f64(pull.share);
        if pull.dice.is_multiple_of(2) {
            let line = install.line().await?;
            line.context("the update does not begin")?;
            sleep(share).await;
        } else {
            machine.says(CHOSEN, starts + 1, BOOT).await?;
            sleep(share).await;
        }
        self.cut(machine, pull).await?;
        // It may have been down in order for the restart.
        self.goes_on(&["power-loss", "clean"]).await?;
        let machine = self.machine.as_ref().context("it is off")?;
        let rid = format!("rm -f {BUNDLE} && holdfastctl update status");
        self.scene.operator.run(machine, &rid).await.map(drop)
    }

    fn machine(&mut self) -> anyhow::Result<Machine> {
        self.machine.take().context("the board is off")
    }

    async fn cut(&self, machine: Machine, pull: Pull) -> anyhow::Result<()> {
        machine.cut(&self.scene.card, pull.kind, pull.dice).await
    }

    async fn cut_while_starting(&self, after: Duration, pull: Pull) -> anyhow::Result<()> {
        let machine = self.scene.power_on().await?;
        sleep(after).await;
        self.cut(machine, pull).await
    }

    /// The friend writes, and WhatsApp has taken it.
    async fn promise(&mut self, text: &str) -> anyhow::Result<()> {
        let text = format!("{text}, {}", self.scene.lab.ledger().entries(0).len());
        let (lab, friend) = (&self.scene.lab, &self.scene.friend);
        let id = lab.send_text(friend, scene::OWNER, &text).await?;
        self.promised.inward.insert(id, text);
        Ok(())
    }

    fn logins(&self) -> usize {
        let entries = self.scene.lab.ledger().entries(0);
        entries
            .iter()
            .filter(|entry| entry.act == Act::LoggedIn)
            .count()
    }

    async fn login(&self, from: u64) -> anyhow::Result<()> {
        let logged_in = |entry: &Entry| entry.act == Act::LoggedIn;
        let ledger = self.scene.lab.ledger();
        let login = ledger.wait_for(from, BOOT, logged_in).await;
        login.map(drop).context("it did not log in")
    }

    /// Turned on again it logs in by itself, and is well.
    async fn goes_on(&mut self, ends: &[&str]) -> anyhow::Result<()> {
        let from = self.scene.lab.ledger().entries(0).len() as u64;
        let begun = Instant::now();
        let machine = self.scene.power_on().await?;
        let again = self.login(from).await;
        again.with_context(|| format!("the console says:\n{}", machine.last_lines()))?;
        self.pace = begun.elapsed();
        self.is_well(machine, ends).await
    }

    /// As well as it has to be, the board is kept for the next moment.
    async fn is_well(&mut self, machine: Machine, ends: &[&str]) -> anyhow::Result<()> {
        self.holds(&machine, ends).await?;
        self.machine = Some(machine);
        Ok(())
    }

    /// A life in which something is not as it was promised: it must not pass for one that is well.
    pub async fn is_caught(&mut self, broken: Broken) -> anyhow::Result<()> {
        let machine = self.machine()?;
        let ends: &[&str] = match broken {
            Broken::End => &["watchdog"],
            Broken::Lost | Broken::Twice => &["power-loss", "clean"],
        };
        match broken {
            Broken::Lost => {
                let (lab, friend) = (&self.scene.lab, &self.scene.friend);
                let id = lab.send_text(friend, scene::OWNER, "what came").await?;
                self.promised.inward.insert(id, "what was taken".into());
            }
            Broken::Twice => {
                let command = format!("for i in 1 2; do holdfastctl send {FRIEND} twofold; done");
                self.scene.operator.run(&machine, &command).await?;
                self.promised.outward.insert("twofold".into());
            }
            Broken::End => {}
        }
        let held = self.holds(&machine, ends).await;
        self.promised = Promised::default();
        self.machine = Some(machine);
        held
    }

    /// Connected with the same link and no QR, nothing lost, nothing twice, and the last end named.
    async fn holds(&mut self, machine: &Machine, ends: &[&str]) -> anyhow::Result<()> {
        self.promise("and now").await?;
        let answer = format!("an answer, {}", self.scene.lab.ledger().entries(0).len());
        self.promised.outward.insert(answer.clone());
        self.scene.operator.is_let_in(machine, BOOT).await?;
        let command = format!(
            "holdfastctl wait --timeout {} && holdfastctl send {FRIEND} '{answer}'",
            SOON.as_secs()
        );
        self.scene.operator.run(machine, &command).await?;
        let ledger = self.scene.lab.ledger();
        for id in self.promised.inward.keys() {
            let acked = |entry: &Entry| matches!(&entry.act, Act::Acked { id: acked, error: None } if acked == id);
            let entry = ledger.wait_for(0, SOON, acked).await;
            entry.context("a message was not acked")?;
        }
        let look = "holdfastctl --json inbox --consumer proof --ack; holdfastctl status";
        let told = self.scene.operator.run(machine, look).await?;
        for text in self.promised.inward.values() {
            ensure!(told.contains(text), "the bot does not read {text:?}");
        }
        for text in &self.promised.outward {
            self.arrives_once(text).await?;
        }
        self.promised = Promised::default();
        ensure!(
            told.contains("gen-0001"),
            "another generation is live: {told}"
        );
        if !ends.iter().any(|end| told.contains(end)) {
            bail!("the boot report does not say {}: {told}", ends.join(" or "));
        }
        let crimes = ledger.crimes();
        ensure!(crimes.is_empty(), "the ledger saw crimes: {crimes:?}");
        Ok(())
    }

    async fn arrives_once(&self, text: &str) -> anyhow::Result<()> {
        let (lab, friend) = (&self.scene.lab, &self.scene.friend);
        let content = Content::Text(text.to_owned());
        let there = lab.wait_inbox(friend, SOON, |received| received.content == content);
        there
            .await
            .with_context(|| format!("the friend does not have {text:?}"))?;
        let inbox = lab.inbox(friend).await?;
        let times = inbox.iter().filter(|received| received.content == content);
        ensure!(times.count() == 1, "the friend has {text:?} twice");
        Ok(())
    }
}
