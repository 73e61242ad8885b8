//! The desk answers what any client may ask, in plain types, and refuses in sentences of its own.
//!
//! It knows no protocol: a door such as [`crate::bus`] translates requests, answers and refusals, and decides nothing.
//!
//! - [`Desk`]: the questions, one file per subject: `session`, `messages` (with the parser of a `recipient`), `vault`,
//!   `archives`, `panel`, `settings`, `update`
//! - [`Lines`]: what the daemon connects it with; [`Request`] and [`Status`] cross there
//! - [`Rooms`]: what is open only once the start is over
//! - [`Role`]: who may ask what, checked here for every door; [`Caller`]: who asks
//! - [`Refusal`]: why a request is not granted

mod archives;
mod messages;
mod panel;
mod recipient;
mod refusal;
mod request;
mod role;
mod rooms;
mod session;
mod settings;
mod status;
mod update;
mod vault;

use std::sync::Arc;

use holdfast_core::{Cause, Tested};
use holdfast_medium::{DataDir, Stopped, barrier::Barrier, blocking, wear::Card};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc, oneshot, watch};

pub use archives::{ArchiveContent, ArchiveLine};
pub use messages::{MailChanges, Moved, Received, Standing, StubAt, Waiting};
pub use refusal::Refusal;
pub use request::Request;
pub use role::{Ask, Caller, Role};
pub use rooms::Rooms;
#[cfg(test)]
pub(crate) use session::TEST_LIMIT;
pub use session::{News, PasskeyPrompt, Token};
pub use status::Status;
pub use update::{LastUpdate, SlotLine, Updatable, UpdateEnd, UpdateEnds, UpdateReport};

use crate::boot::{BootReport, settings::Door};
use crate::link::Credentials;
use crate::panel::Picture;

/// Connects the desk with the daemon. All but the rooms is there from the first second of the process.
pub struct Lines {
    /// Takes requests to the daemon's loop.
    pub requests: mpsc::Sender<Request>,
    /// The session, as it is now.
    pub status: watch::Receiver<Status>,
    /// The secrets a phone can link us by.
    pub credentials: watch::Receiver<Credentials>,
    /// The picture on the glass.
    pub picture: watch::Receiver<Picture>,
    /// The type and place of the glass.
    pub glass: String,
    /// The proxy to WhatsApp, without its login; `None` where there is none.
    pub proxy: Option<String>,
    /// The boot report, as far as it is written.
    pub boot: watch::Receiver<Arc<BootReport>>,
    /// News for the owner.
    pub news: broadcast::Sender<Cause>,
    /// Results of self-tests.
    pub tested: broadcast::Sender<Tested>,
    /// What updates there may be.
    pub updatable: Updatable,
    /// Ends of updates.
    pub updated: broadcast::Sender<UpdateEnd>,
    /// Counts what is written to the disk.
    pub barrier: Barrier,
    /// The disk's wear; `None` where it cannot be read.
    pub card: Option<Card>,
    /// The data directory, for logs that are read without any room.
    pub data: DataDir,
    /// The owner's settings that were not taken, and what to do instead; without any value of theirs.
    pub ignored: Vec<String>,
    /// The way to the machine's settings.
    pub settings: Door,
    /// The rooms; `None` until they are open, which after a fault is never.
    pub rooms: watch::Receiver<Option<Rooms>>,
}

/// So many files of clients are read and written at once.
const MOST_FILES: usize = 4;

/// The turn of a client's file.
pub struct Turn {
    taken: watch::Sender<usize>,
    #[expect(dead_code, reason = "held")]
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.taken.send_modify(|taken| *taken -= 1);
    }
}

/// Answers one caller. Cheap to clone: every connection has its own.
#[derive(Clone)]
pub struct Desk {
    lines: Arc<Lines>,
    /// Each file that a client hands over holds a thread for as long as its other end takes.
    files: Arc<Semaphore>,
    /// How many of them are at it.
    turns: watch::Sender<usize>,
    caller: Caller,
}

impl Desk {
    /// Opens the desk, which may be before anything else is open. It answers a caller of every role; see [`Desk::serve`].
    pub fn new(lines: Lines) -> Self {
        Self {
            lines: Arc::new(lines),
            files: Arc::new(Semaphore::new(MOST_FILES)),
            turns: watch::Sender::new(0),
            caller: Caller::admin(),
        }
    }

    /// Waits until a pipe that a client has handed over may be read; nothing waits for it in turn.
    pub async fn pipe(&self) -> Option<OwnedSemaphorePermit> {
        // It is never closed.
        Arc::clone(&self.files).acquire_owned().await.ok()
    }

    /// Waits until a file that a client has handed over may be read or written; until the turn is dropped it counts.
    pub async fn turn(&self) -> Turn {
        let permit = self.pipe().await;
        let taken = self.turns.clone();
        taken.send_modify(|taken| *taken += 1);
        Turn { taken, permit }
    }

    /// How many archives are written out and taken in, now and from now on.
    pub fn saving(&self) -> watch::Receiver<usize> {
        self.turns.subscribe()
    }

    /// The session, now and from now on.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.lines.status.clone()
    }

    /// The owner's settings that were not taken at this start, and what to do instead.
    pub fn ignored_settings(&self) -> &[String] {
        &self.lines.ignored
    }

    /// Sends a request that has an answer to the daemon's loop, and waits for it.
    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> Request,
    ) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.lines
            .requests
            .send(request(reply))
            .await
            .map_err(|_| Refusal::Stopping)?;
        answer.await.map_err(|_| Refusal::Stopping)
    }
}

/// Runs a blocking call off the runtime's thread, and refuses when Holdfast stops meanwhile.
async fn aside<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, Refusal>
where
    T: Send + 'static,
    E: From<Stopped> + Into<Refusal> + Send + 'static,
{
    blocking(work).await.map_err(Into::into)
}
