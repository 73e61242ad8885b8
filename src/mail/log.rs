//! A mail log: segments in one directory, appended to by the barrier's thread, read by everybody.
//!
//! Every record has a sequence number, counted from 1 and never used twice. Segments are filled in order; a full
//! one is followed by the next. Released segments are given back to the file system at once but for the newest,
//! [`KEPT`] bytes of them, the oldest of which is used again by the next rotation, and for those that are to stay for a time; where
//! there is little room, but for [`LEAST`].

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_medium::{
    atomic,
    barrier::Log,
    push::{self, Blocks, Pushed},
};
use parking_lot::Mutex;

use super::frame::{self, HEADER, Header};
use super::segment::{Name, Place, Segment};
use super::{Finding, MailError, Room};

/// The size of a segment, bytes; one that must hold a larger frame is as large as that.
const SEGMENT: u64 = 1 << 20;
/// What stays after its release, while there is room, bytes: the window in which a duplicate is recognised.
const KEPT: u64 = 16 * SEGMENT;

/// A log as it was found on opening.
pub(super) struct Opened {
    pub writer: Writer,
    pub reader: Reader,
    /// The sequence number of the next record.
    pub next: u64,
    pub findings: Vec<Finding>,
}

/// Opens or creates the log in a directory; `visit` gets every sound frame, oldest first. While there is room, what was written within the
/// time `stay` is not given back.
pub(super) fn open(
    dir: &Path,
    stay: Duration,
    mut visit: impl FnMut(Header, &[u8]),
) -> Result<Opened, MailError> {
    let failed = MailError::io(dir);
    atomic::make_dir(dir).map_err(&failed)?;
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(&failed)? {
        let entry = entry.map_err(&failed)?;
        if let Some(name) = entry.file_name().to_str().and_then(Name::parse) {
            names.push((name.first, entry.metadata().map_err(&failed)?.len(), name));
        }
    }
    if names.is_empty() {
        let name = Name::new(1).map_err(&failed)?;
        push::create(&name.path(dir), SEGMENT).map_err(&failed)?;
        names.push((name.first, SEGMENT, name));
    }
    // Of two that start alike one is empty: it was too small for the frame the other was made for.
    names.sort();

    let mut findings = Vec::new();
    let mut segments = VecDeque::new();
    let mut next = names.first().map_or(1, |(first, ..)| *first);
    let mut torn = false;
    for (first, _, name) in names {
        let mut expected = next.max(first);
        if expected > next {
            findings.push(Finding::Lost(next..=expected - 1));
        }
        let scan = Segment::scan(dir, name, expected, |header, body| {
            if header.first > expected {
                findings.push(Finding::Lost(expected..=header.first - 1));
            }
            expected = header.next();
            visit(header, body);
        })
        .map_err(&failed)?;
        next = scan.next;
        torn = scan.torn;
        segments.push_back(scan.segment);
    }
    if torn {
        findings.push(Finding::TornTail);
    }

    let live = segments
        .pop_back()
        .expect("a log without a segment was given one above");
    let file = Pushed::open(&live.name.path(dir)).map_err(&failed)?;
    let index = Arc::new(Mutex::new(Index {
        dir: dir.to_owned(),
        full: segments,
        live,
        released: 0,
        stay,
        #[cfg(test)]
        reads: std::cell::Cell::default(),
    }));
    let writer = Writer {
        index: Arc::clone(&index),
        file,
    };
    Ok(Opened {
        writer,
        reader: Reader(index),
        next,
        findings,
    })
}

/// What stays where there is little room, bytes: what was sent just now may be asked for again. A segment that is larger does not, for
/// a batch may be as large as what is missing.
const LEAST: u64 = SEGMENT;

/// What stays of what is released.
#[derive(Clone, Copy)]
struct Window {
    /// Of the newest full segments so much, bytes.
    size: u64,
    /// What was written until so long ago.
    stay: Duration,
}

impl Window {
    const LEAST: Self = Self {
        size: LEAST,
        stay: Duration::ZERO,
    };

    fn within(room: &Room, stay: Duration) -> Self {
        if room.is_scarce() {
            Self::LEAST
        } else {
            Self { size: KEPT, stay }
        }
    }
}

