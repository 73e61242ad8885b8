//! The server: accounts, linking, login, routing, and the faults it can be told to have.
//!
//! [`Lab`] is the whole of it for a test: it starts the server and acts for the phones. Inside, a connection
//! (`session`) hands each stanza to the one `world`, under one lock; the other modules are the world's subjects.
//!
//! - `session`: connections and logins
//! - `linking`: QR, code, unlinking
//! - `query`: what devices ask; `keys`, `usync`, `appstate`, `groups`, `media` answer
//! - `route`: messages and receipts; `queue`: until they are confirmed
//! - `phones`: what the phones do with what they receive
//! - `fault`: faults by name
//! - `keep`: the state on disk

mod appstate;
mod fault;
mod groups;
mod keep;
mod keys;
mod linking;
mod media;
mod passkey;
mod phones;
mod query;
mod queue;
mod reply;
mod route;
mod session;
mod usync;
mod world;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::watch;
use wacore_binary::Jid;
use waproto::whatsapp as wa;

use crate::ledger::Ledger;
use crate::phone::inbox::Received;
use crate::phone::{Phone, PhoneError};
use crate::wire::cert::Authority;

pub use fault::{Fault, Occasion, Target, When};
pub use world::{DeviceId, PhoneId, Times};

use keep::Keeper;
use world::{Account, World};

/// The id of a message, as its sender chose it.
pub type MessageId = String;

/// How long a client may take to confirm that it is linked.
const LINK_DEADLINE: Duration = Duration::from_secs(30);

/// How to start a [`Lab`].
#[derive(Clone, Debug)]
pub struct LabConfig {
    /// Where to listen: a loopback address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where to keep keys, accounts, devices and queues; in memory alone without.
    pub state: Option<PathBuf>,
    /// The times that tests shorten.
    pub times: Times,
    /// What the phones' keys are drawn from: the same seed gives the same phones.
    pub seed: u64,
}

impl Default for LabConfig {
    fn default() -> Self {
        LabConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            state: None,
            times: Times::default(),
            seed: 1,
        }
    }
}

