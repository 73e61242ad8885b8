//! Inbox and outbox, through their files: what was promised is there after any end, what is damaged costs itself.

mod consumers;
mod cursors;
mod damage;
mod inbox;
mod outbox;
mod privacy;
mod room;
mod stubs;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast::mail::{Bounds, Inbox, Message, OutMessage, Outbox, Room};
use holdfast_medium::{DataDir, Secret, barrier::Barrier};
use parking_lot::Mutex;
use tempfile::TempDir;

const BLOCK: usize = 4096;
const MINUTE: Duration = Duration::from_secs(60);

fn message(id: &str) -> Message {
    Message {
        id: id.to_owned(),
        chat: Secret::new("chat-4915200000@s".to_owned()),
        sender: Secret::new("sender-4915200000@s".to_owned()),
        timestamp_s: 1_700_000_000,
        push_name: Some(Secret::new("Private Name".to_owned())),
        text: Some(Secret::new(format!("private text {id}"))),
        raw: id.as_bytes().to_vec(),
    }
}

fn large(id: &str, bytes: usize) -> Message {
    Message {
        raw: vec![b'x'; bytes],
        ..message(id)
    }
}

fn outgoing(id: &str, text: &str) -> OutMessage {
    OutMessage {
        id: id.to_owned(),
        to: Secret::new("4915200000@s".to_owned()),
        text: Secret::new(text.to_owned()),
    }
}

/// A data directory, opened as often as a test likes.
struct Place {
    root: TempDir,
    /// Of the inbox that was opened last.
    barrier: Mutex<Option<Barrier>>,
}

impl Place {
    fn new() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
            barrier: Mutex::default(),
        }
    }

    fn dir(&self) -> DataDir {
        DataDir::new(self.root.path().join("data"))
    }

    /// Waits until what the inbox that was opened last left to be written is.
    async fn is_written(&self) {
        let before = self.barrier.lock().take();
        if let Some(before) = before {
            before.stop().await.unwrap();
        }
    }

    /// Opens it once what the one before left to be written is.
    async fn inbox(&self) -> Inbox {
        self.is_written().await;
        let barrier = Barrier::start().unwrap();
        *self.barrier.lock() = Some(barrier.clone());
        self.inbox_under(&barrier, Bounds::NONE).await
    }

    async fn inbox_under(&self, barrier: &Barrier, bounds: Bounds) -> Inbox {
        let room = Room::new(self.dir().root(), bounds);
        Inbox::open(&self.dir(), barrier, room).await.unwrap()
    }

    async fn outbox(&self, barrier: &Barrier) -> Outbox {
        self.bounded_outbox(barrier, Bounds::NONE).await
    }

    async fn bounded_outbox(&self, barrier: &Barrier, bounds: Bounds) -> Outbox {
        let room = Room::new(self.dir().root(), bounds);
        Outbox::open(&self.dir(), barrier, room, |tries| MINUTE * tries)
            .await
            .unwrap()
    }

    fn segments(&self, log: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.dir().mail().join(log)).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }

    /// The one segment of a small inbox.
    fn segment(&self) -> PathBuf {
        let [only] = self.segments("inbox").try_into().unwrap();
        only
    }
}

/// Where the frames of a segment start, and their lengths with header: test messages never contain the magic.
fn frames(segment: &[u8]) -> Vec<(usize, usize)> {
    let starts = (0..segment.len())
        .step_by(BLOCK)
        .filter(|at| segment[*at..].starts_with(b"HfM1"));
    starts
        .map(|at| {
            (
                at,
                24 + u32::from_le_bytes(segment[at + 20..at + 24].try_into().unwrap()) as usize,
            )
        })
        .collect()
}

fn overwrite(path: &Path, at: usize, bytes: &[u8]) {
    fs::File::options()
        .write(true)
        .open(path)
        .unwrap()
        .write_all_at(bytes, at as u64)
        .unwrap();
}

fn flip(path: &Path, at: usize) {
    let byte = fs::read(path).unwrap()[at];
    overwrite(path, at, &[byte ^ 0x10]);
}

fn ids(inbox: &Inbox, from: u64) -> Vec<(u64, String)> {
    inbox
        .read(from, usize::MAX, usize::MAX)
        .unwrap()
        .into_iter()
        .map(|(seq, message)| (seq, message.id))
        .collect()
}

fn numbered(ids: &[(u64, &str)]) -> Vec<(u64, String)> {
    ids.iter()
        .map(|(seq, id)| (*seq, (*id).to_owned()))
        .collect()
}
