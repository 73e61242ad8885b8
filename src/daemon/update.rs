//! Updates are carried out here: the bundle is fetched, RAUC installs it, and what became of it is written down for the next boot.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use holdfast_core::{Booted, Event, UpdateStep, Updates};
use holdfast_medium::space::Reserve;
use holdfast_medium::{DataDir, Machine, Stopped, blocking};
use parking_lot::Mutex;
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::config::Config;
use crate::desk::{LastUpdate, SlotLine, Updatable, UpdateEnd, UpdateReport};
use crate::update::{
    Depot, Device, Index, JUDGED, Key, Offer, Outcome, Rauc, Record, UpdateError, Wanted, Web,
    end_trial,
};

/// The key of the image.
const KEY: &str = "usr/lib/holdfast/update.pub";
/// By how many percent an update goes on before it is told: every step is drawn.
const STEP: u8 = 5;

/// Carries updates out. Cheap to clone.
#[derive(Clone)]
pub(super) struct Updater {
    shared: Arc<Shared>,
    events: mpsc::UnboundedSender<Event>,
    ends: broadcast::Sender<UpdateEnd>,
}

struct Shared {
    device: Device,
    data: DataDir,
    /// Says that the trial is judged here.
    judged: PathBuf,
    depot: Depot,
    web: Web,
    index: Option<String>,
    key: Option<String>,
    automatic: bool,
    record: Mutex<Option<Record>>,
    /// What a client handed in, until the core has answered.
    handed: Mutex<Option<Wanted>>,
    /// What the index offered.
    found: Mutex<Option<Offer>>,
    /// Why the last look for a newer version came to nothing.
    no_look: Mutex<Option<String>>,
}

impl Updater {
    /// Looks at the device; nothing is written yet.
    pub(super) fn new(config: &Config, events: &mpsc::UnboundedSender<Event>) -> Self {
        let (settings, data) = (&config.settings, &config.data);
        // An address that was parsed and written again is one to the library, too.
        let proxy = settings.proxy();
        let proxy = proxy.and_then(|proxy| ureq::Proxy::new(proxy.address().expose()).ok());
        let total = Reserve::of(data.root()).room().map(|room| room.total_bytes);
        let leaves = settings.limits.on(total.unwrap_or(0)).little;
        Self {
            shared: Arc::new(Shared {
                device: Device::of(&Machine::this()),
                depot: Depot::of(data, leaves),
                data: data.clone(),
                judged: config.runtime.join(JUDGED),
                web: Web::new(proxy),
                index: settings.update_index.clone(),
                key: settings.update_key.clone(),
                automatic: settings.update_automatic,
                record: Mutex::default(),
                handed: Mutex::default(),
                found: Mutex::default(),
                no_look: Mutex::default(),
            }),
            events: events.clone(),
            ends: broadcast::Sender::new(4),
        }
    }

    /// What updates there may be.
    pub(super) fn updatable(&self) -> Updatable {
        Updatable {
            slot: self.shared.device.slot.clone(),
            index: self.shared.index.is_some(),
            automatic: self.is_automatic(),
        }
    }

    fn is_automatic(&self) -> bool {
        let Shared {
            device,
            index,
            automatic,
            ..
        } = &*self.shared;
        *automatic && index.is_some() && device.slot.is_some()
    }

    /// The ends of updates.
    pub(super) fn ends(&self) -> broadcast::Sender<UpdateEnd> {
        self.ends.clone()
    }

    /// Judges what this boot is, and notes it.
    pub(super) async fn begin(&self) -> Updates {
        let shared = Arc::clone(&self.shared);
        let booted = blocking(move || Ok::<_, Stopped>(shared.boots())).await;
        let booted = booted.unwrap_or_default();
        if booted == Booted::Installing {
            self.go_on();
        }
        let Device { slot, counted, .. } = &self.shared.device;
        Updates {
            automatic: self.is_automatic(),
            booted,
            counted: slot.is_some() && *counted == Some(true),
        }
    }

    /// Takes what a client hands in, for an installation that the core may refuse.
    pub(super) fn take_in(&self, wanted: Wanted) {
        *self.shared.handed.lock() = Some(wanted);
    }

    /// Gives back what the core refused.
    pub(super) fn drop_refused(&self) {
        *self.shared.handed.lock() = None;
    }

    /// Asks the index.
    pub(super) fn look(&self) {
        let this = self.clone();
        tokio::spawn(async move {
            let found = this.shared.find().await;
            *this.shared.no_look.lock() = found.as_ref().err().map(UpdateError::to_string);
            let step = match found {
                Ok(None) => {
                    this.ended(UpdateEnd::Nothing);
                    UpdateStep::Nothing
                }
                Ok(Some(offer)) => {
                    let fell_back = this.shared.fell_back(&offer.version);
                    if fell_back {
                        this.ended(UpdateEnd::FellBack);
                    }
                    *this.shared.found.lock() = Some(offer);
                    UpdateStep::Found { fell_back }
                }
                Err(error) => this.failed(&error),
            };
            this.tell(step);
        });
    }