/// Why the lab did not do what it was asked. No text names an account.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LabError {
    /// The address is taken, or not to be had.
    #[error("the lab cannot listen there: {0}")]
    Listen(Arc<io::Error>),
    /// The address is reachable from outside.
    #[error("the lab listens on loopback alone: use an address such as 127.0.0.1:0")]
    NotLoopback,
    /// The state directory cannot be read or written.
    #[error("the lab's state in {path} cannot be used: {why}")]
    State {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A number that has a phone already.
    #[error("this number has a phone already")]
    PhoneExists,
    /// No phone has this number.
    #[error("no phone has this number: create it first")]
    NoSuchPhone,
    /// The device is not linked.
    #[error("no such device is linked")]
    NoSuchDevice,
    /// The group does not exist, or the phone is no member.
    #[error("no such group, or the phone is no member of it")]
    NoSuchGroup,
    /// The text is no address of a device, account or group.
    #[error("this is no number, and no address such as 15550000001:3@s.whatsapp.net")]
    BadAddress,
    /// No fault has this name.
    #[error("no fault is called {0:?}")]
    NoSuchFault(String),
    /// A fault that is to strike no times.
    #[error("a fault must strike at least once")]
    FaultNever,
    /// No client shows what the phone was given.
    #[error("no client that is connected shows {0}")]
    NobodyShows(&'static str),
    /// The reference in the QR is out of date.
    #[error("the QR is out of date: scan the one shown now")]
    RefExpired,
    /// The keys are not those of the client that the reference was given to.
    #[error("the keys are not those of the client that the reference was given to")]
    QrOfAnother,
    /// The client found the phone's answer wrong.
    #[error("the client refused the phone's answer")]
    ClientRefused,
    /// The client left before it was linked.
    #[error("the client left before it was linked")]
    ClientGone,
    /// The server refused a phone's message.
    #[error("the server refused the message with code {0}")]
    Refused(u16),
    /// The media store is not up.
    #[error("the media store is not up")]
    NoMedia,
    /// The phone refused.
    #[error("the phone refused: {0}")]
    Phone(Arc<PhoneError>),
    /// What was waited for did not come.
    #[error("{0} within {1:?}")]
    Timeout(&'static str, Duration),
}

impl LabError {
    fn listen(error: io::Error) -> LabError {
        LabError::Listen(Arc::new(error))
    }
}

impl From<PhoneError> for LabError {
    fn from(error: PhoneError) -> Self {
        LabError::Phone(Arc::new(error))
    }
}

/// A linked device, seen from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// The device.
    pub id: DeviceId,
    /// The name that it gave itself when it was linked.
    pub platform: String,
    /// Whether it is logged in.
    pub online: bool,
    /// How many stanzas wait for its confirmation.
    pub queued: usize,
    /// How many one-time pre-keys it has left on the server.
    pub pre_keys: usize,
    /// Tells its keys from any other's: see [`DeviceInfo::digest`].
    pub keys: String,
}

impl DeviceInfo {
    /// SHA-256, hex, of a device's public Noise key, public identity key and registration id (big endian).
    pub fn digest(noise_key: &[u8], identity: &[u8], registration_id: u32) -> String {
        let digest = Sha256::new()
            .chain_update(noise_key)
            .chain_update(identity)
            .chain_update(registration_id.to_be_bytes())
            .finalize();
        hex::encode(digest)
    }
}

/// A running server; clones are handles to the same one.
#[derive(Clone)]
pub struct Lab {
    shared: Arc<Shared>,
    address: SocketAddr,
    seed: u64,
}

/// What connections and handles share.
pub(crate) struct Shared {
    authority: Authority,
    world: Mutex<World>,
    /// Counts the changes of the world.
    changes: watch::Sender<u64>,
    stop: watch::Sender<bool>,
    serials: AtomicU64,
    state: Option<Keeper>,
}

impl Shared {
    fn next_serial(&self) -> u64 {
        self.serials.fetch_add(1, Ordering::Relaxed)
    }

    /// A panic elsewhere leaves at worst one stanza half handled: a lab that goes on shows more than one that stops.
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock()
    }

    fn look<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.world())
    }

    fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let changed = change(&mut self.world());
        self.changes.send_modify(|count| *count += 1);
        changed
    }

    /// Returns when the lab stops.
    async fn stopped(&self) {
        // The sender lives as long as `self`.
        self.stop.subscribe().wait_for(|stop| *stop).await.ok();
    }

    /// Waits until `look` finds something.
    async fn until<T>(
        &self,
        what: &'static str,
        deadline: Duration,
        look: impl Fn(&World) -> Option<T>,
    ) -> Result<T, LabError> {
        let mut changes = self.changes.subscribe();
        let wait = async {
            loop {
                changes.borrow_and_update();
                if let Some(found) = self.look(&look) {
                    return Some(found);
                }
                changes.changed().await.ok()?;
            }
        };
        tokio::time::timeout(deadline, wait)
            .await
            .ok()
            .flatten()
            .ok_or(LabError::Timeout(what, deadline))
    }
}

impl Lab {
    /// Starts a server. With a state directory it goes on where the last one stopped.
    ///
    /// # Errors
    /// [`LabError::NotLoopback`], [`LabError::Listen`], [`LabError::State`].
    pub async fn start(config: LabConfig) -> Result<Lab, LabError> {
        if !config.listen.ip().is_loopback() {
            return Err(LabError::NotLoopback);
        }
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(LabError::listen)?;
        let address = listener.local_addr().map_err(LabError::listen)?;
        let kept = match &config.state {
            Some(directory) => keep::load(directory)?,
            None => None,
        };
        let (authority, mut world) = kept.unwrap_or_else(|| {
            (
                Authority::generate(),
                World::new(config.times, Ledger::new()),
            )
        });
        world.times = config.times;
        let shared = Arc::new(Shared {
            authority,
            world: Mutex::new(world),
            changes: watch::Sender::new(0),
            stop: watch::Sender::new(false),
            serials: AtomicU64::new(1),
            state: config.state.map(Keeper::new),
        });
        media::serve(Arc::clone(&shared)).await?;
        keep::save(&shared)?;
        tokio::spawn(keep::keep(Arc::clone(&shared)));
        tokio::spawn(accept(Arc::clone(&shared), listener));
        Ok(Lab {
            shared,
            address,
            seed: config.seed,
        })
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        format!("ws://{}/ws/chat", self.address)
    }

    /// The public key that signs the server's certificate chain.
    pub fn root_key(&self) -> [u8; 32] {
        self.shared.authority.root_key()
    }

