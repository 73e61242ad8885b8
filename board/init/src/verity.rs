//! dm-verity over a slot: every block is checked against the root hash when it is read. A block that differs is a panic
//! and a new start, for what is read from a failing card must not be run.

use std::{fs::File, io, os::unix::fs::FileExt};

use sha2::{Digest, Sha256};

use crate::{Doing, Error, gpt::Partition, ioctl::Mapping};

/// Bytes to a block, of data and of tree.
const BLOCK: u32 = 4096;

/// What veritysetup writes in front of a tree (cryptsetup's `docs/on-disk-format-verity`, version 1).
#[derive(Debug, PartialEq, Eq)]
struct Superblock {
    data_blocks: u64,
    salt: Vec<u8>,
}

impl Superblock {
    fn parse(bytes: &[u8; 512]) -> Result<Self, &'static str> {
        let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|index| bytes[at + index]));
        let data_blocks = u64::from_le_bytes(std::array::from_fn(|index| bytes[72 + index]));
        let salt_size = usize::from(u16::from_le_bytes([bytes[80], bytes[81]]));
        if &bytes[..8] != b"verity\0\0" || (word(8), word(12)) != (1, 1) {
            return Err("its first block is not that of a version 1 tree");
        }
        if &bytes[32..64] != b"sha256\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" {
            return Err("its hash is not SHA-256");
        }
        if (word(64), word(68)) != (BLOCK, BLOCK) || data_blocks == 0 || data_blocks > 1 << 40 {
            return Err("its sizes make no sense");
        }
        let salt = bytes[88..344]
            .get(..salt_size)
            .ok_or("its salt is too long")?
            .to_vec();
        Ok(Self { data_blocks, salt })
    }

    /// The table's parameters (kernel: `admin-guide/device-mapper/verity.rst`). The tree starts in its partition's second block.
    fn table(&self, data: &str, tree: &str, root_hash: &[u8]) -> String {
        let Self { data_blocks, salt } = self;
        let salt = if salt.is_empty() {
            "-".to_owned()
        } else {
            hex::encode(salt)
        };
        let root_hash = hex::encode(root_hash);
        format!(
            "1 {data} {tree} {BLOCK} {BLOCK} {data_blocks} 1 sha256 {root_hash} {salt} 1 panic_on_corruption"
        )
    }
}

/// Whether a partition begins with a tree whose root has this hash: then it is the tree that the hash was made with, and the hash proves
/// every block of its file system. What cannot be read is none.
pub fn has_root(tree: &Partition, root_hash: &[u8; 32]) -> bool {
    File::open(&tree.device).is_ok_and(|device| is_root_of(&device, root_hash))
}

/// The hash of a tree's root is that of the salt and the first block behind the superblock, the tree's topmost.
fn is_root_of(tree: &File, root_hash: &[u8; 32]) -> bool {
    let mut bytes = [0; 512];
    let mut top = [0; BLOCK as usize];
    let read = tree
        .read_exact_at(&mut bytes, 0)
        .and_then(|()| tree.read_exact_at(&mut top, u64::from(BLOCK)));
    let superblock = read.ok().and_then(|()| Superblock::parse(&bytes).ok());
    superblock.is_some_and(|superblock| {
        let hash = Sha256::new()
            .chain_update(&superblock.salt)
            .chain_update(top);
        hash.finalize()[..] == root_hash[..]
    })
}

/// Sets the device up; its path.
pub fn activate(data: &Partition, tree: &Partition, root_hash: &[u8; 32]) -> Result<String, Error> {
    let mut bytes = [0; 512];
    File::open(&tree.device)
        .and_then(|device| device.read_exact_at(&mut bytes, 0))
        .doing(format!("read {}", tree.device))?;
    let superblock = Superblock::parse(&bytes).map_err(|why| Error::BadTree {
        device: tree.device.clone(),
        why,
    })?;
    let sectors = superblock.data_blocks * u64::from(BLOCK / 512);
    let map = || -> io::Result<String> {
        let mut mapping = Mapping::create("root")?;
        mapping.load(
            "verity",
            sectors,
            &superblock.table(&data.device, &tree.device, root_hash),
        )?;
        mapping.resume()
    };
    map().doing(format!("put dm-verity over {}", data.device))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> [u8; 512] {
        let mut bytes = [0; 512];
        bytes[..8].copy_from_slice(b"verity\0\0");
        (bytes[8], bytes[12]) = (1, 1);
        bytes[32..38].copy_from_slice(b"sha256");
        bytes[64..68].copy_from_slice(&4096u32.to_le_bytes());
        bytes[68..72].copy_from_slice(&4096u32.to_le_bytes());
        bytes[72..80].copy_from_slice(&10u64.to_le_bytes());
        bytes[80] = 2;
        bytes[88..90].copy_from_slice(&[0xab, 0xcd]);
        bytes
    }

    #[test]
    fn a_superblock_becomes_a_table() {
        let table = Superblock::parse(&written())
            .unwrap()
            .table("/dev/a", "/dev/b", &[0; 2]);
        assert_eq!(
            table,
            "1 /dev/a /dev/b 4096 4096 10 1 sha256 0000 abcd 1 panic_on_corruption"
        );
    }

    #[test]
    fn a_tree_is_known_by_the_hash_of_its_root() {
        let tree = tempfile::tempfile().unwrap();
        tree.write_all_at(&written(), 0).unwrap();
        tree.write_all_at(&[7; 4096], 4096).unwrap();
        let mut salted = vec![0xab, 0xcd];
        salted.extend([7; 4096]);
        let hash = Sha256::digest(&salted).into();
        assert!(is_root_of(&tree, &hash));
        tree.write_all_at(&[8], 8191).unwrap();
        assert!(!is_root_of(&tree, &hash), "another tree");
        tree.write_all_at(&[7], 8191).unwrap();
        tree.write_all_at(&[0], 88).unwrap();
        assert!(!is_root_of(&tree, &hash), "another salt");
        tree.set_len(4096).unwrap();
        assert!(!is_root_of(&tree, &hash), "no tree");
    }

    #[test]
    fn what_is_no_superblock_is_refused() {
        assert!(Superblock::parse(&[0; 512]).is_err());
        for at in [0, 8, 32, 65, 69] {
            let mut bytes = written();
            bytes[at] ^= 1;
            assert!(Superblock::parse(&bytes).is_err(), "byte {at}");
        }
        let mut bytes = written();
        bytes[81] = 0xff;
        assert!(Superblock::parse(&bytes).is_err());
        let mut bytes = written();
        bytes[72..80].fill(0xff);
        assert!(Superblock::parse(&bytes).is_err());
    }
}
