//! The key store: the device's records, kept so that a pulled plug costs nothing.
//!
//! - [`tiers`]: the table of what matters how much, and what each write promises
//! - `identity`: the records without which the device must be linked again, in two slots
//! - `marks`: how far each device got with the ids of its keys, outside every copy of it
//! - `records`: all others, as the library reads and writes them; `envelope`, `key`: what one looks like
//! - `store`: where they lie: `engine` (sled), `witness` and `digest`; `layout`: in which directory and format
//! - `inspect`, `repair`, `salvage`, `quarantine`: what a boot does before anything rests on them
//! - `restore`: what an archived generation gives back; `archived`: the same, as the archive asks for it
//! - `backend`: the library's store traits over identity and records
//! - `generation`: which linking is live

mod archived;
mod backend;
mod digest;
mod document;
mod engine;
mod envelope;
mod generation;
mod identity;
mod inspect;
mod key;
mod layout;
mod marks;
mod pre_key_id;
mod quarantine;
mod records;
mod repair;
mod restore;
mod salvage;
mod store;
pub mod tiers;
mod witness;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use holdfast_core::{Findings, GenerationId, LastFour, Linked, Plan, StoreFound, Todo, Unusable};
use holdfast_medium::{
    Claim, ClaimError, DataDir, Secret, Stopped, atomic,
    barrier::{Barrier, BarrierError},
    blocking, remedy, space,
};
use parking_lot::{Mutex, MutexGuard};
use wacore::store::Device;
use wacore::store::traits::Backend;

pub use archived::Generations;
pub use backend::KeepsSent;
use backend::VaultBackend;
pub use engine::open_sled;
use identity::Identity;
use inspect::Looked;
use layout::Layout;
use marks::{Gauge, Marks};
pub use quarantine::Remains;
use records::Records;
pub use repair::RepairReport;
use tiers::{RecordKind, Tier};

/// The key records of the live generation.
pub struct Vault {
    claim: Claim,
    barrier: Barrier,
    live: Mutex<Live>,
    elsewhere: OnceLock<Arc<dyn KeepsSent>>,
}

#[derive(Clone)]
struct Live {
    id: GenerationId,
    identity: Arc<Identity>,
    records: Arc<Records>,
}

/// Why the vault does not open, or no next generation was begun.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// Another process uses the data directory.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// Another process has the record store open, though the data directory is ours.
    #[error("{} is open in another process, a Holdfast that has not ended; end it, or restart the box", .store.display())]
    StoreInUse {
        /// The store.
        store: PathBuf,
    },
    /// Both identity slots are there and neither can be read.
    #[error("the identity in {} is damaged in both its slots; nothing was changed; move this directory away, then link anew or import an exported archive", .dir.display())]
    IdentityUnreadable {
        /// The generation's directory.
        dir: PathBuf,
    },
    /// `CURRENT` is lost and more than one generation could be meant.
    #[error("{} is lost or damaged and there is more than one generation beside it; write the name of the live one, such as gen-0001, into it", .path.display())]
    NoCurrent {
        /// The file that should name the live generation.
        path: PathBuf,
    },
    /// The store was written by a later version.
    #[error("{} was written by a newer Holdfast, and this one knows formats up to {known}; run the newer version again", .path.display())]
    NewerFormat {
        /// The store.
        path: PathBuf,
        /// The newest format this version knows.
        known: u32,
    },
    /// The next generation's directory holds a linked device already.
    #[error("{} holds a linked device already; move it away", .dir.display())]
    NextIsLinked {
        /// The next generation's directory.
        dir: PathBuf,
    },
    /// A file or directory could not be used.
    #[error("{}: {error}; {}", .path.display(), remedy(.error))]
    Io {
        /// Which.
        path: PathBuf,
        /// The system's error.
        #[source]
        error: io::Error,
    },
    /// The barrier does not take writes.
    #[error(transparent)]
    Barrier(#[from] BarrierError),
}

impl From<Stopped> for VaultError {
    fn from(stopped: Stopped) -> Self {
        Self::Barrier(stopped.into())
    }
}

impl VaultError {
    fn at(path: &Path) -> impl Fn(io::Error) -> VaultError {
        move |error| VaultError::Io {
            path: path.into(),
            error,
        }
    }
}