    /// The record of everything the server sees.
    pub fn ledger(&self) -> Ledger {
        self.shared.look(|world| world.ledger.clone())
    }

    /// Creates an account with its phone: a number with country code, digits alone, and the name contacts see.
    ///
    /// # Errors
    /// [`LabError::PhoneExists`], [`LabError::Phone`] for a number that is none.
    pub async fn create_phone(&self, number: &str, name: &str) -> Result<PhoneId, LabError> {
        let id = PhoneId(number.to_owned());
        let phone = Phone::new(number, name, self.seed)?;
        self.shared.change(|world| {
            if world.accounts.contains_key(&id) {
                return Err(LabError::PhoneExists);
            }
            let account = Account {
                phone,
                devices: BTreeMap::new(),
                last_device: 0,
                known_to: Default::default(),
                asked_again: BTreeMap::new(),
            };
            world.accounts.insert(id.clone(), account);
            Ok(id)
        })
    }

    /// The accounts.
    pub async fn phones(&self) -> Vec<PhoneId> {
        self.shared
            .look(|world| world.accounts.keys().cloned().collect())
    }

    /// The phone scans a QR; returns when the client has confirmed that it is linked.
    ///
    /// # Errors
    /// [`LabError`] says whether the QR, the phone or the client was wrong.
    pub async fn scan_qr(&self, phone: &PhoneId, qr: &str) -> Result<DeviceId, LabError> {
        let serial = self.shared.change(|world| world.scan(phone, qr))?;
        self.linked(serial).await
    }

    /// The phone's owner types the code that a client shows for this number; returns when the client has confirmed that
    /// it is linked.
    ///
    /// # Errors
    /// As [`Lab::scan_qr`].
    pub async fn enter_code(&self, phone: &PhoneId, code: &str) -> Result<DeviceId, LabError> {
        let serial = self.shared.change(|world| world.enter_code(phone, code))?;
        self.linked(serial).await
    }

    async fn linked(&self, serial: u64) -> Result<DeviceId, LabError> {
        self.shared
            .until(
                "the client did not confirm that it is linked",
                LINK_DEADLINE,
                |world| world.linked(serial),
            )
            .await?
    }

    /// The phone removes a linked device.
    ///
    /// # Errors
    /// [`LabError::NoSuchDevice`].
    pub async fn unlink(&self, device: &DeviceId) -> Result<(), LabError> {
        match self.shared.change(|world| world.unlink(device)) {
            true => Ok(()),
            false => Err(LabError::NoSuchDevice),
        }
    }

    /// The phone sends a text to a number, or to a group by its JID.
    ///
    /// # Errors
    /// [`LabError::BadAddress`], [`LabError::NoSuchPhone`], [`LabError::NoSuchGroup`].
    pub async fn send_text(
        &self,
        from: &PhoneId,
        to: &str,
        text: &str,
    ) -> Result<MessageId, LabError> {
        let to = destination(to)?;
        let message = wa::Message {
            conversation: Some(text.to_owned()),
            ..Default::default()
        };
        self.shared
            .change(|world| world.phone_sends(from, &to, &message))
    }

    /// The phone sends an image, by reference to the lab's media store.
    ///
    /// # Errors
    /// As [`Lab::send_text`].
    pub async fn send_image(
        &self,
        from: &PhoneId,
        to: &str,
        image: &[u8],
        caption: Option<&str>,
    ) -> Result<MessageId, LabError> {
        let to = destination(to)?;
        self.shared.change(|world| {
            let sealed = world.account_mut(from)?.phone.seal_image(image)?;
            let place = world.keep_file(sealed.file.clone())?;
            let message = sealed.message(&place.url, &place.direct_path, "image/png", caption);
            world.phone_sends(from, &to, &message)
        })
    }

    /// Makes a group of `owner` and `members`.
    ///
    /// # Errors
    /// [`LabError::NoSuchPhone`].
    pub async fn create_group(
        &self,
        owner: &PhoneId,
        name: &str,
        members: &[PhoneId],
    ) -> Result<Jid, LabError> {
        self.shared
            .change(|world| world.create_group(owner, name, members))
    }

