//! What the server knows: accounts, their devices, groups, and who is connected.
//!
//! The world does no I/O. A connection hands it a stanza, and it answers into the connections' channels; everything
//! happens under one lock, in the order it came.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;
use wacore_binary::{Jid, Node};

use super::LabError;
use super::fault::Faults;
use super::groups::Group;
use super::linking::Linking;
use super::media::Media;
use super::queue::Queued;
use crate::ledger::Ledger;
use crate::phone::Phone;

/// An account, by the number of its phone: digits with the country code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PhoneId(pub String);

impl fmt::Display for PhoneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One device of an account; device 0 is the phone. Reads and prints as its phone-number address
/// (`15550000001:3@s.whatsapp.net`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId {
    /// The account.
    pub phone: PhoneId,
    /// The device's number within the account.
    pub device: u16,
}

impl DeviceId {
    /// The device by its phone-number address.
    pub fn jid(&self) -> Jid {
        Jid::pn_device(self.phone.0.as_str(), self.device)
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.jid().fmt(f)
    }
}

impl FromStr for DeviceId {
    type Err = LabError;

    fn from_str(text: &str) -> Result<Self, LabError> {
        let jid: Jid = text.parse().map_err(|_| LabError::BadAddress)?;
        if !jid.is_pn() {
            return Err(LabError::BadAddress);
        }
        Ok(DeviceId {
            phone: PhoneId(jid.user.to_string()),
            device: jid.device,
        })
    }
}

impl Serialize for DeviceId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeviceId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// When things happen: how long a reference in a linking QR can be scanned, how slow a slow link is, when a drain is over.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// The first reference.
    pub first_ref: Duration,
    /// Each of the five that follow.
    pub next_ref: Duration,
    /// The pause before each stanza on a slow link.
    pub slow_link: Duration,
    /// The end of what had waited is said once all of it is confirmed. Said at once it may be read before the messages in front of it
    /// are decrypted, and how many of them a client then takes for live ones is chance.
    pub drain_ends_confirmed: bool,
}

impl Default for Times {
    fn default() -> Self {
        Times {
            first_ref: Duration::from_secs(60),
            next_ref: Duration::from_secs(20),
            slow_link: Duration::from_secs(1),
            drain_ends_confirmed: false,
        }
    }
}

/// Everything. What is skipped by serde does not outlive the process.
#[derive(Serialize, Deserialize)]
pub(super) struct World {
    pub accounts: BTreeMap<PhoneId, Account>,
    pub groups: BTreeMap<String, Group>,
    pub media: Media,
    last_id: u64,
    #[serde(skip)]
    pub connections: BTreeMap<u64, Connection>,
    /// How linkings ended whose connection is gone: a client leaves as soon as it is linked.
    #[serde(skip)]
    pub concluded: BTreeMap<u64, Result<DeviceId, LabError>>,
    #[serde(skip)]
    pub faults: Faults,
    /// Until when an account may write to nobody new, Unix time in seconds.
    #[serde(skip)]
    pub no_new_chats: BTreeMap<PhoneId, u64>,
    /// How much each device asked, by namespace.
    #[serde(skip)]
    pub questions: BTreeMap<DeviceId, BTreeMap<String, u64>>,
    #[serde(skip)]
    pub times: Times,
    #[serde(skip)]
    pub ledger: Ledger,
}

/// An account: its phone and its linked devices.
#[derive(Serialize, Deserialize)]
pub(super) struct Account {
    pub phone: Phone,
    pub devices: BTreeMap<u16, Device>,
    /// Device numbers are never used twice.
    pub last_device: u16,
    /// The accounts that asked for this one's devices, and are told when they change.
    pub known_to: BTreeSet<PhoneId>,
    /// How often the phone asked again for a message, by message id.
    #[serde(skip)]
    pub asked_again: BTreeMap<String, u8>,
}

