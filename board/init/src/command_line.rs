//! What the kernel command line says to this init. The slot's own part is from its boot partition, the rest from the bootloader
//! (`board/image/boot.cmd`).

use crate::{Error, slot::Slot};

/// The slot to start from, and what proves that it is the right one.
#[derive(Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// Which slot the bootloader took.
    pub slot: Slot,
    /// The hash of the root of the slot's verity tree, SHA-256.
    pub root_hash: [u8; 32],
    /// The kind of disk that the bootloader read, in its words, such as `mmc`; none where it does not say.
    pub disk: Option<String>,
}

impl CommandLine {
    /// Takes `rauc.slot=`, `holdfast.roothash=` and `holdfast.disk=` from the text of `/proc/cmdline`; the last one wins, as with the
    /// kernel's own.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let last = |key: &str| {
            text.split_ascii_whitespace()
                .filter_map(|word| word.strip_prefix(key))
                .next_back()
        };
        Ok(Self {
            slot: last("rauc.slot=")
                .and_then(Slot::named)
                .ok_or(Error::NoSlot)?,
            root_hash: last("holdfast.roothash=")
                .and_then(hash)
                .ok_or(Error::NoRootHash)?,
            disk: last("holdfast.disk=").map(str::to_owned),
        })
    }

    /// The root hash as the device mapper and people read it.
    pub fn hex(&self) -> String {
        hex::encode(self.root_hash)
    }
}

/// A SHA-256 as exactly 64 hexadecimal digits.
fn hash(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef";

    #[test]
    fn slot_hash_and_disk_are_read() {
        let line = format!(
            "console=ttyS0 holdfast.roothash={HASH} panic=10 rauc.slot=B holdfast.disk=mmc\n"
        );
        let line = CommandLine::parse(&line).unwrap();
        assert_eq!(line.hex(), HASH);
        assert_eq!(line.slot, Slot::B);
        assert_eq!(line.disk.as_deref(), Some("mmc"));
    }

    #[test]
    fn the_last_word_wins() {
        let first = HASH.replace('0', "f");
        let line = CommandLine::parse(&format!(
            "rauc.slot=B holdfast.roothash={first} holdfast.roothash={HASH} rauc.slot=A"
        ))
        .unwrap();
        assert_eq!((line.hex().as_str(), line.slot), (HASH, Slot::A));
    }

    #[test]
    fn nothing_but_a_whole_hash_is_one() {
        for text in [
            "",
            "ro quiet",
            "holdfast.roothash=",
            "holdfast.roothash=zz",
            &format!("holdfast.roothash={HASH}0"),
            &format!("holdfast.roothash={}é", &HASH[..62]),
        ] {
            let parsed = CommandLine::parse(&format!("rauc.slot=A {text}"));
            assert!(matches!(parsed, Err(Error::NoRootHash)), "{text}");
        }
    }

    #[test]
    fn a_slot_is_a_or_b() {
        for text in ["", "rauc.slot=", "rauc.slot=a", "rauc.slot=C"] {
            let parsed = CommandLine::parse(&format!("holdfast.roothash={HASH} {text}"));
            assert!(matches!(parsed, Err(Error::NoSlot)), "{text}");
        }
    }
}
