//! Inspects a store before anything rests on it: does it open, does it match its digest, is it as new as its witness says?

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use holdfast_core::{StoreFound, Unusable};
use wacore::libsignal::protocol::{SenderKeyRecord, SessionRecord};
use waproto::codec::pre_key_record_decode;

use super::digest::StateDigest;
use super::engine::Engine;
use super::envelope;
use super::key::kind;
use super::layout::{Layout, SLED, WITNESS};
use super::store::{META, Store, parse_meta};
use super::tiers::{RecordKind, Tier};
use super::witness::{self, Testimony, Witness};

/// Far beyond what a slow card takes for any store that is sound; sled has been seen to loop on damage.
const LIMIT: Duration = Duration::from_secs(120);

/// The result of inspecting a store.
pub(super) enum Looked {
    /// There is none.
    Missing,
    /// It opens, and holds what it says it holds.
    Whole(Whole),
    /// It does not; how far its witness says it had come.
    Damaged { testified: u64 },
}

/// A store that is what it says it is.
pub(super) struct Whole {
    pub store: Store,
    /// Against the witness.
    pub found: StoreFound,
    /// Records that cannot be decoded.
    pub unusable: Vec<Arc<[u8]>>,
    /// Ratchets that the witness names for the one step that is missing.
    pub named: Vec<Arc<[u8]>>,
}

impl Whole {
    /// The records that cannot be decoded, by what they cost.
    pub fn unusable(&self) -> Unusable {
        let of = |pre_key: bool| {
            let count = self
                .unusable
                .iter()
                .filter(|key| (kind(key) == Some(RecordKind::PreKey)) == pre_key)
                .count();
            u32::try_from(count).unwrap_or(u32::MAX)
        };
        Unusable {
            pre_keys: of(true),
            others: of(false),
        }
    }
}

/// Looks through the store of a generation. Reads all of it; changes nothing that matters.
///
/// # Errors
/// An error that is no damage and can be helped: no space, no permission, somebody else has it open.
pub(super) fn look(layout: &Layout) -> io::Result<Looked> {
    let dir = layout.store();
    if !dir.exists() {
        return Ok(Looked::Missing);
    }
    let testimony = witness::newest(&dir.join(WITNESS)).unwrap_or_default();
    let testified = testimony.as_ref().map_or(0, |told| told.begun);
    let (answer, answered) = mpsc::channel();
    // In a thread of its own: sled may panic in one of its own making, or never come back.
    thread::Builder::new()
        .name("inspect".into())
        .spawn(move || {
            // Who has given up waiting does not mind.
            let _ = answer.send(open(&dir, testimony));
        })?;
    match answered.recv_timeout(LIMIT) {
        Ok(Ok(Some(whole))) => Ok(Looked::Whole(whole)),
        Ok(Err(error)) if can_be_helped(&error) => Err(error),
        Ok(Ok(None) | Err(_)) | Err(_) => Ok(Looked::Damaged { testified }),
    }
}

/// `None` when it is not what it says it is.
fn open(dir: &Path, testimony: Option<Testimony>) -> io::Result<Option<Whole>> {
    let engine = Engine::open(&dir.join(SLED))?;
    let Some((step, digest)) = engine.get(META)?.and_then(|sealed| parse_meta(&sealed)) else {
        return Ok(None);
    };
    let Some(seen) = walk(&engine, testimony.as_ref())? else {
        return Ok(None);
    };
    if seen.digest != digest || backwards(&engine)? != digest {
        return Ok(None);
    }
    let witness = match Witness::open(&dir.join(WITNESS)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Witness::create(&dir.join(WITNESS), step)?;
            Witness::open(&dir.join(WITNESS))?
        }
        witness => witness?,
    };
    let (promised, begun) = testimony
        .as_ref()
        .map_or((step, step), |told| (told.step.max(step), told.begun));
    let found = match testimony.map(|told| told.missing(step)) {
        None => StoreFound::Unwitnessed,
        Some(0) => StoreFound::Sound,
        Some(1) => StoreFound::OneBehind,
        Some(_) => StoreFound::Behind,
    };
    // The step that is missing is never used again for another.
    let step = step.max(begun);
    Ok(Some(Whole {
        store: Store::new(engine, witness, (step, promised), digest),
        found,
        unusable: seen.unusable,
        named: match found {
            StoreFound::OneBehind => seen.named,
            _ => Vec::new(),
        },
    }))
}

struct Seen {
    digest: StateDigest,
    unusable: Vec<Arc<[u8]>>,
    named: Vec<Arc<[u8]>>,
}

/// Every record in order, each asked for once more by its key: sled has been seen to skip a leaf in one way and to
/// find it in the other. `None` when a seal is broken.
fn walk(engine: &Engine, testimony: Option<&Testimony>) -> io::Result<Option<Seen>> {
    let mut seen = Seen {
        digest: StateDigest::default(),
        unusable: Vec::new(),
        named: Vec::new(),
    };
    let mut whole = true;
    engine.forward(|key, sealed| {
        if key.as_ref() == META {
            return Ok(());
        }
        let opened = envelope::open(&key, &sealed);
        whole &= opened.is_some() && engine.get(&key)?.as_ref() == Some(&sealed);
        seen.digest.add(&key, &sealed);
        let kind = kind(&key);
        if let (Some(kind), Some((_, value))) = (kind, opened)
            && !is_usable(kind, value)
        {
            seen.unusable.push(key.as_ref().into());
        } else if kind.is_some_and(|kind| kind.tier() == Tier::Ratchet)
            && testimony.is_some_and(|told| told.names(&key))
        {
            seen.named.push(key.as_ref().into());
        }
        Ok(())
    })?;
    Ok(whole.then_some(seen))
}

fn backwards(engine: &Engine) -> io::Result<StateDigest> {
    let mut digest = StateDigest::default();
    let mut keys = BTreeSet::new();
    engine.backward(|key, sealed| {
        if key.as_ref() != META && keys.insert(key.clone()) {
            digest.add(&key, &sealed);
        }
        Ok(())
    })?;
    Ok(digest)
}

/// Whether the library can use the value: it strands a whole group over one sender key that it cannot decode.
pub(super) fn is_usable(kind: RecordKind, value: &[u8]) -> bool {
    match kind {
        RecordKind::Session => SessionRecord::deserialize(value).is_ok(),
        RecordKind::SenderKey => SenderKeyRecord::deserialize(value).is_ok(),
        // The library also takes the bare private key that earlier versions of it kept.
        RecordKind::PreKey => value.len() == 32 || pre_key_record_decode(value).is_ok(),
        RecordKind::PeerIdentity => value.len() == 32,
        _ => true,
    }
}

/// Not the store is at fault, and it must not be set aside for it.
fn can_be_helped(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::OutOfMemory
            | io::ErrorKind::ResourceBusy
    )
}
