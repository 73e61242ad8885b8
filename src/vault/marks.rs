//! High-water marks: how far each device got with the ids of its keys, kept beside all copies of it and outside of each.
//!
//! A copy knows how far it got itself. The copies that got further may be gone by the time it comes back, so the mark is
//! raised before an id is given out and is never lowered. A device is named by a digest of its public identity key.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdfast_medium::{DataDir, atomic, space::Reserve};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use wacore::libsignal::store::record_helpers::new_signed_pre_key_record;
use wacore::store::Device;
use waproto::codec::signed_pre_key_record_to_vec;

use super::document::Document;
use super::pre_key_id::PreKeyId;
use crate::history::Reached;

/// How far the ids of signed pre-keys leap at a restore. The library makes one a week (whatsapp-rust `rotate_key.rs`).
const SIGNED_LEAP: u32 = 1_000;

/// A device that is not known here leaps further by a random part of this: another place may do so with the same copy, and
/// the ring has room for sixteen such leaps.
const ABROAD: u64 = 1 << 20;

/// The marks of all devices of a data directory. Several may be open: each reads the file before it writes.
#[derive(Clone, Debug)]
pub(super) struct Marks {
    path: PathBuf,
    reserve: Reserve,
}

/// One raises them at a time, in the whole process: a lost mark is a key id that comes again.
static TURN: Mutex<()> = Mutex::new(());

type Contents = BTreeMap<String, Reached>;

impl Marks {
    pub fn of(dir: &DataDir) -> Self {
        Self {
            path: dir.marks(),
            reserve: Reserve::of(dir.root()),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How far a device got here; `None` when that is not known.
    pub fn get(&self, device: &Device) -> io::Result<Option<Reached>> {
        Ok(self.read()?.and_then(|all| all.get(&name(device)).copied()))
    }

    /// The one-time pre-keys' ids from which a device goes on whose private halves may be gone: beyond what this copy and any
    /// other gave out. `None` without a device.
    pub fn beyond(&self, document: &Document) -> io::Result<Option<Reached>> {
        let (Some(device), Some(own)) = (&document.device, reached(document)) else {
            return Ok(None);
        };
        let furthest = self.get(device)?.map_or(own, |mark| later(mark, own));
        Ok(Some(further(furthest, PreKeyId::LEAP, 0)))
    }

    /// The same, where nothing here says how far the device got.
    pub fn beyond_abroad(&self, document: &Document) -> io::Result<Option<Reached>> {
        let beyond = self.beyond(document)?;
        beyond.map(leap_abroad).transpose()
    }

    /// Raises the mark of a device to where it is going on; durable on return. Never lowers it. A file that cannot be
    /// understood is kept aside: then nothing is known of the others.
    pub fn raise(&self, device: &Device, to: Reached) -> io::Result<()> {
        let _turn = TURN.lock();
        let mut all = match self.read()? {
            Some(all) => all,
            None => {
                self.set_aside()?;
                Contents::new()
            }
        };
        let name = name(device);
        let before = all.get(&name).copied();
        let raised = before.map_or(to, |before| later(before, to));
        if before == Some(raised) {
            return Ok(());
        }
        all.insert(name, raised);
        let mut json = serde_json::to_vec_pretty(&all)?;
        json.push(b'\n');
        self.reserve.relieved(|| atomic::replace(&self.path, &json))
    }

    /// `None` when the file is not what was written.
    fn read(&self) -> io::Result<Option<Contents>> {
        match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Some(Contents::new())),
            bytes => Ok(serde_json::from_slice(&bytes?).ok()),
        }
    }

    fn set_aside(&self) -> io::Result<()> {
        tracing::error!("the marks of key ids cannot be read; restores leap further");
        fs::rename(&self.path, self.path.with_extension("unreadable"))
    }
}

/// How far this copy of a device got itself; `None` without a device.
pub(super) fn reached(document: &Document) -> Option<Reached> {
    let device = document.device.as_ref()?;
    // A candidate may have been stored before it was offered.
    let signed = document.signed_pre_keys.keys().copied().map(PreKeyId::of);
    let signed = signed.fold(PreKeyId::of(device.signed_pre_key_id), PreKeyId::later);
    Some(Reached {
        next_pre_key: PreKeyId::next_of(device).get(),
        next_signed_pre_key: signed.ahead(1).get(),
    })
}

/// Whichever is further, of each kind of id.
pub(super) fn later(one: Reached, other: Reached) -> Reached {
    let later = |one, other| PreKeyId::of(one).later(PreKeyId::of(other)).get();
    Reached {
        next_pre_key: later(one.next_pre_key, other.next_pre_key),
        next_signed_pre_key: later(one.next_signed_pre_key, other.next_signed_pre_key),
    }
}

/// The ids from which a copy goes on that is not the newest.
pub(super) fn leap(from: Reached) -> Reached {
    further(from, PreKeyId::LEAP, SIGNED_LEAP)
}

/// The same, for a copy of which others may run that are not known here.
pub(super) fn leap_abroad(from: Reached) -> io::Result<Reached> {
    let far = getrandom::u64()? % ABROAD;
    let by = u32::try_from(far).unwrap_or(0);
    Ok(further(leap(from), by, by))
}

