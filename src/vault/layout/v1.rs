//! From format 1, sled alone in `store`, to format 2, `store.v2` with a witness and a digest.
//!
//! Both formats are written down here as they were when this was written, apart from the code that uses the newest: a
//! migration must go on meaning the same.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::vault::engine::open_sled;

/// In both formats: the store's own record, whose seal carries the step of the last batch.
const META: &[u8] = &[0];

/// Writes the store of format 2 into the directory `to`, from the one of format 1 in `from`; durable on return.
pub(super) fn migrate(from: &Path, to: &Path) -> io::Result<()> {
    let old = open(from)?;
    let mut batch = sled::Batch::default();
    let (mut sum, mut count, mut last) = (0_u128, 0_u64, 0_u64);
    for pair in old.iter() {
        let (key, sealed) = pair.map_err(io::Error::other)?;
        last = last.max(step(&sealed).unwrap_or(0));
        if key.as_ref() != META {
            sum = sum.wrapping_add(hash(&key, &sealed));
            count += 1;
            batch.insert(key, sealed);
        }
    }
    let mut digest = sum.to_le_bytes().to_vec();
    digest.extend(count.to_le_bytes());
    batch.insert(META, seal(META, last, &digest));

    let sled = to.join("sled");
    let new = open(&sled)?;
    new.apply_batch(batch)
        .and_then(|()| new.flush())
        .map_err(io::Error::other)?;
    drop(new);
    for name in ["conf", "db"] {
        File::open(sled.join(name))?.sync_all()?;
    }
    for entry in fs::read_dir(sled.join("blobs"))? {
        File::open(entry?.path())?.sync_all()?;
    }
    File::open(sled.join("blobs"))?.sync_all()?;
    File::open(&sled)?.sync_all()?;
    witness(&to.join("witness"), last)?;
    File::open(to)?.sync_all()
}

fn open(dir: &Path) -> io::Result<sled::Db> {
    open_sled(&sled::Config::new().path(dir).flush_every_ms(None))
}

/// Both formats: `"HF" | 1 u8 | key length u32 | step u64 | value length u32 | key | value | crc32c u32`.
fn seal(key: &[u8], step: u64, value: &[u8]) -> Vec<u8> {
    let mut sealed = b"HF\x01".to_vec();
    sealed.extend((key.len() as u32).to_le_bytes());
    sealed.extend(step.to_le_bytes());
    sealed.extend((value.len() as u32).to_le_bytes());
    sealed.extend(key);
    sealed.extend(value);
    let crc = crc32c::crc32c(&sealed);
    sealed.extend(crc.to_le_bytes());
    sealed
}

fn step(sealed: &[u8]) -> Option<u64> {
    let bytes = sealed.get(7..15)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// Format 2: the digest of the store is the sum of these, then the count of the records.
fn hash(key: &[u8], sealed: &[u8]) -> u128 {
    let digest = Sha256::new()
        .chain_update((key.len() as u64).to_le_bytes())
        .chain_update(key)
        .chain_update(sealed)
        .finalize();
    digest[..16]
        .iter()
        .rev()
        .fold(0, |sum, byte| sum << 8 | u128::from(*byte))
}

/// Format 2: eight slots of 16 KiB; step N in slot N mod 8, `"HfW1" | crc32c u32 | step u64 | count u32 | names`.
fn witness(path: &Path, step: u64) -> io::Result<()> {
    const SLOT: usize = 16 << 10;
    let mut covered = step.to_le_bytes().to_vec();
    covered.extend(0_u32.to_le_bytes());
    let mut frame = b"HfW1".to_vec();
    frame.extend(crc32c::crc32c(&covered).to_le_bytes());
    frame.extend(covered);
    let mut ring = vec![0; 8 * SLOT];
    let at = (step % 8) as usize * SLOT;
    ring[at..at + frame.len()].copy_from_slice(&frame);
    let mut options = OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.write(true).create_new(true).open(path)?;
    file.write_all(&ring)?;
    file.sync_all()
}
