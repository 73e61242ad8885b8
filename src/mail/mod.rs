//! The durable inbox and outbox: no message accepted by either side is lost to a pulled plug.
//!
//! From the disk up: a `frame` is one write past the page cache, a `segment` is a file of frames, a `log` is a row of
//! segments. On it stand the [`Inbox`] with its `cursor`s, and the [`Outbox`] with its `queue`.

mod cursor;
mod finding;
mod frame;
mod inbox;
mod letter;
mod log;
mod outbox;
mod queue;
mod room;
mod segment;
mod stub;

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};

use holdfast_medium::{Stopped, barrier::BarrierError, remedy};

pub use cursor::Consumer;
pub use finding::Finding;
pub use inbox::{Inbox, Message, Unread};
pub use letter::{Accepted, Due, OutMessage, OutState, Pending, fresh_id};
pub use outbox::Outbox;
pub use room::{Bounds, Room};
pub use stub::{Stub, StubLine};

/// An error of the mail.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// A file of the mail cannot be read or written.
    #[error("the mail in {} cannot be read or written: {source}; {}", .path.display(), remedy(.source))]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The data partition failed or was closed; nothing was accepted.
    #[error(transparent)]
    Barrier(#[from] BarrierError),
    /// There is no room for it beyond the reserve; nothing was promised.
    #[error(
        "the data partition has no room for it: {} MiB are free, of which {} stay for what must be kept; have every consumer read and acknowledge its messages, then try again", .free >> 20, .left >> 20
    )]
    NoRoom {
        /// What is free beyond the reserve, bytes.
        free: u64,
        /// What must stay free, bytes.
        left: u64,
    },
    /// The messages that wait to be sent take all that they may; nothing was promised.
    #[error(
        "{messages} messages wait to be sent, and take the {} MiB that the outbox may; try again when some are sent, or drop what need not be: `holdfastctl outbox`", .limit >> 20
    )]
    OutboxFull {
        /// How many wait.
        messages: usize,
        /// The most that they may take, bytes.
        limit: u64,
    },
    /// The data partition does not say how much room it has.
    #[error("the room on the data partition is not known: {0}; check the data partition")]
    Room(io::Error),
    /// The daemon is going down; nothing was promised.
    #[error("the mail is closing; try again when Holdfast runs")]
    Closing,
    /// The batch is larger than one write may be.
    #[error("{bytes} bytes are too many at once (the limit is {limit}); send less")]
    TooLarge {
        /// The record's size, bytes.
        bytes: usize,
        /// The limit, bytes.
        limit: usize,
    },
    /// The name of a consumer is not usable.
    #[error("a consumer's name has 1 to {limit} bytes and no control characters; choose another")]
    ConsumerName {
        /// The longest name, bytes.
        limit: usize,
    },
    /// There are as many consumers as can be kept.
    #[error("there are {limit} consumers already; use one of their names")]
    TooManyConsumers {
        /// How many can be kept.
        limit: usize,
    },
    /// There is no consumer of this name.
    #[error("there is no consumer of this name; `holdfastctl inbox consumers` lists them")]
    UnknownConsumer,
    /// A consumer acknowledges what it cannot have read.
    #[error(
        "message {seq} is not there yet, the newest is {newest}; acknowledge only what was read"
    )]
    NotYet {
        /// The sequence number acknowledged.
        seq: u64,
        /// The newest sequence number.
        newest: u64,
    },
    /// The id of an outgoing message is not usable.
    #[error("a message id has 1 to {limit} bytes and no control characters; choose another")]
    MessageId {
        /// The longest id, bytes.
        limit: usize,
    },
    /// The id belongs to another message.
    #[error("this id was used for a message with another recipient or text; choose a new id")]
    IdTaken,
    /// The outbox holds no message of this id.
    #[error(
        "the outbox holds no message with this id; it was never accepted, or was forgotten since"
    )]
    UnknownMessage,
}

impl MailError {
    /// Says which file or directory an I/O error is about.
    fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// Runs a change to its end although its caller may be cancelled half-way: memory and disk must agree.
async fn whole<T: Send + 'static>(
    change: impl Future<Output = Result<T, MailError>> + Send + 'static,
) -> Result<T, MailError> {
    tokio::spawn(change)
        .await
        .unwrap_or(Err(MailError::Closing))
}

impl From<Stopped> for MailError {
    fn from(_: Stopped) -> Self {
        Self::Closing
    }
}

/// CBOR of a record kept in a frame: new fields get new numbers, old frames stay readable.
fn to_cbor<T: minicbor::Encode<()>>(value: &T) -> Vec<u8> {
    minicbor::to_vec(value)
        .expect("a Vec takes every byte and the derived encoders have no errors of their own")
}
