//! One daemon, linked, and what happens to it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use holdfast::boot::BootReport;
use holdfast::panel::PLAIN;
use holdfast::panel::{Frame, draw};
use holdfast_core::{CauseCode, Face, PairingFace};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::journal::Journal;
use super::secrets::Secrets;
use super::seen::{Seen, overstayed, watch_session};
use super::table::{End, Meets};
use crate::holdfast::Holdfast;
use crate::ledger::{Act, Entry};
use crate::records::{self, Record};
use crate::server::{DeviceId, Fault, Lab, LabConfig, Occasion, PhoneId, Target, When};

/// The account that is linked, and whoever writes to it. Their names, and the texts, are words that no log has by chance.
const OWNER: &str = "15550000001";
const FRIEND: &str = "15550000002";
/// Whoever never wrote before.
const STRANGER: &str = "15550000003";
const NAMES: [&str; 3] = ["Ottoline", "Ferdinand", "Scheherazade"];
/// What the friend is told.
const ANSWER: &str = "marmalade, and back";
const REFUSED: &str = "marmalade, refused";
/// A silent link takes minutes to be found out.
const MET: Duration = Duration::from_secs(300);
/// The rows of the glass with a screen's title.
const TITLE: u32 = 16;

/// How it ended.
pub(super) struct Told {
    /// From the strike until the owner could see what it is; `None` where nothing is to be seen.
    pub noticed: Option<Duration>,
    /// From then, or from what a human did about it, to a link that works; `None`: WhatsApp says when.
    pub recovered: Option<Duration>,
}

/// One daemon and its world.
pub(super) struct Life<'a> {
    meets: &'a Meets,
    lab: Lab,
    holdfast: Holdfast,
    owner: PhoneId,
    friend: PhoneId,
    /// Before a phone linked it there is none.
    device: Option<DeviceId>,
    struck: Instant,
    /// What is struck.
    target: Target,
    /// What the log held then, bytes.
    logged: usize,
    /// And how many entries the ledger had.
    entries: u64,
    /// The device's keys, as WhatsApp knows them.
    keys: String,
    seen: watch::Receiver<Vec<Seen>>,
    watching: JoinHandle<()>,
    sent: usize,
    secrets: Secrets,
    /// Where it logs, if not to a file.
    journal: Option<Journal>,
    _directory: TempDir,
}

impl Drop for Life<'_> {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

impl<'a> Life<'a> {
    /// A daemon that is linked; or, for a fault of the linking, one that is about to be.
    pub async fn begin(meets: &'a Meets) -> anyhow::Result<Self> {
        Self::begin_in(tempfile::tempdir()?, meets, None).await
    }

    /// The same, with a journald.
    pub async fn begin_with_journal(meets: &'a Meets) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let journal = Journal::start(&directory.path().join("journald")).await?;
        Self::begin_in(directory, meets, Some(journal)).await
    }

    async fn begin_in(
        directory: TempDir,
        meets: &'a Meets,
        journal: Option<Journal>,
    ) -> anyhow::Result<Self> {
        let lab = Lab::start(LabConfig::default()).await?;
        let owner = lab.create_phone(OWNER, NAMES[0]).await?;
        let friend = lab.create_phone(FRIEND, NAMES[1]).await?;
        let mut secrets = Secrets::default();
        for number in [OWNER, FRIEND, STRANGER] {
            secrets.text("a number", number);
        }
        for name in NAMES {
            secrets.text("a name", name);
        }
        for text in [ANSWER, REFUSED] {
            secrets.text("a text", text);
        }
        for phone in [&owner, &friend] {
            secrets.text("a LID", lab.lid(phone).await?.user.as_str());
        }
        let program = std::env::current_exe().context("this program cannot find itself")?;
        let mut holdfast = Holdfast::new(&program, directory.path(), &lab.url())?;
        // All that it could ever tell.
        holdfast.logs("trace")?;
        if let Some(journal) = &journal {
            holdfast.logs_to_journal(journal.inside());
        }
        if is_of_linking(meets.fault) {
            lab.inject(Target::Linking, meets.fault, When::Now, meets.times)
                .await?;
        }
        // What strikes the linking may do so as soon as the daemon runs.
        let struck = Instant::now();
        holdfast.begin().await?;
        let (seen, watching) = watch_session(&holdfast).await?;
        holdfast.has_started().await?;
        let mut life = Self {
            meets,
            lab,
            holdfast,
            owner,
            friend,
            device: None,
            struck,
            target: Target::Linking,
            logged: 0,
            entries: 0,
            keys: String::new(),
            seen,
            watching,
            sent: 0,
            secrets,
            journal,
            _directory: directory,
        };
        if !is_of_linking(meets.fault) {
            life.link().await?;
            life.talk().await?;
        }
        Ok(life)
    }

