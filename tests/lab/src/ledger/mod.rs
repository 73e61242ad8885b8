//! The ledger: everything the server saw, so that a test can say what happened and a crime does not go unseen.
//!
//! The server calls it; tests, proofs and the control API read it while it runs. Devices are named by their
//! phone-number address (`15550000001:3@s.whatsapp.net`) whatever address a stanza used, so that one chain is not
//! counted as two.

mod counters;
mod crime;
mod entry;
mod prekeys;
mod sight;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::{Mutex, MutexGuard};
use serde::Serialize;
use tokio::sync::watch;

pub use crime::Crime;
pub use entry::{Act, Entry, Stanza};
pub use prekeys::Published;
pub use sight::Sight;

use counters::Counters;
use prekeys::PreKeys;

/// A handle to the running record; clones share it.
#[derive(Clone)]
pub struct Ledger {
    shared: Arc<Shared>,
}

struct Shared {
    book: Mutex<Book>,
    /// The number of changes so far.
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct Book {
    entries: Vec<Entry>,
    counters: Counters,
    pre_keys: PreKeys,
    crimes: Vec<Crime>,
    observer: Option<Observer>,
}

type Observer = Box<dyn Fn(&Sight) + Send>;

impl Book {
    fn tell(&self, sight: &Sight) {
        if let Some(observer) = &self.observer {
            observer(sight);
        }
    }
}

/// One sending chain of a Signal session and the counters seen on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChainCounters {
    /// The sending device.
    pub sender: String,
    /// The device it encrypts for.
    pub recipient: String,
    /// The sender's ratchet public key, hex.
    pub ratchet: String,
    /// Every counter seen, ascending.
    pub counters: Vec<u32>,
}

/// One sender key of a group and the iterations seen on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SenderKeyIterations {
    /// The group.
    pub group: String,
    /// The sending device.
    pub sender: String,
    /// The key's id.
    pub key_id: u32,
    /// Every iteration seen, ascending.
    pub iterations: Vec<u32>,
}

/// The whole ledger at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct Dump {
    /// What happened, in order.
    pub entries: Vec<Entry>,
    /// Every Signal chain seen.
    pub chains: Vec<ChainCounters>,
    /// Every sender key seen.
    pub sender_keys: Vec<SenderKeyIterations>,
    /// The pre-keys of every device, by address.
    pub pre_keys: BTreeMap<String, Published>,
    /// Every breach of the protocol.
    pub crimes: Vec<Crime>,
}

impl Default for Ledger {
    fn default() -> Self {
        Ledger::new()
    }
}

impl Ledger {
    /// An empty ledger.
    pub fn new() -> Self {
        Ledger {
            shared: Arc::new(Shared {
                book: Mutex::default(),
                changes: watch::Sender::new(0),
            }),
        }
    }

    /// Has an observer told of everything from now on, before the server acts on it. It must not use the ledger itself.
    pub fn observe(&self, observer: impl Fn(&Sight) + Send + 'static) {
        self.book().observer = Some(Box::new(observer));
    }

    /// Records one entry about `device`.
    pub fn record(&self, device: &str, act: Act) {
        self.change(|book| {
            let entry = Entry {
                seq: book.entries.len() as u64,
                at_ms: now_ms(),
                device: device.to_owned(),
                act,
            };
            book.tell(&Sight::Entry(&entry));
            book.entries.push(entry);
        });
    }

    /// The server took a stanza from `device`.
    pub fn accepted(&self, device: &str, stanza: impl Into<Stanza>) {
        let stanza = stanza.into();
        self.record(device, Act::Accepted { stanza });
    }

    /// The server queued a stanza for `device`.
    pub fn routed(&self, device: &str, stanza: impl Into<Stanza>) {
        let stanza = stanza.into();
        self.record(device, Act::Routed { stanza });
    }

    /// The server wrote a stanza to `device`'s connection.
    pub fn delivered(&self, device: &str, stanza: impl Into<Stanza>) {
        let stanza = stanza.into();
        self.record(device, Act::Delivered { stanza });
    }

    /// `device` confirmed, or with `error` refused, a stanza delivered to it.
    pub fn acked(&self, device: &str, id: &str, error: Option<u16>) {
        let id = id.to_owned();
        self.record(device, Act::Acked { id, error });
    }

    /// The server confirmed, or with `error` refused, a stanza `device` sent.
    pub fn server_acked(&self, device: &str, id: &str, error: Option<u16>) {
        let id = id.to_owned();
        self.record(device, Act::ServerAcked { id, error });
    }