    /// Fetches and installs what a client handed in, or else what was found.
    pub(super) fn install(&self) {
        let Shared { handed, found, .. } = &*self.shared;
        let wanted = handed.lock().take();
        let Some(wanted) = wanted.or_else(|| found.lock().take().map(Wanted::Named)) else {
            return;
        };
        let this = self.clone();
        tokio::spawn(async move {
            let version = wanted.version().map(str::to_owned);
            this.shared.note(version, Outcome::Installing, None).await;
            let done = this.put_in(wanted).await;
            this.end(done).await;
        });
    }

    /// Follows an installation that a process before this one began.
    fn go_on(&self) {
        let this = self.clone();
        tokio::spawn(async move {
            let told = this.clone();
            let tell = Steps::new(move |percent| told.tell(UpdateStep::Going(percent)));
            let goes_on = async {
                let rauc = Rauc::on_the_system_bus().await?;
                rauc.go_on(|percent| tell.reach(50 + percent / 2)).await?;
                Ok(version_beside(&rauc).await)
            };
            this.end(goes_on.await).await;
        });
    }

    /// An installation is over: what came of it is noted, and told.
    async fn end(&self, done: Result<Option<String>, UpdateError>) {
        self.shared.clear().await;
        let step = match done {
            Ok(version) => {
                self.shared.note(version, Outcome::Installed, None).await;
                self.ended(UpdateEnd::Installed);
                UpdateStep::Installed
            }
            Err(error) => {
                let why = Some(error.to_string());
                self.shared.note(None, Outcome::Failed, why).await;
                self.failed(&error)
            }
        };
        self.tell(step);
    }

    /// Has the slot that runs stay.
    pub(super) fn mark_good(&self) {
        let this = self.clone();
        tokio::spawn(async move {
            let marks = async { Rauc::on_the_system_bus().await?.mark_good().await };
            this.tell(match marks.await {
                Ok(()) => {
                    if this.shared.is_on_trial() {
                        this.shared.note(None, Outcome::Good, None).await;
                    }
                    tracing::info!("what runs has proved itself, and its slot is good");
                    UpdateStep::Kept
                }
                Err(error) => {
                    tracing::warn!("the slot that runs cannot be marked as good: {error}");
                    UpdateStep::NotKept
                }
            });
        });
    }

    /// Says what lies in the slots, and what became of the last update.
    pub(super) fn report(&self, reply: oneshot::Sender<UpdateReport>) {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let slots = match shared.device.slot {
                Some(_) => async { Rauc::on_the_system_bus().await?.slots().await }.await,
                None => Ok(Vec::new()),
            };
            let (slots, no_slots) = match slots {
                Ok(slots) => (slots, None),
                Err(error) => (Vec::new(), Some(error.to_string())),
            };
            let slots = slots.into_iter().map(|slot| SlotLine {
                slot: slot.name,
                runs: slot.runs,
                version: slot.version,
                good: slot.good,
            });
            let last = shared.record.lock().as_ref().map(|record| LastUpdate {
                version: record.version.clone(),
                outcome: record.outcome.as_str().to_owned(),
                why: record.why.clone(),
            });
            // A caller that went away needs no answer.
            let _ = reply.send(UpdateReport {
                version: shared.device.version.clone(),
                slots: slots.collect(),
                no_slots,
                last,
                no_look: shared.no_look.lock().clone(),
            });
        });
    }

    /// Fetches it, has RAUC install it, and returns its version.
    async fn put_in(&self, wanted: Wanted) -> Result<Option<String>, UpdateError> {
        let named = wanted.version().map(str::to_owned);
        let (shared, told) = (Arc::clone(&self.shared), self.clone());
        let tell = Steps::new(move |percent| told.tell(UpdateStep::Going(percent)));
        let (tell, fetches) = (Arc::new(tell), Arc::clone(&shared));
        let half = Arc::clone(&tell);
        let bundle = blocking(move || {
            let Shared { depot, web, .. } = &*fetches;
            depot.take(web, wanted, |percent| half.reach(percent / 2))
        })
        .await?;
        let rauc = Rauc::on_the_system_bus().await?;
        let installs = rauc.install(&bundle, |percent| tell.reach(50 + percent / 2));
        installs.await?;
        match named {
            Some(version) => Ok(Some(version)),
            None => Ok(version_beside(&rauc).await),
        }
    }

    fn failed(&self, error: &UpdateError) -> UpdateStep {
        tracing::warn!("no new version: {error}");
        self.ended(UpdateEnd::Failed(error.to_string()));
        UpdateStep::Failed(error.code())
    }

    fn ended(&self, end: UpdateEnd) {
        // Nobody waits for one that came by itself.
        let _ = self.ends.send(end);
    }

    fn tell(&self, step: UpdateStep) {
        // Without a loop there is nobody to tell.
        let _ = self.events.send(Event::Update(step));
    }
}

