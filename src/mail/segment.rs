//! A segment: one preallocated file of frames.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use holdfast_medium::push::BLOCK;

use super::frame::{self, HEADER, Header};

/// The name of a segment's file says where its sequence starts and which salt its checksums carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    /// No record in the segment has a smaller sequence number.
    pub first: u64,
    /// Random, and drawn anew whenever a file is used again.
    pub salt: u64,
}

impl Name {
    /// Names a new segment. Fails when the system has no random numbers.
    pub(super) fn new(first: u64) -> io::Result<Self> {
        let salt = getrandom::u64().map_err(io::Error::other)?;
        Ok(Self { first, salt })
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        let (first, salt) = name.split_once('-')?;
        let number = |digits: &str| {
            (digits.len() == 16)
                .then(|| u64::from_str_radix(digits, 16).ok())
                .flatten()
        };
        Some(Self {
            first: number(first)?,
            salt: number(salt)?,
        })
    }

    pub(super) fn path(&self, dir: &Path) -> PathBuf {
        dir.join(format!("{:016x}-{:016x}", self.first, self.salt))
    }
}

/// The place of a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Sequence number of its first record.
    pub first: u64,
    /// Offset in the file, bytes.
    pub at: u32,
}

/// A segment as the index keeps it: no bodies.
#[derive(Debug)]
pub(super) struct Segment {
    pub name: Name,
    /// Size of the file, bytes.
    pub size: u64,
    /// The sound frames, in order.
    pub frames: Vec<Place>,
    /// Where the next frame goes, bytes.
    pub end: u64,
    /// Since when it is full, or found, or written to.
    pub since: Instant,
}

/// The result of scanning a segment.
pub(super) struct Scan {
    pub segment: Segment,
    /// The sequence number after the last sound record.
    pub next: u64,
    /// Behind the last sound frame lies the unsound rest of what should have been the next.
    pub torn: bool,
}

impl Segment {
    pub(super) fn empty(name: Name, size: u64) -> Self {
        Self {
            name,
            size,
            frames: Vec::new(),
            end: 0,
            since: Instant::now(),
        }
    }

    pub(super) fn has_room(&self, bytes: u64) -> bool {
        self.end.saturating_add(bytes) <= self.size
    }

    /// Reads every frame; `visit` gets the sound ones that carry the sequence on from `next`. What is unsound is
    /// stepped over block by block, so that a bad frame costs itself alone.
    pub(super) fn scan(
        dir: &Path,
        name: Name,
        mut next: u64,
        mut visit: impl FnMut(Header, &[u8]),
    ) -> io::Result<Scan> {
        let file = File::open(name.path(dir))?;
        let mut segment = Self::empty(name, file.metadata()?.len());
        let mut buffer = Vec::new();
        let mut at = 0;
        while let Ok(place) = u32::try_from(at)
            && at < segment.size
        {
            match read_frame(&file, name.salt, at, segment.size, &mut buffer)? {
                Some(header) if header.first >= next => {
                    segment.frames.push(Place {
                        first: header.first,
                        at: place,
                    });
                    next = header.next();
                    at += header.room();
                    segment.end = at;
                    visit(header, &buffer[HEADER..]);
                }
                _ => at += BLOCK as u64,
            }
        }
        let torn = read_header(&file, segment.end, segment.size)?
            .is_some_and(|header| header.first == next);
        Ok(Scan {
            segment,
            next,
            torn,
        })
    }

    /// Reads one frame into `buffer`, header first; `None` when it is no longer sound.
    pub(super) fn read(
        &self,
        file: &File,
        at: u32,
        buffer: &mut Vec<u8>,
    ) -> io::Result<Option<Header>> {
        read_frame(file, self.name.salt, at.into(), self.size, buffer)
    }
}

fn read_header(file: &File, at: u64, size: u64) -> io::Result<Option<Header>> {
    let mut header = [0; HEADER];
    if at.saturating_add(HEADER as u64) > size {
        return Ok(None);
    }
    file.read_exact_at(&mut header, at)?;
    Ok(Header::parse(&header))
}

fn read_frame(
    file: &File,
    salt: u64,
    at: u64,
    size: u64,
    buffer: &mut Vec<u8>,
) -> io::Result<Option<Header>> {
    let Some(header) = read_header(file, at, size)?.filter(|header| at + header.room() <= size)
    else {
        return Ok(None);
    };
    buffer.resize(HEADER + header.body, 0);
    file.read_exact_at(buffer, at)?;
    Ok(frame::is_sound(buffer, salt).then_some(header))
}
