//! Encodes one frame: a single write to a segment, which is there whole or not at all.
//!
//! A header of 24 bytes, little-endian, then the body: magic, CRC-32C of all that follows, sequence number of the
//! first record, number of records, length of the body. The checksum also covers the *salt* of the segment, which
//! is not in the frame: neither what a recycled segment held before nor a frame forged inside a message passes.

use holdfast_medium::push::BLOCK;

pub(super) const HEADER: usize = 24;
/// The largest body, bytes. An offset inside a segment stays within 32 bits.
pub(super) const MAX_BODY: usize = 256 << 20;

const MAGIC: [u8; 4] = *b"HfM1";

/// The header of a frame; to be trusted only when the frame [`is_sound`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Sequence number of the first record.
    pub first: u64,
    /// Number of records.
    pub count: u32,
    /// Length of the body, bytes.
    pub body: usize,
}

impl Header {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk()?;
        let (_checksum, rest) = rest.split_first_chunk::<4>()?;
        let (first, rest) = rest.split_first_chunk()?;
        let (count, rest) = rest.split_first_chunk()?;
        let (body, _) = rest.split_first_chunk()?;
        let body = u32::from_le_bytes(*body) as usize;
        (*magic == MAGIC && body <= MAX_BODY).then(|| Self {
            first: u64::from_le_bytes(*first),
            count: u32::from_le_bytes(*count),
            body,
        })
    }

    /// The sequence number after the last record.
    pub(super) fn next(&self) -> u64 {
        self.first.saturating_add(self.count.into())
    }

    /// The room the frame takes, bytes.
    pub(super) fn room(&self) -> u64 {
        room(HEADER + self.body)
    }
}

/// The room a frame of this length takes, bytes.
pub(super) fn room(frame: usize) -> u64 {
    frame.next_multiple_of(BLOCK) as u64
}

/// A frame without its checksum: the salt is known only where it is written. The body is at most [`MAX_BODY`].
pub(super) fn draft(first: u64, count: u32, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEADER + body.len());
    frame.extend(MAGIC);
    frame.extend([0; 4]);
    frame.extend(first.to_le_bytes());
    frame.extend(count.to_le_bytes());
    frame.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    frame.extend(body);
    frame
}

/// Puts the checksum into a draft.
pub(super) fn seal(frame: &mut [u8], salt: u64) {
    let checksum = checksum(frame, salt).to_le_bytes();
    if let Some(place) = frame.get_mut(4..8) {
        place.copy_from_slice(&checksum);
    }
}

/// Checks that a frame, header and body and nothing behind it, was sealed with this salt.
pub(super) fn is_sound(frame: &[u8], salt: u64) -> bool {
    frame.get(4..8) == Some(&checksum(frame, salt).to_le_bytes())
}

fn checksum(frame: &[u8], salt: u64) -> u32 {
    let covered = frame.get(8..).unwrap_or_default();
    crc32c::crc32c_append(crc32c::crc32c(&salt.to_le_bytes()), covered)
}
