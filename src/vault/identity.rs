//! The identity tier: the records that must never be lost, outside the store, in two slots that hold the same.
//!
//! A slot is `"HFID" | version u16 | save counter u64 | length u32 | sha256 | JSON`, little-endian; the digest covers
//! all the rest. Each save writes one slot whole and durable before it touches the other, so a crash leaves one
//! of them as it was; and as both hold the same in between, a slot gone bad costs nothing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdfast_core::IdentityFound;
use holdfast_medium::{
    atomic, blocking,
    space::Reserve,
    wear::{self, Purpose},
};
use parking_lot::RwLock;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use wacore::client_profile::ClientProfile;
use wacore::store::device::DEVICE_PROPS;

use super::VaultError;
use super::document::Document;
use super::marks::Gauge;

const SLOTS: [&str; 2] = ["identity.a", "identity.b"];
const MAGIC: [u8; 4] = *b"HFID";
const VERSION: u16 = 1;
const HEAD: usize = 4 + 2 + 8 + 4;
const DIGEST: usize = 32;

/// The identity tier of one generation.
pub(super) struct Identity {
    dir: PathBuf,
    /// The document: on the medium, but for what a login counts.
    saved: Arc<RwLock<Arc<Document>>>,
    /// One save at a time; `None` once closed.
    writer: Arc<Mutex<Option<Writer>>>,
    /// Raised before each save, where ids are given out; `None` for one that is only read or made.
    gauge: Option<Gauge>,
}

/// The outcome of a change.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Update {
    /// It is on the medium.
    Durable,
    /// Only what a login counts was changed. It is on the medium with the next change, or when [`Identity::settle`] is called.
    Deferred,
    /// The generation is closed: nothing was changed.
    Closed,
}

struct Writer {
    /// What is on the medium.
    json: Vec<u8>,
    counter: u64,
    /// The document is further than that.
    deferred: bool,
    /// The slot that was newest when loaded: written last, the other one first.
    newest: usize,
}

/// Whether a generation's directory holds an identity, readable or not.
pub(super) fn is_present(dir: &Path) -> bool {
    SLOTS.iter().any(|slot| dir.join(slot).exists())
}