fn further(from: Reached, by: u32, signed: u32) -> Reached {
    Reached {
        next_pre_key: PreKeyId::of(from.next_pre_key).ahead(by).get(),
        next_signed_pre_key: PreKeyId::of(from.next_signed_pre_key).ahead(signed).get(),
    }
}

impl Document {
    /// Has the device make its next one-time pre-keys under these ids, should it need some.
    pub(super) fn borrow(&mut self, from: Reached) {
        if let Some(device) = &mut self.device {
            device.next_pre_key_id = from.next_pre_key;
            device.first_unupload_pre_key_id = from.next_pre_key;
        }
    }

    /// Has the device make its next keys under these ids. The signed pre-key keeps its pair and gets a new id, so that the next
    /// one does not take an id that another copy used; under the old id it still opens what is under way.
    pub(super) fn go_on(&mut self, from: Reached) {
        self.borrow(from);
        let Some(own) = reached(self) else { return };
        let Some(device) = &mut self.device else {
            return;
        };
        // Those that are out there may be of no use: the library uploads fresh ones at the next login.
        device.server_has_prekeys = false;
        if from.next_signed_pre_key != own.next_signed_pre_key {
            let record = new_signed_pre_key_record(
                device.signed_pre_key_id,
                &device.signed_pre_key,
                device.signed_pre_key_signature,
                wacore::time::now_utc(),
            );
            let (old, record) = (
                device.signed_pre_key_id,
                signed_pre_key_record_to_vec(&record),
            );
            device.signed_pre_key_id = from.next_signed_pre_key;
            self.signed_pre_keys.insert(old, record);
        }
    }
}

fn name(device: &Device) -> String {
    let identity = device.identity_key.public_key.public_key_bytes();
    let digest = Sha256::new()
        .chain_update(b"holdfast device")
        .chain_update(identity)
        .finalize();
    hex::encode(&digest[..16])
}

/// What raises the mark of one generation as its identity is saved.
#[derive(Clone)]
pub(super) struct Gauge {
    marks: Marks,
    /// The last mark that this one raised.
    last: Arc<Mutex<Option<Reached>>>,
}

impl Gauge {
    pub fn of(dir: &DataDir) -> Self {
        Self {
            marks: Marks::of(dir),
            last: Arc::default(),
        }
    }

    /// Call it before the document is written. A device that was never linked gave out nothing.
    pub fn raise(&self, document: &Document) -> io::Result<()> {
        let linked = document
            .device
            .as_ref()
            .filter(|device| device.pn.is_some());
        let (Some(device), Some(to)) = (linked, reached(document)) else {
            return Ok(());
        };
        let mut last = self.last.lock();
        if *last != Some(to) {
            self.marks.raise(device, to)?;
            *last = Some(to);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(next_pre_key: u32, next_signed_pre_key: u32) -> Reached {
        Reached {
            next_pre_key,
            next_signed_pre_key,
        }
    }

    #[test]
    fn a_mark_is_raised_and_never_lowered_and_each_device_has_its_own() {
        let root = tempfile::tempdir().unwrap();
        let marks = Marks::of(&DataDir::new(root.path()));
        let (one, other) = (Device::new(), Device::new());
        assert_eq!(marks.get(&one).unwrap(), None);
        marks.raise(&one, at(31, 2)).unwrap();
        marks.raise(&one, at(812, 1)).unwrap();
        marks.raise(&one, at(5, 3)).unwrap();
        marks.raise(&other, at(7, 2)).unwrap();
        assert_eq!(marks.get(&one).unwrap(), Some(at(812, 3)));
        assert_eq!(marks.get(&other).unwrap(), Some(at(7, 2)));
        marks.raise(&one, at(0xFF_FFFF, 3)).unwrap();
        assert_eq!(
            marks.get(&one).unwrap(),
            Some(at(812, 3)),
            "the ring's past"
        );
    }

    #[test]
    fn marks_that_cannot_be_read_are_kept_aside_and_begun_anew() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::new(root.path());
        let (marks, device) = (Marks::of(&dir), Device::new());
        fs::write(dir.marks(), b"{\"half").unwrap();
        assert_eq!(marks.get(&device).unwrap(), None);
        marks.raise(&device, at(31, 2)).unwrap();
        assert_eq!(marks.get(&device).unwrap(), Some(at(31, 2)));
        let aside = fs::read(root.path().join("marks.unreadable")).unwrap();
        assert_eq!(aside, b"{\"half");
    }

    #[test]
    fn the_signed_pre_key_moves_on_and_still_opens_what_is_under_way() {
        let mut document = Document {
            device: Some(Device::new()),
            ..Document::default()
        };
        assert_eq!(reached(&document), Some(at(1, 2)));
        document.signed_pre_keys.insert(2, b"staged".to_vec());
        let own = reached(&document).unwrap();
        assert_eq!(own, at(1, 3));
        document.go_on(leap(own));
        let device = document.device.as_ref().unwrap();
        assert_eq!(device.next_pre_key_id, 10_001);
        assert_eq!(device.signed_pre_key_id, 1_003);
        assert!(document.signed_pre_keys.contains_key(&1));
        assert_eq!(reached(&document), Some(at(10_001, 1_004)));
    }
}
