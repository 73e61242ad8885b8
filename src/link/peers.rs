//! Numbers people whose messages could, or could not, be decrypted, so that the core tells them apart and learns no address.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use wacore::types::message::MessageSource;
use whatsapp_rust::{Client, Jid};

/// The most people that are remembered.
const MOST: usize = 256;
/// The most devices that are remembered of one.
const DEVICES: usize = 16;
/// How often it is told that something of one person was decrypted.
const OFTEN: Duration = Duration::from_secs(60);

/// The numbered people of this process, across its runs.
#[derive(Default)]
pub(super) struct Peers {
    salt: RandomState,
    /// The devices of each of which something could not be decrypted.
    failing: Mutex<HashMap<u64, Vec<Jid>>>,
    /// When it was told of an address that something was decrypted.
    read: Mutex<HashMap<Jid, Instant>>,
}

/// Names a person, whichever of their devices and addresses they write from: by the LID where it is known, else by the number.
pub(super) async fn person(client: &Client, source: &MessageSource) -> Jid {
    let addresses = [Some(&source.sender), source.sender_alt.as_ref()];
    if let Some(lid) = addresses.into_iter().flatten().find(|jid| jid.is_lid()) {
        return lid.to_non_ad();
    }
    match client.get_lid_pn_entry(&source.sender).await {
        Ok(Some(known)) => Jid::lid(&*known.lid),
        Ok(None) | Err(_) => source.sender.to_non_ad(),
    }
}

impl Peers {
    /// Gives the number that stands for this person in the core: a salted hash, so that no address reaches it.
    pub(super) fn number(&self, person: &Jid) -> u64 {
        self.salt.hash_one(person)
    }

    /// As [`Peers::number`], of one whose messages from this device cannot be decrypted.
    pub(super) fn fails(&self, person: &Jid, device: &Jid) -> u64 {
        let number = self.number(person);
        let mut failing = self.failing.lock();
        // More do not matter: the core asks for those of which much came lately.
        if failing.len() == MOST && !failing.contains_key(&number) {
            failing.clear();
        }
        let devices = failing.entry(number).or_default();
        devices.retain(|known| known != device);
        if devices.len() == DEVICES {
            devices.remove(0);
        }
        devices.push(device.clone());
        number
    }

    /// Takes the devices behind a number.
    pub(super) fn take(&self, number: u64) -> Vec<Jid> {
        self.failing.lock().remove(&number).unwrap_or_default()
    }

    /// Whether it is to be told that something from this address was decrypted.
    pub(super) fn is_news(&self, sender: &Jid) -> bool {
        let (sender, now) = (sender.to_non_ad(), Instant::now());
        let mut read = self.read.lock();
        if read.get(&sender).is_some_and(|at| now - *at < OFTEN) {
            return false;
        }
        if read.len() == MOST {
            read.clear();
        }
        read.insert(sender, now);
        true
    }
}