    /// What it is to meet.
    pub fn meets(&self) -> &'a Meets {
        self.meets
    }

    async fn link(&mut self) -> anyhow::Result<()> {
        let qr = self.holdfast.scan_screen().await?;
        self.secrets.qr(&qr);
        let device = self.lab.scan_qr(&self.owner, &qr).await?;
        self.keys = self.keys_of(&device).await?;
        self.device = Some(device);
        self.holdfast.reaches("Connected").await
    }

    /// What tells the keys of a linked device from others.
    async fn keys_of(&self, device: &DeviceId) -> anyhow::Result<String> {
        let devices = self.lab.devices(&self.owner).await?;
        let known = devices.into_iter().find(|known| known.id == *device);
        Ok(known.context("WhatsApp does not know the device")?.keys)
    }

    fn is_struck(&mut self) {
        self.struck = Instant::now();
        self.logged = self.holdfast.read_log().len();
        self.entries = self.lab.ledger().entries(0).len() as u64;
    }

    /// What the log says since the strike.
    fn log(&self) -> String {
        let log = self.holdfast.read_log();
        log.get(self.logged..).unwrap_or_default().to_owned()
    }

    /// Has the fault strike, with what it waits for.
    pub async fn strike(&mut self) -> anyhow::Result<()> {
        let fault = self.meets.fault;
        if fault == Fault::PairError {
            let qr = self.holdfast.scan_screen().await?;
            self.secrets.qr(&qr);
            self.is_struck();
            // The phone is told nothing of what the device thinks of its answer.
            let _ = self.lab.scan_qr(&self.owner, &qr).await;
            return Ok(());
        }
        let Some(device) = self.device.clone() else {
            return Ok(());
        };
        self.is_struck();
        self.target = device.into();
        if fault == Fault::NoBundle {
            let phone = self.lab.create_phone(STRANGER, NAMES[2]).await?;
            self.target = DeviceId { phone, device: 0 }.into();
        }
        let (target, times) = (self.target.clone(), self.meets.times);
        if fault.occasion() == Occasion::Stanza {
            for nth in 0..times {
                if nth > 0 {
                    self.is_back_in().await?;
                }
                let target = target.clone();
                self.lab.inject(target, fault, When::Now, 1).await?;
            }
        } else {
            self.lab.inject(target, fault, When::Now, times).await?;
        }
        if fault.occasion() == Occasion::Upload {
            self.renew_keys().await?;
            self.is_struck();
        }
        Ok(())
    }

    /// The device, which was struck, has logged in again.
    async fn is_back_in(&mut self) -> anyhow::Result<()> {
        let ledger = self.lab.ledger();
        let is_login = |entry: &Entry| entry.act == Act::LoggedIn;
        let login = ledger.wait_for(self.entries, MET, is_login).await;
        ensure!(login.is_some(), "it does not come back");
        self.entries = ledger.entries(0).len() as u64;
        Ok(())
    }

    /// Has the daemon make fresh keys, which it uploads: its store is broken.
    async fn renew_keys(&mut self) -> anyhow::Result<()> {
        self.holdfast.stop().await?;
        let store = self.holdfast.data().join("gen-0001/store.v2/sled/db");
        std::fs::write(store, b"rotten")?;
        self.holdfast.start().await?;
        self.watching.abort();
        (self.seen, self.watching) = watch_session(&self.holdfast).await?;
        self.holdfast.reaches("Connected").await
    }

    /// Waits for the state and cause, which have to come within this time; then log and glass have to say the same. When it was;
    /// `None` where nothing is to be seen.
    pub async fn is_met(&self, within: Duration) -> anyhow::Result<Option<Instant>> {
        let meets = self.meets;
        if meets.end == End::Unseen {
            return Ok(None);
        }
        let is_it = |seen: &Seen| {
            seen.at >= self.struck && seen.state == meets.state && seen.cause == meets.cause
        };
        let mut seen = self.seen.clone();
        let told = async {
            let met = seen.wait_for(|seen| seen.iter().any(is_it));
            let met = match timeout(MET, met).await {
                Ok(Ok(seen)) => seen.iter().find(|seen| is_it(seen)).map(|seen| seen.at),
                _ => None,
            };
            met.with_context(|| {
                let (told, log) = (self.since(), self.log());
                format!("the bus told {told:?}; the log says:\n{log}")
            })
        };
        // Side by side: what passes within seconds is not on the glass any more when the bus has told.
        let (met, ()) = tokio::try_join!(told, self.is_shown())?;
        let took = met.saturating_duration_since(self.struck);
        ensure!(
            took <= within,
            "it was noticed after {took:?}, not {within:?}"
        );
        self.is_logged().await?;
        Ok(Some(met))
    }

    /// The log has the state with its cause, and the cause's sentence; in a journal, in a record with all its fields.
    pub async fn is_logged(&self) -> anyhow::Result<()> {
        let cause = self.meets.cause;
        let code = CauseCode::ALL.iter().find(|code| code.as_str() == cause);
        let sentence = code.context("there is no such cause")?.sentence();
        let log = match &self.journal {
            None => self.log(),
            Some(journal) => {
                let records = journal.records().await?;
                records::tell_state(&records, self.meets.state, Some(cause))?;
                records::are_explained(&records)?;
                records.iter().map(Record::text).collect()
            }
        };
        ensure!(
            log.contains(sentence),
            "the log does not say {sentence:?}:\n{log}"
        );
        Ok(())
    }

    /// All that was ever logged.
    async fn whole_log(&self) -> anyhow::Result<String> {
        let Some(journal) = &self.journal else {
            return Ok(self.holdfast.read_log());
        };
        let records = journal.records().await?;
        let text: String = records.iter().map(Record::text).collect();
        // What went past the journal counts as well.
        Ok(text + &self.holdfast.read_log())
    }

    /// What the bus told since the strike.
    fn since(&self) -> Vec<(String, String)> {
        let seen = self.seen.borrow();
        let since = seen.iter().filter(|seen| seen.at >= self.struck);
        since
            .map(|seen| (seen.state.clone(), seen.cause.clone()))
            .collect()
    }

    /// The glass has the title of the state, sooner or later; or a code, where there is a new link.
    async fn is_shown(&self) -> anyhow::Result<()> {
        if self.meets.state == "Connecting" {
            // It is over within a tenth of a second: on a busy machine it is not drawn at all.
            return Ok(());
        }
        let face = face(self.meets).context("there is no such state")?;
        let mut wanted = Frame::new(PLAIN);
        let Ok(()) = draw(&face, None, &mut wanted);
        let panel = self.holdfast.panel().await?;
        let shown = async {
            loop {
                let is_it = match panel.frame().await {
                    Ok((width, height, bits)) => Frame::from_bits(width, height, &bits)
                        .is_some_and(|frame| title(&frame) == title(&wanted)),
                    // It is refused while a code is on the glass.
                    Err(_) => self.meets.end == End::Relinked,
                };
                if is_it {
                    return;
                }
                // Frames have no change signal.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(MET, shown)
            .await
            .with_context(|| format!("the glass does not show {}", self.meets.state))
    }

    /// Does what a human has to, and waits until messages go both ways, which has to be within this time.
    pub async fn recover(
        &mut self,
        met: Option<Instant>,
        within: Duration,
    ) -> anyhow::Result<Told> {
        let noticed = met.map(|met| met.saturating_duration_since(self.struck));
        let mut since = met.unwrap_or(self.struck);
        match self.meets.end {
            End::Alone => {}
            End::Unseen => {
                since = Instant::now();
                self.provoke().await?;
            }
            End::Sat => {
                let session = self.holdfast.session().await?;
                ensure!(session.link().await.is_err(), "a ban yields to a human");
                return Ok(Told {
                    noticed,
                    recovered: None,
                });
            }
            End::Resumed => {
                since = Instant::now();
                self.holdfast.session().await?.link().await?;
            }
            End::Rescanned | End::Relinked => since = Instant::now(),
        }
        if self.device.is_none() || self.meets.end == End::Relinked {
            self.link().await?;
        }
        let back = match self.meets.end {
            End::Unseen => Instant::now(),
            _ => self.is_back().await?,
        };
        let took = back.saturating_duration_since(since);
        ensure!(took <= within, "it took {took:?}, not {within:?} at most");
        let recovered = Some(took);
        self.talk().await?;
        Ok(Told { noticed, recovered })
    }

    /// Waits until all is well again; where WhatsApp asked for patience, that takes long.
    async fn is_back(&self) -> anyhow::Result<Instant> {
        let mut seen = self.seen.clone();
        let well = |seen: &Seen| seen.state == "Connected" && seen.cause.is_empty();
        let back = seen.wait_for(|seen| seen.last().is_some_and(well));
        let back = match timeout(MET, back).await {
            Ok(Ok(seen)) => seen.last().map(|seen| seen.at),
            _ => None,
        };
        back.with_context(|| {
            let (told, log) = (self.since(), self.holdfast.read_log());
            format!("the bus told {told:?}; the log says:\n{log}")
        })
    }

    /// Does what the fault waits for; nothing of it may be seen.
    async fn provoke(&mut self) -> anyhow::Result<()> {
        match self.meets.fault.occasion() {
            Occasion::Delivery | Occasion::Stanza => {
                // Together: one may be kept back until the next has come.
                self.hear(3).await?;
            }
            Occasion::Bundle if self.meets.fault == Fault::NoBundle => {
                self.holdfast.sends(STRANGER, "when there are keys").await?;
            }
            Occasion::Bundle => {
                let stranger = self.lab.create_phone(STRANGER, NAMES[2]).await?;
                self.hear_from(&stranger, 1).await?;
            }
            Occasion::Upload => self.has_fresh_keys().await?,
            Occasion::GroupQuery => {
                let members = [self.friend.clone()];
                let group = self.lab.create_group(&self.owner, "Group", &members);
                let group = group.await?.to_string();
                self.holdfast.sends(&group, "asked again").await?;
            }
            Occasion::Send if self.meets.fault == Fault::Nack503 => {
                self.holdfast.sends(FRIEND, "taken later").await?;
            }
            Occasion::Send => {
                // Whoever wrote before is no stranger, and can be written to all the while.
                self.hear(1).await?;
                let to = match self.meets.fault {
                    Fault::Nack463 => {
                        self.lab.create_phone(STRANGER, NAMES[2]).await?;
                        STRANGER
                    }
                    _ => FRIEND,
                };
                let sent = self.holdfast.sends(to, REFUSED).await;
                let told = sent.err().map(|error| error.root_cause().to_string());
                let is_refused = |told: &str| told.starts_with("WhatsApp refused the message");
                ensure!(told.as_deref().is_some_and(is_refused), "{told:?}");
            }
            Occasion::Login | Occasion::Scan => {}
        }
        let told = self.since();
        let well = |(state, cause): &(String, String)| state == "Connected" && cause.is_empty();
        ensure!(told.iter().all(well), "the bus told {told:?}");
        self.is_shown().await?;
        let log = self.log();
        ensure!(!log.contains(" ERROR "), "the log says:\n{log}");
        Ok(())
    }

    /// Keys that are beyond those from before the repair have reached WhatsApp.
    async fn has_fresh_keys(&self) -> anyhow::Result<()> {
        let device = self.device.as_ref().map(ToString::to_string);
        let device = device.context("nothing is linked")?;
        let ledger = self.lab.ledger();
        let fresh = ledger.wait_until(MET, |ledger| {
            let published = ledger.pre_keys().remove(&device).unwrap_or_default();
            published.keys.keys().any(|id| *id > 10_000)
        });
        ensure!(fresh.await, "no fresh keys were uploaded");
        Ok(())
    }

    async fn talk(&mut self) -> anyhow::Result<()> {
        self.hear(1).await?;
        self.holdfast.sends(FRIEND, ANSWER).await?;
        Ok(())
    }

    async fn hear(&mut self, count: usize) -> anyhow::Result<()> {
        let friend = self.friend.clone();
        self.hear_from(&friend, count).await
    }

    /// So many messages arrive, each once.
    async fn hear_from(&mut self, phone: &PhoneId, count: usize) -> anyhow::Result<()> {
        let texts = (self.sent + 1..=self.sent + count).map(|nth| format!("marmalade, {nth}"));
        let texts: Vec<String> = texts.collect();
        for text in &texts {
            self.secrets.text("a text", text);
        }
        for text in &texts {
            self.lab.send_text(phone, OWNER, text).await?;
        }
        self.sent += count;
        let received = self.holdfast.receives("bot", self.sent).await?;
        for text in &texts {
            let copies = received.iter().filter(|message| message.text == *text);
            let copies = copies.count();
            ensure!(copies == 1, "{text:?} is in the inbox {copies} times");
        }
        ensure!(received.len() == self.sent, "a message is there twice");
        Ok(())
    }

    /// That the fault did strike, what the vault kept, and whether WhatsApp saw a crime.
    pub async fn kept(&mut self) -> anyhow::Result<()> {
        let (relinked, device) = (self.meets.end == End::Relinked, self.device.clone());
        let device = device.context("nothing is linked")?;
        let left = self.lab.faults_left(self.target.clone());
        ensure!(left == 0, "the fault has still to strike {left} times");
        // What is on the disk opens, and nothing in it is found wanting.
        self.holdfast.stop().await?;
        self.holdfast.start().await?;
        let vault = self.holdfast.vault().await?;
        let report: BootReport = serde_json::from_str(&vault.boot_report().await?)?;
        ensure!(report.findings.is_empty(), "found: {:?}", report.findings);
        if self.meets.end != End::Sat {
            self.holdfast.reaches("Connected").await?;
            self.talk().await?;
        }
        let session = self.holdfast.session().await?;
        let generation = session.generation().await?;
        let wanted = if relinked { "gen-0002" } else { "gen-0001" };
        ensure!(generation == wanted, "{generation} is live");
        let archives = self.holdfast.vault().await?.list_archives().await?;
        ensure!(archives.len() == usize::from(relinked), "{archives:?}");
        let devices = self.lab.devices(&self.owner).await?;
        let companions = devices.iter().filter(|known| known.id.device != 0);
        ensure!(companions.count() == 1, "{devices:?}");
        let keys = self.keys_of(&device).await?;
        ensure!(keys == self.keys, "the device has other keys");
        let crimes = self.lab.ledger().crimes();
        ensure!(crimes.is_empty(), "the ledger saw crimes: {crimes:?}");
        self.secrets
            .identity(&self.holdfast.data().join(wanted).join("identity.a"))?;
        self.secrets.search(&self.whole_log().await?)?;
        let seen = self.seen.borrow();
        let over = overstayed(&seen, self.struck);
        ensure!(over.is_none(), "it stayed too long: {over:?}");
        Ok(())
    }

    /// Each secret of this life, written into its log, is found there.
    pub fn planted(&mut self) -> anyhow::Result<()> {
        let slot = self.holdfast.data().join("gen-0001/identity.a");
        // Not to be read: then the control passes, and so fails.
        if self.secrets.identity(&slot).is_err() {
            return Ok(());
        }
        self.secrets.planted(&self.holdfast.read_log())
    }
}

fn is_of_linking(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::RefsExhausted | Fault::PairError | Fault::PasskeyGate
    )
}

/// A face of the state, whatever it counts.
fn face(meets: &Meets) -> Option<Face> {
    let next_ms = 0;
    Some(match meets.state {
        "Reconnecting" => Face::Reconnecting {
            attempt: 1,
            next_ms,
        },
        "Replaced" => Face::Replaced { next_ms },
        "LogoutSuspected" => Face::LogoutSuspected { next_ms },
        "Stale" => Face::Stale { left_ms: next_ms },
        "ClientOutdated" => Face::ClientOutdated { next_ms },
        "Connected" => Face::Connected {
            account: None,
            fault: None,
        },
        "Pairing" => Face::Pairing(PairingFace::Preparing),
        "PairingPaused" => Face::PairingPaused,
        "PasskeyNeeded" => Face::PasskeyNeeded,
        "Banned" => Face::Banned {
            left_ms: (meets.fault == Fault::Ban).then_some(next_ms),
        },
        _ => return None,
    })
}

fn title(frame: &Frame) -> Vec<bool> {
    (0..TITLE)
        .flat_map(|y| (0..128).map(move |x| (x, y)))
        .map(|(x, y)| frame.lit(x, y))
        .collect()
}