impl Identity {
    /// Loads the newest readable slot. Slots that are there and unreadable, both, are an error: to begin anew over
    /// them would cost the link.
    pub fn open(dir: &Path) -> Result<(Identity, IdentityFound), VaultError> {
        let mut newest: Option<Slot> = None;
        let mut present = false;
        let mut counters = Vec::new();
        for (index, name) in SLOTS.iter().enumerate() {
            let contents = match fs::read(dir.join(name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                contents => contents,
            };
            present = true;
            let slot = contents
                .ok()
                .and_then(|contents| Slot::parse(index, &contents));
            counters.extend(slot.as_ref().map(|slot| slot.counter));
            if let Some(slot) = slot
                && newest
                    .as_ref()
                    .is_none_or(|newest| slot.counter > newest.counter)
            {
                newest = Some(slot);
            }
        }
        let (document, writer) = match newest {
            Some(Slot {
                index,
                counter,
                document,
                json,
            }) => (
                document,
                Writer {
                    json,
                    counter,
                    deferred: false,
                    newest: index,
                },
            ),
            None if present => return Err(VaultError::IdentityUnreadable { dir: dir.into() }),
            None => (
                Document::default(),
                Writer {
                    json: Vec::new(),
                    counter: 0,
                    deferred: false,
                    newest: 1,
                },
            ),
        };
        let found = match counters.as_slice() {
            [] => IdentityFound::Sound,
            [one, other] if one == other => IdentityFound::Sound,
            _ => IdentityFound::OneSlot,
        };
        let identity = Identity {
            dir: dir.into(),
            saved: Arc::new(RwLock::new(Arc::new(document))),
            writer: Arc::new(Mutex::new(Some(writer))),
            gauge: None,
        };
        Ok((identity, found))
    }

    /// The same, of a generation that may be live: how far it gets is marked outside of it.
    pub fn marking(self, gauge: Gauge) -> Self {
        Self {
            gauge: Some(gauge),
            ..self
        }
    }

    /// The document, as it was changed last.
    pub fn get(&self) -> Arc<Document> {
        Arc::clone(&self.saved.read())
    }

    /// Changes it; durable on return, but for what a login counts. What changes nothing writes nothing.
    pub async fn update(&self, change: impl FnOnce(&mut Document)) -> io::Result<Update> {
        self.save(change, Write::Change).await
    }

    /// Writes what was deferred; durable on return.
    pub async fn settle(&self) -> io::Result<Update> {
        self.save(|_| {}, Write::Rest).await
    }

    /// Writes both slots anew, the damaged one first.
    pub async fn restore_slots(&self) -> io::Result<Update> {
        self.save(|_| {}, Write::Anew).await
    }

    async fn save(&self, change: impl FnOnce(&mut Document), write: Write) -> io::Result<Update> {
        let mut guard = Arc::clone(&self.writer).lock_owned().await;
        let Some(writer) = guard.as_mut() else {
            return Ok(Update::Closed);
        };
        if write == Write::Rest && !writer.deferred {
            return Ok(Update::Durable);
        }
        let before = self.get();
        let mut document = Document::clone(&before);
        change(&mut document);
        let json = serde_json::to_vec(&document)?;
        if json == writer.json && write != Write::Anew {
            writer.deferred = false;
            *self.saved.write() = Arc::new(document);
            return Ok(Update::Durable);
        }
        if write == Write::Change && document.is_but_counted_from(&before)? {
            writer.deferred = true;
            *self.saved.write() = Arc::new(document);
            return Ok(Update::Deferred);
        }
        let counter = writer.counter + 1;
        let slot = seal(counter, &json);
        let paths = [1 - writer.newest, writer.newest].map(|index| self.dir.join(SLOTS[index]));
        let reserve = Reserve::of(self.dir.parent().unwrap_or(&self.dir));
        let (saved, gauge) = (Arc::clone(&self.saved), self.gauge.clone());
        // The caller may have gone: a save that was begun is finished, and only then does the next one write.
        let written = blocking(move || {
            gauge.iter().try_for_each(|gauge| gauge.raise(&document))?;
            let replace = |path: &PathBuf| reserve.relieved(|| atomic::replace(path, &slot));
            wear::for_purpose(Purpose::Identity, || paths.iter().try_for_each(replace))?;
            if let Some(writer) = guard.as_mut() {
                (writer.json, writer.counter) = (json, counter);
                writer.deferred = false;
            }
            *saved.write() = Arc::new(document);
            Ok(Update::Durable)
        });
        written.await
    }

    /// Lets the change under way finish and writes what was deferred; nothing is written afterwards.
    pub async fn close(&self) {
        if let Err(error) = self.settle().await {
            tracing::warn!("a login that was counted is forgotten: {error}");
        }
        *self.writer.lock().await = None;
    }
}

/// Which changes of the document are written at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Write {
    /// A new one, unless it is only counted.
    Change,
    /// Whatever is not on the medium yet.
    Rest,
    /// All of it, even what is on the medium.
    Anew,
}

struct Slot {
    index: usize,
    counter: u64,
    document: Document,
    json: Vec<u8>,
}

impl Slot {
    fn parse(index: usize, contents: &[u8]) -> Option<Slot> {
        let (counter, json) = open(contents)?;
        let mut document: Document = serde_json::from_slice(json).ok()?;
        if let Some(device) = &mut document.device {
            // The library sets these two at each start and does not serialise them.
            device.device_props = Arc::new(DEVICE_PROPS.clone());
            device.client_profile = ClientProfile::web();
        }
        Some(Slot {
            index,
            counter,
            document,
            json: json.to_vec(),
        })
    }
}

fn seal(counter: u64, json: &[u8]) -> Vec<u8> {
    let length = u32::try_from(json.len()).expect("an identity is a few kilobytes");
    let mut head = Vec::with_capacity(HEAD);
    head.extend_from_slice(&MAGIC);
    head.extend_from_slice(&VERSION.to_le_bytes());
    head.extend_from_slice(&counter.to_le_bytes());
    head.extend_from_slice(&length.to_le_bytes());
    let digest = Sha256::new()
        .chain_update(&head)
        .chain_update(json)
        .finalize();
    [head.as_slice(), digest.as_slice(), json].concat()
}

