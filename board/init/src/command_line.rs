//! What the kernel command line says to this init.

use crate::{Error, gpt::Id};

/// The slot to start from, named by the hash of its verity tree's root. As the Discoverable Partitions Specification
/// has it, the hash's halves are also the unique ids of the two partitions.
#[derive(Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// The root hash, SHA-256.
    pub root_hash: [u8; 32],
}

impl CommandLine {
    /// Takes `holdfast.roothash=` from the text of `/proc/cmdline`; the last one wins, as with the kernel's own.
    pub fn parse(text: &str) -> Result<Self, Error> {
        text.split_ascii_whitespace()
            .filter_map(|word| word.strip_prefix("holdfast.roothash="))
            .next_back()
            .and_then(from_hex)
            .map(|root_hash| Self { root_hash })
            .ok_or(Error::NoRootHash)
    }

    /// The unique id of the partition with the file system.
    pub fn data_id(&self) -> Id {
        self.half(0)
    }

    /// The unique id of the partition with the tree.
    pub fn tree_id(&self) -> Id {
        self.half(16)
    }

    /// The root hash as the device mapper and people read it.
    pub fn hex(&self) -> String {
        to_hex(&self.root_hash)
    }

    /// Sixteen bytes of the hash.
    fn half(&self, from: usize) -> Id {
        std::array::from_fn(|index| self.root_hash[from + index])
    }
}

/// Lower-case hexadecimal digits.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef";

    #[test]
    fn halves_of_the_hash_name_the_partitions() {
        let line = CommandLine::parse(&format!(
            "console=ttyS0 holdfast.roothash={HASH} panic=10\n"
        ))
        .unwrap();
        assert_eq!(line.hex(), HASH);
        assert_eq!(to_hex(&line.data_id()), HASH[..32]);
        assert_eq!(to_hex(&line.tree_id()), HASH[32..]);
    }

    #[test]
    fn the_last_hash_wins() {
        let first = HASH.replace('0', "f");
        let line = CommandLine::parse(&format!(
            "holdfast.roothash={first} holdfast.roothash={HASH}"
        ))
        .unwrap();
        assert_eq!(line.hex(), HASH);
    }

    #[test]
    fn nothing_but_a_whole_hash_is_one() {
        for text in [
            "",
            "ro quiet",
            "holdfast.roothash=",
            "holdfast.roothash=zz",
            &format!("holdfast.roothash={HASH}0"),
        ] {
            assert!(CommandLine::parse(text).is_err(), "{text}");
        }
        assert!(CommandLine::parse(&format!("holdfast.roothash={}é", &HASH[..62])).is_err());
    }
}