/// A linked device.
#[derive(Serialize, Deserialize)]
pub(super) struct Device {
    pub noise_key: [u8; 32],
    pub identity: [u8; 32],
    pub registration_id: u32,
    pub signed_pre_key: SignedPreKey,
    /// One-time pre-keys not handed out yet.
    pub pre_keys: BTreeMap<u32, [u8; 32]>,
    /// The name that the device gave itself.
    pub platform: String,
    /// Whether the phone has shared its app-state key with it.
    pub key_shared: bool,
    pub queue: VecDeque<Queued>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct SignedPreKey {
    pub id: u32,
    pub public: [u8; 32],
    pub signature: Vec<u8>,
}

/// A client that is connected.
pub(super) struct Connection {
    pub out: UnboundedSender<Out>,
    pub peer: Peer,
    /// Nothing is answered any more.
    pub mute: bool,
    /// Nothing is read any more either.
    pub frozen: bool,
    /// A message held back until the next has gone out.
    pub held: Option<Node>,
    /// How many stanzas the drain has whose end is still to be said.
    pub draining: Option<usize>,
}

/// Who is at the other end.
pub(super) enum Peer {
    /// A device after login; `active` once it takes deliveries.
    Device { id: DeviceId, active: bool },
    /// A client that wants to be linked.
    Linking(Box<Linking>),
    /// Turned away.
    Refused,
}

/// What a connection's writer is told.
pub(super) enum Out {
    /// Send this.
    Stanza(Node),
    /// Send this as a frame, as it is.
    Frame(&'static [u8]),
    /// Send this outside of any frame.
    Bytes(&'static [u8]),
    /// Pause this long before each stanza from now on.
    Slow(Duration),
    /// Close in order, after what was said before.
    Close,
    /// Close in order when the client has not done so in time.
    Leave,
    /// Cut the socket without a word.
    Drop,
    /// Leave the socket open and never touch it again.
    Freeze,
}

/// The address a stanza speaks of an account by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Phone number.
    Pn,
    /// LID.
    Lid,
}

impl Form {
    pub fn of(jid: &Jid) -> Form {
        if jid.is_lid() { Form::Lid } else { Form::Pn }
    }

    pub fn other(self) -> Form {
        match self {
            Form::Pn => Form::Lid,
            Form::Lid => Form::Pn,
        }
    }
}

impl World {
    pub fn new(times: Times, ledger: Ledger) -> World {
        World {
            accounts: BTreeMap::new(),
            groups: BTreeMap::new(),
            media: Media::default(),
            last_id: 0,
            connections: BTreeMap::new(),
            concluded: BTreeMap::new(),
            faults: Faults::default(),
            no_new_chats: BTreeMap::new(),
            questions: BTreeMap::new(),
            times,
            ledger,
        }
    }

    /// An id for a stanza of the server's own.
    pub fn next_id(&mut self) -> String {
        self.last_id += 1;
        format!("lab-{}", self.last_id)
    }

    pub fn account(&self, phone: &PhoneId) -> Result<&Account, LabError> {
        self.accounts.get(phone).ok_or(LabError::NoSuchPhone)
    }

    pub fn account_mut(&mut self, phone: &PhoneId) -> Result<&mut Account, LabError> {
        self.accounts.get_mut(phone).ok_or(LabError::NoSuchPhone)
    }

    /// The linked device; `None` for phones too.
    pub fn device_mut(&mut self, id: &DeviceId) -> Option<&mut Device> {
        self.accounts
            .get_mut(&id.phone)?
            .devices
            .get_mut(&id.device)
    }

    /// The account that `jid` names, in either form.
    pub fn owner(&self, jid: &Jid) -> Option<PhoneId> {
        self.accounts
            .iter()
            .find(|(_, account)| account.phone.owns(jid))
            .map(|(phone, _)| phone.clone())
    }

    /// The device that `jid` names, in either form, if it exists.
    pub fn resolve(&self, jid: &Jid) -> Option<DeviceId> {
        let phone = self.owner(jid)?;
        let exists = jid.device == 0 || self.accounts[&phone].devices.contains_key(&jid.device);
        exists.then_some(DeviceId {
            phone,
            device: jid.device,
        })
    }

    /// The device by its address in the form wanted.
    pub fn address(&self, id: &DeviceId, form: Form) -> Jid {
        match (form, self.accounts.get(&id.phone)) {
            (Form::Lid, Some(account)) => account.phone.lid().with_device(id.device),
            (Form::Pn, _) | (_, None) => id.jid(),
        }
    }

    /// All devices of an account, the phone first.
    pub fn devices_of(&self, phone: &PhoneId) -> Vec<DeviceId> {
        let Some(account) = self.accounts.get(phone) else {
            return Vec::new();
        };
        std::iter::once(0)
            .chain(account.devices.keys().copied())
            .map(|device| DeviceId {
                phone: phone.clone(),
                device,
            })
            .collect()
    }

    /// The connection on which `id` is logged in.
    pub fn connection_of(&self, id: &DeviceId) -> Option<u64> {
        self.connections
            .iter()
            .find(|(_, connection)| matches!(&connection.peer, Peer::Device { id: theirs, .. } if theirs == id))
            .map(|(serial, _)| *serial)
    }

    /// Sends a stanza on a connection. One that has just ended is no matter: what counts is queued.
    pub fn send(&self, serial: u64, node: Node) {
        if let Some(connection) = self.connections.get(&serial)
            && !connection.mute
        {
            connection.out.send(Out::Stanza(node)).ok();
        }
    }

    /// Tells a connection's writer what to do with the socket.
    pub fn tell(&self, serial: u64, out: Out) {
        if let Some(connection) = self.connections.get(&serial) {
            connection.out.send(out).ok();
        }
    }
}

/// Unix time in seconds.
pub(super) fn now_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