/// A generation that is live no more, to be retired to the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retiring {
    /// Which.
    pub old: GenerationId,
    /// Its directory; nothing writes there any more.
    pub old_dir: PathBuf,
    /// The generation that is live now.
    pub linked: Linked,
}

/// How many records there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Per tier.
    pub tiers: BTreeMap<Tier, u64>,
    /// Read since the start and found bad: they read as absent.
    pub bad: u64,
}

/// How large the live generation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Records on the medium, but for the identity's.
    pub records: u64,
    /// The size of its files on the partition, bytes.
    pub bytes: u64,
}

/// The live generation, looked through and waiting for a plan.
pub struct Inspection {
    claim: Claim,
    barrier: Barrier,
    examined: Examined,
    took: Duration,
}

/// One generation, looked through.
struct Examined {
    id: GenerationId,
    layout: Layout,
    identity: Identity,
    looked: Looked,
    findings: Findings,
}

impl Inspection {
    /// Returns the findings.
    pub fn findings(&self) -> Findings {
        self.examined.findings
    }

    /// The generation and the account it is linked to.
    pub fn linked(&self) -> Linked {
        linked(self.examined.id, &self.examined.identity)
    }

    /// How many steps the store has taken, as far as it or its witness tells; `None` when it is damaged or lost, which is found anyway.
    pub fn step(&self) -> Option<u64> {
        match &self.examined.looked {
            Looked::Whole(whole) => Some(whole.store.step()),
            Looked::Damaged { .. } | Looked::Missing => None,
        }
    }

    /// The same, when something outside knows that this is an older copy: no ratchet in it is believed, and no id that it would go on with.
    pub fn outdated(mut self) -> Self {
        if self.linked().account.is_some() {
            self.examined.findings.store = StoreFound::Older;
        }
        self
    }

    /// Carries out a plan and opens the vault. After an error, or a crash on the way, it can be begun again.
    pub async fn carry_out(self, plan: Plan) -> Result<(Vault, RepairReport), VaultError> {
        let begun = Instant::now();
        let Inspection {
            claim,
            barrier,
            examined,
            took,
        } = self;
        let (live, mut report) = examined.carry_out(&claim, &barrier, plan).await?;
        let (of, id) = (claim.clone(), live.id);
        blocking(move || generation::make_live(of.dir(), id)).await?;
        report.took = took + begun.elapsed();
        let vault = Vault {
            claim,
            barrier,
            live: Mutex::new(live),
            elsewhere: OnceLock::new(),
        };
        Ok((vault, report))
    }
}

impl Vault {
    /// Looks through the live generation, and begins the first where there is none. The claim is given back when the vault that
    /// comes of it is dropped, and its store with it.
    pub async fn inspect(claim: Claim, barrier: Barrier) -> Result<Inspection, VaultError> {
        let begun = Instant::now();
        blocking(move || {
            let id = generation::live(claim.dir())?;
            let examined = Examined::new(claim.dir(), id)?;
            Ok(Inspection {
                claim,
                barrier,
                examined,
                took: begun.elapsed(),
            })
        })
        .await
    }

    /// Claims the directory, inspects, lets the core plan and carries that out: what a boot does, for who has no core running.
    pub async fn open(dir: DataDir, barrier: Barrier) -> Result<Vault, VaultError> {
        let claim = blocking(move || Ok::<_, VaultError>(Claim::take(&dir)?)).await?;
        let inspection = Self::inspect(claim, barrier).await?;
        let plan = holdfast_core::plan(&inspection.findings());
        Ok(inspection.carry_out(plan).await?.0)
    }

    /// Notes that what a repair left to do over the link is done.
    pub async fn caught_up(&self) -> Result<(), VaultError> {
        let live = self.live().clone();
        let path = self.claim.dir().generation(live.id);
        let updated = live
            .identity
            .update(|document| document.todo = Todo::default())
            .await;
        updated.map(drop).map_err(VaultError::at(&path))
    }

    /// The live generation and the account it is linked to.
    pub fn linked(&self) -> Linked {
        self.live().linked()
    }

    /// The JID of the chat with oneself; `None` when nothing is linked.
    pub fn own_chat(&self) -> Option<Secret<String>> {
        let document = self.live().identity.get();
        let own = document.device.as_ref()?.pn.as_ref()?;
        Some(Secret::new(own.to_non_ad().to_string()))
    }