    /// Records the message key of one `<enc>` as its sender sent it, before a fault touches it.
    ///
    /// `recipient` is the device it is encrypted for, or the group of an `skmsg`; `kind` is the `type` of the `<enc>`.
    pub fn enc(&self, sender: &str, recipient: &str, kind: &str, ciphertext: &[u8]) {
        self.change(
            |book| match book.counters.record(sender, recipient, kind, ciphertext) {
                Ok(seen) => {
                    if let Some(key) = &seen.key {
                        book.tell(&key.sight());
                    }
                    book.crimes.extend(seen.crime);
                    if let Some(id) = seen.pre_key {
                        book.pre_keys.of(recipient).used.insert(id);
                    }
                }
                Err(_) => book.crimes.push(Crime::MalformedCiphertext {
                    sender: sender.to_owned(),
                    recipient: recipient.to_owned(),
                    kind: kind.to_owned(),
                }),
            },
        );
    }

    /// `device` was linked with this identity key (32 bytes, without the type byte).
    pub fn linked(&self, device: &str, identity: &[u8]) {
        self.change(|book| book.pre_keys.linked(device, identity));
    }

    /// `device` uploaded these one-time pre-keys, by id, under its identity key; keys are 32 bytes each.
    pub fn pre_keys_uploaded(
        &self,
        device: &str,
        identity: &[u8],
        keys: impl IntoIterator<Item = (u32, Vec<u8>)>,
    ) {
        self.change(|book| {
            let keys = keys.into_iter().inspect(|(id, _)| {
                book.observer
                    .iter()
                    .for_each(|tell| tell(&Sight::PreKey { id: *id }))
            });
            let crimes = book.pre_keys.uploaded(device, identity, keys);
            book.crimes.extend(crimes);
        });
    }

    /// `device` published this signed pre-key of 32 bytes.
    pub fn signed_pre_key_published(&self, device: &str, id: u32, key: &[u8]) {
        self.change(|book| {
            let crime = book.pre_keys.signed(device, id, key);
            book.crimes.extend(crime);
        });
    }

    /// The server handed out `device`'s pre-key `id` in a bundle, which consumes it.
    pub fn pre_key_handed_out(&self, device: &str, id: u32) {
        self.change(|book| {
            book.pre_keys.of(device).handed_out.insert(id);
        });
    }

    /// Records a crime the server itself saw, such as a wrong Noise key.
    pub fn crime(&self, crime: Crime) {
        self.change(|book| book.crimes.push(crime));
    }

    /// The entries from position `from` on.
    pub fn entries(&self, from: u64) -> Vec<Entry> {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let book = self.book();
        book.entries.get(from..).unwrap_or_default().to_vec()
    }

    /// Every crime so far.
    pub fn crimes(&self) -> Vec<Crime> {
        self.book().crimes.clone()
    }

    /// What every device published, by address.
    pub fn pre_keys(&self) -> BTreeMap<String, Published> {
        self.book().pre_keys.devices.clone()
    }

    /// Waits at most `within` until `holds` is true of the ledger, and says whether it became so.
    pub async fn wait_until(&self, within: Duration, holds: impl Fn(&Ledger) -> bool) -> bool {
        let mut changes = self.shared.changes.subscribe();
        let became = async {
            while !holds(self) {
                if changes.changed().await.is_err() {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(within, became).await.unwrap_or(false)
    }

    /// The whole ledger.
    pub fn dump(&self) -> Dump {
        let book = self.book();
        let chains = book
            .counters
            .chains
            .iter()
            .map(|(chain, used)| ChainCounters {
                sender: chain.sender.clone(),
                recipient: chain.recipient.clone(),
                ratchet: chain.ratchet.clone(),
                counters: used.keys().copied().collect(),
            })
            .collect();
        let sender_keys = book
            .counters
            .sender_keys
            .iter()
            .map(|(key, used)| SenderKeyIterations {
                group: key.group.clone(),
                sender: key.sender.clone(),
                key_id: key.key_id,
                iterations: used.keys().copied().collect(),
            })
            .collect();
        Dump {
            entries: book.entries.clone(),
            chains,
            sender_keys,
            pre_keys: book.pre_keys.devices.clone(),
            crimes: book.crimes.clone(),
        }
    }

    /// The first entry from position `from` on that `wanted` accepts, waiting for it at most `within`.
    pub async fn wait_for(
        &self,
        from: u64,
        within: Duration,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Option<Entry> {
        let mut changes = self.shared.changes.subscribe();
        let search = async {
            let mut from = from;
            loop {
                changes.borrow_and_update();
                let fresh = self.entries(from);
                from += fresh.len() as u64;
                if let Some(found) = fresh.into_iter().find(|entry| wanted(entry)) {
                    return Some(found);
                }
                changes.changed().await.ok()?;
            }
        };
        tokio::time::timeout(within, search).await.ok().flatten()
    }

    fn change(&self, change: impl FnOnce(&mut Book)) {
        change(&mut self.book());
        self.shared.changes.send_modify(|count| *count += 1);
    }

    /// A panic elsewhere while the book was held leaves at worst one line short: reading on beats losing it all.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.shared.book.lock()
    }
}

fn now_ms() -> u64 {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}
