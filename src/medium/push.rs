//! Writes that reach the device without a flush of it, so that the barrier's one flush covers them.
//!
//! `fdatasync` of the store's file writes back that file's pages only. A direct write leaves no page behind: its
//! data is in the device when it returns, and any later device flush makes it durable. This is `sync_file_range`
//! without its `unsafe` and without the page cache. It needs blocks that exist and are written already, which is
//! why segments are filled with zeros first.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use crate::atomic;

/// The unit of a write, bytes: a frame starts on such a boundary, so that no write touches what was promised before.
pub const BLOCK: usize = 4096;

/// An existing file, written in whole blocks.
pub struct Pushed {
    file: File,
    direct: bool,
}

/// Creates a file of zeros for [`Pushed`], whole or not at all; durable on return. They are really written: a flush
/// of a later overwrite then needs no journal commit of the file system.
pub fn create(path: &Path, size: u64) -> io::Result<()> {
    let size = usize::try_from(size).map_err(io::Error::other)?;
    atomic::replace(path, &vec![0; size])
}

impl Pushed {
    /// Opens a file that [`create`] made; without direct I/O where its file system knows none.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true);
        let direct = i32::try_from(OFlags::DIRECT.bits()).unwrap_or_default();
        match options.clone().custom_flags(direct).open(path) {
            Err(error) if refuses_direct(&error) => Ok(Self {
                file: options.open(path)?,
                direct: false,
            }),
            file => Ok(Self {
                file: file?,
                direct: true,
            }),
        }
    }

    /// Writes at a block boundary and hands the data to the device.
    pub fn write(&mut self, at: u64, blocks: &Blocks) -> io::Result<()> {
        if self.direct {
            match self.file.write_all_at(blocks.bytes(), at) {
                Err(error) if refuses_direct(&error) => {
                    rustix::fs::fcntl_setfl(&self.file, OFlags::empty())?;
                    self.direct = false;
                }
                done => return done,
            }
        }
        // Where direct writes are unknown only a flush of our own gets the pages out.
        self.file.write_all_at(blocks.bytes(), at)?;
        self.flush()
    }

    /// Makes what was written durable: the device flush.
    pub fn flush(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

fn refuses_direct(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidInput
}

/// Bytes padded with zeros to whole blocks, aligned in memory as direct writes want it.
pub struct Blocks {
    memory: Vec<u8>,
    start: usize,
}

impl Blocks {
    /// Copies the content into aligned memory.
    pub fn new(content: &[u8]) -> Self {
        let memory = vec![0; content.len().next_multiple_of(BLOCK) + BLOCK];
        let start = memory.as_ptr().addr().next_multiple_of(BLOCK) - memory.as_ptr().addr();
        let mut blocks = Self { memory, start };
        blocks.bytes_mut()[..content.len()].copy_from_slice(content);
        blocks
    }

    /// The content and its padding.
    pub fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.len()]
    }

    /// The same, to be altered in place.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let end = self.start + self.len();
        &mut self.memory[self.start..end]
    }

    /// Bytes, padding included.
    #[expect(
        clippy::len_without_is_empty,
        reason = "nothing asks whether a write is empty"
    )]
    pub fn len(&self) -> usize {
        self.memory.len() - BLOCK
    }
}