    /// Keeps no second copy of the messages that somebody else keeps, from the next [`Vault::backend`] on. The first keeper stays.
    pub fn leaves_sent_to(&self, keeper: Arc<dyn KeepsSent>) {
        self.elsewhere.get_or_init(|| keeper);
    }

    /// The live generation as the library's storage. It never answers with an error of the medium but waits for
    /// ever; watch [`Barrier::failure`]. It stops answering when the generation is live no more.
    pub fn backend(&self) -> Arc<dyn Backend> {
        let live = self.live();
        Arc::new(VaultBackend {
            records: Arc::clone(&live.records),
            identity: Arc::clone(&live.identity),
            elsewhere: self.elsewhere.get().cloned(),
            barrier: self.barrier.clone(),
        })
    }

    /// Carries out a plan in the middle of a life. Call it with the link down. After an error the vault is closed: the next
    /// start finds out and repairs.
    pub async fn repair(&self, plan: Plan) -> Result<RepairReport, VaultError> {
        let begun = Instant::now();
        let live = self.live().clone();
        live.close().await?;
        let (dir, id) = (self.claim.dir().clone(), live.id);
        let examined = blocking(move || Examined::new(&dir, id)).await?;
        let (live, mut report) = examined.carry_out(&self.claim, &self.barrier, plan).await?;
        *self.live() = live;
        report.took = begun.elapsed();
        Ok(report)
    }

    /// Begins the next generation and makes it the live one. Call it with the link down.
    ///
    /// The new device keeps the ADV secret and account of the old one, all other keys are fresh. After an error, and
    /// after a crash on the way, the old generation is still the live one and untouched.
    pub async fn begin_next(&self) -> Result<Retiring, VaultError> {
        let old = self.live().clone();
        let seed = old.identity.get().device.as_ref().map(successor);
        let next = {
            let (dir, id) = (self.claim.dir().clone(), old.id.next());
            let examined = blocking(move || Examined::new(&dir, id)).await?;
            let plan = holdfast_core::plan(&examined.findings);
            examined
                .carry_out(&self.claim, &self.barrier, plan)
                .await?
                .0
        };
        if let Err(error) = self.make_live(&next, seed).await {
            // It never was live; the barrier's own error is reported by the daemon, which watches it.
            let _ = next.close().await;
            return Err(error);
        }
        let linked = next.linked();
        *self.live() = next;
        // Everything of it was on the medium before: only its files are left to be let go of.
        let _ = old.close().await;
        Ok(Retiring {
            old: old.id,
            old_dir: self.claim.dir().generation(old.id),
            linked,
        })
    }

    async fn make_live(&self, next: &Live, seed: Option<Device>) -> Result<(), VaultError> {
        let path = self.claim.dir().generation(next.id);
        if next.linked().account.is_some() {
            return Err(VaultError::NextIsLinked { dir: path });
        }
        next.identity
            .update(|document| document.device = seed)
            .await
            .map_err(VaultError::at(&path))?;
        self.barrier.settle().await?;
        let (dir, id) = (self.claim.dir().clone(), next.id);
        blocking(move || generation::make_live(&dir, id)).await
    }

    /// The live generation, and how many steps of its store are on the medium.
    pub fn position(&self) -> (GenerationId, u64) {
        let live = self.live().clone();
        (live.id, live.records.step())
    }

    /// Counts the live generation's records; reads all of them.
    pub async fn records(&self) -> Result<Counts, VaultError> {
        let Live {
            identity, records, ..
        } = self.live().clone();
        blocking(move || {
            let mut counts = Counts::default();
            let document = identity.get();
            counts.tiers.insert(Tier::Identity, document.records());
            for kind in RecordKind::ALL
                .iter()
                .filter(|kind| kind.tier() != Tier::Identity)
            {
                let found = records.read(|view| view.scan(&[*kind as u8]))?;
                *counts.tiers.entry(kind.tier()).or_default() += found.len() as u64;
            }
            counts.bad = records.bad();
            Ok(counts)
        })
        .await
    }

    /// Measures the live generation; reads no record. Blocks.
    ///
    /// # Errors
    /// A directory cannot be read.
    pub fn extent(&self) -> io::Result<Extent> {
        let live = self.live().clone();
        Ok(Extent {
            records: live.records.count(),
            bytes: space::taken(&self.claim.dir().generation(live.id))?,
        })
    }