/// The index of every frame's place. Bodies stay on the disk.
struct Index {
    dir: PathBuf,
    full: VecDeque<Segment>,
    live: Segment,
    /// The last released record: nobody needs it, nor any before it.
    released: u64,
    /// For how long a full segment stays while there is room.
    stay: Duration,
    /// How many frames were read.
    #[cfg(test)]
    reads: std::cell::Cell<u64>,
}

impl Index {
    /// How many of the oldest segments are released: each of their records comes before the next segment's first.
    fn released(&self) -> usize {
        let firsts = self.full.iter().skip(1).chain([&self.live]);
        let needed = self.released.saturating_add(1);
        firsts
            .take_while(|next| next.name.first <= needed)
            .count()
            .min(self.full.len())
    }

    /// How many of the oldest segments may go if so much stays.
    fn spare(&self, window: Window) -> usize {
        let mut size = 0;
        let stay = self.full.iter().rev().take_while(|segment| {
            size += segment.size;
            size <= window.size
        });
        let most = self.full.len() - stay.count();
        let old = self.full.iter().take(most.min(self.released()));
        old.take_while(|segment| segment.since.elapsed() >= window.stay)
            .count()
    }

    /// Tells whether the oldest segment may be used again.
    fn has_spare(&self) -> bool {
        let window = Window {
            size: KEPT - SEGMENT,
            stay: self.stay,
        };
        self.spare(window) > 0
    }

    /// Renames a spare file of this size, and removes what else is spare. Readers find and read a frame under one
    /// lock, so none meets a file that is being used again.
    fn reuse(&mut self, name: Name, size: u64) -> io::Result<bool> {
        let mut reused = false;
        while self.has_spare()
            && let Some(old) = self.full.pop_front()
        {
            let path = old.name.path(&self.dir);
            if old.size == size && !reused {
                fs::rename(path, name.path(&self.dir))?;
                reused = true;
            } else {
                fs::remove_file(path)?;
            }
        }
        Ok(reused)
    }
}

/// The writing end, which the barrier holds.
pub(super) struct Writer {
    index: Arc<Mutex<Index>>,
    file: Pushed,
}

impl Log for Writer {
    fn append(&mut self, draft: &[u8]) -> io::Result<()> {
        let header = Header::parse(draft)
            .filter(|header| HEADER + header.body == draft.len())
            .ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidInput, "not a frame of the mail")
            })?;
        let mut blocks = Blocks::new(draft);
        let room = blocks.len() as u64;
        if !self.index.lock().live.has_room(room) {
            self.rotate(header.first, room)?;
        }
        let (salt, end) = {
            let index = self.index.lock();
            (index.live.name.salt, index.live.end)
        };
        let at = u32::try_from(end).map_err(io::Error::other)?;
        frame::seal(&mut blocks.bytes_mut()[..draft.len()], salt);
        self.file.write(end, &blocks)?;
        let mut index = self.index.lock();
        index.live.frames.push(Place {
            first: header.first,
            at,
        });
        index.live.end = end + room;
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        // Full segments are in the device already; its flush, asked for through any file, covers them.
        self.file.flush()
    }
}

impl Writer {
    /// Begins the next segment: a released file under a new name, or a new one.
    fn rotate(&mut self, first: u64, room: u64) -> io::Result<()> {
        let name = Name::new(first)?;
        let size = SEGMENT.max(room);
        let (dir, again) = {
            let mut index = self.index.lock();
            let again = index.reuse(name, size)?;
            (index.dir.clone(), again)
        };
        if again {
            atomic::sync_dir(&dir)?;
        } else {
            push::create(&name.path(&dir), size)?;
        }
        self.file = Pushed::open(&name.path(&dir))?;
        let mut index = self.index.lock();
        let mut full = std::mem::replace(&mut index.live, Segment::empty(name, size));
        full.frames.shrink_to_fit();
        full.since = Instant::now();
        index.full.push_back(full);
        Ok(())
    }
}

/// The reading end; clones read the same log.
#[derive(Clone)]
pub(super) struct Reader(Arc<Mutex<Index>>);