impl Shared {
    /// Judges what this boot is to the last update, and notes it. Blocks.
    fn boots(&self) -> Booted {
        let mut record = Record::read(&self.data);
        let booted = match (&mut record, &self.device.slot) {
            (Some(record), Some(_)) => {
                let before = record.clone();
                let booted = record.boots(&self.device);
                if *record != before
                    && let Err(error) = record.keep(&self.data)
                {
                    tracing::warn!("what became of the last update cannot be kept: {error}");
                }
                booted
            }
            _ => Booted::Usual,
        };
        // RAUC reads it.
        if booted != Booted::Installing {
            self.depot.clear();
        }
        if record
            .as_ref()
            .is_some_and(|it| it.outcome == Outcome::Left)
        {
            tracing::warn!(
                "the boot loader has left the slot of the last update, which had stayed"
            );
        }
        // A power cut may have left it behind a trial that is over.
        if !record.as_ref().is_some_and(Record::is_trial)
            && let Err(error) = end_trial(&self.data)
        {
            tracing::warn!("the mark of a trial that is over is still there: {error}");
        }
        let judges = match booted {
            Booted::Trial { .. } => fs::write(&self.judged, ""),
            _ => Ok(()),
        };
        if let Err(error) = judges {
            tracing::warn!("that the trial is judged here cannot be said: {error}");
        }
        *self.record.lock() = record;
        booted
    }

    fn is_on_trial(&self) -> bool {
        let record = self.record.lock();
        record
            .as_ref()
            .is_some_and(|it| it.outcome == Outcome::Trial)
    }

    fn fell_back(&self, version: &str) -> bool {
        let record = self.record.lock();
        record.as_ref().is_some_and(|it| it.fell_back(version))
    }

    /// The newer version that the index names, where there is one.
    async fn find(self: &Arc<Self>) -> Result<Option<Offer>, UpdateError> {
        let compatible = Rauc::on_the_system_bus().await?.compatible().await?;
        let shared = Arc::clone(self);
        blocking(move || {
            let key = shared.key()?;
            let url = shared.index.as_deref().unwrap_or_default();
            let (index, web) = (url, &shared.web);
            let signature = web.read(&format!("{index}.sig"))?;
            let index = Index::read(&web.read(index)?, &signature, &key)?;
            index.offer(&compatible, &shared.device.version)
        })
        .await
    }

    fn key(&self) -> Result<Key, UpdateError> {
        let none = UpdateError::Untrusted("there is no key to check it with: set update.key");
        match &self.key {
            Some(key) => Key::parse(key),
            None => {
                let key = fs::read_to_string(Machine::this().file(KEY));
                Key::parse(&key.map_err(|_| none)?)
            }
        }
    }

    /// Writes down what became of it: before anything that it is about, and durable.
    async fn note(
        self: &Arc<Self>,
        version: Option<String>,
        outcome: Outcome,
        why: Option<String>,
    ) {
        let shared = Arc::clone(self);
        let keeps = move || {
            let mut known = shared.record.lock();
            let record = match (outcome, known.take()) {
                (Outcome::Installing, before) => Record::begin(before, version, &shared.device),
                (_, Some(record)) => record.with(version, outcome, why),
                (_, None) => return Ok(()),
            };
            *known = Some(record.clone());
            drop(known);
            record.keep(&shared.data)
        };
        if let Err(error) = blocking(keeps).await {
            tracing::warn!("what became of the update cannot be kept: {error}");
        }
    }

    async fn clear(self: &Arc<Self>) {
        let shared = Arc::clone(self);
        let clears = move || {
            shared.depot.clear();
            Ok::<_, Stopped>(())
        };
        // It is cleared by the next start.
        let _ = blocking(clears).await;
    }
}

/// The version in the slot that does not run, where RAUC knows it.
async fn version_beside(rauc: &Rauc) -> Option<String> {
    let slots = rauc.slots().await.unwrap_or_default();
    slots.into_iter().find(|slot| !slot.runs)?.version
}

/// Tells how far something is, in steps.
struct Steps<Tell> {
    told: Mutex<u8>,
    tell: Tell,
}

impl<Tell: Fn(u8)> Steps<Tell> {
    fn new(tell: Tell) -> Self {
        Self {
            told: Mutex::new(0),
            tell,
        }
    }

    fn reach(&self, percent: u8) {
        let mut told = self.told.lock();
        if percent >= *told + STEP {
            *told = percent;
            (self.tell)(percent);
        }
    }
}
