//! One daemon, linked, and what happens to it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures_util::StreamExt as _;
use holdfast::boot::BootReport;
use holdfast::panel::glass::PLAIN;
use holdfast::panel::{Frame, draw};
use holdfast_core::{CauseCode, Face, PairingFace};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::table::{End, Meets};
use crate::holdfast::Holdfast;
use crate::ledger::{Act, Entry};
use crate::server::{DeviceId, Fault, Lab, LabConfig, Occasion, PhoneId, Target, When};

/// The account that is linked, and whoever writes to it.
const OWNER: &str = "15550000001";
const FRIEND: &str = "15550000002";
/// Whoever never wrote before.
const STRANGER: &str = "15550000003";
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

/// State and cause, as the bus tells them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    at: Instant,
    state: String,
    cause: String,
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
        let directory = tempfile::tempdir()?;
        let lab = Lab::start(LabConfig::default()).await?;
        let owner = lab.create_phone(OWNER, "Owner").await?;
        let friend = lab.create_phone(FRIEND, "Friend").await?;
        let program = std::env::current_exe().context("this program cannot find itself")?;
        let mut holdfast = Holdfast::new(&program, directory.path(), &lab.url())?;
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
            _directory: directory,
        };
        if !is_of_linking(meets.fault) {
            life.link().await?;
            life.talk().await?;
        }
        Ok(life)
    }

    async fn link(&mut self) -> anyhow::Result<()> {
        let qr = self.holdfast.scan_screen().await?;
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

    /// Waits for the state and cause; then log and glass have to say the same. When it was; `None` where nothing is to be seen.
    pub async fn is_met(&self) -> anyhow::Result<Option<Instant>> {
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
        let code = CauseCode::ALL
            .iter()
            .find(|code| code.as_str() == meets.cause);
        let sentence = code.context("there is no such cause")?.sentence();
        let log = self.log();
        ensure!(
            log.contains(sentence),
            "the log does not say {sentence:?}:\n{log}"
        );
        Ok(Some(met))
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

    /// Does what a human has to, and waits until messages go both ways.
    pub async fn recover(&mut self, met: Option<Instant>) -> anyhow::Result<Told> {
        let noticed = met.map(|met| met.saturating_duration_since(self.struck));
        if let Some(after) = noticed {
            let limit = self.meets.notice_limit();
            ensure!(
                after <= limit,
                "it was noticed after {after:?}, not {limit:?} at most"
            );
        }
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
        let limit = self.meets.limit();
        ensure!(took <= limit, "it took {took:?}, not {limit:?} at most");
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
            Occasion::Bundle => {
                let stranger = self.lab.create_phone(STRANGER, "Stranger").await?;
                self.hear_from(&stranger, 1).await?;
            }
            Occasion::Upload => self.has_fresh_keys().await?,
            Occasion::Send => {
                let sent = self.holdfast.sends(FRIEND, "refused").await;
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
        self.holdfast.sends(FRIEND, "and back").await?;
        Ok(())
    }

    async fn hear(&mut self, count: usize) -> anyhow::Result<()> {
        let friend = self.friend.clone();
        self.hear_from(&friend, count).await
    }

    /// So many messages arrive, each once.
    async fn hear_from(&mut self, phone: &PhoneId, count: usize) -> anyhow::Result<()> {
        let texts = (self.sent + 1..=self.sent + count).map(|nth| format!("number {nth}"));
        let texts: Vec<String> = texts.collect();
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
        Ok(())
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
            phone_away: false,
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

/// Keeps what the bus tells of the session.
async fn watch_session(
    holdfast: &Holdfast,
) -> anyhow::Result<(watch::Receiver<Vec<Seen>>, JoinHandle<()>)> {
    let properties = holdfast.properties().await?;
    let mut changes = properties.receive_properties_changed().await?;
    let session = holdfast.session().await?;
    let mut last = Seen {
        at: Instant::now(),
        state: session.state().await?,
        cause: session.cause().await?.0,
    };
    let (tell, told) = watch::channel(vec![last.clone()]);
    let watching = tokio::spawn(async move {
        while let Some(change) = changes.next().await {
            let Ok(args) = change.args() else { continue };
            let changed = args.changed_properties();
            if let Some(state) = changed
                .get("State")
                .and_then(|state| state.downcast_ref().ok())
            {
                last.state = state;
            }
            if let Some(cause) = changed
                .get("Cause")
                .and_then(|cause| cause.try_clone().ok())
                && let Ok((code, _, _)) = <(String, String, String)>::try_from(cause)
            {
                last.cause = code;
            }
            last.at = Instant::now();
            tell.send_modify(|all| all.push(last.clone()));
        }
    });
    Ok((told, watching))
}