impl Reader {
    /// Reads the frames that may hold records from `from` on, in order, until `visit` says no. The first may
    /// begin earlier. A frame that went bad since it was found is stepped over.
    pub(super) fn read(
        &self,
        from: u64,
        mut visit: impl FnMut(Header, &[u8]) -> bool,
    ) -> Result<(), MailError> {
        let index = self.0.lock();
        let mut segments = index.full.iter().chain([&index.live]).peekable();
        let mut buffer = Vec::new();
        while let Some(segment) = segments.next() {
            if segments
                .peek()
                .is_some_and(|following| following.name.first <= from)
            {
                continue;
            }
            let path = segment.name.path(&index.dir);
            let failed = MailError::io(&path);
            let file = File::open(&path).map_err(&failed)?;
            let start = segment
                .frames
                .partition_point(|place| place.first <= from)
                .saturating_sub(1);
            for place in &segment.frames[start..] {
                #[cfg(test)]
                index.reads.set(index.reads.get() + 1);
                match segment
                    .read(&file, place.at, &mut buffer)
                    .map_err(&failed)?
                {
                    Some(header) if !visit(header, &buffer[HEADER..]) => return Ok(()),
                    Some(_) => {}
                    None => tracing::error!(
                        first = place.first,
                        "a frame of the mail can no longer be read"
                    ),
                }
            }
        }
        Ok(())
    }

    /// How many frames were read so far.
    #[cfg(test)]
    pub(super) fn reads(&self) -> u64 {
        self.0.lock().reads.get()
    }

    /// The sequence number of the oldest record that may still be there.
    pub(super) fn oldest(&self) -> u64 {
        let index = self.0.lock();
        index.full.front().unwrap_or(&index.live).name.first
    }

    /// How much the files must grow for a frame that takes so much room, bytes: a segment, unless there is one.
    pub(super) fn growth(&self, room: u64) -> u64 {
        let index = self.0.lock();
        let size = SEGMENT.max(room);
        let is_spare = |old: &Segment| old.size == size && index.has_spare();
        if index.live.has_room(room) || index.full.front().is_some_and(is_spare) {
            0
        } else {
            size
        }
    }

    /// Sums the bytes of the frames that hold records from `from` on.
    pub(super) fn bytes_from(&self, from: u64) -> u64 {
        let index = self.0.lock();
        let segments = index.full.iter().chain([&index.live]);
        segments
            .map(|segment| {
                let first = segment.frames.partition_point(|place| place.first < from);
                let first = segment.frames.get(first);
                first.map_or(0, |place| segment.end.saturating_sub(place.at.into()))
            })
            .sum()
    }

    /// Releases this record and all before it; whether there are segments to [`Reader::give_back`] now, within this room. `through` is
    /// asked under the lock, so that of two answers the later one counts.
    pub(super) fn release(&self, room: &Room, through: impl FnOnce() -> u64) -> bool {
        let mut index = self.0.lock();
        index.released = through();
        index.spare(Window::within(room, index.stay)) > 0
    }

    /// Tells whether the segment that is written to is larger than others, and holds something. It goes with the next rotation alone.
    pub(super) fn is_large(&self) -> bool {
        let index = self.0.lock();
        index.live.size > SEGMENT && !index.live.frames.is_empty()
    }

    /// Removes the oldest released segments, but for the window in which a duplicate is recognised, while there is room for one.
    pub(super) fn give_back(&self, room: &Room) -> Result<(), MailError> {
        let stay = self.0.lock().stay;
        self.keep(Window::within(room, stay))
    }

    /// Removes the released segments but for the newest: there is no room for a window.
    pub(super) fn trim(&self) -> Result<(), MailError> {
        self.keep(Window::LEAST)
    }

    /// Sums the size of the segments that [`Reader::trim`] would remove, bytes.
    pub(super) fn spare_bytes(&self) -> u64 {
        let index = self.0.lock();
        let spare = index.full.iter().take(index.spare(Window::LEAST));
        spare.map(|segment| segment.size).sum()
    }

    /// Removes released segments, oldest first, while more than `kept` full ones are there. A segment that is out of the index
    /// is found by no reader; one that a power cut brings back is released at the next opening again.
    fn keep(&self, window: Window) -> Result<(), MailError> {
        let (dir, spare) = {
            let mut index = self.0.lock();
            let spare = index.spare(window);
            let spare: Vec<Segment> = index.full.drain(..spare).collect();
            (index.dir.clone(), spare)
        };
        let failed = MailError::io(&dir);
        for segment in &spare {
            fs::remove_file(segment.name.path(&dir)).map_err(&failed)?;
        }
        // ext4 gives the blocks out again when their freeing is in its journal.
        if !spare.is_empty() {
            atomic::sync_dir(&dir).map_err(&failed)?;
        }
        Ok(())
    }
}