    /// Commits what is queued and lets go of the store's files. Backends stop answering.
    pub async fn close(&self) -> Result<(), VaultError> {
        let live = self.live().clone();
        Ok(live.close().await?)
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock()
    }
}

impl Examined {
    /// Looks through a generation, or makes its directory; one half made before a crash is completed. Blocks.
    fn new(dir: &DataDir, id: GenerationId) -> Result<Examined, VaultError> {
        let path = dir.generation(id);
        let at = VaultError::at(&path);
        atomic::make_dir(&path).map_err(&at)?;
        let (identity, identity_found) = Identity::open(&path)?;
        let identity = identity.marking(Gauge::of(dir));
        let layout = Layout::of(&path);
        layout.settle()?;
        let looked = inspect::look(&layout).map_err(|error| match error.kind() {
            io::ErrorKind::ResourceBusy => VaultError::StoreInUse {
                store: layout.store(),
            },
            _ => at(error),
        })?;
        let is_linked = linked(id, &identity).account.is_some();
        let (store, unusable) = match &looked {
            Looked::Whole(whole) => (whole.found, whole.unusable()),
            Looked::Damaged { .. } => (StoreFound::Damaged, Unusable::default()),
            Looked::Missing if is_linked => (StoreFound::Lost, Unusable::default()),
            Looked::Missing => (StoreFound::Sound, Unusable::default()),
        };
        let findings = Findings {
            identity: identity_found,
            store,
            unusable,
            todo: identity.get().todo,
        };
        Ok(Examined {
            id,
            layout,
            identity,
            looked,
            findings,
        })
    }

    /// Identity first, then the store, so that the new ids are durable before the old keys are gone.
    async fn carry_out(
        self,
        claim: &Claim,
        barrier: &Barrier,
        plan: Plan,
    ) -> Result<(Live, RepairReport), VaultError> {
        let Examined {
            id,
            layout,
            identity,
            looked,
            findings,
        } = self;
        let at = VaultError::at(layout.generation());
        if plan.slots {
            identity.restore_slots().await.map_err(&at)?;
        }
        if plan.leap || plan.todo != identity.get().todo {
            let (marks, document) = (Marks::of(claim.dir()), identity.get());
            let older = findings.store == StoreFound::Older;
            let beyond = blocking(move || match older {
                // Whatever the marks say is as old.
                true => marks.beyond_abroad(&document),
                false => marks.beyond(&document),
            });
            let beyond = beyond.await.map_err(&at)?;
            let updated = identity.update(|document| {
                document.todo = plan.todo;
                if let Some(beyond) = beyond.filter(|_| plan.leap) {
                    document.go_on(beyond);
                }
            });
            updated.await.map_err(&at)?;
        }
        let (claim, places, under) = (claim.clone(), layout.clone(), barrier.clone());
        let (records, treated) = blocking(move || {
            let (store, treated) = repair::treat(claim.dir(), id, &places, looked, plan.store)?;
            Ok::<_, VaultError>((Records::new(store, claim, &under), treated))
        })
        .await?;
        let live = Live {
            id,
            identity: Arc::new(identity),
            records: Arc::new(records),
        };
        let report = RepairReport {
            findings,
            plan,
            kept: treated.kept,
            dropped: treated.dropped,
            quarantine: treated.quarantine,
            took: Duration::ZERO,
        };
        Ok((live, report))
    }
}

impl Live {
    async fn close(&self) -> Result<(), BarrierError> {
        self.identity.close().await;
        self.records.close().await
    }

    fn linked(&self) -> Linked {
        linked(self.id, &self.identity)
    }
}

fn linked(generation: GenerationId, identity: &Identity) -> Linked {
    let account = identity
        .get()
        .device
        .as_ref()
        .and_then(|device| Some(LastFour::of(&device.pn.as_ref()?.user)));
    Linked {
        generation,
        account,
    }
}

/// A new device that a phone recognises as the old one's successor: WhatsApp's ADV scheme ties a companion to its
/// account by these two.
fn successor(old: &Device) -> Device {
    Device {
        adv_secret_key: old.adv_secret_key,
        account: old.account.clone(),
        ..Device::new()
    }
}