    /// What the phone has received, oldest first.
    ///
    /// # Errors
    /// [`LabError::NoSuchPhone`].
    pub async fn inbox(&self, phone: &PhoneId) -> Result<Vec<Received>, LabError> {
        self.shared
            .look(|world| Ok(world.account(phone)?.phone.inbox().to_vec()))
    }

    /// The first message in the phone's inbox that is `wanted`, waiting for it if need be.
    ///
    /// # Errors
    /// [`LabError::Timeout`], [`LabError::NoSuchPhone`].
    pub async fn wait_inbox(
        &self,
        phone: &PhoneId,
        deadline: Duration,
        wanted: impl Fn(&Received) -> bool,
    ) -> Result<Received, LabError> {
        self.shared
            .until("the message did not come", deadline, |world| {
                let inbox = match world.account(phone) {
                    Ok(account) => account.phone.inbox(),
                    Err(error) => return Some(Err(error)),
                };
                inbox
                    .iter()
                    .find(|received| wanted(received))
                    .cloned()
                    .map(Ok)
            })
            .await?
    }

    /// The account's LID.
    ///
    /// # Errors
    /// [`LabError::NoSuchPhone`].
    pub async fn lid(&self, phone: &PhoneId) -> Result<Jid, LabError> {
        self.shared
            .look(|world| Ok(world.account(phone)?.phone.lid()))
    }

    /// The devices linked to a phone.
    ///
    /// # Errors
    /// [`LabError::NoSuchPhone`].
    pub async fn devices(&self, phone: &PhoneId) -> Result<Vec<DeviceInfo>, LabError> {
        self.shared.look(|world| device_infos(world, phone))
    }

    /// Waits until the devices of a phone are as `wanted`.
    ///
    /// # Errors
    /// [`LabError::Timeout`], [`LabError::NoSuchPhone`].
    pub async fn wait_devices(
        &self,
        phone: &PhoneId,
        deadline: Duration,
        wanted: impl Fn(&[DeviceInfo]) -> bool,
    ) -> Result<Vec<DeviceInfo>, LabError> {
        self.shared
            .until(
                "the devices did not become so",
                deadline,
                |world| match device_infos(world, phone) {
                    Ok(devices) => wanted(&devices).then_some(Ok(devices)),
                    Err(error) => Some(Err(error)),
                },
            )
            .await?
    }

    /// Lets a fault strike `times` times, from the occasion `when` names.
    ///
    /// # Errors
    /// [`LabError::NoSuchDevice`], [`LabError::FaultNever`].
    pub async fn inject(
        &self,
        target: impl Into<Target>,
        fault: Fault,
        when: When,
        times: u32,
    ) -> Result<(), LabError> {
        let target = target.into();
        self.shared
            .change(|world| world.inject(target, fault, when, times))
    }

    /// How often faults are still to strike there.
    pub fn faults_left(&self, target: impl Into<Target>) -> u32 {
        let target = target.into();
        self.shared.look(|world| world.faults.left(&target))
    }

    /// Stops: connections are cut, and with a state directory everything is on disk when this returns.
    ///
    /// # Errors
    /// [`LabError::State`] when the state could not be written.
    pub async fn stop(self) -> Result<(), LabError> {
        self.shared.stop.send_replace(true);
        keep::save(&self.shared)
    }
}

fn device_infos(world: &World, phone: &PhoneId) -> Result<Vec<DeviceInfo>, LabError> {
    let account = world.account(phone)?;
    let infos = account.devices.iter().map(|(number, device)| {
        let id = DeviceId {
            phone: phone.clone(),
            device: *number,
        };
        DeviceInfo {
            platform: device.platform.clone(),
            online: world.connection_of(&id).is_some(),
            queued: device.queue.len(),
            pre_keys: device.pre_keys.len(),
            keys: DeviceInfo::digest(&device.noise_key, &device.identity, device.registration_id),
            id,
        }
    });
    Ok(infos.collect())
}

/// A number stands for its account.
fn destination(text: &str) -> Result<Jid, LabError> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        return Ok(Jid::pn(text));
    }
    text.parse().map_err(|_| LabError::BadAddress)
}

async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                // Out of descriptors, at worst: those that end free some.
                Err(_) => continue,
            },
            () = shared.stopped() => return,
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            tokio::select! {
                ended = session::serve(Arc::clone(&shared), stream) => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection ended");
                    }
                }
                () = shared.stopped() => {}
            }
        });
    }
}