fn open(contents: &[u8]) -> Option<(u64, &[u8])> {
    let (head, rest) = contents.split_first_chunk::<HEAD>()?;
    let (digest, json) = rest.split_first_chunk::<DIGEST>()?;
    let (magic, fields) = head.split_first_chunk::<4>()?;
    let (version, fields) = fields.split_first_chunk::<2>()?;
    let (counter, length) = fields.split_first_chunk::<8>()?;
    let whole = *magic == MAGIC
        && u16::from_le_bytes(*version) == VERSION
        && length == u32::try_from(json.len()).ok()?.to_le_bytes()
        && Sha256::new()
            .chain_update(head)
            .chain_update(json)
            .finalize()
            .as_slice()
            == digest;
    whole.then(|| (u64::from_le_bytes(*counter), json))
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use proptest::prelude::*;

    use wacore::store::Device;

    use super::*;

    fn open_in(dir: &Path) -> Identity {
        Identity::open(dir).unwrap().0
    }

    async fn save(identity: &Identity, name: &str) {
        let mut device = Device::new();
        device.push_name = name.into();
        identity
            .update(|document| document.device = Some(device))
            .await
            .unwrap();
    }

    fn name(identity: &Identity) -> Option<String> {
        identity
            .get()
            .device
            .as_ref()
            .map(|device| device.push_name.clone())
    }

    #[tokio::test]
    async fn nothing_is_nothing_and_what_was_saved_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let identity = open_in(dir.path());
        assert!(!is_present(dir.path()));
        assert_eq!(name(&identity), None);
        save(&identity, "first").await;
        save(&identity, "second").await;
        assert!(is_present(dir.path()));
        assert_eq!(name(&identity).as_deref(), Some("second"));
        assert_eq!(name(&open_in(dir.path())).as_deref(), Some("second"));
    }

    #[tokio::test]
    async fn a_save_that_nobody_awaits_any_more_is_finished_before_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let identity = open_in(dir.path());
        let mut dropped = 0;
        for round in 0..50 {
            // On a busy machine the writing thread may be done before it is looked at.
            let begun = save(&identity, "dropped").now_or_never();
            dropped += usize::from(begun.is_none());
            save(&identity, &format!("kept {round}")).await;
            for slot in SLOTS {
                let contents = fs::read(dir.path().join(slot)).unwrap();
                let counter = Slot::parse(0, &contents).unwrap().counter;
                assert_eq!(counter, 2 * round + 2);
            }
        }
        assert!(dropped > 0, "each was done at once");
        assert_eq!(name(&open_in(dir.path())).as_deref(), Some("kept 49"));
    }

    #[tokio::test]
    async fn a_slot_with_any_byte_changed_costs_nothing_and_the_next_save_writes_it_again() {
        let dir = tempfile::tempdir().unwrap();
        save(&open_in(dir.path()), "older").await;
        save(&open_in(dir.path()), "newest").await;
        for slot in SLOTS {
            let path = dir.path().join(slot);
            let good = fs::read(&path).unwrap();
            for at in 0..good.len() {
                let mut bad = good.clone();
                bad[at] ^= 1 << (at % 8);
                assert!(open(&bad).is_none(), "byte {at} is not covered");
            }
            for bad in [&good[..good.len() / 2], b"", &[0; 4096]] {
                fs::write(&path, bad).unwrap();
                let identity = open_in(dir.path());
                assert_eq!(name(&identity).as_deref(), Some("newest"));
                save(&identity, "newest").await;
                assert!(
                    open(&fs::read(&path).unwrap()).is_some(),
                    "{slot} was not written again"
                );
            }
        }
    }

    #[tokio::test]
    async fn what_a_login_counts_is_written_with_the_next_change_or_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let counted = |dir: &Path| {
            let document = open_in(dir).get();
            document.device.as_ref().map(|device| device.login_counter)
        };
        async fn count(identity: &Identity) -> Update {
            let counts = |document: &mut Document| {
                let device = document.device.as_mut().unwrap();
                device.login_counter += 1;
                device.app_version_last_fetched_ms += 1000;
            };
            identity.update(counts).await.unwrap()
        }
        let identity = open_in(dir.path());
        save(&identity, "it").await;
        assert_eq!(count(&identity).await, Update::Deferred);
        assert_eq!(count(&identity).await, Update::Deferred);
        assert_eq!(
            counted(dir.path()),
            Some(0),
            "the medium has not heard of it"
        );
        let rename = |document: &mut Document| {
            document.device.as_mut().unwrap().push_name = "another".into();
        };
        let renamed = identity.update(rename).await.unwrap();
        assert_eq!(renamed, Update::Durable);
        assert_eq!(counted(dir.path()), Some(2));
        count(&identity).await;
        assert_eq!(identity.settle().await.unwrap(), Update::Durable);
        assert_eq!(counted(dir.path()), Some(3));
        count(&identity).await;
        let takes_back = |document: &mut Document| {
            let device = document.device.as_mut().unwrap();
            device.login_counter -= 1;
            device.app_version_last_fetched_ms -= 1000;
        };
        let taken_back = identity.update(takes_back).await.unwrap();
        assert_eq!(taken_back, Update::Durable, "as the medium has it");
        count(&identity).await;
        identity.close().await;
        assert_eq!(counted(dir.path()), Some(4));
    }

    #[tokio::test]
    async fn slots_that_are_there_and_unreadable_are_never_taken_for_none() {
        let dir = tempfile::tempdir().unwrap();
        save(&open_in(dir.path()), "it").await;
        fs::write(dir.path().join(SLOTS[0]), b"").unwrap();
        fs::write(dir.path().join(SLOTS[1]), b"damaged").unwrap();
        assert!(matches!(
            Identity::open(dir.path()),
            Err(VaultError::IdentityUnreadable { .. })
        ));
        fs::remove_file(dir.path().join(SLOTS[0])).unwrap();
        assert!(matches!(
            Identity::open(dir.path()),
            Err(VaultError::IdentityUnreadable { .. })
        ));
    }

    #[tokio::test]
    async fn a_crash_between_the_slots_leaves_the_newer() {
        let dir = tempfile::tempdir().unwrap();
        let identity = open_in(dir.path());
        save(&identity, "older").await;
        let older = fs::read(dir.path().join(SLOTS[1])).unwrap();
        save(&identity, "newer").await;
        fs::write(dir.path().join(SLOTS[1]), &older).unwrap();
        assert_eq!(name(&open_in(dir.path())).as_deref(), Some("newer"));
        // And the next save goes to the older slot first.
        let identity = open_in(dir.path());
        assert_eq!(
            identity
                .writer
                .lock()
                .await
                .as_ref()
                .map(|writer| writer.newest),
            Some(0)
        );
    }

    #[tokio::test]
    async fn a_closed_identity_is_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let identity = open_in(dir.path());
        identity.close().await;
        assert_eq!(
            identity
                .update(|document| document.device = Some(Device::new()))
                .await
                .unwrap(),
            Update::Closed
        );
        assert!(!is_present(dir.path()));
    }

    #[tokio::test]
    async fn an_unchanged_identity_is_not_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let identity = open_in(dir.path());
        save(&identity, "it").await;
        let before = fs::read(dir.path().join(SLOTS[0])).unwrap();
        identity.update(|_| {}).await.unwrap();
        assert_eq!(fs::read(dir.path().join(SLOTS[0])).unwrap(), before);
    }

    proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>) {
            prop_assert!(Slot::parse(0, &bytes).is_none());
        }

        #[test]
        fn a_sealed_slot_of_anything_is_judged_without_panic(counter: u64, json: Vec<u8>) {
            let sealed = seal(counter, &json);
            prop_assert_eq!(open(&sealed), Some((counter, json.as_slice())));
            let _ = Slot::parse(0, &sealed);
        }
    }
}
